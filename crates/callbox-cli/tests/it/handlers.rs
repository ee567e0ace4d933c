//! What `serve` answers, and the lines it shows while doing so.

use std::time::Duration;

use callbox_testkit::{Peer, Script, assert_same_bytes, pattern};

use crate::cli::{callbox, served};

#[test]
fn reply_answers_once_per_chunk_as_the_tutorial_does() {
    let (server, address) = served([]);
    let mut client = Peer::connects(address);
    client.sends("hello").expects("thank you !").sends("again").expects("thank you !");
    client.hears_nothing_for(Duration::from_millis(100)).ends().expects_end();
    server.drains();
}

#[test]
fn reply_takes_the_text_given_with_its_escapes() {
    let (server, address) = served(["--reply", "ok\\r\\n\\xff"]);
    Peer::connects(address).sends("?").expects(b"ok\r\n\xff").ends().expects_end();
    server.drains();
}

#[test]
fn echo_returns_every_byte_and_then_the_end() {
    let (server, address) = served(["--echo", "-q"]);
    let bytes = pattern(4 << 20, 5);
    let mut client = Peer::connects(address);
    let mut twin = client.twin();
    let sent = bytes.clone();
    let writer = Script::runs(move || {
        twin.sends(&sent).ends();
    });
    assert_same_bytes("the echo", &bytes, &client.reads_to_end());
    writer.joins();
    server.drains();
}

#[test]
fn discard_takes_everything_and_says_nothing() {
    let (server, address) = served(["--discard", "-q"]);
    let mut client = Peer::connects(address);
    client.sends(pattern(4 << 20, 6)).ends().expects_end();
    server.drains();
}

#[test]
fn generate_writes_the_lines_of_rfc_864_and_ends() {
    let (server, address) = served(["--generate", "10k", "-q"]);
    assert_same_bytes("the generated lines", &rfc_864(10_000), &Peer::connects(address).reads_to_end());
    server.drains();
}

#[test]
fn generate_without_a_size_goes_on() {
    let (server, address) = served(["--generate", "-q"]);
    let mut client = Peer::connects(address);
    client.expects(rfc_864(2 << 20));
    client.closes();
    server.drains();
}

/// The character generator of RFC 864: lines of 72 of the 95 printable characters, each starting one further.
pub(crate) fn rfc_864(length: usize) -> Vec<u8> {
    let printable: Vec<u8> = (b' '..=b'~').collect();
    let mut bytes = Vec::with_capacity(length + 74);
    for line in 0.. {
        if bytes.len() >= length {
            break;
        }
        bytes.extend((0..72).map(|column| printable[(line + column) % printable.len()]));
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn traffic_is_shown_as_lines_with_session_and_direction() {
    let (server, address) = served([]);
    let mut first = Peer::connects(address);
    first.sends("good day").expects("thank you !");
    server.shows("#1 > good day\n#1 < thank you !\n");
    Peer::connects(address).sends("two\nlines").expects("thank you !").ends().expects_end();
    server.shows("#2 > two\\nlines\n#2 < thank you !\n");
    first.ends().expects_end();
    let outcome = server.drains();
    assert_eq!(outcome.stdout, b"#1 > good day\n#1 < thank you !\n#2 > two\\nlines\n#2 < thank you !\n");
    assert!(!outcome.stderr.contains("good day"), "talk is not traffic: {}", outcome.stderr);
}

#[test]
fn traffic_lines_are_escaped_even_into_a_pipe() {
    let (server, address) = served(["--discard"]);
    Peer::connects(address).sends(b"\x1b[31mred\x00\xff\\").ends().expects_end();
    server.shows("#1 > \\x1b[31mred");
    let outcome = server.drains();
    assert!(!outcome.stdout.contains(&0x1b), "no escape byte leaves: {:?}", String::from_utf8_lossy(&outcome.stdout));
    let text = String::from_utf8(outcome.stdout).expect("escaped output is UTF-8");
    assert!(text.ends_with("\\xff\\\\\n"), "{text:?}");
}

#[test]
fn a_long_line_is_cut_at_64_kib() {
    let (server, address) = served(["--discard"]);
    Peer::connects(address).sends(vec![b'x'; 1 << 20]).ends().expects_end();
    let outcome = server.drains();
    for line in outcome.stdout.split(|byte| *byte == b'\n') {
        assert!(line.len() <= 65 * 1024, "a line of {} bytes", line.len());
    }
    assert!(outcome.stdout.starts_with(b"#1 > xxx"));
}

#[test]
fn quiet_silences_talk_and_traffic_but_never_errors() {
    let server = callbox(["serve", "127.0.0.1:0", "-q", "--json"]).start();
    // `--json` is the report asked for; what `-q` silences is on standard error.
    let address = server.event("listening", |_| true)["address"].as_str().expect("an address").to_owned();
    Peer::connects(address.parse().expect("numeric")).sends("hello").expects("thank you !").ends().expects_end();
    let outcome = server.drains();
    assert_eq!(outcome.stderr, "");
    let outcome = callbox(["serve", "203.0.113.9:1", "-q"]).run().exited(3);
    outcome.said("callbox: ");
}

#[test]
fn once_serves_one_session_and_leaves_with_0() {
    let (server, address) = served(["--once", "--echo"]);
    Peer::connects(address).sends("only me").expects("only me").ends().expects_end();
    server.exits(0);
}

#[test]
fn once_leaves_with_0_whatever_ended_the_session() {
    let (server, address) = served(["--once", "--echo"]);
    let mut client = Peer::connects(address);
    client.sends("and gone").expects("and gone");
    client.resets();
    server.exits(0);
}

#[test]
fn sessions_n_serves_n_and_leaves_when_they_have_finished() {
    let (mut server, address) = served(["--sessions", "3", "--echo"]);
    let mut clients: Vec<Peer> = (0..3).map(|_| Peer::connects(address)).collect();
    for client in &mut clients {
        client.sends("x").expects("x");
    }
    server.still_runs();
    for mut client in clients {
        client.ends().expects_end();
    }
    server.exits(0);
}

#[test]
fn clients_are_served_at_the_same_time() {
    let (server, address) = served(["--echo"]);
    let mut clients: Vec<Peer> = (0..50).map(|_| Peer::connects(address)).collect();
    for (number, client) in clients.iter_mut().enumerate().rev() {
        client.sends(format!("client {number}"));
    }
    for (number, client) in clients.iter_mut().enumerate() {
        client.expects(format!("client {number}")).ends().expects_end();
    }
    server.drains();
}
