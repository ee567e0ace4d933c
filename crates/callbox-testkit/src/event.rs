//! The lines of `--json`, read and held to the contract.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Every event a run has printed, each checked for the fields the contract promises.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The events in order.
    pub events: Vec<Value>,
}

/// The fields an event must have besides `v`, `event` and `time`, each with what it must be.
const FIELDS: &[(&str, &[(&str, Kind)])] = &[
    ("listening", &[("address", Kind::Text)]),
    ("connected", &[("session", Kind::Count), ("role", Kind::Text), ("peer", Kind::Text), ("local", Kind::Text)]),
    ("data", &[("session", Kind::Count), ("direction", Kind::Text), ("bytes", Kind::Count)]),
    ("end", &[("session", Kind::Count), ("direction", Kind::Text)]),
    (
        "closed",
        &[
            ("session", Kind::Count),
            ("termination", Kind::Text),
            ("to_server_bytes", Kind::Count),
            ("to_client_bytes", Kind::Count),
            ("duration_us", Kind::Count),
        ],
    ),
    ("refused", &[("peer", Kind::Text), ("reason", Kind::Text)]),
    (
        "error",
        &[
            ("operation", Kind::Text),
            ("address", Kind::Text),
            ("kind", Kind::Text),
            ("message", Kind::Text),
            ("exit", Kind::Count),
        ],
    ),
    ("lost", &[("count", Kind::Count)]),
    // Beyond the contract's table: a server says that it drains, pauses or tries again.
    ("draining", &[("sessions", Kind::Count)]),
    ("suspended", &[]),
    ("resumed", &[]),
    ("paused", &[("message", Kind::Text), ("pause_us", Kind::Count)]),
    ("retrying", &[("message", Kind::Text), ("pause_us", Kind::Count)]),
    ("notice", &[("message", Kind::Text)]),
    // And a relay what its upstreams, its faults and its mirror do.
    ("upstream", &[("address", Kind::Text), ("state", Kind::Text)]),
    ("control", &[("address", Kind::Text)]),
    // Of TLS, what was agreed on.
    (
        "tls",
        &[
            ("session", Kind::Count),
            ("role", Kind::Text),
            ("version", Kind::Text),
            ("suite", Kind::Text),
            ("trust", Kind::Text),
        ],
    ),
    ("fault", &[("session", Kind::Count), ("fault", Kind::Text), ("offset", Kind::Count), ("what", Kind::Text)]),
    ("mirror", &[("session", Kind::Count), ("outcome", Kind::Text)]),
    // The reports of those that measure and wait.
    (
        "report",
        &[
            ("address", Kind::Text),
            ("mode", Kind::Text),
            ("schedule", Kind::Text),
            ("requests", Kind::Count),
            ("answered", Kind::Count),
            ("wrong", Kind::Count),
            ("lost", Kind::Count),
            ("errors", Kind::Table),
            ("rate_reached", Kind::Number),
            ("response", Kind::Table),
            ("service", Kind::Table),
            ("phases", Kind::Table),
            ("seed", Kind::Count),
            ("duration_us", Kind::Number),
        ],
    ),
    ("comparison", &[("a", Kind::Text), ("b", Kind::Text), ("sentence", Kind::Text)]),
    ("waited", &[("duration_us", Kind::Count)]),
    (
        "summary",
        &[
            ("sessions", Kind::Count),
            ("refused", Kind::Count),
            ("to_server_bytes", Kind::Count),
            ("to_client_bytes", Kind::Count),
            ("duration_us", Kind::Count),
            ("lost_events", Kind::Count),
            ("limits", Kind::Table),
        ],
    ),
];

#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    /// A whole number.
    Count,
    /// With a fraction, or without.
    Number,
    Table,
}

impl Kind {
    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Count => value.is_u64(),
            Self::Number => value.is_number(),
            Self::Table => value.is_object(),
        }
    }
}

