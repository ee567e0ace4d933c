//! What `accept` may answer besides a client (rows 3, 4, 5, 10, 15, 37, 38).

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use callbox_testkit::{
    Callbox, Peer, Process, Scratch, Script, Server, deadline, eventually, patience, quick, requires, scaled, skip,
};

use crate::cli::{binary, connect, connected, echoes, served, served_through};
use crate::limits::{baseline, descriptors_return};

/// Starts an echo server whose `accept4` fails with `errno` the first `times` times.
///
/// `strace -D` stays in the background, so that the pid is the server's.
fn failing_accept(errno: &str, times: u32) -> (Process, SocketAddr) {
    let inject = format!("inject=accept4,accept:error={errno}:when=1..{times}");
    let words = ["strace", "-D", "-f", "-q", "-o", "/dev/null", "-e", "trace=accept4,accept", "-e", &inject, "--"];
    served_through(words, ["--echo", "-q"])
}

#[test]
fn row_3_transient_accept_errors_are_retried_and_end_nothing() {
    requires!(tool("strace"));
    let times = if quick() { 50 } else { 2_000 };
    let errors = ["ECONNABORTED", "EPROTO", "EPERM", "EINTR", "ENETDOWN", "EHOSTUNREACH", "EOPNOTSUPP", "ETIMEDOUT"];
    let running: Vec<Script> = errors
        .map(|errno| {
            Script::runs(move || {
                let (mut server, address) = failing_accept(errno, times);
                echoes(address);
                echoes(address);
                server.still_runs();
                server.signal(callbox_testkit::Signal::TERM);
                server.exits(0);
            })
        })
        .into();
    running.into_iter().for_each(Script::joins);
}

#[test]
fn row_3_exhaustion_at_accept_pauses_and_recovers() {
    requires!(tool("strace"));
    let errors = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"];
    let running: Vec<Script> = errors
        .map(|errno| {
            Script::runs(move || {
                // Five pauses of 10 ms and its doubles: a third of a second.
                let (server, address) = failing_accept(errno, 5);
                let before = server.reading().cpu();
                echoes(address);
                let used = server.reading().cpu() - before;
                assert!(used < scaled(Duration::from_millis(100)), "{errno}: {used:?} of a core while pausing");
                let lines = server.errors().text().lines().count();
                assert!(lines < 5, "{errno}: no flood of lines: {}", server.errors().text());
                server.signal(callbox_testkit::Signal::TERM);
                server.exits(0);
            })
        })
        .into();
    running.into_iter().for_each(Script::joins);
}

#[test]
fn row_4_clients_gone_before_accept_are_counted_and_harmless() {
    let (server, address) = served(["--echo", "-q", "--json"]);
    let count = if quick() { 100 } else { 500 };
    let baseline = baseline(&server, address);
    server.stops();
    for _ in 0..count {
        Peer::connects(address).resets();
    }
    server.goes_on();
    echoes(address);
    descriptors_return(&server, baseline);
    let outcome = server.drains().quietly();
    let ledger = outcome.ledger();
    ledger.balances();
    let sessions = ledger.summary()["sessions"].as_u64().expect("a number");
    assert!(
        (2..=count + 2).contains(&sessions),
        "{sessions} sessions of {count} clients that left and two that stayed"
    );
}

#[test]
fn row_4_clients_gone_before_accept_do_not_flood_the_talk() {
    let (server, address) = served(["--echo"]);
    server.stops();
    for _ in 0..500 {
        Peer::connects(address).resets();
    }
    server.goes_on();
    echoes(address);
    let outcome = server.drains();
    let repeated = outcome.stderr.lines().filter(|line| line.contains("error") || line.contains("accept")).count();
    assert!(repeated < 10, "{repeated} lines of complaint");
}

