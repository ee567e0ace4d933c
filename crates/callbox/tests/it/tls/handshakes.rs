//! Handshakes that stall, plain text, certificates that are replaced.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use callbox::bus::{Bus, Interest};
use callbox::event::{Event, Refusal};
use callbox::net::connect::ConnectOptions;
use callbox::net::tls::{ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions};
use callbox::observers::Observers;
use callbox::server::{AcceptProxy, Running, ServerOptions};
use callbox::{Addr, Client, Kind, Server, Stream};
use std::net::SocketAddr;
use std::sync::Arc;

use crate::certificates::{AUTHORITY, client, local, server, trusting};
use crate::ends::{beside, connect, read_to_end, within};

const SHORT: Duration = Duration::from_millis(100);

fn watched() -> (Arc<Bus>, Observers) {
    let bus = Bus::new(Interest { data: false, talk: true, lossless: true, frames: false });
    let observers = Observers::on_bus(&bus);
    (bus, observers)
}

async fn echoing(options: ServerOptions) -> (Running, SocketAddr, Arc<Bus>) {
    let (bus, observers) = watched();
    let loopback = Addr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = Server::bind_with(loopback, options, observers).await.expect("binds");
    let addr = server.local_addrs()[0].socket_addr().expect("numbers");
    (server.spawn(callbox::handle::echo::Echo), addr, bus)
}

async fn refusal(bus: &Bus) -> (Refusal, String) {
    loop {
        if let Event::Refused { reason, message, .. } = within("the refusal", bus.next()).await.expect("open").1 {
            return (reason, message.map(String::from).unwrap_or_default());
        }
    }
}

async fn greets(addr: SocketAddr) {
    let options = ConnectOptions { tls: Some(client()), ..ConnectOptions::default() };
    let client = Client::new(Addr::from(addr)).expect("good").with_options(options);
    let mut stream = within("a handshake", client.connect()).await.expect("connects");
    stream.write_all(b"hello").await.expect("writes");
    stream.shutdown().await.expect("ends");
    assert_eq!(read_to_end(&mut stream).await.expect("an end of stream"), b"hello");
}

#[tokio::test]
async fn who_stalls_is_reset_in_time_and_holds_up_nobody() {
    let tls = ServerTls::new(&ServerTlsOptions { handshake_timeout: SHORT, ..local() }).expect("good");
    let options = ServerOptions { tls: Some(tls), ..ServerOptions::default() };
    let (running, addr, bus) = echoing(options).await;
    // Silent, and half a head of a record.
    let mut stalling: Vec<_> = (0..20).map(|_| connect(addr)).collect();
    stalling[7].write_all(&[22, 3]).expect("writes");
    greets(addr).await;
    for _ in 0..20 {
        assert_eq!(refusal(&bus).await, (Refusal::HandshakeTimeout, "not done within 100 ms".into()));
    }
    let kinds = beside("they are told", move || {
        stalling.iter_mut().map(|one| one.read(&mut [0]).map_err(|error| error.kind())).collect::<Vec<_>>()
    });
    for kind in kinds.await {
        assert_eq!(kind, Err(std::io::ErrorKind::ConnectionReset));
    }
    let report = running.snapshot().report;
    assert_eq!((report.sessions, report.limits.get("handshake_timeout")), (1, Some(&20)));
}

#[tokio::test]
async fn plain_text_on_a_tls_port_is_said_and_answered_with_an_alert() {
    let options = ServerOptions { tls: Some(server()), ..ServerOptions::default() };
    let (_running, addr, bus) = echoing(options).await;
    for (sent, shown) in [("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\"GET / HTTP/1.1\"..."), ("\x1b\n", "\"\\x1b\"...")] {
        let mut stream = connect(addr);
        stream.write_all(sent.as_bytes()).expect("writes");
        let mut answer = Vec::new();
        let (answer, ended) = beside("the alert", move || {
            let ended = stream.read_to_end(&mut answer);
            (answer, ended.map_err(|error| error.kind()))
        })
        .await;
        ended.expect("an end of stream, not a reset");
        assert_eq!((answer.len(), answer[0]), (7, 21), "an alert: {answer:?}");
        let (reason, message) = refusal(&bus).await;
        assert_eq!(reason, Refusal::NotTls);
        assert_eq!(message, format!("the client does not speak TLS: it sent {shown}"));
    }
}

