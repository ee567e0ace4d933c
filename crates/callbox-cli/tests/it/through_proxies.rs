//! Through proxies: those that a test plays, and real ones (row 32).

use std::net::SocketAddr;

use callbox_testkit::skip::find_tool;
use callbox_testkit::{
    Callbox, Peer, Process, Scratch, Script, assert_same_bytes, eventually, free_address, patience, pattern, quick,
    requires,
};

use crate::cli::{callbox, served};

const BOUND: [u8; 10] = [5, 0, 0, 1, 127, 0, 0, 1, 0, 80];

/// Prepares `callbox connect TARGET --proxy PROXY... WORDS`, with nothing of the machine's own proxies.
fn connect<const N: usize>(target: &str, proxies: [&str; N], words: &[&str]) -> Callbox {
    let proxies = proxies.iter().flat_map(|proxy| ["--proxy", proxy]);
    let command = callbox(["connect", target]).args(proxies).args(words);
    ["all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"]
        .iter()
        .fold(command, |command, name| command.env_unset(name))
}

/// Reads a head of HTTP.
fn head(peer: &mut Peer) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(peer.reads_some(1).expect("a head"));
        assert!(head.len() < 4096, "{}", head.escape_ascii());
    }
    String::from_utf8(head).expect("text")
}

#[test]
fn row_32_what_the_server_says_early_is_not_lost_behind_the_answer_of_a_proxy() {
    let banner = pattern(600, 32);
    let step = if quick() { 37 } else { 7 };
    for (scheme, question, answer) in [
        ("socks5h", &b"\x05\x01\0"[..], [&[5, 0][..], &BOUND].concat()),
        ("socks4a", b"\x04\x01\0\x07\0\0\0\x01\0a.example\0", vec![0, 90, 0, 0, 0, 0, 0, 0]),
        ("http", b"CONNECT a.example:7 HTTP/1.1\r\nHost: a.example:7\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
    ] {
        let whole = [answer.as_slice(), &banner].concat();
        for split in (0..whole.len()).step_by(step) {
            let whole = whole.clone();
            let (address, proxy) = Script::serves(move |mut peer| {
                peer.expects(question).sends(&whole[..split]);
                // Answered before it was asked: only the bytes count here, wherever they are cut.
                peer.sends(&whole[split..]).ends();
                peer.reads_to_end()
            });
            let output = connect("a.example:7", [&format!("{scheme}://{address}")], &["--send", "hi"]).run().exited(0);
            assert_same_bytes(&format!("{scheme} split at {split}"), &banner, &output.stdout);
            let said = proxy.joins();
            assert!(said.ends_with(b"hi"), "{}", said.escape_ascii());
        }
    }
}

#[test]
fn v_and_json_tell_the_way_and_never_the_password() {
    let part = |mut peer: Peer| {
        peer.expects([5, 2, 0, 2]).sends([5, 2]).expects(b"\x01\x04anna\x06secret").sends([1, 0]);
        peer.expects(b"\x05\x01\0\x03\x09a.example\0\x07").sends(BOUND).ends();
        peer.expects_end();
    };
    let (address, proxy) = Script::serves(part);
    let url = format!("socks5h://anna:secret@{address}");
    let outcome = connect("a.example:7", [&url], &["-vv", "--send", ""]).run().exited(0);
    let said = format!("connected to a.example:7 through socks5h://{address} (resolve ");
    let outcome = outcome.said(&said).said(", proxy ").never_said("secret").never_said("anna");
    drop(outcome);
    proxy.joins();
    let (address, proxy) = Script::serves(part);
    let url = format!("socks5h://anna:secret@{address}");
    let outcome = connect("a.example:7", [&url], &["--json", "--send", ""]).run().exited(0);
    let ledger = outcome.ledger();
    let connected = ledger.the("connected");
    assert_eq!(connected["peer"], "a.example:7");
    assert_eq!(connected["through"], format!("socks5h://{address}").as_str());
    assert!(connected["proxy_us"].is_u64(), "{connected}");
    assert!(!String::from_utf8_lossy(&outcome.stdout).contains("secret"));
    proxy.joins();
}

#[test]
fn a_proxy_that_says_no_is_exit_4_in_one_line_with_a_hint() {
    for (scheme, question, answer, said, hint) in [
        ("socks5h", &b"\x05\x01\0"[..], &b"\x05\xff"[..], "wants a user and password", "USER:PASSWORD@"),
        (
            "socks4a",
            b"\x04\x01",
            b"\0\x5b\0\0\0\0\0\0",
            "connect a.example:7: rejected or failed",
            "the proxy was reached",
        ),
        (
            "http",
            b"CONNECT ",
            b"HTTP/1.1 403 Forbidden\r\n\r\n",
            "connect a.example:7: HTTP/1.1 403 Forbidden",
            "the proxy was",
        ),
        ("http", b"CONNECT ", b"\x05\xff", "its answer is not HTTP", "socks5h://"),
        ("socks5h", b"\x05\x01\0", b"HTTP/1.1 400 No\r\n", "answers in HTTP, not in SOCKS", "--proxy http://"),
    ] {
        let (address, proxy) = Script::serves(move |mut peer: Peer| {
            peer.expects(question).sends(answer);
            let _ = peer.reads_some(4096);
        });
        let outcome = connect("a.example:7", [&format!("{scheme}://{address}")], &["--send", "x"]).run().exited(4);
        let outcome = outcome.said(&format!("callbox: proxy {scheme}://{address}: {said}\n")).said("hint: ").said(hint);
        assert_eq!(outcome.stderr.lines().count(), 2, "{}", outcome.stderr);
        proxy.joins();
    }
}

#[test]
fn a_proxy_that_is_not_there_is_exit_3() {
    let address = free_address();
    connect("a.example:7", [&format!("http://{address}")], &["--send", "x"])
        .run()
        .exited(3)
        .said(&format!("callbox: connect to proxy {address}: connection refused\n"))
        .said("hint: it is the proxy that does not answer there");
}

#[test]
fn wrong_urls_and_targets_are_exit_2_without_the_password() {
    for (target, proxy, said) in [
        ("a:1", "socks6://anna:secret@h:1", "--proxy: invalid proxy \"socks6://***@h:1\": unknown scheme socks6"),
        ("a:1", "anna:secret@h:1", "--proxy: invalid proxy \"***@h:1\": no scheme"),
        ("unix:/run/x", "http://anna:secret@h:1", "unix:/run/x: no proxy leads there"),
    ] {
        connect(target, [proxy], &[]).run().exited(2).said(said).never_said("secret");
    }
    callbox(["relay", ":0", "unix:/run/x", "--proxy", "socks5://h:1"]).run().exited(2).said("no proxy leads there");
}

#[test]
fn retrying_waits_for_what_is_behind_a_proxy() {
    let listener = callbox_testkit::Server::binds();
    let address = listener.address();
    let proxy = Script::runs(move || {
        for reply in [5, 4, 0] {
            let mut peer = listener.accepts();
            peer.expects([5, 1, 0]).sends([5, 0]).expects(b"\x05\x01\0\x03\x09a.example\0\x07");
            peer.sends([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]);
            if reply == 0 {
                peer.sends("there").ends();
            }
            let _ = peer.reads_some(1);
        }
    });
    let words = ["--send", "", "--retry", "5"];
    connect("a.example:7", [&format!("socks5h://{address}")], &words).run().exited(0).wrote("there");
    proxy.joins();
}

#[test]
fn the_environment_is_heeded_when_it_is_asked_for_and_no_proxy_holds() {
    let (server, target) = served(["--reply", "thank you !"]);
    let nowhere = free_address();
    let target = target.to_string();
    let words = ["--send", "hello", "--count", "1"];
    let with = |command: Callbox| command.env("ALL_PROXY", format!("socks5h://anna:secret@{nowhere}"));
    with(connect(&target, [], &words)).run().exited(0);
    with(connect(&target, ["env"], &words)).run().exited(3).said("connect to proxy ").never_said("secret");
    with(connect(&target, ["env"], &words)).env("NO_PROXY", "x.example, 127.0.0.0/8").run().exited(0);
    connect(&target, ["env"], &words).run().exited(0);
    server.drains();
}

#[test]
fn a_relay_goes_through_a_chain_to_its_upstream() {
    let (address, proxy) = Script::serves(|mut peer| {
        peer.expects([5, 1, 0]).sends([5, 0]).expects(b"\x05\x01\0\x03\x06second\x0c\x38").sends(BOUND);
        assert!(head(&mut peer).starts_with("CONNECT db.example:5432 HTTP/1.1\r\n"));
        peer.sends("HTTP/1.1 200 OK\r\n\r\nearly ").expects("hello").sends("late").ends().expects_end();
    });
    let (first, second) = (format!("socks5h://{address}"), "http://anna:secret@second:3128");
    let relay =
        callbox(["relay", "127.0.0.1:0", "db.example:5432", "-v", "--proxy", &first, "--proxy", second]).start();
    let mut client = Peer::connects(relay.ready());
    client.expects("early ").sends("hello").expects("late").expects_end().ends();
    proxy.joins();
    let way = format!("#1 connected to db.example:5432 through {first}, http://second:3128 (");
    relay.drains().said(&way).never_said("secret");
}

// ---- real ones ----

/// A proxy of the test's own; it ends with the test.
struct Real {
    _process: Process,
    address: SocketAddr,
}

/// Starts a proxy and waits until it listens.
fn real(command: Callbox, address: SocketAddr) -> Real {
    let mut process = command.start();
    eventually("the proxy listening", patience(), || {
        process.still_runs();
        // By the kernel's own table: connecting would be a session.
        let table = std::fs::read_to_string("/proc/net/tcp").map_err(|error| error.to_string())?;
        let SocketAddr::V4(at) = address else { return Err("an IPv4 address".to_owned()) };
        let at = format!(" {:08X}:{:04X} 00000000:0000 0A", u32::from(*at.ip()).swap_bytes(), at.port());
        if table.contains(&at) { Ok(()) } else { Err("not yet".to_owned()) }
    });
    Real { _process: process, address }
}

fn tinyproxy(scratch: &Scratch, settings: &str) -> Real {
    let address = free_address();
    let settings = format!(
        "Listen {}\nPort {}\nTimeout 60\nMaxClients 50\nLogLevel Warning\n{settings}",
        address.ip(),
        address.port()
    );
    let path = scratch.file("tinyproxy.conf", settings);
    let program = find_tool("tinyproxy").expect("was looked for");
    real(Callbox::new(program).args(["-d", "-c"]).arg(path), address)
}

fn danted(scratch: &Scratch, settings: &str) -> Real {
    let address = free_address();
    let settings = format!(
        "logoutput: stderr\ninternal: {} port = {}\nexternal: lo\n{settings}\nuser.unprivileged: nobody\n\
         client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}\nsocks pass {{ from: 127.0.0.0/8 to: 127.0.0.0/8 }}\n",
        address.ip(),
        address.port()
    );
    let path = scratch.file("danted.conf", settings);
    let pid = scratch.join("danted.pid");
    let program = find_tool("danted").expect("was looked for");
    real(Callbox::new(program).arg("-f").arg(path).arg("-p").arg(pid), address)
}

/// Sends a megabyte there and back through `proxy`, and ends first.
#[track_caller]
fn echoes(proxy: &str) {
    let bytes = pattern(if quick() { 1 << 16 } else { 1 << 20 }, 9);
    let (server, echo) = served(["--echo"]);
    let scratch = Scratch::new();
    let file = scratch.file("sent", &bytes);
    let outcome =
        connect(&echo.to_string(), [proxy], &["-v", "--send-file"]).arg(file).run().exited(0).said(" through ");
    assert_same_bytes(proxy, &bytes, &outcome.stdout);
    server.drains().said("served 1 session");
}

/// The same without an end of stream while bytes are on their way: for proxies that close both ways at the first one.
#[track_caller]
fn talks(proxy: &str) {
    let bytes = [pattern(if quick() { 1 << 16 } else { 1 << 20 }, 9).as_slice(), b"that is all"].concat();
    let (server, echo) = served(["--echo"]);
    let scratch = Scratch::new();
    let words = ["-v", "--no-shutdown", "--expect", "that is all", "--send-file"];
    let file = scratch.file("sent", &bytes);
    let outcome = connect(&echo.to_string(), [proxy], &words).arg(file).run().exited(0).said(" through ");
    assert_same_bytes(proxy, &bytes, &outcome.stdout);
    server.drains().said("served 1 session");
}

#[test]
fn digest_is_what_other_hands_compute() {
    requires!(tool("python3"));
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proxies/digest.py");
    for (algorithm, manner) in [("MD5", "keep"), ("SHA-256", "close"), ("MD5-sess", "close"), ("SHA-256-sess", "keep")]
    {
        let proxy = Callbox::new("python3").arg(program).args([algorithm, "an\"na", "se:cret", manner]).start();
        let port = eventually("its port", patience(), || {
            let text = proxy.output().text();
            text.strip_suffix('\n').and_then(|line| line.parse::<u16>().ok()).ok_or(text)
        });
        echoes(&format!("http://an%22na:se%3Acret@127.0.0.1:{port}"));
        let url = format!("http://an%22na:wrong@127.0.0.1:{port}");
        connect("127.0.0.1:9", [&url], &["--send", "x"]).run().exited(4).said("refused the user and password");
    }
}

#[test]
fn tinyproxy_leads_there_with_and_without_a_user() {
    requires!(tool("tinyproxy"));
    let scratch = Scratch::new();
    let open = tinyproxy(&scratch, "");
    talks(&format!("http://{}", open.address));
    let gone = free_address();
    let outcome = connect(&gone.to_string(), [&format!("http://{}", open.address)], &["--send", "x"]).run().exited(4);
    outcome.said(&format!("proxy http://{}: connect {gone}: HTTP/1.", open.address));
    let other = Scratch::new();
    let closed = tinyproxy(&other, "BasicAuth anna secret\n");
    talks(&format!("http://anna:secret@{}", closed.address));
    let target = free_address().to_string();
    let refused = |user: &str| connect(&target, [&format!("http://{user}{}", closed.address)], &["--send", "x"]).run();
    refused("").exited(4).said("wants a user and password");
    let _ = refused("anna:wrong@").exited(4).never_said("wrong@");
}

#[test]
fn dante_leads_there_in_every_version() {
    requires!(root(), tool("danted"));
    let scratch = Scratch::new();
    let proxy = danted(&scratch, "clientmethod: none\nsocksmethod: none");
    for scheme in ["socks5", "socks5h", "socks4", "socks4a"] {
        echoes(&format!("{scheme}://{}", proxy.address));
    }
    let gone = free_address();
    let url = format!("socks5://{}", proxy.address);
    let outcome = connect(&gone.to_string(), [&url], &["--send", "x"]).run().exited(4);
    outcome.said(&format!("proxy {url}: connect {gone}: connection refused"));
    // What its rules forbid.
    let outcome = connect("192.0.2.1:7", [&url], &["--send", "x"]).run().exited(4);
    outcome.said(&format!("proxy {url}: connect 192.0.2.1:7: not allowed by its rules"));
}

#[test]
fn a_chain_of_dante_and_tinyproxy_leads_there() {
    requires!(root(), tool("danted"), tool("tinyproxy"));
    let (one, other) = (Scratch::new(), Scratch::new());
    let first = danted(&one, "clientmethod: none\nsocksmethod: none");
    let second = tinyproxy(&other, "BasicAuth anna secret\n");
    let (server, echo) = served(["--echo"]);
    // tinyproxy closes both ways at the first end of stream.
    let words = ["--send", "hello", "--count", "1", "--no-shutdown"];
    let chain = [&format!("socks5://{}", first.address), &format!("http://anna:secret@{}", second.address)];
    connect(&echo.to_string(), chain.map(String::as_str), &words).run().exited(0).wrote("hello");
    server.drains();
}
