//! Servers on real sockets, steered as a user would.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::bus::{Bus, Interest};
use crate::handle::echo::Echo;
use crate::handle::reply::Reply;
use crate::net::stream::Stream;
use crate::session::Session;
use crate::termination::Termination;
use crate::workers::Workers;

fn watched() -> (Arc<Bus>, Observers) {
    let bus = Bus::new(Interest { data: false, talk: true, lossless: false, frames: false });
    let observers = Observers::on_bus(&bus);
    (bus, observers)
}

async fn bind(options: ServerOptions, observers: Observers) -> (Server, String) {
    let server = Server::bind_with("127.0.0.1:0", options, observers).await.expect("binds");
    let addr = server.local_addrs()[0].to_string();
    (server, addr)
}

/// Runs a blocking client beside the server.
async fn client<T: Send + 'static>(addr: &str, talk: impl FnOnce(TcpStream) -> T + Send + 'static) -> T {
    let addr = addr.to_string();
    let talking = tokio::task::spawn_blocking(move || {
        let stream = TcpStream::connect(addr).expect("connects");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("sets");
        talk(stream)
    });
    talking.await.expect("no panic")
}

/// Tells whether somebody accepts at `addr`; `None` when the attempt goes unanswered, as while a listener closes.
async fn connects(addr: &str) -> Option<bool> {
    let attempt = tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(addr));
    attempt.await.ok().map(|result| result.is_ok())
}

fn hello(mut stream: TcpStream) -> String {
    stream.write_all(b"hello").expect("writes");
    let mut answer = [0; 11];
    stream.read_exact(&mut answer).expect("reads");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn closed(bus: &Bus) -> crate::report::SessionReport {
    loop {
        if let (_, Event::Closed(report)) = bus.next().await.expect("the server lives") {
            return *report;
        }
    }
}

#[tokio::test]
async fn sessions_are_counted_exactly_and_end_as_the_peer_ended_them() {
    let (bus, observers) = watched();
    let (server, addr) = bind(ServerOptions::default(), observers).await;
    let running = server.spawn(Reply::new("thank you !"));
    assert_eq!(client(&addr, hello).await, "thank you !");
    let report = closed(&bus).await;
    assert_eq!(report.termination, Termination::ClientClosed);
    assert!(report.tcp.is_some());
    let report = running.drain().await.expect("drains");
    assert_eq!((report.sessions, report.to_server_bytes, report.to_client_bytes), (1, 5, 11));
}

#[tokio::test]
async fn draining_serves_who_is_queued() {
    let (server, addr) = bind(ServerOptions::default(), Observers::none()).await;
    // Connected before anybody accepts.
    let clients: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(&addr).expect("queued")).collect();
    let running = server.spawn(Reply::new("thank you !"));
    let draining = tokio::spawn(async move { running.drain().await });
    let answers = tokio::task::spawn_blocking(|| clients.into_iter().map(hello).collect::<Vec<_>>());
    assert_eq!(answers.await.expect("no panic"), ["thank you !"; 5]);
    let report = draining.await.expect("no panic").expect("drains");
    assert_eq!((report.sessions, report.undrained), (5, 0));
}

#[tokio::test]
async fn a_session_that_stays_gets_our_end_of_stream_at_the_deadline() {
    let options = ServerOptions { drain: Duration::from_millis(50), ..ServerOptions::default() };
    let (server, addr) = bind(options, Observers::none()).await;
    let running = server.spawn(Echo);
    let staying = tokio::spawn(async move {
        client(&addr, |mut stream| {
            stream.write_all(b"x").expect("writes");
            let mut received = Vec::new();
            stream.read_to_end(&mut received).expect("FIN, not a reset");
            received
        })
        .await
    });
    while running.snapshot().sessions.iter().all(|session| session.to_client_bytes == 0) {
        tokio::task::yield_now().await;
    }
    let report = running.drain().await.expect("drains");
    assert_eq!(report.undrained, 1);
    assert_eq!(staying.await.expect("no panic"), b"x");
}

#[tokio::test]
async fn suspending_refuses_and_resuming_accepts_on_the_same_port() {
    let (bus, observers) = watched();
    let (server, addr) = bind(ServerOptions::default(), observers).await;
    let running = server.spawn(Echo);
    running.suspend();
    while connects(&addr).await != Some(false) {}
    running.resume();
    while !matches!(bus.next().await, Some((_, Event::Resumed))) {}
    let (_, event) = bus.next().await.expect("open");
    assert!(matches!(&event, Event::Listening { address } if address.to_string() == addr), "{event:?}");
    assert_eq!(connects(&addr).await, Some(true));
    assert!(running.snapshot().accepting);
}

