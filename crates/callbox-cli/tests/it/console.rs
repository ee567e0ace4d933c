//! `--console` without a terminal: a program drives `connect`, `listen` and `serve` by the commands a person types.

use std::time::Duration;

use callbox_testkit::{Input, Peer, Process, Scratch, Server, eventually, patience, pattern};

use crate::cli::{connect, listen};

/// Starts `connect --console WORDS` and returns it with its peer.
fn client<'a>(words: impl IntoIterator<Item = &'a str>) -> (Process, Peer) {
    let server = Server::binds();
    let client = connect(server.address(), ["--console"]).args(words).input(Input::Piped).start();
    let peer = server.accepts();
    (client, peer)
}

/// Waits until `text` was said or shown, wherever.
#[track_caller]
pub fn says(process: &Process, text: &str) {
    eventually(text, patience(), || {
        let all = [process.output().text(), process.errors().text()].concat();
        if all.contains(text) { Ok(()) } else { Err(all) }
    });
}

#[test]
fn a_line_is_sent_with_its_end_and_a_second_slash_sends_one() {
    let (mut client, mut peer) = client([]);
    client.types("hello\n");
    peer.expects("hello\n");
    client.types("//quit\n\n中文\n");
    peer.expects("/quit\n\n中文\n");
    client.types("\\x41{n}\n");
    peer.expects("\\x41{n}\n").hears_nothing_for(Duration::from_millis(50));
    client.types("/quit\n");
    peer.expects_end().ends();
    client.ends_with_input_open().exited(0);
}

#[test]
fn eol_chooses_what_ends_a_line() {
    let (mut client, mut peer) = client(["--eol", "crlf"]);
    client.types("a\n/eol cr\nb\n/eol none\nc\n/eol lf\nd\n");
    peer.expects("a\r\nb\rcd\n");
    client.ends_input();
    peer.expects_end().ends();
    client.exits(0);
}

#[test]
fn hex_and_file_send_bytes_as_they_are() {
    let scratch = Scratch::new();
    let bytes = pattern(100_000, 11);
    let file = scratch.file("a file", &bytes);
    let (mut client, mut peer) = client([]);
    client.types("/hex 01 03 00 00\n/hex ff\n");
    peer.expects(b"\x01\x03\x00\x00\xff");
    client.types(format!("/file {}\nafter\n", file.display()));
    peer.expects(&bytes).expects("after\n");
    client.ends_input();
    peer.expects_end().ends();
    client.exits(0);
}

#[test]
fn every_sends_a_template_again_and_again_until_off() {
    let (mut client, mut peer) = client([]);
    client.types("/every 10ms t{n}{{\n");
    peer.expects("t1{\nt2{\nt3{\n");
    client.types("/every off\nover\n");
    let mut text = String::new();
    while !text.ends_with("over\n") {
        let mut byte = [0];
        std::io::Read::read_exact(&mut peer.stream(), &mut byte).expect("more");
        text.push(byte[0].into());
    }
    let ticks = text.lines().count() - 1;
    let expected: String = (4..4 + ticks).map(|number| format!("t{number}{{\n")).collect();
    assert_eq!(text, expected + "over\n");
    peer.hears_nothing_for(Duration::from_millis(100));
    client.types("/quit\n");
    peer.expects_end().ends();
    client.ends_with_input_open().exited(0);
}

#[test]
fn encoding_frame_and_show_hold_from_then_on() {
    let (mut client, mut peer) = client(["--show", "text"]);
    client.types("/encoding gbk\n中\n");
    peer.expects(b"\xd6\xd0\n").sends(b"\xce\xc4\n");
    client.shows("文\n");
    client.types("/frame length:u16be\n中\n");
    peer.expects(b"\0\x02\xd6\xd0").sends(b"\0\x01a\0\x01b\0");
    client.shows("a\nb\n");
    client.types("/show both\nx\n");
    peer.expects(b"\0\x01x").sends(b"\x02hi");
    client.shows("00000000: 0002 6869");
    client.types("/show hex\ny\n");
    peer.expects(b"\0\x01y").sends(b"\0\x02hi");
    client.shows("00 02 68 69\n");
    client.types("/timestamps relative\n/show text\nz\n");
    peer.expects(b"\0\x01z").sends(b"\0\x02hi");
    client.shows(" hi\n");
    client.types("/frame none\n/eol none\nplain\n");
    peer.expects("plain").ends();
    client.exits(0);
}

#[test]
fn show_holds_though_the_output_began_as_bytes() {
    let (mut client, mut peer) = client([]);
    peer.sends("\x01");
    client.shows("\x01");
    client.types("/show hex\nx\n");
    peer.expects("x\n").sends("\x02");
    client.shows("02");
    peer.ends();
    client.exits(0);
}

#[test]
fn what_the_console_says_is_on_standard_error() {
    let (mut client, mut peer) = client([]);
    client.types("/show raw\n/frame line\n/encoding gbk\n/eol crlf\n/timestamps none\n/frame none\nover\n");
    peer.expects("over\r\n").sends("all\n").ends();
    client.ends_input();
    client.exits(0).wrote("all\n");
}

#[test]
fn eof_ends_our_stream_and_the_answer_still_arrives() {
    let (mut client, mut peer) = client([]);
    client.types("question\n/eof\n");
    peer.expects("question\n").expects_end();
    client.types("more\n/hex 00\n");
    client.says("end of stream");
    peer.sends("answer\n");
    client.shows("answer\n");
    peer.ends();
    client.ends_with_input_open().exited(0).wrote("answer\n");
}

