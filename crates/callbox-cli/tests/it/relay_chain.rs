//! `relay` among others: chained by the PROXY protocol, mirrored, to a name that moves, to servers that fail and return,
//! to itself; busy polling, and without splicing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use callbox_testkit::{
    Netns, Peer, Process, Scratch, Script, Server, assert_same_bytes, eventually, free_address, patience, pattern,
    requires, scaled,
};

use crate::cli::{callbox, connect, echoes, served, started};
use crate::relay_line::{knocks, pair, relayed, relayed_to};

#[test]
fn the_server_behind_two_relays_knows_the_client() {
    for (first, second) in [("v1", "v2"), ("v2", "v1")] {
        let (server, end) = served(["--accept-proxy", "--echo", "--json", "-q"]);
        let words = ["--accept-proxy", "--send-proxy", second, "--json", "-q"];
        let (near, near_address) = relayed(end, words);
        let (far, address) = relayed(near_address, ["--send-proxy", first, "--json", "-q"]);
        let mut client = Peer::connects(address);
        let from = client.local().to_string();
        client.sends("hello").expects("hello").ends().expects_end();
        far.drains().ledger().balances();
        let ledger = near.drains().ledger();
        let connected =
            ledger.named("connected").into_iter().find(|event| event["role"] == "server").expect("accepted");
        assert_eq!(connected["peer"], from, "{connected}");
        assert_eq!(connected["destination"], address.to_string(), "{connected}");
        let ledger = server.drains().ledger();
        let connected = ledger.balances().the("connected");
        assert_eq!(connected["peer"], from, "{connected}");
        assert!(connected["destination"].is_string(), "{connected}");
        assert_ne!(connected["via"], connected["peer"], "{connected}");
        // A header is no byte of the client's.
        assert_eq!(ledger.summary()["to_server_bytes"], 5);
    }
}

#[test]
fn a_relay_that_takes_proxies_alone_resets_others_before_its_upstream_hears_of_them() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["--accept-proxy", "--json", "-q"]);
    Peer::connects(address).sends("no header").expects_reset();
    assert!(!upstream.has_client_within(Duration::from_millis(100)));
    let ledger = relay.drains().ledger();
    assert_eq!(ledger.balances().the("refused")["reason"], "bad_proxy_header");
}

#[test]
fn a_mirror_that_answers_otherwise_makes_the_exit_code_1() {
    let (server, address) = served(["--reply", "same", "-q"]);
    for (answer, code, outcome) in [("same", 0, "same"), ("other", 1, "differs"), ("", 0, "unreachable")] {
        let second = (!answer.is_empty()).then(|| served(["--reply", answer, "-q"]));
        let mirror = second.as_ref().map_or_else(free_address, |(_, mirror)| *mirror).to_string();
        let (relay, front) = relayed(address, ["--mirror", &mirror, "--once", "--json", "-q"]);
        Peer::connects(front).sends("hello").expects("same").ends().expects_end();
        let ledger = relay.exits(code).ledger();
        assert_eq!(ledger.balances().the("mirror")["outcome"], outcome, "{answer}");
        if let Some((second, _)) = second {
            second.drains();
        }
    }
    server.drains();
}

/// Has a session with a mirror that takes everything, or nothing at all, and returns the relay when it is over.
fn mirrored(upstream: &Server, takes: bool) -> (Process, Script<Option<Server>>) {
    let mirror = Server::binds();
    let words = ["--mirror", &mirror.address().to_string(), "--once", "-q", "--json"];
    let (relay, address) = relayed(upstream.address(), words);
    let sent = pattern(500_000, 3);
    let expected = sent.clone();
    let copy = Script::runs(move || {
        if !takes {
            return Some(mirror);
        }
        let mut mirrored = mirror.accepts();
        assert_same_bytes("the copy", &expected, &mirrored.reads_to_end());
        mirrored.sends("done").ends();
        None
    });
    let (mut client, mut server) = pair(address, upstream);
    let start = Instant::now();
    let (mut writing, bytes) = (client.twin(), sent.clone());
    let writer = Script::runs(move || {
        writing.sends(bytes).ends();
    });
    assert_same_bytes("the bytes themselves", &sent, &server.reads_to_end());
    writer.joins();
    server.sends("done").ends();
    client.expects("done").expects_end();
    assert!(start.elapsed() < scaled(Duration::from_secs(2)), "{:?}", start.elapsed());
    (relay, copy)
}

#[test]
fn a_mirror_gets_every_byte_and_a_dead_one_slows_nobody() {
    let upstream = Server::binds();
    let (relay, copy) = mirrored(&upstream, true);
    copy.joins();
    assert_eq!(relay.exits(0).ledger().the("mirror")["outcome"], "same");
    // That the relay waits five seconds for this one is shown in the library's tests.
    let (relay, copy) = mirrored(&upstream, false);
    drop(relay);
    copy.joins();
}