impl Ledger {
    /// Reads the lines of a run.
    ///
    /// # Errors
    ///
    /// Says which line breaks which promise.
    pub fn read(output: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(output).map_err(|error| format!("--json wrote invalid UTF-8: {error}"))?;
        if !text.is_empty() && !text.ends_with('\n') {
            return Err("the last event has no line ending".to_owned());
        }
        let mut events = Vec::new();
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).map_err(|error| format!("no JSON: {line}: {error}"))?;
            check(&event).map_err(|why| format!("{why}: {line}"))?;
            events.push(event);
        }
        Ok(Self { events })
    }

    /// Returns the events of this name.
    pub fn named(&self, name: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["event"] == name).collect()
    }

    /// Returns the only event of this name.
    #[track_caller]
    pub fn the(&self, name: &str) -> &Value {
        let found = self.named(name);
        assert_eq!(found.len(), 1, "one \"{name}\" event among {:#?}", self.events);
        found[0]
    }

    /// Returns the summary, which must be the last line and the only one.
    #[track_caller]
    pub fn summary(&self) -> &Value {
        let summary = self.the("summary");
        assert_eq!(self.events.last(), Some(summary), "the summary is the last line");
        summary
    }

    /// Returns how often each termination occurred.
    pub fn terminations(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for event in self.named("closed") {
            *counts.entry(event["termination"].as_str().unwrap_or("?").to_owned()).or_insert(0) += 1;
        }
        counts
    }

    /// Returns the sum of a number over all events of a name.
    pub fn sum(&self, name: &str, field: &str) -> u64 {
        self.named(name).iter().filter_map(|event| event[field].as_u64()).sum()
    }

    /// Returns all bytes of a direction, put together from the `data` events.
    pub fn bytes(&self, direction: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for event in self.named("data").iter().filter(|event| event["direction"] == direction) {
            match (event["text"].as_str(), event["base64"].as_str()) {
                (Some(text), None) => bytes.extend_from_slice(text.as_bytes()),
                (None, Some(code)) => bytes.extend(base64(code).unwrap_or_else(|| panic!("bad base64: {event}"))),
                _ => panic!("exactly one of text and base64: {event}"),
            }
        }
        bytes
    }

    /// Panics unless the books balance: who connected has closed, and the summary's totals are the sessions' sums.
    #[track_caller]
    pub fn balances(&self) -> &Self {
        let summary = self.summary();
        let lost = summary["lost_events"].as_u64().unwrap_or(0);
        if lost == 0 {
            // A session of a relay has two connections: the one that was accepted, and the one that it made.
            let connected: BTreeSet<_> =
                self.named("connected").iter().map(|event| event["session"].as_u64()).collect();
            assert_eq!(connected.len(), self.named("closed").len(), "who connected has closed");
            assert_eq!(summary["sessions"].as_u64(), Some(connected.len() as u64), "sessions: {summary}");
            for field in ["to_server_bytes", "to_client_bytes"] {
                assert_eq!(summary[field].as_u64(), Some(self.sum("closed", field)), "{field}: {summary}");
            }
            assert_eq!(summary["refused"].as_u64(), Some(self.named("refused").len() as u64), "refused: {summary}");
        }
        self
    }
}

fn check(event: &Value) -> Result<(), String> {
    if event["v"] != 1 {
        return Err("no \"v\":1".to_owned());
    }
    let name = event["event"].as_str().ok_or("no \"event\"")?;
    let time = event["time"].as_str().ok_or("no \"time\"")?;
    if !is_utc_with_microseconds(time) {
        return Err(format!("not RFC 3339 in UTC with microseconds: {time}"));
    }
    let Some((_, fields)) = FIELDS.iter().find(|(known, _)| *known == name) else {
        return Err(format!("an event the contract does not know: {name}"));
    };
    for (field, kind) in *fields {
        if !kind.holds(&event[*field]) {
            return Err(format!("field {field} should be {kind:?}"));
        }
    }
    let direction = &event["direction"];
    if !direction.is_null() && direction != "to_server" && direction != "to_client" {
        return Err(format!("direction {direction}"));
    }
    if event["session"] == 0 {
        return Err("sessions are counted from 1".to_owned());
    }
    if name == "connected" && event["role"] == "client" && !event["connect_us"].is_u64() {
        return Err("a client's connected has connect_us".to_owned());
    }
    Ok(())
}

fn is_utc_with_microseconds(time: &str) -> bool {
    const SHAPE: &str = "0000-00-00T00:00:00.000000Z";
    let same = |(shape, is): (char, char)| if shape == '0' { is.is_ascii_digit() } else { shape == is };
    time.len() == SHAPE.len() && SHAPE.chars().zip(time.chars()).all(same)
}

/// Decodes standard base64 with padding.
pub fn base64(code: &str) -> Option<Vec<u8>> {
    let code = code.as_bytes();
    if !code.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::new();
    for group in code.chunks(4) {
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        let mut bits = 0u32;
        for byte in &group[..4 - padding] {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        bits <<= 6 * padding;
        bytes.extend_from_slice(&bits.to_be_bytes()[1..4 - padding]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        r#"{"v":1,"event":"end","time":"2026-01-02T03:04:05.000006Z","session":1,"direction":"to_server"}"#;

    #[test]
    fn a_good_line_is_read() {
        let ledger = Ledger::read(format!("{GOOD}\n").as_bytes()).expect("good");
        assert_eq!(ledger.the("end")["session"], 1);
    }

    #[test]
    fn broken_promises_are_seen() {
        for (from, to) in [
            ("\"v\":1", "\"v\":2"),
            (".000006Z", "Z"),
            ("\"session\":1", "\"session\":0"),
            ("\"session\":1", "\"session\":\"1\""),
            ("to_server", "upstream"),
            ("\"end\"", "\"finish\""),
        ] {
            let line = GOOD.replace(from, to) + "\n";
            assert!(Ledger::read(line.as_bytes()).is_err(), "{line}");
        }
        assert!(Ledger::read(GOOD.as_bytes()).is_err(), "no line ending");
    }

    #[test]
    fn base64_is_read_as_written() {
        assert_eq!(base64("AAEC/w=="), Some(vec![0, 1, 2, 255]));
        assert_eq!(base64("aGVsbG8="), Some(b"hello".to_vec()));
        assert_eq!(base64(""), Some(vec![]));
        assert_eq!(base64("a"), None);
    }
}
