//! `relay`: endings and half-close, over TCP and Unix sockets, with the two sides swapped (rows 16 to 21).

use std::time::{Duration, Instant};

use callbox_testkit::{Peer, Script, Server, assert_same_bytes, deadline, patience, pattern, quick, scaled};

use crate::limits::descriptors_return;
use crate::relay_line::{Kind, Line, pair, relayed};

const KINDS: [(Kind, Kind); 4] =
    [(Kind::Tcp, Kind::Tcp), (Kind::Unix, Kind::Tcp), (Kind::Tcp, Kind::Unix), (Kind::Unix, Kind::Unix)];

/// Whose books a relay keeps: bytes shown as events, or passed on without a look (where it may splice).
const LOOKS: [&[&str]; 2] = [&["-q"], &["-q", "--json"]];

/// Plays `scenario` on every kind of relay, with the two sides either way round, looked at or not; each relay then
/// drains, for its sessions are over.
fn on_every_line(scenario: impl Fn(Peer, Peer) + Clone + Send + 'static) {
    let lines = KINDS.iter().flat_map(|kinds| LOOKS.iter().map(move |words| (*kinds, *words)));
    let running: Vec<Script> = lines
        .map(|((front, back), words)| {
            let scenario = scenario.clone();
            Script::runs(move || {
                let line = Line::new(front, back, words);
                for swapped in [false, true] {
                    println!("{front:?} to {back:?} with {words:?}, sides swapped: {swapped}");
                    let (client, server) = line.pair();
                    if swapped { scenario(server, client) } else { scenario(client, server) }
                }
                let outcome = line.drains();
                if words.contains(&"--json") {
                    let ledger = outcome.ledger();
                    ledger.balances();
                    let ends = ledger.terminations();
                    let both = ends.get("client_closed").unwrap_or(&0) + ends.get("server_closed").unwrap_or(&0) == 2;
                    assert!(both, "two sessions that ended by a FIN: {ends:?}");
                }
            })
        })
        .collect();
    running.into_iter().for_each(Script::joins);
}

#[test]
fn row_18_a_relayed_answer_long_after_the_end_of_stream_arrives_whole() {
    on_every_line(|mut asking, mut answering| {
        let answer = pattern(256 << 10, 18);
        asking.sends("question").ends();
        answering.expects("question").expects_end();
        // Two sessions a line: not longer, for the other row of this name takes the longer wait.
        deadline::let_pass(Duration::from_millis(750));
        let expected = answer.clone();
        let sending = Script::runs(move || {
            answering.sends(&answer).ends();
        });
        assert_same_bytes("the late answer", &expected, &asking.reads_to_end());
        asking.closes();
        sending.joins();
    });
}

#[test]
fn row_18_a_relay_waits_longer_for_an_answer_than_others_do() {
    let waits: &[f64] = if quick() { &[1.5] } else { &[1.5, 30.0] };
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q"]);
    let waiting: Vec<Script> = waits
        .iter()
        .map(|seconds| {
            let (mut client, mut server) = pair(address, &upstream);
            let wait = Duration::from_secs_f64(*seconds);
            Script::runs(move || {
                client.stream().set_read_timeout(Some(wait + patience())).expect("a deadline");
                client.sends("question").ends();
                server.expects("question").expects_end();
                client.hears_nothing_for(wait);
                let answer = pattern(1 << 20, 30);
                let expected = answer.clone();
                let sending = Script::runs(move || {
                    server.sends(&answer).ends();
                });
                assert_same_bytes("the late answer", &expected, &client.reads_to_end());
                sending.joins();
            })
        })
        .collect();
    waiting.into_iter().for_each(Script::joins);
    relay.drains();
}

#[test]
fn each_direction_ends_by_itself_and_the_other_goes_on() {
    on_every_line(|mut one, mut other| {
        one.sends("first").ends();
        other.expects("first").expects_end();
        for round in 0..20 {
            let text = format!("still {round}");
            other.sends(&text);
            one.expects(&text);
        }
        one.hears_nothing_for(Duration::from_millis(20));
        other.ends();
        one.expects_end();
    });
}

#[test]
fn an_empty_session_ends_on_both_sides_without_a_byte() {
    on_every_line(|mut one, mut other| {
        one.ends();
        other.expects_end().ends();
        one.expects_end();
    });
}

#[test]
fn row_21_no_tail_is_lost_when_the_end_of_stream_comes_with_the_last_bytes() {
    on_every_line(|mut one, mut other| {
        let bytes = pattern(999, 21);
        // Held back until the FIN goes out with it, in one segment; a Unix socket has no such option and needs none.
        let _ = rustix::net::sockopt::set_tcp_cork(one.stream(), true);
        one.sends(&bytes).ends();
        assert_same_bytes("with the FIN", &bytes, &other.reads_to_end());
        let _ = rustix::net::sockopt::set_tcp_cork(other.stream(), true);
        other.sends(&bytes).ends();
        assert_same_bytes("with the other FIN", &bytes, &one.reads_to_end());
    });
}

