//! What `-v` and `-vv` add, on standard error.

use callbox_testkit::{Outcome, Peer, Script};

use crate::cli::{connect, listen, served};

/// Returns the line that closes a session: the one that knows its bytes and its retransmissions.
#[track_caller]
fn closing_line(outcome: &Outcome) -> String {
    let lines: Vec<_> = outcome.stderr.lines().filter(|line| line.to_lowercase().contains("retrans")).collect();
    if lines.len() != 1 {
        outcome.fail("one closing line with its retransmissions");
    }
    lines[0].to_lowercase()
}

#[track_caller]
fn tells(line: &str, who: &str, how: &[&str], numbers: &[&str]) {
    assert!(line.contains(who), "who ended first, {who}: {line}");
    assert!(how.iter().any(|word| line.contains(word)), "how, {how:?}: {line}");
    for number in numbers {
        assert!(line.contains(number), "{number} bytes: {line}");
    }
    assert!(line.contains("rtt") || line.contains("round"), "round-trip time: {line}");
    assert!(line.contains("ms") || line.contains("us") || line.contains("µs"), "duration: {line}");
}

#[test]
fn v_closes_a_server_s_session_with_who_and_how_and_how_much() {
    let (server, address) = served(["-v"]);
    Peer::connects(address).sends("hello").expects("thank you !").ends().expects_end();
    tells(&closing_line(&server.drains()), "client", &["fin", "closed"], &["5", "11"]);

    let (server, address) = served(["-v"]);
    let mut client = Peer::connects(address);
    client.sends("hello").expects("thank you !");
    client.resets();
    server.says("retrans");
    tells(&closing_line(&server.drains()), "client", &["rst", "reset"], &["5", "11"]);

    let (server, address) = served(["-v", "--generate", "100"]);
    Peer::connects(address).reads_to_end();
    server.says("retrans");
    tells(&closing_line(&server.drains()), "server", &["fin", "closed"], &["100"]);

    let (server, address) = served(["-v", "--echo", "--idle-timeout", "100ms"]);
    Peer::connects(address).expects_end();
    server.says("retrans");
    tells(&closing_line(&server.drains()), "idle", &["timeout"], &["0"]);
}

#[test]
fn v_closes_a_client_s_session_alike_and_tells_the_phases_of_connecting() {
    let (address, _peer) = Script::serves(|mut peer| {
        peer.sends("thank you !").ends();
        peer.expects("hello");
    });
    let outcome = connect(address, ["-v", "--send", "hello"]).run().exited(0).wrote("thank you !");
    tells(&closing_line(&outcome), "", &["fin", "closed"], &["5", "11"]);
    outcome.said(&address.to_string()).said("connect");
}

#[test]
fn without_v_a_good_conversation_has_no_closing_line() {
    let (address, _peer) = Script::serves(|mut peer| {
        peer.expects("hello").expects_end().sends("thank you !").ends();
    });
    connect(address, ["--send", "hello"]).run().exited(0).never_said("retrans");
}

#[test]
fn vv_tells_the_effective_socket_options() {
    let (server, address) = served(["-vv", "--echo", "--ttl", "33"]);
    crate::cli::echoes(address);
    let outcome = server.drains();
    let text = outcome.stderr.to_lowercase();
    for word in ["nodelay", "keepalive", "33"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let listener = listen(["-vv", "--no-nodelay"]).start();
    Peer::connects(listener.ready()).ends().expects_end();
    let text = listener.exits(0).stderr.to_lowercase();
    assert!(text.contains("nodelay"), "{text}");
}

#[test]
fn v_says_once_what_a_fault_did_and_to_which_session() {
    let (server, address) = served(["-v", "--fault", "cut@5:reset,direction=to_client"]);
    let mut client = Peer::connects(address);
    client.sends("hello").expects("thank");
    server.says("retrans");
    let outcome = server.drains();
    let said: Vec<_> = outcome.stderr.lines().filter(|line| line.contains("by a reset")).collect();
    assert_eq!(said, ["#1 to_client cut at 5: session ended by a reset"]);
}

#[test]
fn v_says_that_input_was_not_sent_when_the_output_closed() {
    let (server, address) = served(["--generate", "-q"]);
    let mut client = connect(address, ["-v"]).output(callbox_testkit::Output::Held);
    client = client.input(callbox_testkit::Input::Piped);
    let mut client = client.start();
    drop(client.take_output());
    let outcome = client.ends_with_input_open().exited(0);
    assert!(!outcome.stderr.is_empty(), "-v says so");
    server.drains();
}
