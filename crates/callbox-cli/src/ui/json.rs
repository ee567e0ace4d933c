//! Events as JSON, one object a line: the contract's names, which are added to and never changed.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use callbox::addr::Addr;
use callbox::checksum::Verdict;
use callbox::direction::Direction;
use callbox::error::Error;
use callbox::event::{Event, FrameFacts, Mirrored, PeerProcess, Phases, Turn};
use callbox::frame::{Arrivals, FrameKind};
use callbox::frames::FrameReport;
use callbox::report::tls::{CertificateFacts, TlsFacts};
use callbox::report::{SessionId, SessionReport};
use callbox::server::Report;
use callbox::text::{Encoding, escape, safe};
use tokio::time::Instant;

use crate::exit::{self, Failure};

mod ping;
mod waited;

pub use ping::{Pinged, ping};
pub use waited::{Waited, waited};

/// The version of the format.
const VERSION: u8 = 1;
/// The last second of the year 9999, since 1970: no later one can be written.
const LAST_TIME: Duration = Duration::from_secs(253_402_300_799);

/// Prints events for programs.
pub struct Json {
    /// The same moment by both clocks: events carry the one that cannot jump.
    origin: (Instant, SystemTime),
    /// What makes bytes text.
    encoding: Encoding,
}

impl Json {
    /// Starts now.
    pub fn new(encoding: Encoding) -> Json {
        Json { origin: (Instant::now(), SystemTime::now()), encoding }
    }

    fn time(&self, at: Instant) -> SystemTime {
        match at.checked_duration_since(self.origin.0) {
            Some(since) => self.origin.1 + since,
            None => self.origin.1 - self.origin.0.duration_since(at),
        }
    }

    fn line(&self, at: Instant, event: &str) -> Line {
        Line::new(event, self.time(at))
    }

    /// Tells that a connection is there.
    fn connected(&self, at: Instant, event: &Event) -> Line {
        let line = self.line(at, "connected");
        let Event::Connected { session, role, peer, local, phases, via, process, through } = event else { return line };
        let line = line.session(*session).text("role", role.name());
        let line = line.text("peer", &peer.to_string()).text("local", &local.to_string());
        let line = match phases {
            Some(phases) => way(line, phases, through.as_deref()),
            None => line,
        };
        let line = match process.as_deref() {
            Some(PeerProcess { pid: Some(pid), .. }) => line.number("pid", u64::from(*pid)),
            _ => line,
        };
        let line = match process {
            Some(found) => line.number("uid", found.uid.into()).number("gid", found.gid.into()),
            None => line,
        };
        let Some(via) = via else { return line };
        let line = line.text("via", &via.proxy.to_string());
        match &via.destination {
            Some(destination) => line.text("destination", &destination.to_string()),
            None => line,
        }
    }

    /// Appends one event's line to `out`.
    pub fn event(&mut self, at: Instant, event: &Event, out: &mut Vec<u8>) {
        let line = match event {
            Event::Listening { address } => self.line(at, "listening").text("address", &address.to_string()),
            Event::Control { address } => self.line(at, "control").text("address", &address.to_string()),
            Event::Connected { .. } => self.connected(at, event),
            Event::Data { session, direction, bytes, frame, far } => {
                let line = self.line(at, "data").session(*session).direction(*direction);
                let line = if *far { line.text("side", "server") } else { line };
                self.payload(line, bytes, frame.as_deref())
            }
            Event::End { session, direction } => self.line(at, "end").session(*session).direction(*direction),
            Event::Closed(report) => self.closed(at, report),
            Event::Refused { peer, reason, message } => {
                let line = self.line(at, "refused").text("peer", &peer.to_string()).text("reason", reason.name());
                match message {
                    Some(message) => line.text("message", message),
                    None => line,
                }
            }
            Event::Suspended => self.line(at, "suspended"),
            Event::Resumed => self.line(at, "resumed"),
            Event::Draining { sessions } => self.line(at, "draining").number("sessions", *sessions as u64),
            Event::Notice { message } => self.line(at, "notice").text("message", message),
            Event::Child { session, message } => {
                self.line(at, "child").session(*session).text("message", &String::from_utf8_lossy(message))
            }
            Event::Paused { message, pause } => {
                self.line(at, "paused").text("message", message).micros("pause_us", *pause)
            }
            Event::Failed { session, error } => {
                let line = failed(self.line(at, "error"), error);
                match session {
                    Some(session) => line.session(*session),
                    None => line,
                }
            }
            Event::Fault { session, decision } => self
                .line(at, "fault")
                .session(*session)
                .direction(decision.direction)
                .text("fault", &decision.fault)
                .number("offset", decision.offset)
                .text("what", &decision.what.to_string()),
            Event::Retrying { session, error, pause } => retrying(self.line(at, "retrying"), *session, error, *pause),
            Event::Upstream { address, turn } => upstream(self.line(at, "upstream"), address, turn),
            Event::Tls { session, role, facts } => {
                tls(self.line(at, "tls").session(*session).text("role", role.name()), facts)
            }
            Event::Mirror { session, outcome } => mirrored(self.line(at, "mirror").session(*session), outcome),
            _ => return,
        };
        line.end(out);
    }

