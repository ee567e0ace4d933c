//! TLS: what is agreed on, both ways, through relays, in every command (rows 27, 58, 59).

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use callbox_testkit::{
    Callbox, Certificates, Input, Leaf, Pair, Peer, Process, Scratch, Server, Signal, pattern, quick, requires, scaled,
};

use crate::cli::{callbox, started};

/// Returns a path as an argument.
pub(crate) fn word(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

/// Prepares `COMMAND 127.0.0.1:0 --tls` with this certificate.
pub(crate) fn secured(command: &str, pair: &Pair) -> Callbox {
    callbox([command, "127.0.0.1:0", "--tls", "--cert", word(&pair.cert), "--key", word(&pair.key)])
}

/// Starts it with more words, and returns its address.
pub(crate) fn serves<'a>(server: Callbox, words: impl IntoIterator<Item = &'a str>) -> (Process, SocketAddr) {
    let scratch = Scratch::new();
    let path = scratch.join("ready");
    started(server.args(["--ready-file", word(&path)]).args(words), &path)
}

/// Prepares `connect tls://ADDRESS` that believes the CA.
pub(crate) fn to<'a>(address: SocketAddr, made: &Certificates, words: impl IntoIterator<Item = &'a str>) -> Callbox {
    callbox(["connect", &format!("tls://{address}"), "--ca", word(made.ca())]).args(words)
}

#[test]
fn what_is_sent_arrives_both_ways_and_each_side_tells_what_was_agreed_on() {
    let made = Certificates::of("CA of the test");
    let pair = made.make("server", &Leaf::default());
    let (server, address) = serves(secured("serve", &pair), ["--echo", "--alpn", "h2,http/1.1", "--json"]);
    let client = to(address, &made, ["--send", "hello", "--alpn", "http/1.1", "--sni", "localhost", "--json"]).run();
    let ledger = client.exited(0).ledger();
    let agreed = ledger.balances().the("tls");
    assert_eq!(agreed["version"], "1.3");
    assert_eq!(agreed["alpn"], "http/1.1");
    assert_eq!(agreed["server_name"], "localhost");
    assert_eq!(agreed["trust"], "roots");
    assert_eq!(agreed["resumed"], false);
    assert_eq!(agreed["chain"][0]["subject"], "CN=server");
    assert_eq!(agreed["chain"][0]["names"], serde_json::json!(["localhost", "127.0.0.1"]));
    assert_eq!(ledger.bytes("to_client"), b"hello");
    assert!(ledger.the("connected")["tls_us"].as_u64().is_some_and(|time| time > 0));
    let ledger = server.drains().ledger();
    let agreed = ledger.balances().the("tls");
    assert_eq!((&agreed["role"], &agreed["server_name"]), (&"server".into(), &"localhost".into()));
    assert_eq!((&agreed["trust"], agreed["chain"].as_array().map(Vec::len)), (&"nothing".into(), Some(0)));
    assert_eq!(ledger.bytes("to_server"), b"hello");
}

#[test]
fn a_person_reads_it_in_a_line_and_a_line_a_certificate() {
    let made = Certificates::of("CA of the test");
    let pair = made.make("server", &Leaf { until_days: 7, ..Leaf::default() });
    let (server, address) = serves(secured("serve", &pair), ["-v", "--tls-expiry-warn", "14d"]);
    to(address, &made, ["--send", "hello", "-v", "--tls-max", "1.2", "--tls-expiry-warn", "14d"])
        .run()
        .exited(0)
        .said("#1 TLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_")
        .said("X25519, verified\n")
        .said("#1   certificate CN=server, for localhost, 127.0.0.1, signed by CN=CA of the test, valid until ")
        .said("(6 days left), sha256:")
        .said("callbox: warning: the server's certificate CN=server expires in 6 days, on ");
    to(address, &made, ["--send", "hello", "-q", "--tls-expiry-warn", "14d"]).run().exited(0).said("warning");
    to(address, &made, ["--send", "hello", "-v", "--tls-expiry-warn", "2d"]).run().exited(0).never_said("warning");
    server
        .drains()
        .said("callbox: warning: our own certificate CN=server expires in 6 days, on ")
        .said(&format!("connect {address} --tls --pin sha256:"))
        .said("#1 TLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_");
}

