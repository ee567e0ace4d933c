//! `--template` and `--seed`: what is filled in before it is sent, and what never is.

use callbox_testkit::{Outcome, Peer, Script};

use crate::cli::{callbox, connect, listen, served};

/// Runs `connect WORDS` against a peer that answers nothing; returns what it sent and how it ended.
fn sent(words: &[&str]) -> (String, Outcome) {
    let (address, peer) = Script::serves(|mut peer| {
        peer.ends();
        peer.reads_to_end()
    });
    let outcome = connect(address, words.iter().copied()).run().exited(0);
    let bytes = peer.joins();
    // Bytes as characters of the same number, so that any can be compared as text.
    (bytes.iter().map(|byte| char::from(*byte)).collect(), outcome)
}

#[test]
fn without_template_braces_are_braces() {
    let (bytes, outcome) = sent(&["--send", "{n} {{ {nonsense} }"]);
    assert_eq!(bytes, "{n} {{ {nonsense} }");
    outcome.quietly();
    let (server, address) = served(["--reply", "{n}{{"]);
    Peer::connects(address).sends("?").expects("{n}{{").ends().expects_end();
    server.drains();
}

#[test]
fn braces_hex_and_escapes_are_filled_in() {
    let (bytes, _) = sent(&["--template", "--send", "{{{hex:00 ff}}}\\x01{hex:4142}\\n"]);
    assert_eq!(bytes, "{\0\u{ff}}\x01AB\n");
}

#[test]
fn n_counts_what_is_sent_and_session_is_the_session_s_number() {
    let (bytes, _) = sent(&["--template", "--send", "{n}:{session};", "--send", "{n}{n};", "--send", "{n}"]);
    assert_eq!(bytes, "1:1;22;3");
    let (server, address) = served(["--template", "--frame", "line", "--reply", "{session}.{n}"]);
    let mut first = Peer::connects(address);
    first.sends("a\n").expects("1.1\n").sends("b\nc\n").expects("1.2\n1.3\n");
    let mut second = Peer::connects(address);
    second.sends("a\n");
    let mut answer = [0; 4];
    std::io::Read::read_exact(&mut second.stream(), &mut answer).expect("an answer");
    assert!(answer.starts_with(b"2.") && answer.ends_with(b"\n"), "{}", answer.escape_ascii());
    first.ends().expects_end();
    second.ends().expects_end();
    server.drains();
}

#[test]
fn peer_is_the_other_end_on_both_sides() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.ends();
        peer.reads_to_end()
    });
    connect(address, ["--template", "--send", "{peer}"]).run().exited(0);
    assert_eq!(String::from_utf8_lossy(&peer.joins()), address.to_string());
    let (server, address) = served(["--template", "--reply", "{peer}"]);
    let mut client = Peer::connects(address);
    let local = client.local().to_string();
    client.sends("?").expects(&local).ends().expects_end();
    server.drains();
    let listener = listen(["--template", "--send", "{peer}"]).start();
    let mut client = Peer::connects(listener.ready());
    let local = client.local().to_string();
    client.expects(&local).ends().expects_end();
    listener.exits(0);
}

#[test]
fn time_is_a_time_and_uuid_a_uuid() {
    let (bytes, _) = sent(&["--template", "--send", "{time} {uuid} {random:16}"]);
    let words: Vec<&str> = bytes.split(' ').collect();
    assert!(words[0].starts_with("20") && words[0].contains('T') && words[0].ends_with('Z'), "{bytes}");
    let lengths: Vec<usize> = words[1].split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{bytes}");
    assert_eq!(words[1].as_bytes()[14], b'4', "a random one, version 4: {bytes}");
    assert!(words[2].len() == 16 && words[2].chars().all(|c| c.is_ascii_alphanumeric()), "{bytes}");
}

const RANDOM: &str = "{uuid} {random:32} {random:1}";

#[test]
fn a_seed_sends_the_same_bytes_twice_and_another_one_others() {
    let of = |seed: &str| sent(&["--template", "--seed", seed, "--send", RANDOM, "--send", RANDOM]).0;
    assert_eq!(of("7"), of("7"));
    assert_ne!(of("7"), of("8"));
    let once = of("7");
    assert_ne!(once[..71], once[once.len() - 71..], "the second send goes on where the first ended");
}

#[test]
fn a_drawn_seed_is_said_and_repeats() {
    let (bytes, outcome) = sent(&["--template", "--send", RANDOM]);
    let line = outcome.stderr.lines().find(|line| line.contains("--seed ")).unwrap_or_else(|| outcome.fail("a seed"));
    let seed = line.split("--seed ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a number");
    assert_eq!(sent(&["--template", "--seed", seed, "--send", RANDOM]).0, bytes);
    let (other, _) = sent(&["--template", "--send", RANDOM]);
    assert_ne!(other, bytes, "each run draws its own");
}

#[test]
fn a_seed_repeats_a_server_s_replies() {
    let answers = || {
        let (server, address) = served(["--template", "--seed", "7", "--reply", RANDOM]);
        let mut client = Peer::connects(address);
        client.sends("?").ends();
        let bytes = client.reads_to_end();
        server.drains();
        bytes
    };
    let once = answers();
    assert_eq!(once.len(), 71);
    assert_eq!(answers(), once);
}

#[test]
fn what_a_peer_sent_is_never_filled_in() {
    let hostile = "{n} {{ }} {peer} {hex:41} {time} {nonsense} {";
    let (server, address) = served(["--template", "--echo"]);
    Peer::connects(address).sends(hostile).expects(hostile).ends().expects_end();
    let outcome = server.drains();
    let lines = format!("#1 > {hostile}\n#1 < {hostile}\n");
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), lines);
    let (server, address) = served(["--template", "--reply", "{n}"]);
    Peer::connects(address).sends(hostile).expects("1").ends().expects_end();
    server.drains().showed(hostile);
    let (address, _peer) = Script::serves(move |mut peer| {
        peer.sends(hostile).expects("1").expects_end().ends();
    });
    connect(address, ["--template", "--send", "{n}"]).run().exited(0).wrote(hostile);
}

#[test]
fn a_bad_template_is_one_line_that_points_and_advises() {
    for (text, at) in [
        ("ab{nope}", "at byte 2"),
        ("ab{", "at byte 2"),
        ("ab}", "at byte 2"),
        ("{random:x}", "at byte 8"),
        ("{hex:0g}", "at byte 6"),
        ("{hex:0}", "at byte 5"),
        ("{}", "at byte 0"),
    ] {
        for words in [&["connect", ":1", "--template", "--send"][..], &["serve", ":0", "--template", "--reply"]] {
            let outcome = callbox(words.iter().copied()).arg(text).run().exited(2).wrote("");
            let line = outcome.stderr.lines().next().expect("a line").to_owned();
            assert!(line.starts_with("callbox: --") && line.contains(at), "{text}: {line}");
            assert!(line.contains("; write "), "{text}: {line}");
        }
    }
}

#[test]
fn help_names_every_variable_as_it_is_written() {
    for command in ["connect", "listen", "serve"] {
        let help = callbox([command, "--help"]).run().exited(0).stdout;
        let help = String::from_utf8(help).expect("text");
        for variable in ["{n}", "{time}", "{uuid}", "{random:16}", "{session}", "{peer}", "{hex:"] {
            assert!(help.contains(variable), "{variable} in {command} --help");
        }
    }
}
