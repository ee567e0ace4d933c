//! `relay` as a program: arguments, ready line, once, drain and signals.

use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use callbox_testkit::{Output, Peer, Scratch, Server, Signal, eventually, free_address, patience, scaled};

use crate::cli::{callbox, echoes, ends_at_a_second_signal, served, started};
use crate::relay_line::{knocks, pair, relayed};

#[test]
fn what_cannot_be_read_is_a_usage_error_that_says_where() {
    for (words, said) in [
        (&["relay"][..], "<LISTEN>"),
        (&["relay", "127.0.0.1:0"], "<UPSTREAM>"),
        (&["relay", "127.0.0.1:0", "127.0.0.1"], "no port"),
        (&["relay", "127.0.0.1:0", "nonsense:x"], "nonsense:x"),
        (&["relay", "::1:80", "127.0.0.1:9"], "[::1]:80"),
        (&["relay", "127.0.0.1:0", "::1:80"], "[::1]:80"),
        (&["relay", "127.0.0.1:0", "[::1"], "[::1"),
        (&["relay", "127.0.0.1:0", "unix:"], "unix:"),
        (&["relay", "127.0.0.1:0", "127.0.0.1:9", "--balance", "fair"], "fair"),
        (&["relay", "127.0.0.1:0", "127.0.0.1:9", "--half-close-timeout", "soon"], "soon"),
        (&["relay", "127.0.0.1:0", "127.0.0.1:9", "--tap", "neither"], "neither"),
        (&["relay", "127.0.0.1:0", "127.0.0.1:9", "--sessions", "0"], "0"),
        (&["relay", "127.0.0.1:0", "127.0.0.1:9", "--frame", "lines"], "lines"),
        (&["relay", "127.0.0.1:0", "127.0.0.1:9", "--connect-timeout", "-1"], "-1"),
    ] {
        let outcome = callbox(words.iter().copied()).run().exited(2).said("callbox: ").said(said);
        assert!(outcome.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn an_address_in_use_is_exit_3() {
    let taken = Server::binds();
    let address = taken.address().to_string();
    callbox(["relay", &address, "127.0.0.1:9"]).run().exited(3).said(&format!("callbox: bind {address}: "));
}

#[test]
fn the_ready_line_and_the_ready_file_name_the_real_port() {
    let scratch = Scratch::new();
    let path = scratch.join("ready");
    let upstream = Server::binds();
    let words = ["relay", "127.0.0.1:0", &upstream.address().to_string(), "--ready-file"].map(str::to_owned);
    let relay = callbox(words.iter().map(String::as_str)).arg(&path).start();
    let address = relay.ready();
    assert_ne!(address.port(), 0);
    assert_eq!(std::fs::read_to_string(&path).expect("written before the ready line").trim(), address.to_string());
    let (mut client, mut server) = pair(address, &upstream);
    client.ends();
    server.expects_end().ends();
    client.expects_end();
    relay.says("#1 connected").says("#1 closed");
    relay.drains();
}

#[test]
fn the_alias_r_is_the_same_command() {
    callbox(["r", "127.0.0.1:0"]).run().exited(2).said("<UPSTREAM>");
}

#[test]
fn quiet_silences_lines_and_talk_but_not_errors() {
    let nobody = free_address();
    let (relay, address) = relayed(nobody, ["-q"]);
    let client = knocks(address);
    relay.says("callbox: connect");
    drop(client);
    let outcome = relay.drains();
    assert!(outcome.stdout.is_empty() && outcome.stderr.lines().count() == 1, "{outcome:?}");

    let (server, upstream) = served(["--echo", "-q"]);
    let (relay, address) = relayed(upstream, ["-q"]);
    echoes(address);
    relay.drains().wrote("").quietly();
    server.drains();
}

#[test]
fn once_relays_one_session_and_leaves_with_0_whatever_ended_it() {
    for ending in ["ended", "reset", "refused"] {
        let upstream = Server::binds();
        let target = if ending == "refused" { free_address() } else { upstream.address() };
        let (relay, address) = relayed(target, ["--once"]);
        let Some(mut client) = knocks(address) else {
            assert_eq!(ending, "refused");
            relay.exits(0);
            continue;
        };
        match ending {
            "ended" => {
                let mut server = upstream.accepts();
                client.sends("x").ends();
                server.expects("x").expects_end().ends();
                client.expects_end();
            }
            "reset" => {
                let mut server = upstream.accepts();
                client.sends("x");
                server.expects("x");
                client.resets();
                server.expects_reset();
            }
            _ => assert!(client.readable_within(patience())),
        }
        relay.exits(0);
        TcpStream::connect(address).expect_err("nobody listens any more");
    }
}

#[test]
fn sessions_n_relays_n_and_leaves_when_they_have_finished() {
    let upstream = Server::binds();
    let (mut relay, address) = relayed(upstream.address(), ["--sessions", "3", "-q"]);
    let pairs: Vec<(Peer, Peer)> = (0..3).map(|_| pair(address, &upstream)).collect();
    for (mut client, mut server) in pairs {
        relay.still_runs();
        client.sends("x").ends();
        server.expects("x").expects_end().ends();
        client.expects_end();
    }
    relay.exits(0);
}

#[test]
fn a_signal_lets_sessions_finish_and_refuses_new_ones() {
    for signal in [Signal::TERM, Signal::INT] {
        let upstream = Server::binds();
        let (mut relay, address) = relayed(upstream.address(), ["-q", "--json"]);
        let (mut client, mut server) = pair(address, &upstream);
        client.sends("before");
        server.expects("before");
        relay.signal(signal);
        relay.event("draining", |_| true);
        eventually("no longer accepting", patience(), || {
            match TcpStream::connect_timeout(&address, Duration::from_millis(20)) {
                Err(_) => Ok(()),
                Ok(_) => Err("still accepts".to_owned()),
            }
        });
        relay.still_runs();
        client.sends("after").ends();
        server.expects("after").expects_end().sends("answer").ends();
        client.expects("answer").expects_end();
        relay.exits(0).ledger().balances();
    }
}

#[test]
fn at_the_drain_deadline_both_sides_get_a_fin_and_the_code_is_the_signal_s() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q", "--json", "--drain", "400ms"]);
    let (mut client, mut server) = pair(address, &upstream);
    client.sends("x");
    server.expects("x");
    relay.signal(Signal::TERM);
    let start = Instant::now();
    client.expects_end();
    assert!(start.elapsed() >= Duration::from_millis(350), "{:?}", start.elapsed());
    // The contract says FIN to the rest: to the server as well as to the client.
    server.expects_end().ends();
    client.ends();
    assert!(start.elapsed() < scaled(Duration::from_millis(1900)), "a FIN, not the reset later: {:?}", start.elapsed());
    let outcome = relay.exits(143);
    assert_eq!(outcome.ledger().the("closed")["termination"], "drained");
}

#[test]
fn two_seconds_after_the_drain_deadline_who_stays_is_reset() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q", "--drain", "0"]);
    let (client, server) = pair(address, &upstream);
    relay.signal(Signal::TERM);
    let outcome = relay.exits(143);
    assert!(outcome.waited < scaled(Duration::from_secs(5)), "{:?}", outcome.waited);
    drop((client, server));
}

#[test]
fn a_second_signal_ends_a_relay_at_once() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q", "--json"]);
    let (_client, _server) = pair(address, &upstream);
    ends_at_a_second_signal(relay);
}