    /// What the bytes carry; of a frame its payload, `frame_bytes` being all of it.
    fn payload(&self, line: Line, bytes: &[u8], frame: Option<&FrameFacts>) -> Line {
        let payload = frame.map_or(bytes, |frame| &frame.payload);
        let line = line.number("bytes", payload.len() as u64);
        let line = match self.encoding.decode(payload) {
            Some(text) => line.text("text", &text),
            None => line.text("base64", &BASE64.encode(payload)),
        };
        let Some(frame) = frame else { return line };
        let line = line.number("frame", frame.number).number("frame_bytes", bytes.len() as u64);
        // What stands before the payload may say more than its length: a transaction, a unit.
        let before = (frame.payload.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize);
        let line = match bytes.get(..before) {
            Some(header) if before > 0 => line.text("header", &BASE64.encode(header)),
            _ => line,
        };
        let line = match frame.kind {
            FrameKind::Partial => line.raw("partial", "true"),
            FrameKind::Malformed => line.raw("malformed", "true"),
            _ => line,
        };
        match frame.checksum {
            Some(Verdict::Right) => line.text("checksum", "ok"),
            Some(Verdict::Wrong) => line.text("checksum", "wrong"),
            None => line,
        }
    }

    fn closed(&self, at: Instant, report: &SessionReport) -> Line {
        let line = self
            .line(at, "closed")
            .session(report.session)
            .text("termination", report.termination.name())
            .number("to_server_bytes", report.to_server_bytes)
            .number("to_client_bytes", report.to_client_bytes)
            .micros("duration_us", report.duration);
        let line = match &report.frames {
            Some(frames) => line.raw("frames", &frame_report(frames)),
            None => line,
        };
        let line = match &report.tcp {
            Some(tcp) => line
                .micros("round_trip_us", tcp.round_trip)
                .number("retransmissions", u64::from(tcp.retransmissions))
                .number("unread_bytes", tcp.unread_bytes)
                .number("unacknowledged_bytes", tcp.unacknowledged_bytes),
            None => line,
        };
        match report.time_wait {
            Some(time_wait) => line.text("time_wait", time_wait.name()),
            None => line,
        }
    }

    /// Appends the line that counts dropped events.
    pub fn lost(&mut self, count: u64, out: &mut Vec<u8>) {
        Line::new("lost", SystemTime::now()).number("count", count).end(out);
    }

    /// Appends the line of what ended the run.
    pub fn failure(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        let line = Line::new("error", SystemTime::now());
        let line = match &failure.source {
            Some(error) => failed(line, error),
            None => {
                let (operation, kind) = exit::names(failure.code);
                let line = line.text("operation", operation);
                let line = match &failure.address {
                    Some(address) => line.text("address", address),
                    None => line,
                };
                let line = line.text("kind", kind);
                line.text("message", &failure.message).number("exit", u64::from(failure.code))
            }
        };
        line.end(out);
    }

