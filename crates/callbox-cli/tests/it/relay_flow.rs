//! `relay` under load: bulk, back-pressure, slow and stopped peers, a stopped relay (rows 25, 26, 28, 29).

use std::sync::Arc;
use std::time::{Duration, Instant};

use callbox_testkit::{
    Inlet, Input, Outlet, Output, Peer, Scratch, Script, Server, assert_same_bytes, deadline, eventually, patience,
    pattern, quick, scaled,
};

use crate::cli::{connect, served};
use crate::handlers::rfc_864;
use crate::relay_line::{Kind, Line, pair, relayed};

/// Sends all bytes and the end in one thread, reads to the end in another.
fn exchanges(peer: Peer, sent: Arc<Vec<u8>>) -> (Script, Script<Vec<u8>>) {
    let (mut writing, mut reading) = (peer.twin(), peer);
    let writer = Script::runs(move || {
        writing.stream().set_write_timeout(None).expect("a socket option");
        writing.sends(&*sent).ends();
    });
    (writer, Script::runs(move || reading.reads_to_end()))
}

fn bulk(kinds: (Kind, Kind), words: &'static [&'static str], length: usize) {
    let line = Line::new(kinds.0, kinds.1, words);
    let before = line.relay().reading().peak_kib();
    let (client, server) = line.pair();
    let (up, down) = (Arc::new(pattern(length, 1)), Arc::new(pattern(length, 2)));
    let (one, got_down) = exchanges(client, up.clone());
    let (other, got_up) = exchanges(server, down.clone());
    assert_same_bytes("to the server", &up, &got_up.joins());
    assert_same_bytes("to the client", &down, &got_down.joins());
    one.joins();
    other.joins();
    if !words.contains(&"--json") {
        let grown = line.relay().reading().peak_kib() - before;
        assert!(grown < 4096, "{kinds:?}: memory grew by {grown} KiB for one session");
    }
    let outcome = line.drains();
    if words.contains(&"--json") {
        // Events may be lost where nobody could read them in time; totals never are.
        let text = String::from_utf8_lossy(&outcome.stdout);
        let summary: serde_json::Value = serde_json::from_str(text.lines().last().expect("a summary")).expect("JSON");
        assert_eq!(summary["to_server_bytes"], length, "{summary}");
        assert_eq!(summary["to_client_bytes"], length, "{summary}");
    }
}

#[test]
fn a_flood_each_way_at_once_arrives_whole_over_tcp() {
    bulk((Kind::Tcp, Kind::Tcp), &["-q"], if quick() { 24 << 20 } else { 64 << 20 });
}

#[test]
fn a_flood_each_way_at_once_arrives_whole_over_unix_sockets() {
    for kinds in [(Kind::Unix, Kind::Unix), (Kind::Unix, Kind::Tcp), (Kind::Tcp, Kind::Unix)] {
        bulk(kinds, &["-q"], if quick() { 8 << 20 } else { 64 << 20 });
    }
}

#[test]
fn a_flood_each_way_at_once_is_counted_exactly_though_it_is_shown() {
    bulk((Kind::Tcp, Kind::Tcp), &["-q", "--json", "--tap", "both"], 4 << 20);
}

#[test]
fn many_sessions_at_once_keep_their_bytes_apart() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q"]);
    let count = if quick() { 16 } else { 64 };
    let sessions: Vec<_> = (0..count)
        .map(|number| {
            let (client, server) = pair(address, &upstream);
            let (up, down) = (Arc::new(pattern(300_000, number)), Arc::new(pattern(300_000, 1000 + number)));
            (exchanges(client, up.clone()), exchanges(server, down.clone()), up, down)
        })
        .collect();
    for ((writer, at_client), (its_writer, at_server), up, down) in sessions {
        assert_same_bytes("to the server", &up, &at_server.joins());
        assert_same_bytes("to the client", &down, &at_client.joins());
        writer.joins();
        its_writer.joins();
    }
    relay.drains();
}

#[test]
fn row_25_a_relay_passes_back_pressure_on_to_the_source_and_holds_little() {
    let upstream = Server::binds();
    for words in [&["-q"][..], &["-q", "--frame", "line", "--show", "hex"]] {
        let (relay, address) = relayed(upstream.address(), words.iter().copied());
        for swapped in [false, true] {
            let before = relay.reading().peak_kib();
            let (client, server) = pair(address, &upstream);
            let (source, target) = if swapped { (server, client) } else { (client, server) };
            let flood = Arc::new(pattern(100 << 20, 25));
            let inlet = Inlet::from(source.stream().try_clone().expect("a descriptor"));
            let writer = inlet.fills(flood.clone()).expect("back-pressure");
            let grown = relay.reading().peak_kib() - before;
            // Without a look at the bytes: a buffer of a thread and one of a session. A view holds what it shows.
            let most = if words.len() == 1 { 1024 } else { 24 * 1024 };
            assert!(grown <= most, "memory grew by {grown} KiB with 100 MiB offered, {words:?}, swapped: {swapped}");
            // The other direction does not notice.
            let mut answering = target.twin();
            answering.sends("still here");
            source.twin().expects("still here");
            if !quick() || words.len() == 1 && !swapped {
                let got = Outlet::from(target.stream().try_clone().expect("a descriptor"));
                let got = got.reads_exactly(flood.len(), patience() * 3).expect("everything");
                assert_same_bytes("the flood", &flood, &got);
                writer.joins().1.expect("all was taken in the end");
            } else {
                let got = Outlet::from(target.stream().try_clone().expect("a descriptor"));
                let got = got.reads_exactly(1 << 20, patience()).expect("a part");
                assert_same_bytes("the flood's beginning", &flood[..1 << 20], &got);
                let _ = rustix::net::shutdown(source.stream(), rustix::net::Shutdown::Both);
                let _ = writer.joins();
            }
            rustix::net::sockopt::set_socket_linger(target.stream(), Some(Duration::ZERO)).expect("an option");
            drop((answering, target, source));
        }
        relay.drains();
    }
}

