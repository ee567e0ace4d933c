//! Behind a proxy: the header of the PROXY protocol comes first, names the client, and takes nothing of what follows.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use callbox::access::{Access, AccessList};
use callbox::addr::Addr;
use callbox::bus::{Bus, Interest};
use callbox::error::Kind;
use callbox::event::{Event, Via};
use callbox::handle::echo::Echo;
use callbox::observers::Observers;
use callbox::proxy_header::{Addresses, Header, Tlv, TrustedProxies, Version};
use callbox::server::{AcceptProxy, Report, Running, ServerOptions};
use callbox::{Client, Server, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::ends::{serve, within};

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n";

fn header() -> Header {
    let addr = |text| Addr::parse(text).expect("good");
    let header = Header::for_session(&addr("192.0.2.1:56324"), &addr("192.0.2.2:443"));
    Header { tlvs: vec![Tlv::new(Tlv::UNIQUE_ID, *b"seven"), Tlv::new(Tlv::NOOP, [0; 7])], crc32c: true, ..header }
}

fn v2() -> Vec<u8> {
    header().encode(Version::V2).expect("fits")
}

fn from(sources: &[&str]) -> TrustedProxies {
    TrustedProxies::new(sources.iter().map(|source| source.parse().expect("good")))
}

fn options(proxies: AcceptProxy) -> ServerOptions {
    ServerOptions { accept_proxy: Some(proxies), ..ServerOptions::default() }
}

fn watched() -> (Arc<Bus>, Observers) {
    let bus = Bus::new(Interest { data: false, talk: true, lossless: true, frames: false });
    let observers = Observers::on_bus(&bus);
    (bus, observers)
}

async fn connect(addr: SocketAddr) -> TcpStream {
    let stream = within("connects", TcpStream::connect(addr)).await.expect("connects");
    stream.set_nodelay(true).expect("sets");
    stream
}

/// Sends the pieces, each when the server has had its turns with the one before, and returns all that comes back.
async fn talk(addr: SocketAddr, pieces: &[&[u8]]) -> std::io::Result<Vec<u8>> {
    let mut stream = connect(addr).await;
    for piece in pieces {
        stream.write_all(piece).await?;
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }
    stream.shutdown().await?;
    let mut answer = Vec::new();
    within("an end", stream.read_to_end(&mut answer)).await?;
    Ok(answer)
}

/// A reset shows where it is met first: at a send, at our end of stream, at a receive.
fn is_reset(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::NotConnected)
}

async fn drained(running: Running) -> Report {
    within("drains", running.drain()).await.expect("drains")
}

async fn connected(bus: &Bus) -> (Addr, Option<Box<Via>>) {
    loop {
        if let (_, Event::Connected { peer, via, .. }) =
            within("connected", bus.next()).await.expect("the server lives")
        {
            return (peer, via);
        }
    }
}

#[tokio::test]
async fn no_byte_behind_a_header_is_lost_wherever_it_is_split() {
    let (running, addr) = serve(options(AcceptProxy::default()), Echo).await;
    let payload = b"\r\nPROXY payload";
    let mut sessions = 0;
    for header in [V1.to_vec(), b"PROXY UNKNOWN\r\n".to_vec(), v2(), Header::local().encode(Version::V2).expect("fits")]
    {
        let all = [&header[..], payload].concat();
        for at in 0..=all.len() {
            let (first, second) = all.split_at(at);
            let answer = talk(addr, &[first, second]).await.expect("served");
            assert_eq!(answer, payload, "split at {at} of {}", all.escape_ascii());
            sessions += 1;
        }
        let bytes: Vec<&[u8]> = all.chunks(1).collect();
        assert_eq!(talk(addr, &bytes).await.expect("served"), payload, "byte by byte");
        sessions += 1;
    }
    let report = drained(running).await;
    assert_eq!((report.sessions, report.refused), (sessions, 0));
    assert_eq!(report.to_server_bytes, sessions * payload.len() as u64, "a header is no part of the stream");
}

#[tokio::test]
async fn a_long_header_and_what_follows_in_one_send_arrive_whole() {
    let (running, addr) = serve(options(AcceptProxy::default()), Echo).await;
    let long =
        Header { tlvs: vec![Tlv::new(Tlv::NOOP, vec![7; 16_000])], ..header() }.encode(Version::V2).expect("fits");
    let payload = [b'x'; 5000];
    assert_eq!(talk(addr, &[&long, &payload]).await.expect("served"), payload);
    let all = [&long[..], &payload].concat();
    assert_eq!(talk(addr, &[&all]).await.expect("served"), payload);
    drained(running).await;
}

