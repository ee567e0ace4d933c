//! When attempts are made, by a paused clock, and what they find, on real sockets.

use super::*;
use crate::error::Kind;
use crate::fixture::{Peer, Server};
use crate::probe::Question;

fn plan(timeout: Option<u64>) -> Plan {
    let begun = Instant::now();
    Plan {
        begun,
        pauses: Pauses::default(),
        attempt_timeout: Some(ATTEMPT_TIMEOUT),
        deadline: timeout.map(|millis| begun + Duration::from_millis(millis)),
    }
}

/// Looks with attempts that fail at once until `good` have; returns when each began, and the state at the end.
async fn looks(plan: Plan, good: usize) -> (Vec<u128>, Target) {
    let state = Mutex::new(Target::new(Addr::default_address()));
    let starts = Mutex::new(Vec::new());
    let look = |_limit| {
        let mut starts = starts.lock().expect("whole");
        starts.push(plan.begun.elapsed().as_millis());
        let made = starts.len();
        async move {
            match made {
                made if made > good => Ok(()),
                made => Err(Error::new("connect", Kind::Refused, format!("attempt {made}"))),
            }
        }
    };
    plan.look_until_ready(&state, look).await;
    (starts.into_inner().expect("whole"), state.into_inner().expect("whole"))
}

#[tokio::test(start_paused = true)]
async fn pauses_double_up_to_a_second() {
    let (starts, target) = looks(plan(None), 8).await;
    assert_eq!(starts, [0, 50, 150, 350, 750, 1550, 2550, 3550, 4550]);
    assert_eq!((target.attempts, target.ready_after), (9, Some(Duration::from_millis(4550))));
    assert_eq!(target.error.expect("the last that failed").cause(), "attempt 8");
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_is_made_shortly_before_the_time_is_over() {
    let (starts, target) = looks(plan(Some(1500)), usize::MAX).await;
    assert_eq!(starts, [0, 50, 150, 350, 750, 1450]);
    assert_eq!((target.attempts, target.ready_after), (6, None));
    let (starts, _) = looks(plan(Some(20)), usize::MAX).await;
    assert_eq!(starts, [0], "a short wait has one attempt");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_limited_and_never_beyond_the_deadline() {
    let plan = plan(Some(7000));
    let state = Mutex::new(Target::new(Addr::default_address()));
    let mut limits = Vec::new();
    let look = |limit: Option<Instant>| {
        limits.push((limit.expect("there is one") - plan.begun).as_millis());
        async move {
            sleep_until(limit.expect("there is one")).await;
            Err(Error::new("connect", Kind::TimedOut, "silence"))
        }
    };
    plan.look_until_ready(&state, look).await;
    assert_eq!(limits, [5000, 7000]);
}

fn wait(check: Check, millis: u64) -> Waiting {
    Wait { timeout: Some(Duration::from_millis(millis)), ..Wait::new(vec![check]) }.start()
}

/// Waits in vain; returns what was wrong last.
async fn in_vain(check: Check, millis: u64) -> Error {
    let mut waiting = wait(check, millis);
    assert!(waiting.next().await.is_none());
    assert!(!waiting.is_met());
    waiting.targets().remove(0).error.expect("something was wrong")
}

fn answers(request: &'static str, until: &str) -> Ready {
    Ready::answers(Question::new(request, until.parse().expect("good")).expect("no frames"))
}

#[tokio::test]
async fn a_server_that_answers_is_ready_and_its_connection_is_left_in_order() {
    let peer = Peer::listen().expects("PING").sends("+PO").sends("NG").expects_end().start();
    let mut waiting = wait(Check { ready: answers("PING", "+PONG"), ..Check::new(peer.addr().into()) }, 4000);
    let target = waiting.next().await.expect("ready");
    assert_eq!((target.attempts, target.error.is_none()), (1, true));
    assert!(waiting.next().await.is_none() && waiting.is_met());
    peer.join();
}

#[tokio::test]
async fn who_accepts_and_says_nothing_is_not_ready() {
    let server = Server::discard();
    let error = in_vain(Check { ready: answers("", "220 "), ..Check::new(server.addr().into()) }, 100).await;
    assert_eq!(error.kind(), Kind::TimedOut);
    assert!(error.cause().starts_with("accepted, but said nothing within "), "{error}");
}

#[tokio::test]
async fn who_says_something_else_is_not_ready() {
    let server = Server::reply("-LOADING\r\n");
    let error = in_vain(Check { ready: answers("PING", "+PONG"), ..Check::new(server.addr().into()) }, 100).await;
    let cause = error.cause();
    assert!(
        cause.starts_with("accepted, and within ") && cause.ends_with("said \"-LOADING\\r\\n\", but not \"+PONG\""),
        "{cause}"
    );
}

#[tokio::test]
async fn who_closes_at_once_does_not_stay_open() {
    let server = Server::start(|_, _| async { Ok(()) });
    let check = Check::new(server.addr().into());
    assert!(wait(check.clone(), 4000).next().await.is_some(), "it can be connected to");
    let error = in_vain(Check { ready: Ready::stays_open(Duration::from_secs(1)), ..check }, 200).await;
    assert_eq!(error.kind(), Kind::Ended, "{error}");
    assert!(error.cause().starts_with("accepted, and closed after "), "{error}");
    let server = Server::discard();
    let check = Check { ready: Ready::stays_open(Duration::from_millis(50)), ..Check::new(server.addr().into()) };
    let target = wait(check, 4000).next().await.expect("it stays open");
    assert!(target.ready_after.expect("ready") >= Duration::from_millis(50));
}

#[tokio::test]
async fn gone_is_when_nobody_accepts_any_more() {
    let server = Server::discard();
    let check = Check { ready: Ready::Gone, ..Check::new(server.addr().into()) };
    assert_eq!(in_vain(check.clone(), 100).await.cause(), "somebody still accepts there");
    server.stop();
    assert!(wait(check, 4000).next().await.is_some());
}

#[test]
fn a_proxy_that_cannot_be_reached_says_nothing_of_a_target() {
    let nobody = |operation, kind| check::nobody_accepts(&Error::new(operation, kind, "x"));
    for kind in [Kind::Refused, Kind::Reset, Kind::Unreachable, Kind::TimedOut, Kind::NotFound] {
        assert!(nobody("connect", kind) && !nobody("connect to proxy", kind), "{kind:?}");
    }
    assert!(check::nobody_accepts(&Error::new("proxy", Kind::Proxy, "connect x: refused").that_may_pass()));
    for kind in [Kind::Exhausted, Kind::PermissionDenied, Kind::Tls, Kind::Proxy, Kind::AddressNotAvailable] {
        assert!(!nobody("connect", kind), "{kind:?}");
    }
}

#[tokio::test]
async fn any_is_met_by_the_first_and_all_by_the_last() {
    let (server, closed) = (Server::discard(), Server::discard().addr());
    let checks = vec![Check::new(closed.into()), Check::new(server.addr().into())];
    let any = Wait { wanted: Wanted::Any, ..Wait::new(checks.clone()) };
    let mut waiting = any.start();
    assert_eq!(waiting.next().await.expect("one").addr, server.addr().into());
    assert!(waiting.next().await.is_none() && waiting.is_met());
    let mut waiting = Wait { timeout: Some(Duration::from_millis(100)), ..Wait::new(checks) }.start();
    assert_eq!(waiting.next().await.expect("one").addr, server.addr().into());
    assert!(waiting.next().await.is_none() && !waiting.is_met());
    let targets = waiting.targets();
    assert!(targets[0].error.as_ref().is_some_and(Error::is_refused) && targets[1].ready_after.is_some());
}
