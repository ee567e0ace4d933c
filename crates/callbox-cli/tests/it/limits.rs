//! The limits of a server and what happens at them (rows 1, 2, 6 to 9, 25, 26 and the timeouts).

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use callbox_testkit::{Peer, Process, eventually, quick, requires, scaled};
use rustix::process::Resource;

use crate::cli::{echoes, served, served_through};

/// Waits until the server's descriptors are back to `baseline`.
#[track_caller]
pub(crate) fn descriptors_return(server: &Process, baseline: usize) {
    eventually("descriptors back to where they were", scaled(Duration::from_secs(5)), || {
        let now = server.reading().descriptors();
        if now <= baseline {
            return Ok(());
        }
        Err(format!("{now} instead of {baseline}: {:?}", server.reading().descriptor_list()))
    });
}

/// Serves one client and returns how many descriptors stay open afterwards.
pub(crate) fn baseline(server: &Process, address: std::net::SocketAddr) -> usize {
    echoes(address);
    callbox_testkit::deadline::settled("descriptors", Duration::from_millis(100), || server.reading().descriptors())
}

#[test]
fn row_1_a_small_descriptor_limit_makes_clients_wait_and_all_are_served() {
    requires!(tool("prlimit"), descriptors(2_000));
    let (server, address) = served_through(["prlimit", "--nofile=256:256", "--"], ["--echo", "-q", "--json"]);
    let baseline = baseline(&server, address);
    let count = if quick() { 400 } else { 1_000 };
    let mut clients: Vec<Peer> = (0..count).map(|_| Peer::connects(address)).collect();
    for client in &mut clients {
        client.sends("hold");
    }
    clients[0].expects("hold");
    let cpu = server.reading().cpu_percent_over(Duration::from_secs(1));
    assert!(cpu < 5.0, "{cpu:.1} % of a core while full");
    let mut answered = 1;
    for (number, mut client) in clients.into_iter().enumerate() {
        if number > 0 {
            client.expects("hold");
            answered += 1;
        }
        client.ends().expects_end();
    }
    assert_eq!(answered, count);
    descriptors_return(&server, baseline);
    let ledger = server.drains().ledger();
    ledger.balances();
    assert_eq!(ledger.summary()["sessions"], count + 1);
}

#[test]
fn row_2_real_descriptor_exhaustion_pauses_and_recovers() {
    requires!(tool("prlimit"));
    let (mut server, address) = served(["--echo", "-q"]);
    let mut settled = Peer::connects(address);
    settled.sends("in").expects("in");
    let before = server.limits(Resource::Nofile, server.reading().descriptors() as u64 + 8);
    let mut crowd: Vec<Peer> = (0..60).map(|_| Peer::connects(address)).collect();
    for client in &mut crowd {
        client.sends("x");
    }
    // Eight at most get in; the rest waits while the server pauses.
    crowd[0].expects("x");
    let cpu = server.reading().cpu_percent_over(Duration::from_secs(1));
    assert!(cpu < 5.0, "{cpu:.1} % of a core while out of descriptors");
    for _ in 0..20 {
        let start = Instant::now();
        settled.sends("still").expects("still");
        assert!(start.elapsed() < scaled(Duration::from_millis(500)), "clients there before are not slowed");
    }
    let lines = server.errors().text().lines().count();
    assert!(lines < 10, "no flood of lines: {}", server.errors().text());
    server.still_runs();
    server.limits(Resource::Nofile, before);
    let start = Instant::now();
    for client in &mut crowd[1..] {
        client.expects("x");
    }
    assert!(start.elapsed() < scaled(Duration::from_secs(3)), "served soon after: {:?}", start.elapsed());
    drop(crowd);
    settled.ends().expects_end();
    server.drains();
}

