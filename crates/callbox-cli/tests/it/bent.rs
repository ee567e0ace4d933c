//! Faults on `serve`, `connect` and `listen`: what each side gets, the exit codes, the events.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use callbox_testkit::{
    Peer, Process, Scratch, Script, assert_same_bytes, deadline, eventually, patience, pattern, scaled,
};
use serde_json::Value;

use crate::cli::{callbox, connect, listen, served};

/// What faults did, in words, with the direction and the name of each.
pub(crate) fn told(events: &[&Value]) -> Vec<String> {
    let one = |event: &&Value| {
        let text = |field: &str| event[field].as_str().unwrap_or("?").to_owned();
        format!("{} {} at {}: {}", text("direction"), text("fault"), event["offset"], text("what"))
    };
    events.iter().map(one).collect()
}

/// Reads to the end of stream or to a reset: what came, and whether it was a reset.
#[track_caller]
pub(crate) fn reads_to_either(peer: &mut Peer) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    loop {
        match peer.reads_some(64 * 1024) {
            Ok(some) if some.is_empty() => return (bytes, false),
            Ok(some) => bytes.extend_from_slice(&some),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return (bytes, true),
            Err(error) => peer.fail(&format!("neither an end nor a reset: {error}")),
        }
    }
}

/// An echo server with faults on the way to the client, and a client of it.
fn echoing(words: &[&str]) -> (Process, Peer) {
    let (server, address) = served(["--echo", "--json", "-q"].iter().chain(words).copied());
    (server, Peer::connects(address))
}

/// Starts `listen` and returns it with its address.
fn listening(words: &[&str]) -> (Process, SocketAddr) {
    let listener = listen(words.iter().copied()).start();
    let address = listener.ready();
    (listener, address)
}

#[test]
fn latency_is_added_in_the_direction_that_it_names_and_in_both_by_default() {
    const LATE: Duration = Duration::from_millis(200);
    let trips = [("", 2), (",direction=to_server", 1), (",direction=to_client", 1)].map(|(towards, times)| {
        Script::runs(move || {
            let (server, mut client) = echoing(&["--fault", &format!("latency=200ms{towards}")]);
            for _ in 0..2 {
                let start = Instant::now();
                client.sends("there and back").expects("there and back");
                let took = start.elapsed();
                assert!(took >= LATE * times, "{towards}: {took:?}");
                assert!(took < LATE * times + scaled(Duration::from_millis(150)), "{towards}: {took:?}");
            }
            let start = Instant::now();
            client.ends().expects_end();
            assert!(start.elapsed() >= LATE * times, "the end of stream is late too: {:?}", start.elapsed());
            server.drains().ledger().balances();
        })
    });
    trips.into_iter().for_each(Script::joins);
}

#[test]
fn connect_and_listen_are_late_both_ways_too() {
    for listens in [false, true] {
        let start = Instant::now();
        let words = ["--send", "one", "--fault", "latency=150ms"];
        let talk = |mut peer: Peer| {
            peer.expects("one").expects_end().sends("two").ends();
        };
        let process = if listens {
            let (listener, address) = listening(&words);
            talk(Peer::connects(address));
            listener
        } else {
            let (address, script) = Script::serves(talk);
            let connecting = connect(address, words).start();
            script.joins();
            connecting
        };
        process.exits(0).wrote("two");
        assert!(start.elapsed() >= Duration::from_millis(300), "150 ms each way: {:?}", start.elapsed());
    }
}

#[test]
fn connect_sends_all_before_it_leaves_however_late() {
    for words in [&["--expect", "ok"][..], &["--count", "1"]] {
        let (address, script) = Script::serves(|mut peer: Peer| {
            // What is expected comes long before anything has arrived here, but not before the sends were read.
            deadline::let_pass(Duration::from_millis(300));
            peer.sends("ok").expects("onetwo").expects_end();
        });
        let start = Instant::now();
        let sends = ["--send", "one", "--send", "two", "--fault", "latency=1s,direction=to_server"];
        connect(address, sends.into_iter().chain(words.iter().copied())).start().exits(0).wrote("ok");
        assert!(start.elapsed() >= Duration::from_secs(1), "left after {:?}", start.elapsed());
        script.joins();
    }
}

