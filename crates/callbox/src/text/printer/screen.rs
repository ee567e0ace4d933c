//! What a terminal may see: the rules for every character, and for bytes that are none.

use std::fmt::Write as _;

use super::Lines;
use crate::text::encoding::Piece;

/// Writes what may be seen; the one thing it keeps is a carriage return that waits for what follows it.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) lines: Lines,
    /// Whether the byte of a control is the control, so that `\x1b` stands for both.
    pub(super) controls_are_bytes: bool,
    /// Whether a carriage return waits (`Lines::Pass` only).
    held_return: bool,
}

impl Screen {
    pub(super) fn new(lines: Lines) -> Screen {
        Screen { lines, controls_are_bytes: true, held_return: false }
    }

    pub(super) fn show_piece(&mut self, piece: Piece<'_>, out: &mut String) {
        match piece {
            Piece::Text(text) => self.show(text, out),
            Piece::Bad(bytes) => self.show_bytes(bytes, out),
        }
    }

    /// Shows characters.
    pub(super) fn show(&mut self, text: &str, out: &mut String) {
        if text.is_empty() {
            return;
        }
        self.settle_return(text.starts_with('\n'), out);
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
                    self.settle_return(text.as_bytes()[at] == b'\n', out);
                }
            } else {
                self.show_otherwise(c, out);
            }
        }
        out.push_str(&text[copied..]);
    }

    /// Shows a character as an escape.
    pub(super) fn show_otherwise(&self, c: char, out: &mut String) {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x7f' if self.controls_are_bytes => {
                let at = 4 * c as usize;
                out.push_str(&HEX[at..at + 4]);
            }
            _ => write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a String takes everything"),
        }
    }

    /// Shows bytes that are no characters.
    pub(super) fn show_bytes(&mut self, bytes: &[u8], out: &mut String) {
        if bytes.is_empty() {
            return;
        }
        self.settle_return(false, out);
        for byte in bytes {
            let at = 4 * usize::from(*byte);
            out.push_str(&HEX[at..at + 4]);
        }
    }

    /// Shows what was still waiting.
    pub(super) fn finish(&mut self, out: &mut String) {
        self.settle_return(false, out);
    }

    /// Lets a carriage return wait for what follows it.
    pub(super) fn hold_return(&mut self) {
        self.held_return = true;
    }

    /// Shows a carriage return that waited, unless a newline makes it half of a line ending.
    pub(super) fn settle_return(&mut self, newline_follows: bool, out: &mut String) {
        if std::mem::take(&mut self.held_return) && !newline_follows {
            out.push_str("\\r");
        }
    }
}

/// The escape of every byte, one behind the other.
static HEX: &str = match std::str::from_utf8(&HEX_BYTES) {
    Ok(text) => text,
    Err(_) => panic!("ASCII alone"),
};

pub(super) const HEX_BYTES: [u8; 1024] = {
    let (digits, mut bytes, mut byte) = (b"0123456789abcdef", [0; 1024], 0);
    while byte < 256 {
        bytes[4 * byte] = b'\\';
        bytes[4 * byte + 1] = b'x';
        bytes[4 * byte + 2] = digits[byte / 16];
        bytes[4 * byte + 3] = digits[byte % 16];
        byte += 1;
    }
    bytes
};

/// Returns how many bytes of `text` are shown as they are, and the character that ends them.
pub(super) fn next_shown_otherwise(text: &str, lines: Lines) -> Option<(usize, char)> {
    let bytes = text.as_bytes();
    let lens = &SHOWN_LEN[usize::from(lines == Lines::Pass)];
    let mut at = 0;
    while at < bytes.len() {
        at += match lines {
            Lines::Pass => plain_run::<true>(&bytes[at..]),
            Lines::Escape => plain_run::<false>(&bytes[at..]),
        };
        // Then some characters by themselves, as what is not all ASCII has few blocks that are.
        let end = bytes.len().min(at + 4 * BLOCK_BYTES);
        while at < end {
            let len = match (lens[usize::from(bytes[at])], bytes[at], bytes.get(at + 1)) {
                // The signs of Latin-1 but for the soft hyphen; punctuation of Chinese and Japanese, Kana, full width.
                (_, 0xc2, Some(0xa0..=0xac | 0xae..=0xbf)) => 2,
                (_, 0xe3, Some(0x80..=0x84)) | (_, 0xef, Some(0xbc)) => 3,
                (len, ..) => usize::from(len),
            };
            if len > 0 {
                at += len;
                continue;
            }
            let c = text[at..].chars().next()?;
            if c.is_ascii() || !is_shown(c) {
                return Some((at, c));
            }
            at += c.len_utf8();
        }
    }
    None
}

/// By its first byte in UTF-8, how long a character is that surely shows as itself; 0 where that takes a look at it.
///
/// So whole ranges need no more: ASCII, the letters of Europe, Hanzi, Hangul. For `Lines::Escape` and `Lines::Pass`.
static SHOWN_LEN: [[u8; 256]; 2] = [shown_len(false), shown_len(true)];

const fn shown_len(pass: bool) -> [u8; 256] {
    let (mut table, mut first) = ([0; 256], 0);
    while first < 256 {
        table[first] = match first as u8 {
            b'\n' | b'\t' => pass as u8,
            b'\\' => 0,
            b' '..=b'~' => 1,
            // U+0340 to U+037F and U+0600 to U+063F hold a joiner and a mark.
            0xcd | 0xd8 => 0,
            0xc3..=0xdf => 2,
            // Those before hold fillers, marks and separators, and those after what is not for characters.
            0xe4..=0xed => 3,
            _ => 0,
        };
        first += 1;
    }
    table
}

/// Tells whether a byte is printable ASCII other than a backslash.
fn plain(b: u8) -> bool {
    // Without short circuits, so that a block is a handful of vector operations.
    (b' '..=b'~').contains(&b) & (b != b'\\')
}

/// How many bytes are looked at together: two vectors of the smallest machine, a fraction of a line of text.
const BLOCK_BYTES: usize = 32;

/// Returns how many leading bytes are ASCII that passes.
fn plain_run<const PASS: bool>(bytes: &[u8]) -> usize {
    let plain = |b: u8| plain(b) | (PASS & ((b == b'\n') | (b == b'\t')));
    if !bytes.first().is_some_and(|&b| plain(b)) {
        return 0;
    }
    let blocks = bytes.chunks_exact(BLOCK_BYTES);
    let run = BLOCK_BYTES * blocks.take_while(|block| block.iter().fold(true, |all, &b| all & plain(b))).count();
    run + bytes[run..].iter().position(|&b| !plain(b)).unwrap_or(bytes.len() - run)
}

/// Tells whether a character beyond ASCII shows as itself, and changes nothing about its neighbours.
///
/// Variation selectors pass: they only choose between two forms of the character before them. Private use passes too;
/// icon fonts live there.
pub(super) fn is_shown(c: char) -> bool {
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
