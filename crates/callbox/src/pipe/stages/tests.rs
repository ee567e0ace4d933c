//! Each fault by itself, in virtual time: what is pushed when, and what comes when.

use std::time::Duration;

use super::{time_for, within};
use crate::pipe::tests::{Run, check, framed, plan, play};
use crate::pipe::{Ledger, What};

mod replace;

/// Ten bytes, then an end.
const TEN: &[(u64, &str)] = &[(0, "0123456789"), (5, "<end>")];

#[test]
fn latency_keeps_the_order_and_delays_the_end_too() {
    let input = &[(0, "a"), (3, "b"), (3, "<end>")];
    check(&plan(&["latency=10ms"]), input, &[(10, "a"), (13, "b"), (13, "<end>")]);
    check(&plan(&["latency=10ms,to=2ms"]), input, &[(10, "a"), (10, "b"), (10, "<end>")]);
    check(&plan(&["latency=10ms,from=1"]), input, &[(0, "a"), (13, "b"), (13, "<end>")]);
    check(&plan(&["latency=0"]), input, &[(0, "a"), (3, "b"), (3, "<end>")]);
    let chunks: Vec<(u64, String)> = (0..100).map(|ms| (ms, format!("{ms} "))).collect();
    let input: Vec<(u64, &str)> = chunks.iter().map(|(ms, text)| (*ms, &text[..])).collect();
    for shape in ["", ":normal", ":pareto"] {
        let came = play(&plan(&[&format!("latency=50ms+-40ms{shape}")]), &input);
        let (sent, received) = (chunks.iter().map(|(_, text)| &text[..]), came.iter().map(|(_, text)| &text[..]));
        assert_eq!(sent.collect::<String>(), received.collect::<String>());
        assert!(came.iter().any(|(ms, _)| *ms > 60), "{came:?}");
    }
}

#[test]
fn a_throttle_trickles_and_pays_its_debt() {
    // Ten bytes a piece at 1 kB/s, each when it is over, a millisecond less.
    let hundred = "x".repeat(100);
    let came = play(&plan(&["throttle=1kB/s"]), &[(0, &hundred), (0, "<end>")]);
    assert_eq!(came.len(), 11);
    assert_eq!((came[0].0, came[1].0, came[9].0, came[10].0), (9, 19, 99, 99));
    assert!(came[..10].iter().all(|(_, text)| text.len() == 10));
    // Small chunks are not waited for one by one.
    let mut run = Run::new(&plan(&["throttle=1MB/s"]));
    for _ in 0..1000 {
        run.push(0, b"x");
    }
    assert_eq!(run.came.len(), 1000, "a millisecond's worth comes at once");
    run.push(0, b"y");
    run.push(0, b"z");
    assert_eq!(run.came.len(), 1000);
    run.until(1);
    assert_eq!(run.came.len(), 1002);
    // Silence saves nothing up.
    let came = play(&plan(&["throttle=100B/s"]), &[(0, "a"), (1000, "b"), (1000, "c")]);
    assert_eq!(came, [(9, "a".into()), (1009, "b".into()), (1019, "c".into())]);
    // What the conditions do not hold for costs nothing, but has to wait for what came before.
    check(&plan(&["throttle=100B/s,to=2"]), &[(0, "abcd")], &[(9, "a"), (19, "b"), (19, "cd")]);
    assert_eq!(time_for(3, 1), Duration::from_secs(3));
}

#[test]
fn a_slice_is_written_alone() {
    check(&plan(&["slice=4"]), TEN, &[(0, "0123"), (0, "4567"), (0, "89"), (5, "<end>")]);
    check(&plan(&["slice=4/3ms"]), TEN, &[(0, "0123"), (3, "4567"), (6, "89"), (6, "<end>")]);
    let input = &[(0, "ab"), (1, "cd")];
    check(&plan(&["slice=1/3ms"]), input, &[(0, "a"), (3, "b"), (6, "c"), (9, "d")]);
    check(&plan(&["slice=1/3ms,to=1"]), input, &[(0, "a"), (0, "b"), (1, "cd")]);
    let came = play(&plan(&["slice=2..5"]), &[(0, &"x".repeat(1000))]);
    let sizes: Vec<usize> = came.iter().map(|(_, text)| text.len()).collect();
    assert!(sizes[..sizes.len() - 1].iter().all(|size| (2..=5).contains(size)), "{sizes:?}");
    assert!((2..=5).all(|size| sizes.contains(&size)));
}

