//! On a terminal: what reaches the screen, whatever a peer sends (rows 31, 76, 78), and how a conversation ends.

use std::time::{Duration, Instant};

use callbox_testkit::{Callbox, Input, Output, Peer, Script, Terminal, deadline, patience};

use crate::cli::{callbox, connect, served};

/// Sends `pieces` one segment each to a `connect` whose output is a terminal, and returns the screen's raw bytes.
fn screen_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let pieces: Vec<Vec<u8>> = pieces.into_iter().map(<[u8]>::to_vec).collect();
    let (address, peer) = Script::serves(move |mut peer| {
        for piece in pieces {
            peer.sends(&piece);
        }
        peer.ends();
        let _ = peer.reads_to_end();
    });
    let terminal = Terminal::opens().without_processing();
    let client = connect(address, []).input(Input::Null).output(Output::To(terminal.side())).start();
    client.exits(0);
    peer.joins();
    terminal_bytes(terminal)
}

/// Closes the terminal and returns everything that had reached it.
fn terminal_bytes(mut terminal: Terminal) -> Vec<u8> {
    let screen = terminal.screen().clone();
    // What a program wrote before its exit is there; the reader may still be on its way.
    deadline::settled("a screen", Duration::from_millis(50), || screen.bytes().len());
    terminal.hangs_up();
    screen.bytes()
}

#[track_caller]
fn shown(sent: &[u8], expected: &str) {
    let screen = screen_of([sent]);
    assert_eq!(String::from_utf8_lossy(&screen), expected, "sent {:?}", sent.escape_ascii().to_string());
}

#[test]
fn row_31_characters_split_at_every_boundary_are_shown_once_and_whole() {
    let text = "aé€𝄞中文 thank you !\n";
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(String::from_utf8_lossy(&screen_of(pieces)), text);
    for length in 2..8 {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(length).collect();
        assert_eq!(String::from_utf8_lossy(&screen_of(pieces)), text, "pieces of {length}");
    }
}

#[test]
fn row_31_what_is_no_character_is_escaped_and_the_rest_is_not() {
    // A stray continuation, a lead byte without its tail, an overlong form, a surrogate, beyond the last character.
    shown(b"a\x80b\n", "a\\x80b\n");
    shown(b"a\xc3b\n", "a\\xc3b\n");
    shown(b"a\xc0\xafb\n", "a\\xc0\\xafb\n");
    shown(b"a\xed\xa0\x80b\n", "a\\xed\\xa0\\x80b\n");
    shown(b"a\xf4\x90\x80\x80b\n", "a\\xf4\\x90\\x80\\x80b\n");
    shown(b"a\xffb\n", "a\\xffb\n");
}

#[test]
fn row_31_an_incomplete_tail_is_escaped_at_the_end_and_not_before() {
    let screen = screen_of([b"x\xe4\xb8".as_slice()]);
    assert_eq!(String::from_utf8_lossy(&screen), "x\\xe4\\xb8");

    let (address, peer) = Script::serves(|mut peer| {
        peer.sends(b"x\xe4\xb8");
        peer
    });
    let terminal = Terminal::opens().without_processing();
    let client = connect(address, []).input(Input::Piped).output(Output::To(terminal.side())).start();
    terminal.shows("x");
    let mut peer = peer.joins();
    deadline::let_pass(Duration::from_millis(100));
    assert_eq!(terminal.screen().bytes(), b"x", "half a character waits for its other half");
    peer.sends(b"\xad!");
    terminal.shows("x中!");
    peer.ends();
    client.exits(0);
}

#[test]
fn row_78_all_256_bytes_leave_only_what_is_printable() {
    let every: Vec<u8> = (0..=255).collect();
    safe(&screen_of([every.as_slice()]));
    let pieces: Vec<&[u8]> = every.chunks(1).collect();
    safe(&screen_of(pieces));
}

