//! Every command, every error with its place.

use proptest::prelude::*;

use super::*;

fn both_sides(line: &str) -> Command {
    let connect = parse(line, Side::Connect).expect("a command").expect("not nothing");
    assert_eq!(Ok(Some(connect.clone())), parse(line, Side::Serve), "{line}");
    connect
}

fn argument(line: &str, at: usize) -> Argument {
    Argument { line: line.into(), at, text: line[at..].into() }
}

#[test]
fn commands_of_both_sides_are_read() {
    let table = [
        ("hello", Command::Send("hello".into())),
        ("  two  spaces ", Command::Send("  two  spaces ".into())),
        (r"a\n{n}", Command::Send(r"a\n{n}".into())),
        (" /quit", Command::Send(" /quit".into())),
        ("//quit", Command::Send("/quit".into())),
        ("///", Command::Send("//".into())),
        ("/hex 01 03 00:0a", Command::Hex(vec![1, 3, 0, 10])),
        ("/hex  48656c ", Command::Hex(b"Hel".to_vec())),
        ("/file a b.bin ", Command::File("a b.bin".into())),
        ("/every off", Command::EveryOff),
        ("/encoding gbk", Command::Encoding(argument("/encoding gbk", 10))),
        ("/frame length:u16be+offset=4", Command::Frame(argument("/frame length:u16be+offset=4", 7))),
        ("/show both", Command::Show(argument("/show both", 6))),
        ("/timestamps clock", Command::Timestamps(argument("/timestamps clock", 12))),
        ("/eol crlf", Command::Eol(Eol::CrLf)),
        ("/eof", Command::Eof),
        ("/reset", Command::Reset),
        ("/stats ", Command::Stats),
        ("/quit\r", Command::Quit),
        ("/help", Command::Help(None)),
        ("/help every", Command::Help(Some("every".into()))),
        ("/help /hex", Command::Help(Some("hex".into()))),
    ];
    for (line, command) in table {
        assert_eq!(both_sides(line), command, "{line}");
    }
}

#[test]
fn a_template_keeps_its_spaces_and_its_place() {
    let line = "/every 1.5s  ping {n} ";
    let template = Argument { line: line.into(), at: 12, text: " ping {n} ".into() };
    assert_eq!(both_sides(line), Command::Every { period: Duration::from_millis(1500), template });
}

#[test]
fn commands_of_the_server_are_read() {
    let table = [
        ("/list", Command::List),
        ("/to 3 hello", Command::To { session: 3, text: "hello".into() }),
        ("/to #3  /hex 01 ", Command::To { session: 3, text: " /hex 01 ".into() }),
        ("/all  a b ", Command::All(" a b ".into())),
        ("/watch 3", Command::Watch(Some(3))),
        ("/watch", Command::Watch(None)),
        ("/close 18446744073709551615", Command::Close(u64::MAX)),
        ("/reset 3", Command::ResetSession(3)),
        ("/pause #3 ", Command::Pause(3)),
        ("/resume 3", Command::Resume(3)),
        ("/suspend", Command::Suspend),
        ("/accept", Command::Accept),
    ];
    for (line, command) in table {
        assert_eq!(parse(line, Side::Serve), Ok(Some(command)), "{line}");
        assert!(parse(line, Side::Connect).is_err(), "{line}");
    }
}

#[test]
fn an_empty_line_is_a_line_ending_or_nothing() {
    assert_eq!(parse("", Side::Connect), Ok(Some(Command::Send(String::new()))));
    assert_eq!(parse("", Side::Serve), Ok(None));
}

#[test]
fn every_error_has_its_place() {
    let table = [
        ("/", 0, "a command is missing"),
        ("/ hex 01", 0, "a command is missing"),
        ("/hx 01", 0, "write /hex 01 03 00 00"),
        ("/evry 1s hi", 0, "write /every 1s ping {n}"),
        ("/qu", 0, "write /quit"),
        ("/zzzzz", 0, "write /help, or start the line with // to send it"),
        ("/QUIT", 0, "no command /QUIT"),
        ("/hex", 4, "the hex text is missing"),
        ("/hex 01 0g", 9, "'g' is not a hex digit"),
        ("/hex  é", 6, "is not a hex digit"),
        ("/file  ", 7, "the file's path is missing"),
        ("/every", 6, "the time is missing"),
        ("/every 1x hi", 8, "unknown unit x"),
        ("/every 0 hi", 7, "no time between two"),
        ("/every 1s", 9, "the text is missing"),
        ("/every 1s ", 10, "the text is missing"),
        ("/every off now", 11, "nothing may follow"),
        ("/encoding", 9, "the encoding is missing"),
        ("/encoding gbk utf-8", 14, "nothing may follow /encoding NAME"),
        ("/frame", 6, "the framing is missing"),
        ("/show text hex", 11, "nothing may follow"),
        ("/eol lfcr", 5, "write lf, crlf, cr or none"),
        ("/eof now", 5, "nothing may follow /eof"),
        ("/quit é", 6, "nothing may follow /quit"),
        ("/help hax", 6, "write /hex 01 03 00 00"),
        ("/help hex every", 10, "nothing may follow"),
        ("/to", 3, "the session's number is missing"),
        ("/to x hi", 4, "\"x\" is no session's number"),
        ("/to +3 hi", 4, "is no session's number"),
        ("/to 3", 5, "the text is missing"),
        ("/to 3 ", 6, "the text is missing"),
        ("/all", 4, "the text is missing"),
        ("/watch 3 4", 9, "nothing may follow /watch [SESSION]"),
        ("/close", 6, "the session's number is missing"),
        ("/close 18446744073709551616", 7, "is no session's number"),
        ("/pause -1", 7, "is no session's number"),
        ("/resume #", 8, "is no session's number"),
        ("/suspend now", 9, "nothing may follow"),
    ];
    for (line, at, part) in table {
        let invalid = parse(line, Side::Serve).expect_err(line);
        assert_eq!((invalid.at, &*invalid.input), (Some(at), line), "{invalid}");
        let text = invalid.to_string();
        assert!(text.contains(part) && !text.contains('\n'), "{text}");
        assert!(invalid.instead.is_some(), "{text}");
    }
}