    /// Appends the last line.
    pub fn summary(&mut self, report: &Report, out: &mut Vec<u8>) {
        let limits: Vec<String> =
            report.limits.iter().map(|(name, times)| format!("{}:{times}", quoted(name))).collect();
        let line = Line::new("summary", SystemTime::now());
        let line = match report.frames == FrameReport::default() {
            true => line,
            false => line.raw("frames", &frame_report(&report.frames)),
        };
        line.number("sessions", report.sessions)
            .number("refused", report.refused)
            .number("to_server_bytes", report.to_server_bytes)
            .number("to_client_bytes", report.to_client_bytes)
            .micros("duration_us", report.duration)
            .number("lost_events", report.lost_events)
            .raw("limits", &format!("{{{}}}", limits.join(",")))
            .end(out);
    }
}

/// How frames arrived, where there were any.
fn frame_report(report: &FrameReport) -> String {
    let one = |arrivals: &Arrivals| {
        let Arrivals { frames, chunks, split, merged } = arrivals;
        format!("{{\"frames\":{frames},\"chunks\":{chunks},\"split\":{split},\"merged\":{merged}}}")
    };
    format!("{{\"to_server\":{},\"to_client\":{}}}", one(&report.to_server), one(&report.to_client))
}

/// How a client got there.
fn way(line: Line, phases: &Phases, through: Option<&str>) -> Line {
    let line = line.micros("connect_us", phases.connect).micros("resolve_us", phases.resolve);
    let line = if phases.tls.is_zero() { line } else { line.micros("tls_us", phases.tls) };
    match through {
        Some(through) => line.micros("proxy_us", phases.proxy).text("through", through),
        None => line,
    }
}

fn failed(line: Line, error: &Error) -> Line {
    let line = line.text("operation", error.operation());
    let line = match error.address() {
        Some(address) => line.text("address", address),
        None => line,
    };
    line.text("kind", error.kind().name())
        .text("message", &error.to_string())
        .number("exit", u64::from(crate::exit::code(error)))
}

/// Another attempt follows, of a client or for a relay's session.
fn retrying(line: Line, session: Option<SessionId>, error: &Error, pause: Duration) -> Line {
    let line = match session {
        Some(session) => line.session(session),
        None => line,
    };
    line.text("message", &error.to_string()).micros("pause_us", pause)
}

/// What became of an upstream.
fn upstream(line: Line, address: &Addr, turn: &Turn) -> Line {
    let line = line.text("address", &address.to_string());
    match turn {
        Turn::Up => line.text("state", "up"),
        Turn::Down { error, rest } => line
            .text("state", "down")
            .text("kind", error.kind().name())
            .text("message", &error.to_string())
            .micros("rest_us", *rest),
    }
}

/// How long the phases of connecting took.
/// What was agreed on, and whom the peer says that it is.
fn tls(line: Line, facts: &TlsFacts) -> Line {
    let line = line.text("version", &facts.version.to_string()).text("suite", &facts.suite);
    let optional = |line: Line, name, value: Option<String>| match value {
        Some(value) => line.text(name, &value),
        None => line,
    };
    let line = optional(line, "group", facts.group.clone());
    let line = optional(line, "alpn", facts.alpn.as_deref().map(escape));
    let line = optional(line, "server_name", facts.server_name.as_deref().map(|name| safe(name).into_owned()));
    let chain: Vec<_> = facts.peer_chain.iter().map(certificate).collect();
    line.raw("resumed", if facts.resumed { "true" } else { "false" })
        .text("trust", facts.trust.name())
        .raw("chain", &format!("[{}]", chain.join(",")))
}