#[tokio::test]
async fn a_server_without_tls_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let addr = listener.local_addr().expect("bound");
    let speaking = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accepts");
        stream.write_all(b"220 mail.example.com ESMTP\r\n").expect("writes");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        // And one that goes at once.
        drop(listener.accept().expect("accepts"));
    });
    let options = ConnectOptions { tls: Some(client()), ..ConnectOptions::default() };
    let client = Client::new(Addr::from(addr)).expect("good").with_options(options);
    let error = client.connect().await.expect_err("no TLS there");
    assert_eq!(error.kind(), Kind::Tls);
    let due = "the server does not speak TLS here: it sent \"220 mail.example.com ESMTP\"...";
    assert_eq!(error.to_string(), format!("TLS handshake {addr}: {due}"));
    let error = client.connect().await.expect_err("nobody there");
    assert_eq!(error.kind(), Kind::Tls, "{error}");
    speaking.join().expect("no panic");
}

#[tokio::test]
async fn a_server_that_stalls_costs_the_handshake_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let addr = Addr::from(listener.local_addr().expect("bound"));
    let tls = ClientTls::new(&ClientTlsOptions { handshake_timeout: SHORT, ..trusting() }).expect("good");
    let options = ConnectOptions { tls: Some(tls), ..ConnectOptions::default() };
    let client = Client::new(addr).expect("good").with_options(options);
    let error = within("the timeout", client.connect()).await.expect_err("nobody answers");
    assert_eq!((error.kind(), error.cause().as_str()), (Kind::Tls, "not done within 100 ms"));
}

#[tokio::test]
async fn a_certificate_is_replaced_while_the_server_runs_and_a_bad_one_is_not_taken() {
    let tls = server();
    let options = ServerOptions { tls: Some(tls.clone()), ..ServerOptions::default() };
    let (_running, addr, _bus) = echoing(options).await;
    greets(addr).await;
    let other = AUTHORITY.issue(&["example.com"], |_| {});
    let (chain, wrong) = (other.chain()[0].der().to_vec(), rcgen::KeyPair::generate().expect("makes a key"));
    let mixed = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64(&chain));
    let mixed =
        callbox::net::tls::Identity::from_pem(mixed.as_bytes(), wrong.serialize_pem().as_bytes()).expect("reads");
    let error = tls.replace(&ServerTlsOptions::new(mixed)).expect_err("they do not go together");
    assert_eq!((error.kind(), error.cause().as_str()), (Kind::Invalid, "the key is not that of the certificate"));
    greets(addr).await;
    tls.replace(&ServerTlsOptions::new(other)).expect("good");
    let options = ConnectOptions { tls: Some(client()), ..ConnectOptions::default() };
    let client = Client::new(Addr::from(addr)).expect("good").with_options(options);
    let error = client.connect().await.expect_err("another name");
    assert!(error.cause().contains("but for example.com"), "{error}");
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .map(|three| {
            let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
            let digit = |n: usize| match n <= three.len() {
                true => DIGITS[(bits >> (18 - 6 * n)) as usize & 63] as char,
                false => '=',
            };
            (0..4).map(digit).collect::<String>()
        })
        .collect()
}