#[tokio::test]
async fn idle_sessions_end_with_fin_and_are_counted() {
    let (bus, observers) = watched();
    let idle_timeout = Some(Duration::from_millis(60));
    let (server, addr) = bind(ServerOptions { idle_timeout, ..ServerOptions::default() }, observers).await;
    let running = server.spawn(Echo);
    let received = client(&addr, |mut stream| {
        let mut received = Vec::new();
        stream.read_to_end(&mut received).map(|_| received)
    });
    assert_eq!(received.await.expect("FIN, not a reset"), b"");
    assert_eq!(closed(&bus).await.termination, Termination::IdleTimeout);
    assert_eq!(running.snapshot().report.limits.get("idle_timeout"), Some(&1));
}

#[tokio::test]
async fn a_panic_ends_its_session_alone() {
    let (bus, observers) = watched();
    let (server, addr) = bind(ServerOptions::default(), observers).await;
    let running = server.spawn(|session: Session, mut stream: Stream| async move {
        assert!(session.id().0 != 1, "the first one fails");
        while let Some(chunk) = stream.chunk().await? {
            stream.write_all(&chunk).await?;
        }
        Ok(())
    });
    let first = client(&addr, |mut stream| stream.read(&mut [0; 1]).map_err(|error| error.kind()));
    assert_eq!(first.await, Err(std::io::ErrorKind::ConnectionReset));
    assert_eq!(closed(&bus).await.termination, Termination::Aborted);
    let echoed = client(&addr, |mut stream| {
        stream.write_all(b"hello").expect("writes");
        stream.read_exact(&mut [0; 5]).is_ok()
    });
    assert!(echoed.await);
    assert_eq!(running.snapshot().report.sessions, 2);
}

#[tokio::test]
async fn a_panic_before_the_handlers_future_ends_its_session_alone_and_is_counted() {
    let (bus, observers) = watched();
    let (server, addr) = bind(ServerOptions::default(), observers).await;
    let running = server.spawn(|session: Session, _stream: Stream| {
        assert!(session.id().0 != 1, "the first one fails");
        async { Ok(()) }
    });
    let read = |mut stream: TcpStream| stream.read(&mut [0; 1]).map_err(|error| error.kind());
    assert_eq!(client(&addr, read).await, Err(std::io::ErrorKind::ConnectionReset));
    assert_eq!(closed(&bus).await.termination, Termination::Aborted);
    assert_eq!(client(&addr, read).await, Ok(0));
    let report = running.drain().await.expect("drains");
    assert_eq!(report.sessions, 2);
    assert!(running.snapshot().sessions.is_empty());
}

#[tokio::test]
async fn the_sessions_asked_for_are_served_and_then_it_is_over() {
    let options = ServerOptions { sessions: Some(2), ..ServerOptions::default() };
    let (server, addr) = bind(options, Observers::none()).await;
    let running = server.spawn(Reply::new("thank you !"));
    assert_eq!(client(&addr, hello).await, "thank you !");
    assert_eq!(client(&addr, hello).await, "thank you !");
    assert_eq!(running.finished().await.expect("no failure").sessions, 2);
    assert!(TcpStream::connect(&addr).is_err());
}

#[tokio::test]
async fn sessions_run_on_every_worker_and_all_are_answered() {
    let workers = Some(Workers::beside(1).expect("starts"));
    let (server, addr) = bind(ServerOptions { workers, ..ServerOptions::default() }, Observers::none()).await;
    let running = server.spawn(Reply::new("thank you !"));
    for _ in 0..4 {
        assert_eq!(client(&addr, hello).await, "thank you !");
    }
    assert_eq!(running.drain().await.expect("drains").sessions, 4);
}

#[tokio::test]
async fn a_session_that_the_drain_itself_accepts_ends_at_the_deadline_too() {
    let options = ServerOptions { drain: Duration::ZERO, ..ServerOptions::default() };
    let (server, addr) = bind(options, Observers::none()).await;
    // Queued, so that the drain accepts it; the deadline is over at once.
    let mut queued = TcpStream::connect(&addr).expect("queued");
    let running = server.spawn(Echo);
    let ended = tokio::task::spawn_blocking(move || queued.read(&mut [0; 1]).expect("FIN, not a reset"));
    let report = running.drain().await.expect("drains");
    assert_eq!((report.sessions, report.undrained), (1, 1));
    assert_eq!(ended.await.expect("no panic"), 0);
}

