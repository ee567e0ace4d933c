//! Rounds: every peer once a round, each time with a fresh server, in changing order.

use super::load::{self, Found};
use super::peer::{CALLBOX, Peer, YARDSTICK, order_keeping};
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

    /// Returns the ratios of a figure to the greatest of `others` in the same round; all of them must have that round.
    pub(crate) fn ratios_to_best(&self, others: &[&Row], figure: Figure) -> Sample {
        let mut sample = Sample::default();
        for (round, own) in self.found.iter().enumerate() {
            let others: Option<Vec<f64>> = others.iter().map(|row| row.at(round).map(figure)).collect();
            let best = others.unwrap_or_default().into_iter().fold(0.0, f64::max);
            if let Some(own) = own
                && best > 0.0
            {
                sample.push(figure(own) / best);
            }
        }
        sample
    }

    /// Returns how much more a figure is than that of `base` in the same round.
    pub(crate) fn beyond(&self, base: &Row, figure: Figure) -> Sample {
        let mut sample = Sample::default();
        for round in 0..self.found.len() {
            if let (Some(own), Some(base)) = (self.at(round), base.at(round)) {
                sample.push(figure(own) - figure(base));
            }
        }
        sample
    }

    /// Returns the ratios of what a figure is beyond `base` to what it is beyond it for `other`, all of the same round.
    pub(crate) fn ratios_beyond(&self, base: &Row, other: &Row, figure: Figure) -> Sample {
        let mut sample = Sample::default();
        for round in 0..self.found.len() {
            if let (Some(own), Some(base), Some(other)) = (self.at(round), base.at(round), other.at(round))
                && figure(other) > figure(base)
            {
                sample.push((figure(own) - figure(base)) / (figure(other) - figure(base)));
            }
        }
        sample
    }

    fn at(&self, round: usize) -> Option<&Found> {
        self.found.get(round)?.as_ref()
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
    let measure = |peer: &Peer| {
        let words = words(peer);
        let found = undisturbed(peer, kind, setup.options.attempts(), || {
            load::run(setup, &Server::start(peer, setup)?, kind, &words)
        })?;
        eprintln!(
            "{kind} {}: {}: {:.0}/s, p99 {:.0} us",
            words.join(" "),
            peer.name,
            found.rate(),
            found.value("p99_us")
        );
        Ok(found)
    };
    compare_by(peers, 2, |peer| rounds_of(peer, setup), measure)
}

/// Measures all peers by `measure`, each for as many rounds as `rounds` says, the first `kept` next to each other.
pub(crate) fn compare_by(
    peers: Vec<Peer>,
    kept: usize,
    rounds: impl Fn(&Peer) -> usize,
    measure: impl Fn(&Peer) -> Result<Found, String>,
) -> Vec<Row> {
    let mut rows: Vec<Row> = peers.into_iter().map(|peer| Row { peer, problem: None, found: Vec::new() }).collect();
    for round in 0..rows.iter().map(|row| rounds(&row.peer)).max().unwrap_or(0) {
        for index in order_keeping(kept, rows.len(), round) {
            let row = &mut rows[index];
            if round >= rounds(&row.peer) || row.problem.is_some() {
                row.found.push(None);
                continue;
            }
            match measure(&row.peer) {
                Ok(found) => row.found.push(Some(found)),
                Err(problem) => {
                    eprintln!("{}: {problem}", row.peer.name);
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
pub(crate) fn undisturbed(
    peer: &Peer,
    kind: &str,
    attempts: usize,
    measure: impl Fn() -> Result<Found, String>,
) -> Result<Found, String> {
    let mut attempt = 0;
    loop {
        let found = measure()?;
        attempt += 1;
        // What a forking server does not wait for is among the others.
        if peer.forks || found.disturbance() <= DISTURBED || attempt >= attempts {
            return Ok(found);
        }
        eprintln!("{kind}: {}: others used {:.0} % of a core, again", peer.name, found.disturbance() * 100.0);
    }
}

/// Describes how quiet and how steady the machine was during the runs of these rows.
pub(crate) fn steadiness(rows: &[Row]) -> String {
    steadiness_by(rows, YARDSTICK, Found::rate)
}

/// Describes the same by a figure of another yardstick.
pub(crate) fn steadiness_by(rows: &[Row], yardstick: &str, figure: Figure) -> String {
    let quiet = rows.iter().filter(|row| !row.peer.forks);
    let worst = quiet.flat_map(|row| row.sample(Found::disturbance).values().to_vec()).fold(0.0, f64::max);
    let mut text = format!("Anything else on the machine had at most {:.0} % of a core during a run.", worst * 100.0);
    let spread = row(rows, yardstick).map_or(1.0, |row| row.sample(figure).spread());
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

    #[test]
    fn rounds_are_compared_only_where_all_have_them() {
        let rows = |values: &[Option<f64>]| {
            row_of(values.iter().map(|value| value.map(|value| Found::read(&format!("p50_us={value}")))).collect())
        };
        let p50: Figure = |found| found.value("p50_us");
        let own = rows(&[Some(30.0), Some(50.0), Some(9.0)]);
        let (base, other) = (rows(&[Some(10.0), Some(10.0), None]), rows(&[Some(20.0), Some(30.0), Some(1.0)]));
        assert_eq!(own.beyond(&base, p50).values(), [20.0, 40.0]);
        assert_eq!(own.ratios_beyond(&base, &other, p50).values(), [2.0, 2.0]);
        assert_eq!(own.ratios_to_best(&[&base, &other], p50).values(), [1.5, 50.0 / 30.0]);
        assert!(own.ratios_to_best(&[], p50).values().is_empty());
    }

    #[test]
    fn a_peer_with_a_problem_is_not_tried_again() {
        let peers = || ["good", "bad"].map(|name| Peer::new(name, &["x"], Answer::Echo)).to_vec();
        let tries = std::cell::Cell::new(0);
        let measure = |peer: &Peer| {
            tries.set(tries.get() + 1);
            if peer.name == "good" { Ok(Found::read("p99_us=1")) } else { Err("no".to_owned()) }
        };
        let rows = compare_by(peers(), 2, |_| 3, measure);
        assert_eq!(tries.get(), 4);
        assert!(row(&rows, "good").is_some() && row(&rows, "bad").is_none());
        assert_eq!(rows[1].problem.as_deref(), Some("no"));
    }
}
