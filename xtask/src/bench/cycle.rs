//! Connect, five bytes, reply, close, in a loop.

use super::peer::{CALLBOX, YARDSTICK};
use super::report::{Section, Target, table};
use super::rounds::{self, Row, compare};
use super::setup::Setup;
use super::{load::Found, peers};

const WORKERS: [usize; 2] = [1, 16];
/// The rate must reach this share of the yardstick's.
const RATE_TARGET: f64 = 0.95;

/// Measures both counts of workers.
pub(crate) fn measure(setup: &Setup) -> Section {
    let mut section = Section::new("Connect, five bytes, reply, close");
    section.say(
        "A worker connects, sends `hello`, compares the reply, closes and starts again; source addresses are taken in turn, so \
         that ports do not run out. callbox, epoll and tokio answer `thank you !`, socat and ncat start `/bin/cat`. Processor \
         time includes children that have ended.",
    );
    for workers in WORKERS {
        let words = |reply: &str| ["--workers", &workers.to_string(), "--reply", reply].map(String::from).to_vec();
        let rows = compare(setup, peers::cycle(setup), "cycle", |peer| words(peer.reply()));
        section.commands(&rows);
        section.say(&format!("### {workers} worker{}", if workers == 1 { "" } else { "s" }));
        section.say(&show(&rows));
        section.say(&rounds::steadiness(&rows));
        let pair = rounds::row(&rows, CALLBOX).zip(rounds::row(&rows, YARDSTICK));
        let ratio = pair.and_then(|(own, other)| own.ratios(other, Found::rate).median());
        let what = format!("connect, reply, close, {workers} workers: rate to the yardstick's");
        section.judge(Target::at_least(&what, RATE_TARGET, ratio));
        let failed = pair.map(|(own, _)| own.total("wrong") + own.total("lost"));
        section.judge(Target::at_most(
            &format!("connect, reply, close, {workers} workers: wrong or lost"),
            0.0,
            failed,
        ));
    }
    section
}

fn show(rows: &[Row]) -> String {
    let head = [
        "server",
        "connections/s",
        "to yardstick",
        "p50 us",
        "p99 us",
        "server CPU us/connection",
        "to yardstick",
        "client %",
        "wrong",
        "lost",
    ];
    let yardstick = rounds::row(rows, YARDSTICK);
    let line = |row: &Row| {
        if !row.measured() {
            let problem = row.problem.clone().unwrap_or_default();
            return vec![row.peer.name.to_owned(), format!("not measured: {problem}")];
        }
        let ratio = |figure| yardstick.map_or("-".into(), |other| row.ratios(other, figure).show(3));
        vec![
            row.peer.name.to_owned(),
            row.sample(Found::rate).show(0),
            ratio(Found::rate),
            row.sample(|found| found.value("p50_us")).show(1),
            row.sample(|found| found.value("p99_us")).show(1),
            row.sample(Found::server_cpu_us).show(1),
            ratio(Found::server_cpu_us),
            row.sample(|found| found.client_busy() * 100.0).show(0),
            row.total("wrong").to_string(),
            row.total("lost").to_string(),
        ]
    };
    table(&head, rows.iter().map(line))
}