#[test]
fn the_end_of_the_commands_ends_our_stream_alike() {
    let (mut client, mut peer) = client([]);
    client.types("question\nunfinished").ends_input();
    peer.expects("question\nunfinished");
    let rest = {
        let mut twin = peer.twin();
        peer.sends("answer\n").ends();
        twin.reads_to_end()
    };
    assert!(rest.is_empty() || rest == b"\n", "{}", rest.escape_ascii());
    client.exits(0).wrote("answer\n");
}

#[test]
fn reset_resets() {
    let (mut leaving, mut peer) = client([]);
    leaving.types("/reset\n");
    peer.expects_reset();
    leaving.ends_with_input_open();
}

#[test]
fn quit_leaves_a_peer_that_stays() {
    let (mut leaving, mut peer) = client([]);
    leaving.types("last words\n");
    peer.expects("last words\n");
    leaving.types("/quit\n");
    peer.expects_end();
    leaving.ends_with_input_open().exited(0);
    peer.closes();
}

#[test]
fn what_was_typed_before_quit_is_sent_first() {
    let (mut leaving, mut peer) = client([]);
    leaving.types("last words\n/hex 00\n/quit\n");
    peer.expects("last words\n\0").expects_end();
    leaving.ends_with_input_open().exited(0);
}

#[test]
fn stats_and_help_are_told() {
    let (mut client, mut peer) = client([]);
    peer.sends("hello\n");
    client.shows("hello\n");
    client.types("12345678\n");
    peer.expects("12345678\n");
    client.types("/stats\n");
    says(&client, "9 B");
    says(&client, "6 B");
    client.types("/help\n");
    for command in
        ["hex", "file", "every", "encoding", "frame", "show", "timestamps", "eol", "eof", "reset", "stats", "quit"]
    {
        says(&client, &format!("/{command}"));
    }
    client.types("/help every\n");
    says(&client, "/every 1s");
    peer.ends();
    client.exits(0);
}

/// Commands that are wrong, and what the line about each must contain.
pub const WRONG: &[(&str, &str)] = &[
    ("/nope", "/help"),
    ("/", "/help"),
    ("/hex 1", "at byte 5"),
    ("/hex zz", "at byte 5"),
    ("/hex", "/hex"),
    ("/frame quux", "at byte 7"),
    ("/encoding klingon", "gbk"),
    ("/show loud", "text, hex, both, raw or none"),
    ("/eol x", "crlf"),
    ("/timestamps x", "relative"),
    ("/every 1x foo", "at byte 8"),
    ("/every 1s {nope}", "{n}"),
    ("/every 1s {", "{{"),
    ("/every 0s x", "/every 1s"),
    ("/file /no/such/file", "/no/such/file"),
    ("/file /", "/"),
    ("/help nonsense", "/help"),
];

#[test]
fn a_wrong_command_is_one_line_and_the_connection_lives_on() {
    let (mut client, mut peer) = client([]);
    for (at, (command, told)) in WRONG.iter().chain([("/list", "serve"), ("/to 1 x", "serve")].iter()).enumerate() {
        let before = client.errors().text().len();
        client.types(format!("{command}\nalive {at}\n"));
        peer.expects(format!("alive {at}\n"));
        eventually(command, patience(), || {
            let said = client.errors().text()[before..].to_owned();
            let holds = said.starts_with("callbox: ") && said.contains(told) && said.ends_with('\n');
            if holds && said.lines().count() == 1 { Ok(()) } else { Err(said) }
        });
    }
    peer.ends();
    client.exits(0).wrote("");
}

#[test]
fn what_a_peer_sends_is_no_command() {
    let (client, mut peer) = client([]);
    peer.sends("/quit\n/hex 41\n/eof\n");
    client.shows("/eof\n");
    peer.hears_nothing_for(Duration::from_millis(50)).ends();
    client.exits(0).wrote("/quit\n/hex 41\n/eof\n");
}

#[test]
fn listen_has_the_same_console() {
    let mut listener = listen(["--console"]).input(Input::Piped).start();
    let mut peer = Peer::connects(listener.ready());
    listener.types("hello\n/hex 00\n/eof\n");
    peer.expects("hello\n\0").expects_end().sends("bye\n").ends();
    listener.ends_with_input_open().exited(0).wrote("bye\n");
}

#[test]
fn events_stay_events_beside_the_console() {
    let (mut client, mut peer) = client(["--json"]);
    client.types("/show hex\n/stats\n/help\nhello\n");
    peer.expects("hello\n").ends();
    let ledger = client.exits(0).ledger();
    assert_eq!(ledger.bytes("to_server"), b"hello\n");
}

#[test]
fn a_seed_drawn_for_every_is_said() {
    let (mut client, mut peer) = client([]);
    client.types("/every 1h {random:8}\n");
    let mut first = [0; 9];
    std::io::Read::read_exact(&mut peer.stream(), &mut first).expect("sent at once");
    client.says("--seed ");
    peer.ends();
    let outcome = client.exits(0);
    let seed = outcome.stderr.split("--seed ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a number");
    let (mut again, mut peer) = self::client(["--seed", seed]);
    again.types("/every 1h {random:8}\n");
    peer.expects(first).ends();
    again.exits(0);
}

#[test]
fn what_cannot_be_sent_is_said_as_every_error_is() {
    let (mut client, mut peer) = client([]);
    client.types("/eof\nmore\n");
    peer.expects_end();
    client.says("end of stream");
    peer.ends();
    client.exits(0).said("callbox: ");
}
