//! `relay` where peers vanish without a word, wires damage and reorder, addresses go, and handshakes are never finished
//! (rows 23, 24, 40, 44, 48), each in namespaces of the test's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use callbox_testkit::{
    Callbox, Netns, Peer, Process, Scratch, Script, Server, Signal, deadline, kernel, pattern, quick, requires, scaled,
    skip,
};
use serde_json::Value;

use crate::cli::{callbox, started};
use crate::relay_line::knocks;
use crate::relay_network::{Far, PEERS, RELAY, arrives, relay_inside, rule};

/// A program of the folder `tests/wire`.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").join(name)
}

/// A session through a relay in a namespace, of which one side can be cut off.
struct Cut {
    namespace: Netns,
    relay: Process,
    client: Peer,
    server: Peer,
    port: u16,
}

impl Cut {
    fn new(words: &[&str]) -> Self {
        let namespace = Netns::new().expect("just made one");
        let upstream = namespace.inside(|| Server::binds_at("127.0.0.1:0"));
        let words: Vec<&str> = ["-q", "--json"].into_iter().chain(words.iter().copied()).collect();
        let (relay, address) = relay_inside(&namespace, "127.0.0.1:0", upstream.address(), &words);
        let mut client = namespace.inside(|| Peer::connects(address));
        let mut server = upstream.accepts();
        client.sends("x");
        server.expects("x").sends("y");
        client.expects("y");
        Self { namespace, relay, client, server, port: upstream.address().port() }
    }

    /// Loses every segment of one side, both ways, from now on.
    fn vanishes(&self, is_client: bool) -> Result<(), String> {
        let port = if is_client { self.client.local().port() } else { self.port };
        rule(&self.namespace, &format!("tcp dport {port} drop"))?;
        rule(&self.namespace, &format!("tcp sport {port} drop"))
    }

    /// Waits until the relay has found out, which must last about so long; the other side must not take it for an end.
    fn found_after(mut self, is_client: bool, since: Instant, expected: Duration) {
        let closed = self.relay.event("closed", |_| true);
        let took = since.elapsed();
        assert_eq!(closed["termination"], "peer_timeout", "{closed}");
        assert!(took >= expected.mul_f64(0.9), "too early: {took:?}");
        assert!(took < expected.mul_f64(1.1) + scaled(Duration::from_millis(700)), "too late: {took:?}");
        let other = if is_client { &mut self.server } else { &mut self.client };
        other.expects_reset();
        self.relay.drains().ledger().balances();
    }
}

#[test]
fn row_23_a_peer_that_vanishes_is_found_by_keepalive_though_nobody_sends() {
    requires!(netns(), tool("nft"));
    // The first probe after one second, and one more each second: after the sixth it is over, with a user timeout of one
    // second after the first.
    let both: &[&str] = &["--keepalive", "1s", "--user-timeout", "1s"];
    let mut ways = vec![(true, both, 2), (false, both, 2)];
    if !quick() {
        ways.push((true, &both[..2], 7));
    }
    let found: Vec<_> = ways
        .into_iter()
        .map(|(is_client, words, seconds)| {
            Script::runs(move || {
                let cut = Cut::new(words);
                cut.vanishes(is_client)?;
                cut.found_after(is_client, Instant::now(), Duration::from_secs(seconds));
                Ok::<(), String>(())
            })
        })
        .collect();
    for found in found {
        if let Err(why) = found.joins() {
            skip!("{why}");
        }
    }
}

#[test]
fn row_24_a_peer_that_vanishes_with_bytes_on_their_way_is_found_by_the_user_timeout() {
    requires!(netns(), tool("nft"));
    let found = [true, false].map(|is_client| {
        Script::runs(move || {
            let mut cut = Cut::new(&["--user-timeout", "1500ms"]);
            cut.vanishes(is_client)?;
            let start = Instant::now();
            let other = if is_client { &mut cut.server } else { &mut cut.client };
            other.sends("into nothing");
            cut.found_after(is_client, start, Duration::from_millis(1500));
            Ok::<(), String>(())
        })
    });
    for found in found {
        if let Err(why) = found.joins() {
            skip!("{why}");
        }
    }
}

#[test]
fn row_40_a_wire_that_delays_reorders_doubles_and_damages_changes_no_byte() {
    requires!(netns(), tool("python3"));
    if let Err(why) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
        skip!("needs /dev/net/tun: {why}");
    }
    let (near, far) = (Netns::new().expect("just made one"), Netns::new().expect("just made one"));
    let name = far.wrapper().pop().expect("its last word is the name");
    let wire = Callbox::new("python3").arg(program("wire.py")).args([name.as_str(), "40"]).within(&near).start();
    wire.shows("ready");
    for (side, device, address) in [(&near, "w0", "10.98.0.1/24"), (&far, "w1", "10.98.0.2/24")] {
        side.ip(&["address", "add", address, "dev", device]).expect("an address");
        side.ip(&["link", "set", device, "up"]).expect("a device");
    }
    let upstream = near.inside(|| Server::binds_at("10.98.0.1:0"));
    let (relay, address) = relay_inside(&far, "10.98.0.2:0", upstream.address(), &["-q", "--json", "--show", "none"]);
    let length = if quick() { 128 << 10 } else { 1 << 20 };
    let ways: Vec<Script> = (0..4)
        .flat_map(|number| {
            let client = near.inside(|| Peer::connects(address));
            let server = upstream.accepts();
            let up = arrives(client.twin(), server.twin(), Arc::new(pattern(length, number)));
            [up, arrives(server, client, Arc::new(pattern(length, 50 + number)))]
        })
        .collect();
    ways.into_iter().for_each(Script::joins);
    let ledger = relay.drains().ledger();
    assert_eq!(ledger.balances().summary()["to_server_bytes"], 4 * length, "counted once, however often it was sent");
    wire.signal(Signal::TERM);
    let outcome = wire.exits(0);
    let text = String::from_utf8_lossy(&outcome.stdout);
    let did: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    for fault in ["damaged", "doubled", "reordered"] {
        assert!(did[fault].as_u64().is_some_and(|times| times >= 5), "the wire is too good: {did}");
    }
}