#[tokio::test]
async fn aborting_resets_the_sessions_and_counts_them() {
    let (server, addr) = bind(ServerOptions::default(), Observers::none()).await;
    let running = server.spawn(Echo);
    let mut stream = client(&addr, |mut stream| {
        stream.write_all(b"x").expect("writes");
        stream.read_exact(&mut [0; 1]).expect("echoed");
        stream
    })
    .await;
    let report = running.abort().await;
    assert_eq!((report.sessions, report.undrained), (1, 1));
    let error = stream.read(&mut [0; 1]).expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn once_settled_the_listener_is_closed_or_open_as_asked() {
    let (server, addr) = bind(ServerOptions::default(), Observers::none()).await;
    let running = server.spawn(Echo);
    for _ in 0..3 {
        running.suspend();
        running.settled().await;
        assert!(TcpStream::connect(&addr).is_err(), "closed");
        running.resume();
        running.settled().await;
        assert!(TcpStream::connect(&addr).is_ok(), "open again");
    }
}

#[tokio::test]
async fn closing_ends_every_session_with_an_end_of_stream_and_frees_the_address() {
    let (server, addr) = bind(ServerOptions::default(), Observers::none()).await;
    let running = server.spawn(Echo);
    let (told, waiting) = std::sync::mpsc::channel();
    let talking = tokio::task::spawn_blocking({
        let addr = addr.clone();
        move || {
            let mut stream = TcpStream::connect(addr).expect("connects");
            stream.set_read_timeout(Some(Duration::from_secs(10))).expect("sets");
            stream.write_all(b"hello").expect("writes");
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).expect("reads");
            told.send(()).expect("somebody waits");
            stream.read(&mut answer).expect("an end of stream, not a reset")
        }
    });
    tokio::task::spawn_blocking(move || waiting.recv()).await.expect("no panic").expect("it talks");
    let id = running.snapshot().sessions[0].session;
    assert_eq!(running.session(id).map(|session| session.id()), Some(id));
    running.close(Termination::Steered).await.expect("listened");
    // Nobody holds the address any more.
    let again = Server::bind(addr.as_str()).await.expect("binds again");
    assert_eq!(talking.await.expect("no panic"), 0);
    let report = running.finished().await.expect("ends");
    assert_eq!((report.sessions, report.limits.len()), (1, 0));
    assert!(running.session(id).is_none());
    drop(again);
}

#[tokio::test]
async fn one_session_is_ended_and_the_others_go_on() {
    let (server, addr) = bind(ServerOptions::default(), Observers::none()).await;
    let running = server.spawn(Echo);
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = crate::Client::new(addr.as_str()).expect("good").connect().await.expect("connects");
        stream.write_all(b"hello").await.expect("writes");
        assert_eq!(stream.chunk().await.expect("reads").as_deref(), Some(&b"hello"[..]));
        streams.push(stream);
    }
    let ids: Vec<_> = running.snapshot().sessions.iter().map(|session| session.session).collect();
    running.session(ids[0]).expect("open").stop(Termination::Aborted);
    assert!(streams[0].chunk().await.expect_err("it is reset").is_reset());
    running.wake_all();
    streams[1].write_all(b"again").await.expect("writes");
    assert_eq!(streams[1].chunk().await.expect("reads").as_deref(), Some(&b"again"[..]));
}

/// Resets its session, and leaves its edge to somebody who looks at it, as whoever wakes or lists sessions does.
struct Resetting(Arc<Mutex<Option<Arc<crate::net::edge::Edge>>>>);

impl Handler for Resetting {
    async fn handle(&self, _: Session, stream: Stream) -> crate::Result<()> {
        *self.0.lock().expect("not poisoned") = Some(stream.edge().clone());
        stream.edge().abort();
        Ok(())
    }
}

#[tokio::test]
async fn a_reset_is_one_although_somebody_looks_at_the_session_when_it_ends() {
    let looking = Arc::new(Mutex::new(None));
    let (server, addr) = bind(ServerOptions::default(), Observers::none()).await;
    let running = server.spawn(Resetting(looking.clone()));
    let seen = client(&addr, |mut stream| stream.read(&mut [0; 1]).map_err(|error| error.kind())).await;
    assert_eq!(seen, Err(std::io::ErrorKind::ConnectionReset));
    assert!(looking.lock().expect("not poisoned").is_some());
    drop(running);
}
