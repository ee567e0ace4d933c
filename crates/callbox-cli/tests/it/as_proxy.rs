//! `relay` as a proxy: `socks5:` and `http-connect:`, with curl and by hand (rows 27, 32, 114).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use callbox_testkit::{Callbox, Outcome, Peer, Process, Scratch, Server, Signal, quick, requires, skip};

use crate::cli::{callbox, others_were_served, served};
use crate::control::steered;
use crate::relay_line::relayed_to;
use crate::tls_kit::kit;

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// Starts a proxy and returns it with its address.
fn proxy<'a>(leads: &str, words: impl IntoIterator<Item = &'a str>) -> (Process, SocketAddr) {
    relayed_to([leads], words)
}

fn socks(host: &str, port: u16) -> Vec<u8> {
    let head = [5, 1, 0, 5, 1, 0, 3, u8::try_from(host.len()).expect("short")];
    [&head[..], host.as_bytes(), &port.to_be_bytes()].concat()
}

/// What SOCKS 5 answers when nobody is asked to log in, with our end's address.
fn granted(code: u8, bound: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(bound) = bound else { panic!("IPv4 here") };
    [&[5, 0, 5, code, 0, 1][..], &bound.ip().octets(), &bound.port().to_be_bytes()].concat()
}

fn connect(to: impl std::fmt::Display) -> String {
    format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n")
}

/// Starts a server of files in Python.
fn files(scratch: &Scratch) -> (Process, SocketAddr) {
    let program = scratch.file("server.py", include_str!("real/server.py"));
    let server = Callbox::new("python3").arg(program).arg(scratch.path()).start();
    server.says("listening on ");
    let address = server.ready();
    (server, address)
}

fn curl<'a>(words: impl IntoIterator<Item = &'a str>, url: &str) -> Outcome {
    let program = skip::find_tool("curl").expect("required");
    Callbox::new(program).args(["-q", "-sS", "--noproxy", ""]).args(words).arg(url).run()
}

#[test]
fn curl_gets_through_by_every_spelling_of_a_proxy() {
    requires!(tool("curl"), tool("python3"));
    let scratch = Scratch::new();
    scratch.file("body", "the body");
    let (server, at) = files(&scratch);
    let url = format!("http://localhost:{}/file/body", at.port());
    let (open, front) = proxy("socks5:", ["--json"]);
    for scheme in ["socks5h", "socks5", "socks4", "socks4a"] {
        curl(["-4", "-x", &format!("{scheme}://{front}")], &url).exited(0).wrote("the body");
    }
    // Who has a name and a password to offer need not use them.
    curl(["-x", &format!("socks5h://alice:secret@{front}")], &url).exited(0).wrote("the body");
    open.drains().ledger().balances();
    let (guarded, front) = proxy("socks5:alice:secret", ["-q"]);
    curl(["-x", &format!("socks5h://alice:secret@{front}")], &url).exited(0).wrote("the body");
    for wrong in ["socks5h://alice:guess@", "socks5h://", "socks4a://"] {
        // 97: the proxy's handshake failed.
        curl(["-x", &format!("{wrong}{front}")], &url).exited(97).wrote("");
    }
    guarded.drains();
    let (open, front) = proxy("http-connect:", ["-q"]);
    curl(["-p", "-x", &format!("http://{front}")], &url).exited(0).wrote("the body");
    curl(["-x", &format!("http://{front}")], &url).exited(0).showed("have the client ask for CONNECT");
    open.drains();
    let login = scratch.file("login", "alice:secret\n");
    let (guarded, front) = proxy(&format!("http-connect:@{}", login.display()), ["-q"]);
    curl(["-p", "-x", &format!("http://alice:secret@{front}")], &url).exited(0).wrote("the body");
    curl(["-p", "-x", &format!("http://alice:guess@{front}")], &url).exited(56).said("407");
    guarded.drains();
    server.signal(Signal::TERM);
    server.ends();
}

