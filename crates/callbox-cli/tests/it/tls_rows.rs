//! TLS and those who break it: certificates, handshakes and floods of every bad kind (rows 27, 32, 55 to 57, 59, 60, 62).

use std::time::{Duration, Instant};

use callbox_testkit::{Peer, Process, Script, Server, eventually, patience, quick, requires, scaled};

use crate::cli::{callbox, connect, others_were_served, served};
use crate::tls_kit::{kit, line_of};

/// The head of a record with an alert, and the alerts.
const CLOSE_NOTIFY: &[u8] = b"\x15\x03\x03\0\x02\x01\0";
const HANDSHAKE_FAILURE: &[u8] = b"\x15\x03\x03\0\x02\x02\x28";

#[test]
fn row_27_slow_client_hellos_end_at_their_deadline_and_others_are_served() {
    requires!(descriptors(1_000));
    let kit = kit!();
    let hello = kit.client_hello();
    let (server, address) = kit.serves(&["--echo", "-q", "--json", "--tls-handshake-timeout", "3s"]);
    let adapter = kit.client(address, &["--ca", &kit.file("ca.pem")]);
    let mut settled = Peer::connects(adapter.address);
    settled.sends("hello").expects("hello");
    let begun = Instant::now();
    let mut slow: Vec<Peer> = (0..if quick() { 50 } else { 200 }).map(|_| Peer::connects(address)).collect();
    let count = slow.len();
    let mut answers = Vec::new();
    let mut at = 0;
    // From first to last, those who shake hands are served; the slow ones send a byte each round.
    while begun.elapsed() < Duration::from_millis(2_700) {
        if at < hello.len() - 1 && begun.elapsed() > Duration::from_millis(100) * at as u32 {
            for peer in &mut slow {
                peer.sends(&hello[at..=at]);
            }
            at += 1;
        }
        let asked = Instant::now();
        settled.sends("hello").expects("hello");
        answers.push(asked.elapsed());
        let asked = Instant::now();
        Peer::connects(adapter.address).sends("hello").expects("hello").ends().expects_end();
        assert!(asked.elapsed() < scaled(Duration::from_secs(1)), "a handshake among them: {:?}", asked.elapsed());
    }
    settled.ends().expects_end();
    for peer in &mut slow {
        assert_eq!(peer.reads_some(100).unwrap_or_default(), b"", "nothing was agreed on");
    }
    others_were_served(begun.elapsed(), Duration::from_millis(2_900)..Duration::from_secs(6), answers);
    let ledger = server.drains().ledger();
    assert_eq!(ledger.balances().summary()["limits"]["handshake_timeout"], count);
}

#[test]
fn row_32_a_proxy_header_and_a_client_hello_in_one_segment_are_told_apart() {
    let kit = kit!();
    let (server, address) = kit.serves(&["--accept-proxy", "--echo", "--json"]);
    let v1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n".to_vec();
    let signature = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
    let v2 = [&signature[..], &[192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 0x04, 0x01, 0xbb]].concat();
    let mut sessions = 0;
    for header in [v1, v2] {
        let hex: String = header.iter().map(|byte| format!("{byte:02x}")).collect();
        for words in [&["--preface", &hex][..], &["--preface", &hex, "--piece", "1"]] {
            let adapter = kit.client(address, words);
            Peer::connects(adapter.address).sends("hello").expects("hello").ends().expects_end();
            sessions += 1;
        }
    }
    let ledger = server.drains().ledger();
    assert_eq!(ledger.balances().summary()["sessions"], sessions);
    for event in ledger.named("connected") {
        assert_eq!(event["peer"], "192.0.2.1:56324", "{event}");
    }
}

