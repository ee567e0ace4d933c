//! Faults that change while bytes flow.

use super::*;

/// Pushes `a` and `b`, goes over to other faults at a millisecond, and pushes `c` and an end right behind that.
fn change(from: &[(u64, &str)], to: &[(u64, &str)], at: u64) -> Vec<(u64, String)> {
    let plan = |faults: &[(u64, &str)]| {
        let mut plan = plan(&faults.iter().map(|(_, spec)| *spec).collect::<Vec<_>>());
        plan.faults.iter_mut().zip(faults).for_each(|(clipped, (id, _))| clipped.id = *id);
        plan
    };
    let mut run = Run::new(&plan(from));
    run.push(0, b"a");
    run.push(2, b"b");
    run.until(at);
    run.pipe.update(run.now, &plan(to));
    run.push(at, b"c");
    run.end(at);
    run.until(100_000);
    run.came
}

#[track_caller]
fn check_change(from: &[(u64, &str)], to: &[(u64, &str)], due: &[(u64, &str)]) {
    let came = change(from, to, 5);
    let came: Vec<(u64, &str)> = came.iter().map(|(ms, item)| (*ms, &item[..])).collect();
    assert_eq!(came, due, "{from:?} {to:?}");
}

#[test]
fn what_a_fault_held_comes_when_it_is_taken_away() {
    for spec in ["latency=50ms", "stall", "coalesce=50ms", "throttle=10B/s,from=1"] {
        let came = change(&[(1, spec)], &[], 5);
        let text: String = came.iter().map(|(_, item)| &item[..]).collect();
        assert_eq!(text, "abc<end>", "{spec}");
        assert!(came.iter().all(|(ms, _)| *ms <= 5), "{spec}: {came:?}");
    }
}

#[test]
fn others_keep_what_they_hold() {
    check_change(
        &[(1, "latency=50ms"), (2, "stall")],
        &[(1, "latency=50ms")],
        &[(50, "a"), (52, "b"), (55, "c"), (55, "<end>")],
    );
    // What was in the second one is in front of what was in the first.
    check_change(
        &[(1, "stall@1"), (2, "latency=50ms")],
        &[(2, "latency=50ms")],
        &[(50, "a"), (55, "b"), (55, "c"), (55, "<end>")],
    );
    check_change(&[(1, "coalesce=50ms,from=1"), (2, "stall")], &[], &[(5, "a"), (5, "b"), (5, "c"), (5, "<end>")]);
    // The debt of a throttle outlives what stands around it.
    check_change(
        &[(1, "latency=1ms"), (2, "throttle=100B/s")],
        &[(2, "throttle=100B/s"), (3, "latency=2ms")],
        &[(12, "a"), (22, "b"), (32, "c"), (32, "<end>")],
    );
}

#[test]
fn a_fault_that_moved_before_another_is_made_anew() {
    check_change(
        &[(1, "latency=50ms"), (2, "slice=1")],
        &[(2, "slice=1"), (1, "latency=50ms")],
        &[(5, "a"), (5, "b"), (55, "c"), (55, "<end>")],
    );
}

#[test]
fn a_new_fault_knows_how_far_the_stream_has_come() {
    check_change(&[], &[(1, "discard=2..3")], &[(0, "a"), (2, "b"), (5, "<end>")]);
    check_change(
        &[(2, "corrupt=1:zero,to=1")],
        &[(1, "discard=2..3"), (2, "corrupt=1:zero,to=1")],
        &[(0, r"\x00"), (2, "b"), (5, "<end>")],
    );
    check_change(&[], &[(1, "cut@1")], &[(0, "a"), (2, "b"), (5, "<close>")]);
    check_change(&[(1, "latency=50ms")], &[(1, "latency=50ms"), (2, "cut@1")], &[(50, "a"), (50, "<close>")]);
    check_change(&[], &[(1, "limit=1")], &[(0, "a"), (2, "b"), (5, "c"), (5, "<close>")]);
    check_change(&[], &[(1, "reset=10ms")], &[(0, "a"), (2, "b"), (5, "c"), (5, "<end>"), (15, "<reset>")]);
}

#[test]
fn no_hole_is_left_behind() {
    check_change(&[(1, "timeout,from=1")], &[], &[(0, "a"), (5, "<close>")]);
    check_change(&[(1, "timeout=1s,from=1")], &[], &[(0, "a"), (5, "<close>")]);
    // It never was at work.
    check_change(&[(1, "timeout,from=100")], &[], &[(0, "a"), (2, "b"), (5, "c"), (5, "<end>")]);
    // It comes back with other values.
    check_change(&[(1, "timeout,from=1")], &[(2, "timeout=1s")], &[(0, "a"), (5, "<close>")]);
    check_change(&[(1, "limit=5")], &[(2, "limit=3")], &[(0, "a"), (2, "b"), (5, "c"), (5, "<close>")]);
}

#[test]
fn an_end_that_was_sent_stays_sent() {
    check_change(&[(1, "half-close@1")], &[], &[(0, "a"), (0, "<end>")]);
    check_change(&[(1, "half-close@1")], &[(2, "latency=1ms")], &[(0, "a"), (0, "<end>")]);
}

#[test]
fn bytes_that_went_around_are_counted() {
    let mut run = Run::new(&plan(&[]));
    assert!(run.pipe.is_idle());
    run.pipe.went_around(1000);
    run.pipe.update(run.now, &plan(&["discard=1001..1002"]));
    assert!(!run.pipe.is_idle());
    run.push(0, b"abc");
    assert_eq!(run.came, [(0, "a".into()), (0, "c".into())]);
    assert_eq!(run.pipe.ledger(), Ledger { pushed: 1003, written: 1002, dropped: 1, ..Ledger::default() });
}
