//! What each schedule asks for, and what is refused.

use std::time::Duration;

use proptest::prelude::*;

use super::{Schedule, Starts, Step};

const LENGTH: Duration = Duration::from_secs(10);

fn read(text: &str) -> Schedule {
    text.parse().unwrap_or_else(|invalid| panic!("{invalid}"))
}

fn starts(schedule: &Schedule, seed: u64) -> Starts {
    schedule.starts(Some(LENGTH), seed).unwrap_or_else(|invalid| panic!("{invalid}")).expect("it has a rate")
}

fn step(rate: f64, length: Option<Duration>) -> Step {
    Step { rate, length }
}

/// Any schedule with a rate that can be written.
fn written() -> impl Strategy<Value = Schedule> {
    let rate = || {
        prop_oneof![
            (1_u32..2_000_000).prop_map(|n| f64::from(n) / 1000.0),
            (1_u32..90).prop_map(|n| f64::from(n) * 1000.0)
        ]
    };
    let length = || prop::option::of((1_u64..9_000_000).prop_map(Duration::from_micros));
    prop_oneof![
        rate().prop_map(Schedule::Constant),
        (rate(), rate()).prop_map(|(from, to)| Schedule::Ramp { from, to }),
        rate().prop_map(|to| Schedule::Ramp { from: 0.0, to }),
        rate().prop_map(|from| Schedule::Ramp { from, to: 0.0 }),
        prop::collection::vec((rate(), length()), 2..5)
            .prop_map(|steps| Schedule::Steps(steps.into_iter().map(|(rate, length)| step(rate, length)).collect())),
    ]
}

/// Those of them that a run of [`LENGTH`] has time for.
fn fitting() -> impl Strategy<Value = Schedule> {
    written().prop_filter("no time is left", |schedule| schedule.starts(Some(LENGTH), 1).is_ok())
}

#[test]
fn as_many_as_nobody_can_draw_are_counted_too() {
    let before = |schedule: Schedule| starts(&schedule, 1).skip_to_share(0, 2).before(Duration::from_secs(10));
    assert_eq!(before(Schedule::Constant(1e9)), 5_000_000_000);
    assert_eq!(before(Schedule::Constant(1e300)), u64::MAX);
    let random = before(Schedule::Poisson(1e9)) as f64;
    assert!((random / 5e9 - 1.0).abs() < 0.001, "{random}");
}

#[test]
fn schedules_are_read() {
    let seconds = |n| Some(Duration::from_secs(n));
    let table = [
        ("10k/s", Schedule::Constant(10_000.0)),
        ("0.5/s", Schedule::Constant(0.5)),
        ("1k/s..10k/s", Schedule::Ramp { from: 1000.0, to: 10_000.0 }),
        ("0/s .. 10/s", Schedule::Ramp { from: 0.0, to: 10.0 }),
        ("10/s..0/s", Schedule::Ramp { from: 10.0, to: 0.0 }),
        ("1k/s:5s,5k/s:10s", Schedule::Steps(vec![step(1000.0, seconds(5)), step(5000.0, seconds(10))])),
        ("1k/s, 2k/s", Schedule::Steps(vec![step(1000.0, None), step(2000.0, None)])),
        ("3/s: 1m", Schedule::Steps(vec![step(3.0, seconds(60))])),
    ];
    for (text, schedule) in table {
        assert_eq!(text.parse(), Ok(schedule), "{text}");
    }
}

#[test]
fn bad_schedules_are_pointed_at() {
    let table = [
        ("", 0, "no number"),
        ("1000", 4, "no /s"),
        ("0/s", 0, "rate of zero"),
        ("5MB/s", 0, "not bytes"),
        ("1/s,5MB/s:3s", 4, "not bytes"),
        ("0/s..0/s", 5, "rate of zero"),
        ("1/s..", 5, "no number"),
        ("1/s..2/s:5s", 8, "no steps"),
        ("1/s..2/s,3/s", 8, "no steps"),
        ("1/s,,2/s", 4, "no number"),
        ("1/s:0s", 4, "lasts no time"),
        ("1/s:5 sec", 6, "unknown unit sec"),
        ("1/s,0/s", 4, "rate of zero"),
        ("1/s, -2/s", 5, "negative"),
    ];
    for (text, at, problem) in table {
        let invalid = text.parse::<Schedule>().unwrap_err();
        assert_eq!((invalid.what, invalid.at, invalid.input.as_str()), ("schedule", Some(at), text), "{invalid}");
        assert!(invalid.problem.contains(problem) && invalid.instead.is_some(), "{invalid}");
    }
}