#[test]
fn coalesced_chunks_are_written_at_once() {
    let input = &[(0, "a"), (3, "b"), (9, "c"), (10, "d"), (12, "<end>")];
    check(&plan(&["coalesce=10ms"]), input, &[(10, "abc"), (12, "d"), (12, "<end>")]);
    check(&plan(&["coalesce=10ms,to=5ms"]), input, &[(9, "ab"), (9, "c"), (10, "d"), (12, "<end>")]);
    check(&plan(&["coalesce=0"]), &[(0, "a"), (0, "b")], &[(0, "a"), (0, "b")]);
}

#[test]
fn corrupted_bytes_are_as_many_as_asked_for() {
    let input = "x".repeat(20_000);
    for (spec, least, most) in [("corrupt=1%:zero", 150, 250), ("corrupt=50%:replace", 9_500, 10_500)] {
        let mut run = Run::new(&plan(&[spec]));
        run.push(0, input.as_bytes());
        let decisions = run.pipe.decisions().len() as u64 + run.pipe.decisions_left_out() - 1;
        assert!((least..most).contains(&decisions), "{spec}: {decisions}");
        assert_eq!(run.pipe.ledger(), Ledger { pushed: 20_000, written: 20_000, ..Ledger::default() });
    }
    for (spec, text) in [("corrupt=100%:zero", r"\x00\x00"), ("corrupt=0", "ab")] {
        check(&plan(&[spec]), &[(0, "ab")], &[(0, text)]);
    }
    let mut run = Run::new(&plan(&["corrupt=1,from=1"]));
    run.push(0, b"a\x0f");
    let what: Vec<What> = run.pipe.decisions().into_iter().map(|decision| decision.what).collect();
    match what[..] {
        [What::AtWork, What::Corrupted { from: 0x0f, to }] => assert_eq!((to ^ 0x0f).count_ones(), 1, "one bit"),
        _ => panic!("{what:?}"),
    }
    let other = play(&plan(&["corrupt=1:replace"]), &[(0, "a")]);
    assert_ne!(other[0].1, "a");
}

#[test]
fn discarded_bytes_are_those_of_the_range() {
    check(&plan(&["discard=2..4"]), TEN, &[(0, "01"), (0, "456789"), (5, "<end>")]);
    check(&plan(&["discard=2.."]), TEN, &[(0, "01"), (5, "<end>")]);
    check(&plan(&["discard=1..2,from=3"]), TEN, &[(0, "012"), (0, "3"), (0, "56789"), (5, "<end>")]);
    check(&plan(&["discard=0..2,match=4"]), TEN, &[(0, "01234"), (0, "789"), (5, "<end>")]);
    check(&framed("fixed:3", &["discard=0..2,frame=2"]), TEN, &[(0, "012"), (0, "5"), (0, "6789"), (5, "<end>")]);
    check(&plan(&["discard=0.."]), TEN, &[(5, "<end>")]);
    assert_eq!((within(&(2..4), 3, 9), within(&(2..4), 4, 9)), (0..1, 0..0));
}

#[test]
fn chunks_or_frames_come_twice() {
    check(&plan(&["duplicate"]), &[(0, "ab"), (1, "c")], &[(0, "ab"), (0, "ab"), (1, "c"), (1, "c")]);
    check(&plan(&["duplicate,session=2"]), &[(0, "ab")], &[(0, "ab")]);
    let input = &[(0, "a\nb"), (1, "\nc"), (2, "<end>")];
    let twice = [(0, "a\\n"), (0, "a\\n"), (0, "b"), (1, "\\n"), (1, "b\\n"), (1, "c"), (2, "<end>")];
    check(&framed("line", &["duplicate"]), input, &twice);
    let second = [(0, "a\\n"), (0, "b"), (1, "\\n"), (1, "b\\n"), (1, "c"), (2, "<end>")];
    check(&framed("line", &["duplicate,frame=2"]), input, &second);
    let drawn = play(&plan(&["duplicate,p=30%"]), &(0..1000).map(|ms| (ms, "x")).collect::<Vec<_>>());
    assert!((1250..1350).contains(&drawn.len()), "{}", drawn.len());
}

#[test]
fn a_stall_holds_until_it_is_over() {
    check(&plan(&["stall"]), TEN, &[]);
    check(&plan(&["stall@3"]), TEN, &[(0, "012")]);
    check(&plan(&["stall,from=3,to=8ms"]), TEN, &[(0, "012"), (8, "3456789"), (8, "<end>")]);
    check(&plan(&["stall@2ms,to=8ms"]), TEN, &[(0, "0123456789"), (8, "<end>")]);
    check(&plan(&["stall,from=3,to=5"]), TEN, &[(0, "012"), (0, "34"), (0, "56789"), (5, "<end>")]);
    check(&framed("fixed:4", &["stall,frame=2"]), TEN, &[(0, "0123")]);
    check(&plan(&["stall,match=re:4.6"]), TEN, &[(0, "0123456")]);
}

