//! `relay` in networks that lose, delay and refuse, each in a namespace of the test's own (rows 33, 37, 39, 41 to 43,
//! 45 to 47).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callbox_testkit::{
    Callbox, Netns, Outlet, Peer, Process, Scratch, Script, Server, assert_same_bytes, deadline, eventually, patience,
    pattern, quick, requires, scaled, skip,
};

use crate::accepting::kills;
use crate::cli::{callbox, echoes, started};
use crate::limits::descriptors_return;
use crate::relay_line::{knocks, pair, relayed};

/// Starts a relay inside `namespace`, from `listen` to `upstream`.
pub(crate) fn relay_inside(
    namespace: &Netns,
    listen: &str,
    upstream: SocketAddr,
    words: &[&str],
) -> (Process, SocketAddr) {
    let scratch = Scratch::new();
    let path = scratch.join("ready");
    let relay = callbox(["relay", listen, &upstream.to_string(), "--ready-file"]).arg(&path).args(words);
    started(relay.within(namespace), &path)
}

/// Starts a relay inside `namespace` from a Unix socket, so that only its upstream connections take ports.
fn relay_from_path(namespace: &Netns, upstream: SocketAddr, scratch: &Scratch) -> (Process, PathBuf) {
    let (near, ready) = (scratch.join("near"), scratch.join("ready"));
    let words = ["relay".to_owned(), format!("unix:{}", near.display()), upstream.to_string()];
    let relay = callbox(words.iter().map(String::as_str)).args(["-q", "--json", "--ready-file"]).arg(&ready);
    let relay = relay.within(namespace).start();
    eventually("the ready file", patience(), || std::fs::read(&ready).map_err(|error| error.to_string()));
    (relay, near)
}

/// Runs a line of shell inside `namespace`; returns what it said when it failed.
fn shell(namespace: &Netns, line: &str) -> Result<(), String> {
    let outcome = Callbox::new("sh").args(["-c", line]).within(namespace).run();
    if outcome.status.success() { Ok(()) } else { Err(format!("{line}: {}", outcome.stderr.trim())) }
}

/// Adds a rule to what comes in inside `namespace`.
pub(crate) fn rule(namespace: &Netns, rule: &str) -> Result<(), String> {
    shell(
        namespace,
        &format!(
            "nft add table inet t && nft 'add chain inet t in {{ type filter hook input priority 0 ; }}' && \
             nft 'add rule inet t in {rule}'"
        ),
    )
}

/// A namespace with a relay and one with its clients and servers, and a link between the two.
pub(crate) struct Far {
    pub(crate) near: Netns,
    pub(crate) far: Netns,
}

/// The address of the side where clients and servers are.
pub(crate) const PEERS: &str = "10.99.0.1";

/// The address of the side where the relay is.
pub(crate) const RELAY: &str = "10.99.0.2";

impl Far {
    pub(crate) fn new() -> Self {
        let (near, far) = (Netns::new().expect("just made one"), Netns::new().expect("just made one"));
        let name = far.wrapper().pop().expect("its last word is the name");
        near.ip(&["link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", &name]).expect("a link");
        for (side, device, address) in [(&near, "v0", PEERS), (&far, "v1", RELAY)] {
            side.ip(&["address", "add", &format!("{address}/24"), "dev", device]).expect("an address");
            side.ip(&["link", "set", device, "up"]).expect("a device");
        }
        Self { near, far }
    }

    /// Starts a relay on the far side, to a server on the near one.
    pub(crate) fn relay(&self, words: &[&str]) -> (Process, SocketAddr, Server) {
        let server = self.near.inside(|| Server::binds_at(&format!("{PEERS}:0")));
        let (relay, address) = relay_inside(&self.far, &format!("{RELAY}:0"), server.address(), words);
        (relay, address, server)
    }

    pub(crate) fn pair(&self, address: SocketAddr, server: &Server) -> (Peer, Peer) {
        let client = self.near.inside(|| Peer::connects(address));
        (client, server.accepts())
    }
}

/// Sends `sent` from one side in a thread while the other reads to the end; panics unless it is the same.
pub(crate) fn arrives(mut from: Peer, mut to: Peer, sent: Arc<Vec<u8>>) -> Script {
    Script::runs(move || {
        let bytes = sent.clone();
        let writer = Script::runs(move || {
            from.stream().set_write_timeout(Some(patience() * 6)).expect("a socket option");
            from.sends(&*bytes).ends();
        });
        to.stream().set_read_timeout(Some(patience() * 6)).expect("a socket option");
        assert_same_bytes("what came", &sent, &to.reads_to_end());
        writer.joins();
    })
}

