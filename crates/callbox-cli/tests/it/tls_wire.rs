//! TLS over a wire that cuts, resets or damages it anywhere: no end is taken for one that is none, no byte for another.
//! The wire is a relay that knows nothing of TLS.

use std::net::SocketAddr;

use callbox_testkit::{Outcome, Peer, Server, assert_same_bytes, quick};

use crate::cli::callbox;
use crate::relay_line::relayed;
use crate::tls_kit::{Kit, kit, line_of};

/// What the server sends before its end.
const LENGTH: usize = 40_000;

/// Receives what the server has to say, over a wire with this fault.
fn hears(kit: &Kit, server: SocketAddr, words: &[&str], version: &str) -> Outcome {
    let (relay, address) = relayed(server, [&["--show", "none", "-q"][..], words].concat());
    let outcome = kit.connects(address, &["--tls-min", version, "--tls-max", version]).run();
    drop(relay);
    outcome
}

/// Panics unless it is all and in order, or an error after a part of it; returns which.
fn is_all(what: &str, whole: &[u8], outcome: &Outcome) -> bool {
    let part = &outcome.stdout;
    match outcome.status.code() {
        Some(0) => assert_same_bytes(what, whole, part),
        Some(4 | 5) => {
            assert!(part.len() <= whole.len(), "{what}: {} bytes", part.len());
            assert_same_bytes(what, &whole[..part.len()], part);
            assert!(!outcome.stderr.is_empty(), "{what}: nothing is said");
        }
        code => panic!("{what}: exit {code:?}: {}", outcome.stderr),
    }
    outcome.status.success()
}

#[test]
fn a_stream_that_is_cut_anywhere_is_never_whole() {
    let kit = kit!();
    let (server, address) = kit.serves(&["--generate", &LENGTH.to_string(), "-q"]);
    for version in ["1.2", "1.3"] {
        let whole = hears(&kit, address, &[], version).exited(0).stdout;
        assert_eq!(whole.len(), LENGTH);
        // Within the handshake, and then about each record.
        let handshake = (0..2_000).step_by(if quick() { 700 } else { 250 });
        let stream = (2_000..LENGTH).step_by(if quick() { 9_000 } else { 3_000 });
        let mut parts = 0;
        for (number, at) in handshake.chain(stream).enumerate() {
            let how = if number % 2 == 0 { "end" } else { "reset" };
            let fault = format!("cut@{at}:{how},direction=to_client");
            let outcome = hears(&kit, address, &["--fault", &fault], version);
            assert!(!is_all(&format!("{version}, {fault}"), &whole, &outcome), "{version}, {fault}");
            parts += usize::from(!outcome.stdout.is_empty());
        }
        assert!(parts > 3, "{version}: {parts} parts");
    }
    server.drains();
}

#[test]
fn bytes_that_are_damaged_on_their_way_are_never_shown() {
    let kit = kit!();
    let (server, address) = kit.serves(&["--generate", &LENGTH.to_string(), "-q"]);
    let whole = hears(&kit, address, &[], "1.3").exited(0).stdout;
    let mut damaged = 0;
    for seed in 1..=if quick() { 6 } else { 20 } {
        let seed = seed.to_string();
        let fault = "corrupt=0.003%,direction=to_client";
        let outcome = hears(&kit, address, &["--fault", fault, "--seed", &seed], "1.3");
        damaged += usize::from(!is_all(&format!("seed {seed}"), &whole, &outcome));
    }
    assert!(damaged > 2, "only {damaged} were damaged");
    server.drains();
}

#[test]
fn a_server_that_breaks_the_rules_behind_a_relay_is_no_end_of_stream_for_its_client() {
    let kit = kit!();
    let flood = kit.python("floods.py").args(["server", &kit.file("server.pem"), "alerts"]).start();
    let port = line_of(&flood, "ready").replace("ready ", "");
    let upstream = format!("tls://127.0.0.1:{port}");
    let relay = callbox(["relay", "127.0.0.1:0", &upstream, "--ca", &kit.file("ca.pem")]).start();
    let mut client = Peer::connects(relay.ready());
    client.sends("hello").expects_reset();
    relay.says("broke the rules of TLS");
    flood.exits(0);
    relay.drains();
}

#[test]
fn a_reset_below_tls_is_a_reset() {
    let kit = kit!();
    let (server, address) = kit.serves(&["--echo", "-q"]);
    // The wire, by hand: what passes is the server's, then it is reset.
    let wire = Server::binds();
    let client = kit.connects(wire.address(), &["--json"]).start();
    let mut near = wire.accepts();
    let mut far = Peer::connects(address);
    far.sends(near.reads_some(1 << 16).expect("a ClientHello"));
    let hello = far.reads_some(1 << 16).expect("a flight");
    near.sends(hello);
    client.event("connected", |_| true);
    near.resets();
    let ledger = client.ends_with_input_open().exited(5).ledger();
    assert_eq!(ledger.balances().the("closed")["termination"], "server_reset");
    far.closes();
    server.drains();
}
