//! Showing never slows the bytes: echo while a terminal takes 64 KiB of lines a second, beside the same without lines.

use super::load::Found;
use super::peer::{Answer, CALLBOX, Peer};
use super::report::{Section, Target, table};
use super::rounds::{self, Row, compare};
use super::setup::Setup;

/// Connections and bytes a message: many small ones, and few that are bulk.
const LOADS: [(usize, usize); 2] = [(64, 64), (4, 4 * 1024)];
/// The rate must stay within a fifth.
const TARGET: f64 = 0.8;

const QUIET: &str = "callbox, -q";

/// Measures both loads.
pub(crate) fn measure(setup: &Setup) -> Section {
    let mut section = Section::new("Showing does not slow the bytes");
    section.say(
        "`serve --echo` whose lines go to a terminal that takes 64 KiB of them a second, far less than there are, beside the same \
         with `-q`, which shows none. What was not shown is counted; tests hold that.",
    );
    let binary = setup.callbox.display().to_string();
    let words = [&*binary, "serve", "127.0.0.1:0", "--echo", "--ready-file", "{ready}"];
    let quietly = [&words[..], &["-q"]].concat();
    for (connections, bytes) in LOADS {
        let shown = Peer::new(CALLBOX, &words, Answer::Echo).on_slow_terminal();
        let quiet = Peer::new(QUIET, &quietly, Answer::Echo);
        let load = ["--connections".into(), connections.to_string(), "--size".into(), bytes.to_string()];
        let rows = compare(setup, vec![shown, quiet], "echo", |_| load.to_vec());
        section.commands(&rows);
        section.say(&format!("### {connections} connections, {bytes} bytes a message"));
        section.say(&show(&rows));
        let ratio = rounds::row(&rows, CALLBOX).zip(rounds::row(&rows, QUIET));
        let ratio = ratio.and_then(|(shown, quiet)| shown.ratios(quiet, Found::rate).median());
        section.judge(Target::at_least(
            &format!("echo shown on a slow terminal, {connections} connections of {bytes} B: rate to that of -q"),
            TARGET,
            ratio,
        ));
    }
    section
}

fn show(rows: &[Row]) -> String {
    let quiet = rounds::row(rows, QUIET);
    let line = |row: &Row| {
        if !row.measured() {
            return vec![
                row.peer.name.to_owned(),
                format!("not measured: {}", row.problem.clone().unwrap_or_default()),
            ];
        }
        vec![
            row.peer.name.to_owned(),
            row.sample(Found::rate).show(0),
            quiet.map_or("-".into(), |quiet| row.ratios(quiet, Found::rate).show(3)),
            row.sample(Found::server_cpu_us).show(2),
        ]
    };
    table(&["server", "messages/s", "to -q", "server CPU us/message"], rows.iter().map(line))
}
