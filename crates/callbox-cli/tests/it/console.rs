//! `--console` without a terminal: a program drives `connect`, `listen` and `serve` by the commands a person types.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use callbox_testkit::{Inlet, Input, Peer, Process, Scratch, Server, eventually, patience, pattern};

use crate::cli::{connect, listen, serve, started};

/// Starts `connect --console WORDS` and returns it with its peer.
fn client<'a>(words: impl IntoIterator<Item = &'a str>) -> (Process, Peer) {
    let server = Server::binds();
    let client = connect(server.address(), ["--console"]).args(words).input(Input::Piped).start();
    let peer = server.accepts();
    (client, peer)
}

/// Starts `serve --console WORDS` and returns it with its address.
fn server<'a>(words: impl IntoIterator<Item = &'a str>) -> (Process, SocketAddr) {
    let scratch = Scratch::new();
    let path = scratch.join("ready");
    started(serve(["--console"]).args(words).arg("--ready-file").arg(&path).input(Input::Piped), &path)
}

/// Connects and waits until the server says that session `number` is there.
fn guest(server: &Process, address: SocketAddr, number: usize) -> Peer {
    let peer = Peer::connects(address);
    says(server, &format!("#{number} connected"));
    peer
}

/// Closes session `number`: nobody but the one at the console ends a session's stream to its client.
fn closes(server: &mut Process, number: usize, peer: &mut Peer) {
    server.types(format!("/close {number}\n"));
    peer.expects_end().ends();
}