#[test]
fn large_streams_pass_whole_in_both_versions() {
    const BYTES: usize = 3 << 20;
    let made = Certificates::of("CA");
    let (server, address) = serves(secured("serve", &made.make("server", &Leaf::default())), ["--echo", "-q"]);
    let file = made.join("bytes");
    let sent = pattern(BYTES, 7);
    std::fs::write(&file, &sent).expect("a file");
    for version in ["1.2", "1.3"] {
        let words = ["--send-file", word(&file), "--tls-min", version, "--tls-max", version];
        let outcome = to(address, &made, words).run().exited(0);
        callbox_testkit::assert_same_bytes(version, &sent, &outcome.stdout);
    }
    server.drains();
}

#[test]
fn expectations_programs_and_half_close_are_as_without() {
    let made = Certificates::of("CA");
    let pair = made.make("server", &Leaf::default());
    let (server, address) = serves(secured("serve", &pair), ["--exec", "sh", "-c", "sort; echo done"]);
    let client = to(address, &made, ["--send", "b\\na\\n", "--expect", "done"]).run().exited(0);
    client.wrote("a\nb\ndone\n");
    server.drains();
}

#[test]
fn listen_takes_one_client_and_the_first_who_speaks_tls() {
    let made = Certificates::of("CA");
    let pair = made.make("server", &Leaf::default());
    let (listener, address) = serves(secured("listen", &pair), ["--send", "welcome", "--json"]);
    to(address, &made, ["--send", "hello"]).run().exited(0).wrote("welcome");
    let ledger = listener.exits(0).ledger();
    assert_eq!(ledger.bytes("to_server"), b"hello");
    assert_eq!(ledger.the("tls")["role"], "server");
}

#[test]
fn a_relay_ends_tls_and_begins_it_again_so_that_bytes_are_seen_and_bent() {
    let made = Certificates::of("CA");
    let (front, back) = (made.make("front", &Leaf::default()), made.make("back", &Leaf::default()));
    let (server, behind) = serves(secured("serve", &back), ["--echo", "-q"]);
    let relay = ["relay", "127.0.0.1:0", &format!("tls://{behind}"), "--tls", "--ca", word(made.ca())];
    let relay = callbox(relay).args(["--cert", word(&front.cert), "--key", word(&front.key)]);
    let (relay, address) = serves(relay, ["--show", "text", "-v", "--fault", "latency=1ms"]);
    to(address, &made, ["--send", "hello", "--expect", "hello"]).run().exited(0);
    relay
        .drains()
        .said(&format!("relaying to tls://{behind}\n"))
        .said(&format!("#1 connected to {behind} ("))
        .said(", verified\n")
        .said("latency")
        .showed("#1 > hello\n")
        .showed("#1 >> hello\n");
    server.drains();
}

#[test]
fn a_relay_speaks_tls_on_the_side_that_is_asked_for_alone() {
    let made = Certificates::of("CA");
    let pair = made.make("server", &Leaf::default());
    let (server, behind) = serves(secured("serve", &pair), ["--echo", "-q"]);
    let upstream = ["relay", "127.0.0.1:0", &behind.to_string(), "--tls-upstream", "--ca", word(made.ca()), "-q"];
    let (inner, plain) = serves(callbox(upstream), []);
    Peer::connects(plain).sends("hello").expects("hello").ends().expects_end();
    let outer = ["relay", "tls://127.0.0.1:0", &plain.to_string(), "--cert", word(&pair.cert), "--key"];
    let (outer, address) = serves(callbox(outer).arg(&pair.key), ["-q"]);
    to(address, &made, ["--send", "hello"]).run().exited(0).wrote("hello");
    for process in [outer, inner, server] {
        process.drains();
    }
}

#[test]
fn an_upstream_that_is_not_believed_is_told_by_name_and_the_client_is_reset() {
    let made = Certificates::of("CA");
    let (server, behind) = serves(secured("serve", &made.make("server", &Leaf::default())), ["-q"]);
    let other = Certificates::of("another CA");
    let relay = callbox(["relay", "127.0.0.1:0", &format!("tls://{behind}"), "--ca", word(other.ca()), "--json"]);
    let (relay, address) = serves(relay, []);
    Peer::meets_reset(address);
    let ledger = relay.drains().ledger();
    let error = ledger.balances().the("error");
    assert_eq!((&error["kind"], &error["exit"]), (&"tls".into(), &4.into()));
    assert_eq!(ledger.the("closed")["termination"], "upstream_failed");
    server.drains();
}

