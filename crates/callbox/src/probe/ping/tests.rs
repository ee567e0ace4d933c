//! Attempts on real sockets, and when they begin, by a paused clock.

use super::*;
use crate::fixture::{Peer, Server};

fn ask(addr: std::net::SocketAddr, request: &'static str, until: &str) -> Ping {
    let question = Question::new(request, until.parse().expect("good")).expect("no frames");
    Ping { question: Some(question), interval: Duration::ZERO, count: Some(3), ..Ping::new(addr.into()) }
}

#[tokio::test]
async fn every_attempt_is_a_connection_of_its_own() {
    let server = Server::reply("thank you !");
    let mut pinging = ask(server.addr(), "hello", "you !").start();
    let mut numbers = Vec::new();
    while let Some(pong) = pinging.next().await {
        assert!(pong.error.is_none(), "{:?}", pong.error);
        let phases: Vec<_> = pong.phases.iter().map(|(phase, _)| *phase).collect();
        assert_eq!(phases, [Phase::Connect, Phase::FirstByte, Phase::Rest]);
        let sum: Duration = pong.phases.iter().map(|(_, time)| *time).sum();
        assert!(sum <= pong.lasted, "{pong:?}");
        assert_eq!(pong.peer, Some(server.addr().into()));
        assert_eq!(pong.tcp.is_some(), cfg!(target_os = "linux"));
        numbers.push(pong.number);
    }
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(server.stop().sessions, 3);
}

#[tokio::test]
async fn without_a_question_an_attempt_is_over_when_it_is_connected() {
    let server = Server::discard();
    let ping = Ping { count: Some(1), ..Ping::new(server.addr().into()) };
    let pong = ping.start().next().await.expect("one");
    assert!(pong.error.is_none(), "{:?}", pong.error);
    assert!(matches!(pong.phases[..], [(Phase::Connect, _)]), "{:?}", pong.phases);
}

#[tokio::test]
async fn a_failed_attempt_says_why_and_the_next_follows() {
    let closed = {
        let server = Server::discard();
        server.addr()
    };
    let mut pinging = ask(closed, "hello", "any").start();
    let pong = pinging.next().await.expect("the first");
    assert!(pong.error.is_some_and(|error| error.is_refused()));
    assert_eq!(pinging.next().await.expect("the second").number, 2);
}

#[tokio::test]
async fn an_attempt_that_is_not_answered_in_time_is_lost() {
    let peer = Peer::listen().sends("not yet").expects_end().start();
    let ping = Ping { attempt_timeout: Some(Duration::from_millis(100)), ..ask(peer.addr(), "", "ready") };
    let mut pinging = ping.start();
    let error = pinging.next().await.expect("one").error.expect("not answered");
    assert!(error.is_timed_out(), "{error}");
    assert_eq!(error.cause(), "accepted, and within 100 ms said \"not yet\", but not \"ready\"");
    peer.join();
}

#[tokio::test]
async fn dropping_the_future_loses_no_attempt() {
    let server = Server::reply("thank you !");
    let mut pinging = ask(server.addr(), "hello", "you !").start();
    for _ in 0..3 {
        // Polled once, then dropped.
        let polled = timeout_at(Instant::now(), pinging.next()).await;
        let pong = match polled {
            Ok(pong) => pong,
            Err(_) => pinging.next().await,
        };
        assert!(pong.expect("one").error.is_none());
    }
    assert!(pinging.next().await.is_none());
    assert_eq!(server.stop().sessions, 3);
}

#[tokio::test(start_paused = true)]
async fn attempts_begin_an_interval_apart_from_the_first_on() {
    // To a Unix socket that is not there: no attempt takes any time.
    let addr: Addr = "unix:/nowhere/at/all".parse().expect("good");
    let begun = Instant::now();
    let mut pinging = Ping { count: Some(4), interval: Duration::from_millis(300), ..Ping::new(addr) }.start();
    let mut starts = Vec::new();
    while pinging.next().await.is_some() {
        starts.push(begun.elapsed().as_millis());
        if starts.len() == 2 {
            // Somebody holds it up: what is late begins at once, and the schedule stays.
            tokio::time::advance(Duration::from_millis(350)).await;
        }
    }
    assert_eq!(starts, [0, 300, 650, 900]);
}
