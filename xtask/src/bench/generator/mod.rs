//! `callbox bench` as what is measured: beside the raw epoll load client and other load generators, on the same servers.
//!
//! The server has one core, the generator the other, so a generator has one thread where it can choose. What programs
//! say about themselves is read from what they print; processor time and memory are looked at from outside.

pub(crate) mod bulk;
pub(crate) mod closed;
mod drive;
mod expected;
pub(crate) mod idle;
pub(crate) mod others;
mod results;
pub(crate) mod stall;
pub(crate) mod timer;

use std::cell::Cell;

use super::load::Found;
use super::peer::{Answer, Peer};
use super::report::Section;
use super::rounds::{self, Row};
use super::sample::Sample;
use super::setup::Setup;

/// The row that is judged.
const OWN: &str = "callbox bench";

/// Makes a section of figures, in a network namespace where that is allowed.
fn section(title: &'static str, setup: &Setup, measure: impl FnOnce(&mut Section) + Send) -> Section {
    super::network::apart(|note| {
        let mut section = Section::new(title);
        let where_to = match (setup.server_core, setup.client_core) {
            (Some(_), Some(_)) => "The server is pinned to one core, the load generator to the other.",
            _ => "Server and load generator share what processors there are.",
        };
        section.say(&format!("{where_to} {note}"));
        measure(&mut section);
        section
    })
}

/// Makes a generator of a command; `{addr}` and `{port}` stand for where the server is.
fn generator(name: &'static str, command: &[&str]) -> Peer {
    Peer::new(name, command, Answer::Echo)
}

/// Makes `callbox bench` of its flags.
fn own(setup: &Setup, name: &'static str, flags: &[&str]) -> Peer {
    let binary = setup.callbox.display().to_string();
    generator(name, &[&[&*binary, "bench", "{addr}", "--threads", "1"], flags, &["--json"]].concat())
}

/// Measures all generators by `measure`, in rounds, the first two next to each other; some disturbed runs are made again.
fn compare(
    setup: &Setup,
    kind: &str,
    peers: Vec<Peer>,
    brief: impl Fn(&Found) -> String,
    measure: impl Fn(&Peer) -> Result<Found, String>,
) -> Vec<Row> {
    let again = Cell::new(peers.len());
    let rounds = setup.options.relay_rounds();
    let measure = |peer: &Peer| {
        let attempts = setup.options.relay_attempts().min(1 + again.get());
        let made = Cell::new(0);
        let found = rounds::undisturbed(peer, kind, attempts, || {
            made.set(made.get() + 1);
            measure(peer)
        })?;
        again.set(again.get() + 1 - made.get());
        eprintln!("{kind}: {}: {}", peer.name, brief(&found));
        Ok(found)
    };
    rounds::compare_by(peers, 2, |_| rounds, measure)
}

/// Measures one thing over and over; returns what was found and why there is no more of it.
fn repeat(setup: &Setup, kind: &str, measure: impl Fn() -> Result<Found, String>) -> (Vec<Found>, Option<String>) {
    let mut all = Vec::new();
    for round in 0..setup.options.relay_rounds_of_peers() {
        match measure() {
            Ok(found) => all.push(found),
            Err(problem) => {
                eprintln!("{kind}, round {}: {problem}", round + 1);
                return (all, Some(problem));
            }
        }
    }
    (all, None)
}

/// Returns a figure of every round.
fn sample(all: &[Found], figure: impl Fn(&Found) -> f64) -> Sample {
    let mut sample = Sample::default();
    all.iter().for_each(|found| sample.push(figure(found)));
    sample
}

/// Returns a line that says why there are no figures, if there are none.
fn unmeasured(row: &Row) -> Option<Vec<String>> {
    let problem = || format!("not measured: {}", row.problem.clone().unwrap_or_default());
    (!row.measured()).then(|| vec![row.peer.name.to_owned(), problem()])
}

/// Describes how quiet the machine was during these runs.
fn quietness<'a>(all: impl Iterator<Item = &'a Found>) -> String {
    let worst = all.map(Found::disturbance).fold(0.0, f64::max);
    format!("Anything else on the machine had at most {:.0} % of a core during a run.", worst * 100.0)
}

/// Writes seconds as an option of a command.
fn seconds(length: f64) -> String {
    format!("{length}s")
}
