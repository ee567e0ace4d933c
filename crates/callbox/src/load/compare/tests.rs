//! What is said of pairs of made-up runs.

use std::time::Duration;

use super::{Comparison, Verdict, compare};
use crate::load::distribution::Distribution;
use crate::load::report::{ErrorCount, Report, Series, Slice};
use crate::rng::Rng;

/// A run of so many slices of a second with about 400 answers each. Times are exponential around a millisecond, times `factor`,
/// and in a slice of ten everything takes thrice as long: a stall, by which times are not independent.
fn run(slices: usize, factor: f64, seed: u64) -> Report {
    let mut rng = Rng::new(seed);
    let mut response = Distribution::default();
    let mut made = Vec::new();
    for _ in 0..slices {
        let stalled = if rng.below(10) == 0 { 3.0 } else { 1.0 };
        let answered = 380 + rng.below(41);
        let times: Distribution = (0..answered).map(|_| two_digits(factor * stalled * exponential(&mut rng))).collect();
        response.add(&times);
        let bytes = answered * 100;
        made.push(Slice {
            answered,
            to_server_bytes: bytes,
            to_client_bytes: bytes,
            response: times,
            ..Slice::default()
        });
    }
    let answered = made.iter().map(|slice| slice.answered).sum();
    Report {
        mode: "exchange",
        schedule: "closed",
        connections: 64,
        duration: Duration::from_secs(slices as u64),
        requests: answered,
        answered,
        to_server_bytes: answered * 100,
        to_client_bytes: answered * 100,
        response,
        series: Series { slice: Duration::from_secs(1), slices: made },
        ..Report::default()
    }
}

fn exponential(rng: &mut Rng) -> f64 {
    let chance = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    1e6 * (0.2 - (1.0 - chance).ln())
}

fn two_digits(nanos: f64) -> Duration {
    let unit = 10_f64.powi(nanos.log10().floor() as i32 - 1);
    Duration::from_nanos(((nanos / unit).ceil() * unit) as u64)
}

fn verdicts(comparison: &Comparison) -> Vec<(&'static str, Verdict)> {
    comparison.figures.iter().map(|figure| (figure.name, figure.verdict)).collect()
}

#[test]
fn a_run_is_not_different_from_itself() {
    let a = run(20, 1.0, 1);
    for seed in 0..10 {
        let comparison = compare(&a, &a, seed);
        assert!(verdicts(&comparison).iter().all(|(_, verdict)| matches!(verdict, Verdict::Same | Verdict::Unclear)));
        assert_eq!(comparison.cautions, Vec::<String>::new());
    }
}

/// A hundred pairs of runs of the same server: each figure is told as different about once in twenty.
#[test]
fn runs_that_differ_by_chance_alone_are_seldom_told_as_different() {
    let mut told = [0; 5];
    for seed in 0..100 {
        let comparison = compare(&run(12, 1.0, 2 * seed), &run(12, 1.0, 2 * seed + 1), seed);
        for (told, (_, verdict)) in told.iter_mut().zip(verdicts(&comparison)) {
            *told += usize::from(matches!(verdict, Verdict::Better | Verdict::Worse));
        }
    }
    assert!(told.iter().all(|told| *told <= 9), "{told:?}");
}

#[test]
fn times_twice_as_long_are_worse_by_about_two() {
    let comparison = compare(&run(100, 1.0, 1), &run(100, 2.0, 1), 7);
    assert_eq!(comparison.figures[0].verdict, Verdict::Same);
    for figure in &comparison.figures[1..] {
        let (low, high) = figure.interval.expect("there are slices enough");
        assert_eq!(figure.verdict, Verdict::Worse, "{figure:?}");
        assert!(low > 1.3 && low < 2.01 && high > 1.99 && high < 3.0, "{figure:?}");
    }
    let back = compare(&run(100, 2.0, 1), &run(100, 1.0, 1), 7);
    assert!(back.figures[1..].iter().all(|figure| figure.verdict == Verdict::Better));
}

#[test]
fn few_slices_tell_nothing() {
    let comparison = compare(&run(7, 1.0, 1), &run(20, 4.0, 2), 1);
    assert!(comparison.figures.iter().all(|figure| figure.verdict == Verdict::Unclear && figure.interval.is_none()));
    assert!(comparison.sentence().contains("A has 7 and B has 20 slices of time"), "{}", comparison.sentence());
}

#[test]
fn the_same_seed_gives_the_same_intervals() {
    let (a, b) = (run(20, 1.0, 1), run(20, 1.2, 2));
    assert_eq!(compare(&a, &b, 3), compare(&a, &b, 3));
    assert_ne!(compare(&a, &b, 3).figures, compare(&a, &b, 4).figures);
}

