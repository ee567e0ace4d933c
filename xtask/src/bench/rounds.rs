//! Rounds: every peer once a round, each time with a fresh server, in changing order.

use super::load::{self, Found};
use super::peer::{CALLBOX, Peer, YARDSTICK, order};
use super::sample::Sample;
use super::server::Server;
use super::setup::Setup;

/// A run counts as disturbed when others had more than this share of a core.
const DISTURBED: f64 = 0.1;

/// The yardstick's best round may be this many times as fast as its worst without a remark.
const STEADY: f64 = 1.3;

/// A peer and what was found, round by round.
#[derive(Debug)]
pub(crate) struct Row {
    /// The peer.
    pub(crate) peer: Peer,
    /// Why there are no more rounds of it.
    pub(crate) problem: Option<String>,
    found: Vec<Option<Found>>,
}

/// A figure taken from what one run found.
pub(crate) type Figure = fn(&Found) -> f64;

impl Row {
    /// Returns a figure of every round.
    pub(crate) fn sample(&self, figure: Figure) -> Sample {
        let mut sample = Sample::default();
        self.found.iter().flatten().for_each(|found| sample.push(figure(found)));
        sample
    }

    /// Returns the ratios of a figure to that of `other` in the same round.
    pub(crate) fn ratios(&self, other: &Row, figure: Figure) -> Sample {
        let mut sample = Sample::default();
        for pair in self.found.iter().zip(&other.found) {
            if let (Some(own), Some(other)) = pair
                && figure(other) > 0.0
            {
                sample.push(figure(own) / figure(other));
            }
        }
        sample
    }

    /// Returns the sum of a count over all rounds.
    pub(crate) fn total(&self, name: &str) -> f64 {
        self.found.iter().flatten().map(|found| found.value(name)).sum()
    }

    /// Returns the greatest of a count over all rounds.
    pub(crate) fn worst(&self, name: &str) -> f64 {
        self.found.iter().flatten().map(|found| found.value(name)).fold(0.0, f64::max)
    }

    /// Says whether something was found.
    pub(crate) fn measured(&self) -> bool {
        self.found.iter().any(Option::is_some)
    }
}

/// Measures all peers under the same load.
pub(crate) fn compare(setup: &Setup, peers: Vec<Peer>, kind: &str, words: impl Fn(&Peer) -> Vec<String>) -> Vec<Row> {
    let mut rows: Vec<Row> = peers.into_iter().map(|peer| Row { peer, problem: None, found: Vec::new() }).collect();
    for round in 0..setup.options.rounds() {
        for index in order(rows.len(), round) {
            let row = &mut rows[index];
            if round >= rounds_of(&row.peer, setup) || row.problem.is_some() {
                row.found.push(None);
                continue;
            }
            let words = words(&row.peer);
            match undisturbed(setup, &row.peer, kind, &words) {
                Ok(found) => {
                    let (name, rate, p99) = (row.peer.name, found.rate(), found.value("p99_us"));
                    eprintln!("{kind} {}, round {}: {name}: {rate:.0}/s, p99 {p99:.0} us", words.join(" "), round + 1);
                    row.found.push(Some(found));
                }
                Err(problem) => {
                    eprintln!("{kind}: {}: {problem}", row.peer.name);
                    row.problem = Some(problem);
                    row.found.push(None);
                }
            }
        }
    }
    rows
}

fn rounds_of(peer: &Peer, setup: &Setup) -> usize {
    match peer.name {
        CALLBOX | YARDSTICK => setup.options.rounds(),
        _ if peer.forks => setup.options.rounds_of_slow_peers(),
        _ => setup.options.rounds_of_peers(),
    }
}

/// Measures once; again when something else wanted the processors meanwhile, but not for ever.
fn undisturbed(setup: &Setup, peer: &Peer, kind: &str, words: &[String]) -> Result<Found, String> {
    let mut attempt = 0;
    loop {
        let server = Server::start(peer, setup)?;
        let found = load::run(setup, &server, kind, words)?;
        attempt += 1;
        // Children of a forking server are among the others.
        if peer.forks || found.disturbance() <= DISTURBED || attempt >= setup.options.attempts() {
            return Ok(found);
        }
        eprintln!("{kind}: {}: others used {:.0} % of a core, again", peer.name, found.disturbance() * 100.0);
    }
}

/// Describes how quiet and how steady the machine was during the runs of these rows.
pub(crate) fn steadiness(rows: &[Row]) -> String {
    let quiet = rows.iter().filter(|row| !row.peer.forks);
    let worst = quiet.flat_map(|row| row.sample(Found::disturbance).values().to_vec()).fold(0.0, f64::max);
    let mut text = format!("Anything else on the machine had at most {:.0} % of a core during a run.", worst * 100.0);
    let spread = row(rows, YARDSTICK).map_or(1.0, |row| row.sample(Found::rate).spread());
    if spread > STEADY {
        text += &format!(
            " The yardstick itself was {spread:.1} times as fast in its best round as in its worst: the machine is not steady, \
             and only the ratios of neighbouring runs say something about the servers."
        );
    }
    text
}

/// Finds the row of a name.
pub(crate) fn row<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.peer.name == name && row.measured())
}

#[cfg(test)]
mod tests {
    use super::super::peer::Answer;
    use super::*;

    fn row_of(found: Vec<Option<Found>>) -> Row {
        Row { peer: Peer::new("x", &["x"], Answer::Echo), problem: None, found }
    }

    #[test]
    fn ratios_skip_rounds_that_one_of_the_two_lacks() {
        let found = |line| Some(Found::read(line));
        let own = row_of(vec![found("p99_us=2 lost=1"), found("p99_us=9 lost=3"), None]);
        let other = row_of(vec![found("p99_us=4"), None, found("p99_us=1")]);
        assert_eq!(own.ratios(&other, |found| found.value("p99_us")).values(), [0.5]);
        assert_eq!((own.total("lost"), own.worst("lost")), (4.0, 3.0));
    }
}