#[test]
fn curl_gets_through_to_a_site_of_tls_whose_certificate_it_verifies() {
    requires!(tool("curl"));
    let kit = kit!();
    let answer = "HTTP/1.1 200 OK\\r\\nContent-Length: 8\\r\\nConnection: close\\r\\n\\r\\nthe body";
    let (site, at) = kit.serves(&["--json", "--alpn", "http/1.1", "--reply", answer]);
    let url = format!("https://localhost:{}/", at.port());
    let (ca, other) = (kit.file("ca.pem"), kit.file("client.pem"));
    for (leads, spelled) in [("socks5:", "socks5h"), ("socks5:", "socks4a"), ("http-connect:", "http")] {
        let (relay, front) = proxy(leads, ["--json"]);
        let through = format!("{spelled}://{front}");
        curl(["-p", "-x", &through, "--cacert", &ca], &url).exited(0).wrote("the body");
        // 60: not believed. The proxy has no say in that.
        curl(["-p", "-x", &through, "--cacert", &other], &url).exited(60).wrote("");
        let ledger = relay.drains().ledger();
        assert_eq!(ledger.balances().summary()["sessions"], 2, "{spelled}");
    }
    let ledger = site.drains().ledger();
    let agreed = ledger.named("tls");
    assert_eq!(agreed.len(), 3, "{agreed:?}");
    assert!(agreed.iter().all(|tls| tls["alpn"] == "http/1.1" && tls["server_name"] == "localhost"), "{agreed:?}");
}

#[test]
fn sessions_of_a_proxy_are_shown_bent_and_counted_from_the_first_byte_behind_the_request() {
    let server = Server::binds();
    let to = server.address();
    let words = ["--fault", "replace=HELLO,direction=to_server,match=hello", "--fault", "cut@8,direction=to_client"];
    let (relay, front) = proxy("http-connect:", words.into_iter().chain(["--json", "--tap", "both"]));
    let mut client = Peer::connects(front);
    client.sends(connect(to)).sends("hello").expects(ESTABLISHED);
    let mut upstream = server.accepts();
    upstream.expects("HELLO").sends("0123456789");
    client.expects("01234567").expects_end();
    client.ends();
    let ledger = relay.drains().ledger();
    let connected = ledger.named("connected");
    assert_eq!(connected.last().expect("the far side")["peer"], to.to_string());
    let shown: Vec<_> =
        ledger.named("data").into_iter().map(|data| data["text"].as_str().unwrap_or("").to_owned()).collect();
    assert!(shown.contains(&"hello".to_owned()) && shown.contains(&"HELLO".to_owned()), "{shown:?}");
    assert!(!shown.concat().contains("CONNECT"), "{shown:?}");
    assert_eq!(ledger.summary()["to_server_bytes"], 5);
}

#[test]
fn a_server_behind_a_proxy_is_told_who_the_client_is() {
    let (server, to) = served(["--accept-proxy", "--echo", "--json"]);
    let (relay, front) = proxy("socks5:", ["--send-proxy", "v1", "-q"]);
    let mut client = Peer::connects(front);
    let own = client.local().to_string();
    client.sends(socks("127.0.0.1", to.port()));
    assert_eq!(client.reads_some(2).expect("an answer"), [5, 0]);
    client.reads_some(10).expect("an answer");
    client.sends("hello").expects("hello").ends().expects_end();
    relay.drains();
    assert_eq!(server.drains().ledger().balances().the("connected")["peer"], own);
}

