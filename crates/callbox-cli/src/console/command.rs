//! Console lines as commands: `/hex 01 03`, `/to 3 hello`, `/quit`; a line without a slash is sent.
//!
//! Pure: a line goes in, a command or the place of what is wrong comes out. It stands on the library and on nothing
//! else of the binary.

// By its path, so that whoever compiles this file by its path finds it.
#[path = "command/table.rs"]
mod table;

pub use table::{COMMANDS, Entry, commands, help};

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use callbox::Invalid;
use callbox::text::{nearest, parse_hex};
use callbox::units::parse_duration;

/// Whose console it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `connect` and `listen`: one session.
    Connect,
    /// `serve --console`: many.
    Serve,
}

/// A value that is read where it is used, with its place in the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The line that it stands in.
    pub line: String,
    /// Where it begins there, in bytes.
    pub at: usize,
    /// The value as typed.
    pub text: String,
}

impl Argument {
    /// Reads the value by its own parser; an error points into the line.
    pub fn read<T: FromStr<Err = Invalid>>(&self) -> Result<T, Invalid> {
        self.text.parse().map_err(|invalid| within(&self.line, self.at, invalid))
    }
}

/// What ends each line that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Eol {
    /// `\n`.
    #[default]
    Lf,
    /// `\r\n`.
    CrLf,
    /// `\r`.
    Cr,
    /// Nothing.
    None,
}

impl Eol {
    /// Returns the text that ends a line.
    pub fn text(self) -> &'static str {
        match self {
            Eol::Lf => "\n",
            Eol::CrLf => "\r\n",
            Eol::Cr => "\r",
            Eol::None => "",
        }
    }
}

impl FromStr for Eol {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Eol, Invalid> {
        match text {
            "lf" => Ok(Eol::Lf),
            "crlf" => Ok(Eol::CrLf),
            "cr" => Ok(Eol::Cr),
            "none" => Ok(Eol::None),
            _ => Err(Invalid::new("line ending", text, "unknown line ending")
                .at(0)
                .instead("write lf, crlf, cr or none")),
        }
    }
}

/// What a line asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Sends text, as typed: encoding, line ending and framing come later. On a server it is for the watched session.
    Send(String),
    /// Sends a line that is not UTF-8: no encoding touches its bytes, line ending and framing are added.
    SendBytes(Vec<u8>),
    /// Sends bytes, and nothing but them.
    Hex(Vec<u8>),
    /// Sends what is in a file.
    File(PathBuf),
    /// Sends a template again and again.
    Every {
        /// From one to the next.
        period: Duration,
        /// The template, as typed.
        template: Argument,
    },
    /// Ends what `/every` began.
    EveryOff,
    /// Chooses the encoding of what is typed and shown.
    Encoding(Argument),
    /// Chooses the framing.
    Frame(Argument),
    /// Chooses how bytes are shown.
    Show(Argument),
    /// Chooses the times that are shown.
    Timestamps(Argument),
    /// Chooses what ends each line that is sent.
    Eol(Eol),
    /// Ends our stream, and goes on receiving.
    Eof,
    /// Resets the session; on a server, the watched one.
    Reset,
    /// Shows totals.
    Stats,
    /// Leaves.
    Quit,
    /// Shows all commands, or one.
    Help(Option<String>),
    /// Shows the sessions.
    List,
    /// Sends text to one session.
    To {
        /// Its number.
        session: u64,
        /// The text as typed, to the end of the line.
        text: String,
    },
    /// Sends text to every session.
    All(String),
    /// Shows one session alone and sends plain lines to it; `None`: shows all again.
    Watch(Option<u64>),
    /// Ends our stream to a session and closes it.
    Close(u64),
    /// Resets a session.
    ResetSession(u64),
    /// Stops reading from a session: its client sees a full window.
    Pause(u64),
    /// Reads again.
    Resume(u64),
    /// Stops accepting.
    Suspend,
    /// Accepts again.
    Accept,
}

/// Reads a line; an empty one sends just the line ending, or means nothing on a server.
///
/// # Errors
///
/// A command that does not exist or lacks something, with the byte offset in the line.
pub fn parse(line: &str, side: Side) -> Result<Option<Command>, Invalid> {
    if line.is_empty() && side == Side::Serve {
        return Ok(None);
    }
    match line.strip_prefix('/') {
        None => Ok(Some(Command::Send(line.into()))),
        Some(rest) if rest.starts_with('/') => Ok(Some(Command::Send(rest.into()))),
        Some(rest) => {
            let name = rest.split(char::is_whitespace).next().unwrap_or(rest);
            let entry = find(line, name, 0, side)?;
            Line { line, at: 1 + name.len(), entry, side }.read().map(Some)
        }
    }
}

