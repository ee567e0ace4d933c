//! The commands there are, as parser, help, completion and errors know them.

use super::Side;

/// One command as help, completion and errors know it.
#[derive(Debug)]
pub struct Entry {
    /// Its name without the slash.
    pub name: &'static str,
    /// Its arguments as help shows them.
    pub arguments: &'static str,
    /// What it does, in a few words.
    pub help: &'static str,
    /// A right line.
    pub example: &'static str,
    /// The only side that has it, or both.
    pub side: Option<Side>,
}

const fn both(name: &'static str, arguments: &'static str, example: &'static str, help: &'static str) -> Entry {
    Entry { name, arguments, help, example, side: None }
}

const fn serve(name: &'static str, arguments: &'static str, example: &'static str, help: &'static str) -> Entry {
    Entry { name, arguments, help, example, side: Some(Side::Serve) }
}

/// All commands, in the order of help.
pub const COMMANDS: [Entry; 22] = [
    both("hex", "BYTES", "/hex 01 03 00 00", "send bytes, no line ending"),
    both("file", "PATH", "/file request.bin", "send what is in a file"),
    both("every", "TIME TEXT|off", "/every 1s ping {n}", "send a template again and again, or stop that"),
    both("encoding", "NAME", "/encoding gbk", "of what is typed and shown"),
    both("frame", "SPEC", "/frame line", "where one frame ends and the next begins"),
    both("show", "text|hex|both|raw|none", "/show both", "how bytes are shown"),
    both("timestamps", "none|clock|delta|relative", "/timestamps clock", "the time before each line"),
    both("eol", "lf|crlf|cr|none", "/eol crlf", "what ends each line sent"),
    both("eof", "", "/eof", "end our stream, go on receiving"),
    serve("list", "", "/list", "sessions: client, age, bytes, rate, last line"),
    serve("to", "SESSION TEXT", "/to 3 hello", "send a line to one session"),
    serve("all", "TEXT", "/all hello", "send a line to every session"),
    serve("watch", "[SESSION]", "/watch 3", "show and answer one session alone, or show all again"),
    serve("close", "SESSION", "/close 3", "end our stream and close"),
    both("reset", "[SESSION]", "/reset", "abort with a reset"),
    serve("pause", "SESSION", "/pause 3", "stop reading: the client sees a full window"),
    serve("resume", "SESSION", "/resume 3", "read again"),
    serve("suspend", "", "/suspend", "stop accepting"),
    serve("accept", "", "/accept", "accept again"),
    both("stats", "", "/stats", "bytes, chunks, frames, round trips"),
    both("quit", "", "/quit", "leave"),
    both("help", "[NAME]", "/help every", "this list, or one command"),
];

/// Returns the commands of one side.
pub fn commands(side: Side) -> impl Iterator<Item = &'static Entry> {
    COMMANDS.iter().filter(move |entry| entry.side.is_none_or(|only| only == side))
}

impl Entry {
    /// Returns the arguments as one side has them: `/reset` needs a session on a server alone.
    pub fn arguments(&self, side: Side) -> &'static str {
        match (self.name, side) {
            ("reset", Side::Connect) => "",
            _ => self.arguments,
        }
    }

    pub(super) fn usage(&self, side: Side) -> String {
        format!("/{} {}", self.name, self.arguments(side)).trim_end().to_owned()
    }
}

/// Returns what `/help` shows: all commands, or the one that is named.
pub fn help(side: Side, name: Option<&str>) -> String {
    if let Some(entry) = name.and_then(|name| commands(side).find(|entry| entry.name == name)) {
        return format!("{}: {}\nfor example: {}\n", entry.usage(side), entry.help, entry.example);
    }
    let width = commands(side).map(|entry| entry.usage(side).len()).max().unwrap_or(0);
    let mut text: String =
        commands(side).map(|entry| format!("{:width$}  {}\n", entry.usage(side), entry.help)).collect();
    text.push_str(match side {
        Side::Connect => "Any other line is sent; one that starts with // is sent with one slash.\n",
        Side::Serve => "Any other line goes to the watched session; one that starts with // is sent with one slash.\n",
    });
    text
}
