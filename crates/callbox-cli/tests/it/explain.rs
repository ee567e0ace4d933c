//! `--explain`: what TCP did at the end of each session, and why connecting or binding failed, in words.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use callbox_testkit::{Input, Outcome, Output, Peer, Scratch, Script, free_address};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::Signal;

use crate::cli::{callbox, connect, connected, listen, serve, served, started};

/// Returns the only explained line.
#[track_caller]
fn explained(outcome: &Outcome) -> &str {
    let lines: Vec<_> = outcome.stderr.lines().filter(|line| line.contains("explained: ")).collect();
    match lines.as_slice() {
        [line] => line,
        _ => outcome.fail("one explained line"),
    }
}

#[track_caller]
fn tells(line: &str, wanted: &[&str]) {
    for words in wanted {
        assert!(line.contains(words), "{words:?} in {line}");
    }
}

/// The name of the test's own process, as the kernel has it.
fn own_name() -> String {
    let pid = std::process::id();
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).expect("Linux has it");
    format!("process {} (pid {pid})", name.trim_end())
}

#[test]
fn a_session_that_the_client_ends_leaves_time_wait_with_the_client() {
    let (server, address) = served(["--explain"]);
    let mut client = Peer::connects(address);
    client.sends("hello").expects("thank you !").ends().expects_end();
    server.says("explained: ");
    let at = format!("TIME_WAIT stays with the client at {}, not here", client.local());
    let first = "#1 explained: the client sent its FIN first, after 5 B, and then the server ended too.";
    let counts = "5 B in 1 chunk went to the server and 11 B in 1 chunk to the client; a round trip took ";
    tells(explained(&server.drains()), &[first, counts, "nothing was sent again", &at]);
}

#[test]
fn a_session_that_the_server_ends_leaves_time_wait_with_the_server() {
    let (server, address) = served(["--explain", "--generate", "100"]);
    let mut client = Peer::connects(address);
    assert_eq!(client.reads_to_end().len(), 100);
    client.closes();
    server.says("explained: ");
    let at = format!("TIME_WAIT stays with the server, here at {address}, for 60 s");
    let first = "the server sent its FIN first, after 100 B, and then the client ended too";
    tells(
        explained(&server.drains()),
        &[first, &at, "without SO_REUSEADDR", "callbox sets it and can bind again at once"],
    );
    // As it says.
    callbox(["serve", &address.to_string()]).start().says("listening on");
}

#[test]
fn both_pipes_explain_their_session_without_v() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.expects("hello").expects_end().sends("thank you !").ends();
    });
    let outcome = connect(address, ["--explain", "--send", "hello"]).run().exited(0).wrote("thank you !");
    let line = explained(&outcome);
    tells(line, &["the client sent its FIN first, after 5 B", "TIME_WAIT stays with the client, here at 127.0.0.1:"]);
    peer.joins();
    // Its own input must not end before the client has.
    let mut listener = listen(["--explain"]).input(Input::Piped).start();
    let mut client = Peer::connects(listener.ready());
    client.ends();
    listener.ends_input();
    client.expects_end();
    let line = "#1 explained: the client sent its FIN first, after 0 B";
    listener.exits(0).said(line).said("Nothing went to the server and nothing to the client");
}

#[test]
fn a_reset_names_who_sent_it_and_why_one_usually_comes() {
    let (server, address) = served(["--explain"]);
    let mut client = Peer::connects(address);
    client.sends("hello").expects("thank you !");
    client.resets();
    server.says("explained: ");
    let reset = "the client reset the connection (RST instead of FIN): usually its program closed with bytes unread";
    tells(explained(&server.drains()), &[reset, "A reset leaves no TIME_WAIT on either side"]);
}

#[test]
fn our_own_reset_with_unread_bytes_is_owned() {
    let (address, peer) = Script::serves(|peer| {
        // Until every buffer on the way is full.
        peer.stream().set_write_timeout(Some(Duration::from_millis(300))).expect("sets");
        while peer.stream().write(&[7; 65_536]).is_ok() {}
        peer
    });
    let mut client = connect(address, ["--explain", "--no-shutdown"]).output(Output::Held).start();
    let _held = client.take_output();
    let mut peer = peer.joins();
    client.signal(Signal::INT).signal(Signal::TERM);
    let outcome = client.ends();
    let line = explained(&outcome);
    tells(line, &["a signal had come", "callbox reset the connection", "for it closed with bytes unread"]);
    tells(line, &["B had arrived and were never read: then close sends a reset", "leaves no TIME_WAIT"]);
    peer.expects_reset();
}

#[test]
fn our_own_reason_is_given_in_words() {
    let (server, address) = served(["--explain", "--idle-timeout", "100ms"]);
    Peer::connects(address).expects_end().ends();
    server.says("explained: ");
    let line =
        "callbox ended it, for no byte had gone either way for too long (--idle-timeout); the server sent its FIN";
    tells(explained(&server.drains()), &[line]);
}

#[test]
fn of_a_unix_socket_only_what_was_seen_is_told() {
    let scratch = Scratch::new();
    let address = format!("unix:{}", scratch.join("socket").display());
    let server = callbox(["serve", &address, "--explain"]).start();
    server.says("listening on");
    let outcome = callbox(["connect", &address, "--send", "hello", "--explain"]).run().exited(0);
    let line = explained(&outcome);
    tells(line, &["the client sent its end of stream first, after 5 B", "A Unix socket has no round trips"]);
    assert!(!line.contains("TIME_WAIT stays") && !line.contains("FIN"), "{line}");
    let holder = format!("process callbox (pid {})", server.pid());
    callbox(["serve", &address, "--explain"]).run().exited(3).said("listens on this path").said(&holder);
    server.drains();
}

