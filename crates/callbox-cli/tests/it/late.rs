//! Peers that answer late, stall, stop, or flood while their answer is under way (rows 18, 22, 28, 29, 80).

use std::time::Duration;

use callbox_testkit::{
    Input, Output, Peer, Scratch, Script, assert_same_bytes, deadline, eventually, patience, pattern, quick, scaled,
};

use crate::cli::{connect, connected, served};
use crate::handlers::rfc_864;

#[test]
fn row_18_an_answer_long_after_our_end_of_stream_arrives_whole() {
    let answer = pattern(1 << 20, 18);
    let expected = answer.clone();
    let (mut client, peer) = connected([], move |mut peer| {
        peer.expects("question").expects_end();
        deadline::let_pass(Duration::from_millis(1500));
        peer.sends(&answer).ends();
    });
    client.types("question").ends_input();
    let outcome = client.exits(0);
    peer.joins();
    assert_same_bytes("the late answer", &expected, &outcome.stdout);
}

#[test]
fn row_18_a_server_answers_long_after_the_client_s_end_of_stream() {
    let (server, address) = served(["--exec", "sh", "-c", "cat >/dev/null; sleep 1.5; printf 'late answer'"]);
    let mut client = Peer::connects(address);
    client.sends("question").ends().expects("late answer").expects_end();
    server.drains();
}

#[test]
fn row_22_a_reply_is_complete_though_the_client_floods() {
    for words in [&["--generate", "4Mi"][..], &["--exec", "head", "-c", "4194304", "/dev/zero"]] {
        let (server, address) = served(["-q", "--json"].into_iter().chain(words.iter().copied()));
        let client = Peer::connects(address);
        let flooding = client.twin();
        let flood = Script::runs(move || {
            use std::io::Write;
            let block = vec![b'f'; 64 * 1024];
            // Until told to stop by an error: the server takes what it must and then closes.
            let mut stream = flooding.stream();
            while stream.write_all(&block).is_ok() {}
        });
        let mut reading = client.twin();
        let reply = reading.reads_to_end();
        assert_eq!(reply.len(), 4 << 20, "{words:?}: a reply cut short");
        if words[0] == "--generate" {
            assert_same_bytes("the reply", &rfc_864(4 << 20), &reply);
        }
        // Only now does the client go away.
        let _ = rustix::net::shutdown(client.stream(), rustix::net::Shutdown::Both);
        flood.joins();
        drop((client, reading));
        server.drains().ledger().balances();
    }
}

#[test]
fn row_28_a_stopped_peer_goes_on_later_and_loses_nothing() {
    let length = 24 << 20;
    let (server, address) = served(["--generate", "24Mi", "-q"]);
    let scratch = Scratch::new();
    let path = scratch.join("received");
    let file = std::fs::File::create(&path).expect("own file");
    let client = connect(address, []).input(Input::Piped).output(Output::To(file.into())).start();
    eventually("some bytes", patience(), || match std::fs::metadata(&path) {
        Ok(facts) if facts.len() > 0 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    client.stops();
    deadline::let_pass(Duration::from_secs(if quick() { 1 } else { 3 }));
    client.goes_on();
    client.exits(0);
    assert_same_bytes("what came", &rfc_864(length), &std::fs::read(&path).expect("own file"));
    server.drains();
}

#[test]
fn row_29_a_server_stopped_again_and_again_loses_nothing() {
    let (server, address) = served(["--echo", "-q", "--json", "--idle-timeout", "5s"]);
    let clients: Vec<Script> = (0..8)
        .map(|number| {
            Script::runs(move || {
                let mut client = Peer::connects(address);
                for round in 0..40 {
                    let bytes = pattern(16 * 1024, number * 100 + round);
                    client.sends(&bytes).expects(&bytes);
                    deadline::let_pass(Duration::from_millis(20));
                }
                client.ends().expects_end();
            })
        })
        .collect();
    for _ in 0..6 {
        server.stops();
        deadline::let_pass(Duration::from_millis(200));
        server.goes_on();
        deadline::let_pass(Duration::from_millis(50));
    }
    clients.into_iter().for_each(Script::joins);
    let ledger = server.drains().ledger();
    ledger.balances();
    assert_eq!(ledger.terminations().get("client_closed"), Some(&8), "{:?}", ledger.terminations());
}

#[test]
fn row_29_time_slept_through_is_not_held_against_clients_that_have_sent() {
    let (server, address) = served(["--echo", "-q", "--json", "--idle-timeout", "800ms"]);
    let mut clients: Vec<Peer> = (0..50).map(|_| Peer::connects(address)).collect();
    for client in &mut clients {
        client.sends("x").expects("x");
    }
    server.stops();
    for client in &mut clients {
        client.sends("sent while you slept");
    }
    deadline::let_pass(Duration::from_secs(2));
    server.goes_on();
    for client in &mut clients {
        client.expects("sent while you slept").ends().expects_end();
    }
    let ledger = server.drains().ledger();
    assert_eq!(ledger.terminations().get("idle_timeout"), None, "{:?}", ledger.terminations());
}

/// A starved processor: the server runs five milliseconds in a hundred.
#[test]
fn row_80_a_starved_server_ends_nobody_whose_bytes_are_there() {
    let (server, address) = served(["--echo", "-q", "--json", "--idle-timeout", "1s", "--write-stall-timeout", "1s"]);
    let clients: Vec<Script> = (0..4)
        .map(|_| {
            Script::runs(move || {
                let mut client = Peer::connects(address);
                for _ in 0..12 {
                    client.sends("tick").expects("tick");
                }
                client.ends().expects_end();
            })
        })
        .collect();
    while !clients.iter().all(Script::ended) {
        server.stops();
        deadline::let_pass(Duration::from_millis(95));
        server.goes_on();
        deadline::let_pass(Duration::from_millis(5));
    }
    clients.into_iter().for_each(Script::joins);
    let ledger = server.drains().ledger();
    assert_eq!(ledger.terminations().get("client_closed"), Some(&4), "{:?}", ledger.terminations());
}

#[test]
fn a_server_sends_its_whole_answer_before_its_end_of_stream_even_to_a_slow_reader() {
    let (server, address) = served(["--generate", "3Mi", "-q", "--once", "--write-stall-timeout", "10s"]);
    let mut client = Peer::connects(address);
    // Everything is sent before the first byte is read.
    deadline::let_pass(scaled(Duration::from_millis(300)));
    assert_same_bytes("the answer", &rfc_864(3 << 20), &client.reads_to_end());
    client.closes();
    server.exits(0);
}
