//! Faults at the listener: refuse, accept-delay, accept-then-close, backlog-full; put on and taken off while it runs.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use callbox::bus::{Bus, Interest};
use callbox::event::Event;
use callbox::frame::Framing;
use callbox::handle::reply::Reply;
use callbox::observers::Observers;
use callbox::pipe::fault::{Fault, FaultKind, Point, Towards, When};
use callbox::pipe::plan::{Clipped, Faults, Plan};
use callbox::server::{Running, ServerOptions};
use callbox::termination::Termination;
use callbox::{Addr, Server};
use tokio::time::{Instant, timeout};

use crate::ends::{beside, connect, hello, serve, within};

fn only(kind: FaultKind, when: When) -> Plan {
    let fault = Fault { kind, towards: Towards::Both, probability: 1.0, when };
    Plan { seed: 1, framing: Framing::none(), faults: vec![Clipped { id: 1, name: "it".into(), fault }], rate: None }
}

fn session(number: u64) -> When {
    When { session: Some(number), ..When::default() }
}

async fn bent(plan: Plan, options: ServerOptions) -> (Running, SocketAddr, Faults) {
    let faults = Faults::new(plan);
    let options = ServerOptions { faults: Some(faults.clone()), ..options };
    let (running, addr) = serve(options, Reply::new("thank you !")).await;
    (running, addr, faults)
}

/// Changes the faults and waits until the listeners are as they ask.
async fn change(running: &Running, faults: &Faults, plan: Plan) {
    faults.change(|now| *now = plan);
    within("the listeners to settle", running.settled()).await;
}

fn none() -> Plan {
    Plan { faults: Vec::new(), ..only(FaultKind::Refuse, When::default()) }
}