#[test]
fn row_21_both_ends_of_stream_at_once_lose_nothing() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q", "--json"]);
    let rounds = if quick() { 100 } else { 500 };
    for round in 0..rounds {
        let (client, server) = pair(address, &upstream);
        let start = std::sync::Arc::new(std::sync::Barrier::new(2));
        let sides: Vec<Script> = [client, server]
            .into_iter()
            .map(|mut side| {
                let start = start.clone();
                Script::runs(move || {
                    let bytes = pattern(1 + 97 * (round % 50), round as u64);
                    start.wait();
                    side.sends(&bytes).ends();
                    assert_same_bytes("at once", &bytes, &side.reads_to_end());
                })
            })
            .collect();
        sides.into_iter().for_each(Script::joins);
    }
    let ledger = relay.drains().ledger();
    ledger.balances();
    let ends = ledger.terminations();
    let closed = ends.get("client_closed").unwrap_or(&0) + ends.get("server_closed").unwrap_or(&0);
    assert_eq!(closed, rounds, "{ends:?}");
}

#[test]
fn row_30_single_bytes_pass_either_way() {
    on_every_line(|mut one, mut other| {
        let bytes = pattern(700, 30);
        for byte in &bytes {
            one.sends([*byte]);
        }
        one.ends();
        assert_same_bytes("byte by byte", &bytes, &other.reads_to_end());
        for byte in &bytes {
            other.sends([*byte]);
        }
        other.ends();
        assert_same_bytes("byte by byte back", &bytes, &one.reads_to_end());
    });
}

#[test]
fn row_34_a_server_speaks_first_and_the_client_hears_it_at_once() {
    for words in LOOKS {
        let upstream = Server::binds();
        let (relay, address) = relayed(upstream.address(), words.iter().copied());
        let mut waits: Vec<Duration> = (0..21)
            .map(|_| {
                let start = Instant::now();
                let mut client = Peer::connects(address);
                let mut server = upstream.accepts();
                server.sends("220 ready\r\n");
                client.expects("220 ready\r\n");
                let wait = start.elapsed();
                client.ends();
                server.expects_end().ends();
                client.expects_end();
                wait
            })
            .collect();
        waits.sort();
        // Connecting twice and one write; a few milliseconds even unoptimised, where nothing waits for the client.
        assert!(waits[10] < scaled(Duration::from_millis(20)), "{waits:?}");
        relay.drains();
    }
}

#[test]
fn row_19_a_session_half_closed_for_ever_is_ended_by_its_timeout() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q", "--json", "--half-close-timeout", "1s"]);
    let baseline = {
        let (mut client, mut server) = pair(address, &upstream);
        client.ends();
        server.expects_end().ends();
        client.expects_end();
        relay.event("closed", |_| true);
        deadline::settled("descriptors", Duration::from_millis(100), || relay.reading().descriptors())
    };
    let start = Instant::now();
    let sessions: Vec<(Peer, Peer)> = (0..10).map(|_| pair(address, &upstream)).collect();
    let mut held = Vec::new();
    for (number, (mut client, mut server)) in sessions.into_iter().enumerate() {
        if number % 2 == 0 {
            client.sends("last").ends();
            server.expects("last").expects_end();
        } else {
            server.sends("last").ends();
            client.expects("last").expects_end();
        }
        // Both ends stay open and silent.
        held.push((client, server));
    }
    relay.events_where("closed", 10, |event| event["termination"] == "half_close_timeout");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(950), "not before the limit: {took:?}");
    assert!(took < scaled(Duration::from_millis(3500)), "soon after the limit: {took:?}");
    descriptors_return(&relay, baseline);
    for (number, (client, server)) in held.into_iter().enumerate() {
        // Whoever was still owed an end gets one: of the stream or of the connection, but not silence.
        let mut owed = if number % 2 == 0 { client } else { server };
        assert!(owed.readable_within(patience()), "session {number} was never told");
        assert!(owed.reads_some(10).map_or(true, |bytes| bytes.is_empty()), "no byte out of nowhere");
    }
    let ledger = relay.drains().ledger();
    ledger.balances();
    assert_eq!(ledger.summary()["limits"]["half_close_timeout"], 10, "{}", ledger.summary());
}

#[test]
fn row_20_a_half_closed_session_with_bytes_is_never_ended() {
    let looked_at_or_not = LOOKS.map(|words| Script::runs(move || goes_on_half_closed(words)));
    looked_at_or_not.into_iter().for_each(Script::joins);
}

fn goes_on_half_closed(words: &[&str]) {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), words.iter().copied().chain(["--half-close-timeout", "1s"]));
    let (mut client, mut server) = pair(address, &upstream);
    let (mut second, mut its_server) = pair(address, &upstream);
    client.ends();
    server.expects_end();
    its_server.ends();
    second.expects_end();
    for _ in 0..8 {
        deadline::let_pass(Duration::from_millis(400));
        server.sends("x");
        client.expects("x");
        second.sends("y");
        its_server.expects("y");
    }
    server.ends();
    client.expects_end();
    second.ends();
    its_server.expects_end();
    relay.drains();
}

#[test]
fn a_half_close_timeout_of_0_is_never() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q", "--half-close-timeout", "0", "--idle-timeout", "0"]);
    let (mut client, mut server) = pair(address, &upstream);
    client.ends();
    server.expects_end();
    client.hears_nothing_for(Duration::from_millis(700));
    server.sends("late").ends();
    client.expects("late").expects_end();
    relay.drains();
}