#[test]
fn what_has_no_writing_is_named() {
    assert_eq!(Schedule::Closed.to_string(), "closed");
    assert_eq!(read("10k/s").poisson().unwrap().to_string(), "10k/s at random");
    assert_eq!(read("1500/s:90s,2M/s:1500ms").to_string(), "1500/s:90s,2M/s:1500ms");
}

#[test]
fn starts_are_where_the_integral_of_the_rate_is_whole() {
    let table: [(&str, u128, &[u128]); 7] = [
        ("4/s", 0, &[0, 250, 500, 750, 1000]),
        // A million seconds later nothing has added up.
        ("3/s", 3_000_000, &[1_000_000_000, 1_000_000_333, 1_000_000_666, 1_000_001_000]),
        // 0.05 t² = n
        ("0/s..1/s", 0, &[0, 4472, 6324, 7745, 8944, 10_000, 11_000]),
        // t - 0.05 t² = n
        ("1/s..0/s", 0, &[0, 1055, 2254, 3675, 5527]),
        ("1/s..1/s", 9, &[9000, 10_000, 11_000]),
        // Half a start is carried over.
        ("1/s:2500ms,2/s", 0, &[0, 1000, 2000, 2750, 3250]),
        ("1/s,3/s", 3, &[3000, 4000, 5000, 5333]),
    ];
    for (text, skipped, due) in table {
        let found = starts(&read(text), 1).skip(usize::try_from(skipped).expect("it is small"));
        let found: Vec<u128> = found.take(due.len()).map(|start| start.as_millis()).collect();
        assert_eq!(found, due, "{text}");
    }
}

#[test]
fn a_ramp_that_ends_at_zero_has_no_start_after_its_end() {
    let mut all = starts(&read("200/s..0/s"), 1);
    assert_eq!(all.by_ref().count(), 1000);
    assert_eq!(all.next(), None);
    let share: Vec<_> = starts(&read("1/s..0/s"), 1).skip_to_share(1, 2).map(|(number, _)| number).collect();
    assert_eq!(share, [2, 4]);
}

#[test]
fn a_schedule_without_the_length_it_needs_is_refused() {
    for text in ["1/s..2/s", "1/s,2/s", "1/s,2/s:5s"] {
        let invalid = read(text).starts(None, 1).unwrap_err();
        assert!(invalid.problem.contains("no length") && invalid.instead.is_some(), "{invalid}");
        assert_eq!(read(text).mean_rate(None, Duration::ZERO, LENGTH), None);
    }
    for text in ["1/s", "1/s:5s,2/s:5s", "1/s:5s,2/s"] {
        assert!(read(text).starts(None, 1).is_ok(), "{text}");
    }
    let invalid = read("1/s,2/s:10s").starts(Some(LENGTH), 1).unwrap_err();
    assert!(invalid.problem.contains("no time of the run is left"), "{invalid}");
    assert!(Schedule::Closed.starts(None, 1).unwrap().is_none());
}

#[test]
fn rates_at_which_nothing_can_happen_are_refused() {
    let ramp = |from, to| Schedule::Ramp { from, to };
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let refused = [Schedule::Constant(rate), Schedule::Poisson(rate), Schedule::Steps(vec![step(rate, None)])];
        for schedule in refused {
            assert!(schedule.starts(Some(LENGTH), 1).is_err(), "{schedule:?}");
        }
    }
    for schedule in
        [ramp(0.0, 0.0), ramp(-1.0, 1.0), ramp(1.0, f64::NAN), ramp(f64::INFINITY, 1.0), Schedule::Steps(vec![])]
    {
        assert!(schedule.starts(Some(LENGTH), 1).is_err(), "{schedule:?}");
    }
}

#[test]
fn only_a_constant_rate_becomes_random() {
    assert_eq!(read("10/s").poisson(), Ok(Schedule::Poisson(10.0)));
    for text in ["1/s..2/s", "1/s,2/s"] {
        assert!(read(text).poisson().unwrap_err().instead.is_some());
    }
    assert!(Schedule::Closed.poisson().is_err());
}

#[test]
fn mean_rates_are_exact() {
    let table = [
        ("7/s", 0, 10, 7.0),
        ("0/s..10/s", 0, 10, 5.0),
        ("0/s..10/s", 5, 10, 7.5),
        ("0/s..10/s", 5, 5, 5.0),
        ("0/s..10/s", 5, 15, 8.75),
        ("1/s:2s,4/s", 1, 4, 3.0),
        ("1/s,3/s", 0, 10, 2.0),
    ];
    for (text, from, to, mean) in table {
        let found = read(text).mean_rate(Some(LENGTH), Duration::from_secs(from), Duration::from_secs(to));
        assert_eq!(found, Some(mean), "{text}");
    }
    assert_eq!(Schedule::Closed.mean_rate(Some(LENGTH), Duration::ZERO, LENGTH), None);
    assert_eq!(Schedule::Poisson(5.0).mean_rate(None, Duration::ZERO, LENGTH), Some(5.0));
}