#[test]
fn row_33_urgent_data_harms_no_other_byte_and_is_defined() {
    let upstream = Server::binds();
    for words in [&["-q"][..], &["-q", "--json"]] {
        let (relay, address) = relayed(upstream.address(), words.iter().copied());
        for swapped in [false, true] {
            let (client, server) = pair(address, &upstream);
            let (mut one, mut other) = if swapped { (server, client) } else { (client, server) };
            one.sends("before ");
            rustix::net::send(one.stream(), b"!", rustix::net::SendFlags::OOB).expect("an urgent byte");
            one.sends("after").ends();
            let got = other.reads_to_end();
            // The kernel holds the urgent byte apart: it is not in the stream, and everything else is, in order.
            let text = String::from_utf8_lossy(&got).into_owned();
            assert!(text == "before after" || text == "before !after", "{text}");
            let big = Arc::new(pattern(6 << 20, 33));
            // In the middle of a flood, where the relay has gone over to its fast path.
            let (mut writing, sent) = (other.twin(), big.clone());
            let flood = Script::runs(move || {
                for piece in sent.chunks(1 << 20) {
                    writing.sends(piece);
                    rustix::net::send(writing.stream(), b"!", rustix::net::SendFlags::OOB).expect("an urgent byte");
                }
                writing.ends();
            });
            let got = one.reads_to_end();
            flood.joins();
            let (mut rest, mut kept) = (&got[..], 0);
            for piece in big.chunks(1 << 20) {
                assert_same_bytes("between urgent bytes", piece, &rest[..piece.len().min(rest.len())]);
                rest = &rest[piece.len()..];
                if let Some(after) = rest.strip_prefix(b"!") {
                    (rest, kept) = (after, kept + 1);
                }
            }
            assert!(rest.is_empty(), "{} bytes more than were sent", rest.len());
            // FAILS: the kernel drops some and keeps some, by chance, unless told to keep them in line (SO_OOBINLINE).
            assert!(kept == 0 || kept == 6, "{kept} of 6 urgent bytes were passed on: all or none is a definition");
        }
        let outcome = relay.drains();
        if words.contains(&"--json") {
            let text = String::from_utf8_lossy(&outcome.stdout);
            let summary: serde_json::Value = serde_json::from_str(text.lines().last().expect("one")).expect("JSON");
            let total = summary["to_server_bytes"].as_u64().expect("a count") as usize;
            assert!((12 + (6 << 20)..=19 + (6 << 20)).contains(&total), "{summary}");
        }
    }
}

#[test]
fn row_37_either_connection_of_a_session_killed_by_the_administrator_is_a_reset_for_the_other() {
    requires!(root(), tool("ss"));
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q", "--json"]);
    let before = deadline::settled("descriptors", Duration::from_millis(100), || relay.reading().descriptors());
    for swapped in [false, true] {
        let (client, server) = pair(address, &upstream);
        let (mut victim, mut other) = if swapped { (server, client) } else { (client, server) };
        victim.sends("x");
        other.expects("x");
        if !kills(victim.remote(), victim.local()) {
            skip!("this kernel cannot kill connections (no CONFIG_INET_DIAG_DESTROY)");
        }
        other.expects_reset();
    }
    let ends = relay.events_where("closed", 2, |_| true);
    assert_eq!(ends[0]["termination"], "client_reset", "{ends:?}");
    assert_eq!(ends[1]["termination"], "server_reset", "{ends:?}");
    descriptors_return(&relay, before + 4);
    let (mut client, mut server) = pair(address, &upstream);
    client.sends("LIVE");
    server.expects("LIVE");
    server.resets();
    client.expects_reset();
    relay.drains().ledger().balances();
}

#[test]
fn row_39_lost_segments_cost_time_and_nothing_else() {
    requires!(netns(), tool("nft"));
    // Ten in a hundred now and then cost a connection half a minute of doubled timeouts, with or without a relay.
    for percent in [1, if quick() { 4 } else { 10 }] {
        let namespace = Netns::new().expect("just made one");
        namespace.ip(&["link", "set", "lo", "mtu", "1500"]).expect("a device");
        let loss = format!("meta l4proto tcp numgen random mod 100 < {percent} drop");
        if let Err(why) = rule(&namespace, &loss) {
            skip!("{why}");
        }
        let upstream = namespace.inside(|| Server::binds_at("127.0.0.1:0"));
        let (relay, address) = relay_inside(&namespace, "127.0.0.1:0", upstream.address(), &["-q"]);
        let length = if quick() { 1 << 20 } else { 8 << 20 } / percent;
        let sessions: Vec<Script> = (0..4)
            .flat_map(|number| {
                let client = namespace.inside(|| Peer::connects(address));
                let server = upstream.accepts();
                let up = arrives(client.twin(), server.twin(), Arc::new(pattern(length, number)));
                [up, arrives(server, client, Arc::new(pattern(length, 50 + number)))]
            })
            .collect();
        sessions.into_iter().for_each(Script::joins);
        relay.drains();
    }
}