#[test]
fn throttle_is_the_rate_that_it_says_and_loses_nothing() {
    let (server, mut client) = echoing(&["--fault", "throttle=100kB/s,direction=to_client"]);
    let sent = pattern(50_000, 1);
    let start = Instant::now();
    client.sends(&sent).ends();
    assert_same_bytes("through a slow line", &sent, &client.reads_to_end());
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(490) && took < scaled(Duration::from_millis(900)), "{took:?}");
    server.drains().ledger().balances();
}

#[test]
fn a_cut_of_serve_is_exact_for_the_client_and_for_the_program() {
    for (how, is_reset) in [("", false), (":end", false), (":reset", true)] {
        let (server, mut client) = echoing(&["--fault", &format!("cut@5{how},direction=to_client")]);
        client.sends("hello world");
        assert_eq!(reads_to_either(&mut client), (b"hello".to_vec(), is_reset), "cut@5{how}");
        drop(client);
        let closed = server.event("closed", |_| true);
        assert_eq!(closed["termination"], "fault", "{closed}");
        let ledger = server.drains().ledger();
        ledger.balances();
        let ended = if is_reset { "session ended by a reset" } else { "session ended" };
        let lines = told(&ledger.named("fault"));
        assert_eq!(lines, ["to_client cut at 0: at work".to_owned(), format!("to_client cut at 5: {ended}")]);
        assert_eq!(ledger.summary()["to_client_bytes"], 5);
    }
    let scratch = Scratch::new();
    let got = scratch.join("got");
    let words = ["serve", "127.0.0.1:0", "-q", "--fault", "cut@5,direction=to_server", "--ready-file"];
    let ready = scratch.join("ready");
    let copy = format!("cat >'{}'", got.display());
    let server = callbox(words).arg(&ready).args(["--exec", "sh", "-c", &copy]);
    let (server, address) = crate::cli::started(server, &ready);
    let mut client = Peer::connects(address);
    client.sends("hello world");
    assert_eq!(reads_to_either(&mut client), (Vec::new(), false));
    drop(client);
    eventually("what the program got", patience(), || match std::fs::read(&got) {
        Ok(bytes) if bytes == b"hello" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    server.drains();
}

#[test]
fn a_cut_of_connect_and_listen_is_exact_for_the_peer_and_on_standard_output() {
    for listens in [false, true] {
        let started = |words: &[&str]| {
            for _ in 0..if listens { 20 } else { 0 } {
                let (listener, address) = listening(words);
                match Peer::connects_unless_reset(address) {
                    Some(peer) => return (listener, peer),
                    // On a busy machine; then nothing can be told.
                    None => drop(listener.ends()),
                }
            }
            assert!(!listens, "each of 20 resets was quicker than connecting");
            let server = callbox_testkit::Server::binds();
            (connect(server.address(), words.iter().copied()).start(), server.accepts())
        };
        let (sent, received) = if listens { ("to_client", "to_server") } else { ("to_server", "to_client") };
        for (how, is_reset) in [("end", false), ("reset", true)] {
            let cut = format!("cut@5:{how},direction={sent}");
            let (process, mut peer) = started(&["--send", "hello world", "--fault", &cut]);
            assert_eq!(reads_to_either(&mut peer), (b"hello".to_vec(), is_reset), "{cut}");
            drop(peer);
            process.exits(0);
            let cut = format!("cut@5:{how},direction={received}");
            let (process, mut peer) = started(&["--send", "x", "--no-shutdown", "--fault", &cut]);
            peer.expects("x").sends("hello world");
            assert_eq!(reads_to_either(&mut peer), (Vec::new(), is_reset), "{cut}");
            drop(peer);
            // What a fault was asked to do is done: that is no failure.
            process.exits(0).wrote("hello");
        }
    }
}

#[test]
fn what_was_due_and_was_cut_off_has_its_exit_code() {
    let cut = |words: &[&str]| {
        let (address, script) = Script::serves(|mut peer: Peer| {
            peer.sends("hello\nworld\n");
            reads_to_either(&mut peer);
        });
        let words = ["--no-shutdown", "--send", "x", "--fault", "cut@8,direction=to_client"]
            .into_iter()
            .chain(words.iter().copied());
        let outcome = connect(address, words).run();
        script.joins();
        outcome
    };
    cut(&["--expect", "world"]).exited(1).said("before a fault ended the session");
    cut(&["--expect", "hello"]).exited(0);
    cut(&["--frame", "line", "--count", "2"]).exited(5).said("a fault ended the session after 1 of 2 frames");
    let outcome = cut(&["--json"]).exited(0);
    let ledger = outcome.ledger();
    ledger.balances();
    assert_eq!(ledger.the("closed")["termination"], "fault");
    assert_eq!(told(&ledger.named("fault"))[1..], ["to_client cut at 8: session ended"]);
}

#[test]
fn corrupt_changes_the_same_bytes_again_with_the_same_seed_however_they_are_cut() {
    let sent = pattern(64 * 1024, 5);
    let corrupted = |seed: &str, piece: usize| {
        let (server, mut client) = echoing(&["--fault", "corrupt=1%,direction=to_client", "--seed", seed]);
        let (mut writing, pieces) = (client.twin(), sent.clone());
        let writer = Script::runs(move || {
            for piece in pieces.chunks(piece) {
                writing.sends(piece);
            }
            writing.ends();
        });
        let got = client.reads_to_end();
        writer.joins();
        server.drains();
        got
    };
    let first = corrupted("42", sent.len());
    assert_eq!(first.len(), sent.len());
    let changed: Vec<usize> = (0..sent.len()).filter(|at| first[*at] != sent[*at]).collect();
    assert!((450..860).contains(&changed.len()), "one in a hundred of 65,536: {}", changed.len());
    assert!(changed.iter().all(|at| (first[*at] ^ sent[*at]).count_ones() == 1), "one bit each");
    assert_same_bytes("the same seed, other chunks", &first, &corrupted("42", 1000));
    assert_ne!(first, corrupted("43", sent.len()), "another seed");
}

#[test]
fn a_seed_is_drawn_and_said_where_none_is_given() {
    let sent = pattern(4096, 6);
    let seed_of = |text: &str| {
        let seed = text.split("--seed ").nth(1).and_then(|rest| rest.split_whitespace().next());
        seed.map(str::to_owned).unwrap_or_else(|| panic!("a seed in {text:?}"))
    };
    let echoed = |server: Process, address: SocketAddr| {
        let mut client = Peer::connects(address);
        client.sends(&sent).ends();
        let got = client.reads_to_end();
        (got, server.drains())
    };
    let words = ["--echo", "--fault", "corrupt=5%,direction=to_client"];
    let (server, address) = served(words);
    server.says("draws the same again");
    let (first, outcome) = echoed(server, address);
    let seed = seed_of(&outcome.stderr);
    let (server, address) = served(words.into_iter().chain(["--seed", &seed]));
    let (again, outcome) = echoed(server, address);
    assert_same_bytes("with the seed that was said", &first, &again);
    outcome.never_said("--seed");
    let (server, address) = served(words);
    let (other, outcome) = echoed(server, address);
    assert_ne!(seed_of(&outcome.stderr), seed, "drawn anew");
    assert_ne!(first, other);
    // A program is told too, or it could repeat nothing.
    let (server, address) = served(words.into_iter().chain(["--json", "-q"]));
    let told = server.event("notice", |event| event["message"].as_str().is_some_and(|text| text.contains("--seed ")));
    let (first, _) = echoed(server, address);
    let seed = seed_of(told["message"].as_str().expect("a text"));
    let (server, address) = served(words.into_iter().chain(["-q", "--seed", &seed]));
    assert_same_bytes("with the seed of the event", &first, &echoed(server, address).0);

    let (address, script) = Script::serves(|mut peer: Peer| peer.reads_to_end());
    let outcome = connect(address, ["--send", "x", "--fault", "corrupt=5%"]).run().exited(0);
    script.joins();
    seed_of(&outcome.stderr);
    let (listener, address) = listening(&["--send", "x", "--fault", "corrupt=5%"]);
    Peer::connects(address).ends().reads_to_end();
    seed_of(&listener.exits(0).stderr);
    let relay = callbox(["relay", "127.0.0.1:0", "127.0.0.1:9", "--fault", "corrupt=5%"]).start();
    relay.ready();
    seed_of(&relay.drains().stderr);
}