#[test]
fn a_rate_at_which_nothing_happens_for_ages_has_starts_in_order() {
    let found: Vec<_> = starts(&Schedule::Constant(1e-300), 1).take(3).collect();
    assert_eq!(found, [Duration::ZERO, Duration::MAX, Duration::MAX]);
    assert!(starts(&Schedule::Poisson(1e-300), 1).take(5).is_sorted());
}

/// The counts of many runs have the mean and the variance of a Poisson process, and the times between follow chance.
#[test]
fn random_starts_are_a_poisson_process() {
    let (runs, due) = (400_u32, 1000.0);
    let schedule = Schedule::Poisson(100.0);
    let count = |seed| starts(&schedule, seed).take_while(|start| *start < LENGTH).count() as f64;
    let counts: Vec<f64> = (0..u64::from(runs)).map(count).collect();
    let mean = counts.iter().sum::<f64>() / f64::from(runs);
    assert!((mean - due).abs() < 3.0 * (due / f64::from(runs)).sqrt(), "{mean}");
    let variance = counts.iter().map(|count| (count - due).powi(2)).sum::<f64>() / f64::from(runs);
    // The variance of a variance is two of its squares over the number.
    assert!((variance / due - 1.0).abs() < 3.0 * (2.0 / f64::from(runs)).sqrt(), "{variance}");
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_as_the_same(schedule in written()) {
        prop_assert_eq!(schedule.to_string().parse(), Ok(schedule));
    }

    #[test]
    fn text_of_any_sort_is_a_schedule_or_refused(text in "[0-9./s:,kM ]{0,16}|.{0,8}") {
        if let Err(invalid) = text.parse::<Schedule>() {
            prop_assert!(invalid.at.is_some_and(|at| at <= text.len()), "{}", invalid);
        }
    }

    #[test]
    fn starts_ascend(schedule in fitting(), seed: u64, random: bool) {
        let schedule = if random { schedule.clone().poisson().unwrap_or(schedule) } else { schedule };
        prop_assert!(starts(&schedule, seed).take(3000).is_sorted());
    }

    #[test]
    fn starts_ascend_however_close_they_are(rate in 1e6..1e9_f64, to in 0.0..1e9_f64, far in 0_usize..1 << 40) {
        let mut some = starts(&Schedule::Ramp { from: rate, to }, 1);
        some.nth(far);
        prop_assert!(some.take(1000).is_sorted());
    }

    #[test]
    fn shares_are_the_whole(schedule in fitting(), of in 1_u64..=5, seed: u64, random: bool) {
        let schedule = if random { schedule.clone().poisson().unwrap_or(schedule) } else { schedule };
        let whole: Vec<_> = (1..=200).zip(starts(&schedule, seed)).collect();
        let share = |index| starts(&schedule, seed).skip_to_share(index, of).take_while(|(number, _)| *number <= 200);
        let mut shared: Vec<_> = (0..of).flat_map(share).collect();
        shared.sort_unstable();
        prop_assert_eq!(shared, whole);
    }

    #[test]
    fn those_before_a_moment_are_counted_without_asking_for_each(
        schedule in fitting(), of in 1_u64..=5, had in 0_usize..50, micros in 0_u64..2_000_000, random: bool,
    ) {
        let schedule = if random { schedule.clone().poisson().unwrap_or(schedule) } else { schedule };
        let end = Duration::from_micros(micros);
        let mut share = starts(&schedule, 1).skip_to_share(of - 1, of);
        share.by_ref().take(had).for_each(drop);
        let found = share.clone().take_while(|(_, at)| *at < end).take(50_000).count() as u64;
        prop_assume!(found < 50_000);
        prop_assert_eq!(share.before(end), found);
    }

    #[test]
    fn as_many_start_as_the_rate_asks_for(schedule in fitting(), micros in 1_u64..20_000_000) {
        let until = Duration::from_micros(micros);
        let asked = schedule.mean_rate(Some(LENGTH), Duration::ZERO, until).expect("it has a rate") * until.as_secs_f64();
        prop_assume!(asked < 50_000.0);
        let found = starts(&schedule, 1).take_while(|start| *start < until).count() as f64;
        prop_assert!((found - asked).abs() <= 1.0 + 1e-6, "{} of {}", found, asked);
    }

    #[test]
    fn the_same_seed_has_the_same_starts(seed: u64) {
        let some = |seed| starts(&Schedule::Poisson(1000.0), seed).take(20).collect::<Vec<_>>();
        prop_assert_eq!(some(seed), some(seed));
        prop_assert_ne!(some(seed), some(seed ^ 1));
    }
}
