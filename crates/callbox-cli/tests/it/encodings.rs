//! `--encoding`: text in other encodings than UTF-8, sent, awaited and shown, however it was cut (row 31).

use std::time::Duration;

use callbox_testkit::{Input, Output, Peer, Script, Terminal, assert_same_bytes, deadline};

use crate::cli::{callbox, connect, listen, served};

/// An encoding, a text, and its bytes.
const TEXTS: &[(&str, &str, &[u8])] = &[
    ("gbk", "中文粘包", b"\xd6\xd0\xce\xc4\xd5\xb3\xb0\xfc"),
    ("gb18030", "中𝄞文", b"\xd6\xd0\x94\x32\xbe\x34\xce\xc4"),
    ("big5", "中文", b"\xa4\xa4\xa4\xe5"),
    ("shift_jis", "日本ｱ語", b"\x93\xfa\x96\x7b\xb1\x8c\xea"),
    ("euc-kr", "한국어", b"\xc7\xd1\xb1\xb9\xbe\xee"),
    ("euc-jp", "日本語", b"\xc6\xfc\xcb\xdc\xb8\xec"),
    ("utf-8", "aé€𝄞", b"a\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e"),
    ("utf-16le", "中𝄞a", b"\x2d\x4e\x34\xd8\x1e\xdd\x61\x00"),
    ("utf-16be", "中𝄞a", b"\x4e\x2d\xd8\x34\xdd\x1e\x00\x61"),
    ("latin1", "é£", b"\xe9\xa3"),
    ("windows-1251", "Привет", b"\xcf\xf0\xe8\xe2\xe5\xf2"),
    ("koi8-r", "Привет", b"\xf0\xd2\xc9\xd7\xc5\xd4"),
];

/// Sends `bytes` byte by byte, then the end.
fn byte_by_byte(bytes: &[u8]) -> impl FnOnce(Peer) + Send + 'static {
    let bytes = bytes.to_vec();
    move |mut peer| {
        for byte in bytes {
            peer.sends([byte]);
        }
        peer.ends().expects_end();
    }
}

#[test]
fn row_31_characters_of_every_encoding_split_at_every_byte_are_shown_once_and_whole() {
    for (label, text, bytes) in TEXTS {
        let (address, peer) = Script::serves(byte_by_byte(bytes));
        connect(address, ["--encoding", label, "--show", "text"]).run().exited(0).wrote(text);
        peer.joins();
        let (address, peer) = Script::serves(byte_by_byte(bytes));
        let terminal = Terminal::opens().without_processing();
        let client = connect(address, ["--encoding", label]).output(Output::To(terminal.side())).start();
        client.exits(0);
        peer.joins();
        deadline::settled("a screen", Duration::from_millis(50), || terminal.screen().bytes().len());
        assert_eq!(terminal.screen().text(), *text, "{label} on a terminal");
    }
}

#[test]
fn row_31_half_a_character_of_gbk_waits_for_its_other_half() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.sends(b"x\xd6");
        peer
    });
    let client = connect(address, ["--encoding", "gbk", "--show", "text"]).input(Input::Piped).start();
    client.shows("x");
    let mut peer = peer.joins();
    deadline::let_pass(Duration::from_millis(100));
    assert_eq!(client.output().bytes(), b"x");
    peer.sends(b"\xd0!");
    client.shows("中!");
    peer.ends();
    client.exits(0).wrote("x中!");
}

#[test]
fn row_31_an_incomplete_tail_is_escaped_at_the_end_in_every_encoding() {
    for (label, bytes, shown) in [
        ("gbk", &b"x\xd6"[..], "x\\xd6"),
        ("gb18030", b"x\x94\x32\xbe", "x\\x94\\x32\\xbe"),
        ("big5", b"x\xa4", "x\\xa4"),
        ("shift_jis", b"x\x93", "x\\x93"),
        ("euc-kr", b"x\xc7", "x\\xc7"),
        ("utf-8", b"x\xf0\x9d\x84", "x\\xf0\\x9d\\x84"),
        ("utf-16le", b"x\0\x2d", "x\\x2d"),
        ("utf-16be", b"\0x\xd8\x34\xdd", "x\\xd8\\x34\\xdd"),
    ] {
        let (address, peer) = Script::serves(byte_by_byte(bytes));
        connect(address, ["--encoding", label, "--show", "text"]).run().exited(0).wrote(shown);
        peer.joins();
    }
}

