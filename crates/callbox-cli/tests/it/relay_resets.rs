//! `relay` and resets: a reset passes as a reset, after exactly what came before it (rows 16, 17).

use std::io::ErrorKind;
use std::time::Duration;

use callbox_testkit::{Peer, Script, Server, assert_same_bytes, deadline, patience, pattern, scaled};

use crate::limits::descriptors_return;
use crate::relay_line::{Kind, Line, pair, relayed};

/// Reads until the reset and returns what came before it.
#[track_caller]
fn reads_to_reset(peer: &mut Peer) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        match peer.reads_some(64 * 1024) {
            Ok(some) if some.is_empty() => {
                peer.fail(&format!("an end of stream after {} bytes, no reset", bytes.len()))
            }
            Ok(some) => bytes.extend(some),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return bytes,
            Err(error) => peer.fail(&format!("after {} bytes: {error}", bytes.len())),
        }
    }
}

/// The client's end first, or the server's.
fn either_way(client: Peer, server: Peer, swapped: bool) -> (Peer, Peer) {
    if swapped { (server, client) } else { (client, server) }
}

#[test]
fn row_16_a_reset_in_mid_stream_ends_the_session_and_delivers_what_was_read() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q", "--json"]);
    let mut session = 0;
    for swapped in [false, true] {
        for length in [0, 1, 1460, 16 * 1024, 16 * 1024 + 1, 300_000, 3 << 20] {
            session += 1;
            let (client, server) = pair(address, &upstream);
            let (mut sender, mut receiver) = either_way(client, server, swapped);
            let bytes = pattern(length, session);
            let sent = bytes.clone();
            sender.sends("!");
            receiver.expects("!");
            let reading = Script::runs(move || reads_to_reset(&mut receiver));
            sender.sends(&sent);
            sender.resets();
            let got = reading.joins();
            assert_same_bytes("a prefix of what was sent", &bytes[..got.len().min(length)], &got);
            let closed = relay.event("closed", |event| event["session"] == session);
            let (end, count) =
                if swapped { ("server_reset", "to_client_bytes") } else { ("client_reset", "to_server_bytes") };
            assert_eq!(closed["termination"], end, "{closed}");
            let read = closed[count].as_u64().expect("a count");
            assert_eq!(got.len() as u64 + 1, read, "what was read from one side was given to the other: {closed}");
        }
    }
    relay.drains().ledger().balances();
}

#[test]
fn row_17_what_came_long_before_a_reset_is_delivered_whole_and_then_the_reset() {
    for words in [&["-q"][..], &["-q", "--json"]] {
        let upstream = Server::binds();
        let (relay, address) = relayed(upstream.address(), words.iter().copied());
        for swapped in [false, true] {
            for length in [1, 5_000, 200_000] {
                let (client, server) = pair(address, &upstream);
                let (mut sender, mut receiver) = either_way(client, server, swapped);
                let bytes = pattern(length, 17);
                sender.sends(&bytes);
                // The relay has read it all by the time the receiver has.
                receiver.expects(&bytes);
                sender.resets();
                assert_eq!(reads_to_reset(&mut receiver), b"", "nothing comes out of nowhere");
            }
        }
        relay.drains();
    }
}

#[test]
fn row_17_a_reader_who_is_late_still_gets_what_the_relay_had_read_before_the_reset() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q", "--json"]);
    for (index, swapped) in [false, true].into_iter().enumerate() {
        let (client, server) = pair(address, &upstream);
        let (mut sender, mut receiver) = either_way(client, server, swapped);
        let bytes = pattern(100_000, 170);
        sender.sends(&bytes);
        // Nobody has read a byte, and the relay has had time to pass on what fits the kernel's queues: all of it.
        deadline::settled("sent bytes", Duration::from_millis(100), || receiver.readable_within(Duration::ZERO));
        sender.resets();
        // Given at once, and read a little later.
        deadline::let_pass(Duration::from_millis(200));
        let got = reads_to_reset(&mut receiver);
        assert_same_bytes("what had come before the reset", &bytes, &got);
        let session = index as u64 + 1;
        let closed = relay.event("closed", |event| event["session"] == session);
        assert!(closed["termination"].as_str().is_some_and(|end| end.ends_with("_reset")), "{closed}");
    }
    relay.drains();
}

