//! The bridge in a simulated world: virtual time, streams in memory whose chunks, delays, ends and resets come from a
//! seed. The same seed is the same run on every machine.
//!
//! A seed that fails is printed and added to `seeds.txt`, whose seeds always run. `CALLBOX_SEED=7` runs that one alone,
//! `CALLBOX_SEED=5000..6000` a range.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the library's rules on clocks, environment and printing are not for its test set"
)]

/// What must hold after every run.
mod check;
/// Faults that lose nothing, changed while bytes are on their way.
mod flip;
/// What happens in one run.
mod plan;
/// One run.
mod run;
/// The two who talk.
mod side;
/// The connections between them.
mod wire;

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use callbox_testkit::quick;

/// Seeds of an ordinary run, and of one that is to be quick.
const SEEDS: Range<u64> = 0..1000;
const QUICK_SEEDS: Range<u64> = 0..200;

/// Seeds that once failed.
const KEPT: &str = include_str!("seeds.txt");
const KEPT_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sim/seeds.txt");

#[test]
fn a_bridge_loses_doubles_and_reorders_nothing() {
    try_all("a_bridge_loses_doubles_and_reorders_nothing", false);
}

#[test]
fn nor_does_it_under_faults_that_come_and_go() {
    try_all("nor_does_it_under_faults_that_come_and_go", true);
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..50 {
        let [one, other] = [(); 2].map(|()| run::run(seed, true).expect("ends").1);
        let elapsed = |outcome: &run::Outcome| {
            [outcome.client.done, outcome.server.done, outcome.over].map(|at| at - outcome.began)
        };
        assert_eq!(elapsed(&one), elapsed(&other), "seed {seed}");
        assert_eq!((one.to_server, one.to_client), (other.to_server, other.to_client), "seed {seed}");
    }
}

/// The plans are as varied as they should be: else the tests above could not fail.
#[test]
fn every_kind_of_ending_is_drawn_often() {
    let (mut ended, mut resets, mut late, mut large) = (0, 0, 0, 0);
    for seed in QUICK_SEEDS {
        let (plan, outcome) = run::run(seed, false).expect("ends");
        ended += usize::from(!outcome.client.reset && !outcome.server.reset);
        resets += usize::from(outcome.client.reset) + usize::from(outcome.server.reset);
        late += usize::from(plan.client.late.is_some()) + usize::from(plan.server.late.is_some());
        large += usize::from(outcome.to_server[0].max(outcome.to_client[0]) > 64 * 1024);
    }
    assert!(ended >= 50 && resets >= 50 && late >= 30 && large >= 10, "{ended} {resets} {late} {large}");
}

fn try_all(test: &str, faults: bool) {
    let kept = KEPT.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
    let seeds: Vec<u64> = match std::env::var("CALLBOX_SEED") {
        Ok(asked) => range(&asked).collect(),
        Err(_) => kept.chain(if quick() { QUICK_SEEDS } else { SEEDS }).collect(),
    };
    let failures: Vec<(u64, String)> =
        seeds.into_iter().filter_map(|seed| Some((seed, try_one(seed, faults).err()?))).collect();
    let mut text = String::new();
    for (seed, why) in failures.iter().take(10) {
        keep(*seed, test);
        let _ = write!(text, "\n  {why}\n    CALLBOX_SEED={seed} cargo test -p callbox --test sim {test}");
    }
    assert!(failures.is_empty(), "{} seeds failed:{text}", failures.len());
}

fn try_one(seed: u64, faults: bool) -> Result<(), String> {
    let run = || run::run(seed, faults).and_then(|(plan, outcome)| check::check(&plan, &outcome));
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("panicked".to_owned()))
}

fn range(text: &str) -> Range<u64> {
    let number = |text: &str| text.trim().parse().expect("CALLBOX_SEED is a number, or two as in 5..9");
    match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(text)..number(text) + 1,
    }
}

/// Adds a seed to those that always run.
fn keep(seed: u64, test: &str) {
    if KEPT.lines().any(|line| line.split_whitespace().next() == Some(seed.to_string().as_str())) {
        return;
    }
    // Where the source cannot be written, the message has it all the same.
    if let Ok(mut file) = std::fs::OpenOptions::new().append(true).open(KEPT_PATH) {
        let _ = writeln!(file, "{seed} {test}");
    }
}
