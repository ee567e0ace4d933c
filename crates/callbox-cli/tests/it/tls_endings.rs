//! TLS and what a server does besides talking: it ends sessions in order, bounds what it holds, counts, and tells secrets
//! where that is asked for. OpenSSL is the judge of whether an end is one.

use std::collections::BTreeSet;
use std::time::Duration;

use callbox_testkit::deadline::settled;
use callbox_testkit::{Peer, Script, Server, Signal, assert_same_bytes, pattern};

use crate::cli::callbox;
use crate::tls_kit::kit;

#[test]
fn who_is_drained_gets_an_orderly_end() {
    let kit = kit!();
    let (server, address) = kit.serves(&["--echo", "--drain", "300ms", "--json"]);
    let adapter = kit.client(address, &[]);
    let mut idle = Peer::connects(adapter.address);
    idle.sends("hello").expects("hello");
    server.signal(Signal::TERM);
    // A close_notify, at the deadline, and no session of TLS that looks cut.
    idle.expects_end();
    adapter.process.shows("end\n");
    idle.ends();
    let outcome = server.ends();
    assert_eq!(outcome.ledger().balances().the("closed")["termination"], "drained");
}

#[test]
fn who_is_idle_gets_an_orderly_end() {
    let kit = kit!();
    let (server, address) = kit.serves(&["--echo", "--idle-timeout", "300ms", "--json"]);
    let adapter = kit.client(address, &[]);
    let mut idle = Peer::connects(adapter.address);
    idle.sends("hello").expects("hello").expects_end().ends();
    adapter.process.shows("end\n");
    let ledger = server.drains().ledger();
    assert_eq!(ledger.balances().the("closed")["termination"], "idle_timeout");
}

#[test]
fn handshakes_that_fail_are_none_of_the_sessions_that_are_asked_for() {
    let kit = kit!();
    let (server, address) = kit.serves(&["--echo", "--once", "--json"]);
    let mut plain = Peer::connects(address);
    plain.sends("hello\n");
    server.event("refused", |event| event["reason"] == "not_tls");
    let stranger = kit.client(address, &["--ca", &kit.file("stranger-ca.pem")]);
    Peer::meets_reset(stranger.address);
    server.event("refused", |event| event["reason"] == "tls");
    let adapter = kit.client(address, &[]);
    Peer::connects(adapter.address).sends("hello").expects("hello").ends().expects_end();
    let ledger = server.exits(0).ledger();
    assert_eq!(ledger.balances().summary()["sessions"], 1);
}

#[test]
fn an_answer_is_whole_though_the_client_floods_and_its_bytes_are_left_unread() {
    let kit = kit!();
    let (server, address) = kit.serves(&["--generate", "4Mi", "-q"]);
    for words in [&["--max", "1.2"][..], &["--min", "1.3"]] {
        let adapter = kit.client(address, words);
        let mut peer = Peer::connects(adapter.address);
        let flood = peer.twin();
        let flooding = Script::runs(move || {
            use std::io::Write;
            let bytes = vec![b'x'; 1 << 16];
            while flood.stream().write_all(&bytes).is_ok() {}
        });
        let mut all = 0;
        while all < 4 << 20 {
            match peer.reads_some(1 << 16) {
                Ok(some) if some.is_empty() => break,
                Ok(some) => all += some.len(),
                Err(error) => panic!("{words:?}: {error} after {all} bytes"),
            }
        }
        assert_eq!(all, 4 << 20, "{words:?}");
        let _ = peer.stream().shutdown(std::net::Shutdown::Both);
        flooding.joins();
    }
    drop(server);
}

#[test]
fn a_relay_passes_back_pressure_on_through_tls_and_holds_little() {
    let kit = kit!();
    const FLOOD: usize = 48 << 20;
    let upstream = Server::binds();
    let far = kit.server(upstream.address(), "server.pem", &[]);
    let (cert, ca, to) = (kit.file("second.pem"), kit.file("ca.pem"), far.address.to_string());
    let tls = ["--tls", "--cert", &cert, "--tls-upstream", "--ca", &ca, "--show", "none"];
    let relay = callbox(["relay", "127.0.0.1:0", &to]).args(tls).start();
    let near = kit.client(relay.ready(), &["--ca", &ca]);
    let mut client = Peer::connects(near.address);
    let server = upstream.accepts();
    let bytes = pattern(FLOOD, 10);
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (counter, flood, mut source) = (sent.clone(), bytes.clone(), server);
    let writer = Script::runs(move || {
        for piece in flood.chunks(1 << 16) {
            source.sends(piece);
            counter.fetch_add(piece.len(), std::sync::atomic::Ordering::Relaxed);
        }
        source.ends();
        source
    });
    let queued =
        settled("a full queue", Duration::from_millis(300), || sent.load(std::sync::atomic::Ordering::Relaxed));
    assert!(queued < FLOOD, "all was taken though nobody reads");
    let resident = relay.reading().resident_kib() / 1024;
    assert!(resident < 64, "{resident} MiB");
    assert_same_bytes("the flood", &bytes, &client.reads_to_end());
    client.ends();
    writer.joins().expects_end();
    relay.drains();
}

#[test]
fn a_relay_shows_its_own_certificate_to_upstreams_that_ask() {
    let kit = kit!();
    let upstream = Server::binds();
    let ca = kit.file("ca.pem");
    let far = kit.server(upstream.address(), "server.pem", &["--ca", &ca, "--require"]);
    let to = format!("tls://{}", far.address);
    let ours = kit.file("client.pem");
    let relay = callbox(["relay", "127.0.0.1:0", &to, "--ca", &ca, "--upstream-cert", &ours]).start();
    let mut client = Peer::connects(relay.ready());
    client.sends("hello");
    upstream.accepts().expects("hello").sends("thank you !").ends();
    client.expects("thank you !").expects_end();
    far.process.shows("peer=tester");
    client.ends();
    relay.drains();
}

#[test]
fn the_secrets_that_are_told_are_those_of_the_connection() {
    let kit = kit!();
    let lines = |path: &str| -> BTreeSet<String> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    let (ours, theirs) = (kit.file("ours.log"), kit.file("theirs.log"));
    let (server, address) = kit.serves(&["--echo", "--tls-keylog", &ours]);
    for words in [["--max", "1.2"], ["--min", "1.3"]] {
        let adapter = kit.client(address, &[&words[..], &["--keylog", &theirs]].concat());
        Peer::connects(adapter.address).sends("hello").expects("hello").ends().expects_end();
    }
    server.drains();
    let (ours, theirs) = (lines(&ours), lines(&theirs));
    assert!(ours.iter().any(|line| line.starts_with("CLIENT_RANDOM ")), "{ours:?}");
    assert!(ours.iter().any(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")), "{ours:?}");
    // OpenSSL tells of an exporter too, which we do not use; what we tell it tells too.
    assert!(ours.is_subset(&theirs), "{ours:#?}\n{theirs:#?}");

    let (ours, theirs) = (kit.file("our-client.log"), kit.file("their-server.log"));
    let (plain, script) = Script::serves(|mut peer: Peer| {
        peer.sends("hello").ends().expects_end();
    });
    let adapter = kit.server(plain, "server.pem", &["--keylog", &theirs]);
    let client = kit.connects(adapter.address, &["--tls-keylog"]).env("SSLKEYLOGFILE", &ours);
    client.run().exited(0).wrote("hello");
    script.joins();
    let (ours, theirs) = (lines(&ours), lines(&theirs));
    assert!(ours.len() >= 4 && ours.is_subset(&theirs), "{ours:#?}\n{theirs:#?}");
}