async fn is_refused(addr: SocketAddr) -> bool {
    let attempt = within("an answer", tokio::net::TcpStream::connect(addr)).await;
    attempt.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// Has a conversation of a question and an answer.
async fn asks(addr: SocketAddr) -> String {
    beside("the conversation", move || hello(&mut connect(addr)).expect("is answered")).await
}

#[tokio::test]
async fn refuse_closes_the_listener_as_long_as_it_is_on_and_ends_no_session() {
    let (running, addr, faults) = bent(none(), ServerOptions::default()).await;
    let mut early = beside("the connection", move || {
        let mut client = connect(addr);
        assert_eq!(hello(&mut client).expect("is answered"), "thank you !");
        client
    })
    .await;
    for _ in 0..2 {
        change(&running, &faults, only(FaultKind::Refuse, When::default())).await;
        assert!(is_refused(addr).await);
        assert!(is_refused(addr).await, "and it stays so");
        change(&running, &faults, none()).await;
        assert_eq!(asks(addr).await, "thank you !");
    }
    beside("the early one", move || assert_eq!(hello(&mut early).expect("goes on"), "thank you !")).await;
}

#[tokio::test]
async fn refuse_from_the_start_until_its_time_is_over() {
    let until = Duration::from_millis(300);
    let when = When { to: Some(Point::Time(until)), ..When::default() };
    let begun = Instant::now();
    let (running, addr, _faults) = bent(only(FaultKind::Refuse, when), ServerOptions::default()).await;
    within("the listener to close", running.settled()).await;
    assert!(is_refused(addr).await || begun.elapsed() >= until);
    within("the listener to open", async {
        while is_refused(addr).await {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(begun.elapsed() >= until, "{:?}", begun.elapsed());
    assert_eq!(asks(addr).await, "thank you !");
}

#[tokio::test]
async fn a_refused_server_can_be_suspended_resumed_and_drained() {
    let (running, addr, faults) = bent(only(FaultKind::Refuse, When::default()), ServerOptions::default()).await;
    within("the refusal", running.settled()).await;
    running.suspend();
    within("the suspension", running.settled()).await;
    faults.change(|plan| plan.faults.clear());
    within("still suspended", running.settled()).await;
    assert!(is_refused(addr).await);
    running.resume();
    within("the resumption", running.settled()).await;
    assert_eq!(asks(addr).await, "thank you !");
    change(&running, &faults, only(FaultKind::Refuse, When::default())).await;
    let report = within("the drain", running.drain()).await.expect("drains");
    assert_eq!(report.sessions, 1);
}

#[tokio::test]
async fn one_connection_is_reset_at_once_and_counted_and_the_others_are_served() {
    let (running, addr, _faults) = bent(only(FaultKind::Refuse, session(2)), ServerOptions::default()).await;
    assert_eq!(asks(addr).await, "thank you !");
    let met = beside("the reset", move || hello(&mut connect(addr)).expect_err("is reset").kind()).await;
    assert!(matches!(met, std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe), "{met}");
    assert_eq!(asks(addr).await, "thank you !");
    let report = within("the drain", running.drain()).await.expect("drains");
    assert_eq!((report.sessions, report.refused, report.limits.get("fault")), (2, 1, Some(&1)));
}

#[tokio::test]
async fn a_delayed_connection_waits_and_the_others_do_not() {
    let delay = Duration::from_millis(400);
    let (_running, addr, _faults) =
        bent(only(FaultKind::AcceptDelay { delay }, session(1)), ServerOptions::default()).await;
    let begun = Instant::now();
    let mut first = connect(addr);
    let first = tokio::spawn(beside("the delayed one", move || hello(&mut first)));
    // It was the first to come, so it is accepted first.
    assert_eq!(asks(addr).await, "thank you !");
    assert!(!first.is_finished() || begun.elapsed() >= delay);
    let answer = within("the delayed answer", first).await.expect("no panic");
    assert_eq!(answer.expect("is answered"), "thank you !");
    assert!(begun.elapsed() >= delay, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_delayed_connection_takes_its_slot_and_does_not_outlive_the_drain() {
    let delay = Duration::from_secs(3600);
    let options =
        ServerOptions { max_connections: Some(1), drain: Duration::from_millis(50), ..ServerOptions::default() };
    let (running, addr, faults) = bent(only(FaultKind::AcceptDelay { delay }, session(1)), options).await;
    let _first = connect(addr);
    let _second = connect(addr);
    within("the limit to be hit", async {
        while !running.snapshot().report.limits.contains_key("max_connections") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Whoever waits for room sees a change of faults too.
    change(&running, &faults, only(FaultKind::Refuse, When::default())).await;
    let report = within("the drain", running.drain()).await.expect("drains");
    assert!(report.undrained > 0, "{report:?}");
    assert!(running.snapshot().sessions.is_empty());
}

#[tokio::test]
async fn accept_then_close_is_an_end_of_stream_and_no_reset() {
    let faults = Faults::new(only(FaultKind::AcceptThenClose, When::default()));
    let bus = Bus::new(Interest { data: false, talk: true, lossless: false, frames: false });
    let options = ServerOptions { faults: Some(faults), ..ServerOptions::default() };
    let loopback = Addr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = Server::bind_with(loopback, options, Observers::on_bus(&bus)).await.expect("binds");
    let addr = server.local_addrs()[0].socket_addr().expect("numbers");
    // What has arrived before the close must not turn it into a reset.
    let mut client = connect(addr);
    client.write_all(b"hello").expect("sends");
    let _running = server.spawn(Reply::new("thank you !"));
    let ended = beside("the end of stream", move || {
        let read = client.read(&mut [0; 16]);
        client.shutdown(Shutdown::Write).expect("was not reset");
        read
    });
    assert_eq!(ended.await.expect("no reset"), 0);
    let report = within("the close", async {
        loop {
            if let (_, Event::Closed(report)) = bus.next().await.expect("is open") {
                return report;
            }
        }
    });
    assert_eq!(report.await.termination, Termination::ServerClosed);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn backlog_full_leaves_handshakes_unanswered_until_it_is_taken_off() {
    let (running, addr, faults) = bent(none(), ServerOptions::default()).await;
    let mut early = connect(addr);
    let mut early = beside("the early one", move || {
        assert_eq!(hello(&mut early).expect("is answered"), "thank you !");
        early
    })
    .await;
    let hangs = || timeout(Duration::from_millis(100), tokio::net::TcpStream::connect(addr));
    faults.change(|plan| *plan = only(FaultKind::BacklogFull, When::default()));
    // Whoever gets in before the acceptor has seen the change is in the queue.
    within("the silence", async { while hangs().await.is_ok() {} }).await;
    let waiting = tokio::spawn(tokio::net::TcpStream::connect(addr));
    assert!(hangs().await.is_err(), "neither refused nor accepted");
    let early = beside("the early one", move || {
        assert_eq!(hello(&mut early).expect("goes on"), "thank you !");
        early
    });
    drop(early.await);
    assert!(!waiting.is_finished());
    change(&running, &faults, none()).await;
    // The kernel tries the handshake again by itself.
    within("the one that waited", waiting).await.expect("no panic").expect("gets in at last");
    assert_eq!(asks(addr).await, "thank you !");
}

#[tokio::test]
async fn backlog_full_fills_the_queue_of_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("callbox-backlog-{}", std::process::id()));
    let faults = Faults::new(only(FaultKind::BacklogFull, When::default()));
    let options = ServerOptions { faults: Some(faults.clone()), ..ServerOptions::default() };
    let server = Server::bind_with(Addr::Unix(path.clone()), options, Observers::none()).await.expect("binds");
    let running = server.spawn(Reply::new("thank you !"));
    // Without waiting, the kernel says that the queue is full.
    let mut queued = Vec::new();
    within("the queue to fill", async {
        let full = loop {
            match tokio::net::UnixStream::connect(&path).await {
                Ok(stream) => queued.push(stream),
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock, "{full}");
    })
    .await;
    change(&running, &faults, none()).await;
    let answer = beside("the answer", move || {
        let mut stream = std::os::unix::net::UnixStream::connect(&path).expect("connects");
        stream.write_all(b"hello").expect("sends");
        let mut answer = [0; 11];
        stream.read_exact(&mut answer).expect("is answered");
        answer
    });
    assert_eq!(&answer.await, b"thank you !");
}

#[tokio::test]
async fn an_inherited_listener_stays_open_and_resets_who_is_refused() {
    use std::os::fd::IntoRawFd;
    let ours = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let addr = ours.local_addr().expect("bound");
    let inherited = ours.try_clone().expect("a second descriptor").into_raw_fd();
    let faults = Faults::new(only(FaultKind::Refuse, When::default()));
    let options = ServerOptions { faults: Some(faults.clone()), ..ServerOptions::default() };
    let adopted = Addr::Fd(inherited.try_into().expect("a number"));
    let server = Server::bind_with(adopted, options, Observers::none()).await.expect("adopts");
    let running = server.spawn(Reply::new("thank you !"));
    within("nothing to close", running.settled()).await;
    for _ in 0..2 {
        let met = beside("the reset", move || hello(&mut connect(addr)).expect_err("is reset").kind()).await;
        assert!(matches!(met, std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe), "{met}");
    }
    change(&running, &faults, only(FaultKind::BacklogFull, When::default())).await;
    // Others may hold it, so it gets no filter: connections are queued, and nobody serves them.
    let mut queued = beside("the connection", move || connect(addr)).await;
    change(&running, &faults, none()).await;
    let answer = beside("the answer", move || hello(&mut queued).expect("is answered at last")).await;
    assert_eq!(answer, "thank you !");
    let report = within("the drain", running.drain()).await.expect("drains");
    assert_eq!((report.sessions, report.refused), (1, 2));
}