/// Reads a line that need not be UTF-8; if it is not, its bytes are sent as they are.
///
/// # Errors
///
/// As [`parse`]; and a command with bytes that are not UTF-8, for it could be meant for neither us nor the peer.
pub fn parse_bytes(line: &[u8], side: Side) -> Result<Option<Command>, Invalid> {
    match std::str::from_utf8(line) {
        Ok(line) => parse(line, side),
        Err(error) => match line {
            [b'/', b'/', ..] => Ok(Some(Command::SendBytes(line[1..].into()))),
            [b'/', ..] => Err(Invalid::new("command", String::from_utf8_lossy(line), "not UTF-8")
                .at(error.valid_up_to())
                .instead("start the line with // to send it")),
            _ => Ok(Some(Command::SendBytes(line.into()))),
        },
    }
}

/// Makes an error in a part of `line`, which begins at `at`, one in the whole line.
pub fn within(line: &str, at: usize, invalid: Invalid) -> Invalid {
    let at = at + invalid.at.unwrap_or(0);
    Invalid { input: line.into(), at: Some(at), ..invalid }
}

fn find(line: &str, name: &str, at: usize, side: Side) -> Result<&'static Entry, Invalid> {
    if let Some(entry) = COMMANDS.iter().find(|entry| entry.name == name) {
        return match entry.side {
            Some(only) if only != side => {
                let problem = format!("/{name} is for serve --console");
                Err(Invalid::new("command", line, problem).at(at).instead("write /help for what there is"))
            }
            _ => Ok(entry),
        };
    }
    let problem = match name {
        "" => "a command is missing".into(),
        _ => format!("no command /{}", callbox::text::safe(name)),
    };
    let instead = match near(name, side) {
        Some(entry) => format!("write {}", entry.example),
        None => "write /help, or start the line with // to send it".into(),
    };
    Err(Invalid::new("command", line, problem).at(at).instead(instead))
}

/// Returns the command that was begun, or probably meant.
fn near(name: &str, side: Side) -> Option<&'static Entry> {
    if name.is_empty() {
        return None;
    }
    let begun = commands(side).find(|entry| entry.name.starts_with(name));
    begun.or_else(|| {
        let meant = nearest(name, commands(side).map(|entry| entry.name))?;
        commands(side).find(|entry| entry.name == meant)
    })
}

/// A command's line while its arguments are read.
struct Line<'a> {
    line: &'a str,
    /// What is read so far.
    at: usize,
    entry: &'static Entry,
    side: Side,
}

impl<'a> Line<'a> {
    fn read(mut self) -> Result<Command, Invalid> {
        Ok(match self.entry.name {
            "hex" => {
                let (at, text) = self.rest()?;
                Command::Hex(parse_hex(text).map_err(|invalid| within(self.line, at, invalid))?)
            }
            "file" => Command::File(self.rest()?.1.into()),
            "every" => return self.every(),
            "encoding" => Command::Encoding(self.value()?),
            "frame" => Command::Frame(self.value()?),
            "show" => Command::Show(self.value()?),
            "timestamps" => Command::Timestamps(self.value()?),
            "eol" => Command::Eol(self.value()?.read()?),
            "eof" => self.alone(Command::Eof)?,
            "list" => self.alone(Command::List)?,
            "to" => Command::To { session: self.number()?, text: self.text()?.1.into() },
            "all" => Command::All(self.text()?.1.into()),
            "watch" if self.is_at_end() => Command::Watch(None),
            "watch" => Command::Watch(Some(self.session()?)),
            "close" => Command::Close(self.session()?),
            "reset" if self.side == Side::Connect || self.is_at_end() => self.alone(Command::Reset)?,
            "reset" => Command::ResetSession(self.session()?),
            "pause" => Command::Pause(self.session()?),
            "resume" => Command::Resume(self.session()?),
            "suspend" => self.alone(Command::Suspend)?,
            "accept" => self.alone(Command::Accept)?,
            "stats" => self.alone(Command::Stats)?,
            "quit" => self.alone(Command::Quit)?,
            _ => return self.help(),
        })
    }

