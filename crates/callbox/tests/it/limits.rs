//! Connections beyond the limits.

use std::io::{ErrorKind, Read};

use callbox::handle::reply::Reply;
use callbox::server::{ServerOptions, WhenFull};
use callbox::{Addr, Server};

use crate::ends::{beside, connect, hello, serve, until, within};

fn at_most(connections: usize, when_full: WhenFull) -> ServerOptions {
    ServerOptions { max_connections: Some(connections), when_full, ..ServerOptions::default() }
}

#[tokio::test]
async fn beyond_max_connections_the_next_waits_and_is_served_when_one_ends() {
    let (running, addr) = serve(at_most(1, WhenFull::Wait), Reply::new("thank you !")).await;
    let mut first = connect(addr);
    let first = beside("the first is answered", move || {
        assert_eq!(hello(&mut first).expect("answered"), "thank you !");
        first
    });
    let first = first.await;
    let mut second = connect(addr);
    let waiting = tokio::task::spawn_blocking(move || hello(&mut second));
    until("the limit is hit", || running.snapshot().report.limits.contains_key("max_connections")).await;
    assert_eq!(running.snapshot().sessions.len(), 1);
    drop(first);
    let answer = within("the second is answered", waiting).await.expect("no panic");
    assert_eq!(answer.expect("not reset"), "thank you !");
    let report = within("drains", running.drain()).await.expect("drains");
    assert_eq!((report.sessions, report.refused), (2, 0));
}

#[tokio::test]
async fn beyond_max_connections_the_next_is_reset_where_asked_and_counted() {
    let (running, addr) = serve(at_most(1, WhenFull::Refuse), Reply::new("thank you !")).await;
    let first = beside("the first is answered", move || {
        let mut first = connect(addr);
        hello(&mut first).expect("answered");
        first
    });
    let first = first.await;
    let second = beside("the second is reset", move || connect(addr).read(&mut [0; 1]).map_err(|error| error.kind()));
    assert_eq!(second.await, Err(ErrorKind::ConnectionReset));
    drop(first);
    let report = within("drains", running.drain()).await.expect("drains");
    assert_eq!((report.sessions, report.refused), (1, 1));
    assert_eq!(report.limits.get("max_connections"), Some(&1));
}

#[tokio::test]
async fn draining_serves_those_who_were_waiting_for_room() {
    let (running, addr) = serve(at_most(1, WhenFull::Wait), Reply::new("thank you !")).await;
    let first = beside("the first is answered", move || {
        let mut first = connect(addr);
        hello(&mut first).expect("answered");
        first
    });
    let _first = first.await;
    let mut queued: Vec<_> = (0..5).map(|_| connect(addr)).collect();
    let answers = tokio::task::spawn_blocking(move || queued.iter_mut().map(hello).collect::<Vec<_>>());
    drop(_first);
    let report = within("drains", running.drain()).await.expect("drains");
    for answer in within("all are answered", answers).await.expect("no panic") {
        assert_eq!(answer.expect("not reset"), "thank you !");
    }
    assert_eq!((report.sessions, report.refused, report.undrained), (6, 0, 0));
}

#[tokio::test]
async fn suspending_serves_those_who_were_waiting_for_room() {
    let (running, addr) = serve(at_most(1, WhenFull::Wait), Reply::new("thank you !")).await;
    let first = beside("the first is answered", move || {
        let mut first = connect(addr);
        hello(&mut first).expect("answered");
        first
    });
    let _first = first.await;
    let mut queued = connect(addr);
    running.suspend();
    let answer = beside("the queued one is answered", move || hello(&mut queued)).await;
    assert_eq!(answer.expect("not reset"), "thank you !");
}

#[tokio::test]
async fn two_listeners_share_one_limit_and_nobody_is_reset() {
    let server = Server::bind_with(":0", at_most(1, WhenFull::Wait), Default::default()).await.expect("binds");
    let addrs: Vec<std::net::SocketAddr> = server.local_addrs().iter().filter_map(Addr::socket_addr).collect();
    let running = server.spawn(Reply::new("thank you !"));
    let clients: Vec<_> = (0..10)
        .map(|n| addrs[n % addrs.len()])
        .map(|addr| tokio::task::spawn_blocking(move || hello(&mut connect(addr))))
        .collect();
    for client in clients {
        let answer = within("everybody is answered", client).await.expect("no panic");
        assert_eq!(answer.expect("not reset"), "thank you !");
    }
    let report = within("drains", running.drain()).await.expect("drains");
    assert_eq!((report.sessions, report.refused), (10, 0));
}

#[tokio::test]
async fn one_address_is_capped_and_has_room_again_when_one_ends() {
    let options = ServerOptions { max_per_ip: Some(1), ..ServerOptions::default() };
    let (running, addr) = serve(options, Reply::new("thank you !")).await;
    let first = beside("the first is answered", move || {
        let mut first = connect(addr);
        hello(&mut first).expect("answered");
        first
    });
    let first = first.await;
    let second = beside("the second is reset", move || connect(addr).read(&mut [0; 1]).map_err(|error| error.kind()));
    assert_eq!(second.await, Err(ErrorKind::ConnectionReset));
    drop(first);
    until("the first is over", || running.snapshot().sessions.is_empty()).await;
    assert_eq!(running.snapshot().report.limits.get("per_ip"), Some(&1));
    let third = beside("the third is answered", move || hello(&mut connect(addr))).await;
    assert_eq!(third.expect("room again"), "thank you !");
    let report = within("drains", running.drain()).await.expect("drains");
    assert_eq!((report.sessions, report.refused), (2, 1));
}