#[test]
fn row_17_a_reset_behind_a_full_queue_leaves_an_exact_prefix_and_waits_for_nobody_long() {
    for words in [&["-q"][..], &["-q", "--json"]] {
        let upstream = Server::binds();
        let (relay, address) = relayed(upstream.address(), words.iter().copied());
        for swapped in [false, true] {
            let (client, server) = pair(address, &upstream);
            let (sender, mut receiver) = either_way(client, server, swapped);
            let bytes = std::sync::Arc::new(pattern(64 << 20, 171));
            let inlet = callbox_testkit::Inlet::from(sender.stream().try_clone().expect("a descriptor"));
            let writer = inlet.fills(bytes.clone()).expect("back-pressure");
            // A reset is sent when the last descriptor closes: the writer's wakes up by a shutdown first.
            rustix::net::sockopt::set_socket_linger(sender.stream(), Some(Duration::ZERO)).expect("a socket option");
            let reader = Script::runs(move || {
                let got = reads_to_reset(&mut receiver);
                (receiver, got)
            });
            disconnects(&sender);
            drop(writer.joins().0);
            drop(sender);
            let (_receiver, got) = reader.joins();
            assert!(!got.is_empty() && got.len() < bytes.len(), "{} bytes of {}", got.len(), bytes.len());
            assert_same_bytes("a prefix", &bytes[..got.len()], &got);
        }
        relay.drains();
    }
}

/// Resets a connection though another thread is writing to it: connecting to nowhere is how a socket is told to
/// forget its peer.
fn disconnects(peer: &Peer) {
    rustix::net::connect_unspec(peer.stream()).expect("a connected TCP socket");
}

#[test]
fn row_17_a_reset_waits_a_second_for_a_reader_who_takes_nothing_and_no_longer() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-v", "--show", "none"]);
    for (session, swapped) in [(1, false), (2, true)] {
        let (client, server) = pair(address, &upstream);
        let (sender, mut receiver) = either_way(client, server, swapped);
        let bytes = std::sync::Arc::new(pattern(64 << 20, 172));
        let inlet = callbox_testkit::Inlet::from(sender.stream().try_clone().expect("a descriptor"));
        let writer = inlet.fills(bytes.clone()).expect("back-pressure");
        let start = std::time::Instant::now();
        disconnects(&sender);
        drop(writer.joins().0);
        // FAILS: the session stays until the write stall timeout; row 17 gives a reset one second.
        let end = format!("#{session} closed: ");
        let closed = relay.errors().wait(scaled(Duration::from_secs(3)), |bytes, _| {
            String::from_utf8_lossy(bytes).contains(&end).then_some(())
        });
        assert!(closed.is_some(), "not closed after {:?}, swapped: {swapped}", start.elapsed());
        let got = reads_to_reset(&mut receiver);
        assert_same_bytes("a prefix", &bytes[..got.len().min(bytes.len())], &got);
        drop(sender);
    }
    relay.drains();
}

/// What one side of a random session does at its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Last {
    Ends,
    EndsAfterReading,
    Resets,
}

/// Plays one side: sends in random pieces, reads everything, ends as told. Returns what came and whether by a reset.
fn plays(peer: Peer, bytes: Vec<u8>, seed: u64, last: Last) -> (Vec<u8>, bool) {
    let writing = peer.twin();
    let mut reading = peer;
    let reader = Script::runs(move || {
        let mut got = Vec::new();
        loop {
            match reading.reads_some(1 + (seed % 7919) as usize) {
                Ok(some) if some.is_empty() => return (got, false),
                Ok(some) => got.extend(some),
                // Whoever resets a session itself reads other errors.
                Err(error) => return (got, error.kind() == ErrorKind::ConnectionReset),
            }
        }
    });
    let mut rest = &bytes[..];
    let mut step = seed;
    while !rest.is_empty() {
        step = step.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (piece, after) = rest.split_at(rest.len().min(1 + (step >> 33) as usize % 20_000));
        // The other side may have reset the session in the meantime; its reader tells.
        if let Err(error) = std::io::Write::write_all(&mut writing.stream(), piece) {
            // The kernel tells of a reset once: here, or to the reader.
            let (got, reset) = reader.joins();
            return (got, reset || error.kind() == ErrorKind::ConnectionReset);
        }
        rest = after;
    }
    match last {
        Last::Ends => {
            let _ = writing.stream().shutdown(std::net::Shutdown::Write);
            reader.joins()
        }
        Last::EndsAfterReading => {
            let found = reader.joins();
            let _ = writing.stream().shutdown(std::net::Shutdown::Write);
            found
        }
        Last::Resets => {
            disconnects(&writing);
            drop(writing);
            let _ = reader.joins();
            (Vec::new(), false)
        }
    }
}