#[tokio::test]
async fn the_peer_is_whom_the_header_names_and_the_proxy_is_told_beside() {
    let (bus, observers) = watched();
    let server = Server::bind_with("127.0.0.1:0", options(AcceptProxy::default()), observers).await.expect("binds");
    let addr = server.local_addrs()[0].socket_addr().expect("numbers");
    let peer = |session: callbox::Session, mut stream: Stream| async move {
        stream.write_all(session.peer().to_string().as_bytes()).await
    };
    let running = server.spawn(peer);
    let unknown = Header::proxied(Addresses::Unknown).encode(Version::V2).expect("fits");
    let local = Header::local().encode(Version::V2).expect("fits");
    for (header, named) in [(V1.to_vec(), true), (v2(), true), (unknown, false), (local, false)] {
        let mut stream = connect(addr).await;
        let proxy = Addr::from(stream.local_addr().expect("connected"));
        stream.write_all(&header).await.expect("writes");
        let (peer, via) = connected(&bus).await;
        let via = via.expect("through a proxy");
        assert_eq!(via.proxy, proxy);
        assert_eq!(via.destination.is_some(), named);
        assert_eq!(peer.to_string(), if named { "192.0.2.1:56324".into() } else { proxy.to_string() });
        let mut told = String::new();
        within("an answer", stream.read_to_string(&mut told)).await.expect("reads");
        assert_eq!(told, peer.to_string(), "the handler knows it too");
    }
    drained(running).await;
}