/// A relay in a namespace whose hosts file names `db.test`, and two servers that it may name, on one port.
struct Moving {
    namespace: Netns,
    hosts: std::path::PathBuf,
    servers: [Server; 2],
    _scratch: Scratch,
}

impl Moving {
    fn new() -> Self {
        let scratch = Scratch::new();
        let hosts = scratch.file("hosts", "127.0.0.2 db.test\n");
        let namespace = Netns::new().expect("just made one").with_hosts(&hosts);
        let first = namespace.inside(|| Server::binds_at("127.0.0.2:0"));
        let port = first.address().port();
        let second = namespace.inside(|| Server::binds_at(&format!("127.0.0.3:{port}")));
        Self { namespace, hosts, servers: [first, second], _scratch: scratch }
    }

    fn relay(&self, when: &str) -> (Process, SocketAddr) {
        let scratch = Scratch::new();
        let ready = scratch.join("ready");
        let upstream = format!("db.test:{}", self.servers[0].address().port());
        let relay = callbox(["relay", "127.0.0.1:0", &upstream, "-q", "--resolve", when, "--ready-file"]).arg(&ready);
        started(relay.within(&self.namespace), &ready)
    }

    /// Connects, and expects the session at one of the servers.
    #[track_caller]
    fn session(&self, relay: SocketAddr, server: usize) -> (Peer, Peer) {
        let mut client = self.namespace.inside(|| Peer::connects(relay));
        assert!(self.servers[server].has_client_within(patience()), "the session is not with server {server}");
        let mut server = self.servers[server].accepts();
        client.sends("x");
        server.expects("x");
        (client, server)
    }
}

#[test]
fn row_54_a_name_that_moves_takes_new_sessions_along_and_leaves_old_ones() {
    requires!(netns());
    let moving = Moving::new();
    let (relay, address) = moving.relay("each");
    let (mut old, mut its_server) = moving.session(address, 0);
    std::fs::write(&moving.hosts, "127.0.0.3 db.test\n").expect("the same file");
    let (new, other) = moving.session(address, 1);
    old.sends("still");
    its_server.expects("still").sends("here");
    old.expects("here");
    drop((old, its_server, new, other));
    relay.drains();
}

#[test]
fn row_54_a_name_that_is_looked_up_once_stays_where_it_was() {
    requires!(netns());
    let moving = Moving::new();
    let (relay, address) = moving.relay("once");
    std::fs::write(&moving.hosts, "127.0.0.3 db.test\n").expect("the same file");
    drop(moving.session(address, 0));
    drop(moving.session(address, 0));
    relay.drains();
    // A name without an address is told before anything is bound.
    std::fs::write(&moving.hosts, "127.0.0.1 localhost\n").expect("the same file");
    let words = ["relay", "127.0.0.1:0", "db.test:9", "--resolve", "once"];
    callbox(words).within(&moving.namespace).run().exited(3).said("db.test").never_said("listening on");
}

#[test]
fn an_upstream_that_failed_rests_and_is_used_again_when_it_has_returned() {
    let (second, spare) = served(["--reply", "second", "-q"]);
    let gone = free_address();
    let words = ["--balance", "first", "--json", "-q"];
    let (relay, address) = relayed_to([gone.to_string().as_str(), &spare.to_string()], words);
    let asks = || {
        let mut client = Peer::connects(address);
        client.sends("?").ends();
        String::from_utf8(client.reads_to_end()).expect("text")
    };
    assert_eq!(asks(), "second");
    let down = relay.event("upstream", |event| event["state"] == "down");
    assert_eq!((&down["address"], &down["kind"]), (&gone.to_string().into(), &"refused".into()), "{down}");
    // While it rests nobody tries it: it would be said once more.
    assert_eq!((asks(), asks()), ("second".to_owned(), "second".to_owned()));
    let first = callbox(["serve", &gone.to_string(), "--reply", "first", "-q"]).start();
    let start = Instant::now();
    eventually("the first one is used again", patience(), || match asks().as_str() {
        "first" => Ok(()),
        other => Err(other.to_owned()),
    });
    assert!(start.elapsed() < scaled(Duration::from_secs(4)), "it rested for {:?}", start.elapsed());
    let up = relay.event("upstream", |event| event["state"] == "up");
    assert_eq!(up["address"], gone.to_string(), "{up}");
    let ledger = relay.drains().ledger();
    ledger.balances();
    assert_eq!(ledger.named("upstream").len(), 2, "down and up, and nothing else");
    assert!(ledger.terminations().keys().eq(["client_closed"]), "no session failed: {:?}", ledger.terminations());
    first.drains();
    second.drains();
}

