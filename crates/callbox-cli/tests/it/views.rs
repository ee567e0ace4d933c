//! `--show` and `--timestamps`: how bytes are shown, piped and on a terminal (row 78).

use std::time::Duration;

use callbox_testkit::{Callbox, Input, Output, Peer, Scratch, Script, Terminal, deadline, pattern, requires};

use crate::cli::{callbox, connect, served};

/// What `connect WORDS` writes into a pipe when the peer sends `pieces`, one after the other.
fn piped<'a>(pieces: impl IntoIterator<Item = Vec<u8>>, words: impl IntoIterator<Item = &'a str>) -> String {
    let pieces: Vec<Vec<u8>> = pieces.into_iter().collect();
    let (address, peer) = Script::serves(move |mut peer| {
        for piece in pieces {
            peer.sends(piece);
        }
        peer.ends().expects_end();
    });
    let outcome = connect(address, words).run().exited(0);
    peer.joins();
    String::from_utf8(outcome.stdout).expect("what is shown is UTF-8")
}

/// What `connect WORDS` writes onto a terminal when the peer sends `bytes`; nobody types.
fn on_terminal<'a>(bytes: &[u8], words: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let bytes = bytes.to_vec();
    let (address, peer) = Script::serves(move |mut peer| {
        peer.sends(bytes).ends().expects_end();
    });
    let mut terminal = Terminal::opens().without_processing();
    let client = connect(address, words).output(Output::To(terminal.side()));
    client.start().exits(0);
    peer.joins();
    let screen = terminal.screen().clone();
    deadline::settled("a screen", Duration::from_millis(50), || screen.bytes().len());
    terminal.hangs_up();
    screen.bytes()
}

fn xxd(bytes: &[u8], words: &[&str]) -> String {
    let scratch = Scratch::new();
    let file = scratch.file("bytes", bytes);
    let dump = Callbox::new("xxd").args(words).arg(file).run().exited(0).stdout;
    String::from_utf8(dump).expect("ASCII")
}

#[test]
fn both_into_a_pipe_is_what_xxd_prints() {
    requires!(tool("xxd"));
    let lengths = [0, 1, 15, 16, 17, 255, 4096, 70_001];
    let mut inputs: Vec<Vec<u8>> = lengths.iter().map(|length| pattern(*length, 30)).collect();
    inputs.push((0..=255).collect());
    for bytes in inputs {
        let expected = xxd(&bytes, &[]);
        assert!(piped([bytes.clone()], ["--show", "both"]) == expected, "{} bytes", bytes.len());
    }
}

#[test]
fn both_is_the_same_however_the_bytes_are_cut() {
    let bytes = pattern(300, 31);
    let whole = piped([bytes.clone()], ["--show", "both"]);
    assert_eq!(whole.lines().count(), 19);
    for length in [1, 7, 16, 33] {
        assert_eq!(piped(bytes.chunks(length).map(<[u8]>::to_vec), ["--show", "both"]), whole, "pieces of {length}");
        let hex = piped([bytes.clone()], ["--show", "hex"]);
        assert_eq!(piped(bytes.chunks(length).map(<[u8]>::to_vec), ["--show", "hex"]), hex, "pieces of {length}");
    }
}

#[test]
fn lines_that_repeat_are_squeezed_as_xxd_does() {
    requires!(tool("xxd"));
    let bytes = [vec![7; 16], vec![0; 16 * 50], b"the end".to_vec()].concat();
    let shown = piped([bytes.clone()], ["--show", "both"]);
    assert_eq!(shown, xxd(&bytes, &["-a"]), "autoskip");
    assert!(shown.contains("\n*\n") && shown.lines().count() < 7, "{shown}");
    let frame = piped([vec![0; 16 * 50]], ["--show", "both", "--frame", "fixed:800"]);
    assert!(frame.contains("\n*\n"), "within a frame too: {frame}");
}

#[test]
fn hex_is_pairs_of_digits_and_nothing_else_of_the_bytes() {
    let shown = piped([b"\x00hello\xff".to_vec()], ["--show", "hex"]);
    assert!(shown.contains("00 68 65 6c 6c 6f ff") && !shown.contains("hello"), "{shown:?}");
    let shown = piped([b"hi\nyou\n".to_vec()], ["--show", "hex", "--frame", "line"]);
    assert_eq!(shown, "68 69 0a\n79 6f 75 0a\n", "a line a frame, its delimiter included");
    let shown = piped([b"\0\x02hi".to_vec()], ["--show", "hex", "--frame", "length:u16be"]);
    assert_eq!(shown, "00 02 68 69\n", "the frame whole, header included");
}

#[test]
fn text_is_escaped_wherever_it_goes_and_raw_nowhere() {
    let bytes = b"a\x1b[31m\\\xff\tb\r\n".to_vec();
    assert_eq!(piped([bytes.clone()], ["--show", "text"]), "a\\x1b[31m\\\\\\xff\tb\n");
    assert_eq!(piped([bytes.clone()], ["--escape"]), "a\\x1b[31m\\\\\\xff\tb\n", "the same by its older name");
    for words in [&["--show", "raw"][..], &["--raw"]] {
        assert_eq!(on_terminal(&bytes, words.iter().copied()), bytes, "{words:?}");
    }
    assert_eq!(on_terminal(&bytes, []), b"a\\x1b[31m\\\\\\xff\tb\n", "text is what a terminal gets");
    let (address, _peer) = Script::serves(move |mut peer| {
        peer.sends(b"\0\xff").ends().expects_end();
    });
    connect(address, []).run().exited(0).wrote(b"\0\xff");
}