#[tokio::test]
async fn a_header_of_the_proxy_protocol_and_a_client_hello_in_one_segment_lose_nothing() {
    let tls = Some(server());
    let options = ServerOptions { tls, accept_proxy: Some(AcceptProxy::default()), ..ServerOptions::default() };
    let (_running, addr, bus) = echoing(options).await;
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let middle = listener.local_addr().expect("bound");
    let passing = std::thread::spawn(move || {
        let (mut near, _) = listener.accept().expect("accepts");
        let mut far = connect(addr);
        let mut bytes = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n".to_vec();
        let mut piece = [0; 65_536];
        let read = near.read(&mut piece).expect("reads");
        bytes.extend_from_slice(&piece[..read]);
        far.write_all(&bytes).expect("writes");
        let (mut from, mut into) = (far.try_clone().expect("clones"), near.try_clone().expect("clones"));
        let back = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut into);
            let _ = into.shutdown(std::net::Shutdown::Write);
        });
        let _ = std::io::copy(&mut near, &mut far);
        let _ = far.shutdown(std::net::Shutdown::Write);
        back.join().expect("no panic");
    });
    greets(middle).await;
    passing.join().expect("no panic");
    loop {
        if let Event::Connected { peer, via, .. } = within("the session", bus.next()).await.expect("open").1 {
            assert_eq!(peer.to_string(), "192.0.2.7:4711");
            assert!(via.is_some());
            break;
        }
    }
}

#[tokio::test]
async fn the_first_whose_handshake_is_done_is_the_client_of_who_listens_for_one() {
    let (bus, observers) = watched();
    let options = ServerOptions { tls: Some(server()), ..ServerOptions::default() };
    let loopback = Addr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listening = Server::bind_with(loopback, options, observers).await.expect("binds");
    let addr = listening.local_addrs()[0].socket_addr().expect("numbers");
    let _silent = connect(addr);
    let mut plain = connect(addr);
    plain.write_all(b"hello\n").expect("writes");
    let accepting = tokio::spawn(listening.accept_first());
    assert_eq!(refusal(&bus).await.0, Refusal::NotTls);
    let options = ConnectOptions { tls: Some(client()), ..ConnectOptions::default() };
    let mut client =
        Client::new(Addr::from(addr)).expect("good").with_options(options).connect().await.expect("connects");
    let mut accepted: Stream = within("the client", accepting).await.expect("no panic").expect("accepts");
    client.write_all(b"hello").await.expect("writes");
    assert_eq!(accepted.chunk().await.expect("reads").as_deref(), Some(&b"hello"[..]));
    assert_eq!(refusal(&bus).await.0, Refusal::MaxSessions, "the silent one");
}

#[tokio::test]
async fn however_many_are_silent_the_client_of_who_listens_for_one_is_not_held_up() {
    let (bus, observers) = watched();
    // Far longer than the client waits.
    let tls = ServerTls::new(&ServerTlsOptions { handshake_timeout: Duration::from_secs(600), ..local() });
    let options = ServerOptions { tls: Some(tls.expect("good")), ..ServerOptions::default() };
    let loopback = Addr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listening = Server::bind_with(loopback, options, observers).await.expect("binds");
    let addr = listening.local_addrs()[0].socket_addr().expect("numbers");
    let accepting = tokio::spawn(listening.accept_first());
    let _silent: Vec<_> = (0..100).map(|_| connect(addr)).collect();
    let options = ConnectOptions { tls: Some(client()), ..ConnectOptions::default() };
    let connecting = Client::new(Addr::from(addr)).expect("good").with_options(options).connect().await;
    let _client = connecting.expect("connects");
    let _accepted: Stream = within("the client", accepting).await.expect("no panic").expect("accepts");
    // Those that came first made room, and the others were still on the way.
    let mut reasons = Vec::new();
    for _ in 0..100 {
        reasons.push(refusal(&bus).await.0);
    }
    let made_room = reasons.iter().filter(|reason| **reason == Refusal::MaxConnections).count();
    let behind = reasons.iter().filter(|reason| **reason == Refusal::MaxSessions).count();
    assert_eq!((made_room, behind), (37, 63));
}

#[tokio::test]
async fn sessions_count_once_their_handshake_is_done() {
    let options = ServerOptions { tls: Some(server()), sessions: Some(1), ..ServerOptions::default() };
    let (running, addr, bus) = echoing(options).await;
    let mut plain = connect(addr);
    plain.write_all(b"hello\n").expect("writes");
    assert_eq!(refusal(&bus).await.0, Refusal::NotTls);
    greets(addr).await;
    let report = within("it is over", running.finished()).await;
    assert_eq!(report.expect("no failure").sessions, 1);
}