    fn every(mut self) -> Result<Command, Invalid> {
        let (at, word) = self.word()?;
        if word == "off" {
            return self.alone(Command::EveryOff);
        }
        let example = format!("write {} or /every off", self.entry.example);
        let period = parse_duration(word).map_err(|invalid| within(self.line, at, invalid).instead(&*example))?;
        if period.is_zero() {
            return Err(self.wrong(at, "no time between two".into()).instead(example));
        }
        let (at, text) = self.text()?;
        Ok(Command::Every { period, template: self.argument(at, text) })
    }

    fn help(mut self) -> Result<Command, Invalid> {
        if self.is_at_end() {
            return Ok(Command::Help(None));
        }
        let (at, word) = self.word()?;
        let name = word.strip_prefix('/').unwrap_or(word);
        let entry = find(self.line, name, at, self.side)?;
        self.alone(Command::Help(Some(entry.name.into())))
    }

    fn wrong(&self, at: usize, problem: String) -> Invalid {
        Invalid::new("command", self.line, problem).at(at).instead(format!("write {}", self.entry.example))
    }

    fn missing(&self) -> Invalid {
        self.wrong(self.line.len(), format!("{} is missing", self.what()))
    }

    /// Names the argument that is due, for whoever left it out.
    fn what(&self) -> &'static str {
        match self.entry.name {
            "hex" => "the hex text",
            "file" => "the file's path",
            "every" if self.line[..self.at].split_whitespace().count() < 2 => "the time",
            "every" | "all" => "the text",
            "to" if self.line[..self.at].split_whitespace().count() >= 2 => "the text",
            "encoding" => "the encoding",
            "frame" => "the framing",
            _ if self.entry.arguments.contains("SESSION") => "the session's number",
            _ => "the value",
        }
    }

    fn skip_spaces(&mut self) {
        let rest = &self.line[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn is_at_end(&self) -> bool {
        self.line[self.at..].trim().is_empty()
    }

    /// Takes the next word.
    fn word(&mut self) -> Result<(usize, &'a str), Invalid> {
        if self.is_at_end() {
            return Err(self.missing());
        }
        self.skip_spaces();
        let at = self.at;
        let rest = &self.line[at..];
        let word = rest.split(char::is_whitespace).next().unwrap_or(rest);
        self.at += word.len();
        Ok((at, word))
    }

    /// Takes everything to the end but the spaces around it.
    fn rest(&mut self) -> Result<(usize, &'a str), Invalid> {
        if self.is_at_end() {
            return Err(self.missing());
        }
        self.skip_spaces();
        let at = std::mem::replace(&mut self.at, self.line.len());
        Ok((at, self.line[at..].trim_end()))
    }

    /// Takes everything after one space to the end, further spaces included.
    fn text(&mut self) -> Result<(usize, &'a str), Invalid> {
        let mut rest = self.line[self.at..].chars();
        let space = rest.next().map_or(0, char::len_utf8);
        if rest.as_str().is_empty() {
            return Err(self.missing());
        }
        let at = self.at + space;
        self.at = self.line.len();
        Ok((at, &self.line[at..]))
    }

    fn argument(&self, at: usize, text: &str) -> Argument {
        Argument { line: self.line.into(), at, text: text.into() }
    }

    /// Takes the one value of a command.
    fn value(&mut self) -> Result<Argument, Invalid> {
        // A framing's own delimiter may be a space: everything to the end is its value.
        let (at, text) = if self.entry.name == "frame" { self.rest()? } else { self.word()? };
        let argument = self.argument(at, text);
        self.end()?;
        Ok(argument)
    }

    /// Takes a session's number, `3` or `#3`.
    fn number(&mut self) -> Result<u64, Invalid> {
        let (at, word) = self.word()?;
        let digits = word.strip_prefix('#').unwrap_or(word);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match digits.parse() {
            Ok(number) if is_number => Ok(number),
            _ => Err(self.wrong(at, format!("\"{}\" is no session's number", callbox::text::safe(word)))),
        }
    }

    /// Takes a session's number, and nothing after it.
    fn session(&mut self) -> Result<u64, Invalid> {
        let number = self.number()?;
        self.end()?;
        Ok(number)
    }

    fn alone(mut self, command: Command) -> Result<Command, Invalid> {
        self.end().map(|()| command)
    }

    fn end(&mut self) -> Result<(), Invalid> {
        if self.is_at_end() {
            return Ok(());
        }
        self.skip_spaces();
        let usage = self.entry.usage(self.side);
        Err(self.wrong(self.at, format!("nothing may follow {usage}")))
    }
}

#[cfg(test)]
#[path = "command/tests.rs"]
mod tests;