#[test]
fn row_41_behind_a_slow_link_bytes_queue_in_the_kernel_and_not_in_the_relay() {
    requires!(netns(), tool("tc"));
    let net = Far::new();
    let (relay, address, upstream) = net.relay(&["-q"]);
    let slow = "tc qdisc add dev v1 root tbf rate 10mbit burst 32kbit latency 50ms";
    if let Err(why) = shell(&net.far, slow) {
        skip!("{why}");
    }
    let (client, server) = net.pair(address, &upstream);
    let before = relay.reading().peak_kib();
    let bytes = Arc::new(pattern(64 << 20, 41));
    let (sent, mut writing) = (bytes.clone(), client.twin());
    let writer = Script::runs(move || {
        let _ = std::io::Write::write_all(&mut writing.stream(), &sent);
        let _ = writing.stream().take_error();
        writing.stream().set_nonblocking(true).map(|()| writing.reads_some(1)).ok();
    });
    let length = 2 << 20;
    let start = Instant::now();
    let outlet = Outlet::from(server.stream().try_clone().expect("a descriptor"));
    let got = outlet.reads_exactly(length, patience()).expect("as much as the link lets through");
    assert_same_bytes("what came", &bytes[..length], &got);
    assert!(start.elapsed() > Duration::from_millis(800), "the link is not slow: {:?}", start.elapsed());
    let grown = relay.reading().peak_kib() - before;
    assert!(grown <= 1024, "memory grew by {grown} KiB behind a slow link");
    let _ = client.stream().shutdown(std::net::Shutdown::Both);
    writer.joins();
    server.resets();
    drop((client, outlet));
    relay.signal(callbox_testkit::Signal::TERM).signal(callbox_testkit::Signal::TERM);
    relay.ends();
}

#[test]
fn row_42_an_mtu_black_hole_ends_as_a_write_stall_and_not_never() {
    requires!(netns(), tool("nft"));
    let namespace = Netns::new().expect("just made one");
    let upstream = namespace.inside(|| Server::binds_at("127.0.0.1:0"));
    let words = ["-q", "--json", "--write-stall-timeout", "2s"];
    let (relay, address) = relay_inside(&namespace, "127.0.0.1:0", upstream.address(), &words);
    let hole = format!("tcp dport {} meta length > 600 drop", upstream.address().port());
    if let Err(why) = rule(&namespace, &hole) {
        skip!("{why}");
    }
    let mut client = namespace.inside(|| Peer::connects(address));
    let mut server = upstream.accepts();
    client.sends("small ones pass");
    server.expects("small ones pass");
    let start = Instant::now();
    // Either the path's real size is found out, or the stall has a name and an end.
    client.stream().set_write_timeout(Some(patience() * 2)).expect("an option");
    let sent = std::io::Write::write_all(&mut client.stream(), &pattern(32 << 20, 42));
    sent.expect_err("more than all queues hold, and nobody to take it");
    let closed = relay.event("closed", |_| true);
    assert_eq!(closed["termination"], "write_stall", "{closed}");
    assert!(start.elapsed() < scaled(Duration::from_secs(8)), "{:?}", start.elapsed());
    drop((client, server));
    relay.drains().ledger().balances();
}

#[test]
fn row_43_connections_outlive_a_link_that_goes_down_and_comes_back() {
    requires!(netns());
    let net = Far::new();
    let (relay, address, upstream) = net.relay(&["-q", "--json"]);
    let (client, server) = net.pair(address, &upstream);
    let bytes = Arc::new(pattern(6 << 20, 43));
    net.far.ip(&["link", "set", "v1", "down"]).expect("a device");
    let one = arrives(client.twin(), server.twin(), bytes.clone());
    let other = arrives(server, client, bytes);
    deadline::let_pass(Duration::from_millis(if quick() { 700 } else { 5_000 }));
    net.far.ip(&["link", "set", "v1", "up"]).expect("a device");
    one.joins();
    other.joins();
    relay.drains();
}

