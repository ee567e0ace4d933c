//! The console on a terminal, as a person meets it: the screen is compared as it is seen.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use callbox_testkit::{Peer, Process, Scratch, Script, Server, Terminal, quick, requires};

use crate::cli::{connect, serve, started};

/// A person at `connect`: the terminal, the program, the peer, and where the history is.
struct Person {
    terminal: Terminal,
    client: Process,
    peer: Peer,
    state: Scratch,
}

fn person() -> Person {
    person_with(Scratch::new())
}

fn person_with(state: Scratch) -> Person {
    let server = Server::binds();
    let terminal = Terminal::opens();
    let client = connect(server.address(), []).env("XDG_STATE_HOME", state.path()).on_terminal(&terminal).start();
    let peer = server.accepts();
    // What is said at the beginning may come when the prompt is there already.
    terminal.sees("the greeting above a prompt", |rows| {
        rows.iter().any(|row| row.contains("/help shows")) && rows.last().is_some_and(|row| row == ">")
    });
    Person { terminal, client, peer, state }
}

/// Whether the last rows are these.
fn ends_with(rows: &[String], last: &[&str]) -> bool {
    rows.len() >= last.len() && rows[rows.len() - last.len()..] == *last
}

impl Person {
    #[track_caller]
    fn sees(&self, last: &[&str]) -> &Self {
        self.terminal.sees(&format!("{last:?}"), |rows| ends_with(rows, last));
        self
    }

    fn types(&self, keys: &str) -> &Self {
        self.terminal.types(keys);
        self
    }

    fn leaves(mut self) {
        self.types("\x04");
        self.peer.expects_end().ends();
        self.client.ends_with_input_open().exited(0);
    }
}

#[test]
fn the_prompt_stays_whole_under_what_comes_in() {
    let mut person = person();
    person.types("hel").sees(&["> hel"]);
    person.peer.sends("one\ntwo\n");
    person.sees(&["one", "two", "> hel"]);
    person.peer.sends("unfinished");
    person.sees(&["unfinished", "> hel"]);
    person.types("lo\r");
    person.peer.expects("hello\n").sends(format!("\n{}\n", "x".repeat(100)));
    person.sees(&[&"x".repeat(80), &"x".repeat(20), ">"]);
    person.leaves();
}

#[test]
fn what_a_peer_sends_cannot_move_the_cursor() {
    let mut person = person();
    person.types("mine").sees(&["> mine"]);
    person.peer.sends("\x1b[2J\x1b[H\x1b]0;title\x07\rover\u{9b}\n");
    person.sees(&["\\x1b[2J\\x1b[H\\x1b]0;title\\x07\\rover\\u{9b}", "> mine"]);
    person.types("\x15");
    person.sees(&[">"]);
    person.leaves();
}

#[test]
fn a_line_is_edited_with_the_keys_one_knows() {
    let mut person = person();
    person.types("hlo\x1b[D\x1b[Del\x05!\x01>\r");
    person.peer.expects(">hello!\n");
    person.types("wrong\x15right\r");
    person.peer.expects("right\n");
    person.types("abX\x7fc\r");
    person.peer.expects("abc\n");
    person.leaves();
}

#[test]
fn characters_of_many_bytes_are_typed_and_received() {
    let mut person = person();
    person.types("中文é").sees(&["> 中文é"]);
    person.types("\x7f").sees(&["> 中文"]);
    person.types("\r");
    person.peer.expects("中文\n");
    for byte in "答：𝄞\n".as_bytes() {
        person.peer.sends([*byte]);
    }
    person.sees(&["答：𝄞", ">"]);
    person.types("/encoding gbk\r").sees(&["encoding gbk", ">"]);
    person.types("中\r");
    person.peer.expects(b"\xd6\xd0\n").sends(b"\xce\xc4\n");
    person.sees(&["文", ">"]);
    person.leaves();
}

