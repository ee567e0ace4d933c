//! Where callbox listens and connects, what it says about that, and what it says when it cannot.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use callbox_testkit::{Netns, Peer, Scratch, Script, Server, eventually, free_address, patience, requires, skip};

use crate::cli::{binary, callbox, connect, echoes, serve, served, started};

#[test]
fn row_13_port_0_reports_the_real_port_on_the_ready_line_and_in_json() {
    let (server, address) = served(["--echo", "--json"]);
    assert_ne!(address.port(), 0);
    echoes(address);
    let event = server.event("listening", |_| true);
    assert_eq!(event["address"].as_str(), Some(address.to_string().as_str()));
    server.drains();
}

#[test]
fn a_bare_port_listens_on_loopback_in_both_families() {
    requires!(ipv6());
    for spelling in [":0", "0"] {
        let server = callbox(["serve", spelling, "--echo"]).start();
        let addresses = server.ready_at(2);
        assert!(addresses.iter().any(SocketAddr::is_ipv4) && addresses.iter().any(SocketAddr::is_ipv6));
        for address in addresses {
            assert!(address.ip().is_loopback());
            echoes(address);
        }
        server.drains();
    }
}

#[test]
fn dash_4_and_dash_6_choose_the_family() {
    requires!(ipv6());
    for (flag, v4) in [("-4", true), ("-6", false)] {
        let server = callbox(["serve", ":0", flag, "--echo"]).start();
        let address = server.ready();
        assert_eq!(address.is_ipv4(), v4, "{flag}: {address}");
        echoes(address);
        let outcome = server.drains();
        assert_eq!(outcome.stderr.matches("listening on ").count(), 1, "{}", outcome.stderr);
    }
    let server = Server::binds();
    let port = server.address().port().to_string();
    callbox(["connect", "-6", "127.0.0.1", &port]).run().exited(3);
    assert!(!server.has_client_within(Duration::from_millis(100)), "-6 does not connect over IPv4");
}

#[test]
fn two_words_and_schemes_are_addresses_too() {
    let (server, address) = served(["--echo"]);
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    for words in [vec![&*host, &*port], vec![&*format!("tcp://{host}:{port}")], vec!["localhost", &*port]] {
        callbox(["connect"]).args(&words).args(["--send", "hello"]).run().exited(0).wrote("hello");
    }
    server.drains();
}

#[test]
fn listening_wider_than_loopback_is_said_in_one_line() {
    let server = callbox(["serve", "0.0.0.0:0", "--echo"]).start();
    let address = server.ready();
    echoes(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()));
    server.drains().said("loopback");
    let (server, _) = served(["--echo"]);
    server.drains().never_said("loopback");
}

#[test]
fn the_ready_file_appears_whole_with_an_address_a_line() {
    let scratch = Scratch::new();
    let path = scratch.join("ready");
    let server = callbox(["serve", ":0", "--echo", "--ready-file", &path.display().to_string()]).start();
    // Read as soon as it exists: written atomically, it is never seen empty or in half.
    let text = eventually("the ready file", patience(), || std::fs::read_to_string(&path).map_err(|e| e.to_string()));
    let in_file: Vec<SocketAddr> = text.lines().map(|line| line.parse().expect("an address a line")).collect();
    assert!(text.ends_with('\n') && !in_file.is_empty(), "{text:?}");
    assert_eq!(in_file, server.ready_at(in_file.len()));
    in_file.into_iter().for_each(echoes);
    server.drains();
    let names: Vec<_> = std::fs::read_dir(scratch.path()).expect("own folder").flatten().collect();
    assert!(names.len() <= 1, "no temporary file stays: {names:?}");
}

#[test]
fn quiet_says_no_ready_line() {
    let scratch = Scratch::new();
    let path = scratch.join("ready");
    let (server, address) = started(serve(["-q", "--echo", "--ready-file"]).arg(&path), &path);
    echoes(address);
    server.drains().quietly().wrote("");
}

#[test]
fn row_11_a_busy_port_is_exit_3_with_a_hint() {
    let (server, address) = served(["--echo"]);
    let outcome = callbox(["serve", &address.to_string()]).run().exited(3);
    let outcome = outcome.said(&address.to_string()).said("address already in use").said("hint: ");
    assert!(outcome.stderr.starts_with("callbox: "), "{}", outcome.stderr);
    echoes(address);
    server.drains();
}

#[test]
fn row_11_children_never_hold_the_listener() {
    let (server, address) = served(["--exec", "cat"]);
    let mut client = Peer::connects(address);
    client.sends("alive").expects("alive");
    let cats: Vec<u32> = server.reading().children().iter().map(|row| row.pid).collect();
    assert_eq!(cats.len(), 1);
    let listeners = || {
        let links = std::fs::read_dir(format!("/proc/{}/fd", cats[0])).into_iter().flatten().flatten();
        links.filter(|link| link.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) > Some(2)).count()
    };
    assert_eq!(listeners(), 0, "the child has its three descriptors only");
    // Killed outright, so that nothing is closed on purpose; the child may live on.
    server.signal(callbox_testkit::Signal::KILL);
    server.ends();
    let again = callbox(["serve", &address.to_string(), "--echo"]).start();
    again.ready();
    echoes(address);
    again.drains();
    client.closes();
}

