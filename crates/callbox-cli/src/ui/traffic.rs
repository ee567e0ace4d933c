//! Traffic as lines: `#1 > hello` is what the client sent, `#1 < thank you !` what it was sent.

use std::collections::HashMap;

use callbox::direction::Direction;
use callbox::report::SessionId;
use callbox::text::{Lines, Printer};

/// The longest line; the rest is counted at its end.
const LINE_BYTES: usize = 64 * 1024;
/// Sessions whose split characters are remembered; more than that can only be open when their ends were lost.
const MAX_REMEMBERED: usize = 1 << 17;

/// Prints chunks, one a line, with characters that are split over chunks shown once and whole.
pub struct Traffic {
    printers: HashMap<(SessionId, Direction), Printer>,
    colored: bool,
    text: String,
}

impl Traffic {
    /// Nothing seen yet.
    pub fn new(colored: bool) -> Traffic {
        Traffic { printers: HashMap::new(), colored, text: String::new() }
    }

    /// Appends a chunk's line to `out`.
    pub fn chunk(&mut self, session: SessionId, direction: Direction, bytes: &[u8], out: &mut Vec<u8>) {
        if self.printers.len() >= MAX_REMEMBERED {
            self.printers.clear();
        }
        let shown = &bytes[..bytes.len().min(LINE_BYTES)];
        self.text.clear();
        let printer = self.printers.entry((session, direction)).or_insert_with(|| Printer::new(Lines::Escape));
        printer.push(shown, &mut self.text);
        let hidden = bytes.len() - shown.len() + cut(&mut self.text);
        if hidden > 0 {
            self.text.push_str(&format!("… +{hidden} bytes"));
        }
        // A chunk that is only the beginning of a character is shown with its rest.
        if !self.text.is_empty() {
            self.line(session, direction, out);
        }
    }

    /// The direction has ended: shows what is left of a character that never became whole.
    pub fn end(&mut self, session: SessionId, direction: Direction, out: &mut Vec<u8>) {
        if let Some(mut printer) = self.printers.remove(&(session, direction)) {
            self.text.clear();
            printer.finish(&mut self.text);
            if !self.text.is_empty() {
                self.line(session, direction, out);
            }
        }
    }

    fn line(&self, session: SessionId, direction: Direction, out: &mut Vec<u8>) {
        let (arrow, color) = match direction {
            Direction::ToServer => ('>', "36"),
            Direction::ToClient => ('<', "32"),
        };
        let line = match self.colored {
            true => format!("\x1b[{color}m{session} {arrow}\x1b[0m {}\n", self.text),
            false => format!("{session} {arrow} {}\n", self.text),
        };
        out.extend_from_slice(line.as_bytes());
    }
}

/// Cuts text to the longest line and returns how many bytes of it went.
fn cut(text: &mut String) -> usize {
    if text.len() <= LINE_BYTES {
        return 0;
    }
    let end = (0..=LINE_BYTES).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    let hidden = text.len() - end;
    text.truncate(end);
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> String {
        let mut traffic = Traffic::new(false);
        let mut out = Vec::new();
        for chunk in chunks {
            traffic.chunk(SessionId(1), Direction::ToServer, chunk, &mut out);
        }
        traffic.end(SessionId(1), Direction::ToServer, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_newline_is_shown_and_does_not_break_the_line() {
        assert_eq!(lines(&[b"hello\nworld\x1b[2J"]), "#1 > hello\\nworld\\x1b[2J\n");
    }

    #[test]
    fn a_character_split_over_chunks_is_shown_once_and_whole() {
        assert_eq!(lines(&["你".as_bytes(), &"好".as_bytes()[..1], &"好".as_bytes()[1..]]), "#1 > 你\n#1 > 好\n");
        assert_eq!(lines(&[&"好".as_bytes()[..2]]), "#1 > \\xe5\\xa5\n");
    }

    #[test]
    fn a_long_line_is_cut_and_the_rest_counted() {
        let line = lines(&[&vec![b'a'; 100_000]]);
        assert!(line.ends_with("a… +34464 bytes\n"), "{}", &line[line.len() - 40..]);
        assert!(line.len() < LINE_BYTES + 64);
    }
}
