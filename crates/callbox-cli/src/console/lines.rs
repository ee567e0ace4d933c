//! A console without an editor: lines as they come from standard input, so that a program can drive it.

use std::io::{self, Read};

use tokio::sync::mpsc;

use super::Typed;
use crate::ui::input::Stdin;

/// The longest line; of what is longer nothing is taken.
const LINE_BYTES: usize = 1024 * 1024;
/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// Reads standard input line by line, by a thread, and no more than the receiver takes.
pub fn start(typed: mpsc::Sender<Typed>, terminal: bool) -> io::Result<()> {
    // Never joined: a blocked read cannot be cancelled, and must not hold the exit.
    std::thread::Builder::new().name("callbox-console".into()).spawn(move || work(&typed, terminal))?;
    Ok(())
}

fn work(typed: &mpsc::Sender<Typed>, terminal: bool) {
    let mut lines = Lines::new(terminal);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = match Stdin.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) => {
                let _ =
                    typed.blocking_send(Typed::Notice(format!("standard input: {}", callbox::error::plain(&error))));
                break;
            }
        };
        if !lines.push(&buffer[..read], |line| typed.blocking_send(line).is_ok()) {
            return;
        }
    }
    if let Some(line) = lines.finish() {
        let _ = typed.blocking_send(line);
    }
    let _ = typed.blocking_send(Typed::End);
}

/// Puts lines together from what was read.
struct Lines {
    line: Vec<u8>,
    /// The line is too long already.
    skipping: bool,
    /// It was said before that a line was too long.
    said: bool,
    /// Somebody types: a CR before the line's end is no part of it.
    terminal: bool,
}

impl Lines {
    fn new(terminal: bool) -> Lines {
        Lines { line: Vec::new(), skipping: false, said: false, terminal }
    }

    /// Takes what was read and gives out what is complete, until `give` returns false.
    fn push(&mut self, mut read: &[u8], mut give: impl FnMut(Typed) -> bool) -> bool {
        while let Some(end) = read.iter().position(|byte| *byte == b'\n') {
            self.take(&read[..end]);
            read = &read[end + 1..];
            if let Some(line) = self.end()
                && !give(line)
            {
                return false;
            }
        }
        self.take(read);
        true
    }

    /// Gives out the last line, which nothing ends.
    fn finish(mut self) -> Option<Typed> {
        if self.line.is_empty() && !self.skipping { None } else { self.end() }
    }

    fn take(&mut self, part: &[u8]) {
        if self.line.len() + part.len() > LINE_BYTES {
            self.skipping = true;
            self.line = Vec::new();
        }
        if !self.skipping {
            self.line.extend_from_slice(part);
        }
    }

    fn end(&mut self) -> Option<Typed> {
        let mut line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.skipping) {
            let first = !std::mem::replace(&mut self.said, true);
            return first
                .then(|| Typed::Notice("callbox: a line of more than 1 MiB was skipped; send it with /file".into()));
        }
        if self.terminal && line.ends_with(b"\r") {
            line.pop();
        }
        Some(Typed::Line(line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(chunks: &[&[u8]], terminal: bool) -> Vec<Typed> {
        let mut lines = Lines::new(terminal);
        let mut typed = Vec::new();
        for chunk in chunks {
            lines.push(chunk, |line| {
                typed.push(line);
                true
            });
        }
        typed.extend(lines.finish());
        typed
    }

    fn line(bytes: &[u8]) -> Typed {
        Typed::Line(bytes.into())
    }

    #[test]
    fn a_last_line_counts_without_its_end() {
        assert_eq!(all(&[b"a\n\nb"], false), [line(b"a"), line(b""), line(b"b")]);
        assert_eq!(all(&[b"a\n"], false), [line(b"a")]);
        assert_eq!(all(&[], false), []);
    }

    #[test]
    fn bytes_that_are_no_text_stay_as_they_are() {
        assert_eq!(all(&[b"\xff\xfe\r\nb\0"], false), [line(b"\xff\xfe\r"), line(b"b\0")]);
    }

    #[test]
    fn a_terminals_carriage_return_is_no_part_of_the_line() {
        assert_eq!(all(&[b"a\r\nb\rc\n"], true), [line(b"a"), line(b"b\rc")]);
    }

    #[test]
    fn a_line_too_long_is_said_once_and_skipped() {
        let long = vec![b'a'; LINE_BYTES];
        let typed = all(&[&long, b"\n", &long, b"a\nb\n", &long, b"aa", &long], false);
        assert_eq!(typed[0], line(&long));
        assert!(matches!(&typed[1], Typed::Notice(text) if text.contains("1 MiB")));
        assert_eq!(typed[2..], [line(b"b")]);
    }

    #[test]
    fn nobody_who_takes_lines_ends_the_reading() {
        let mut given = 0;
        let goes_on = Lines::new(false).push(b"a\nb\nc\n", |_| {
            given += 1;
            given < 2
        });
        assert_eq!((goes_on, given), (false, 2));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(text in "[ab\r\n\u{e9}]{0,40}", at in 0..40usize) {
            let bytes = text.as_bytes();
            let (a, b) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(all(&[a, b], false), all(&[bytes], false));
        }
    }
}
