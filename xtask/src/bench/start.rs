//! How long a program takes to say its version, and callbox to listen.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::peer::order;
use super::report::{Section, Target, table};
use super::sample::Sample;
use super::server::Process;
use super::setup::Setup;
use crate::workspace::program;

/// `callbox --version` may take this share of `ncat --version`.
const VERSION_TARGET: f64 = 0.55;
/// The ready line may come this much later than the version, in milliseconds.
const READY_TARGET_MS: f64 = 3.0;

struct Row {
    name: &'static str,
    words: Vec<String>,
    /// Waits for the ready line instead of the end.
    serves: bool,
    times: Sample,
}

/// Measures all programs in turn.
pub(crate) fn measure(setup: &Setup) -> Section {
    let mut section = Section::new("Starting");
    section.say(&format!(
        "From before the process is made to its end, or to the ready line on its standard error; {} runs of each, one after \
         the other in changing order, in milliseconds. nc has no version option, so `-h` it is.",
        setup.options.starts()
    ));
    let mut rows = rows(setup);
    for round in 0..setup.options.starts() {
        for index in order(rows.len(), round) {
            let row = &mut rows[index];
            if let Some(time) = if row.serves { to_ready_line(&row.words) } else { to_end(&row.words) } {
                row.times.push(time);
            }
        }
    }
    let line = |row: &Row| vec![row.name.to_owned(), row.times.show(2)];
    section.say(&table(&["command", "ms"], rows.iter().map(line)));
    let median = |name: &str| rows.iter().find(|row| row.name == name).and_then(|row| row.times.median());
    let (own, ncat, ready) = (median(OWN), median(NCAT), median(READY));
    section.judge(Target::at_most(
        "start to --version, to that of ncat",
        VERSION_TARGET,
        own.zip(ncat).map(|(own, ncat)| own / ncat),
    ));
    let later = ready.zip(own).map(|(ready, own)| ready - own);
    section.judge(Target::at_most("ready line later than --version by, ms", READY_TARGET_MS, later));
    section
}

const OWN: &str = "callbox --version";
const NCAT: &str = "ncat --version";
const READY: &str = "callbox serve 127.0.0.1:0, to the ready line";

fn rows(setup: &Setup) -> Vec<Row> {
    let own = setup.callbox.display().to_string();
    let row = |name, words: &[&str]| Row {
        name,
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        serves: name == READY,
        times: Sample::default(),
    };
    let mut rows = vec![row(OWN, &[&own, "--version"]), row(READY, &[&own, "serve", "127.0.0.1:0"])];
    let others = [
        (NCAT, ["ncat", "--version"]),
        ("nc.openbsd -h", ["nc.openbsd", "-h"]),
        ("socat -V", ["socat", "-V"]),
        ("haproxy -v", ["haproxy", "-v"]),
        ("python3 --version", ["/usr/bin/python3", "--version"]),
    ];
    for (name, words) in others {
        if let Some(path) = program(words[0]).filter(|path| path.is_file()) {
            // By its path, so that searching for it is not measured.
            rows.push(row(name, &[&path.display().to_string(), words[1]]));
        }
    }
    rows
}

fn to_end(words: &[String]) -> Option<f64> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    command.status().ok()?;
    Some(started.elapsed().as_secs_f64() * 1e3)
}

fn to_ready_line(words: &[String]) -> Option<f64> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let started = Instant::now();
    let mut process = Process { child: command.spawn().ok()? };
    let mut line = String::new();
    let mut reader = BufReader::new(process.child.stderr.take()?);
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        if line.contains("listening on ") {
            return Some(started.elapsed().as_secs_f64() * 1e3);
        }
        line.clear();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_waited_for_and_the_server_ended() {
        let run = |script: &str| to_ready_line(&["sh", "-c", script].map(String::from));
        let started = Instant::now();
        assert!(run("echo hello >&2; echo listening on 127.0.0.1:1 >&2; exec sleep 600").is_some());
        assert!(started.elapsed().as_secs() < 60);
        assert!(run("echo hello >&2").is_none());
    }
}
