//! Suspend, resume, drain, abort, snapshot.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use callbox::handle::reply::Reply;
use callbox::server::ServerOptions;
use callbox::{Addr, Server};

use crate::ends::{beside, connect, hello, serve, until, within};

/// A client that has been answered once and stays.
async fn guest(addr: std::net::SocketAddr) -> TcpStream {
    beside("a client is answered", move || {
        let mut stream = connect(addr);
        assert_eq!(hello(&mut stream).expect("answered"), "thank you !");
        stream
    })
    .await
}

async fn answered_again(mut stream: TcpStream) -> TcpStream {
    beside("it is answered again", move || {
        assert_eq!(hello(&mut stream).expect("answered"), "thank you !");
        stream
    })
    .await
}

#[tokio::test]
async fn suspending_refuses_the_new_and_keeps_those_connected() {
    let (running, addr) = serve(ServerOptions::default(), Reply::new("thank you !")).await;
    let first = guest(addr).await;
    running.suspend();
    within("the listener is closed", running.settled()).await;
    assert!(!running.snapshot().accepting);
    assert_eq!(TcpStream::connect(addr).expect_err("closed").kind(), ErrorKind::ConnectionRefused);
    let first = answered_again(first).await;
    running.resume();
    within("the listener is open", running.settled()).await;
    assert!(running.snapshot().accepting);
    let second = guest(addr).await;
    assert_eq!(running.snapshot().sessions.len(), 2);
    drop((first, second));
    let report = within("drains", running.drain()).await.expect("drains");
    assert_eq!((report.sessions, report.to_server_bytes, report.to_client_bytes), (2, 15, 33));
}

#[tokio::test]
async fn suspending_and_resuming_at_once_leaves_it_accepting() {
    let (running, addr) = serve(ServerOptions::default(), Reply::new("thank you !")).await;
    for _ in 0..50 {
        running.suspend();
        running.suspend();
        running.resume();
        running.resume();
    }
    within("settles", running.settled()).await;
    drop(guest(addr).await);
    assert_eq!(within("drains", running.drain()).await.expect("drains").sessions, 1);
}

#[tokio::test]
async fn a_suspended_server_drains() {
    let (running, addr) = serve(ServerOptions::default(), Reply::new("thank you !")).await;
    let first = guest(addr).await;
    running.suspend();
    within("the listener is closed", running.settled()).await;
    let ((), report) = tokio::join!(async { drop(answered_again(first).await) }, within("drains", running.drain()));
    assert_eq!(report.expect("drains").undrained, 0);
}

#[tokio::test]
async fn a_snapshot_has_each_session_with_its_bytes() {
    let (running, addr) = serve(ServerOptions::default(), Reply::new("thank you !")).await;
    let first = answered_again(guest(addr).await).await;
    let second = guest(addr).await;
    let snapshot = running.snapshot();
    let sessions: Vec<_> = snapshot
        .sessions
        .iter()
        .map(|session| (session.session.0, session.peer.clone(), session.to_server_bytes, session.to_client_bytes))
        .collect();
    let peer = |stream: &TcpStream| Addr::from(stream.local_addr().expect("connected"));
    assert_eq!(sessions, [(1, peer(&first), 10, 22), (2, peer(&second), 5, 11)]);
    assert_eq!((snapshot.report.to_server_bytes, snapshot.report.to_client_bytes), (15, 33));
    drop(first);
    until("the first is over", || running.snapshot().sessions.len() == 1).await;
    assert_eq!(running.snapshot().report.to_server_bytes, 15, "those that are over still count");
}

#[tokio::test]
async fn dropping_a_running_server_resets_its_sessions() {
    let (running, addr) = serve(ServerOptions::default(), Reply::new("thank you !")).await;
    let mut stream = guest(addr).await;
    drop(running);
    let read = beside("the reset", move || stream.read(&mut [0; 1]).map_err(|error| error.kind())).await;
    assert_eq!(read, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn aborting_is_over_when_it_returns() {
    let (running, addr) = serve(ServerOptions::default(), Reply::new("thank you !")).await;
    let mut stream = guest(addr).await;
    let report = within("aborts", running.abort()).await;
    assert_eq!((report.sessions, report.undrained), (1, 1));
    assert_eq!(stream.read(&mut [0; 1]).expect_err("reset").kind(), ErrorKind::ConnectionReset);
    assert_eq!(TcpStream::connect(addr).expect_err("closed").kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn run_serves_until_the_future_says_so() {
    let server = Server::bind("127.0.0.1:0").await.expect("binds");
    let addr = server.local_addrs()[0].socket_addr().expect("numbers");
    let guests = async {
        drop(guest(addr).await);
        drop(guest(addr).await);
    };
    let report = within("runs and drains", server.run(Reply::new("thank you !"), guests)).await.expect("no failure");
    assert_eq!((report.sessions, report.to_client_bytes), (2, 22));
}

#[tokio::test]
async fn an_inherited_listener_waits_while_suspended_and_stays_usable_for_whoever_else_holds_it() {
    use std::os::fd::IntoRawFd;
    let ours = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let addr = ours.local_addr().expect("bound");
    let inherited = ours.try_clone().expect("a second descriptor").into_raw_fd();
    let server = Server::bind(Addr::Fd(inherited.try_into().expect("a number"))).await.expect("adopts");
    let running = server.spawn(Reply::new("thank you !"));
    drop(guest(addr).await);
    running.suspend();
    within("suspends", running.settled()).await;
    let queued = connect(addr);
    assert_eq!(running.snapshot().report.sessions, 1, "it waits");
    running.resume();
    within("resumes", running.settled()).await;
    drop(answered_again(queued).await);
    assert_eq!(within("drains", running.drain()).await.expect("drains").sessions, 2);
    let next = beside("the other holder accepts", move || {
        ours.set_nonblocking(false).expect("sets");
        let next = TcpStream::connect_timeout(&addr, std::time::Duration::from_secs(10)).expect("not dropped");
        (ours.accept().expect("accepts"), next)
    });
    next.await;
}
