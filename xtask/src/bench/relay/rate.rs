//! Connections a second through a relay.

use super::peers::{self, HAPROXY, Purpose, RAW_COPY};
use super::response::{p50, p99};
use crate::bench::load::Found;
use crate::bench::peer::CALLBOX;
use crate::bench::report::{Section, Target, table};
use crate::bench::rounds::{Row, row, steadiness_by};
use crate::bench::setup::Setup;

const WORKERS: usize = 16;
/// What is sent and comes back: 64 bytes.
const QUESTION: &str = "sixty-four bytes that go through the relay and come back as they";
/// The rate must reach this share of the copying yardstick's.
const YARDSTICK_TARGET: f64 = 0.9;
/// And haproxy's.
const HAPROXY_TARGET: f64 = 1.0;

/// Measures them.
pub(crate) fn measure(setup: &Setup) -> Section {
    super::section("Relay: connections", setup, |section| {
        section.say(&format!(
            "{WORKERS} workers connect, send 64 bytes, compare what the echo server returns, close and start again. For each \
             the relay accepts one connection, makes one and sees two ends. What is lost was refused, reset or ended before the \
             answer."
        ));
        let words = ["--workers", &WORKERS.to_string(), "--question", QUESTION, "--reply", QUESTION].map(String::from);
        let rows = super::compare(setup, peers::relays(setup, Purpose::Rate), 2, "cycle", &words);
        super::commands(section, &rows);
        section.say(&show(&rows));
        section.say(&steadiness_by(&rows, RAW_COPY, Found::rate));
        let own = row(&rows, CALLBOX);
        for (name, target) in [(RAW_COPY, YARDSTICK_TARGET), (HAPROXY, HAPROXY_TARGET)] {
            let ratio = own.zip(row(&rows, name)).and_then(|(own, other)| own.ratios(other, Found::rate).median());
            section.judge(Target::at_least(&format!("relay, connections: rate to that of {name}"), target, ratio));
        }
        let failed = own.map(|own| own.total("wrong") + own.total("lost"));
        section.judge(Target::at_most("relay, connections: wrong or lost", 0.0, failed));
    })
}

fn show(rows: &[Row]) -> String {
    let head = [
        "relay",
        "connections/s",
        "to raw copying",
        "p50 us",
        "p99 us",
        "relay CPU us/connection",
        "both ends %",
        "wrong",
        "lost",
    ];
    let copy = row(rows, RAW_COPY);
    let line = |row: &Row| {
        super::unmeasured(row).unwrap_or_else(|| {
            vec![
                row.peer.name.to_owned(),
                row.sample(Found::rate).show(0),
                copy.map_or("-".into(), |copy| row.ratios(copy, Found::rate).show(3)),
                row.sample(p50).show(1),
                row.sample(p99).show(1),
                row.sample(Found::server_cpu_us).show(1),
                row.sample(|found| found.client_busy() * 100.0).show(0),
                row.total("wrong").to_string(),
                row.total("lost").to_string(),
            ]
        })
    };
    table(&head, rows.iter().map(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_has_as_many_bytes_as_it_says() {
        assert_eq!(QUESTION.len(), 64);
    }
}
