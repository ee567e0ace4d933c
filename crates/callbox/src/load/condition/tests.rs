//! What conditions hold for what reports, and what is refused.

use std::time::Duration;

use proptest::prelude::*;

use super::Condition;
use crate::load::distribution::Distribution;
use crate::load::report::{ErrorCount, PhaseTimes, Report};

fn of(millis: impl IntoIterator<Item = u64>) -> Distribution {
    millis.into_iter().map(Duration::from_millis).collect()
}

/// A run of 10 s: 4,000 requests, response times from 1 to 100 ms, service times half of that.
fn report() -> Report {
    Report {
        duration: Duration::from_secs(10),
        requests: 4000,
        answered: 3980,
        wrong: 12,
        mixed_up: 2,
        lost: 4,
        missed: 1000,
        errors: [("reset", 3), ("ended", 1)]
            .map(|(kind, count)| ErrorCount { kind, count, example: String::new() })
            .to_vec(),
        to_server_bytes: 3_000_000,
        to_client_bytes: 7_000_000,
        response: of(1..=100),
        service: of((2..=100).step_by(2).map(|millis| millis / 2)),
        phases: PhaseTimes { first_byte: of([7]), ..PhaseTimes::default() },
        ..Report::default()
    }
}

#[test]
fn figures_are_compared_with_values() {
    let report = report();
    let table = [
        ("p99<99ms", false, "p99 is 99 ms"),
        ("p99<=99ms", true, "p99 is 99 ms"),
        ("p99>99ms", false, "p99 is 99 ms"),
        ("p99 >= 99ms", true, "p99 is 99 ms"),
        ("p99.9>1", false, "p99.9 is 100 ms"),
        ("p12.5<0.5s", true, "p12.5 is 13 ms"),
        ("p100<=100ms", true, "p100 is 100 ms"),
        ("min<2ms", true, "min is 1 ms"),
        ("max>1s", false, "max is 100 ms"),
        ("mean<=50500us", true, "mean is 50.5 ms"),
        ("mean<50501us", true, "mean is 50.5 ms"),
        ("max>100000100ns", false, "max is 100 ms"),
        ("p1.5>2000100ns", false, "p1.5 is 2 ms"),
        ("first_byte.p1>7000001ns", false, "first_byte.p1 is 7 ms"),
        ("mean<50.4ms", false, "mean is 50.5 ms"),
        ("service.p50<=25ms", true, "service.p50 is 25 ms"),
        ("response.max>50ms", true, "max is 100 ms"),
        ("first_byte.p99>6ms", true, "first_byte.p99 is 7 ms"),
        ("rate<398", false, "rate is 398/s"),
        ("rate<0.4k/s", true, "rate is 398/s"),
        ("rate>0", true, "rate is 398/s"),
        ("throughput<1MB/s", false, "throughput is 977 KiB/s"),
        ("throughput<=8Mbit/s", true, "throughput is 977 KiB/s"),
        ("errors>0", true, "errors are 4 (0.1 %)"),
        ("errors>4", false, "errors are 4 (0.1 %)"),
        ("errors>0.1%", false, "errors are 4 (0.1 %)"),
        ("wrong >= 0.3 %", true, "wrong answers are 12 (0.3 %)"),
        ("mixed_up>2", false, "mixed-up answers are 2 (0.05 %)"),
        ("lost>1k", false, "lost exchanges are 4 (0.1 %)"),
        ("missed>20%", false, "missed exchanges are 1000 (20 %)"),
        ("missed>=20%", true, "missed exchanges are 1000 (20 %)"),
    ];
    for (text, holds, found) in table {
        let condition: Condition = text.parse().unwrap_or_else(|invalid| panic!("{invalid}"));
        assert_eq!((condition.holds(&report), condition.found(&report).as_str()), (holds, found), "{text}");
        assert_eq!(condition.to_string(), text);
    }
}

#[test]
fn what_never_came_was_not_fast() {
    let nothing = Report { errors: report().errors, ..Report::default() };
    let table = [
        ("p99>10ms", true),
        ("p99>=10ms", true),
        ("p99<10ms", false),
        ("min<=100d", false),
        ("tls.max<1s", false),
        ("rate<1", true),
        ("throughput<1B/s", true),
        ("lost>0", false),
        ("lost>=0%", true),
        // All of nothing, where something went wrong.
        ("errors>1%", true),
    ];
    for (text, holds) in table {
        assert_eq!(text.parse::<Condition>().unwrap().holds(&nothing), holds, "{text}");
    }
    let condition: Condition = "tls.p50<1s".parse().unwrap();
    assert_eq!(condition.found(&nothing), "nothing was measured for tls.p50");
}