#[test]
fn a_resized_terminal_keeps_the_line() {
    let mut person = person();
    let line = "0123456789".repeat(6);
    person.types(&line).sees(&[&format!("> {line}")]);
    person.terminal.resizes(20, 40);
    person.types("ab").terminal.sees("the whole line", |rows| rows.concat().ends_with(&format!("> {line}ab")));
    person.peer.sends("meanwhile\n");
    person.terminal.sees("the line under it", |rows| {
        let at = rows.iter().position(|row| row == "meanwhile");
        at.is_some_and(|at| rows[at + 1..].concat() == format!("> {line}ab"))
    });
    person.terminal.resizes(24, 100);
    person.types("c\r");
    person.peer.expects(format!("{line}abc\n"));
    person.leaves();
}

#[test]
fn control_c_clears_the_line_and_again_leaves() {
    let mut person = person();
    person.types("never sent").sees(&["> never sent"]).types("\x03");
    person.terminal.sees("an empty prompt", |rows| rows.last().is_some_and(|row| row == ">"));
    person.types("sent\r");
    person.peer.expects("sent\n");
    person.types("nor this").sees(&["> nor this"]).types("\x03");
    person.terminal.sees("an empty prompt", |rows| rows.last().is_some_and(|row| row == ">"));
    person.types("\x03");
    person.client.ends_with_input_open().exited(130);
    let _ = person.peer.stream().set_read_timeout(Some(callbox_testkit::patience()));
    let mut rest = Vec::new();
    let _ = std::io::Read::read_to_end(&mut person.peer.stream(), &mut rest);
    assert_eq!(rest, b"");
}

#[test]
fn control_d_ends_our_stream_and_the_answer_still_arrives() {
    let mut person = person();
    person.types("question\r\x04");
    person.peer.expects("question\n").expects_end().sends("answer\n");
    person.terminal.sees("the answer", |rows| rows.iter().any(|row| row == "answer"));
    person.peer.ends();
    person.client.ends_with_input_open().exited(0);
}

#[test]
fn tab_completes_commands_and_their_words() {
    let mut person = person();
    person.types("/sta\t").sees(&["> /stats"]);
    person.types("\r").terminal.sees("the numbers", |rows| rows.iter().any(|row| row.contains("sent: 0 B")));
    person.types("/encod\tgb").terminal.sees("the command", |rows| ends_with(rows, &["> /encoding gb"]));
    person.types("\x15/show bo\t").sees(&["> /show both"]);
    person.types("\r").sees(&["showing both", ">"]);
    person.peer.sends("hi");
    person.terminal.sees("a hexdump", |rows| rows.iter().any(|row| row.contains("00000000: 6869")));
    person.leaves();
}

#[test]
fn history_is_kept_from_one_run_to_the_next() {
    let mut first = person();
    first.types("the first\r");
    first.peer.expects("the first\n");
    first.types("the second\r");
    first.peer.expects("the second\n");
    first.types("\x1b[A").sees(&["> the second"]);
    first.types("\x15\x04");
    first.peer.expects_end().ends();
    first.client.ends_with_input_open().exited(0);
    assert!(std::fs::read_dir(first.state.path()).expect("own folder").next().is_some(), "in the state folder");

    let mut second = person_with(first.state);
    second.types("\x1b[A").sees(&["> the second"]);
    second.types("\x1b[A").sees(&["> the first"]);
    second.types("\r");
    second.peer.expects("the first\n");
    second.leaves();
}

#[test]
fn a_wrong_command_is_said_and_the_prompt_comes_back() {
    let mut person = person();
    person.types("/nope\r").terminal.sees("what is wrong", |rows| {
        rows.iter().any(|row| row.contains("no command /nope")) && rows.last().is_some_and(|row| row == ">")
    });
    person.types("alive\r");
    person.peer.expects("alive\n");
    person.leaves();
}

/// Starts `serve --console WORDS` on a terminal; its history is in the folder.
fn serving(terminal: &Terminal, words: &[&str], scratch: &Scratch) -> (Process, SocketAddr) {
    let path = scratch.join("ready");
    let server = serve(["--console", "--ready-file"]).arg(&path).args(words);
    started(server.env("XDG_STATE_HOME", scratch.path()).on_terminal(terminal), &path)
}