#[test]
fn none_shows_nothing_and_counts_all_the_same() {
    assert_eq!(piped([b"hello".to_vec()], ["--show", "none"]), "");
    assert_eq!(on_terminal(b"hello", ["--show", "none"]), b"");
    let (address, _peer) = Script::serves(|mut peer| {
        peer.sends("hello").ends().expects_end();
    });
    connect(address, ["--show", "none", "-v"]).run().exited(0).wrote("").said("5 B to client");
    let (server, address) = served(["--show", "none"]);
    Peer::connects(address).sends("hello").expects("thank you !").ends().expects_end();
    server.drains().wrote("").said("5 B to server");
}

#[test]
fn frames_of_text_are_a_line_each() {
    let shown = piped([b"\0\x05hello\0\x00\0\x02hi".to_vec()], ["--show", "text", "--frame", "length:u16be"]);
    assert_eq!(shown, "hello\n\nhi\n");
}

#[test]
fn json_frames_are_shown_indented_and_a_bad_one_as_it_came() {
    let shown = piped([b"{\"a\":[1,2],\"b\":\"\x1b\xe4\xb8\xad\"}\n".to_vec()], ["--show", "text", "--frame", "json"]);
    assert!(shown.contains("{\n  \"a\": [\n    1,\n    2\n  ],\n"), "{shown}");
    assert!(!shown.contains('\x1b') && shown.contains('中'), "{shown}");
    let raw = piped([b"{\"a\":1}".to_vec()], ["--frame", "json"]);
    assert_eq!(raw, "{\"a\":1}", "bytes stay exact");
}

/// A time and the rest of the line.
#[track_caller]
fn timed(line: &str) -> (&str, &str) {
    let (time, rest) = line.trim_start().split_once(' ').unwrap_or_else(|| panic!("a time and more: {line:?}"));
    assert!(time.contains(|c: char| c.is_ascii_digit()), "{line:?}");
    (time, rest)
}

#[test]
fn timestamps_stand_before_each_frame() {
    for (which, shape) in [("clock", "00:00:00"), ("delta", "+"), ("relative", "")] {
        let shown = piped([b"one\ntwo\n".to_vec()], ["--show", "text", "--frame", "line", "--timestamps", which]);
        let lines: Vec<_> = shown.lines().map(timed).collect();
        assert_eq!(lines.iter().map(|line| line.1).collect::<Vec<_>>(), ["one", "two"], "{which}");
        for (time, _) in lines {
            let zeroed: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            assert!(zeroed.starts_with(shape) && zeroed.contains('.'), "{which}: {time}");
        }
    }
    assert_eq!(piped([b"one\n".to_vec()], ["--show", "text", "--frame", "line", "--timestamps", "none"]), "one\n");
}

#[test]
fn times_follow_the_frames() {
    let (address, _peer) = Script::serves(|mut peer| {
        peer.sends("one\n");
        deadline::let_pass(Duration::from_millis(300));
        peer.sends("two\n").ends().expects_end();
    });
    let words = ["--show", "text", "--frame", "line", "--timestamps", "delta"];
    let shown = connect(address, words).run().exited(0).stdout;
    let shown = String::from_utf8(shown).expect("text");
    let (time, _) = timed(shown.lines().nth(1).expect("two lines"));
    let passed: f64 = time.trim_start_matches('+').parse().expect("seconds");
    assert!((0.2..3.0).contains(&passed), "{shown}");
}

#[test]
fn a_server_s_lines_carry_times_and_views() {
    let (server, address) = served(["--discard", "--timestamps", "clock", "--frame", "line"]);
    Peer::connects(address).sends("hello\n").ends().expects_end();
    let shown = String::from_utf8(server.drains().stdout).expect("text");
    assert!(shown.contains("hello") && shown.matches(':').count() >= 2, "a time of day: {shown:?}");
    let (server, address) = served(["--discard", "--show", "hex"]);
    Peer::connects(address).sends("hi\n").ends().expects_end();
    server.drains().wrote("#1 > 68 69 0a\n");
    let (server, address) = served(["--discard", "--show", "both"]);
    Peer::connects(address).sends("hi\n").ends().expects_end();
    let shown = String::from_utf8(server.drains().stdout).expect("text");
    assert!(shown.starts_with("#1 >") && shown.contains("6869 0a") && shown.contains("hi."), "{shown:?}");
}

#[test]
fn quiet_silences_a_server_s_views_and_none_of_a_pipe_s() {
    for how in ["text", "hex", "both"] {
        let (server, address) = served(["-q", "--show", how]);
        Peer::connects(address).sends("hello").expects("thank you !").ends().expects_end();
        server.drains().wrote("").quietly();
        assert!(piped([b"hello".to_vec()], ["-q", "--show", how]).contains(if how == "hex" {
            "68 65"
        } else {
            "hello"
        }));
    }
}

