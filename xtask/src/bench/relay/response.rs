//! What a relay adds to the response time of 64-byte messages.

use super::peers::{self, DIRECT, HAPROXY, Purpose, RAW_COPY, SOCAT};
use crate::bench::load::Found;
use crate::bench::peer::CALLBOX;
use crate::bench::report::{Section, Target, table};
use crate::bench::rounds::{Figure, Row, row, steadiness_by};
use crate::bench::setup::Setup;

const CONNECTIONS: [usize; 2] = [1, 64];
/// Both percentiles may be this many times those of the copying yardstick.
const YARDSTICK_TARGET: f64 = 1.05;
/// And must stay below those of the others.
const PEERS_TARGET: f64 = 1.0;

/// Measures both counts of connections.
pub(crate) fn measure(setup: &Setup) -> Section {
    super::section("Relay: response times", setup, |section| {
        section.say(
            "Messages of 64 bytes to an echo server, closed loop: each connection has one under way; every byte is compared. \
             *Added* is what the whole response time has beyond that of the direct way in the same round, where client and \
             server share one core as they do behind a relay: that it takes so little is because nobody has to be woken on \
             another core. With one connection most of what a relay adds is four such wakings, which no relay can leave out \
             unless it waits busily; with 64 it is the queue for the relay's core. Targets compare what is added, and with \
             haproxy and socat the whole.",
        );
        for connections in CONNECTIONS {
            let words = ["--connections", &connections.to_string(), "--size", "64"].map(String::from);
            let rows = super::compare(setup, peers::relays(setup, Purpose::Response), 3, "echo", &words);
            super::commands(section, &rows);
            let what = format!("{connections} connection{}", if connections == 1 { "" } else { "s" });
            section.say(&format!("### {what}"));
            section.say(&show(&rows));
            section.say(&steadiness_by(&rows, RAW_COPY, Found::rate));
            judge(section, &rows, &what);
        }
    })
}

/// Returns the median response time.
pub(super) fn p50(found: &Found) -> f64 {
    found.value("p50_us")
}

/// Returns the 99th percentile.
pub(super) fn p99(found: &Found) -> f64 {
    found.value("p99_us")
}

fn show(rows: &[Row]) -> String {
    let head = [
        "relay",
        "messages/s",
        "p50 us",
        "p99 us",
        "added p50 us",
        "added p99 us",
        "p50 to raw copying",
        "p99 to raw copying",
        "relay CPU us/message",
        "both ends %",
        "wrong",
        "lost",
    ];
    let (direct, copy) = (row(rows, DIRECT), row(rows, RAW_COPY));
    let line = |row: &Row| {
        let added = |figure| direct.map_or("-".into(), |direct| row.beyond(direct, figure).show(1));
        let ratio = |figure| copy.map_or("-".into(), |copy| row.ratios(copy, figure).show(3));
        super::unmeasured(row).unwrap_or_else(|| {
            vec![
                row.peer.name.to_owned(),
                row.sample(Found::rate).show(0),
                row.sample(p50).show(1),
                row.sample(p99).show(1),
                added(p50),
                added(p99),
                ratio(p50),
                ratio(p99),
                row.sample(Found::server_cpu_us).show(2),
                row.sample(|found| found.client_busy() * 100.0).show(0),
                row.total("wrong").to_string(),
                row.total("lost").to_string(),
            ]
        })
    };
    table(&head, rows.iter().map(line))
}

fn judge(section: &mut Section, rows: &[Row], what: &str) {
    let (own, direct) = (row(rows, CALLBOX), row(rows, DIRECT));
    for (figure, name) in [(p50 as Figure, "p50"), (p99, "p99")] {
        let title = |figure: &str| format!("relay, {what}: {name} {figure}");
        let three = own.zip(direct).zip(row(rows, RAW_COPY));
        let added = three.and_then(|((own, direct), copy)| own.ratios_beyond(direct, copy, figure).median());
        section.judge(Target::at_most(&title("added, to that of the copying yardstick"), YARDSTICK_TARGET, added));
        for peer in [HAPROXY, SOCAT] {
            let ratio = own.zip(row(rows, peer)).and_then(|(own, other)| own.ratios(other, figure).median());
            section.judge(Target::at_most(&title(&format!("to that of {peer}")), PEERS_TARGET, ratio));
        }
    }
    let failed = own.map(|own| own.total("wrong") + own.total("lost"));
    section.judge(Target::at_most(&format!("relay, {what}: wrong or lost"), 0.0, failed));
}
