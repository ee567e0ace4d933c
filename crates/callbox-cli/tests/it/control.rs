//! Relays steered while they run: toxiproxy's published clients unchanged, and who may not steer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use callbox_testkit::{
    Callbox, Peer, Process, Scratch, Script, assert_same_bytes, eventually, patience, pattern, quick, requires, skip,
};
use serde_json::{Value, json};

use crate::cli::{callbox, served};

/// Starts `callbox relay --control 127.0.0.1:0 WORDS` and returns it with the address it is steered at.
pub(crate) fn steered<'a>(words: impl IntoIterator<Item = &'a str>) -> (Process, SocketAddr) {
    let relay = callbox(["relay", "--control", "127.0.0.1:0"]).args(words).start();
    relay.says("control on http://");
    let address = eventually("the address of the control API", patience(), || {
        let said = relay.errors().text();
        let line = said.split("control on http://").nth(1).and_then(|rest| rest.split_once('\n'));
        line.and_then(|(address, _)| address.trim().parse().ok()).ok_or(said)
    });
    (relay, address)
}

/// Sends a request as it is and returns status and body.
fn send(control: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(control).expect("connects");
    stream.set_read_timeout(Some(patience())).expect("a socket");
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or_else(|| panic!("a status in {answer:?}")), body.to_owned())
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Asks as a client does.
pub(crate) fn ask(control: SocketAddr, method: &str, path: &str, body: impl ToString) -> (u16, Value) {
    let headers = format!("Host: {control}\r\nContent-Type: application/json\r\n");
    let (status, body) = send(control, &request(method, path, &headers, &body.to_string()));
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

/// Makes the relay `echo` and returns where it listens.
pub(crate) fn relay_to(control: SocketAddr, upstream: SocketAddr) -> SocketAddr {
    let sent = json!({"name": "echo", "listen": "127.0.0.1:0", "upstream": upstream.to_string()});
    let (status, made) = ask(control, "POST", "/proxies", sent);
    assert_eq!(status, 201, "{made}");
    made["listen"].as_str().and_then(|listen| listen.parse().ok()).unwrap_or_else(|| panic!("an address in {made}"))
}

/// The program of a client, in the folder `tests/control`.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control").join(name)
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

#[test]
fn the_python_client_of_toxiproxy_works_unchanged() {
    let Some(python) = named("CALLBOX_TOXIPROXY_PYTHON") else {
        skip!("needs toxiproxy-python: CALLBOX_TOXIPROXY_PYTHON is to name a Python that has it (`cargo xtask test`)")
    };
    let (_relay, control) = steered([]);
    let client = Callbox::new(python).env("PYTHONDONTWRITEBYTECODE", "1").arg(program("client.py"));
    client.arg(format!("http://{control}")).run().exited(0).wrote("done\n");
}

#[test]
fn the_node_client_of_toxiproxy_works_unchanged() {
    let Some(modules) = named("CALLBOX_TOXIPROXY_NODE") else {
        skip!("needs toxiproxy-node-client: CALLBOX_TOXIPROXY_NODE is to name its folder (`cargo xtask test`)")
    };
    requires!(tool("node"));
    let (_relay, control) = steered([]);
    let client = Callbox::new("node").env("NODE_PATH", modules).arg(program("client.js"));
    client.arg(format!("http://{control}")).run().exited(0).wrote("done\n");
}

#[test]
fn row_109_faults_that_come_and_go_lose_and_reorder_nothing() {
    let (_server, upstream) = served(["--echo"]);
    let (_relay, control) = steered([]);
    let listen = relay_to(control, upstream);
    let over = Arc::new(AtomicBool::new(false));
    let flipping = Script::runs({
        let over = over.clone();
        move || {
            let toxics = [
                json!({"type": "latency", "attributes": {"latency": 2, "jitter": 1}}),
                json!({"type": "slicer", "stream": "upstream", "attributes": {"average_size": 100, "size_variation": 50}}),
                json!({"type": "bandwidth", "attributes": {"rate": 20_000}}),
            ];
            let mut flips = 0;
            while !over.load(Relaxed) {
                let toxic = &toxics[flips % toxics.len()];
                let (status, added) = ask(control, "POST", "/proxies/echo/toxics", toxic);
                assert_eq!(status, 200, "{added}");
                let name = added["name"].as_str().expect("a name").to_owned();
                assert_eq!(ask(control, "DELETE", &format!("/proxies/echo/toxics/{name}"), "").0, 204);
                flips += 1;
            }
            flips
        }
    });
    let sent = pattern(if quick() { 1 << 20 } else { 8 << 20 }, 109);
    let mut peer = Peer::connects(listen);
    let mut writing = peer.twin();
    let writer = Script::runs({
        let sent = sent.clone();
        move || {
            sent.chunks(1000).for_each(|chunk| {
                writing.sends(chunk);
            });
            writing.ends();
        }
    });
    let received = peer.reads_to_end();
    over.store(true, Relaxed);
    writer.joins();
    assert_same_bytes("what came back", &sent, &received);
    assert!(flipping.joins() > 0, "nothing was flipped meanwhile");
}

#[test]
fn row_110_a_lossy_fault_takes_what_it_promises_and_its_removal_leaves_no_hole() {
    let (_server, upstream) = served(["--echo"]);
    let (_relay, control) = steered([]);
    let listen = relay_to(control, upstream);
    for limit in [1, 1000, 100_000] {
        let toxic = json!({"name": "limit", "type": "limit_data", "attributes": {"bytes": limit}});
        assert_eq!(ask(control, "POST", "/proxies/echo/toxics", toxic).0, 200);
        let sent = pattern(200_000, 110);
        let peer = Peer::connects(listen);
        let writing = peer.twin();
        // The relay closes while it writes.
        let writer = Script::runs({
            let sent = sent.clone();
            move || drop(writing.stream().write_all(&sent).and_then(|()| writing.stream().flush()))
        });
        let mut received = Vec::new();
        let _ = peer.stream().read_to_end(&mut received);
        peer.closes();
        writer.joins();
        assert_same_bytes("up to the limit", &sent[..limit], &received);
        assert_eq!(ask(control, "DELETE", "/proxies/echo/toxics/limit", "").0, 204);
    }
    let toxic = json!({"name": "hole", "type": "timeout", "attributes": {"timeout": 0}});
    assert_eq!(ask(control, "POST", "/proxies/echo/toxics", toxic).0, 200);
    let mut peer = Peer::connects(listen);
    peer.sends("swallowed").hears_nothing_for(Duration::from_millis(100));
    assert_eq!(ask(control, "DELETE", "/proxies/echo/toxics/hole", "").0, 204);
    let mut rest = Vec::new();
    let _ = peer.stream().read_to_end(&mut rest);
    assert_eq!(rest, b"", "the connection ends, it does not go on with a hole");
}

#[test]
fn row_112_a_flood_of_the_control_api_leaves_sessions_alone() {
    let (_server, upstream) = served(["--echo"]);
    let (_relay, control) = steered([]);
    let mut peer = Peer::connects(relay_to(control, upstream));
    let mut flood = Vec::new();
    for number in 0..if quick() { 100 } else { 1000 } {
        let Ok(mut stream) = TcpStream::connect_timeout(&control, Duration::from_millis(50)) else { break };
        let half: &[u8] = match number % 3 {
            0 => b"GET /vers",
            1 => b"POST /populate HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n[",
            _ => b"\0\xff\r\n\r\n{{{{",
        };
        // Bad ones are closed at once.
        let _ = stream.write_all(half);
        flood.push(stream);
    }
    assert!(flood.len() > 64, "{} connections are no flood", flood.len());
    let mut slowest = Duration::ZERO;
    for number in 0..200 {
        let started = Instant::now();
        peer.sends(format!("{number:08}")).expects(format!("{number:08}"));
        slowest = slowest.max(started.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "a round trip took {slowest:?}");
    drop(flood);
    assert_eq!(ask(control, "GET", "/proxies/echo", "").0, 200);
}

#[test]
fn row_113_what_a_page_can_send_is_refused_and_changes_nothing() {
    let (_relay, control) = steered([]);
    let upstream = callbox_testkit::free_address();
    relay_to(control, upstream);
    let before = ask(control, "GET", "/proxies", "");
    let (host, port) = (format!("Host: {control}\r\n"), control.port());
    let marks = [
        (403, format!("{host}Origin: http://attacker.example\r\n")),
        (403, format!("{host}Origin: null\r\nContent-Type: text/plain\r\n")),
        (403, format!("{host}Origin: http://localhost:{port}\r\n")),
        (403, format!("{host}Referer: http://attacker.example/page\r\n")),
        (403, format!("{host}Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n")),
        (403, format!("{host}User-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0\r\n")),
        (403, format!("{host}Origin: http://attacker.example\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n")),
        (421, format!("Host: localhost.attacker.com:{port}\r\n")),
        (421, "Host: attacker.example\r\n".to_owned()),
        (421, format!("Host: 127.0.0.1:{}\r\n", port ^ 1)),
    ];
    let made = json!({"name": "two", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"}).to_string();
    let wishes = [
        ("POST", "/proxies", made.as_str()),
        ("DELETE", "/proxies/echo", ""),
        ("POST", "/reset", ""),
        ("OPTIONS", "/", ""),
    ];
    for (code, headers) in &marks {
        for (method, path, body) in wishes {
            let (status, said) = send(control, &request(method, path, headers, body));
            assert_eq!(status, *code, "{method} {path} {headers}: {said}");
        }
    }
    assert_eq!(ask(control, "GET", "/proxies", ""), before);
}

#[test]
fn only_loopback_steers() {
    for address in ["0.0.0.0:0", "*:0", "192.0.2.1:0"] {
        let outcome = callbox(["relay", "--control", address]).run().exited(2);
        outcome.said("only on loopback");
    }
}

#[test]
fn a_configuration_of_toxiproxy_is_taken_as_it_is() {
    let (_server, upstream) = served(["--echo"]);
    let scratch = Scratch::new();
    let file = scratch.join("toxiproxy.json");
    let text = json!([
        {"name": "on", "listen": "127.0.0.1:0", "upstream": upstream.to_string(), "enabled": true},
        {"name": "off", "listen": "127.0.0.1:0", "upstream": upstream.to_string(), "enabled": false},
    ]);
    std::fs::write(&file, text.to_string()).expect("writes");
    let (_relay, control) = steered(["--config", file.to_str().expect("a path in UTF-8")]);
    let (_, proxies) = ask(control, "GET", "/proxies", "");
    assert_eq!((&proxies["on"]["enabled"], &proxies["off"]["enabled"]), (&json!(true), &json!(false)));
    let listen: SocketAddr = proxies["on"]["listen"].as_str().expect("a text").parse().expect("an address");
    Peer::connects(listen).sends("hello").expects("hello");
}