#[test]
fn row_5_a_full_backlog_delays_clients_and_loses_none() {
    requires!(descriptors(1_000));
    let (server, address) = served(["--echo", "-q", "--json", "--backlog", "16"]);
    server.stops();
    let count = if quick() { 30 } else { 100 };
    let clients: Vec<Script> = (0..count)
        .map(|_| {
            Script::runs(move || {
                Peer::connects(address).sends("x").expects("x").ends().expects_end();
            })
        })
        .collect();
    // Those beyond the backlog get no answer to their SYN; the kernel sends it again after a second, and three.
    deadline::let_pass(Duration::from_millis(300));
    server.goes_on();
    clients.into_iter().for_each(Script::joins);
    let ledger = server.drains().ledger();
    ledger.balances();
    assert_eq!(ledger.summary()["sessions"], count);
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A copy of the binary where nobody may reach it, run as nobody: root has no limit on processes.
fn nobody_s_own(scratch: &Scratch) -> Callbox {
    let copy = scratch.program("callbox", std::fs::read(binary()).expect("the binary"));
    Callbox::new(copy).as_nobody()
}

/// Limits how many processes the server's user may have, as that user: others may not where rights are few.
fn limit_processes(server: &Process, soft: &str) {
    let words = ["--pid".to_owned(), server.pid().to_string(), format!("--nproc={soft}:")];
    let prlimit = Callbox::new("prlimit").args(words);
    if is_root() { prlimit.as_nobody() } else { prlimit }.run().exited(0);
}

#[test]
fn row_10_a_process_limit_fails_the_child_and_nothing_else() {
    requires!(tool("prlimit"));
    let scratch = Scratch::new();
    if is_root() {
        requires!(tool("setpriv"));
    }
    let program = if is_root() { nobody_s_own(&scratch) } else { Callbox::new(binary()) };
    let mut server = program.args(["serve", "127.0.0.1:0", "--exec", "cat"]).start();
    let address = server.ready();
    echoes(address);
    limit_processes(&server, "1");
    let mut unlucky = Peer::connects(address);
    let _ = unlucky.reads_some(1);
    unlucky.closes();
    server.says("resource temporarily unavailable");
    server.still_runs();
    limit_processes(&server, "1000");
    echoes(address);
    eventually("children reaped", patience(), || match server.reading().zombies() {
        0 => Ok(()),
        left => Err(format!("{left} zombies")),
    });
    server.drains();
}

#[test]
fn row_10_a_process_limit_does_not_touch_servers_without_children() {
    requires!(tool("prlimit"));
    let scratch = Scratch::new();
    if is_root() {
        requires!(tool("setpriv"));
    }
    let program = if is_root() { nobody_s_own(&scratch) } else { Callbox::new(binary()) };
    let server = program.args(["serve", "127.0.0.1:0", "--echo"]).start();
    let address = server.ready();
    limit_processes(&server, "1");
    for _ in 0..50 {
        echoes(address);
    }
    server.drains();
}

/// Kills the connection between two ports as an administrator can; false where this kernel cannot.
pub(crate) fn kills(local: SocketAddr, remote: SocketAddr) -> bool {
    let filter = ["-K", "-t", "-n", "src", &local.to_string(), "dst", &remote.to_string()].map(str::to_owned);
    let outcome = Callbox::new("ss").args(filter).run();
    String::from_utf8_lossy(&outcome.stdout).contains(&remote.port().to_string())
}

#[test]
fn row_37_a_connection_killed_by_the_administrator_counts_as_a_reset() {
    requires!(root(), tool("ss"));
    let (client, peer) = connected([], |mut peer| {
        peer.sends("here");
        peer
    });
    client.shows("here");
    let peer = peer.joins();
    if !kills(peer.remote(), peer.local()) {
        skip!("this kernel cannot kill connections (no CONFIG_INET_DIAG_DESTROY)");
    }
    client.ends_with_input_open().exited(5).wrote("here");

    let (server, address) = served(["--echo", "--json"]);
    let baseline = baseline(&server, address);
    let mut victim = Peer::connects(address);
    victim.sends("x").expects("x");
    assert!(kills(victim.remote(), victim.local()));
    server.event("closed", |event| event["session"] == 2);
    descriptors_return(&server, baseline);
    echoes(address);
    drop(victim);
    server.drains().ledger().balances();
}

#[test]
fn row_38_quick_connects_and_closes_are_all_counted() {
    let (server, address) = served(["--echo", "-q", "--json"]);
    let baseline = baseline(&server, address);
    let half = if quick() { 500 } else { 50_000 };
    let mut resident = Vec::new();
    let mut sent = "still there?".len() as u64;
    for round in 0..2u32 {
        for number in 0..half {
            let source = Ipv4Addr::new(127, 0, 2 + (number % 8) as u8, 1 + round as u8);
            let mut client = Peer::connects_from(source, address);
            match number % 3 {
                0 => client.resets(),
                1 => client.closes(),
                _ => {
                    client.sends("data").expects("data").ends().expects_end();
                    sent += 4;
                }
            }
        }
        descriptors_return(&server, baseline);
        resident.push(server.reading().resident_kib());
    }
    // How many sessions stand at once differs on a busy machine. 63 bytes left behind by each connection would be told.
    assert!(resident[1] <= resident[0] + 3072, "memory in KiB after each half: {resident:?}");
    let ledger = server.drains().ledger();
    ledger.balances();
    let summary = ledger.summary();
    assert_eq!(summary["sessions"], 2 * half + 1, "{summary}");
    assert_eq!(summary["to_server_bytes"], sent, "{summary}");
    assert_eq!(summary["to_client_bytes"], sent, "{summary}");
}

#[test]
fn a_connect_to_a_server_that_resets_at_once_is_exit_5() {
    let server = Server::binds();
    let address = server.address();
    let client = connect(address, []).input(callbox_testkit::Input::Piped).start();
    server.accepts().resets();
    client.ends_with_input_open().exited(5).said("reset");
}