#[tokio::test]
async fn without_a_good_header_nothing_is_served_and_nothing_guessed() {
    let (bus, observers) = watched();
    let server = Server::bind_with("127.0.0.1:0", options(AcceptProxy::default()), observers).await.expect("binds");
    let addr = server.local_addrs()[0].socket_addr().expect("numbers");
    let running = server.spawn(Echo);
    let mut wrong = v2();
    *wrong.last_mut().expect("not empty") ^= 1;
    let cases = [
        (&b"hello, who is there?"[..], "begins like this at byte 0"),
        (&b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\nhello"[..], "at byte 6"),
        (&wrong, "a wrong checksum at byte "),
        (&V1[..20], "the stream ended after 20 bytes"),
        (b"", "the stream ended after 0 bytes"),
    ];
    for (bytes, message) in cases {
        let error = talk(addr, &[bytes]).await.expect_err("reset");
        assert!(is_reset(&error), "{error}");
        loop {
            if let (_, Event::Refused { reason, message: told, .. }) =
                within("refused", bus.next()).await.expect("lives")
            {
                let told = told.expect("what is wrong");
                assert!(reason.name() == "bad_proxy_header" && told.contains(message), "{told}");
                break;
            }
        }
    }
    let report = drained(running).await;
    assert_eq!((report.sessions, report.refused, report.to_client_bytes), (0, 5, 0));
    assert_eq!(report.limits.get("bad_proxy_header"), Some(&5));
}

#[tokio::test]
async fn a_header_from_elsewhere_is_not_even_read() {
    let proxies = AcceptProxy { from: from(&["10.0.0.0/8", "unix"]), ..AcceptProxy::default() };
    let (running, addr) = serve(options(proxies), Echo).await;
    let mut stream = connect(addr).await;
    let error = within("a reset", stream.read(&mut [0])).await.expect_err("before anything was sent");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let report = drained(running).await;
    assert_eq!((report.sessions, report.refused), (0, 1));
    assert_eq!(report.limits.get("denied"), Some(&1));
}

#[tokio::test]
async fn slow_headers_end_at_the_deadline_that_no_byte_moves_and_delay_nobody() {
    let timeout = Duration::from_millis(400);
    let proxies = AcceptProxy { timeout, ..AcceptProxy::default() };
    let (running, addr) = serve(options(proxies), Echo).await;
    let slow = |every: Duration| async move {
        let (mut reading, mut writing) = connect(addr).await.into_split();
        let begun = Instant::now();
        let drip = async {
            let mut ticks = tokio::time::interval(every);
            for byte in V1 {
                ticks.tick().await;
                // The reset is told once: to the send or to the receive, whichever comes first.
                if let Err(error) = writing.write_all(&[*byte]).await {
                    return error;
                }
            }
            std::future::pending().await
        };
        let mut byte = [0];
        let error = tokio::select! {
            error = drip => error,
            read = within("a reset", reading.read(&mut byte)) => read.expect_err("reset, never an answer"),
        };
        assert!(is_reset(&error), "{error}");
        assert!(begun.elapsed() >= timeout / 2, "at the deadline and not at the first byte: {:?}", begun.elapsed());
    };
    // Both would be there in the end, after more than two seconds.
    let dripping: Vec<_> =
        (0..40).map(|n| tokio::spawn(slow(Duration::from_millis(if n % 2 == 0 { 50 } else { 10_000 })))).collect();
    let mut served = 0;
    while dripping.iter().any(|one| !one.is_finished()) {
        assert_eq!(talk(addr, &[V1, b"hello"]).await.expect("served meanwhile"), b"hello");
        served += 1;
    }
    for one in dripping {
        within("all are reset", one).await.expect("no panic");
    }
    assert!(served > 0);
    let report = drained(running).await;
    assert_eq!((report.sessions, report.refused), (served, 40));
    assert_eq!(report.limits.get("handshake_timeout"), Some(&40));
}

#[tokio::test]
async fn only_sessions_count_and_the_last_one_ends_the_waiting() {
    let options = ServerOptions { sessions: Some(1), ..options(AcceptProxy::default()) };
    let (running, addr) = serve(options, Echo).await;
    talk(addr, &[b"no header"]).await.expect_err("reset");
    let mut waiting = connect(addr).await;
    waiting.write_all(&V1[..10]).await.expect("writes");
    assert_eq!(talk(addr, &[V1, b"hello"]).await.expect("the first session"), b"hello");
    let error = within("a reset", waiting.read(&mut [0])).await.expect_err("no more sessions");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let report = within("done by itself", running.finished()).await.expect("finishes");
    assert_eq!((report.sessions, report.refused), (1, 2));
    assert_eq!(report.limits.get("max_sessions"), Some(&1));
}

#[tokio::test]
async fn draining_waits_for_a_header_until_its_deadline() {
    let options = ServerOptions { drain: Duration::from_millis(50), ..options(AcceptProxy::default()) };
    let (running, addr) = serve(options.clone(), Echo).await;
    let _waiting = connect(addr).await;
    let begun = Instant::now();
    let report = drained(running).await;
    assert_eq!((report.sessions, report.refused, report.undrained), (0, 1, 1));
    assert_eq!(report.limits.get("drained"), Some(&1));
    assert!(begun.elapsed() < Duration::from_secs(5), "long before the header's deadline");

    let options = ServerOptions { drain: Duration::from_secs(10), ..options };
    let (running, addr) = serve(options, Echo).await;
    let mut waiting = connect(addr).await;
    waiting.write_all(&V1[..10]).await.expect("writes");
    let draining = tokio::spawn(async move { running.drain().await });
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    waiting.write_all(&[&V1[10..], b"hello"].concat()).await.expect("writes");
    waiting.shutdown().await.expect("ends");
    let mut answer = Vec::new();
    within("an answer", waiting.read_to_end(&mut answer)).await.expect("served");
    assert_eq!(answer, b"hello");
    within("drains", draining).await.expect("no panic").expect("drains");
}

#[tokio::test]
async fn limits_count_by_the_client_that_the_header_names() {
    let options = ServerOptions { max_per_ip: Some(1), ..options(AcceptProxy::default()) };
    let (running, addr) = serve(options, Echo).await;
    let mut first = connect(addr).await;
    first.write_all(&[V1, b"x"].concat()).await.expect("writes");
    within("echoed", first.read_exact(&mut [0])).await.expect("served");
    let other =
        Header::for_session(&Addr::parse("192.0.2.9:1").expect("good"), &Addr::parse("192.0.2.2:2").expect("good"));
    talk(addr, &[&other.encode(Version::V1).expect("fits")]).await.expect("another client of the same proxy");
    let error = talk(addr, &[V1]).await.expect_err("the client has one already");
    assert!(is_reset(&error), "{error}");
    drop(first);
    assert_eq!(drained(running).await.limits.get("per_ip"), Some(&1));
}

#[tokio::test]
async fn who_may_connect_is_judged_by_the_client_that_the_header_names() {
    let deny = vec!["192.0.2.1".parse().expect("an address")];
    let access = Access::new(AccessList::new(None, deny));
    let (running, addr) =
        serve(ServerOptions { access: access.clone(), ..options(AcceptProxy::default()) }, Echo).await;
    let error = talk(addr, &[V1]).await.expect_err("that client is denied");
    assert!(is_reset(&error), "{error}");
    access.replace(AccessList::new(None, vec!["127.0.0.0/8".parse().expect("a range")]));
    assert_eq!(talk(addr, &[V1, b"hello"]).await.expect("the proxy's own address is not what counts"), b"hello");
    let error = talk(addr, &[b"PROXY UNKNOWN\r\n"]).await.expect_err("there it is all that is known");
    assert!(is_reset(&error), "{error}");
    assert_eq!(drained(running).await.limits.get("denied"), Some(&2));
}

#[tokio::test]
async fn a_proxy_may_come_by_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("callbox-it-proxied-{}", std::process::id()));
    let (bus, observers) = watched();
    let server = Server::bind_with(Addr::Unix(path.clone()), options(AcceptProxy::default()), observers).await;
    let running = server.expect("binds").spawn(Echo);
    let mut stream = Client::new(Addr::Unix(path)).expect("good").connect().await.expect("connects");
    stream.write_all(&[V1, b"hello"].concat()).await.expect("writes");
    let (peer, via) = connected(&bus).await;
    assert_eq!(peer.to_string(), "192.0.2.1:56324");
    assert!(matches!(via.expect("through a proxy").proxy, Addr::Unix(_)));
    assert_eq!(within("echoed", stream.chunk()).await.expect("reads").as_deref(), Some(&b"hello"[..]));
    drop(stream);
    drained(running).await;
}

