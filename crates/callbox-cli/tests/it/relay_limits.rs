//! `relay` at its limits: descriptors, connections, idle sessions, slow readers of its lines (rows 1, 2, 38).

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use callbox_testkit::{Output, Peer, Scratch, Script, Server, deadline, eventually, quick, requires, scaled};
use rustix::process::Resource;

use crate::cli::{callbox, served, started};
use crate::limits::descriptors_return;
use crate::relay_line::{pair, relayed};

#[test]
fn an_idle_session_ends_on_both_sides_with_a_fin() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q", "--json", "--idle-timeout", "500ms"]);
    let (mut client, mut server) = pair(address, &upstream);
    // A byte in either direction keeps it from being idle.
    for _ in 0..4 {
        deadline::let_pass(Duration::from_millis(200));
        server.sends("y");
        client.expects("y");
    }
    let start = Instant::now();
    client.expects_end();
    server.expects_end();
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    assert!(start.elapsed() < scaled(Duration::from_secs(2)), "{:?}", start.elapsed());
    client.ends();
    server.ends();
    let closed = relay.event("closed", |_| true);
    assert_eq!(closed["termination"], "idle_timeout", "{closed}");
    let ledger = relay.drains().ledger();
    assert_eq!(ledger.summary()["limits"]["idle_timeout"], 1, "{}", ledger.summary());
}

#[test]
fn an_idle_session_holds_two_descriptors_also_after_a_flood() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q"]);
    let before = deadline::settled("descriptors", Duration::from_millis(100), || relay.reading().descriptors());
    let mut pairs: Vec<(Peer, Peer)> = (0..10).map(|_| pair(address, &upstream)).collect();
    for (client, server) in &mut pairs {
        let bytes = callbox_testkit::pattern(3 << 20, 2);
        let (mut writing, sent) = (client.twin(), bytes.clone());
        let flood = Script::runs(move || {
            writing.sends(&sent);
        });
        server.expects(&bytes);
        flood.joins();
    }
    // What a flood needed for a while, such as a pipe, is given back when it is over; a thread may keep one.
    let kept = 2 * std::thread::available_parallelism().map_or(1, usize::from);
    eventually("two descriptors a session", scaled(Duration::from_secs(5)), || {
        let now = relay.reading().descriptors();
        if now <= before + 2 * pairs.len() + kept { Ok(()) } else { Err(format!("{now} after {before}")) }
    });
    for (client, server) in &mut pairs {
        client.sends("still").ends();
        server.expects("still").expects_end().ends();
        client.expects_end();
    }
    relay.drains();
}

#[test]
fn beyond_the_connection_limit_clients_wait_or_are_refused_as_asked() {
    let upstream = Server::binds();
    let words = ["-q", "--json", "--max-connections", "2", "--when-full", "refuse"];
    let (relay, address) = relayed(upstream.address(), words);
    let mut pairs: Vec<(Peer, Peer)> = (0..2).map(|_| pair(address, &upstream)).collect();
    for _ in 0..10 {
        Peer::meets_reset(address);
    }
    for (client, server) in &mut pairs {
        client.ends();
        server.expects_end().ends();
        client.expects_end();
    }
    let ledger = relay.drains().ledger();
    ledger.balances();
    assert_eq!(ledger.named("refused").len(), 10);
    assert_eq!(ledger.summary()["limits"]["max_connections"], 10, "{}", ledger.summary());

    let (relay, address) = relayed(upstream.address(), ["-q", "--max-connections", "1"]);
    let (mut client, mut server) = pair(address, &upstream);
    let mut waiting = Peer::connects(address);
    waiting.sends("me too");
    assert!(!upstream.has_client_within(Duration::from_millis(100)), "a client beyond the limit costs no upstream");
    client.ends();
    server.expects_end().ends();
    client.expects_end();
    let mut its_server = upstream.accepts();
    its_server.expects("me too").ends();
    waiting.expects_end().ends();
    relay.drains();
}

#[test]
fn who_reads_the_lines_slowly_slows_no_byte() {
    for words in [&["--tap", "both"][..], &["--json"], &["--show", "hex"]] {
        let upstream = Server::binds();
        let scratch = Scratch::new();
        let path = scratch.join("ready");
        let relay = callbox(["relay", "127.0.0.1:0", &upstream.address().to_string(), "--ready-file"]).arg(&path);
        let (mut relay, address) = started(relay.args(words).output(Output::Held), &path);
        let output = relay.take_output();
        let (mut client, mut server) = pair(address, &upstream);
        let bytes = callbox_testkit::pattern(24 << 20, 3);
        let (mut writing, sent) = (client.twin(), bytes.clone());
        let flood = Script::runs(move || {
            writing.sends(&sent).ends();
        });
        // Nobody has read a line yet.
        callbox_testkit::assert_same_bytes("the flood", &bytes, &server.reads_to_end());
        flood.joins();
        server.ends();
        client.expects_end();
        assert!(relay.reading().peak_kib() < 64 * 1024, "{words:?}: {} KiB", relay.reading().peak_kib());
        let lines = callbox_testkit::Transcript::drain(output);
        let outcome = relay.drains();
        if words == ["--json"] {
            let text = lines.text();
            let summary: serde_json::Value = serde_json::from_str(text.lines().last().expect("one")).expect("JSON");
            assert_eq!(summary["to_server_bytes"], bytes.len(), "{summary}");
            assert!(summary["lost_events"].as_u64() > Some(0), "what was not shown is counted: {summary}");
        } else {
            assert!(outcome.stderr.contains("not shown"), "what was not shown is counted: {}", outcome.stderr);
        }
    }
}