#[test]
fn row_55_a_certificate_that_is_no_good_is_refused_by_name_and_can_be_pinned() {
    let kit = kit!();
    let server = Server::binds();
    let cases = [
        ("expired.pem", "has expired"),
        ("early.pem", "not valid before"),
        ("other-name.pem", "other.example.org"),
        ("self.pem", "self-signed"),
        ("stranger.pem", "not trusted"),
        ("usage.pem", "not for servers"),
    ];
    for (certificate, reason) in cases {
        let adapter = kit.server(server.address(), certificate, &[]);
        let refused = kit.connects(adapter.address, &["--sni", "localhost"]).run().exited(4).wrote("");
        let pin = format!("sha256:{}", kit.sha256(certificate));
        let refused = refused.said(reason).said("--pin").said(&pin);
        assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
        // The server is told by an alert, and none of our bytes has come to it.
        assert!(line_of(&adapter.process, "failed").contains("alert"), "{}", adapter.process.output().text());
        let refused = kit.connects(adapter.address, &["--sni", "localhost", "--json"]).run().exited(4).ledger();
        let error = refused.the("error");
        assert_eq!((&error["kind"], &error["exit"]), (&"tls".into(), &4.into()), "{error}");
        assert_eq!(refused.named("connected").len(), 0, "TLS comes before the session");

        let sends = ["--tls", "--send", "hello", "--pin", &pin];
        let client = connect(adapter.address, sends).start();
        server.accepts().expects("hello").expects_end().sends("thank you !").ends();
        client.exits(0).wrote("thank you !").quietly();
        // The pin of another one is none.
        let other = format!("sha256:{}", kit.sha256("server.pem"));
        connect(adapter.address, ["--tls", "--pin", &other]).run().exited(4).said(&pin);
    }
    // As itself a self-signed one is believed, by its name and while its dates hold.
    let adapter = kit.server(server.address(), "self.pem", &[]);
    let own = kit.file("self.pem");
    let client = connect(adapter.address, ["--tls", "--ca", &own, "--sni", "localhost"]).start();
    server.accepts().expects_end().ends();
    client.exits(0).quietly();
    connect(adapter.address, ["--tls", "--ca", &own, "--sni", "elsewhere.example.org"]).run().exited(4);
    // Nobody is asked whether it has been revoked, so that an answer that cannot be had is no matter.
    let adapter = kit.server(server.address(), "revocable.pem", &[]);
    let client = kit.connects(adapter.address, &["--sni", "localhost"]).input(callbox_testkit::Input::Null).start();
    server.accepts().expects_end().ends();
    client.exits(0).quietly();
    // Whoever says --insecure is told in a line, -q or not.
    let adapter = kit.server(server.address(), "expired.pem", &[]);
    for quiet in [&["-q"][..], &["--json"], &["--json", "-q"]] {
        let client = connect(adapter.address, ["--tls", "--insecure"]).args(quiet).start();
        server.accepts().expects_end().ends();
        let outcome = client.exits(0);
        assert_eq!(outcome.stderr.matches("--insecure: ").count(), 1, "{quiet:?}: {}", outcome.stderr);
    }
}

#[test]
fn row_56_a_handshake_that_stalls_ends_at_five_seconds_and_keeps_nobody_waiting() {
    let kit = kit!();
    let hello = kit.client_hello();
    let (server, address) = kit.serves(&["--echo", "--json"]);
    let adapter = kit.client(address, &["--ca", &kit.file("ca.pem")]);
    let begun = Instant::now();
    let mut silent = Peer::connects(address);
    let mut half = Peer::connects(address);
    half.sends(&hello[..hello.len() / 2]);
    let mut dripping = Peer::connects(address);
    let mut at = 0;
    // Others are served meanwhile, and no byte moves the deadline.
    while begun.elapsed() < Duration::from_millis(4_700) {
        if begun.elapsed() > Duration::from_millis(200) * at as u32 {
            dripping.sends(&hello[at..=at]);
            at += 1;
        }
        let asked = Instant::now();
        Peer::connects(adapter.address).sends("hello").expects("hello").ends().expects_end();
        assert!(asked.elapsed() < scaled(Duration::from_secs(1)), "{:?}", asked.elapsed());
    }
    for peer in [&mut silent, &mut half, &mut dripping] {
        assert_eq!(peer.reads_some(100).unwrap_or_default(), b"");
        let lasted = begun.elapsed();
        assert!(lasted > Duration::from_millis(4_900) && lasted < scaled(Duration::from_secs(7)), "{lasted:?}");
    }
    let refused = server.events_where("refused", 3, |event| event["reason"] == "handshake_timeout");
    assert_eq!(refused.len(), 3);
    server.drains();
}

#[test]
fn row_56_a_server_that_stalls_ends_our_handshake() {
    let server = Server::binds();
    let words = ["--tls", "--insecure", "--tls-handshake-timeout", "700ms"];
    let client = connect(server.address(), words).start();
    let mut peer = server.accepts();
    let begun = Instant::now();
    // Half a ServerHello.
    peer.sends(b"\x16\x03\x03\0\x7a\x02\0\0\x76\x03\x03");
    let outcome = client.ends();
    assert!(begun.elapsed() < scaled(Duration::from_secs(3)), "{:?}", begun.elapsed());
    assert!([4, 124].iter().any(|code| outcome.status.code() == Some(*code)), "{outcome:?}");
    assert!(outcome.stderr.contains("TLS"), "{}", outcome.stderr);
}