#[test]
fn row_25_a_relay_ends_a_session_whose_reader_takes_nothing() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-v", "--show", "none", "--write-stall-timeout", "1s"]);
    for (number, swapped) in [false, true].into_iter().enumerate() {
        let (client, server) = pair(address, &upstream);
        let (source, target) = if swapped { (server, client) } else { (client, server) };
        let inlet = Inlet::from(source.stream().try_clone().expect("a descriptor"));
        let start = Instant::now();
        let writer = inlet.fills(Arc::new(pattern(64 << 20, 26))).expect("back-pressure");
        relay.says(&format!("#{} closed: ", number + 1));
        assert!(start.elapsed() >= Duration::from_millis(900), "not before the limit: {:?}", start.elapsed());
        writer.joins().1.expect_err("the source is told");
        drop((source, target));
    }
    let outcome = relay.drains();
    outcome.said("write_stall hit 2 times");
}

#[test]
fn row_26_a_slow_reader_behind_a_relay_is_not_ended_while_it_makes_progress() {
    let (server, upstream) = served(["--generate", "-q"]);
    let (relay, address) = relayed(upstream, ["-q", "--write-stall-timeout", "1500ms"]);
    let before = relay.reading().resident_kib();
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
        deadline::let_pass(Duration::from_millis(250));
    }
    assert_same_bytes("what came", &rfc_864(got.len()), &got);
    assert!(relay.reading().peak_kib().saturating_sub(before) < 2 * 1024, "memory stays bounded");
    slow.closes();
    relay.drains();
    server.drains();
}

#[test]
fn row_28_stopped_peers_of_a_relay_go_on_later_and_lose_nothing() {
    let (server, upstream) = served(["--generate", "12Mi", "-q"]);
    let (relay, address) = relayed(upstream, ["-q", "--write-stall-timeout", "30s"]);
    let pause = Duration::from_secs(if quick() { 1 } else { 3 });
    for stop_server in [false, true] {
        let scratch = Scratch::new();
        let path = scratch.join("received");
        let file = std::fs::File::create(&path).expect("own file");
        let client = connect(address, []).input(Input::Piped).output(Output::To(file.into())).start();
        eventually("some bytes", patience(), || match std::fs::metadata(&path) {
            Ok(facts) if facts.len() > 0 => Ok(()),
            other => Err(format!("{other:?}")),
        });
        let stopped = if stop_server { &server } else { &client };
        stopped.stops();
        deadline::let_pass(pause);
        stopped.goes_on();
        client.exits(0);
        assert_same_bytes("what came", &rfc_864(12 << 20), &std::fs::read(&path).expect("own file"));
    }
    relay.drains();
    server.drains();
}

#[test]
fn row_29_a_relay_stopped_again_and_again_loses_nothing() {
    let (server, upstream) = served(["--echo", "-q"]);
    let (relay, address) = relayed(upstream, ["-q", "--json", "--idle-timeout", "5s"]);
    let clients: Vec<Script> = (0..8)
        .map(|number| {
            Script::runs(move || {
                let mut client = Peer::connects(address);
                for round in 0..30 {
                    let bytes = pattern(16 * 1024, number * 100 + round);
                    client.sends(&bytes).expects(&bytes);
                    deadline::let_pass(Duration::from_millis(20));
                }
                client.ends().expects_end();
            })
        })
        .collect();
    while !clients.iter().all(Script::ended) {
        relay.stops();
        deadline::let_pass(Duration::from_millis(200));
        relay.goes_on();
        deadline::let_pass(Duration::from_millis(100));
    }
    clients.into_iter().for_each(Script::joins);
    let ledger = relay.drains().ledger();
    ledger.balances();
    assert_eq!(ledger.terminations().get("client_closed"), Some(&8), "{:?}", ledger.terminations());
    server.drains();
}

#[test]
fn row_29_time_a_relay_slept_through_is_not_held_against_sessions_with_bytes() {
    let upstream = Server::binds();
    let words = ["-q", "--json", "--idle-timeout", "800ms", "--half-close-timeout", "800ms"];
    let (relay, address) = relayed(upstream.address(), words);
    let mut pairs: Vec<(Peer, Peer)> = (0..20).map(|_| pair(address, &upstream)).collect();
    for (number, (client, server)) in pairs.iter_mut().enumerate() {
        client.sends("x");
        server.expects("x");
        if number % 2 == 0 {
            client.ends();
            server.expects_end();
        }
    }
    relay.stops();
    for (number, (client, server)) in pairs.iter_mut().enumerate() {
        if number % 2 == 0 {
            server.sends("sent while you slept")
        } else {
            client.sends("sent while you slept")
        };
    }
    deadline::let_pass(scaled(Duration::from_secs(2)));
    relay.goes_on();
    for (number, (client, server)) in pairs.iter_mut().enumerate() {
        let receiver = if number % 2 == 0 { client } else { server };
        receiver.expects("sent while you slept");
    }
    for (client, server) in &mut pairs {
        let _ = client.stream().shutdown(std::net::Shutdown::Write);
        let _ = server.stream().shutdown(std::net::Shutdown::Write);
    }
    let ledger = relay.drains().ledger();
    let ends = ledger.terminations();
    assert_eq!((ends.get("idle_timeout"), ends.get("half_close_timeout")), (None, None), "{ends:?}");
}