#[test]
fn random_sessions_keep_every_promise_about_their_endings() {
    let upstream = Server::binds();
    for words in [&["-q"][..], &["-q", "--json"]] {
        let (relay, address) = relayed(upstream.address(), words.iter().copied());
        let count: u64 = if callbox_testkit::quick() { 120 } else { 1_500 };
        for number in 0..count {
            let seed = 0x5eed + number * 7_919;
            let length =
                |salt: u64| (seed.wrapping_mul(salt) >> 7) as usize % [100, 5_000, 300_000][number as usize % 3];
            let (up, down) = (pattern(length(31), seed), pattern(length(37), seed + 1));
            let (one, other) = match number % 5 {
                0 => (Last::Ends, Last::Ends),
                1 => (Last::EndsAfterReading, Last::Ends),
                2 => (Last::Ends, Last::EndsAfterReading),
                3 => (Last::Resets, Last::EndsAfterReading),
                _ => (Last::EndsAfterReading, Last::Resets),
            };
            println!("session {number} with {words:?}: {one:?} after {}, {other:?} after {}", up.len(), down.len());
            let (client, server) = pair(address, &upstream);
            let (sent_up, sent_down) = (up.clone(), down.clone());
            let at_client = Script::runs(move || plays(client, sent_up, seed, one));
            let at_server = Script::runs(move || plays(server, sent_down, seed + 5, other));
            let (got_down, client_reset) = at_client.joins();
            let (got_up, server_reset) = at_server.joins();
            if one == Last::Resets {
                assert!(server_reset, "the server must see a reset");
                assert_same_bytes("a prefix", &up[..got_up.len().min(up.len())], &got_up);
            } else if other == Last::Resets {
                assert!(client_reset, "the client must see a reset");
                assert_same_bytes("a prefix", &down[..got_down.len().min(down.len())], &got_down);
            } else {
                assert_same_bytes("to the server", &up, &got_up);
                assert_same_bytes("to the client", &down, &got_down);
                assert!(!client_reset && !server_reset);
            }
        }
        relay.drains();
    }
}

#[test]
fn row_17_a_reset_after_an_end_of_stream_is_a_reset() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q", "--json"]);
    for swapped in [false, true] {
        let (client, server) = pair(address, &upstream);
        let (mut ended, mut resetting) = either_way(client, server, swapped);
        ended.sends("done").ends();
        resetting.expects("done").expects_end().sends("but");
        ended.expects("but");
        resetting.resets();
        assert_eq!(reads_to_reset(&mut ended), b"");
    }
    relay.drains().ledger().balances();
}

#[test]
fn row_17_a_reset_of_who_has_ended_reaches_the_other_side() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q"]);
    for swapped in [false, true] {
        let (client, server) = pair(address, &upstream);
        let (mut leaving, mut writing) = either_way(client, server, swapped);
        leaving.sends("done").ends();
        writing.expects("done").expects_end().sends("answer");
        leaving.expects("answer");
        leaving.resets();
        // Its end of stream came long ago; that nobody listens any more shows as an error of the socket.
        callbox_testkit::eventually("an error of the socket", patience(), || {
            match std::io::Write::write(&mut writing.stream(), b"x") {
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }
    relay.drains();
}

#[test]
fn a_reset_beside_a_unix_socket_ends_it_with_exactly_what_came_before() {
    // A Unix socket has no reset to pass on: the bytes are whole, and the session is over on both sides.
    let line = Line::new(Kind::Tcp, Kind::Unix, &["-q", "--json"]);
    let (mut client, mut server) = line.pair();
    client.sends("before");
    server.expects("before");
    client.resets();
    assert!(server.readable_within(scaled(Duration::from_secs(3))), "the server was never told");
    assert!(server.reads_some(10).map_or(true, |bytes| bytes.is_empty()));
    let closed = line.relay().event("closed", |_| true);
    assert_eq!(closed["termination"], "client_reset", "{closed}");
    line.drains().ledger().balances();
}

#[test]
fn resets_leave_no_descriptor_behind() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q"]);
    let baseline = deadline::settled("descriptors", Duration::from_millis(100), || relay.reading().descriptors());
    for number in 0..200 {
        let (client, server) = pair(address, &upstream);
        let (mut resetting, mut other) = either_way(client, server, number % 2 == 1);
        if number % 3 == 0 {
            resetting.sends("x");
        }
        resetting.resets();
        reads_to_reset(&mut other);
    }
    // Threads and pipes made on first use stay; descriptors of sessions do not.
    descriptors_return(&relay, baseline + 8);
    relay.drains();
}

#[test]
fn a_relay_that_is_killed_leaves_nobody_waiting() {
    let upstream = Server::binds();
    let (relay, address) = relayed(upstream.address(), ["-q"]);
    let mut pairs: Vec<(Peer, Peer)> = (0..10).map(|_| pair(address, &upstream)).collect();
    let bytes = pattern(50_000, 9);
    for (client, server) in &mut pairs {
        client.sends(&bytes);
        server.expects(&bytes);
    }
    relay.signal(callbox_testkit::Signal::KILL);
    for (client, server) in pairs.iter_mut() {
        for side in [client, server] {
            assert!(side.readable_within(scaled(Duration::from_secs(1))), "told within a second");
            assert!(side.reads_some(10).map_or(true, |bytes| bytes.is_empty()), "no byte out of nowhere");
        }
    }
}