/// Starts a relay to itself, as both are written, lets somebody come by, and insists that this is one session and no more.
fn refuses_itself(listen: &str, upstream: &str, namespace: Option<&Netns>) {
    let scratch = Scratch::new();
    let ready = scratch.join("ready");
    let relay = callbox(["relay", listen, upstream, "-q", "--json", "--ready-file"]).arg(&ready);
    let (relay, address) = match namespace {
        Some(namespace) => started(relay.within(namespace), &ready),
        None => started(relay, &ready),
    };
    let client = match namespace {
        Some(namespace) => namespace.inside(|| knocks(([127, 0, 0, 1], address.port()).into())),
        None => knocks(address),
    };
    if let Some(mut client) = client {
        client.expects_reset();
    }
    let error = relay.event("error", |_| true);
    assert!(error["message"].as_str().is_some_and(|text| text.contains("callbox itself listens there")), "{error}");
    let ledger = relay.drains().ledger();
    assert_eq!(ledger.balances().summary()["sessions"], 1, "{listen} to {upstream}");
}

#[test]
fn a_relay_to_itself_is_refused_and_makes_no_sessions() {
    let own = free_address();
    refuses_itself(&own.to_string(), &own.to_string(), None);
    refuses_itself(&own.to_string(), &format!("[::ffff:{}]:{}", own.ip(), own.port()), None);
}

#[test]
fn a_relay_on_every_address_to_itself_is_refused_in_any_spelling() {
    requires!(netns());
    let namespace = Netns::new().expect("just made one").with_address("192.168.43.127/32");
    for upstream in ["localhost:9000", "0.0.0.0:9000", "127.0.0.9:9000", "192.168.43.127:9000"] {
        refuses_itself("0.0.0.0:9000", upstream, Some(&namespace));
    }
}

/// Sends both ways through a relay at once and insists on every byte.
fn carries_both_ways(address: SocketAddr, upstream: &Server, length: usize) {
    let (client, server) = pair(address, upstream);
    let ends = [(client.twin(), server.twin(), 1), (server, client, 2)];
    let ways = ends.map(|(mut from, mut to, seed)| {
        let sent = pattern(length, seed);
        Script::runs(move || {
            let bytes = sent.clone();
            let writer = Script::runs(move || {
                from.sends(bytes).ends();
            });
            assert_same_bytes("what came", &sent, &to.reads_to_end());
            writer.joins();
        })
    });
    ways.into_iter().for_each(Script::joins);
}

#[test]
fn bulk_is_moved_by_the_kernel_unless_told_otherwise_and_is_the_same() {
    requires!(tool("strace"));
    let scratch = Scratch::new();
    for (flag, splices) in [(None, true), (Some("--no-splice"), false)] {
        let upstream = Server::binds();
        let (ready, trace) = (scratch.join("ready"), scratch.join("trace"));
        let _ = std::fs::remove_file(&ready);
        let relay =
            callbox(["relay", "127.0.0.1:0", &upstream.address().to_string(), "-q", "--show", "none"]).args(flag);
        let relay = relay.arg("--ready-file").arg(&ready);
        let path = trace.display().to_string();
        let relay = relay.through(["strace", "-D", "-f", "-q", "-e", "trace=splice", "-o", &path]);
        let (relay, address) = started(relay, &ready);
        carries_both_ways(address, &upstream, 4 << 20);
        relay.drains();
        let calls = eventually("the trace", patience(), || {
            let text = std::fs::read_to_string(&trace).map_err(|error| error.to_string())?;
            let ended = text.contains("+++ exited with 0 +++");
            if ended { Ok(text.matches("splice(").count()) } else { Err("still traced".to_owned()) }
        });
        assert_eq!(calls > 0, splices, "{flag:?}: {calls} calls of splice");
    }
}

#[test]
fn busy_polling_answers_and_sleeps_when_nothing_moves() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q", "--busy-poll", "20ms"]);
    carries_both_ways(address, &upstream, 1 << 20);
    let (mut client, mut server) = pair(address, &upstream);
    for number in 0..50 {
        client.sends(format!("{number:04}"));
        server.expects(format!("{number:04}")).sends("ok");
        client.expects("ok");
    }
    callbox_testkit::deadline::let_pass(Duration::from_millis(150));
    let cpu = relay.reading().cpu_percent_over(Duration::from_millis(300));
    assert!(cpu < 10.0, "{cpu:.1} % of a core though nothing moves");
    client.ends();
    server.expects_end().ends();
    client.expects_end();
    relay.drains();
}

#[test]
fn a_chain_of_relays_passes_ends_and_resets_on() {
    let (server, end) = served(["--echo", "-q"]);
    let (near, middle) = relayed(end, ["-q"]);
    let (far, address) = relayed(middle, ["-q"]);
    echoes(address);
    let mut client = Peer::connects(address);
    client.sends("x").expects("x");
    client.resets();
    far.drains();
    near.drains();
    server.drains();
    connect(address, ["--send", "x"]).run().exited(3).said("connection refused");
}
