//! The control API from outside, over real HTTP: who is refused, what is too much, and that sessions do not notice.

use std::net::SocketAddr;

use callbox::fixture;
use callbox::frame::Framing;
use callbox::handle::relay::RelayOptions;
use callbox::handle::relay::upstreams::Balance;
use callbox::observers::Observers;
use callbox::server::ServerOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fleet::{Scope, Template, Wanted};
use super::*;

/// A fleet for tests, which avoids these addresses.
pub(super) fn fleet(avoid: &[SocketAddr]) -> Fleet {
    Fleet::new(template(avoid))
}

/// What the relays of such a fleet have in common.
pub(super) fn template(avoid: &[SocketAddr]) -> Template {
    Template {
        server: ServerOptions::default(),
        max_per_ip_exposed: None,
        session_rate: None,
        relay: RelayOptions::default(),
        balance: Balance::default(),
        resolve: callbox::handle::relay::upstreams::Resolve::Each,
        targets: callbox::targets::Targets::default(),
        observers: Observers::none(),
        seed: 1,
        framing: Framing::none(),
        scope: Scope::Loopback,
        avoid: avoid.to_vec(),
        past: fleet::Past::default(),
        failures: tokio::sync::mpsc::channel(1).0,
    }
}

/// What a relay is to be that is called `a` and leads to `upstream`.
pub(super) fn wanted(upstream: impl ToString) -> Wanted {
    Wanted { name: "a".into(), listen: "127.0.0.1:0".into(), upstream: upstream.to_string(), enabled: true }
}

fn served() -> (Control, Fleet, SocketAddr) {
    let listeners = bind(&Addr::parse("127.0.0.1:0").expect("good")).expect("binds");
    let addr = listeners[0].local_addr().expect("bound");
    let fleet = fleet(&[addr]);
    (start(listeners, fleet.clone()).expect("starts"), fleet, addr)
}

/// Sends a request as it is and returns all that comes until the end.
async fn send(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.expect("connects");
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    code.unwrap_or_else(|| panic!("a status in {answer:?}"))
}