fn certificate(facts: &CertificateFacts) -> String {
    let names: Vec<_> = facts.names.iter().map(|name| quoted(&safe(name))).collect();
    // Before 1970 there is no such certificate but a forged one, and the format has no such times.
    let time = |time: SystemTime| {
        let time = time.clamp(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + LAST_TIME);
        quoted(&humantime::format_rfc3339_seconds(time).to_string())
    };
    let sha256: String = facts.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{{\"subject\":{},\"issuer\":{},\"names\":[{}],\"not_before\":{},\"not_after\":{},\"sha256\":{}}}",
        quoted(&safe(&facts.subject)),
        quoted(&safe(&facts.issuer)),
        names.join(","),
        time(facts.not_before),
        time(facts.not_after),
        quoted(&sha256)
    )
}

/// How a second server compares with the first.
fn mirrored(line: Line, outcome: &Mirrored) -> Line {
    let line = line.text("outcome", outcome.name());
    match outcome {
        Mirrored::Differs { offset, given, mirrored } => {
            line.number("offset", *offset).text("given", &escape(given)).text("mirrored", &escape(mirrored))
        }
        Mirrored::EndedEarly { offset } => line.number("offset", *offset),
        Mirrored::Unreachable { error } => line.text("message", &error.to_string()),
        _ => line,
    }
}

/// One object being written.
struct Line(String);

impl Line {
    fn new(event: &str, time: SystemTime) -> Line {
        let time = humantime::format_rfc3339_micros(time);
        Line(format!("{{\"v\":{VERSION},\"event\":{},\"time\":\"{time}\"", quoted(event)))
    }

    fn raw(mut self, name: &str, value: &str) -> Line {
        self.0.push_str(&format!(",{}:{value}", quoted(name)));
        self
    }

    fn text(self, name: &str, value: &str) -> Line {
        self.raw(name, &quoted(value))
    }

    fn number(self, name: &str, value: u64) -> Line {
        self.raw(name, &value.to_string())
    }

    fn micros(self, name: &str, value: Duration) -> Line {
        self.number(name, u64::try_from(value.as_micros()).unwrap_or(u64::MAX))
    }

    fn session(self, session: SessionId) -> Line {
        self.number("session", session.0)
    }

    fn direction(self, direction: Direction) -> Line {
        self.text("direction", direction.name())
    }

    fn end(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
        out.extend_from_slice(b"}\n");
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is always JSON")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use callbox::error::Kind;

    use super::*;

    fn fields(event: &Event) -> serde_json::Value {
        let mut out = Vec::new();
        Json::new(Encoding::default()).event(Instant::now(), event, &mut out);
        let mut value: serde_json::Value = serde_json::from_slice(&out).expect("is JSON");
        value.as_object_mut().expect("an object").remove("time");
        value
    }

    #[test]
    fn upstreams_and_mirrors_have_the_fields_of_the_reference() {
        let error = Arc::new(Error::new("connect", Kind::Refused, "connection refused").at("[::1]:7"));
        let address: Addr = "[::1]:7".parse().expect("good");
        let turn = Turn::Down { error: error.clone(), rest: Duration::from_secs(1) };
        assert_eq!(
            fields(&Event::Upstream { address: address.clone(), turn }),
            serde_json::json!({
                "v": 1, "event": "upstream", "address": "[::1]:7", "state": "down", "kind": "refused",
                "message": "connect [::1]:7: connection refused", "rest_us": 1_000_000
            })
        );
        let up = fields(&Event::Upstream { address, turn: Turn::Up });
        assert_eq!(up, serde_json::json!({"v": 1, "event": "upstream", "address": "[::1]:7", "state": "up"}));
        let outcome = Mirrored::Differs { offset: 7, given: b"a\x1b"[..].into(), mirrored: b"\xff"[..].into() };
        assert_eq!(
            fields(&Event::Mirror { session: SessionId(2), outcome }),
            serde_json::json!({
                "v": 1, "event": "mirror", "session": 2, "outcome": "differs", "offset": 7, "given": "a\\x1b",
                "mirrored": "\\xff"
            })
        );
        let lost = fields(&Event::Mirror { session: SessionId(2), outcome: Mirrored::Unreachable { error } });
        assert_eq!(lost["message"], "connect [::1]:7: connection refused");
    }
}