async fn first(proxies: AcceptProxy) -> (tokio::task::JoinHandle<callbox::Result<Stream>>, SocketAddr) {
    let server = Server::bind_with("127.0.0.1:0", options(proxies), Observers::none()).await.expect("binds");
    let addr = server.local_addrs()[0].socket_addr().expect("numbers");
    (tokio::spawn(server.accept_first()), addr)
}

#[tokio::test]
async fn the_first_client_is_whom_its_header_names() {
    let (accepting, addr) = first(AcceptProxy::default()).await;
    let mut proxy = connect(addr).await;
    proxy.write_all(&[V1, b"hello"].concat()).await.expect("writes");
    let mut stream = within("accepted", accepting).await.expect("no panic").expect("a good header");
    assert_eq!(stream.session().peer().to_string(), "192.0.2.1:56324");
    assert_eq!(within("a chunk", stream.chunk()).await.expect("reads").as_deref(), Some(&b"hello"[..]));
}

#[tokio::test]
async fn a_first_client_without_a_header_is_an_error_that_says_why() {
    let (accepting, addr) = first(AcceptProxy::default()).await;
    let mut proxy = connect(addr).await;
    proxy.write_all(b"hello").await.expect("writes");
    let error = within("an error", accepting).await.expect("no panic").expect_err("no header");
    assert_eq!(error.kind(), Kind::Proxy);
    assert!(error.to_string().ends_with("no PROXY header begins like this at byte 0"), "{error}");

    let (accepting, addr) = first(AcceptProxy { timeout: Duration::from_millis(20), ..AcceptProxy::default() }).await;
    let _silent = connect(addr).await;
    let error = within("an error", accepting).await.expect("no panic").expect_err("no header");
    assert!(error.kind() == Kind::Proxy && error.to_string().ends_with("not there within 20 ms"), "{error}");
}

#[tokio::test]
async fn the_first_client_is_one_of_the_trusted() {
    let (accepting, addr) = first(AcceptProxy { from: from(&["127.0.0.2"]), ..AcceptProxy::default() }).await;
    let error = within("a reset", connect(addr).await.read(&mut [0])).await.expect_err("denied");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 2], 0).into()).expect("loopback");
    let mut proxy = within("connects", socket.connect(addr)).await.expect("connects");
    proxy.write_all(V1).await.expect("writes");
    let stream = within("accepted", accepting).await.expect("no panic").expect("a good header");
    assert_eq!(stream.session().peer().to_string(), "192.0.2.1:56324");
}