/// All 256 bytes, and sequences of every kind a terminal would obey.
fn hostile() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..=255).collect();
    for sequence in [
        "\x1b[31mred\x1b[0m",
        "\x1b]0;title\x07",
        "\x1b]52;c;aGVsbG8=\x1b\\",
        "\x1bP+q544e\x1b\\",
        "\x1b_apc\x1b\\",
        "\x1b^pm\x1b\\",
        "\x1b[21t",
        "\x1b[6n",
        "\x1bc",
        "\u{9b}31m",
        "\u{9d}0;x\u{9c}",
        "\u{202e}\u{2066}\u{200f}",
        "\u{200b}\u{feff}\u{2060}\u{2028}\u{2029}\u{e0041}\u{61c}",
    ] {
        bytes.extend_from_slice(sequence.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

#[track_caller]
fn safe(what: &str, screen: &[u8]) {
    let text = std::str::from_utf8(screen).unwrap_or_else(|error| panic!("{what}: UTF-8: {error}"));
    assert!(!text.is_empty(), "{what}: something is shown");
    for character in text.chars() {
        let hidden = matches!(character as u32, 0x7f..=0x9f | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060
            | 0x2066..=0x2069 | 0xfeff | 0xe0000..=0xe007f);
        assert!((matches!(character, '\n' | '\t') || character >= ' ') && !hidden, "{what}: {character:?} in {text:?}");
    }
}

#[test]
fn row_78_no_view_lets_anything_but_printables_reach_a_terminal() {
    let bytes = hostile();
    let plain = ["--color", "never"];
    for words in [
        &["--show", "text"][..],
        &["--show", "hex"],
        &["--show", "both"],
        &["--show", "text", "--frame", "line"],
        &["--show", "text", "--frame", "line", "--timestamps", "clock"],
        &["--show", "both", "--frame", "fixed:100"],
        &["--show", "text", "--encoding", "gbk"],
        &["--show", "text", "--encoding", "latin1"],
        &["--show", "text", "--encoding", "iso-2022-jp"],
        &["--show", "text", "--encoding", "utf-16le"],
        &["--show", "text", "--checksum", "sum8", "--frame", "line"],
    ] {
        safe(&format!("{words:?}"), &on_terminal(&bytes, words.iter().copied().chain(plain)));
    }
    let frame = b"{\"\x1b]0;x\x07\":\"\xc2\x9b\xe2\x80\xae\\u001b\"}\n";
    safe("json", &on_terminal(frame, ["--show", "text", "--frame", "json"].into_iter().chain(plain)));
}

#[test]
fn row_78_a_server_s_views_are_safe_on_a_terminal() {
    for words in [&["--show", "text"][..], &["--show", "both"], &["--show", "text", "--encoding", "latin1"]] {
        let terminal = Terminal::opens().without_processing();
        let scratch = Scratch::new();
        let path = scratch.join("ready");
        let server = callbox(["serve", "127.0.0.1:0", "--discard", "--color", "never", "--ready-file"]);
        let server = server.arg(&path).args(words).output(Output::To(terminal.side())).input(Input::Null);
        let (server, address) = crate::cli::started(server, &path);
        Peer::connects(address).sends(hostile()).ends().expects_end();
        server.drains();
        deadline::settled("a screen", Duration::from_millis(50), || terminal.screen().bytes().len());
        safe(&format!("{words:?}"), &terminal.screen().bytes());
    }
}

#[test]
fn raw_is_not_escaped_in_a_server_that_is_asked_for_it_only() {
    let (server, address) = served(["--discard"]);
    Peer::connects(address).sends("\x1b[0m").ends().expects_end();
    server.drains().wrote("#1 > \\x1b[0m\n");
}

#[test]
fn colours_are_for_terminals_and_for_who_asks() {
    let bytes = b"\0text\xff\n";
    assert!(!piped([bytes.to_vec()], ["--show", "both"]).contains('\x1b'));
    assert!(piped([bytes.to_vec()], ["--show", "both", "--color", "always"]).contains('\x1b'));
    assert!(on_terminal(bytes, ["--show", "both"]).contains(&0x1b), "bytes of each class have their colour");
    assert!(!on_terminal(bytes, ["--show", "both", "--color", "never"]).contains(&0x1b));
}

#[test]
fn a_bad_view_is_one_line_with_advice() {
    for (words, advice) in [
        (["--show", "loud"], "text, hex, both, raw or none"),
        (["--timestamps", "x"], "none, clock, delta or relative"),
        (["--eol", "x"], "lf, crlf, cr or none"),
    ] {
        for command in ["connect", "listen", "serve"] {
            let outcome = callbox([command, ":0"]).args(words).run().exited(2).wrote("");
            let line = outcome.stderr.lines().next().expect("a line").to_owned();
            assert!(line.starts_with("callbox: ") && line.contains(words[1]) && line.contains(advice), "{line}");
        }
    }
}