/// Waits until `text` was said or shown, wherever.
#[track_caller]
fn says(process: &Process, text: &str) {
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
const WRONG: &[(&str, &str)] = &[
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
fn a_server_answers_nothing_by_itself() {
    let (mut quiet, address) = server([]);
    let mut peer = guest(&quiet, address, 1);
    peer.sends("hello\n").hears_nothing_for(Duration::from_millis(100));
    quiet.shows("#1 > hello\\n\n");
    quiet.types("/to 1 hello yourself\n");
    peer.expects("hello yourself\n");
    closes(&mut quiet, 1, &mut peer);
    quiet.types("/quit\n");
    quiet.ends_with_input_open().exited(0);
    for (words, answer) in [(&["--reply", "ok"][..], "ok"), (&["--echo"], "hello")] {
        let (server, address) = server(words.iter().copied());
        Peer::connects(address).sends("hello").expects(answer).ends().expects_end();
        server.drains();
    }
}

#[test]
fn to_and_all_reach_whom_they_name() {
    let (mut server, address) = server([]);
    let mut peers: Vec<Peer> = (1..=3).map(|number| guest(&server, address, number)).collect();
    server.types("/to 2 for two alone\n/all for all\n/to 3 //x {n}\n");
    peers[0].expects("for all\n");
    peers[1].expects("for two alone\nfor all\n");
    peers[2].expects("for all\n//x {n}\n").hears_nothing_for(Duration::from_millis(50));
    server.shows("#2 < for two alone\\n\n");
    for (peer, number) in peers.iter_mut().zip(1..) {
        closes(&mut server, number, peer);
    }
    server.drains();
}

#[test]
fn list_tells_who_is_there_and_what_was_last_received() {
    let (mut server, address) = server(["-q"]);
    let mut first = Peer::connects(address);
    first.sends("hello\nthe last \x1b[31mline\n");
    let mut second = Peer::connects(address);
    second.sends("ho");
    let addresses = [first.local().to_string(), second.local().to_string()];
    eventually("a list", patience(), || {
        server.types("/list\n");
        let text = [server.output().text(), server.errors().text()].concat();
        let row = |number: usize| text.lines().rfind(|line| line.starts_with(&format!("#{number} ")));
        let (Some(one), Some(two)) = (row(1), row(2)) else { return Err(text) };
        let holds = one.contains(&addresses[0]) && one.contains("25 B") && one.contains("the last \\x1b[31mline");
        if holds && two.contains(&addresses[1]) && two.contains("2 B") && two.contains("ho") {
            Ok(())
        } else {
            Err(text)
        }
    });
    closes(&mut server, 1, &mut first);
    closes(&mut server, 2, &mut second);
    server.drains();
}

#[test]
fn watch_shows_and_answers_one_alone() {
    let (mut server, address) = server([]);
    let mut first = guest(&server, address, 1);
    let mut second = guest(&server, address, 2);
    server.types("nobody\n");
    server.says("/watch");
    server.types("/watch 2\nto the watched\n/hex 07\n");
    second.expects("to the watched\n\x07");
    first.sends("unseen\n");
    second.sends("seen\n");
    server.shows("#2 > seen");
    server.types("/every 10ms tick {n}\n");
    second.expects("tick 1\ntick 2\n");
    server.types("/every off\n/watch\n/to 1 x\n");
    first.expects("x\n").sends("shown again\n");
    server.shows("#1 > shown again");
    let shown = server.output().text();
    assert!(!shown.contains("unseen"), "{shown}");
    first.hears_nothing_for(Duration::from_millis(50));
    closes(&mut server, 1, &mut first);
    server.types("/close 2\n");
    let rest = second.reads_to_end();
    assert!(rest.is_empty() || rest.starts_with(b"tick"), "{}", rest.escape_ascii());
    second.ends();
    server.drains();
}

#[test]
fn close_and_reset_end_one_session_and_leave_the_others() {
    let (mut server, address) = server([]);
    let mut peers: Vec<Peer> = (1..=3).map(|number| guest(&server, address, number)).collect();
    server.types("/close 1\n/reset 2\n/to 3 still here\n");
    peers[0].expects_end().ends();
    peers[1].expects_reset();
    peers[2].expects("still here\n");
    closes(&mut server, 3, &mut peers[2]);
    let outcome = server.drains();
    outcome.never_said("panicked");
}

#[test]
fn a_paused_session_shows_its_client_a_full_window_until_resumed() {
    let (mut server, address) = server(["--show", "none", "--receive-buffer", "64k"]);
    let mut other = guest(&server, address, 1);
    let flooding = guest(&server, address, 2);
    server.types("/pause 2\n/to 1 paused\n");
    other.expects("paused\n");
    let inlet = Inlet::from(flooding.stream().try_clone().expect("a descriptor"));
    let flood = inlet.fills(Arc::new(pattern(24 << 20, 12))).expect("blocked while paused");
    server.types("/to 1 alive\n");
    other.expects("alive\n");
    assert!(!flood.ended());
    server.types("/resume 2\n");
    let (inlet, written) = flood.joins();
    written.expect("everything was taken after all");
    inlet.ends();
    server.types("/close 2\n");
    { flooding }.expects_end();
    closes(&mut server, 1, &mut other);
    server.drains().said("25165824 B to server");
}

#[test]
fn suspend_closes_the_door_and_accept_opens_it_again() {
    let (mut server, address) = server([]);
    let mut inside = guest(&server, address, 1);
    server.types("/suspend\n");
    eventually("a closed door", patience(), || match TcpStream::connect(address) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        outcome => {
            let early = format!("{outcome:?}");
            outcome.map(Peer::new).into_iter().for_each(Peer::resets);
            Err(early)
        }
    });
    server.types("/to 1 you stay\n");
    inside.expects("you stay\n");
    server.types("/accept\n");
    let outside = eventually("an open door", patience(), || TcpStream::connect(address).map_err(|e| e.to_string()));
    let mut outside = Peer::new(outside);
    outside.sends("hello\n");
    server.shows("> hello");
    // Those who tried the door before it was closed were sessions too.
    let shown = server.output().text();
    let line = shown.lines().find(|line| line.ends_with("> hello\\n")).expect("shown");
    let number = line[1..].split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
    closes(&mut server, number, &mut outside);
    closes(&mut server, 1, &mut inside);
    server.drains();
}

#[test]
fn a_server_s_wrong_command_is_one_line_and_everybody_stays() {
    let (mut server, address) = server([]);
    let mut peer = guest(&server, address, 1);
    server.types("/watch 1\n");
    says(&server, "watching #1");
    let of_servers = [
        ("/to", "/to 3"),
        ("/to x y", "at byte 4"),
        ("/to 9 x", "/list"),
        ("/close 9", "/list"),
        ("/pause", "/pause 3"),
    ];
    for (at, (command, told)) in WRONG.iter().chain(of_servers.iter()).enumerate() {
        let before = server.errors().text().len();
        server.types(format!("{command}\nalive {at}\n"));
        peer.expects(format!("alive {at}\n"));
        eventually(command, patience(), || {
            let said = server.errors().text()[before..].to_owned();
            let holds = said.starts_with("callbox: ") && said.contains(told) && said.ends_with('\n');
            if holds && said.lines().count() == 1 { Ok(()) } else { Err(said) }
        });
    }
    closes(&mut server, 1, &mut peer);
    server.drains();
}

#[test]
fn a_server_whose_commands_end_serves_on() {
    let (mut server, address) = server(["--echo"]);
    server.ends_input();
    crate::cli::echoes(address);
    crate::cli::echoes(address);
    server.drains();
}

#[test]
fn a_session_whose_both_directions_have_ended_closes() {
    for client_first in [false, true] {
        let (mut server, address) = server([]);
        let mut peer = guest(&server, address, 1);
        server.types("/watch 1\n");
        if client_first {
            peer.sends("question\n").ends();
            server.shows("question");
            server.types("answer\n/eof\n");
            peer.expects("answer\n").expects_end();
        } else {
            server.types("question\n/eof\n");
            peer.expects("question\n").expects_end().sends("answer\n").ends();
            server.shows("answer");
        }
        says(&server, "#1 closed");
        server.drains();
    }
}

#[test]
fn what_a_server_s_console_says_is_on_standard_error() {
    let (mut server, address) = server([]);
    let mut peer = guest(&server, address, 1);
    server.types("/watch 1\n/show text\n/encoding gbk\n/eol crlf\n/watch\n/to 1 x\n");
    peer.expects("x\r\n");
    closes(&mut server, 1, &mut peer);
    server.drains().wrote("#1 < x\\r\\n\n");
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