fn request(method: &str, path: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

const CREATE: &str = r#"{"name":"b","listen":"127.0.0.1:0","upstream":"127.0.0.1:9"}"#;

/// What a page, a bent name or a browser may send; `HOST` is ours.
const MARKS: [(u16, &[&str]); 10] = [
    (403, &["HOST", "Origin: http://attacker.example"]),
    (403, &["HOST", "Origin: null", "Content-Type: text/plain"]),
    (403, &["HOST", "Referer: http://attacker.example/page"]),
    (403, &["HOST", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"]),
    (403, &["HOST", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0"]),
    (421, &["Host: localhost.attacker.com:PORT"]),
    (421, &["Host: attacker.example"]),
    (421, &["Host: localhost"]),
    (403, &["HOST", "Origin: http://evil.example", "Upgrade: websocket", "Sec-WebSocket-Key: eA=="]),
    (403, &["HOST", "Origin: http://localhost:PORT", "Access-Control-Request-Method: POST"]),
];

/// What they ask for.
const WISHES: [(&str, &str, &str); 4] =
    [("POST", "/proxies", CREATE), ("DELETE", "/proxies/a", ""), ("POST", "/reset", ""), ("OPTIONS", "/proxies", "")];

#[tokio::test]
async fn forty_requests_of_a_hostile_page_change_nothing() {
    let (_control, fleet, addr) = served();
    fleet.create(Wanted { enabled: false, ..wanted("127.0.0.1:9") }).await.expect("made");
    let before = fleet.list().await;
    for (code, marks) in MARKS {
        for (method, path, body) in WISHES {
            let host = format!("Host: {addr}");
            let port = addr.port().to_string();
            let marks: Vec<String> =
                marks.iter().map(|mark| mark.replace("HOST", &host).replace("PORT", &port)).collect();
            let marks: Vec<&str> = marks.iter().map(String::as_str).collect();
            let answer = send(addr, &request(method, path, &marks, body)).await;
            assert_eq!(status(&answer), code, "{method} {path} {marks:?}: {answer}");
            assert!(!answer.to_ascii_lowercase().contains("access-control"), "{answer}");
            assert_eq!(code == 421, answer.ends_with("\r\n\r\n"), "a foreign host is told nothing: {answer}");
        }
    }
    assert_eq!(fleet.list().await, before);
}

#[tokio::test]
async fn clients_are_served_whatever_they_call_their_body() {
    let (control, fleet, addr) = served();
    assert_eq!(control.addrs(), [addr]);
    let host = format!("Host: {addr}");
    let answer = send(addr, &request("POST", "/proxies", &[&host, "Content-Type: text/plain"], CREATE)).await;
    assert_eq!(status(&answer), 201, "{answer}");
    let answer = send(addr, &request("POST", "/reset", &[&host], "")).await;
    assert_eq!(status(&answer), 204, "{answer}");
    let answer = send(addr, "GET /version HTTP/1.0\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\n{\"version\": \"git\"}\n"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("\r\nx-toxiproxy-request-id: "), "{answer}");
    assert!(answer.contains("\r\ncontent-type: application/json;charset=utf-8\r\n"), "{answer}");
    assert_eq!(fleet.list().await.len(), 1);
}

#[tokio::test]
async fn a_chunked_body_counts_like_any_other() {
    let (_control, fleet, addr) = served();
    let (first, second) = CREATE.split_at(20);
    let chunks = format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
    let head =
        format!("POST /proxies HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    let answer = send(addr, &(head + &chunks)).await;
    assert_eq!(status(&answer), 201, "{answer}");
    assert_eq!(fleet.list().await[0].name, "b");
}

#[tokio::test]
async fn what_is_too_long_is_refused() {
    let (_control, _fleet, addr) = served();
    let host = format!("Host: {addr}");
    let long = format!("X-Long: {}", "x".repeat(17 * 1024));
    assert_eq!(status(&send(addr, &request("GET", "/version", &[&host, &long], "")).await), 431);
    let body = " ".repeat((1 << 20) + 1);
    let head =
        format!("POST /populate HTTP/1.1\r\n{host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    // It is told before it has sent all of it.
    let (mut stream, mut answer) = (TcpStream::connect(addr).await.expect("connects"), [0; 12]);
    stream.write_all(head.as_bytes()).await.expect("writes");
    let (mut reading, mut writing) = stream.split();
    let (read, _) = tokio::join!(reading.read_exact(&mut answer), writing.write_all(body.as_bytes()));
    read.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_flood_of_half_sent_requests_leaves_sessions_alone() {
    let (_control, fleet, addr) = served();
    let server = fixture::Server::reply("thank you !");
    let listen = fleet.create(wanted(server.addr())).await.expect("made").listen;
    let mut flood = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(addr).await.expect("connects or is queued");
        let half = if number % 2 == 0 { "GET /vers" } else { "POST /populate HTTP/1.1\r\nContent-Length: 99\r\n\r\n[" };
        stream.write_all(half.as_bytes()).await.expect("writes");
        flood.push(stream);
    }
    for _ in 0..20 {
        let mut stream = TcpStream::connect(&listen).await.expect("connects");
        stream.write_all(b"hello").await.expect("writes");
        let mut answer = [0; 11];
        stream.read_exact(&mut answer).await.expect("reads");
        assert_eq!(&answer, b"thank you !");
    }
    drop(flood);
    let answer = send(addr, &request("GET", "/proxies/a", &[&format!("Host: {addr}")], "")).await;
    assert_eq!(status(&answer), 200, "{answer}");
}

#[test]
fn only_loopback_is_bound() {
    for text in ["0.0.0.0:0", "[::]:0", "*:0", "192.0.2.1:0", "example.com:0", "unix:/s", "fd:3"] {
        let failure = bind(&Addr::parse(text).expect("good")).expect_err(text);
        assert_eq!(failure.code, crate::exit::USAGE, "{text}");
    }
    for text in [":0", "localhost:0", "127.0.0.1:0", "127.9.9.9:0"] {
        let listeners = bind(&Addr::parse(text).expect("good")).expect(text);
        let ports: Vec<u16> = listeners.iter().map(|one| one.local_addr().expect("bound").port()).collect();
        assert!(ports.windows(2).all(|pair| pair[0] == pair[1]), "{ports:?}");
    }
}

#[tokio::test]
async fn relays_must_not_lead_to_what_steers_them() {
    let listeners = bind(&Addr::parse("127.0.0.1:0").expect("good")).expect("binds");
    let refused = start(listeners, fleet(&[])).err().expect("the fleet does not know the address");
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
}