#[test]
fn row_45_without_a_free_port_sessions_fail_by_name_and_nothing_spins() {
    requires!(netns());
    let namespace = Netns::new().expect("just made one");
    shell(&namespace, "echo 40000 40049 >/proc/sys/net/ipv4/ip_local_port_range").expect("a setting of its own");
    let upstream = namespace.inside(|| Server::binds_at("127.0.0.1:9000"));
    let scratch = Scratch::new();
    let (mut relay, path) = relay_from_path(&namespace, upstream.address(), &scratch);
    let mut held: Vec<(Peer, Peer)> = Vec::new();
    let mut turned_away = Vec::new();
    for _ in 0..61 {
        let client = Peer::connects_to_path(&path);
        if held.len() < 50 && upstream.has_client_within(scaled(Duration::from_millis(500))) {
            held.push((client, upstream.accepts()));
        } else {
            turned_away.push(client);
        }
    }
    assert_eq!((held.len(), turned_away.len()), (50, 11), "a port each, and then none");
    let error = relay.event("error", |_| true);
    assert_eq!(error["kind"], "address_not_available", "{error}");
    assert_eq!(error["operation"], "connect", "{error}");
    relay.events_where("closed", turned_away.len(), |_| true);
    let cpu = relay.reading().cpu_percent_over(Duration::from_millis(400));
    assert!(cpu < 5.0, "{cpu:.1} % of a core without ports");
    relay.still_runs();
    // The server ends first, so that no port of the relay's stays in TIME_WAIT.
    for (client, server) in &mut held {
        server.ends();
        client.expects_end().ends();
        server.expects_end();
    }
    relay.events_where("closed", held.len() + turned_away.len(), |_| true);
    let mut client = Peer::connects_to_path(&path);
    let mut server = upstream.accepts();
    client.sends("LIVE");
    server.expects("LIVE").ends();
    client.expects_end().ends();
    server.expects_end();
    relay.drains().ledger().balances();
}

#[test]
fn row_46_a_pile_of_time_waits_stops_nobody() {
    requires!(netns());
    let namespace = Netns::new().expect("just made one");
    shell(&namespace, "echo 40000 44999 >/proc/sys/net/ipv4/ip_local_port_range").expect("a setting of its own");
    let upstream = namespace.inside(|| Server::binds_at("127.0.0.1:9000"));
    let scratch = Scratch::new();
    let (relay, path) = relay_from_path(&namespace, upstream.address(), &scratch);
    let count = if quick() { 600 } else { 6_000 };
    let begun = std::time::Instant::now();
    // The client ends first, so the relay is the one that closes first towards the server: TIME_WAIT is the relay's.
    for number in 0..count {
        if number == 4_500 {
            // Of 5,000 ports: the kernel gives one in TIME_WAIT again after a second, and fast machines are here before.
            std::thread::sleep(Duration::from_millis(1_500).saturating_sub(begun.elapsed()));
        }
        let mut client = Peer::connects_to_path(&path);
        if !upstream.has_client_within(scaled(Duration::from_secs(2))) {
            relay.fail::<()>(&format!("session {number} has no upstream"));
        }
        let mut server = upstream.accepts();
        client.sends("x").ends();
        server.expects("x").expects_end().ends();
        client.expects_end();
    }
    let ledger = relay.drains().ledger();
    ledger.balances();
    let summary = ledger.summary();
    assert_eq!(summary["sessions"], count, "{summary}");
    assert_eq!(ledger.terminations().get("client_closed"), Some(&count), "{:?}", ledger.terminations());
}

#[test]
fn row_47_a_firewall_s_refusals_have_their_names() {
    requires!(netns(), tool("nft"));
    for (answer, kind, termination) in [
        ("reject with tcp reset", "refused", "upstream_refused"),
        ("reject with icmp type admin-prohibited", "unreachable", "upstream_unreachable"),
        ("reject with icmp type host-unreachable", "unreachable", "upstream_unreachable"),
        ("reject with icmp type net-unreachable", "unreachable", "upstream_unreachable"),
    ] {
        let namespace = Netns::new().expect("just made one");
        let upstream = namespace.inside(|| Server::binds_at("127.0.0.1:0"));
        let (relay, address) = relay_inside(&namespace, "127.0.0.1:0", upstream.address(), &["-q", "--json"]);
        if let Err(why) = rule(&namespace, &format!("ip protocol tcp tcp dport {} {answer}", upstream.address().port()))
        {
            skip!("{why}");
        }
        let client = namespace.inside(|| knocks(address));
        let told = client.as_ref().is_none_or(|client| client.readable_within(scaled(Duration::from_secs(2))));
        assert!(told, "{answer}: the client is told at once");
        let error = relay.event("error", |_| true);
        assert_eq!(error["kind"], kind, "{answer}: {error}");
        let closed = relay.event("closed", |_| true);
        // FAILS for the unreachable ones: they are `upstream_failed`, one word for whatever is no refusal and no timeout.
        assert_eq!(closed["termination"], termination, "{answer}: {closed}");
        drop(client);
        relay.drains();
    }
}

#[test]
fn a_relay_to_an_echo_server_is_alive_in_a_namespace() {
    requires!(netns());
    let namespace = Netns::new().expect("just made one");
    let scratch = Scratch::new();
    let path = scratch.join("ready");
    let server = callbox(["serve", "127.0.0.1:0", "--echo", "-q", "--ready-file"]).arg(&path).within(&namespace);
    let (server, upstream) = started(server, &path);
    let (relay, address) = relay_inside(&namespace, "127.0.0.1:0", upstream, &["-q"]);
    namespace.inside(|| echoes(address));
    relay.drains();
    server.drains();
}