#[test]
fn row_78_escape_sequences_of_every_kind_are_shown_not_obeyed() {
    for (sent, expected) in [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b]52;c;aGVsbG8=\x1b\\", "\\x1b]52;c;aGVsbG8=\\x1b\\\\"),
        ("\x1bP+q544e\x1b\\", "\\x1bP+q544e\\x1b\\\\"),
        ("\x1b_apc\x1b\\", "\\x1b_apc\\x1b\\\\"),
        ("\x1b[21t", "\\x1b[21t"),
        ("\x1bc", "\\x1bc"),
        ("\u{9b}31m", "\\u{9b}31m"),
        ("a\u{202e}b\u{2066}c\u{200f}", "a\\u{202e}b\\u{2066}c\\u{200f}"),
        ("zero\u{200b}width\u{feff}\u{2060}", "zero\\u{200b}width\\u{feff}\\u{2060}"),
        ("line\u{2028}par\u{2029}", "line\\u{2028}par\\u{2029}"),
        ("tag\u{e0041}", "tag\\u{e0041}"),
        ("\u{61c}arabic", "\\u{61c}arabic"),
        ("del\x7f", "del\\x7f"),
        ("back\x08space", "back\\x08space"),
        ("a\\b", "a\\\\b"),
        ("tab\tand\nnewline", "tab\tand\nnewline"),
    ] {
        shown(sent.as_bytes(), expected);
    }
}

#[test]
fn a_carriage_return_before_a_newline_is_not_shown_and_a_lone_one_is() {
    shown(b"one\r\ntwo\r\n", "one\ntwo\n");
    shown(b"100%\rover", "100%\\rover");
    // The two may come in different segments.
    assert_eq!(String::from_utf8_lossy(&screen_of([b"one\r".as_slice(), b"\ntwo\r"])), "one\ntwo\\r");
}

#[track_caller]
fn safe(screen: &[u8]) {
    let text = std::str::from_utf8(screen).expect("what is shown is UTF-8");
    for character in text.chars() {
        let fine = matches!(character, '\n' | '\t' | ' '..='~') || (character as u32) > 0x9f;
        assert!(fine, "{character:?} reached the terminal: {text:?}");
    }
    assert!(text.contains("\\x1b") && text.contains("\\x00") && text.contains("\\xff"), "{text:?}");
}

#[test]
fn row_78_a_server_s_lines_are_safe_on_a_terminal() {
    let terminal = Terminal::opens().without_processing();
    let server = crate::cli::serve(["--discard"]).on_terminal(&terminal).env("NO_COLOR", "1").start();
    terminal.shows("listening on ");
    let text = terminal.screen().text();
    let line = text.lines().find_map(|line| line.split_once("listening on ")).expect("a ready line").1.to_owned();
    let address = line.trim().parse().expect("an address");
    Peer::connects(address).sends(b"\x1b]0;pwned\x07\x9b31m\xe2\x80\xae").ends().expects_end();
    terminal.shows("#1 > \\x1b]0;pwned\\x07");
    server.signal(callbox_testkit::Signal::TERM);
    server.ends_with_input_open().exited(0);
    let screen = terminal_bytes(terminal);
    assert!(!screen.contains(&0x1b) && !screen.contains(&0x07), "{}", screen.escape_ascii());
}

#[test]
fn row_76_no_escape_byte_leaves_without_a_terminal() {
    for (name, value) in [("TERM", Some("xterm-256color")), ("TERM", Some("dumb")), ("TERM", None), ("LANG", Some("C"))]
    {
        let vary = |program: Callbox| match value {
            Some(value) => program.env(name, value),
            None => program.env_unset(name),
        };
        let server = vary(crate::cli::serve(["--echo", "-v"])).start();
        let address = server.ready();
        crate::cli::echoes(address);
        let refused = vary(connect(callbox_testkit::free_address(), [])).run().exited(3);
        let wrong = vary(callbox(["serve", "--nonsense"])).run().exited(2);
        let help = vary(callbox(["--help"])).run().exited(0);
        for outcome in [server.drains(), refused, wrong, help] {
            let bytes = [outcome.stdout.as_slice(), outcome.stderr.as_bytes()].concat();
            assert!(!bytes.contains(&0x1b), "{name}={value:?}: {}", bytes.escape_ascii());
        }
    }
}