#[test]
fn row_12_a_port_in_time_wait_is_taken_again_at_once() {
    let rounds = if callbox_testkit::quick() { 3 } else { 20 };
    let mut address: SocketAddr = free_address();
    for round in 0..rounds {
        let scratch = Scratch::new();
        let path = scratch.join("ready");
        let words = ["serve", &address.to_string(), "--generate", "100", "-q", "--ready-file"];
        let (server, found) = started(callbox(words).arg(&path), &path);
        address = found;
        for _ in 0..100 {
            // The server ends first, so that the waiting state is on its side.
            let mut client = Peer::connects(address);
            assert_eq!(client.reads_to_end().len(), 100, "round {round}");
        }
        server.drains();
    }
}

#[test]
fn row_14_an_address_that_is_not_ours_is_named_with_the_reason() {
    let outcome = callbox(["serve", "203.0.113.9:1", "--echo"]).run().exited(3).said("203.0.113.9:1");
    outcome.said("cannot assign requested address");
}

#[test]
fn row_14_a_privileged_port_is_named_with_the_reason() {
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    if first.trim().parse::<u32>().is_ok_and(|port| port <= 1) {
        skip!("this machine has no privileged ports");
    }
    let scratch = Scratch::new();
    let program = if rustix::process::geteuid().is_root() {
        requires!(tool("setpriv"));
        // A copy where nobody may reach it: the build folder may be closed to others.
        let copy = scratch.program("callbox", std::fs::read(binary()).expect("the binary"));
        callbox_testkit::Callbox::new(copy).as_nobody()
    } else {
        callbox([])
    };
    program.args(["serve", "127.0.0.1:1"]).run().exited(3).said("127.0.0.1:1").said("permission denied");
}

#[test]
fn row_14_without_ipv6_a_bare_port_listens_on_ipv4_alone() {
    requires!(netns());
    let namespace = Netns::new().expect("just made one");
    namespace.ip(&["address", "del", "::1/128", "dev", "lo"]).expect("IPv6 on loopback of the namespace");
    let server = callbox(["serve", ":0", "--echo"]).within(&namespace).start();
    let address = server.ready();
    assert_eq!(address.ip(), IpAddr::from(Ipv4Addr::LOCALHOST));
    namespace.inside(|| echoes(address));
    assert_eq!(server.drains().stderr.lines().filter(|line| line.starts_with("listening on ")).count(), 1);
}

#[test]
fn a_refused_connect_is_exit_3_with_its_reason_and_a_hint() {
    let address = free_address();
    let outcome = connect(address, ["--send", "hello"]).run().exited(3).wrote("");
    let line = format!("callbox: connect {address}: connection refused\n");
    assert!(outcome.stderr.starts_with(&line), "{}", outcome.stderr);
    outcome.said("hint: ");
}

#[test]
fn a_name_that_does_not_exist_is_exit_3() {
    let outcome = callbox(["connect", "no-such-host.invalid:80"]).run().exited(3);
    outcome.said("no-such-host.invalid");
}

#[test]
fn source_chooses_the_local_address_and_port() {
    let (address, peer) = Script::serves(|mut peer| {
        let remote = peer.remote();
        peer.ends();
        remote
    });
    connect(address, ["--source", "127.0.0.5"]).run().exited(0);
    assert_eq!(peer.joins().ip(), IpAddr::from(Ipv4Addr::new(127, 0, 0, 5)));

    let (address, peer) = Script::serves(|mut peer| {
        let remote = peer.remote();
        peer.ends();
        remote
    });
    let source = free_address();
    connect(address, ["--source", &source.to_string()]).run().exited(0);
    assert_eq!(peer.joins(), source);
}

#[test]
fn retry_for_goes_on_until_somebody_listens() {
    let address = free_address();
    let client = connect(address, ["--retry-for", "20s", "--send", "hello"]).start();
    // Nobody listens for a while: that is the fault.
    callbox_testkit::deadline::let_pass(Duration::from_millis(300));
    let server = Server::binds_at(&address.to_string());
    server.accepts().expects("hello").expects_end().sends("late, but there").ends();
    client.exits(0).wrote("late, but there");
}

#[test]
fn retries_that_are_spent_end_with_the_last_attempt_s_code() {
    connect(free_address(), ["--retry", "2"]).run().exited(3).said("connection refused");
    connect(free_address(), ["--retry-for", "300ms"]).run().exited(3).said("connection refused");
}

#[test]
fn an_inherited_port_is_not_stolen_by_reuse() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    callbox(["listen", &address]).run().exited(3).said("address already in use");
}
