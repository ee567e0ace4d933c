//! A relay whose clients say where they want to go: SOCKS and HTTP's CONNECT, and what follows them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use callbox::bus::{Bus, Interest};
use callbox::event::Event;
use callbox::handle::echo::Echo;
use callbox::handle::relay::proxy::{Protocol, Proxy};
use callbox::handle::relay::{Destination, Relay, RelayOptions};
use callbox::net::avoid::Avoid;
use callbox::observers::Observers;
use callbox::pipe::plan::Faults;
use callbox::server::{Report, Running, ServerOptions};
use callbox::targets::Targets;
use callbox::termination::Termination;
use callbox::{Addr, Handler, Server, Session, Stream};
use fast_socks5::client::{Config, Socks5Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ends::{serve, within};

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

fn proxy(protocol: Protocol, login: Option<&str>, targets: Targets) -> Destination {
    Destination::Asked(Proxy::new(protocol, login.map(|login| login.parse().expect("good")), targets))
}

fn relay(protocol: Protocol, login: Option<&str>) -> Relay {
    Relay::to(proxy(protocol, login, Targets::default()), RelayOptions::default(), Faults::none())
}

async fn drained(running: Running) -> Report {
    within("drains", running.drain()).await.expect("drains")
}

/// Says where to by one protocol; how many bytes the proxy answers.
fn requests(to: SocketAddr) -> Vec<(Protocol, Option<&'static str>, Vec<u8>, usize)> {
    let port = to.port().to_be_bytes();
    let v5 = [&[5, 1, 0, 3, 9][..], b"127.0.0.1", &port].concat();
    let login = [&[1, 5][..], b"alice", &[6], b"secret"].concat();
    let by_ip = [&[4, 1][..], &port, &[127, 0, 0, 1], b"me\0"].concat();
    let by_name = [&[4, 1][..], &port, &[0, 0, 0, 1], b"me\x00127.1\0"].concat();
    let connect = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\nProxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n");
    vec![
        (Protocol::Socks, None, [&[5, 1, 0][..], &v5].concat(), 2 + 10),
        (Protocol::Socks, Some("alice:secret"), [&[5, 1, 2][..], &login, &v5].concat(), 2 + 2 + 10),
        (Protocol::Socks, None, by_ip, 8),
        (Protocol::Socks, None, by_name, 8),
        (Protocol::HttpConnect, Some("alice:secret"), connect.into_bytes(), ESTABLISHED.len()),
        (Protocol::HttpConnect, None, format!("CONNECT {to} HTTP/1.0\n\n").into_bytes(), ESTABLISHED.len()),
    ]
}

/// Sends the pieces, each when the proxy has had its turns with the one before, and returns all that comes back.
async fn talk(addr: SocketAddr, pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = within("connects", TcpStream::connect(addr)).await.expect("connects");
    stream.set_nodelay(true).expect("sets");
    for piece in pieces {
        stream.write_all(piece).await.expect("writes");
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }
    stream.shutdown().await.expect("ends");
    let mut answer = Vec::new();
    within("an end", stream.read_to_end(&mut answer)).await.expect("no reset");
    answer
}

#[tokio::test]
async fn no_byte_behind_a_request_is_lost_wherever_it_is_split_and_none_of_the_request_counts() {
    let (echo, to) = serve(ServerOptions::default(), Echo).await;
    let payload = b"\x05\x01\0\r\n\r\nCONNECT payload\0";
    for (protocol, login, request, answered) in requests(to) {
        let (running, addr) = serve(ServerOptions::default(), relay(protocol, login)).await;
        let all = [&request[..], payload].concat();
        let mut sessions = 0;
        let mut check = |answer: Vec<u8>, how: &str| {
            assert_eq!(&answer[answered..], payload, "{protocol:?} {how}: {}", answer.escape_ascii());
            sessions += 1;
        };
        for at in 0..=all.len() {
            let (first, second) = all.split_at(at);
            check(talk(addr, &[first, second]).await, &format!("split at {at}"));
        }
        let bytes: Vec<&[u8]> = all.chunks(1).collect();
        check(talk(addr, &bytes).await, "byte by byte");
        let report = drained(running).await;
        assert_eq!(report.sessions, sessions);
        let carried = sessions * payload.len() as u64;
        assert_eq!((report.to_server_bytes, report.to_client_bytes), (carried, carried), "{protocol:?}");
    }
    drained(echo).await;
}

#[tokio::test]
async fn what_the_server_says_first_comes_right_behind_the_answer() {
    let banner = |_: Session, mut stream: Stream| async move { stream.write_all(b"220 ready\r\n").await };
    let (server, to) = serve(ServerOptions::default(), banner).await;
    for (protocol, login, request, answered) in requests(to) {
        let (running, addr) = serve(ServerOptions::default(), relay(protocol, login)).await;
        let answer = talk(addr, &[&request]).await;
        assert_eq!(&answer[answered..], b"220 ready\r\n", "{}", answer.escape_ascii());
        if protocol == Protocol::HttpConnect {
            assert_eq!(&answer[..answered], ESTABLISHED);
        } else {
            // Our end of the connection, by its real address.
            let ip: [u8; 4] = [127, 0, 0, 1];
            assert!(answer[..answered].windows(4).any(|window| window == ip), "{}", answer.escape_ascii());
        }
        drained(running).await;
    }
    drained(server).await;
}

#[tokio::test]
async fn a_stream_without_a_socket_is_asked_as_exactly() {
    let (echo, to) = serve(ServerOptions::default(), Echo).await;
    for (protocol, login, request, answered) in requests(to) {
        let (mut client, stream) = Stream::pair();
        let relay = relay(protocol, login);
        let session = stream.session().clone();
        let meter = session.clone();
        let relayed = tokio::spawn(async move { relay.handle(session, stream).await });
        client.write_all(&[&request[..], b"payload"].concat()).await.expect("writes");
        client.shutdown().await.expect("ends");
        let mut answer = Vec::new();
        while let Some(chunk) = within("an answer", client.chunk()).await.expect("no reset") {
            answer.extend_from_slice(&chunk);
        }
        assert_eq!(&answer[answered..], b"payload", "{}", answer.escape_ascii());
        within("the relay ends", relayed).await.expect("no panic").expect("relays");
        assert_eq!(meter.meter().bytes(callbox::direction::Direction::ToServer), 7);
    }
    drained(echo).await;
}

/// A proxy that is watched.
async fn watched(relay: Relay) -> (Arc<Bus>, Running, SocketAddr) {
    let bus = Bus::new(Interest { data: false, talk: true, lossless: true, frames: false });
    let loopback = Addr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = Server::bind_with(loopback, ServerOptions::default(), Observers::on_bus(&bus)).await.expect("binds");
    let addr = server.local_addrs()[0].socket_addr().expect("numbers");
    (bus, server.spawn(relay), addr)
}

async fn termination(bus: &Bus) -> Termination {
    loop {
        if let (_, Event::Closed(report)) = within("closed", bus.next()).await.expect("the server lives") {
            return report.termination;
        }
    }
}

#[tokio::test]
async fn each_refusal_is_told_before_the_end_and_ends_the_session_by_its_name() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let own = holder.local_addr().expect("bound");
    // Nobody listens where somebody has just closed.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("bound");
    let options = || {
        let mut options = RelayOptions::default();
        options.connect.avoid = Avoid::new(vec![own]);
        options
    };
    let v5 = |host: &str, port: u16| {
        [&[5, 1, 0, 5, 1, 0, 3, host.len() as u8][..], host.as_bytes(), &port.to_be_bytes()].concat()
    };
    let (bus, running, addr) =
        watched(Relay::to(proxy(Protocol::Socks, None, Targets::default()), options(), Faults::none())).await;
    for (request, code, end) in [
        (v5("127.0.0.1", closed.port()), 5, Termination::UpstreamRefused),
        (v5("127.0.0.1", own.port()), 2, Termination::TargetDenied),
        (v5("169.254.169.254", 80), 2, Termination::TargetDenied),
        (v5("no host", 80), 1, Termination::HandshakeFailed),
        (vec![5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, 0, 80], 7, Termination::HandshakeFailed),
    ] {
        // What is sent without waiting destroys no answer.
        let answer = talk(addr, &[&request, b"impatient"]).await;
        assert_eq!((answer.len(), answer[3]), (2 + 10, code), "{}", answer.escape_ascii());
        assert_eq!(termination(&bus).await, end);
    }
    let report = drained(running).await;
    assert_eq!((report.to_server_bytes, report.to_client_bytes), (0, 0));
    assert_eq!(report.limits.get("target_denied"), Some(&2));
    assert_eq!(report.limits.get("upstream_refused"), Some(&1));
    let http = proxy(Protocol::HttpConnect, Some("a:b"), Targets::default());
    let (bus, running, addr) = watched(Relay::to(http, options(), Faults::none())).await;
    for (method, to, login, status, end) in [
        ("CONNECT", closed.to_string(), true, "502", Termination::UpstreamRefused),
        ("CONNECT", own.to_string(), true, "403", Termination::TargetDenied),
        ("CONNECT", own.to_string(), false, "407", Termination::HandshakeFailed),
        ("GET", "http://example.com/".into(), true, "405", Termination::HandshakeFailed),
        ("CONNECT", "example.com".into(), true, "400", Termination::HandshakeFailed),
    ] {
        let field = if login { "Proxy-Authorization: Basic YTpi\r\n" } else { "" };
        let answer = talk(addr, &[format!("{method} {to} HTTP/1.1\r\n{field}\r\n").as_bytes(), b"impatient"]).await;
        assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{}", answer.escape_ascii());
        assert_eq!(termination(&bus).await, end);
    }
    drained(running).await;
    holder.set_nonblocking(true).expect("a socket");
    assert!(holder.accept().is_err(), "nobody has knocked");
}