#[test]
fn row_6_at_max_connections_the_rest_waits_and_is_served_in_order() {
    let (server, address) = served(["--echo", "--max-connections", "3"]);
    let mut clients: Vec<Peer> = (0..6).map(|_| Peer::connects(address)).collect();
    for client in &mut clients {
        client.sends("x");
    }
    for client in &mut clients[..3] {
        client.expects("x");
    }
    for waiting in &mut clients[3..] {
        waiting.hears_nothing_for(Duration::from_millis(50));
    }
    for next in 3..6 {
        clients[next - 3].ends().expects_end();
        clients[next].expects("x");
        for waiting in &mut clients[next + 1..] {
            waiting.hears_nothing_for(Duration::from_millis(50));
        }
    }
    for client in &mut clients[3..] {
        client.ends().expects_end();
    }
    server.drains();
}

#[test]
fn row_7_at_max_connections_refuse_resets_the_rest_at_once() {
    let (server, address) = served(["--echo", "--json", "--max-connections", "3", "--when-full", "refuse"]);
    let mut clients: Vec<Peer> = (0..3).map(|_| Peer::connects(address)).collect();
    for client in &mut clients {
        client.sends("x").expects("x");
    }
    let full = server.reading().descriptors();
    for _ in 0..50 {
        let start = Instant::now();
        Peer::meets_reset(address);
        assert!(start.elapsed() < scaled(Duration::from_millis(50)), "reset after {:?}", start.elapsed());
    }
    descriptors_return(&server, full);
    for client in &mut clients {
        client.ends().expects_end();
    }
    server.events_where("closed", 3, |_| true);
    echoes(address);
    let ledger = server.drains().ledger();
    ledger.balances();
    assert_eq!(ledger.named("refused").len(), 50);
    assert!(ledger.named("refused").iter().all(|event| event["reason"] == "max_connections"));
    assert_eq!(ledger.summary()["limits"]["max_connections"], 50, "{}", ledger.summary());
}

#[test]
fn row_8_a_limit_per_address_caps_one_source_and_leaves_the_others_alone() {
    let (server, address) = served(["--echo", "--json", "--max-per-ip", "5"]);
    let (greedy, modest) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3));
    let count = if quick() { 40 } else { 200 };
    let mut many: Vec<Peer> = (0..5).map(|_| Peer::connects_from(greedy, address)).collect();
    for _ in 5..count {
        Peer::meets_reset_from(greedy, address);
    }
    server.events_where("refused", count - 5, |event| event["reason"] == "per_ip");
    let mut few: Vec<Peer> = (0..5).map(|_| Peer::connects_from(modest, address)).collect();
    for client in few.iter_mut().chain(&mut many) {
        client.sends("mine").expects("mine").ends().expects_end();
    }
    let ledger = server.drains().ledger();
    ledger.balances();
    assert_eq!(ledger.named("connected").len(), 10);
    assert!(
        ledger.named("refused").iter().all(|event| event["peer"].as_str().is_some_and(|p| p.contains("127.0.0.2")))
    );
}

#[test]
fn row_9_refusals_leak_no_descriptor() {
    let (server, address) = served(["--echo", "-q", "--max-connections", "1", "--when-full", "refuse"]);
    let baseline = baseline(&server, address);
    let mut only = Peer::connects(address);
    only.sends("x").expects("x");
    for number in 0..if quick() { 500 } else { 20_000 } {
        // From several addresses, so that the client's own ports are not what runs out.
        let source = Ipv4Addr::new(127, 0, 1, (number % 4) as u8 + 1);
        Peer::meets_reset_from(source, address);
    }
    only.ends().expects_end();
    descriptors_return(&server, baseline);
    echoes(address);
    server.drains();
}

#[test]
fn row_25_a_client_that_never_reads_ends_by_the_write_stall_limit() {
    let (server, address) = served(["--generate", "-q", "--json", "--write-stall-timeout", "1s"]);
    let before = server.reading().resident_kib();
    let start = Instant::now();
    let stalled = Peer::connects(address);
    let closed = server.event("closed", |_| true);
    assert_eq!(closed["termination"], "write_stall", "{closed}");
    assert!(start.elapsed() >= Duration::from_millis(900), "not before the limit: {:?}", start.elapsed());
    let grown = server.reading().peak_kib().saturating_sub(before);
    assert!(grown < 8 * 1024, "memory grew by {grown} KiB for one client that never reads");
    drop(stalled);
    let ledger = server.drains().ledger();
    assert_eq!(ledger.summary()["limits"]["write_stall"], 1, "{}", ledger.summary());
}