#[test]
fn row_56_a_client_hello_in_records_of_a_byte_is_understood() {
    let kit = kit!();
    let hello = kit.client_hello();
    let (server, address) = kit.serves(&["--echo"]);
    let mut peer = Peer::connects(address);
    // The handshake message without its record's head, in records of its own each.
    for byte in &hello[5..] {
        peer.sends([0x16, 3, 1, 0, 1, *byte]);
    }
    let answer = peer.reads_some(6).expect("an answer");
    assert_eq!((answer[0], answer[5]), (0x16, 2), "a ServerHello, not {answer:?}");
    peer.closes();
    server.drains();
}

#[test]
fn row_57_alerts_in_a_handshake_end_it_and_nothing_spins() {
    let kit = kit!();
    let hello = kit.client_hello();
    let (server, address) = kit.serves(&["--echo", "--json", "--tls-handshake-timeout", "2s"]);
    let descriptors = server.reading().descriptors();
    let mut peers = Vec::new();
    for alert in [CLOSE_NOTIFY, HANDSHAKE_FAILURE, b""] {
        for before in [&hello[..0], &hello[..hello.len() / 2], &hello[..]] {
            let mut peer = Peer::connects(address);
            peer.sends([before, alert].concat());
            // Nothing more comes of it, and it stays; with an end of stream where there is no alert.
            if alert.is_empty() {
                peer.ends();
            }
            peers.push(peer);
        }
    }
    // Meanwhile, for those who have said close_notify and stay, and afterwards.
    for _ in 0..2 {
        let busy = server.reading().cpu_percent_over(Duration::from_millis(500));
        assert!(busy < 20.0, "{busy} % of a processor for connections that are over");
        server.events_where("refused", peers.len(), |_| true);
    }
    let adapter = kit.client(address, &[]);
    Peer::connects(adapter.address).sends("hello").expects("hello").ends().expects_end();
    drop(peers);
    eventually("their descriptors are gone", patience(), || {
        let now = server.reading().descriptors();
        if now <= descriptors { Ok(()) } else { Err(format!("{now} instead of {descriptors}")) }
    });
    server.drains();
}

#[test]
fn row_57_alerts_of_a_server_end_our_handshake_and_nothing_spins() {
    // A close_notify says nothing here: who sent it has still to end the stream, or the deadline does.
    for (alert, at_once) in [(CLOSE_NOTIFY, false), (HANDSHAKE_FAILURE, true), (b"", true)] {
        let server = Server::binds();
        let client = connect(server.address(), ["--tls", "--insecure", "--tls-handshake-timeout", "2s"]).start();
        let mut peer = server.accepts();
        assert!(!peer.reads_some(4096).expect("a ClientHello").is_empty());
        let begun = Instant::now();
        peer.sends(alert);
        if alert.is_empty() {
            peer.ends();
        }
        if !at_once {
            let busy = client.reading().cpu_percent_over(Duration::from_millis(500));
            assert!(busy < 20.0, "{busy} % of a processor");
        }
        let outcome = client.exits(4).wrote("");
        let limit = if at_once { Duration::from_millis(1_500) } else { Duration::from_secs(4) };
        assert!(begun.elapsed() < scaled(limit), "{:?}: {outcome:?}", begun.elapsed());
        peer.closes();
    }
}

#[test]
fn row_59_plain_text_on_a_port_of_tls_is_one_clear_line() {
    let kit = kit!();
    for text in ["GET / HTTP/1.0\r\n\r\n", "hello\n", "\0\0\0\0\0\0\0\0", "SSH-2.0-OpenSSH_9.2\r\n"] {
        let (server, address) = kit.serves(&["--echo", "--json"]);
        let mut peer = Peer::connects(address);
        peer.sends(text);
        let refused = server.event("refused", |_| true);
        assert_eq!(refused["reason"], "not_tls", "{text:?}: {refused}");
        peer.closes();
        let summary = server.drains().ledger();
        assert_eq!(summary.balances().summary()["limits"]["not_tls"], 1);
    }
    let (server, address) = kit.serves(&["--echo"]);
    let mut peer = Peer::connects(address);
    peer.sends("GET / HTTP/1.0\r\n\r\n");
    server.says("refused a connection: not_tls from ");
    peer.closes();
    server.drains();
    // listen says it and waits for one that does speak it.
    let server = kit.listens(&[]).start();
    let address = server.ready();
    let mut peer = Peer::connects(address);
    peer.sends("hello\n");
    server.says("refused a connection: not_tls from ");
    peer.closes();
    let adapter = kit.client(address, &[]);
    Peer::connects(adapter.address).sends("a real one").ends();
    server.exits(0).wrote("a real one");
}