#[test]
fn bytes_that_do_not_fit_are_escaped_and_nothing_is_lost() {
    for (label, bytes, shown) in [
        ("gbk", &b"\xd6\xd0\xff\xce\xc4"[..], "中\\xff文"),
        ("big5", b"\xa4\xa4\xff\xa4\xe5", "中\\xff文"),
        ("shift_jis", b"\x93\xfa\xa0\x96\x7b", "日\\xa0本"),
        ("euc-kr", b"\xc7\xd1\xff\xb1\xb9", "한\\xff국"),
        ("utf-8", b"a\xc0\xafb", "a\\xc0\\xafb"),
        ("utf-16le", b"a\0\x1e\xddb\0", "a\\x1e\\xddb"),
    ] {
        for pieces in [1, bytes.len()] {
            let pieces: Vec<Vec<u8>> = bytes.chunks(pieces).map(<[u8]>::to_vec).collect();
            let (address, peer) = Script::serves(move |mut peer| {
                for piece in pieces {
                    peer.sends(piece);
                }
                peer.ends().expects_end();
            });
            connect(address, ["--encoding", label, "--show", "text"]).run().exited(0).wrote(shown);
            peer.joins();
        }
    }
}

#[test]
fn sends_replies_and_expectations_are_in_the_encoding_and_hex_escapes_stay_bytes() {
    for (label, text, bytes) in TEXTS {
        let wire = [bytes, &b"\xff\x00"[..]].concat();
        let (address, peer) = Script::serves(move |mut peer| {
            peer.expects(&wire).sends(bytes).expects_end().ends();
        });
        let send = format!("{text}\\xff\\x00");
        connect(address, ["--encoding", label, "--send", &send, "--expect", text]).run().exited(0).wrote(bytes);
        peer.joins();
    }
    let (server, address) = served(["--encoding", "gbk", "--reply", "中\\u{6587}\\xff"]);
    Peer::connects(address).sends(b"\xd6\xd0").expects(b"\xd6\xd0\xce\xc4\xff").ends().expects_end();
    let outcome = server.drains();
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), "#1 > 中\n#1 < 中文\\xff\n");
    let listener = listen(["--encoding", "big5", "--send", "中文"]).start();
    Peer::connects(listener.ready()).expects(b"\xa4\xa4\xa4\xe5").ends().expects_end();
    listener.exits(0);
}

#[test]
fn a_pipe_stays_byte_exact_in_any_encoding() {
    let every: Vec<u8> = (0..=255).collect();
    for label in ["gbk", "utf-16le", "latin1"] {
        let bytes = every.clone();
        let (address, peer) = Script::serves(move |mut peer| {
            peer.sends(&bytes).ends();
            peer.reads_to_end()
        });
        let mut client = connect(address, ["--encoding", label]).input(Input::Piped).start();
        client.types(&every).ends_input();
        client.exits(0).wrote(&every);
        assert_same_bytes(label, &every, &peer.joins());
    }
}

#[test]
fn events_have_text_where_it_is_valid_in_the_encoding() {
    for (label, text, bytes) in TEXTS {
        let wire = [bytes, &b"\n\xff\n"[..]].concat();
        // The line ends of UTF-16 are two bytes; there the frame is the whole stream.
        let spec = if label.starts_with("utf-16") { "fixed:8" } else { "line" };
        let (address, peer) = Script::serves(move |mut peer| {
            peer.sends(&wire).ends().expects_end();
        });
        let client = connect(address, ["--encoding", label, "--frame", spec, "--json"]);
        let ledger = client.run().exited(0).ledger();
        peer.joins();
        let first = ledger.named("data")[0];
        assert_eq!((first["text"].as_str(), &first["bytes"]), (Some(*text), &bytes.len().into()), "{label}");
        assert!(first["base64"].is_null());
        if ["gbk", "utf-8", "euc-kr"].contains(label) {
            let second = ledger.named("data")[1];
            assert_eq!((second["text"].as_str(), second["base64"].as_str()), (None, Some("/w==")), "{label}");
        }
    }
}

#[test]
fn a_bad_label_is_one_line_with_advice() {
    for command in ["connect", "listen", "serve"] {
        let outcome = callbox([command, "127.0.0.1:0", "--encoding", "klingon"]).run().exited(2).wrote("");
        let line = outcome.stderr.lines().next().expect("a line").to_owned();
        assert!(line.starts_with("callbox: --encoding: ") && line.contains("klingon"), "{line}");
        assert!(line.contains("utf-8, gbk"), "shows right ones: {line}");
    }
}

#[test]
fn what_an_encoding_cannot_say_is_a_usage_error_that_points_at_it() {
    let outcome = callbox(["connect", ":1", "--encoding", "latin1", "--send", "a中"]).run().exited(2);
    outcome.said("--send").said("at byte 1");
}
