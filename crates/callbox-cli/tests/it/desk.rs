//! `serve --console` without a terminal: a program talks with every client.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use callbox_testkit::{Inlet, Input, Peer, Process, Scratch, eventually, patience, pattern};

use crate::cli::{serve, started};
use crate::console::{WRONG, says};

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

/// Waits until so many sessions can be talked with: that one has connected is said before it is at the desk.
fn seats(server: &mut Process, count: usize) {
    eventually("seats at the desk", patience(), || {
        server.types("/list\n");
        let text = [server.output().text(), server.errors().text()].concat();
        let is_row = |line: &&str| line.starts_with(&format!("#{count} ")) && line.contains(" B ");
        if text.lines().any(|line| is_row(&line)) { Ok(()) } else { Err(text) }
    });
}

/// Closes session `number`: nobody but the one at the console ends a session's stream to its client.
fn closes(server: &mut Process, number: usize, peer: &mut Peer) {
    server.types(format!("/close {number}\n"));
    peer.expects_end().ends();
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
    let mut peers = Vec::new();
    for number in 1..=3 {
        peers.push(guest(&server, address, number));
        seats(&mut server, number);
    }
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
    seats(&mut server, 2);
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