#[test]
fn row_59_tls_to_a_port_of_plain_text_is_one_clear_line() {
    for reply in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "220 mail.example.org ESMTP\r\n"] {
        let (plain, _script) = Script::serves(move |mut peer: Peer| {
            peer.sends(reply);
            while peer.reads_some(4096).is_ok_and(|some| !some.is_empty()) {}
        });
        let outcome = connect(plain, ["--tls", "--insecure", "-q"]).run().exited(4).wrote("");
        let said = outcome.stderr.lines().filter(|line| line.starts_with("callbox: ") && !line.contains("--insecure"));
        let said: Vec<_> = said.collect();
        assert!(said.len() == 1 && said[0].contains("TLS"), "{reply:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("hint: "), "{}", outcome.stderr);
    }
    // Our own server, which echoes what we said.
    let (server, address) = served(["--echo"]);
    connect(address, ["--tls", "--insecure"]).run().exited(4);
    server.drains();
}

/// Connects to `client` again and again, each time to be refused; returns the slowest.
fn slowest(rounds: usize, mut once: impl FnMut()) -> Duration {
    let times = (0..rounds).map(|_| {
        let begun = Instant::now();
        once();
        begun.elapsed()
    });
    times.max().unwrap_or_default()
}

/// What a server holds at most, in MiB: with its threads and everything, an idle one has some ten.
fn holds_little(process: &Process) {
    let peak = process.reading().peak_kib() / 1024;
    assert!(peak < 96, "{peak} MiB at most");
}

#[test]
fn row_60_certificates_that_are_too_much_cost_little_memory_and_time() {
    let kit = kit!();
    for (certificate, ca) in [("chain.pem", "chain-ca.pem"), ("names.pem", "ca.pem")] {
        let server = Server::binds();
        let adapter = kit.server(server.address(), certificate, &[]);
        let (ca, upstream) = (kit.file(ca), adapter.address.to_string());
        // A relay, so that one process meets all of them.
        let words = ["relay", "127.0.0.1:0", &upstream, "--tls-upstream", "--ca", &ca, "--sni", "localhost", "-v"];
        let relay = callbox(words).start();
        let address = relay.ready();
        let slowest = slowest(10, || {
            let mut client = Peer::connects(address);
            // Believed or not, which is for the library to say, it is said soon.
            let _ = client.sends("x").readable_within(Duration::from_millis(300));
        });
        assert!(slowest < scaled(Duration::from_secs(1)), "{certificate}: {slowest:?}");
        holds_little(&relay);
        drop((relay, adapter));
        // What is said then is for people.
        connect(upstream.parse().expect("numbers"), ["--tls", "--ca", &ca]).run().never_said("Other(");
    }
}

#[test]
fn row_60_a_storm_of_clients_with_huge_certificates_costs_little() {
    let kit = kit!();
    let (server, address) = kit.serves(&["--client-ca", &kit.file("ca.pem"), "--echo", "--json"]);
    let mut refused = 0;
    for certificate in ["chain.pem", "names.pem"] {
        let adapter = kit.client(address, &["--cert", &kit.file(certificate), "--max", "1.2"]);
        let slowest = slowest(10, || {
            let mut clients: Vec<_> = (0..5).map(|_| Peer::connects(adapter.address)).collect();
            for client in &mut clients {
                client.expects_reset();
            }
        });
        refused += 50;
        assert!(slowest < scaled(Duration::from_secs(1)), "{certificate}: {slowest:?}");
    }
    server.events_where("refused", refused, |event| event["reason"] == "tls");
    holds_little(&server);
    let good = kit.client(address, &["--cert", &kit.file("client.pem")]);
    Peer::connects(good.address).sends("hello").expects("hello").ends().expects_end();
    server.drains();
}

#[test]
fn row_62_floods_of_records_without_content_are_closed() {
    let kit = kit!();
    let (server, address) = kit.serves(&["--echo", "--json"]);
    let to = address.to_string();
    for kind in ["alerts-before", "empty-before", "alerts", "empty", "key-updates"] {
        let flood = kit.python("floods.py").args(["client", &to, kind]).run().exited(0);
        let said = String::from_utf8_lossy(&flood.stdout).into_owned();
        assert!(said.contains("closed after"), "{kind}: {said}");
    }
    holds_little(&server);
    let adapter = kit.client(address, &[]);
    Peer::connects(adapter.address).sends("hello").expects("hello").ends().expects_end();
    server.drains();
    // And a client of ours is not held by a server that floods.
    let cert = kit.file("server.pem");
    for kind in ["alerts-before", "empty-before", "alerts", "empty", "key-updates"] {
        let flood = kit.python("floods.py").args(["server", &cert, kind]).start();
        let port = line_of(&flood, "ready").replace("ready ", "").parse::<u16>().expect("a port");
        let client = connect(([127, 0, 0, 1], port).into(), ["--tls", "--insecure", "--json"]).start();
        let outcome = client.ends();
        outcome.exited(4);
        flood.exits(0).showed("closed after");
    }
}