#[test]
fn rules_say_where_clients_may_go() {
    let (server, to) = served(["--echo", "-q"]);
    let rules = ["--allow-target", "127.0.0.0/8", "--allow-target", "*.test:80", "--deny-target", "127.0.0.2"];
    let (relay, front) = proxy("http-connect:", rules);
    let status = |target: String| {
        let mut client = Peer::connects(front);
        client.sends(connect(target)).ends();
        let answer = String::from_utf8(client.reads_to_end()).expect("text");
        answer.split(' ').nth(1).expect("a status").to_owned()
    };
    let port = to.port();
    assert_eq!(status(format!("127.0.0.1:{port}")), "200");
    assert_eq!(status(format!("[::ffff:127.0.0.1]:{port}")), "200");
    for denied in ["127.0.0.2", "127.2", "[::ffff:127.0.0.2]", "2130706434", "192.0.2.1", "[2001:db8::1]"] {
        assert_eq!(status(format!("{denied}:{port}")), "403", "{denied}");
    }
    // Not even looked up.
    assert_eq!(status("elsewhere.invalid:80".into()), "502", "a range is allowed, so its addresses would decide");
    relay.drains().said("target_denied hit 6 times").said("the rules for targets deny it");
    server.drains();
}

#[test]
fn what_cannot_be_is_said_before_anything_is_bound() {
    for (words, said) in [
        (&["socks5:", "127.0.0.1:9"][..], "it is the only upstream"),
        (&["socks5:alice"], "write socks5:USER:PASSWORD"),
        (&["socks5:@/nowhere/to/be/found"], "no such file"),
        (&["socks5:", "--balance", "least"], "--balance"),
        (&["127.0.0.1:9", "--deny-target", "10.0.0.0/8"], "no client says here where it wants to go"),
        (&["socks5:", "--deny-target", "10.0.0.1/8"], "write 10.0.0.0/8 for the range"),
    ] {
        callbox(["relay", "127.0.0.1:0"]).args(words).run().exited(2).said(said).never_said("listening");
    }
}

#[test]
fn a_proxy_that_anybody_may_use_says_so_aloud() {
    let open = callbox(["relay", "0.0.0.0:0", "socks5:"]).start();
    open.says("warning: whoever reaches 0.0.0.0:");
    open.drains();
    let guarded = callbox(["relay", "0.0.0.0:0", "socks5:alice:secret"]).start();
    guarded.says("relaying to where clients ask for");
    guarded.drains().never_said("warning").never_said("secret");
}

#[test]
fn a_file_of_relays_may_have_proxies() {
    let (server, to) = served(["--echo", "-q"]);
    let scratch = Scratch::new();
    let config =
        scratch.file("relays.toml", "[[relay]]\nname = \"out\"\nlisten = \"127.0.0.1:0\"\nupstream = \"socks5:\"\n");
    let relay = callbox(["relay", "--config"]).arg(&config).start();
    let front = relay.ready();
    relay.says("to where clients ask for (SOCKS 5, 4, 4a)");
    let mut client = Peer::connects(front);
    client.sends(socks("127.0.0.1", to.port())).sends("hello");
    assert_eq!(client.reads_some(2).expect("an answer"), [5, 0]);
    assert_eq!(client.reads_some(10).expect("an answer")[1], 0);
    client.expects("hello").ends().expects_end();
    relay.drains();
    server.drains();
}

#[test]
fn row_27_slow_requests_end_at_their_deadline_and_others_are_served() {
    requires!(descriptors(1_500));
    let (server, to) = served(["--echo", "-q"]);
    let (relay, front) = proxy("socks5:", ["-q", "--json"]);
    let begun = Instant::now();
    let mut slow: Vec<Peer> = (0..if quick() { 50 } else { 500 }).map(|_| Peer::connects(front)).collect();
    for (index, peer) in slow.iter_mut().enumerate() {
        // Some say nothing at all, some are greeted and go on from there.
        match index % 3 {
            0 => {}
            1 => drop(peer.sends([5])),
            _ => drop(peer.sends([5, 1, 0, 5, 1]).expects([5, 0])),
        }
    }
    let (count, last) = (slow.len(), slow.last().expect("many").twin());
    let mut answers = Vec::new();
    while !last.readable_within(Duration::from_millis(20)) {
        let asked = Instant::now();
        let mut client = Peer::connects(front);
        client.sends(connect_by_v4(to)).sends("hello");
        assert_eq!(client.reads_some(8).expect("an answer")[1], 0x5a);
        client.expects("hello").ends().expects_end();
        answers.push(asked.elapsed());
    }
    for peer in &mut slow {
        peer.expects_reset();
    }
    others_were_served(begun.elapsed(), Duration::from_millis(4_900)..Duration::from_secs(8), answers);
    let ledger = relay.drains().ledger();
    assert_eq!(ledger.balances().summary()["limits"]["handshake_timeout"], count);
    server.drains();
}

