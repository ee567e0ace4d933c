//! Response times of a server that freezes, beside those that follow from the schedule and the server's own log.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::expected::{self, Due, Freeze, Run};
use super::{OWN, drive::drive, results};
use crate::bench::load::Found;
use crate::bench::peer::{Answer, Peer};
use crate::bench::report::{Section, Target, table};
use crate::bench::rounds;
use crate::bench::server::Server;
use crate::bench::setup::Setup;

const RATE: f64 = 1000.0;
const CONNECTIONS: &str = "64";
/// What may be off: this share of what is due, or [`ALLOWED_US`] where that is more.
const ALLOWED_SHARE: f64 = 0.05;
const ALLOWED_US: f64 = 100.0;

/// The percentiles: their share, and their name in tables and figures.
const PERCENTILES: [(f64, &str, &str); 4] =
    [(0.5, "p50", "p50_us"), (0.9, "p90", "p90_us"), (0.99, "p99", "p99_us"), (0.999, "p99.9", "p999_us")];
/// What sits on the edge of the freezes, a tenth of the time: judged by the least and the greatest that the log allows, one
/// exchange in a thousand to each side included.
const EDGE: &str = "p90";
const BESIDE_EDGE: [f64; 2] = [0.899, 0.901];

/// Measures.
pub(crate) fn measure(setup: &Setup) -> Section {
    super::section("Generator: a server that freezes", setup, |section| {
        let length = length(setup);
        section.say(&format!(
            "`reference-stall` is the raw epoll echo, but sleeps through the last 100 ms of every second of its life and writes down \
             from when to when. `callbox bench` sends it {RATE} requests a second on {CONNECTIONS} connections for {length} s. What \
             is due follows from the schedule and that log, without anything that was measured in the run: an exchange whose \
             intended start lies in a freeze takes until its end, any other as long as the median from send to answer of a run \
             without freezes. When the run began by the server's clock is not known, so {} moments of a second are tried; *due* is \
             the mean over them, beside it the least and the greatest. p50, p99 and p99.9 are judged by the mean. p90 sits on the \
             edge, as a tenth of the time is frozen: one exchange more or less in a freeze decides what it is. So its least and \
             greatest are those of p89.9 and p90.1, and it is judged by how far it is outside of them. {:.0} % or {ALLOWED_US} us may \
             be off, whichever is more. *From the send* is what the same run would have told had it only counted from when a \
             connection was free to send: that is what generators show that know no schedule.",
            expected::PHASES,
            ALLOWED_SHARE * 100.0,
        ));
        let (own, server) = (peer(setup, length), server(setup, 100));
        section.command(&own);
        section.command(&server);
        let kind = "generator, freezes";
        let (all, problem) = super::repeat(setup, kind, || {
            let found = rounds::undisturbed(&own, kind, setup.options.relay_attempts(), || run(setup))?;
            eprintln!("{kind}: p99 {:.0} us, due {:.0}", found.value("p99_us"), found.value("due_p99_us"));
            Ok(found)
        });
        section.say(&problem.map_or_else(|| show(&all), |problem| format!("not measured: {problem}")));
        section.say(&super::quietness(all.iter()));
        for (_, name, figure) in PERCENTILES {
            let off = super::sample(&all, |found| found.value(&format!("off_{figure}")));
            let what = format!("generator, freezes, {name}: off by, of what is allowed");
            section.judge(Target::at_most(&what, 1.0, off.median()));
        }
        let failed =
            (!all.is_empty()).then(|| all.iter().map(|found| found.value("lost") + found.value("wrong")).sum());
        section.judge(Target::at_most("generator, freezes: wrong or lost", 0.0, failed));
    })
}

fn length(setup: &Setup) -> f64 {
    if setup.options.quick { 5.0 } else { 20.0 }
}

fn peer(setup: &Setup, length: f64) -> Peer {
    let (rate, length) = (format!("{RATE}/s"), super::seconds(length));
    let flags = ["--rate", &rate, "-c", CONNECTIONS, "-d", &length, "--send", "hello", "--verify", "echo"];
    super::own(setup, OWN, &flags)
}

fn server(setup: &Setup, freeze_ms: u32) -> Peer {
    let (program, log) = (setup.reference("reference-stall"), log(setup).display().to_string());
    let words = [&*program, "127.0.0.1:{port}", "--freeze-ms", &freeze_ms.to_string(), "--freezes", &log];
    Peer::new("the server that freezes", &words, Answer::Echo)
}

fn log(setup: &Setup) -> PathBuf {
    setup.folder.join("freezes")
}

