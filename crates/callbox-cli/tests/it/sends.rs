//! `--send`, `--expect` and their kin: what is sent, what is waited for, and how the command then ends.

use std::time::{Duration, Instant};

use callbox_testkit::{Input, Scratch, Script, assert_same_bytes, deadline, pattern};

use crate::cli::{connect, connected, listen, served};

#[test]
fn a_send_is_followed_by_the_end_of_stream_and_the_answer_is_written() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.expects("hello").expects_end().sends("thank you !").ends();
    });
    connect(address, ["--send", "hello"]).run().exited(0).wrote("thank you !");
    peer.joins();
}

#[test]
fn sends_of_every_kind_keep_their_order() {
    let scratch = Scratch::new();
    let file = scratch.file("file", "from a file;").display().to_string();
    let (address, peer) = Script::serves(|mut peer| {
        peer.ends();
        String::from_utf8(peer.reads_to_end()).expect("text")
    });
    let words = ["--send-hex", "31 3b", "--send", "2;", "--send-file", &file, "--send-hex", "333B", "--send", "4;"];
    connect(address, words).run().exited(0);
    assert_eq!(peer.joins(), "1;2;from a file;3;4;");
}

#[test]
fn a_send_file_of_dash_is_standard_input() {
    let (mut client, peer) = connected(["--send", "<", "--send-file", "-", "--send", ">"], |mut peer| {
        peer.expects("<typed>").expects_end().ends();
    });
    client.types("typed").ends_input();
    client.exits(0);
    peer.joins();
}

#[test]
fn sends_take_escapes() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.expects(b"\n\r\t\0\\\xff\xe2\x82\xac").expects_end().ends();
    });
    connect(address, ["--send", "\\n\\r\\t\\0\\\\\\xff\\u{20ac}"]).run().exited(0);
    peer.joins();
}

#[test]
fn listen_sends_and_expects_alike() {
    let listener = listen(["--send", "who is it?", "--expect", "me"]).start();
    let mut client = callbox_testkit::Peer::connects(listener.ready());
    client.expects("who is it?").sends("it is me").expects_end();
    listener.exits(0).wrote("it is me");
}

#[test]
fn an_expectation_is_met_over_chunk_boundaries() {
    let (address, peer) = Script::serves(|mut peer| {
        for piece in ["th", "ank", " y", "ou", " !"] {
            peer.sends(piece);
            // Each piece in a segment of its own: the pause is the fault.
            deadline::let_pass(Duration::from_millis(20));
        }
        peer.expects_end().ends();
    });
    connect(address, ["--expect", "thank you !"]).run().exited(0).wrote("thank you !");
    peer.joins();
}

#[test]
fn expectations_are_met_in_order() {
    let answer = |text: &'static str| {
        move |mut peer: callbox_testkit::Peer| {
            peer.sends(text).ends();
        }
    };
    let (address, _peer) = Script::serves(answer("220 ready\r\n250 ok\r\n"));
    connect(address, ["--expect", "220", "--expect", "re:25[0-9] ok"]).run().exited(0);
    let (address, _peer) = Script::serves(answer("250 ok\r\n220 ready\r\n"));
    connect(address, ["--expect", "220", "--expect", "250"]).run().exited(1);
}

#[test]
fn an_expectation_not_met_by_the_end_is_exit_1_and_says_what_came_instead() {
    let (address, _peer) = Script::serves(|mut peer| {
        peer.sends("good bye").ends();
    });
    let outcome = connect(address, ["--expect", "hello"]).run().exited(1).wrote("good bye");
    outcome.said("hello").said("good bye");
}

#[test]
fn an_expectation_not_met_in_time_is_exit_1() {
    let (client, _peer) = connected(["--expect", "hello", "--timeout", "300ms"], |mut peer| {
        peer.sends("almost").expects_end();
    });
    let start = Instant::now();
    client.ends_with_input_open().exited(1).wrote("almost").said("almost");
    assert!(start.elapsed() >= Duration::from_millis(250), "{:?}", start.elapsed());
}

#[test]
fn a_count_of_chunks_ends_the_command() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.sends("one").expects_end();
    });
    connect(address, ["--count", "1"]).run().exited(0).wrote("one");
    peer.joins();
}

#[test]
fn fewer_chunks_than_counted_on_is_exit_5() {
    let (address, _peer) = Script::serves(|mut peer| {
        peer.sends("one").ends();
    });
    connect(address, ["--count", "2"]).run().exited(5).wrote("one");
}

#[test]
fn no_shutdown_keeps_the_sending_direction_open() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.expects("hello").hears_nothing_for(Duration::from_millis(300)).sends("still open").ends().expects_end();
    });
    connect(address, ["--send", "hello", "--no-shutdown"]).run().exited(0).wrote("still open");
    peer.joins();
}

#[test]
fn linger_leaves_though_the_peer_stays() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.sends("banner").expects("hello").expects_end();
        // Stays until the client has left altogether.
        peer.reads_some(1)
    });
    let start = Instant::now();
    connect(address, ["--send", "hello", "--linger", "400ms"]).run().exited(0).wrote("banner");
    assert!(start.elapsed() >= Duration::from_millis(400), "left after {:?}", start.elapsed());
    drop(peer.joins());
}

#[test]
fn the_whole_run_s_deadline_is_exit_124() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.sends("so far");
        let _ = peer.reads_to_end();
    });
    let outcome = connect(address, ["--timeout", "300ms"]).input(Input::Piped).start().ends_with_input_open();
    outcome.exited(124).wrote("so far");
    peer.joins();
}

#[test]
fn a_reset_is_reported_as_a_reset_and_what_came_before_it_is_delivered() {
    let (client, peer) = connected([], |mut peer| {
        peer.sends("before the reset");
        peer
    });
    client.shows("before the reset");
    peer.joins().resets();
    client.ends_with_input_open().exited(5).wrote("before the reset").said("reset");
}

#[test]
fn what_came_before_a_reset_is_delivered_even_when_both_arrive_at_once() {
    for _ in 0..20 {
        let listener = listen([]).start();
        let address = listener.ready();
        listener.stops();
        let mut client = callbox_testkit::Peer::connects(address);
        client.sends("last words");
        client.resets();
        listener.goes_on();
        listener.exits(5).wrote("last words").said("reset");
    }
}

#[test]
fn a_big_send_file_arrives_whole() {
    let scratch = Scratch::new();
    let bytes = pattern(8 << 20, 3);
    let path = scratch.file("big", &bytes).display().to_string();
    let (address, peer) = Script::serves(|mut peer| {
        let got = peer.reads_to_end();
        peer.sends("got it").ends();
        got
    });
    connect(address, ["--send-file", &path]).run().exited(0).wrote("got it");
    assert_same_bytes("the file", &bytes, &peer.joins());
}

#[test]
fn the_tutorial_s_conversation_in_one_line() {
    let (server, address) = served([]);
    connect(address, ["--send", "hello"]).run().exited(0).wrote("thank you !");
    server.shows("#1 > hello\n").shows("#1 < thank you !\n");
    server.drains();
}