#[test]
fn few_are_not_shown_as_none() {
    let table = [(0.0, "0"), (0.000_04, "0.00004"), (0.1, "0.1"), (0.126, "0.13"), (4.26, "4.3"), (100.0, "100")];
    for (percent, text) in table {
        assert_eq!(super::short(percent), text);
    }
}

#[test]
fn a_time_just_beyond_its_limit_is_shown_in_full() {
    let report = Report { response: [Duration::from_nanos(5_001_250)].into_iter().collect(), ..report() };
    for (text, found) in [("max<5ms", "max is 5.00125 ms"), ("max<4ms", "max is 5 ms")] {
        assert_eq!(text.parse::<Condition>().unwrap().found(&report), found);
    }
    let report = Report { response: [Duration::from_nanos(5_001)].into_iter().collect(), ..report };
    assert_eq!("max<5us".parse::<Condition>().unwrap().found(&report), "max is 5.001 us");
}

#[test]
fn bad_conditions_are_pointed_at() {
    let table = [
        ("", 0, "nothing is compared", "as in p99<5ms"),
        ("p99", 3, "nothing is compared", "as in p99<5ms"),
        ("p99=5ms", 3, "= is no comparison", "as in p99<5ms"),
        ("p99 => 5ms", 4, "=> is no comparison", "as in p99<5ms"),
        ("<5ms", 0, "no figure", "as in p99<5ms"),
        ("p101<1ms", 0, "no percentile p101", "at most p100"),
        ("p0<1ms", 0, "no percentile p0", "at most p100"),
        (" tls.p0<1ms", 1, "no percentile p0", "at most p100"),
        ("p9e1<1ms", 0, "unknown figure p9e1", "figures are"),
        ("foo>1", 0, "unknown figure foo", "figures are"),
        ("eror>1", 0, "unknown figure eror", "did you mean errors?"),
        ("  maxx>1", 2, "unknown figure maxx", "did you mean max?"),
        ("servce.p99>1", 0, "unknown figure servce.p99", "did you mean service.p99?"),
        ("service.avg>1", 0, "unknown figure service.avg", "did you mean service.mean?"),
        ("service.errors>1", 0, "unknown figure service.errors", "did you mean service.p99?"),
        ("rps>1", 0, "unknown figure rps", "did you mean rate?"),
        ("p99<", 4, "no number", "500ms"),
        ("p99 < 5 MB", 8, "unknown unit MB", "500ms"),
        ("p99<-1s", 4, "negative", "500ms"),
        ("rate<5MB/s", 5, "bytes are not counted", "9k/s"),
        ("rate<5m/m", 9, "no /s", "9k/s"),
        ("rate<", 5, "no number", "9k/s"),
        ("throughput<5", 12, "no /s", "1GB/s"),
        ("throughput<5/s", 11, "no unit of bytes", "1GB/s"),
        ("throughput<5Mb/s", 12, "bits or bytes", "1GB/s"),
        ("errors>many", 7, "no number", "1%"),
        ("errors>5x", 8, "unknown unit x", "1%"),
        ("errors>101%", 7, "more than 100 %", "1%"),
    ];
    for (text, at, problem, advice) in table {
        let invalid = text.parse::<Condition>().unwrap_err();
        assert!(invalid.problem.contains(problem), "{invalid}");
        assert!(invalid.instead.as_ref().is_some_and(|instead| instead.contains(advice)), "{invalid}");
        assert_eq!((invalid.what, invalid.at, invalid.input.as_str()), ("condition", Some(at), text), "{invalid}");
    }
}

proptest! {
    #[test]
    fn text_of_any_sort_is_a_condition_or_refused(text in "[a-z0-9.]{0,8} ?[<>=]{0,3} ?[0-9a-z/%]{0,6}|.{0,8}") {
        if let Err(invalid) = text.parse::<Condition>() {
            prop_assert!(invalid.at.is_some_and(|at| at <= text.len()) && invalid.instead.is_some(), "{}", invalid);
        }
    }

    #[test]
    fn a_condition_and_its_opposite_never_both_hold(percent in 1_u32..=100, millis in 1_u64..200, empty: bool) {
        let report = if empty { Report::default() } else { report() };
        let holds = |sign| format!("p{percent}{sign}{millis}ms").parse::<Condition>().unwrap().holds(&report);
        prop_assert_ne!(holds("<"), holds(">="));
        prop_assert_ne!(holds("<="), holds(">"));
    }
}