/// Measures the base time, then the freezes.
fn run(setup: &Setup) -> Result<Found, String> {
    let length = length(setup);
    let base_length = length / 4.0;
    let base = {
        let server = Server::start(&server(setup, 0), setup)?;
        let driven = drive(setup, &server, &peer(setup, base_length), Duration::from_secs_f64(base_length))?;
        let found = Found::read(&results::callbox(&driven.text)?);
        found.needed("service_p50_us")? / 1e6
    };
    let server = Server::start(&server(setup, 100), setup)?;
    let driven = drive(setup, &server, &peer(setup, length), Duration::from_secs_f64(length))?;
    let report = results::callbox(&driven.text)?;
    let freezes = freezes_until(setup, length as usize + 1)?;
    let due = due(Run { rate: RATE, length, base }, &freezes);
    let found = Found::read(&report);
    let mut words = format!("{report} {} base_us={}", driven.usage, base * 1e6);
    for ((_, name, figure), due) in PERCENTILES.into_iter().zip(due) {
        let off = off(name, found.needed(figure)? / 1e6, due);
        let [mean, low, high] = [due.mean, due.low, due.high].map(|seconds| seconds * 1e6);
        words += &format!(" due_{figure}={mean} low_{figure}={low} high_{figure}={high} off_{figure}={off}");
    }
    Ok(Found::read(&words))
}

/// Returns what is due for each of [`PERCENTILES`].
fn due(run: Run, freezes: &[Freeze]) -> [Due; 4] {
    let [p50, p90, p99, p999] = expected::due(run, freezes, PERCENTILES.map(|(share, ..)| share));
    let [below, above] = expected::due(run, freezes, BESIDE_EDGE);
    [p50, Due { low: below.low, high: above.high, ..p90 }, p99, p999]
}

/// Waits for so many freezes in the log: those of a run that began at the end of a second, too.
fn freezes_until(setup: &Setup, count: usize) -> Result<Vec<Freeze>, String> {
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        let freezes = expected::freezes_of(&fs::read_to_string(log(setup)).unwrap_or_default());
        if freezes.len() >= count {
            return Ok(freezes);
        }
        if Instant::now() > deadline {
            return Err(format!("the server's log has {} freezes instead of {count}", freezes.len()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns how far off a percentile is, as a multiple of what is allowed.
fn off(name: &str, found: f64, due: Due) -> f64 {
    let nearest = if name == EDGE { found.clamp(due.low, due.high) } else { due.mean };
    let allowed = (nearest * ALLOWED_SHARE).max(ALLOWED_US / 1e6);
    (found - nearest).abs() / allowed
}

fn show(all: &[Found]) -> String {
    let head =
        ["percentile", "found us", "due us", "least to greatest", "off by, of what is allowed", "from the send us"];
    let line = |(_, name, figure): (f64, &str, &str)| {
        let sample = |prefix: &str| super::sample(all, |found| found.value(&format!("{prefix}{figure}")));
        let range = [sample("low_"), sample("high_")].map(|sample| sample.median().unwrap_or(0.0));
        vec![
            name.to_owned(),
            sample("").show(0),
            sample("due_").show(0),
            format!("{:.0} to {:.0}", range[0], range[1]),
            sample("off_").show(2),
            sample("service_").show(0),
        ]
    };
    table(&head, PERCENTILES.into_iter().map(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_is_the_greater_of_both() {
        let due = |mean| Due { mean, low: mean - 0.001, high: mean + 0.001 };
        assert!((off("p99", 0.0945, due(0.09)) - 1.0).abs() < 1e-9, "5 % of 90 ms");
        assert!((off("p50", 0.000_15, due(0.000_05)) - 1.0).abs() < 1e-9, "100 us");
        assert!((off("p99", 0.0, due(0.09)) - 20.0).abs() < 1e-9, "a freeze that was overlooked");
    }

    #[test]
    fn the_edge_has_the_exchanges_beside_it_in_its_range() {
        let log: String = (0..22).map(|second| format!("{second}900000000 {}000000000\n", second + 1)).collect();
        let run = Run { rate: RATE, length: 20.0, base: 0.000_05 };
        let [p50, p90, p99, _] = due(run, &expected::freezes_of(&log));
        assert_eq!((p50.low, p50.high, p90.low), (run.base, run.base, run.base));
        assert!(p90.high > 0.0005 && p90.high < 0.003, "{p90:?}");
        assert!(p99.low > 0.088 && p99.high < 0.092, "{p99:?}");
    }

    #[test]
    fn the_edge_may_be_anywhere_in_its_range() {
        let due = Due { mean: 0.0005, low: 0.000_05, high: 0.001 };
        assert_eq!(off(EDGE, 0.0009, due), 0.0);
        assert!((off(EDGE, 0.0012, due) - 2.0).abs() < 1e-9);
    }
}