#[test]
fn a_command_of_the_server_says_so_elsewhere() {
    let invalid = parse("/list", Side::Connect).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "invalid command \"/list\": /list is for serve --console at byte 0; write /help for what there is"
    );
    let invalid = parse("/reset 3", Side::Connect).unwrap_err();
    assert_eq!((invalid.at, &*invalid.problem), (Some(7), "nothing may follow /reset"));
}

#[test]
fn a_value_that_is_read_later_points_into_the_line() {
    let Ok(Some(Command::Show(argument))) = parse("/show  crl", Side::Connect) else { panic!("a command") };
    let invalid = argument.read::<Eol>().unwrap_err();
    assert_eq!((invalid.at, &*invalid.input), (Some(7), "/show  crl"));
}

#[test]
fn bytes_that_are_no_text_are_sent_as_they_are() {
    let table: [(&[u8], &[u8]); 3] = [(b"\xff\xfe", b"\xff\xfe"), (b"a\xff\r", b"a\xff\r"), (b"//\xff", b"/\xff")];
    for (line, sent) in table {
        assert_eq!(parse_bytes(line, Side::Connect), Ok(Some(Command::SendBytes(sent.into()))));
    }
    assert_eq!(parse_bytes("/quit".as_bytes(), Side::Connect), Ok(Some(Command::Quit)));
    let invalid = parse_bytes(b"/hex \xff", Side::Connect).unwrap_err();
    assert_eq!((invalid.at, &*invalid.problem), (Some(5), "not UTF-8"));
}

#[test]
fn help_lists_every_command_of_its_side() {
    for side in [Side::Connect, Side::Serve] {
        let text = help(side, None);
        for entry in &COMMANDS {
            let listed = text.lines().any(|line| line.split(' ').next() == Some(&format!("/{}", entry.name)));
            assert_eq!(listed, entry.side.is_none_or(|only| only == side), "{} in\n{text}", entry.name);
        }
        assert!(text.lines().all(|line| line.len() <= 100), "{text}");
        assert!(text.contains("//"), "{text}");
    }
    let one = help(Side::Connect, Some("every"));
    assert_eq!(
        one,
        "/every TIME TEXT|off: send a template again and again, or stop that\nfor example: /every 1s ping {n}\n"
    );
}

#[test]
fn every_example_is_right() {
    for entry in &COMMANDS {
        assert!(matches!(parse(entry.example, Side::Serve), Ok(Some(_))), "{}", entry.example);
    }
}

fn holds(line: &str) -> Result<(), TestCaseError> {
    for side in [Side::Connect, Side::Serve] {
        if let Err(invalid) = parse(line, side) {
            let at = invalid.at.expect("a place");
            prop_assert!(at <= line.len() && line.is_char_boundary(at), "{} in {:?}", at, line);
            prop_assert_eq!(&invalid.input, line);
            prop_assert!(invalid.instead.is_some());
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_line_is_read_or_refused_with_a_place_inside_it(line: String) {
        holds(&line)?;
    }

    #[test]
    fn any_argument_is_read_or_refused_with_a_place_inside_it(
        entry in 0..COMMANDS.len(),
        space in "[ \t\r\u{a0}]{0,2}",
        rest in "\\PC{0,12}|[#0-9a-fsmx ]{0,12}",
    ) {
        holds(&format!("/{}{space}{rest}", COMMANDS[entry].name))?;
    }

    #[test]
    fn a_line_with_two_slashes_is_sent_with_one(rest: String) {
        for side in [Side::Connect, Side::Serve] {
            prop_assert_eq!(parse(&format!("//{rest}"), side), Ok(Some(Command::Send(format!("/{rest}")))));
        }
    }

    #[test]
    fn a_line_without_a_slash_is_sent_as_typed(line in "[^/].*") {
        for side in [Side::Connect, Side::Serve] {
            prop_assert_eq!(parse(&line, side), Ok(Some(Command::Send(line.clone()))));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(line: Vec<u8>) {
        if let Err(invalid) = parse_bytes(&line, Side::Serve) {
            prop_assert!(invalid.at.is_some_and(|at| at <= line.len()));
        }
    }
}