#[test]
fn suspended_and_resumed_on_the_same_address() {
    let (server, upstream) = served(["--echo", "-q"]);
    let (relay, address) = relayed(upstream, ["-q"]);
    let mut staying = Peer::connects(address);
    staying.sends("x").expects("x");
    relay.signal(Signal::USR1);
    eventually("refused while suspended", patience(), || {
        match TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    staying.sends("on").expects("on");
    relay.signal(Signal::USR2);
    eventually("accepted when resumed", patience(), || TcpStream::connect(address).map_err(|e| e.to_string()));
    echoes(address);
    staying.ends().expects_end();
    relay.drains();
    server.drains();
}

#[test]
fn a_relay_whose_output_is_closed_serves_who_is_there_and_ends_quietly() {
    let (server, upstream) = served(["--echo", "-q"]);
    let scratch = Scratch::new();
    let path = scratch.join("ready");
    let relay = callbox(["relay", "127.0.0.1:0", &upstream.to_string(), "--ready-file"]).arg(&path);
    let (mut relay, address) = started(relay.output(Output::Held), &path);
    let mut client = Peer::connects(address);
    client.sends("x").expects("x");
    drop(relay.take_output());
    for round in 0..50 {
        let text = format!("still {round}");
        client.sends(&text).expects(&text);
    }
    client.ends().expects_end();
    relay.ends().exited(0);
    server.drains();
}

#[test]
fn listening_on_every_address_is_said() {
    let upstream = Server::binds();
    let relay = callbox(["relay", "*:0", &upstream.address().to_string(), "-4"]).start();
    let address = relay.ready();
    assert!(address.ip().is_unspecified(), "{address}");
    relay.says("wider than loopback");
    let near = std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
    let (mut client, mut server) = pair(near, &upstream);
    client.ends();
    server.expects_end().ends();
    client.expects_end();
    relay.drains();
}
