//! Console lines: each is a command or is refused at its place, and its values are where they say they are.

use callbox::Invalid;
use callbox::frame::Framing;
use callbox::text::{Encoding, Template, parse_hex};
use callbox::view::{Show, Timestamps};

use crate::refusal;
use command::{Argument, Command, Side, parse, parse_bytes};

/// The reader of the binary, which is no library; it stands on the library alone.
#[path = "../../callbox-cli/src/console/command.rs"]
pub mod command;

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    for side in [Side::Connect, Side::Serve] {
        let read = parse_bytes(data, side);
        match std::str::from_utf8(data) {
            Ok(line) => {
                assert_eq!(read, parse(line, side));
                check(line, side, read);
            }
            Err(_) => check_bytes(data, read),
        }
    }
}

fn check_bytes(data: &[u8], read: Result<Option<Command>, Invalid>) {
    match read {
        Ok(Some(Command::SendBytes(bytes))) => {
            let sent = if data.starts_with(b"//") { &data[1..] } else { data };
            assert_eq!(bytes, sent);
        }
        Err(invalid) => {
            refusal::check_words(&invalid);
            assert!(data.starts_with(b"/") && !data.starts_with(b"//"), "{invalid}");
        }
        other => panic!("{other:?} is not what bytes are for"),
    }
}

fn check(line: &str, side: Side, read: Result<Option<Command>, Invalid>) {
    let is_command = line.starts_with('/') && !line.starts_with("//");
    let command = match read {
        Ok(Some(command)) => command,
        Ok(None) => return assert!(line.is_empty() && side == Side::Serve),
        Err(invalid) => {
            assert!(is_command, "text is not refused: {invalid}");
            return refusal::check(&invalid, line);
        }
    };
    match command {
        Command::Send(text) => {
            assert!(!is_command);
            assert_eq!(text, if line.starts_with("//") { &line[1..] } else { line });
        }
        Command::SendBytes(_) => panic!("it is text"),
        Command::Hex(bytes) => assert_eq!(parse_hex(&line["/hex".len()..]), Ok(bytes)),
        Command::Every { period, template } => {
            assert!(!period.is_zero());
            check_place(&template, line);
            for encoding in ["utf-8", "gbk"] {
                let encoding = encoding.parse().expect("a label");
                let read = Template::parse(&template.text, encoding);
                check_value(&read.map_err(|invalid| command::within(&template.line, template.at, invalid)), line);
            }
        }
        Command::Encoding(value) => check_argument::<Encoding>(&value, line),
        Command::Frame(value) => check_argument::<Framing>(&value, line),
        Command::Show(value) => check_argument::<Show>(&value, line),
        Command::Timestamps(value) => check_argument::<Timestamps>(&value, line),
        Command::Help(name) => assert!(command::help(side, name.as_deref()).ends_with('\n')),
        Command::To { text, .. } | Command::All(text) => assert!(!text.is_empty() && line.ends_with(&text)),
        _ => assert!(is_command),
    }
}

fn check_argument<T: std::str::FromStr<Err = Invalid>>(value: &Argument, line: &str) {
    check_place(value, line);
    check_value(&value.read::<T>(), line);
}

fn check_place(value: &Argument, line: &str) {
    assert_eq!(value.line, line);
    assert!(line[value.at..].starts_with(&value.text), "{value:?}");
}

fn check_value<T>(read: &Result<T, Invalid>, line: &str) {
    if let Err(invalid) = read {
        refusal::check(invalid, line);
    }
}