#[test]
fn row_1_a_relay_under_a_small_descriptor_limit_makes_clients_wait_and_serves_all() {
    requires!(tool("prlimit"), descriptors(2_000));
    let (server, upstream) = served(["--echo", "-q"]);
    let scratch = Scratch::new();
    let path = scratch.join("ready");
    let relay = callbox(["relay", "127.0.0.1:0", &upstream.to_string(), "-q", "--json", "--ready-file"]).arg(&path);
    let (relay, address) = started(relay.through(["prlimit", "--nofile=256:256", "--"]), &path);
    let before = relay.reading().descriptors();
    let count = if quick() { 200 } else { 600 };
    let mut clients: Vec<Peer> = (0..count).map(|_| Peer::connects(address)).collect();
    for client in &mut clients {
        client.sends("hold");
    }
    clients[0].expects("hold");
    let cpu = relay.reading().cpu_percent_over(Duration::from_millis(500));
    assert!(cpu < 5.0, "{cpu:.1} % of a core while full");
    for (number, mut client) in clients.into_iter().enumerate() {
        if number > 0 {
            client.expects("hold");
        }
        client.ends().expects_end();
    }
    descriptors_return(&relay, before + 8);
    let ledger = relay.drains().ledger();
    ledger.balances();
    assert_eq!(ledger.summary()["sessions"], count);
    assert_eq!(ledger.terminations().get("client_closed"), Some(&count), "{:?}", ledger.terminations());
    server.drains();
}

#[test]
fn row_2_a_relay_out_of_descriptors_pauses_recovers_and_loses_nobody() {
    requires!(tool("prlimit"));
    let (server, upstream) = served(["--echo", "-q"]);
    let (mut relay, address) = relayed(upstream, ["-q", "--json"]);
    let mut settled = Peer::connects(address);
    settled.sends("in").expects("in");
    // An odd number: one client gets in, and has no descriptor left for its upstream.
    let before = relay.limits(Resource::Nofile, relay.reading().descriptors() as u64 + 7);
    let mut crowd: Vec<Peer> = (0..40).map(|_| Peer::connects(address)).collect();
    for client in &mut crowd {
        client.sends("x");
    }
    crowd[0].expects("x");
    let cpu = relay.reading().cpu_percent_over(Duration::from_millis(700));
    assert!(cpu < 5.0, "{cpu:.1} % of a core while out of descriptors");
    settled.sends("still").expects("still");
    relay.still_runs();
    relay.limits(Resource::Nofile, before);
    let start = Instant::now();
    for client in &mut crowd[1..] {
        // FAILS: who is accepted with the last descriptor is reset, because there is none for the upstream.
        client.expects("x");
    }
    assert!(start.elapsed() < scaled(Duration::from_secs(3)), "served soon after: {:?}", start.elapsed());
    for client in &mut crowd {
        client.ends().expects_end();
    }
    settled.ends().expects_end();
    relay.drains().ledger().balances();
    server.drains();
}

#[test]
fn row_38_quick_connects_and_closes_through_a_relay_are_all_counted() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q", "--json"]);
    let total: usize = if quick() { 900 } else { 10_000 };
    // Who is accepted is answered until its end; one that was gone before shows here as an end or a reset.
    let (stop, stopping) = std::sync::mpsc::channel::<()>();
    let answering = Script::runs(move || {
        let mut bytes = 0u64;
        while stopping.try_recv().is_err() {
            if !upstream.has_client_within(Duration::from_millis(50)) {
                continue;
            }
            let mut server = upstream.accepts();
            if let Ok(got) = server.reads_some(64) {
                bytes += got.len() as u64;
                let _ = std::io::Write::write_all(&mut server.stream(), &got);
                let _ = server.stream().shutdown(std::net::Shutdown::Write);
            }
        }
        bytes
    });
    let (mut baseline, mut resident, mut echoed) = (0, Vec::new(), 0u64);
    for number in 0..total {
        let mut client = Peer::connects_from(Ipv4Addr::new(127, 0, 4, 1 + (number % 8) as u8), address);
        match number % 3 {
            0 => client.resets(),
            1 => client.closes(),
            _ => {
                client.sends("data").ends().expects("data").expects_end();
                echoed += 4;
            }
        }
        if (number + 1) % (total / 3) == 0 {
            let now = deadline::settled("descriptors", Duration::from_millis(100), || relay.reading().descriptors());
            if resident.is_empty() {
                baseline = now
            } else {
                assert!(now <= baseline, "{now} after {baseline}")
            }
            resident.push(relay.reading().resident_kib());
        }
    }
    let (first, last) = (resident[0], *resident.last().expect("three readings"));
    // How many sessions stand at once differs on a busy machine. A third of a
    // session's memory left behind by each would be told.
    let grown = last.saturating_sub(first);
    assert!(quick() || grown < 3072, "memory in KiB after each third: {resident:?}");
    let ledger = relay.drains().ledger();
    stop.send(()).expect("still answering");
    assert_eq!(answering.joins(), echoed, "bytes at the server");
    ledger.balances();
    let summary = ledger.summary();
    assert_eq!(summary["lost_events"], 0, "{summary}");
    assert_eq!(summary["sessions"], total, "{summary}");
    assert_eq!(summary["to_server_bytes"], echoed, "{summary}");
    assert_eq!(summary["to_client_bytes"], echoed, "{summary}");
}