#[test]
fn a_cut_comes_behind_so_many_bytes() {
    check(&plan(&["cut@4"]), TEN, &[(0, "0123"), (0, "<close>")]);
    check(&plan(&["cut@4:reset"]), TEN, &[(0, "0123"), (0, "<reset>")]);
    check(&plan(&["reset@10"]), TEN, &[(0, "0123456789"), (0, "<reset>")]);
    check(&plan(&["cut@11"]), TEN, &[(0, "0123456789"), (5, "<end>")]);
    check(&plan(&["cut@0"]), TEN, &[(0, "<close>")]);
    check(&plan(&["cut@3ms"]), TEN, &[(0, "0123456789"), (3, "<close>")]);
    check(&plan(&["cut@2,from=3"]), TEN, &[(0, "012"), (0, "34"), (0, "<close>")]);
    check(&plan(&["cut@0,match=23"]), TEN, &[(0, "0123"), (0, "<close>")]);
    check(&plan(&["cut@2,from=3,to=4"]), TEN, &[(0, "012"), (0, "3"), (0, "456789"), (5, "<end>")]);
    let framed = |spec| framed("fixed:4", &[spec]);
    check(&framed("cut@0,frame=3"), TEN, &[(0, "01234567"), (0, "<close>")]);
    check(&framed("cut@1:reset,frame=2"), TEN, &[(0, "0123"), (0, "4"), (0, "<reset>")]);
    check(&framed("cut@0,frame=1"), TEN, &[(0, "<close>")]);
    check(&framed("cut@0,frame=4"), TEN, &[(0, "0123456789"), (5, "<end>")]);
}

#[test]
fn a_reset_comes_so_long_after_it_is_at_work() {
    check(&plan(&["reset"]), TEN, &[(0, "<reset>")]);
    check(&plan(&["reset=4ms"]), TEN, &[(0, "0123456789"), (4, "<reset>")]);
    check(&plan(&["reset=4ms,from=2ms"]), TEN, &[(0, "0123456789"), (5, "<end>"), (6, "<reset>")]);
    check(&plan(&["reset=4ms,from=1"]), &[(3, "a"), (4, "b")], &[(3, "a"), (4, "b"), (7, "<reset>")]);
    check(&plan(&["reset,match=45"]), TEN, &[(0, "012345"), (0, "<reset>")]);
    check(&plan(&["reset=4ms,to=3ms"]), TEN, &[(0, "0123456789"), (5, "<end>")]);
}

#[test]
fn behind_a_half_close_nothing_comes() {
    check(&plan(&["half-close"]), TEN, &[(0, "<end>")]);
    let mut run = Run::new(&plan(&["half-close@4"]));
    run.push(0, b"0123456789");
    run.push(9, b"ab");
    run.end(10);
    run.until(20);
    assert_eq!(run.came, [(0, "0123".into()), (0, "<end>".into())]);
    assert_eq!(run.pipe.ledger(), Ledger { pushed: 12, written: 4, dropped: 8, ..Ledger::default() });
    assert!(run.pipe.has_room());
    check(&plan(&["half-close@3ms"]), &[(1, "a"), (4, "b")], &[(1, "a"), (3, "<end>")]);
}

#[test]
fn a_slow_close_delays_the_end_alone() {
    check(&plan(&["slow-close=2s"]), TEN, &[(0, "0123456789"), (2005, "<end>")]);
    check(&plan(&["slow-close=2s,to=3ms"]), TEN, &[(0, "0123456789"), (5, "<end>")]);
    check(&plan(&["cut@3", "slow-close=2s"]), TEN, &[(0, "012"), (0, "<close>")]);
}

#[test]
fn a_limit_closes_behind_so_many_bytes() {
    check(&plan(&["limit=4"]), TEN, &[(0, "0123"), (0, "<close>")]);
    check(&plan(&["limit=10"]), TEN, &[(0, "0123456789"), (0, "<close>")]);
    check(&plan(&["limit=11"]), TEN, &[(0, "0123456789"), (5, "<end>")]);
    check(&plan(&["limit=0"]), &[(3, "a")], &[(3, "<close>")]);
    check(&plan(&["limit=2,from=5"]), TEN, &[(0, "01234"), (0, "56"), (0, "<close>")]);
}

#[test]
fn a_timeout_drops_all_and_closes() {
    check(&plan(&["timeout=3ms"]), TEN, &[(3, "<close>")]);
    check(&plan(&["timeout"]), TEN, &[(5, "<close>")]);
    check(&plan(&["timeout"]), &[(0, "a")], &[]);
    check(&plan(&["timeout=9ms,from=4"]), &[(1, "abcdef")], &[(1, "abcd"), (10, "<close>")]);
    check(&plan(&["timeout,to=4ms"]), TEN, &[(4, "<close>")]);
}
