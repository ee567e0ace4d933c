//! Texts that are read, what they print as, and those that are refused.

use super::*;
use crate::pipe::fault::{Point, Towards};
use crate::units::parse_duration;
use proptest::prelude::*;

#[test]
fn faults_print_as_they_are_read() {
    let table = [
        ("latency=100ms", "latency=100ms"),
        ("latency=100ms+-20ms", "latency=100ms+-20ms"),
        ("latency=100ms±20ms:normal", "latency=100ms+-20ms:normal"),
        ("latency=1.5s+/-20ms:pareto", "latency=1500ms+-20ms:pareto"),
        ("latency=2:uniform", "latency=2s"),
        ("throttle=1MB/s", "throttle=1000000B/s"),
        ("throttle=10Mbit/s", "throttle=1250000B/s"),
        ("slice=1..64/5ms", "slice=1..64/5ms"),
        ("slice=10", "slice=10"),
        ("slice=1k..2Ki", "slice=1000..2048"),
        ("coalesce=20ms", "coalesce=20ms"),
        ("corrupt=0.1%", "corrupt=0.001"),
        ("corrupt=50%:zero", "corrupt=0.5:zero"),
        ("corrupt=1:replace", "corrupt=1:replace"),
        ("discard=100..200", "discard=100..200"),
        ("discard=1k..", "discard=1000.."),
        ("discard=..7", "discard=0..7"),
        ("duplicate,p=30%", "duplicate,p=0.3"),
        ("stall", "stall"),
        ("stall@1460", "stall,from=1460"),
        ("stall@2s,to=5s", "stall,from=2s,to=5s"),
        ("cut@1460", "cut@1460"),
        ("cut@1460:end", "cut@1460"),
        ("cut@2s:reset", "cut@2s:reset"),
        ("cut@5m", "cut@300s"),
        ("cut@5M", "cut@5000000"),
        ("reset", "reset"),
        ("reset=2s", "reset=2s"),
        ("reset@2s", "reset=2s"),
        ("reset@0", "cut@0:reset"),
        ("reset@14k", "cut@14000:reset"),
        ("half-close@3", "half-close,from=3"),
        ("slow-close=2s", "slow-close=2s"),
        ("limit=10k", "limit=10000"),
        ("timeout", "timeout"),
        ("timeout=0", "timeout"),
        ("timeout=250us", "timeout=250us"),
        ("refuse,p=0.5,session=2", "refuse,p=0.5,session=2"),
        ("accept-delay=1s,every=3,from=1ns", "accept-delay=1s,every=3,from=1ns"),
        ("accept-then-close", "accept-then-close"),
        ("backlog-full,from=1s,to=2s", "backlog-full,from=1s,to=2s"),
        ("stall,direction=to_server", "stall,direction=to_server"),
        ("stall,every=3,session=6,direction=both,to=9,frame=4,from=3", "stall,session=6,every=3,frame=4,from=3,to=9"),
        (r"cut@0,match=a\n,b=c", r"cut@0,match=a\n,b=c"),
        ("half-close,direction=to_client,match=re:[a,]{1,2}", "half-close,direction=to_client,match=re:[a,]{1,2}"),
        (r"replace=a\x2c\n,p=0.5,match=b,c", r"replace=a\x2c\n,p=0.5,match=b,c"),
        ("replace=,match=x", "replace=,match=x"),
        ("replace=a=b:@c,match=x", "replace=a=b:@c,match=x"),
    ];
    for (text, printed) in table {
        let fault: Fault = text.parse().unwrap_or_else(|invalid| panic!("{invalid}"));
        assert_eq!(fault.to_string(), printed, "{text}");
        assert_eq!(printed.parse::<Fault>().map(|fault| fault.to_string()).as_deref(), Ok(printed));
        assert!(printed.starts_with(fault.kind.name()));
    }
}

/// What the reference page shows in the first column of its tables of faults.
#[test]
fn examples_of_the_reference_are_read() {
    let page = include_str!("../../../../../docs/reference/faults.md");
    let tables = page.split("\n| fault |").skip(1).map(|part| part.split("\n\n").next().unwrap_or_default());
    let cells = tables.flat_map(str::lines).filter_map(|row| row.strip_prefix("| `")?.split_once("` |"));
    let examples: Vec<&str> = cells.flat_map(|(cell, _)| cell.split("`, `")).collect();
    for example in &examples {
        example.parse::<Fault>().unwrap_or_else(|invalid| panic!("{invalid}"));
    }
    for (kind, example) in KINDS {
        assert!(examples.iter().any(|shown| shown.starts_with(kind)), "{kind} is not on the page");
        assert_eq!(example.parse::<Fault>().map(|fault| fault.kind.name()), Ok(kind));
    }
}

