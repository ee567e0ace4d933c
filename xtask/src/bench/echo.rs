//! Echo of 64-byte messages, one under way a connection, at 1 to 10,000 connections.

use super::peer::{CALLBOX, YARDSTICK};
use super::report::{Section, Target, table};
use super::rounds::{self, Row, compare};
use super::setup::Setup;
use super::{load::Found, peers};

const CONNECTIONS: [usize; 4] = [1, 64, 1_000, 10_000];
const MESSAGE_BYTES: usize = 64;
/// Above this, servers with a process a connection are no comparison but an overload.
const MOST_FOR_FORKING: usize = 64;
/// The rate must reach this share of the yardstick's.
const RATE_TARGET: f64 = 0.95;
/// The 99th percentile may be this many times the yardstick's.
const P99_TARGET: f64 = 1.2;

/// Measures all counts.
pub(crate) fn measure(setup: &Setup) -> Section {
    let mut section = Section::new("Echo of 64-byte messages");
    section.say(
        "Closed loop: each connection has one message under way and sends the next when the last has come back whole; every \
         byte is compared. Connections are opened and answered once before the clock starts, then 0.5 s of warm-up. \
         *Silent* are connections without an answer for a whole second. *Client* is the share of its core that the load \
         client used: near 100 % it is itself a limit, and the server's processor time for a message tells more than the rate.",
    );
    for connections in CONNECTIONS {
        if connections > setup.most_connections {
            section.say(&format!("{connections} connections: not measured, the descriptor limit is too low."));
            continue;
        }
        let peers = peers::echo(setup, connections <= MOST_FOR_FORKING);
        let words = ["--connections".into(), connections.to_string(), "--size".into(), MESSAGE_BYTES.to_string()];
        let rows = compare(setup, peers, "echo", |_| words.to_vec());
        section.commands(&rows);
        section.say(&format!("### {connections} connection{}", if connections == 1 { "" } else { "s" }));
        section.say(&show(&rows, connections));
        section.say(&rounds::steadiness(&rows));
        judge(&mut section, &rows, connections);
    }
    section
}

fn p99(found: &Found) -> f64 {
    found.value("p99_us")
}

fn show(rows: &[Row], connections: usize) -> String {
    let head = [
        "server",
        "messages/s",
        "to yardstick",
        "p50 us",
        "p99 us",
        "p99 to yardstick",
        "server CPU us/message",
        "client %",
        "answered",
        "silent",
        "wrong",
        "lost",
    ];
    let yardstick = rounds::row(rows, YARDSTICK);
    let line = |row: &Row| {
        let ratio = |figure, digits| yardstick.map_or("-".into(), |other| row.ratios(other, figure).show(digits));
        if !row.measured() {
            let problem = row.problem.clone().unwrap_or_default();
            return vec![row.peer.name.to_owned(), format!("not measured: {problem}")];
        }
        let answered =
            row.sample(|found| found.value("connections_answered")).values().iter().copied().fold(f64::MAX, f64::min);
        vec![
            row.peer.name.to_owned(),
            row.sample(Found::rate).show(0),
            ratio(Found::rate, 3),
            row.sample(|found| found.value("p50_us")).show(1),
            row.sample(p99).show(1),
            ratio(p99, 3),
            if row.peer.forks { "in children".into() } else { row.sample(Found::server_cpu_us).show(2) },
            row.sample(|found| found.client_busy() * 100.0).show(0),
            format!("{answered}/{connections}"),
            row.worst("connections_silent").to_string(),
            row.total("wrong").to_string(),
            row.total("lost").to_string(),
        ]
    };
    table(&head, rows.iter().map(line))
}

fn judge(section: &mut Section, rows: &[Row], connections: usize) {
    let pair = rounds::row(rows, CALLBOX).zip(rounds::row(rows, YARDSTICK));
    let ratio = |figure| pair.and_then(|(own, other)| own.ratios(other, figure).median());
    let what = |figure: &str| format!("echo, {connections} connections: {figure} to the yardstick's");
    section.judge(Target::at_least(&what("rate"), RATE_TARGET, ratio(Found::rate)));
    section.judge(Target::at_most(&what("p99"), P99_TARGET, ratio(p99)));
    let unanswered = pair.map(|(own, _)| {
        let answered =
            own.sample(|found| found.value("connections_answered")).values().iter().copied().fold(f64::MAX, f64::min);
        connections as f64 - answered + own.worst("connections_silent") + own.total("wrong") + own.total("lost")
    });
    let name = format!("echo, {connections} connections: unanswered, silent, wrong or lost");
    section.judge(Target::at_most(&name, 0.0, unanswered));
}