#[test]
fn a_bind_of_a_held_port_names_the_holder() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = holder.local_addr().expect("bound");
    let outcome = callbox(["serve", &address.to_string(), "--explain"]).run().exited(3);
    let held = format!("a socket listens on {address} already: {}", own_name());
    tells(explained(&outcome), &[&format!("explained: bind {address}: address already in use"), &held]);
    let wildcard = format!("0.0.0.0:{}", address.port());
    let outcome = callbox(["listen", &wildcard, "--explain"]).run().exited(3);
    tells(explained(&outcome), &[&own_name(), "a wildcard would take that address too"]);
}

#[test]
fn a_wildcard_is_named_where_it_holds_a_single_address() {
    let holder = TcpListener::bind("0.0.0.0:0").expect("binds");
    let address = format!("127.0.0.1:{}", holder.local_addr().expect("bound").port());
    let outcome = callbox(["serve", &address, "--explain"]).run().exited(3);
    tells(explained(&outcome), &["that is on every address of this machine", &own_name()]);
}

/// A server's end that went first, of a socket without SO_REUSEADDR: what the tutorial's server leaves behind.
fn left_in_time_wait() -> SocketAddr {
    let listener = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    rustix::net::bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("binds");
    rustix::net::listen(&listener, 1).expect("listens");
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().expect("bound");
    let mut client = TcpStream::connect(address).expect("connects");
    drop(listener.accept().expect("accepts"));
    assert_eq!(client.read(&mut [0]).expect("reads"), 0, "the server's end is first");
    address
}

#[test]
fn a_port_that_only_time_wait_holds_is_told_so() {
    let address = left_in_time_wait();
    let outcome = callbox(["serve", &address.to_string(), "--explain"]).run().exited(3);
    let line = explained(&outcome);
    tells(line, &["no process holds it", &format!("an old connection of {address} is in TIME_WAIT"), " s more"]);
}

#[test]
fn a_refused_connect_says_what_refused_means() {
    let address = free_address();
    let outcome = connect(address, ["--explain"]).run().exited(3);
    tells(explained(&outcome), &[&format!("connect {address}: connection refused"), "no socket listens on this port"]);
    let port = address.port().to_string();
    let outcome = callbox(["connect", "localhost", &port, "--explain", "-q"]).run().exited(3);
    outcome.never_said("explained");
}

#[test]
fn explanations_are_chinese_when_asked_or_by_the_locale() {
    let chinese = "#1 说明：客户端先发送了 FIN（在 5 字节之后），随后服务器也结束。";
    let run = |words: &[&str], locale: &str| {
        let (address, peer) = Script::serves(|mut peer| {
            peer.expects("hello").expects_end().sends("thank you !").ends();
        });
        let words = ["--explain", "--send", "hello"].iter().chain(words).copied();
        let outcome = connect(address, words).env("LANG", locale).env("LC_ALL", "").run().exited(0);
        peer.joins();
        outcome
    };
    run(&["--lang", "zh"], "C.UTF-8").said(chinese);
    run(&[], "zh_CN.UTF-8").said(chinese);
    run(&["--lang", "en"], "zh_CN.UTF-8").said("#1 explained: the client sent its FIN first").never_said("说明");
    let refused = connect(free_address(), ["--explain", "--lang", "zh"]).run().exited(3);
    refused.said("说明：connect ").said("没有套接字监听这个端口");
}

#[test]
fn quiet_silences_it_and_json_keeps_its_lines() {
    let (server, address) = served(["--explain", "-q"]);
    Peer::connects(address).ends().expects_end();
    server.drains().never_said("explained");

    let scratch = Scratch::new();
    let path = scratch.join("ready");
    let (server, address) = started(serve(["--explain", "--json", "--ready-file"]).arg(&path), &path);
    Peer::connects(address).sends("hello").expects("thank you !").ends().expects_end();
    server.event("closed", |_| true);
    let outcome = server.drains();
    tells(explained(&outcome), &["the client sent its FIN first, after 5 B"]);
    let closed = outcome.ledger().the("closed").clone();
    assert_eq!(closed["time_wait"], "theirs", "{closed}");
    assert_eq!((closed["unread_bytes"].as_u64(), closed["unacknowledged_bytes"].as_u64()), (Some(0), Some(0)));
    let unexplained = connected(["--json"], |mut peer| {
        peer.ends().expects_end();
    });
    unexplained.0.exits(0).never_said("explained");
}

#[test]
fn frames_are_told_as_they_came() {
    let (server, address) = served(["--explain", "--frame", "line", "--reply", "ok"]);
    let mut client = Peer::connects(address);
    client.sends("one\ntw").expects("ok\n").sends("o\nthree\n").expects("ok\nok\n").ends().expects_end();
    server.says("explained: ");
    let counts = "14 B in 2 chunks, which were 3 frames (1 split over chunks, 2 merged in one), went to the server";
    tells(explained(&server.drains()), &[counts, "3 frames, to the client"]);
}