#[tokio::test]
async fn who_ends_before_asking_closes_and_who_ends_in_mid_request_is_told_of() {
    let (bus, running, addr) = watched(relay(Protocol::Socks, None)).await;
    for pieces in [&[][..], &[&b"\x05"[..]]] {
        assert_eq!(talk(addr, pieces).await, b"");
        let mut failures = 0;
        loop {
            match within("closed", bus.next()).await.expect("the server lives").1 {
                Event::Failed { error, .. } => {
                    assert!(error.to_string().ends_with("the stream ended after 1 bytes"), "{error}");
                    failures += 1;
                }
                Event::Closed(report) => {
                    assert_eq!(report.termination, Termination::ClientClosed);
                    break;
                }
                _ => {}
            }
        }
        assert_eq!(failures, pieces.len());
    }
    drained(running).await;
}

#[tokio::test]
async fn no_byte_extends_the_deadline_of_a_request() {
    let (bus, running, addr) = watched(relay(Protocol::HttpConnect, None)).await;
    let stream = within("connects", TcpStream::connect(addr)).await.expect("connects");
    let begun = tokio::time::Instant::now();
    let (mut reading, mut writing) = stream.into_split();
    let drip = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        for byte in b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nA: ".iter().chain(std::iter::repeat(&b'a')) {
            ticks.tick().await;
            if writing.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await
    };
    let mut byte = [0];
    tokio::select! {
        () = drip => {}
        read = within("a reset", reading.read(&mut byte)) => {
            assert_eq!(read.expect_err("reset, never an answer").kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
    let lasted = begun.elapsed();
    assert!(lasted > Duration::from_millis(4_500) && lasted < Duration::from_secs(15), "{lasted:?}");
    assert_eq!(termination(&bus).await, Termination::HandshakeTimeout);
    assert_eq!(drained(running).await.limits.get("handshake_timeout"), Some(&1));
}

#[tokio::test]
async fn a_client_by_other_hands_gets_through() {
    let (echo, to) = serve(ServerOptions::default(), Echo).await;
    let (host, port) = (to.ip().to_string(), to.port());
    let (open, at) = serve(ServerOptions::default(), relay(Protocol::Socks, None)).await;
    let mut stream =
        within("SOCKS 5", Socks5Stream::connect(at, host.clone(), port, Config::default())).await.expect("connects");
    stream.write_all(b"five").await.expect("writes");
    let mut four = [0; 4];
    stream.read_exact(&mut four).await.expect("echoes");
    assert_eq!(&four, b"five");
    drop(stream);
    drained(open).await;
    let (guarded, at) = serve(ServerOptions::default(), relay(Protocol::Socks, Some("alice:secret"))).await;
    let login = |password: &str| {
        let (user, password) = ("alice".to_owned(), password.to_owned());
        Socks5Stream::connect_with_password(at, host.clone(), port, user, password, Config::default())
    };
    let mut stream = within("SOCKS 5", login("secret")).await.expect("connects");
    stream.write_all(b"auth").await.expect("writes");
    stream.read_exact(&mut four).await.expect("echoes");
    assert_eq!(&four, b"auth");
    drop(stream);
    assert!(within("an answer", login("guess")).await.is_err());
    assert!(within("an answer", Socks5Stream::connect(at, host.clone(), port, Config::default())).await.is_err());
    drained(guarded).await;
    drained(echo).await;
}
