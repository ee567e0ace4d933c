//! Consoles that a program or a person drives: what they must never lose, and never hang in.

use std::net::SocketAddr;
use std::time::Duration;

use callbox_testkit::{Callbox, Input, Output, Peer, Process, Scratch, Script, Signal, Terminal, deadline};

use crate::cli::{connect, serve, served, started};

/// A command on a terminal of its own.
fn at(terminal: &Terminal, scratch: &Scratch, words: Callbox) -> Callbox {
    words.env("TERM", "xterm").env("XDG_STATE_HOME", scratch.path()).on_terminal(terminal)
}

/// A server with a console on a terminal, and its address.
fn served_at(terminal: &Terminal, scratch: &Scratch) -> (Process, SocketAddr) {
    let path = scratch.join("ready");
    let server = serve(["--console", "--ready-file"]).arg(&path);
    started(at(terminal, scratch, server), &path)
}

#[test]
fn lines_before_quit_are_sent() {
    let (address, peer) = Script::serves(|mut peer| peer.reads_to_end());
    let mut client = connect(address, ["--console"]).input(Input::Piped).start();
    let lines: String = (0..1000).map(|n| format!("line {n}\n")).collect();
    client.types(&lines).types("/quit\n");
    client.ends_with_input_open().exited(0);
    assert_eq!(String::from_utf8_lossy(&peer.joins()), lines);
}

#[test]
fn answers_are_no_lines_among_json() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.expects("hello\n").ends();
        peer.reads_to_end();
    });
    let mut client = connect(address, ["--console", "--json"]).input(Input::Piped).start();
    client.types("/stats\n");
    client.says("round trip");
    client.types("hello\n").ends_input();
    // Reads every line of the output as an event.
    client.exits(0).ledger();
    peer.joins();
}

#[test]
fn answers_that_are_not_shown_are_counted() {
    let scratch = Scratch::new();
    let path = scratch.join("ready");
    let words = serve(["--console", "--ready-file"]).arg(&path).input(Input::Piped).output(Output::Held);
    let (mut server, _) = started(words, &path);
    server.types("/stats\n".repeat(20_000)).types("/suspend\n");
    server.says("suspended");
    // Only now somebody reads.
    let mut output = server.take_output();
    let reading = std::thread::spawn(move || std::io::read_to_string(&mut output).expect("text"));
    let outcome = server.drains();
    let answered = reading.join().expect("no panic").matches(" open of ").count();
    let counted =
        outcome.stderr.lines().filter_map(|line| line.split(" answers not shown").next()?.parse::<usize>().ok());
    assert_eq!(answered + counted.sum::<usize>(), 20_000);
}

#[test]
fn answers_before_quit_are_shown_before_the_exit() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.reads_to_end();
    });
    for words in [connect(address, ["--console"]), serve(["--console", "-q"])] {
        let mut driven = words.input(Input::Piped).output(Output::Held).start();
        // More than a pipe holds.
        driven.types("/help\n".repeat(120)).types("/quit\n");
        deadline::let_pass(Duration::from_millis(300));
        let mut output = driven.take_output();
        let reading = std::thread::spawn(move || std::io::read_to_string(&mut output).expect("text"));
        driven.exits(0);
        let text = reading.join().expect("no panic");
        assert_eq!(text.lines().filter(|line| line.starts_with("/quit ")).count(), 120, "{text}");
    }
    peer.joins();
}

#[test]
fn whoever_leaves_has_not_seen_what_was_expected() {
    for last in ["/quit\n", "/reset\n"] {
        let (address, peer) = Script::serves(|mut peer| {
            peer.expects("hello\n");
            peer
        });
        let client = connect(address, ["--console", "--expect", "never"]).input(Input::Piped);
        let mut client = client.start();
        client.types("hello\n");
        let peer = peer.joins();
        client.types(last);
        client.exits(1).said("expected \"never\" and did not see it before we left; nothing came");
        drop(peer);
    }
}