/// The address and the device of the side where the relay is, as `ip` takes them.
fn of_relay(verb: &str) -> [String; 5] {
    ["address", verb, &format!("{RELAY}/24"), "dev", "v1"].map(str::to_owned)
}

/// Takes the relay's side its address, and with it the route to its peers; or gives it back.
fn address_of_relay(net: &Far, verb: &str) {
    let words = of_relay(verb);
    net.far.ip(&words.each_ref().map(String::as_str)).expect("an address");
}

#[test]
fn row_44_without_a_route_sessions_fail_by_name_and_the_patient_ones_wait_for_it() {
    requires!(netns());
    let net = Far::new();
    let server = net.near.inside(|| Server::binds_at(&format!("{PEERS}:0")));
    let impatient = relay_inside(&net.far, "127.0.0.1:0", server.address(), &["-q", "--json"]);
    let patient = relay_inside(&net.far, "127.0.0.1:0", server.address(), &["-q", "--json", "--retry-for", "15s"]);
    address_of_relay(&net, "del");
    let client = net.far.inside(|| knocks(impatient.1));
    let told = client.as_ref().is_none_or(|client| client.readable_within(scaled(Duration::from_secs(2))));
    assert!(told, "the client is told at once");
    let error = impatient.0.event("error", |_| true);
    assert_eq!((&error["operation"], &error["kind"]), (&"connect".into(), &"unreachable".into()), "{error}");
    let closed = impatient.0.event("closed", |_| true);
    assert_eq!(closed["termination"], "upstream_unreachable", "{closed}");
    let words = ["connect", &server.address().to_string(), "--send", "x"].map(str::to_owned);
    let connect = || callbox(words.iter().map(String::as_str));
    connect().within(&net.far).run().exited(3).said("unreachable");
    connect().args(["--source", RELAY]).within(&net.far).run().exited(3).said("cannot assign requested address");
    let mut early = net.far.inside(|| Peer::connects(patient.1));
    early.sends("early");
    patient.0.event("retrying", |_| true);
    let connecting = connect().args(["--json", "--retry-for", "15s"]).within(&net.far).start();
    connecting.event("retrying", |_| true);
    address_of_relay(&net, "add");
    let mut got: Vec<Vec<u8>> = (0..2)
        .map(|_| {
            let mut peer = server.accepts();
            let bytes = peer.reads_some(64).expect("bytes");
            peer.ends();
            bytes
        })
        .collect();
    got.sort();
    assert_eq!(got, [b"early".to_vec(), b"x".to_vec()]);
    connecting.exits(0);
    early.expects_end().ends();
    drop(client);
    patient.0.drains();
    impatient.0.drains();
}

#[test]
fn row_44_a_session_outlives_an_address_that_goes_and_comes_back() {
    requires!(netns());
    let net = Far::new();
    let (relay, address, upstream) = net.relay(&["-q"]);
    let (client, server) = net.pair(address, &upstream);
    address_of_relay(&net, "del");
    let bytes = Arc::new(pattern(2 << 20, 44));
    let ways = [arrives(client.twin(), server.twin(), bytes.clone()), arrives(server, client, bytes)];
    deadline::let_pass(Duration::from_millis(if quick() { 300 } else { 800 }));
    address_of_relay(&net, "add");
    ways.into_iter().for_each(Script::joins);
    relay.drains();
}

#[test]
fn row_48_handshakes_that_are_never_finished_keep_no_real_client_out() {
    requires!(netns(), tool("python3"));
    let namespace = Netns::new().expect("just made one").with_black_hole("10.66.0.0/16");
    let scratch = Scratch::new();
    let ready = scratch.join("ready");
    let server = callbox(["serve", "127.0.0.1:0", "--echo", "-q", "--ready-file"]).arg(&ready).within(&namespace);
    let (server, upstream) = started(server, &ready);
    let (relay, address) = relay_inside(&namespace, "127.0.0.1:0", upstream, &["-q", "--json"]);
    let flood = Callbox::new("python3").arg(program("syn_flood.py")).arg(address.ip().to_string());
    let flood = flood.arg(address.port().to_string()).within(&namespace).start();
    flood.shows("flooding");
    for _ in 0..20 {
        let start = Instant::now();
        namespace.inside(|| crate::cli::echoes(address));
        assert!(start.elapsed() < scaled(Duration::from_secs(1)), "LIVE: {:?}", start.elapsed());
    }
    let cookies = namespace.inside(|| kernel::tcp_counter("TcpExt", "SyncookiesSent"));
    assert!(cookies.is_some_and(|cookies| cookies > 100), "the queue was never full: {cookies:?} cookies");
    flood.signal(Signal::TERM);
    flood.exits(0);
    let ledger = relay.drains().ledger();
    assert_eq!(ledger.balances().summary()["sessions"], 20, "who never finished a handshake is no session");
    server.drains();
}
