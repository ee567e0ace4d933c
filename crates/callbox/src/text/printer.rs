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
use std::fmt::Write as _;

use super::hex::push_byte;

/// What becomes of newlines, carriage returns and tabs; closed by nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// For a terminal: newline and tab pass, a carriage return directly before a newline is not shown, a lone one is
    /// `\r`.
    Pass,
    /// For one line: `\n`, `\r` and `\t`. [`unescape`](super::unescape) gives the bytes back.
    Escape,
}

/// Shows bytes as text that is safe on a terminal; the edges of the chunks do not matter.
///
/// Invalid UTF-8 is `\xHH`, C0 and DEL are `\x1b`; characters that show nothing or change how others show are
/// `\u{202e}`.
#[derive(Debug, Clone)]
pub struct Printer {
    lines: Lines,
    /// The beginning of a character whose end has not come yet.
    held: [u8; 4],
    held_len: usize,
    /// Whether a carriage return waits for what follows it (`Lines::Pass` only); it came before `held`.
    held_return: bool,
}

impl Printer {
    /// Makes one for a new stream of bytes.
    pub fn new(lines: Lines) -> Printer {
        Printer { lines, held: [0; 4], held_len: 0, held_return: false }
    }

    /// Appends `bytes` to `out`, made safe; an unfinished character or carriage return at their end waits for more.
    pub fn push(&mut self, bytes: &[u8], out: &mut String) {
        out.reserve(bytes.len());
        let mut rest = self.complete(bytes, out);
        while !rest.is_empty() {
            let error = match std::str::from_utf8(rest) {
                Ok(text) => return self.show(text, out),
                Err(error) => error,
            };
            let (valid, bad) = rest.split_at(error.valid_up_to());
            self.show(std::str::from_utf8(valid).expect("valid up to there"), out);
            let Some(len) = error.error_len() else {
                self.held[..bad.len()].copy_from_slice(bad);
                self.held_len = bad.len();
                return;
            };
            self.show_bytes(&bad[..len], out);
            rest = &bad[len..];
        }
    }

    /// Shows what was still waiting; to be called once, at the end of stream.
    pub fn finish(&mut self, out: &mut String) {
        let (held, len) = (self.held, std::mem::take(&mut self.held_len));
        self.show_bytes(&held[..len], out);
        self.settle_return("", out);
    }

    /// Completes the held character with the first of `bytes`, and returns the others.
    fn complete<'a>(&mut self, mut bytes: &'a [u8], out: &mut String) -> &'a [u8] {
        while self.held_len > 0 {
            let Some((&next, rest)) = bytes.split_first() else { break };
            let mut held = self.held;
            held[self.held_len] = next;
            let len = std::mem::replace(&mut self.held_len, 0);
            match std::str::from_utf8(&held[..=len]) {
                Ok(text) => self.show(text, out),
                Err(error) if error.error_len().is_none() => (self.held, self.held_len) = (held, len + 1),
                // What was held began a character, so it is `next` that breaks it, and may itself begin another.
                Err(_) => {
                    self.show_bytes(&held[..len], out);
                    break;
                }
            }
            bytes = rest;
        }
        bytes
    }

    fn show(&mut self, text: &str, out: &mut String) {
        if text.is_empty() {
            return;
        }
        self.settle_return(text, out);
        let mut copied = 0;
        let mut at = 0;
        while let Some((run, c)) = next_shown_otherwise(&text[at..], self.lines) {
            at += run;
            out.push_str(&text[copied..at]);
            at += c.len_utf8();
            copied = at;
            if c == '\r' && self.lines == Lines::Pass {
                self.held_return = true;
                if at < text.len() {
                    self.settle_return(&text[at..], out);
                }
            } else {
                show_otherwise(c, out);
            }
        }
        out.push_str(&text[copied..]);
    }

    fn show_bytes(&mut self, bytes: &[u8], out: &mut String) {
        if bytes.is_empty() {
            return;
        }
        self.settle_return("", out);
        for byte in bytes {
            out.push_str("\\x");
            push_byte(*byte, out);
        }
    }

    /// Shows a carriage return that waited, unless `next` makes it half of a line ending.
    fn settle_return(&mut self, next: &str, out: &mut String) {
        if std::mem::take(&mut self.held_return) && !next.starts_with('\n') {
            out.push_str("\\r");
        }
    }
}

/// Returns `text` safe to show on one line, by the rules of [`Lines::Escape`]: for any string a peer had a say in.
pub fn safe(text: &str) -> Cow<'_, str> {
    if next_shown_otherwise(text, Lines::Escape).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    let mut printer = Printer::new(Lines::Escape);
    printer.push(text.as_bytes(), &mut out);
    Cow::Owned(out)
}

/// Returns how many bytes of `text` are shown as they are, and the character that ends them.
fn next_shown_otherwise(text: &str, lines: Lines) -> Option<(usize, char)> {
    let mut at = 0;
    loop {
        at += match lines {
            Lines::Pass => plain_run::<true>(&text.as_bytes()[at..]),
            Lines::Escape => plain_run::<false>(&text.as_bytes()[at..]),
        };
        let c = text[at..].chars().next()?;
        if c.is_ascii() || !is_shown(c) {
            return Some((at, c));
        }
        at += c.len_utf8();
    }
}

/// How many bytes are looked at together: two vectors of the smallest machine, a fraction of a line of text.
const BLOCK_BYTES: usize = 32;

/// Returns how many leading bytes are ASCII that passes.
fn plain_run<const PASS: bool>(bytes: &[u8]) -> usize {
    // Without short circuits, so that a block is a handful of vector operations.
    let plain = |b: u8| ((b' '..=b'~').contains(&b) & (b != b'\\')) | (PASS & ((b == b'\n') | (b == b'\t')));
    if !bytes.first().is_some_and(|&b| plain(b)) {
        return 0;
    }
    let blocks = bytes.chunks_exact(BLOCK_BYTES);
    let run = BLOCK_BYTES * blocks.take_while(|block| block.iter().fold(true, |all, &b| all & plain(b))).count();
    run + bytes[run..].iter().position(|&b| !plain(b)).unwrap_or(bytes.len() - run)
}

fn show_otherwise(c: char, out: &mut String) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\0'..='\x7f' => {
            out.push_str("\\x");
            push_byte(c as u8, out);
        }
        _ => write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a String takes everything"),
    }
}

/// Tells whether a character beyond ASCII shows as itself, and changes nothing about its neighbours.
///
/// Variation selectors pass: they only choose between two forms of the character before them. Private use passes too;
/// icon fonts live there.
fn is_shown(c: char) -> bool {
    match c {
        // C1: some terminals obey them as they obey ESC.
        '\u{80}'..='\u{9f}' => false,
        // Soft hyphen, grapheme joiner, Arabic letter mark, and fillers that are as wide as nothing.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180e}' => false,
        // Zero width, marks, line and paragraph separators, embeddings, overrides, isolates, invisible operators.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => false,
        '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' => false,
        // Shorthand and musical controls.
        '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' => false,
        '\u{e0100}'..='\u{e01ef}' => true,
        // Tags, and what is set aside beside them.
        '\u{e0000}'..='\u{e0fff}' => false,
        '\u{fdd0}'..='\u{fdef}' => false,
        // The last two of each plane are no characters.
        _ => u32::from(c) & 0xfffe != 0xfffe,
    }
}

#[cfg(test)]
mod tests;