#[test]
fn protocols_that_only_one_side_speaks_are_refused() {
    let made = Certificates::of("CA");
    let (server, address) = serves(secured("serve", &made.make("server", &Leaf::default())), ["--alpn", "h2"]);
    to(address, &made, ["--send", "x", "--alpn", "smtp"]).run().exited(4).said("ALPN");
    to(address, &made, ["--send", "x"]).run().exited(0);
    server.drains().said("refused a connection: tls from 127.0.0.1:").said("(ALPN)");
}

#[test]
fn versions_that_only_one_side_speaks_are_refused() {
    let made = Certificates::of("CA");
    let (server, address) = serves(secured("serve", &made.make("server", &Leaf::default())), ["--tls-min", "1.3"]);
    to(address, &made, ["--send", "x", "--tls-max", "1.2"]).run().exited(4).said("TLS handshake");
    server.drains().said("refused a connection: tls from 127.0.0.1:").said("versions of TLS");
}

#[test]
fn secrets_are_appended_to_a_file_that_nobody_else_reads() {
    use std::os::unix::fs::PermissionsExt;

    let made = Certificates::of("CA");
    let (server, address) = serves(secured("serve", &made.make("server", &Leaf::default())), ["-q"]);
    let file = made.join("secrets");
    let client = to(address, &made, ["--send", "x", "--tls-keylog", word(&file)]).run().exited(0);
    client.said("whoever has that file can read these connections");
    let one = std::fs::read_to_string(&file).expect("the file");
    assert!(one.lines().all(|line| line.split(' ').count() == 3), "{one}");
    assert!(one.contains("CLIENT_TRAFFIC_SECRET_0 "), "{one}");
    assert_eq!(std::fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    let again = to(address, &made, ["--send", "x", "--tls-max", "1.2", "--tls-keylog"]).env("SSLKEYLOGFILE", &file);
    again.run().exited(0);
    let both = std::fs::read_to_string(&file).expect("the file");
    assert!(both.starts_with(&one) && both[one.len()..].starts_with("CLIENT_RANDOM "), "{both}");
    to(address, &made, ["--tls-keylog"]).env_unset("SSLKEYLOGFILE").run().exited(2).said("SSLKEYLOGFILE is not set");
    server.drains();
}

#[test]
fn row_58_a_stream_that_ends_without_its_word_is_truncated_and_what_came_is_kept() {
    let made = Certificates::of("CA");
    let pair = made.make("server", &Leaf::default());
    let (listener, address) =
        serves(secured("listen", &pair), ["--show", "raw", "--explain", "-v", "--send", "hi", "--no-shutdown"]);
    let mut client = to(address, &made, []).input(Input::Piped).start();
    // What is left unread would make its end a reset: so everything has come, also what TLS has to say.
    client.types("half a mess").shows("hi");
    listener.shows("half a mess");
    client.signal(Signal::KILL);
    listener
        .exits(5)
        .wrote("half a mess")
        .said("#1 closed: the connection ended without TLS's close_notify")
        .said("ended the connection without TLS's own word for the end (close_notify)")
        .said("bytes may be missing");
    let (server, address) = serves(secured("serve", &pair), ["--echo", "-q"]);
    let mut client = to(address, &made, ["--json"]).input(Input::Piped).start();
    client.types("hello");
    client.event("data", |event| event["direction"] == "to_client");
    server.signal(Signal::KILL);
    let ledger = client.ends_with_input_open().exited(5).ledger();
    assert_eq!(ledger.the("closed")["termination"], "tls_truncated");
    assert_eq!(ledger.the("error")["exit"], 5);
    assert_eq!(ledger.bytes("to_client"), b"hello");
}

#[test]
fn row_59_plain_text_to_a_tls_port_is_one_clear_line() {
    let made = Certificates::of("CA");
    let (server, address) = serves(secured("serve", &made.make("server", &Leaf::default())), ["--json"]);
    let mut peer = Peer::connects(address);
    peer.sends("GET / HTTP/1.0\r\n\r\n").ends().reads_to_end();
    let refused = server.event("refused", |_| true);
    assert_eq!(refused["reason"], "not_tls");
    assert_eq!(refused["message"], "the client does not speak TLS: it sent \"GET / HTTP/1.0\"...");
    let ledger = server.drains().ledger();
    assert_eq!(ledger.balances().summary()["limits"]["not_tls"], 1);
}

#[test]
fn row_59_tls_to_a_plain_port_is_one_clear_line_with_a_hint() {
    let server = Server::binds();
    let client = callbox(["connect", &format!("tls://{}", server.address()), "--send", "x"]).start();
    let mut peer = server.accepts();
    peer.sends("220 mail.test ESMTP\r\n");
    let outcome = client.exits(4);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    let said = "the server does not speak TLS here: it sent \"220 mail.test ESMTP\"...";
    assert_eq!(lines[0], format!("callbox: TLS handshake {}: {said}", server.address()));
    assert_eq!(lines[1..], ["hint: to talk to it without TLS, leave --tls and tls:// out"]);
}

#[test]
fn row_27_slow_handshakes_end_at_their_deadline_and_others_are_served() {
    const LIMIT: Duration = Duration::from_secs(1);
    let count = if quick() { 50 } else { 500 };
    requires!(descriptors(2 * count + 200));
    let made = Certificates::of("CA");
    let words = ["--tls-handshake-timeout", "1s", "--echo", "--json"];
    let (server, address) = serves(secured("serve", &made.make("server", &Leaf::default())), words);
    let mut slow: Vec<_> = (0..count).map(|_| Peer::connects(address)).collect();
    let begun = Instant::now();
    for (number, peer) in slow.iter_mut().enumerate() {
        // A record's first byte, and for every second one its head and a little of what it declares.
        let begin: &[u8] = if number % 2 == 0 { &[0x16] } else { &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3] };
        peer.sends(begin);
    }
    to(address, &made, ["--send", "hello"]).run().exited(0).wrote("hello");
    assert!(begun.elapsed() < scaled(LIMIT), "served while the others are awaited");
    let mut one_more = Peer::connects(address);
    // Bytes that arrive move no deadline.
    for byte in [0x16, 3, 1, 2] {
        one_more.sends([byte]).hears_nothing_for(LIMIT / 8);
    }
    for mut peer in slow {
        peer.expects_reset();
    }
    one_more.expects_reset();
    server.events_where("refused", count as usize + 1, |event| {
        event["reason"] == "handshake_timeout" && event["message"] == "not done within 1 s"
    });
    server.drains();
}