#[test]
fn a_server_s_prompt_stays_whole_too() {
    let terminal = Terminal::opens();
    let scratch = Scratch::new();
    let (server, address) = serving(&terminal, &[], &scratch);
    let mut peer = Peer::connects(address);
    terminal.sees("who came", |rows| rows.iter().any(|row| row.contains("#1 connected")));
    terminal.types("/to 1 good day").sees("the line", |rows| ends_with(rows, &["> /to 1 good day"]));
    peer.sends("hello\n");
    terminal.sees("what came above it", |rows| ends_with(rows, &["#1 > hello\\n", "> /to 1 good day"]));
    terminal.types("\r");
    peer.expects("good day\n");
    terminal.sees("what was sent", |rows| ends_with(rows, &["#1 < good day\\n", ">"]));
    terminal.types("/wat\t1\r").sees("who is watched", |rows| rows.iter().any(|row| row.contains("watching #1")));
    terminal.types("中文\r");
    peer.expects("中文\n");
    terminal.types("/close 1\r");
    peer.expects_end().ends();
    terminal.types("/quit\r");
    server.ends_with_input_open().exited(0);
}

#[test]
fn control_c_at_a_server_s_prompt_clears_the_line_and_again_leaves() {
    let terminal = Terminal::opens();
    let scratch = Scratch::new();
    let (server, _) = serving(&terminal, &[], &scratch);
    terminal.types("/to 1 x").sees("the line", |rows| ends_with(rows, &["> /to 1 x"]));
    terminal.types("\x03").sees("an empty prompt", |rows| ends_with(rows, &[">"]));
    terminal.types("\x03");
    server.ends_with_input_open().exited(130);
}

/// Lets `count` clients talk without a pause until told to stop.
fn chatter(address: SocketAddr, count: usize, over: Arc<AtomicBool>) -> Script {
    Script::runs(move || {
        let mut clients: Vec<Peer> = (0..count).map(|_| Peer::connects(address)).collect();
        while !over.load(Ordering::Relaxed) {
            for client in &mut clients {
                client.sends("one of very many who talk at once\n");
            }
        }
        clients.into_iter().for_each(Peer::resets);
    })
}

#[test]
fn a_prompt_stays_usable_while_500_talk_at_once() {
    let count = if quick() { 100 } else { 500 };
    requires!(descriptors(count + 200));
    let terminal = Terminal::opens();
    let scratch = Scratch::new();
    let (server, address) = serving(&terminal, &[], &scratch);
    let mut mine = Peer::connects(address);
    terminal.sees("who came", |rows| rows.iter().any(|row| row.contains("#1 connected")));
    let over = Arc::new(AtomicBool::new(false));
    let crowd = chatter(address, count as usize, Arc::clone(&over));
    terminal.shows("one of very many");
    terminal.types("/to 1 still");
    terminal.sees("what is typed", |rows| ends_with(rows, &["> /to 1 still"]));
    terminal.types(" there?\r");
    mine.expects("still there?\n").sends("I am\n");
    terminal.types("/sta\t").sees("a completed command", |rows| ends_with(rows, &["> /stats"]));
    terminal.types("\r").shows(" open of ");
    over.store(true, Ordering::Relaxed);
    crowd.joins();
    terminal.shows("not shown");
    terminal.types("/close 1\r");
    mine.expects_end().ends();
    terminal.types("/quit\r");
    server.ends_with_input_open().exited(0);
}

#[test]
fn what_is_said_after_an_unfinished_line_has_a_line_of_its_own() {
    let mut person = person();
    person.peer.sends("unfinished");
    person.sees(&["unfinished", ">"]);
    person.types("/eol crlf\r");
    person.terminal.sees("a line of its own", |rows| rows.iter().any(|row| row.starts_with("\\r\\n ends a line")));
    person.leaves();
}