#[test]
fn another_rule_frees_sessions_from_the_one_before() {
    let scratch = Scratch::new();
    let path = scratch.join("ready");
    let words = serve(["--console", "--frame", "line", "--max-frame", "100"]).arg("--ready-file").arg(&path);
    let (mut server, address) = started(words.input(Input::Piped), &path);
    let mut client = Peer::connects(address);
    server.says("connected from");
    server.types("/frame none\n").says("frames: none");
    client.sends([b'x'; 1000]);
    server.shows("#1 > xxx");
    server.types("/to 1 still here\n");
    client.expects("still here\n").ends();
    server.drains().exited(0);
}

#[test]
fn ctrl_c_leaves_a_console_whose_server_takes_nothing() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.expects("start\n");
        peer
    });
    let (terminal, scratch) = (Terminal::opens(), Scratch::new());
    let big = scratch.file("big", vec![b'x'; 32 << 20]);
    let client = at(&terminal, &scratch, connect(address, [])).start();
    terminal.shows("> ").types("start\r");
    let peer = peer.joins();
    terminal.types(format!("/file {}\r", big.display())).types("/every 1ms tick\r");
    // As many as may wait do, and then some.
    for n in 0..70 {
        terminal.types(format!("{n}\r"));
    }
    terminal.shows("takes nothing");
    terminal.types("\x03");
    client.ends_within(Duration::from_secs(10)).exited(130);
    drop(peer);
}

#[test]
fn a_terminal_that_takes_nothing_does_not_hold_the_exit() {
    for console in ["--console", "--no-console"] {
        let (address, peer) = Script::serves(|peer| {
            let flood = b"line\n".repeat(1 << 16);
            while std::io::Write::write_all(&mut peer.stream(), &flood).is_ok() {}
            peer.closes();
        });
        let (stuck, scratch) = (Terminal::opens(), Scratch::new());
        // As Ctrl-S on a terminal that is not edited on.
        let stop = || rustix::termios::tcflow(stuck.side(), rustix::termios::Action::OOff).expect("own pty");
        let client = at(&stuck, &scratch, connect(address, [console])).start();
        stuck.shows("line");
        stop();
        deadline::let_pass(Duration::from_millis(300));
        client.signal(Signal::TERM);
        deadline::let_pass(Duration::from_millis(300));
        client.signal(Signal::TERM);
        client.ends_within(Duration::from_secs(5)).exited(143);
        peer.joins();
    }
}

#[test]
fn ctrl_d_at_a_servers_prompt_drains_it() {
    let (terminal, scratch) = (Terminal::opens(), Scratch::new());
    let (server, address) = served_at(&terminal, &scratch);
    let mut client = Peer::connects(address);
    terminal.shows("connected from").types("\x04").shows("draining: waiting for 1 open session");
    client.sends("still served\n");
    terminal.shows("still served");
    client.closes();
    server.ends_within(Duration::from_secs(5)).exited(0);
}

#[test]
fn a_file_that_never_ends_does_not_hold_a_server() {
    let scratch = Scratch::new();
    let path = scratch.join("fifo");
    let mode = rustix::fs::Mode::from(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a fifo");
    let terminal = Terminal::opens();
    let (server, address) = served_at(&terminal, &scratch);
    let client = Peer::connects(address);
    terminal.shows("connected from").types("/watch 1\r").shows("watching #1");
    terminal.types(format!("/file {}\r", path.display())).types("/stats\r").shows("1 open of 1");
    client.closes();
    server.signal(Signal::TERM);
    server.ends_within(Duration::from_secs(5)).exited(0);
}

#[test]
fn a_client_that_has_ended_does_not_hold_a_drain() {
    let (server, address) = served(["--console"]);
    let mut client = Peer::connects(address);
    client.sends("hello").ends();
    server.shows("#1 > hello");
    server.signal(Signal::TERM);
    server.ends_within(Duration::from_secs(5)).exited(0);
}