#[test]
fn row_25_a_flood_that_is_never_read_back_meets_back_pressure() {
    let (server, address) = served(["--echo", "-q"]);
    echoes(address);
    let before = server.reading().peak_kib();
    let client = Peer::connects(address);
    let flood = std::sync::Arc::new(callbox_testkit::pattern(100 << 20, 8));
    let inlet = callbox_testkit::Inlet::from(client.stream().try_clone().expect("a descriptor"));
    let writer = inlet.fills(flood).expect("back-pressure");
    let grown = server.reading().peak_kib() - before;
    assert!(grown <= 1024, "memory grew by {grown} KiB with 100 MiB offered");
    // The writer holds the connection too: shut down, it gives up.
    rustix::net::shutdown(client.stream(), rustix::net::Shutdown::Both).expect("a connected stream");
    let (inlet, result) = writer.joins();
    result.expect_err("the writer ends with the connection");
    drop(inlet);
    client.resets();
    echoes(address);
    server.drains();
}

#[test]
fn row_26_a_slow_reader_is_not_ended_while_it_makes_progress() {
    let (server, address) = served(["--generate", "-q", "--json", "--write-stall-timeout", "1500ms"]);
    let before = server.reading().resident_kib();
    let mut slow = Peer::connects_with_window(address, 2048);
    let start = Instant::now();
    let mut got = Vec::new();
    // Slow reading is the fault: 4 KiB a second, for more than two write stall limits.
    while start.elapsed() < Duration::from_secs(if quick() { 4 } else { 6 }) {
        match slow.reads_some(1024) {
            Ok(bytes) if bytes.is_empty() => slow.fail("ended though it makes progress"),
            Ok(bytes) => got.extend(bytes),
            Err(error) => slow.fail(&format!("after {} bytes: {error}", got.len())),
        }
        callbox_testkit::deadline::let_pass(Duration::from_millis(250));
    }
    callbox_testkit::assert_same_bytes("what came", &crate::handlers::rfc_864(got.len()), &got);
    assert!(server.reading().peak_kib().saturating_sub(before) < 8 * 1024, "memory stays bounded");
    slow.closes();
    server.drains();
}

#[test]
fn an_idle_client_ends_with_a_fin_not_a_reset() {
    let (server, address) = served(["--echo", "--json", "--idle-timeout", "400ms"]);
    let mut client = Peer::connects(address);
    let start = Instant::now();
    client.sends("x").expects("x").expects_end();
    assert!(start.elapsed() >= Duration::from_millis(350), "{:?}", start.elapsed());
    let closed = server.event("closed", |_| true);
    assert_eq!(closed["termination"], "idle_timeout");
    drop(client);
    assert_eq!(server.drains().ledger().summary()["limits"]["idle_timeout"], 1);
}

#[test]
fn a_byte_in_either_direction_keeps_a_client_from_being_idle() {
    let (server, address) = served(["--echo", "--idle-timeout", "600ms"]);
    let mut client = Peer::connects(address);
    for _ in 0..8 {
        client.sends("x").expects("x");
        callbox_testkit::deadline::let_pass(Duration::from_millis(150));
    }
    client.ends().expects_end();
    server.drains();
}

#[test]
fn the_soft_limit_on_descriptors_is_raised_to_the_hard_one() {
    requires!(tool("prlimit"));
    let (server, _) = served_through(["prlimit", "--nofile=64:512", "--"], ["--echo"]);
    assert_eq!(server.reading().descriptor_limits().0, 512, "the soft limit is raised to the hard one");
    server.drains();
}