#[test]
fn values_mean_what_they_say() {
    let fault: Fault = "latency=100ms+-20ms:normal,direction=to_client,p=25%,session=2,from=10,to=3s".parse().unwrap();
    match fault.kind {
        FaultKind::Latency { base, jitter, shape: Shape::Normal } => {
            assert_eq!((base.as_millis(), jitter.as_millis()), (100, 20));
        }
        kind => panic!("{kind}"),
    }
    assert_eq!((fault.towards, fault.probability), (Towards::Client, 0.25));
    assert_eq!((fault.when.session, fault.when.from), (Some(2), Some(Point::Byte(10))));
    assert_eq!(fault.when.to, parse_duration("3s").ok().map(Point::Time));
    let plain: Fault = "stall".parse().unwrap();
    assert_eq!((plain.towards, plain.probability, plain.when.has_start()), (Towards::Both, 1.0, false));
}

#[test]
fn bad_faults_are_pointed_at_with_advice() {
    let table = [
        ("", 0, "no fault is named", "latency=100ms"),
        (",p=1", 0, "no fault is named", "latency=100ms"),
        ("latancy=1s", 0, "unknown fault latancy", "latency=100ms+-20ms?"),
        ("bandwidth=1k", 0, "unknown fault bandwidth", "throttle=1MB/s?"),
        ("limit_data=3", 0, "unknown fault", "limit=10k?"),
        ("xyzzy", 0, "unknown fault xyzzy", "write latency"),
        ("loss=1%", 0, "unknown fault loss", "stall, cut or corrupt"),
        ("latency", 7, "by how much?", "latency=100ms"),
        ("latency=", 8, "no number", "latency=100ms"),
        ("latency=1x", 9, "unknown unit", "latency=100ms"),
        ("latency=1s+-", 12, "no number", "latency=100ms"),
        ("latency=1s:gauss", 11, "unknown word gauss", "uniform or normal or pareto"),
        ("latency=1s:norml", 11, "unknown word", "did you mean normal?"),
        ("latency@3", 7, "latency takes no place", "latency=100ms"),
        ("latency:3", 7, "neither = nor @", "latency=100ms"),
        ("throttle=100/s", 9, "of what?", "1MB/s"),
        ("throttle=0B/s", 9, "rate of zero", "1MB/s"),
        ("slice=0", 6, "one byte at least", "slice=1..64"),
        ("slice=9..3", 6, "smallest comes first", "slice=3..9"),
        ("slice=3/x", 8, "no number", "slice=1..64/5ms"),
        ("corrupt=101%", 8, "more than all", "0.1%"),
        ("corrupt=-1%", 8, "no number", "0.1%"),
        ("corrupt=1e-3", 8, "no number", "0.1%"),
        ("corrupt=1%:flop", 11, "unknown word flop", "flip?"),
        ("discard=5", 8, "two ends", "100..200"),
        ("discard=5..5", 8, "no byte", "100..200"),
        ("duplicate=2", 9, "takes no value", "write duplicate"),
        ("stall=2s", 5, "no value", "stall@2s"),
        ("cut=5", 3, "follows an @", "cut@1460"),
        ("cut", 3, "where?", "cut@1460"),
        ("cut@5x", 5, "unknown unit", "cut@1460"),
        ("cut@5:rst", 6, "unknown word", "reset"),
        ("replace", 7, "by what?", "replace=TEXT"),
        ("replace=x", 9, "what is to be replaced?", "match=PATTERN"),
        (r"replace=\q,match=x", 8, "unknown escape", r"\\"),
        ("stall,", 6, "a key is missing", "p=50%"),
        ("stall,p", 6, "p has no value", "p=50%"),
        ("stall,foo", 6, "foo is no key", "p=50%"),
        ("stall,toxicity=1", 6, "unknown key", "did you mean p=?"),
        ("stall,sesion=1", 6, "unknown key sesion", "did you mean session=?"),
        ("stall,xyzzy=1", 6, "unknown key xyzzy", "direction="),
        ("stall,p=1,p=1", 10, "given twice", "once"),
        ("stall,p=50", 8, "more than all", "p=50%"),
        ("stall,session=0", 14, "counted from 1", "session=2"),
        ("stall,every=x", 12, "no number", "every=3"),
        ("stall,direction=upstream", 16, "unknown direction", "to_server?"),
        ("stall,direction=to_sever", 16, "unknown direction", "to_server?"),
        ("stall,from=5,to=5", 16, "over before it begins", "larger than from="),
        ("stall,to=5s,from=7s", 17, "over before it begins", "larger than from="),
        ("stall@3,from=5", 8, "behind the @ already", "one of both"),
        ("stall,match=", 12, "empty", "re:"),
        (r"stall,match=a\q", 13, "unknown escape", r"\\"),
        ("refuse,frame=2", 7, "before there are bytes", "leave it away"),
        ("refuse,direction=both", 7, "before there are bytes", "leave it away"),
        ("accept-delay=1s,from=100", 21, "before there are bytes", "a time"),
        ("backlog-full,p=50%", 13, "every connection alike", "refuse"),
    ];
    for (text, at, problem, instead) in table {
        let invalid = text.parse::<Fault>().expect_err(text);
        assert_eq!((&invalid.input[..], invalid.at), (text, Some(at)), "{invalid}");
        assert!(invalid.problem.contains(problem), "{invalid}");
        assert!(invalid.instead.as_deref().unwrap_or_default().contains(instead), "{invalid}");
    }
}