fn connect_by_v4(to: SocketAddr) -> Vec<u8> {
    [&[4, 1][..], &to.port().to_be_bytes(), &[127, 0, 0, 1, 0]].concat()
}

#[test]
fn row_32_no_byte_behind_a_request_is_lost_wherever_it_is_split() {
    let (server, to) = served(["--echo", "-q"]);
    let payload = b"\r\n\r\n\0 the payload, which looks like a head\r\n";
    let step = if quick() { 7 } else { 1 };
    let long = format!("CONNECT {to} HTTP/1.1\r\nUser-Agent: {}\r\n\r\n", "a".repeat(500)).into_bytes();
    for (leads, request, answered) in [
        ("socks5:", socks("127.0.0.1", to.port()), 2 + 10),
        ("socks5:", connect_by_v4(to), 8),
        ("http-connect:", long, ESTABLISHED.len()),
    ] {
        let (relay, front) = proxy(leads, ["-q", "--json"]);
        let all = [&request[..], payload].concat();
        let mut sessions = 0;
        for at in (0..all.len().min(600)).step_by(step) {
            let mut peer = Peer::connects(front);
            peer.stream().set_nodelay(true).expect("sets");
            let (first, second) = all.split_at(at);
            peer.sends(first).sends(second).ends();
            let answer = peer.reads_to_end();
            assert_eq!(&answer[answered..], payload, "{leads} split at {at}");
            sessions += 1;
        }
        let ledger = relay.drains().ledger();
        assert_eq!(ledger.balances().summary()["to_server_bytes"], sessions * payload.len());
    }
    server.drains();
}

#[test]
fn row_114_no_spelling_leads_through_a_proxy_to_where_callbox_is_steered() {
    const SPELLINGS: [&str; 14] = [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "017700000001",
        "0177.0.0.01",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "0.0.0.0",
        "0",
        "::",
        "::ffff:0.0.0.0",
    ];
    for leads in ["socks5:", "http-connect:"] {
        // Whatever is allowed, that is not.
        let (relay, control) = steered(["127.0.0.1:0", leads, "--allow-target", "*", "--allow-target", "127.0.0.1"]);
        let front = relay.ready();
        for port in [control.port(), front.port()] {
            for host in SPELLINGS {
                let mut client = Peer::connects(front);
                if leads == "socks5:" {
                    client.sends(socks(host, port)).ends();
                    assert_eq!(client.reads_to_end(), granted(2, ([0, 0, 0, 0], 0).into()), "{host}");
                } else {
                    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
                    client.sends(connect(format!("{host}:{port}"))).ends();
                    assert!(client.reads_to_end().starts_with(b"HTTP/1.1 403 "), "{host}");
                }
            }
            // A name with an address where nobody listens too: that one is tried, the other left out.
            let mut client = Peer::connects(front);
            client.sends(socks("localhost", port)).ends();
            let answer = client.reads_to_end();
            assert!(leads != "socks5:" || answer.len() == 12 && answer[3] != 0, "{answer:?}");
        }
        let denied = 2 * SPELLINGS.len();
        relay.drains().said("callbox itself listens there").said(&format!("target_denied hit {denied} times"));
    }
}
