//! Makes any bytes safe to show, chunk by chunk.
//!
//! A peer chooses the bytes, the user owns the terminal: whatever could move the cursor, change a colour, hide or
//! reorder text is shown as an escape instead. A backslash is doubled, so that the view is unambiguous.
//!
//! ```
//! use callbox::text::{Lines, Printer};
//!
//! let (mut printer, mut out) = (Printer::new(Lines::Pass), String::new());
//! printer.push(b"caf\xc3", &mut out); // half of an e with an acute
//! printer.push(b"\xa9\x1b[31m\r\n", &mut out);
//! printer.finish(&mut out);
//! assert_eq!(out, "café\\x1b[31m\n");
//! ```

use std::borrow::Cow;

use super::encoding::{Decoder, Encoding};

mod screen;
mod utf8;

use screen::{Screen, next_shown_otherwise};
use utf8::Utf8;

/// What becomes of newlines, carriage returns and tabs; closed by nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// For a terminal: newline and tab pass, a carriage return directly before a newline is not shown, a lone one is
    /// `\r`.
    Pass,
    /// For one line: `\n`, `\r` and `\t`. [`unescape`](super::unescape) gives the bytes of UTF-8 back; in another
    /// encoding [`unescape_in`](super::unescape_in) does, as far as each character is written in one way only.
    Escape,
}

/// Shows bytes as text that is safe on a terminal; the edges of the chunks do not matter.
///
/// Bytes that do not fit the encoding are `\xHH`, C0 and DEL are `\x1b`; characters that show nothing or change how
/// others show are `\u{202e}`. In UTF-16 and ISO-2022-JP, where the byte 1b is not the character, C0 and DEL are
/// `\u{1b}`.
#[derive(Debug)]
pub struct Printer {
    screen: Screen,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// By itself, as it is the usual one and need not be copied.
    Utf8(Utf8),
    Other(Box<Decoder>),
}

impl Printer {
    /// Makes one for a new stream of bytes in UTF-8.
    pub fn new(lines: Lines) -> Printer {
        Printer { screen: Screen::new(lines), source: Source::Utf8(Utf8::new()) }
    }

    /// Makes one for a new stream of bytes in an encoding.
    pub fn in_encoding(lines: Lines, encoding: Encoding) -> Printer {
        if encoding.is_utf8() {
            return Printer::new(lines);
        }
        let mut screen = Screen::new(lines);
        screen.controls_are_bytes = encoding.is_ascii_compatible();
        Printer { screen, source: Source::Other(Box::new(encoding.decoder())) }
    }

    /// Appends `bytes` to `out`, made safe; an unfinished character or carriage return at their end waits for more.
    pub fn push(&mut self, bytes: &[u8], out: &mut String) {
        out.reserve(bytes.len());
        match &mut self.source {
            Source::Utf8(utf8) => utf8.push(bytes, &mut self.screen, out),
            Source::Other(decoder) => decoder.push(bytes, &mut |piece| self.screen.show_piece(piece, out)),
        }
    }

    /// Shows what was still waiting; to be called once, at the end of stream.
    pub fn finish(&mut self, out: &mut String) {
        match &mut self.source {
            Source::Utf8(utf8) => utf8.finish(&mut self.screen, out),
            Source::Other(decoder) => decoder.finish(&mut |piece| self.screen.show_piece(piece, out)),
        }
        self.screen.finish(out);
    }
}

/// Returns `text` safe to show on one line, by the rules of [`Lines::Escape`]: for any string a peer had a say in.
pub fn safe(text: &str) -> Cow<'_, str> {
    if next_shown_otherwise(text, Lines::Escape).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    Screen::new(Lines::Escape).show(text, &mut out);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