fn any_time() -> impl Strategy<Value = Duration> {
    (0u64..5_000_000_000_000_000).prop_map(Duration::from_nanos)
}

fn any_kind() -> impl Strategy<Value = FaultKind> {
    let shape = prop::sample::select(vec![Shape::Uniform, Shape::Normal, Shape::Pareto]);
    let how = prop::sample::select(vec![Corruption::Flip, Corruption::Zero, Corruption::Replace]);
    prop_oneof![
        (any_time(), any_time(), shape).prop_map(|(base, jitter, shape)| FaultKind::Latency { base, jitter, shape }),
        (1u64..1 << 50).prop_map(|rate| FaultKind::Throttle { rate }),
        (1usize..99, 0usize..99, any_time()).prop_map(|(least, more, pause)| FaultKind::Slice {
            least,
            most: least + more,
            pause
        }),
        any_time().prop_map(|window| FaultKind::Coalesce { window }),
        (0.0..=1.0f64, how).prop_map(|(rate, how)| FaultKind::Corrupt { rate, how }),
        (0..u64::MAX - 1, 1..=u64::MAX)
            .prop_map(|(start, more)| FaultKind::Discard { range: start..start.saturating_add(more) }),
        (any::<u64>(), any::<bool>()).prop_map(|(bytes, reset)| FaultKind::Cut {
            after: After::Bytes(bytes),
            how: if reset { Ending::Reset } else { Ending::End },
        }),
        any_time().prop_map(|time| FaultKind::Cut { after: After::Time(time), how: Ending::End }),
        any_time().prop_map(|after| FaultKind::Reset { after }),
        any_time().prop_map(|delay| FaultKind::SlowClose { delay }),
        any::<u64>().prop_map(|bytes| FaultKind::Limit { bytes }),
        (1u64..u64::MAX >> 10).prop_map(|nanos| FaultKind::Timeout { after: Some(Duration::from_nanos(nanos)) }),
        any::<Vec<u8>>().prop_map(|text| FaultKind::Replace { pattern: "re:a,b+".parse().expect("a pattern"), text }),
        prop::sample::select(vec![FaultKind::Duplicate, FaultKind::Stall, FaultKind::HalfClose]),
    ]
}

proptest! {
    #[test]
    fn what_programs_make_reads_back(
        kind in any_kind(), towards in 0..3, probability in 0.0..=1.0f64,
        numbers in prop::collection::vec(prop::option::of(1..=u64::MAX), 3),
        from in prop::option::of(any_time()), to in prop::option::of(1..=u64::MAX), matches: bool,
    ) {
        let mut fault = Fault::new(kind);
        fault.towards = [Towards::Server, Towards::Client, Towards::Both][towards as usize];
        fault.probability = probability;
        (fault.when.session, fault.when.every, fault.when.frame) = (numbers[0], numbers[1], numbers[2]);
        fault.when.from = from.map(Point::Time);
        fault.when.to = to.map(Point::Byte);
        if matches && !matches!(fault.kind, FaultKind::Replace { .. }) {
            fault.when.matches = Some(r"re:\d{1,3},x".parse().expect("a pattern"));
        }
        let again: Fault = fault.to_string().parse().unwrap_or_else(|invalid| panic!("{invalid}"));
        prop_assert_eq!(again.to_string(), fault.to_string());
        prop_assert_eq!(format!("{again:?}"), format!("{fault:?}"));
    }

    #[test]
    fn text_of_any_sort_is_read_or_refused(text in "[a-z]{1,6}[=@][0-9a-z.,=:/%@+-]{0,20}|.{0,12}") {
        if let Err(invalid) = text.parse::<Fault>() {
            prop_assert!(invalid.at.is_some_and(|at| text.is_char_boundary(at)), "{}", invalid);
            prop_assert!(invalid.instead.is_some_and(|instead| !instead.is_empty()));
        }
    }
}
