//! A relay that ends TLS on one side and begins it on the other, between two sides of OpenSSL.

use callbox_testkit::{Peer, Process, Script, Server, assert_same_bytes, pattern};

use crate::cli::callbox;
use crate::tls_kit::{Adapter, Kit, kit};

/// Two adapters with a relay between them.
struct Chain {
    near: Adapter,
    relay: Process,
    far: Adapter,
    server: Server,
}

impl Chain {
    fn new(kit: &Kit, words: &[&str]) -> Self {
        let server = Server::binds();
        let far = kit.server(server.address(), "server.pem", &["--max", "1.2"]);
        let (cert, ca, upstream) = (kit.file("second.pem"), kit.file("ca.pem"), far.address.to_string());
        let tls = ["--tls", "--cert", &cert, "--tls-upstream", "--ca", &ca];
        let relay = callbox(["relay", "127.0.0.1:0", &upstream]).args(tls).args(words).start();
        let near = kit.client(relay.ready(), &["--ca", &ca]);
        Self { near, relay, far, server }
    }

    fn pair(&self) -> (Peer, Peer) {
        let client = Peer::connects(self.near.address);
        (client, self.server.accepts())
    }
}

/// Both ways at once, each side ending by itself; what is shown is what went.
fn passes(words: &[&str], length: usize) {
    let kit = kit!();
    let chain = Chain::new(&kit, words);
    let (client, server) = chain.pair();
    let sides = [client, server].map(|peer| {
        let bytes = pattern(length, u64::from(peer.local().port()));
        let (mut twin, sent) = (peer.twin(), bytes.clone());
        let writer = Script::runs(move || {
            twin.sends(sent).ends();
        });
        (peer, bytes, writer)
    });
    let [(mut client, to_server, first), (mut server, to_client, second)] = sides;
    let reader = Script::runs(move || server.reads_to_end());
    assert_same_bytes("to the client", &to_client, &client.reads_to_end());
    assert_same_bytes("to the server", &to_server, &reader.joins());
    first.joins();
    second.joins();
    assert!(chain.near.process.output().text().contains("agreed TLSv1.3"));
    assert!(chain.far.process.output().text().contains("agreed TLSv1.2"));
    chain.relay.drains().said("served 1 session");
}

#[test]
fn bytes_pass_between_1_3_and_1_2() {
    passes(&["--show", "none"], 8 << 20);
}

#[test]
fn bytes_that_are_shown_on_both_sides_pass() {
    passes(&["--show", "hex", "--tap", "both"], 300_000);
}

#[test]
fn bytes_that_are_sliced_and_late_pass() {
    passes(&["--show", "none", "--fault", "slice=100", "--fault", "latency=20ms+-10ms", "--seed", "7"], 300_000);
}

#[test]
fn what_passes_is_shown_in_the_clear() {
    let kit = kit!();
    let chain = Chain::new(&kit, &["--show", "text", "--tap", "both"]);
    let (mut client, mut server) = chain.pair();
    client.sends("secret question");
    server.expects("secret question").sends("secret answer").ends();
    client.expects("secret answer").expects_end().ends();
    server.expects_end();
    chain.relay.shows("#1 > secret question").shows("#1 < secret answer");
    chain.relay.drains();
}

#[test]
fn a_cut_is_an_orderly_end_of_tls_and_a_reset_is_none() {
    let kit = kit!();
    for (fault, near) in [("cut@1000,direction=to_client", "end"), ("cut@1000:reset,direction=to_client", "reset")] {
        let chain = Chain::new(&kit, &["--fault", fault]);
        let (mut client, mut server) = chain.pair();
        client.sends("go");
        let bytes = pattern(5_000, 9);
        server.expects("go").sends(&bytes);
        let mut got = Vec::new();
        while let Ok(some) = client.reads_some(4096) {
            if some.is_empty() {
                break;
            }
            got.extend(some);
        }
        assert!(bytes.starts_with(&got) && got.len() <= 1000, "{fault}: {} bytes", got.len());
        chain.near.process.shows(format!("{near}\n"));
    }
}

#[test]
fn an_end_without_close_notify_is_no_end_on_the_other_side() {
    let kit = kit!();
    let chain = Chain::new(&kit, &["--json"]);
    let (mut client, mut server) = chain.pair();
    client.sends("hello");
    server.expects("hello").sends("half an ans");
    client.expects("half an ans");
    server.resets();
    // A FIN behind our own close_notify would tell the client that the answer is whole.
    client.expects_reset();
    let said = chain.near.process.output().text();
    assert!(!said.lines().any(|line| line == "end"), "{said}");
    chain.relay.event("closed", |event| event["termination"] == "tls_truncated");
}

#[test]
fn an_upstream_that_is_not_believed_is_named_and_its_client_turned_away() {
    let kit = kit!();
    let server = Server::binds();
    let far = kit.server(server.address(), "stranger.pem", &[]);
    let (cert, ca, upstream) = (kit.file("second.pem"), kit.file("ca.pem"), far.address.to_string());
    let tls = ["--tls", "--cert", &cert, "--tls-upstream", "--ca", &ca];
    let relay = callbox(["relay", "127.0.0.1:0", &upstream]).args(tls).start();
    let near = kit.client(relay.ready(), &["--ca", &ca]);
    Peer::meets_reset(near.address);
    far.process.shows("failed").shows("UNKNOWN_CA");
    relay.says("is not trusted");
    relay.drains();
}
