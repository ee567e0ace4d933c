//! Tables of who is tried when, by a clock that stands still.

use super::*;

fn upstreams(count: usize, balance: Balance) -> Upstreams {
    let addr = |index| Addr::from(SocketAddr::from(([127, 0, 0, 1], 1000 + index)));
    Upstreams::new((0..u16::try_from(count).expect("few")).map(addr).collect(), balance)
}

/// All candidates of one session that nobody answers, without noting that.
fn order(upstreams: &Upstreams, now: Instant) -> Vec<usize> {
    let mut candidates = upstreams.candidates();
    std::iter::from_fn(|| candidates.next(now)).collect()
}

/// The first candidate of one session, which ends at once.
fn first(upstreams: &Upstreams, now: Instant) -> usize {
    upstreams.candidates().next(now).expect("there is one")
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn each_balance_has_its_order_and_every_upstream_comes_once() {
    let now = Instant::now();
    let round = upstreams(3, Balance::RoundRobin);
    let orders: Vec<_> = (0..4).map(|_| order(&round, now)).collect();
    assert_eq!(orders, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
    let ordered = upstreams(3, Balance::First);
    assert_eq!([order(&ordered, now), order(&ordered, now)], [[0, 1, 2], [0, 1, 2]]);
    assert_eq!(order(&upstreams(1, Balance::Least), now), [0]);
    let mut all = order(&upstreams(100, Balance::RoundRobin), now);
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn least_counts_the_sessions_that_are_there() {
    let now = Instant::now();
    let upstreams = upstreams(3, Balance::Least);
    let (zero, _) = upstreams.connected(0);
    let (_one, _) = upstreams.connected(1);
    let (_also_one, _) = upstreams.connected(1);
    assert_eq!(order(&upstreams, now), [2, 0, 1]);
    let (_two, _) = upstreams.connected(2);
    drop(zero);
    assert_eq!(order(&upstreams, now), [0, 2, 1]);
    let sessions: Vec<_> = upstreams.states().iter().map(|state| state.sessions).collect();
    assert_eq!(sessions, [0, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_one_rests_and_its_share_is_spread_evenly() {
    let now = Instant::now();
    let upstreams = upstreams(3, Balance::RoundRobin);
    assert_eq!(upstreams.failed(0, Kind::Refused, now), Change::Down { rest: REST_MIN });
    let firsts: Vec<_> = (0..4).map(|_| first(&upstreams, now)).collect();
    assert_eq!(firsts, [1, 2, 1, 2]);
    assert_eq!(order(&upstreams, now), [1, 2, 0], "the resting one is the last resort");
}

#[tokio::test(start_paused = true)]
async fn rests_get_longer_and_a_failure_that_many_meet_counts_once() {
    let upstreams = upstreams(2, Balance::First);
    let mut now = Instant::now();
    for (failures, rest) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30)] {
        let change = upstreams.failed(0, Kind::Refused, now);
        assert_eq!(change == Change::Same, failures > 1, "only the first is news");
        assert_eq!(upstreams.failed(0, Kind::Refused, now + secs(rest) / 2), Change::Same);
        let state = &upstreams.states()[0];
        assert_eq!((state.failures, state.resting_until), (failures, Some(now + secs(rest))));
        now += secs(rest);
    }
    let (_in_use, change) = upstreams.connected(0);
    assert_eq!(change, Change::Up);
    assert_eq!(upstreams.connected(0).1, Change::Same, "said once");
    assert_eq!((upstreams.states()[0].failures, upstreams.states()[0].resting_until), (0, None));
    assert_eq!(upstreams.failed(0, Kind::Refused, now), Change::Down { rest: REST_MIN }, "begins anew");
}

#[tokio::test(start_paused = true)]
async fn one_session_alone_tries_an_upstream_whose_rest_is_over() {
    for balance in [Balance::First, Balance::Least] {
        let upstreams = upstreams(2, balance);
        let (_busy, _) = upstreams.connected(1);
        upstreams.failed(0, Kind::Refused, Instant::now());
        let now = Instant::now() + REST_MIN;
        let mut trying = upstreams.candidates();
        assert_eq!(trying.next(now), Some(0));
        assert_eq!([first(&upstreams, now), first(&upstreams, now)], [1, 1], "the others do not wait for the outcome");
        // It went on to the next without an outcome, as one does that is told to end.
        assert_eq!(trying.next(now), Some(1));
        let again = upstreams.candidates().next(now);
        assert_eq!(again, Some(0), "so somebody else may try");
        let mut trying = upstreams.candidates();
        assert_eq!(trying.next(now), Some(0), "that one was dropped");
        upstreams.failed(0, Kind::Refused, now);
        drop(trying);
        assert_eq!(first(&upstreams, now), 1, "it rests again");
        assert_eq!(upstreams.states()[0].resting_until, Some(now + 2 * REST_MIN));
    }
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_is_over_ends_no_other() {
    let upstreams = upstreams(2, Balance::First);
    upstreams.failed(0, Kind::Refused, Instant::now());
    let now = Instant::now() + REST_MIN;
    let mut old = upstreams.candidates();
    assert_eq!(old.next(now), Some(0));
    upstreams.failed(0, Kind::Refused, now);
    let now = now + 2 * REST_MIN;
    let mut new = upstreams.candidates();
    assert_eq!(new.next(now), Some(0));
    drop(old);
    assert_eq!(first(&upstreams, now), 1, "the new trial still runs");
}

#[tokio::test(start_paused = true)]
async fn when_all_rest_the_one_that_is_due_first_is_tried_first() {
    let upstreams = upstreams(3, Balance::First);
    let now = Instant::now();
    upstreams.failed(0, Kind::Refused, now + secs(2));
    upstreams.failed(1, Kind::Refused, now);
    upstreams.failed(2, Kind::Refused, now + secs(1));
    assert_eq!(order(&upstreams, now), [1, 2, 0]);
    // One alone is always tried.
    let alone = self::upstreams(1, Balance::RoundRobin);
    alone.failed(0, Kind::Refused, now);
    assert_eq!(order(&alone, now), [0]);
}

#[test]
fn workers_share_it_and_sessions_are_spread_exactly() {
    let upstreams = upstreams(4, Balance::RoundRobin);
    let now = Instant::now();
    let taken: Vec<AtomicUsize> = (0..4).map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    taken[first(&upstreams, now)].fetch_add(1, Relaxed);
                }
            });
        }
    });
    assert!(taken.iter().all(|taken| taken.load(Relaxed) == 1000), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_by_reason_also_while_resting() {
    let upstreams = upstreams(1, Balance::First);
    let now = Instant::now();
    for kind in [Kind::Refused, Kind::TimedOut, Kind::Refused, Kind::PermissionDenied] {
        upstreams.failed(0, kind, now);
    }
    let mut counted = Vec::new();
    upstreams.counters(&mut |name, times| counted.push((name, times)));
    assert_eq!(counted, [("upstream_refused", 2), ("upstream_timeout", 1), ("upstream_failed", 1)]);
}

#[test]
fn what_an_idle_session_holds_is_small() {
    assert!(size_of::<InUse>() <= 16);
}

#[tokio::test]
async fn numbers_are_never_looked_up_and_names_are_when_asked() {
    let addrs = ["127.0.0.1:7", "localhost:7", "unix:/run/x", ":7"].map(|text| Addr::parse(text).expect("good"));
    let each = Upstreams::new(addrs.to_vec(), Balance::First);
    let resolved = |upstreams: &Upstreams| -> Vec<usize> {
        let known = |index| match upstreams.target(index) {
            Target::Resolved { addrs, .. } => addrs.len(),
            Target::Named(_) | Target::Asked { .. } => 0,
        };
        (0..upstreams.count()).map(known).collect()
    };
    assert_eq!(resolved(&each), [1, 0, 0, 0]);
    let once = each.resolve_once(Family::Any).await.expect("localhost is known");
    assert_eq!(resolved(&once), [1, 2, 0, 0]);
    let v6 = Upstreams::new(vec![addrs[1].clone()], Balance::First).resolve_once(Family::V6).await.expect("has one");
    assert_eq!(resolved(&v6), [1]);
}

#[tokio::test]
async fn a_name_without_an_address_is_told_at_the_start() {
    // With a label of more than 63 letters it is no name that a resolver could be asked for.
    let nowhere = Addr::from_words(&format!("{}.invalid", "a".repeat(70)), "7").expect("is written well");
    let error = Upstreams::new(vec![nowhere], Balance::First).resolve_once(Family::Any).await.expect_err("is too long");
    assert_eq!((error.operation(), error.kind()), ("resolve", Kind::NotFound), "{error}");
}

#[test]
fn names_are_read_as_they_are_printed_and_slips_are_told() {
    for balance in Balance::ALL {
        assert_eq!(balance.to_string().parse::<Balance>(), Ok(balance));
    }
    for resolve in Resolve::ALL {
        assert_eq!(resolve.to_string().parse::<Resolve>(), Ok(resolve));
    }
    let error = "round-robbin".parse::<Balance>().expect_err("a slip");
    assert!(error.to_string().contains("did you mean 'round-robin'?"), "{error}");
    let error = "never".parse::<Resolve>().expect_err("unknown");
    assert!(error.to_string().contains("once, each"), "{error}");
}