#[test]
fn where_bytes_are_moved_the_throughput_is_compared() {
    let bulk = |seed, factor| {
        let mut report = Report { mode: "send", response: Distribution::default(), ..run(20, 1.0, seed) };
        for slice in &mut report.series.slices {
            slice.response = Distribution::default();
            slice.to_client_bytes = 0;
            slice.to_server_bytes *= factor;
        }
        Report { to_client_bytes: 0, to_server_bytes: report.to_server_bytes * factor, ..report }
    };
    let comparison = compare(&bulk(1, 1), &bulk(2, 3), 1);
    assert_eq!(verdicts(&comparison), [("throughput", Verdict::Better)]);
    assert!(comparison.sentence().starts_with("B moves 3.0"), "{}", comparison.sentence());
    let other = compare(&bulk(1, 1), &run(20, 1.0, 1), 1);
    assert!(other.figures.is_empty());
    assert_eq!(other.sentence(), "A and B measured nothing that could be compared");
    assert_eq!(other.cautions, ["the mode differs: A has send, B has exchange"]);
}

/// The last slice is a tenth as long as the others: it counts as that, not as a slow one.
#[test]
fn a_short_last_slice_is_no_slow_one() {
    let mut a = run(10, 1.0, 1);
    a.series.slices[9].answered = 40;
    a.duration = Duration::from_millis(9100);
    a.answered = a.series.slices.iter().map(|slice| slice.answered).sum();
    let comparison = compare(&a, &run(30, 1.0, 2), 1);
    assert_eq!(comparison.figures[0].verdict, Verdict::Same, "{:?}", comparison.figures[0]);
}

#[test]
fn what_makes_runs_incomparable_is_said() {
    let a = run(10, 1.0, 1);
    let errors = vec![ErrorCount { kind: "reset", count: 3, example: String::new() }];
    let b = Report {
        mode: "connect",
        schedule: "constant",
        rate_asked: Some(1000.0),
        connections: 8,
        warm_up: Duration::from_secs(1),
        missed: a.requests,
        errors,
        ..a.clone()
    };
    let due = [
        "the mode differs: A has exchange, B has connect",
        "the schedule differs: A has closed, B has constant",
        "the rate asked for differs: A has none, B has 1000/s",
        "the number of connections differs: A has 64, B has 8",
        "the warm-up differs: A has 0 s, B has 1 s",
        "B did not reach the rate asked for, so its times are those of an overload",
        "B has errors (3), the other one none",
    ];
    assert_eq!(compare(&a, &b, 1).cautions, due);
    assert_eq!(compare(&b, &b, 1).cautions, Vec::<String>::new());
    let nothing = Report { mode: "exchange", schedule: "closed", connections: 64, ..Report::default() };
    let comparison = compare(&a, &nothing, 1);
    assert_eq!((comparison.figures.len(), comparison.cautions), (0, vec!["nothing was answered in B".to_owned()]));
}

#[test]
fn a_comparison_is_one_sentence() {
    let mut comparison = compare(&run(10, 1.0, 1), &run(10, 1.0, 2), 1);
    let set = |comparison: &mut Comparison, table: [(Verdict, f64, f64, f64); 5]| {
        for (figure, (verdict, low, ratio, high)) in comparison.figures.iter_mut().zip(table) {
            (figure.verdict, figure.ratio, figure.interval) = (verdict, ratio, Some((low, high)));
        }
        comparison.sentence()
    };
    let (same, unclear) = ((Verdict::Same, 0.99, 1.0, 1.01), (Verdict::Unclear, 0.5, 1.0, 2.0));
    let (more, shorter) = ((Verdict::Better, 1.278, 1.31, 1.342), (Verdict::Better, 0.7, 0.76, 0.831));
    let table = [
        (
            [more, same, unclear, shorter, unclear],
            "B answers 1.31 times as many (1.28 to 1.34) and its p99 is 0.76 times A's (0.70 to 0.83); p50 is the same; \
             p90 and p99.9 are unclear",
        ),
        (
            [same, shorter, shorter, (Verdict::Worse, 10.0, 12.34, 123.4), same],
            "B's p50 is 0.76 times A's (0.70 to 0.83), its p90 is 0.76 times A's (0.70 to 0.83) and its p99 is 12.3 times A's \
             (10.0 to 123); the rate and p99.9 are the same",
        ),
        ([unclear; 5], "no difference that these runs could show; the rate, p50, p90, p99 and p99.9 are unclear"),
    ];
    for (verdicts, sentence) in table {
        assert_eq!(set(&mut comparison, verdicts), sentence);
    }
}