#[test]
fn a_server_that_never_answers_a_handshake_ends_it_in_its_time() {
    let made = Certificates::of("CA");
    let silent = Server::binds();
    let client = to(silent.address(), &made, ["--send", "x", "--tls-handshake-timeout", "200ms"]).start();
    let _peer = silent.accepts();
    client.exits(4).said("not done within 200 ms");
}

#[test]
fn the_header_of_a_proxy_comes_before_tls() {
    let made = Certificates::of("CA");
    let pair = made.make("server", &Leaf::default());
    let (server, behind) = serves(secured("serve", &pair), ["--accept-proxy", "--json"]);
    let words = ["relay", "127.0.0.1:0", &format!("tls://{behind}"), "--ca", word(made.ca()), "--send-proxy", "v2"];
    let (relay, address) = serves(callbox(words), ["-q"]);
    let mut client = Peer::connects(address);
    let from = client.local().to_string();
    client.sends("hello").expects("thank you !").ends().expects_end();
    relay.drains();
    let ledger = server.drains().ledger();
    assert_eq!(ledger.balances().the("connected")["peer"], from.as_str());
    assert_eq!(ledger.the("tls")["role"], "server");
}

#[test]
fn a_mirror_speaks_tls_for_itself() {
    let made = Certificates::of("CA");
    let (mirrored, copies) = serves(secured("serve", &made.make("server", &Leaf::default())), ["--echo", "--json"]);
    let (server, behind) = serves(callbox(["serve", "127.0.0.1:0", "--echo"]), ["-q"]);
    let mirror = format!("tls://{copies}");
    let relay = ["relay", "127.0.0.1:0", &behind.to_string(), "--mirror", &mirror, "--ca", word(made.ca()), "-v"];
    let (relay, address) = serves(callbox(relay), []);
    Peer::connects(address).sends("hello").expects("hello").ends().expects_end();
    relay.says("mirror: same");
    relay.drains();
    assert_eq!(mirrored.drains().ledger().bytes("to_server"), b"hello");
    server.drains();
}