#[test]
fn row_76_no_color_and_a_dumb_terminal_get_no_escape_bytes() {
    let vary: [fn(Callbox) -> Callbox; 3] = [
        |program| program.env("NO_COLOR", "1"),
        |program| program.env("TERM", "dumb"),
        |program| program.args(["--color", "never"]),
    ];
    for vary in vary {
        for words in [&["connect", "127.0.0.1:notaport"][..], &["tour", "7"], &["connect", "--help"]] {
            let terminal = Terminal::opens().without_processing();
            vary(callbox(words.iter().copied())).on_terminal(&terminal).start().ends_with_input_open();
            let screen = terminal_bytes(terminal);
            assert!(!screen.is_empty() && !screen.contains(&0x1b), "{words:?}: {}", screen.escape_ascii());
        }
    }
}

#[test]
fn color_always_and_clicolor_force_colour_what_is_piped() {
    let coloured = |program: Callbox| program.run().exited(0).stdout.contains(&0x1b);
    for words in [&["connect", "--help"][..], &["tour", "7"]] {
        let help = || callbox(words.iter().copied());
        assert!(!coloured(help()), "{words:?} into a pipe");
        assert!(coloured(help().args(["--color", "always"])), "{words:?} --color always");
        assert!(coloured(help().env("CLICOLOR_FORCE", "1")), "{words:?} with CLICOLOR_FORCE");
        assert!(!coloured(help().env("CLICOLOR_FORCE", "1").args(["--color", "never"])), "{words:?}: the flag wins");
    }
}

#[test]
fn on_a_terminal_lines_are_sent_and_answers_shown() {
    let (server, address) = served([]);
    let terminal = Terminal::opens();
    let client = connect(address, []).on_terminal(&terminal).start();
    terminal.types("hello\n").shows("thank you !");
    server.shows("#1 > hello");
    terminal.types("\x04");
    client.ends_with_input_open().exited(0);
    server.drains();
}

#[test]
fn on_a_terminal_the_peer_s_end_ends_the_command_and_says_who_and_how() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.sends("bye").ends();
        peer.expects_end();
    });
    let terminal = Terminal::opens();
    let client = connect(address, []).on_terminal(&terminal).start();
    let start = Instant::now();
    client.ends_with_input_open().exited(0);
    assert!(start.elapsed() < patience());
    let screen = terminal.shows("bye").shows("(FIN)").screen().text();
    let said = screen.split_once("bye").expect("shown").1.to_lowercase();
    assert!(said.contains("server"), "who: {said:?}");
    assert!(["closed", "end of stream", "fin", "ended"].iter().any(|word| said.contains(word)), "how: {said:?}");
    peer.joins();
}

#[test]
fn on_a_terminal_a_reset_is_said_and_exit_5() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.sends("oops");
        peer
    });
    let terminal = Terminal::opens();
    let client = connect(address, []).on_terminal(&terminal).start();
    terminal.shows("oops");
    peer.joins().resets();
    client.ends_with_input_open().exited(5);
    terminal.shows("reset");
}

#[test]
fn control_c_on_a_terminal_is_exit_130() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.sends("ready");
        peer.reads_to_end()
    });
    let terminal = Terminal::opens();
    let client = connect(address, []).on_terminal(&terminal).start();
    terminal.shows("ready").types("\x03");
    client.ends_with_input_open().exited(130);
    assert_eq!(peer.joins(), b"");
}

#[test]
fn the_terminal_is_left_as_it_was_found() {
    let terminal = Terminal::opens();
    let before = rustix::termios::tcgetattr(terminal.side()).expect("own terminal");
    let (server, address) = served([]);
    let client = connect(address, []).on_terminal(&terminal).start();
    terminal.types("hello\n").shows("thank you !");
    client.signal(callbox_testkit::Signal::TERM);
    client.ends_with_input_open().exited(143);
    let after = rustix::termios::tcgetattr(terminal.side()).expect("own terminal");
    assert_eq!((before.local_modes, before.input_modes), (after.local_modes, after.input_modes));
    assert_eq!(before.output_modes, after.output_modes);
    server.drains();
}
