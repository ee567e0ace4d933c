//! UTF-8 on its way to the screen: valid text in one go, and where many bytes are bad, one by one from a table.

use super::Lines;
use super::screen::{HEX_BYTES, Screen, is_shown};

/// The state between two chunks: the beginning of a character whose end has not come yet.
#[derive(Debug)]
pub(super) struct Utf8 {
    held: [u8; 4],
    held_len: usize,
}

impl Utf8 {
    pub(super) fn new() -> Utf8 {
        Utf8 { held: [0; 4], held_len: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8], screen: &mut Screen, out: &mut String) {
        let rest = self.complete(bytes, screen, out);
        let (mut rest, unfinished) = rest.split_at(rest.len() - unfinished_len(rest));
        while !rest.is_empty() {
            let error = match std::str::from_utf8(rest) {
                Ok(text) => {
                    screen.show(text, out);
                    break;
                }
                Err(error) => error,
            };
            let (valid, bad) = rest.split_at(error.valid_up_to());
            screen.show(std::str::from_utf8(valid).expect("valid up to there"), out);
            rest = show_mixed(bad, screen, out);
        }
        if !unfinished.is_empty() {
            self.held[..unfinished.len()].copy_from_slice(unfinished);
            self.held_len = unfinished.len();
        }
    }

    pub(super) fn finish(&mut self, screen: &mut Screen, out: &mut String) {
        let (held, len) = (self.held, std::mem::take(&mut self.held_len));
        screen.show_bytes(&held[..len], out);
    }

    /// Completes the held character with the first of `bytes`, and returns the others.
    fn complete<'a>(&mut self, mut bytes: &'a [u8], screen: &mut Screen, out: &mut String) -> &'a [u8] {
        while self.held_len > 0 {
            let Some((&next, rest)) = bytes.split_first() else { break };
            let mut held = self.held;
            held[self.held_len] = next;
            let len = std::mem::replace(&mut self.held_len, 0);
            match std::str::from_utf8(&held[..=len]) {
                Ok(text) => screen.show(text, out),
                Err(error) if error.error_len().is_none() => (self.held, self.held_len) = (held, len + 1),
                // What was held began a character, so it is `next` that breaks it, and may itself begin another.
                Err(_) => {
                    screen.show_bytes(&held[..len], out);
                    break;
                }
            }
            bytes = rest;
        }
        bytes
    }
}

/// Returns how many bytes at the end of `bytes` begin a character without ending it.
fn unfinished_len(bytes: &[u8]) -> usize {
    for len in 1..=bytes.len().min(3) {
        let tail = &bytes[bytes.len() - len..];
        match tail[0] {
            0x80..=0xbf => {}
            0xc2..=0xf4 => {
                let unfinished = std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none());
                return if unfinished { len } else { 0 };
            }
            _ => return 0,
        }
    }
    0
}

/// Shows bytes of which the first is bad, until a block has no bad ones; returns the rest. They end in no unfinished
/// character.
fn show_mixed<'a>(bytes: &'a [u8], screen: &mut Screen, out: &mut String) -> &'a [u8] {
    screen.settle_return(false, out);
    let cells = &CELLS[usize::from(screen.lines == Lines::Pass)];
    let mut stage = Stage { bytes: [0; STAGE_BYTES], len: 0 };
    let mut at = 0;
    while at < bytes.len() {
        // The length is a variable of its own here, which a register can hold.
        let (end, mut len, mut any_bad) = (bytes.len().min(at + BLOCK_BYTES), 0, false);
        while at < end {
            let byte = usize::from(bytes[at]);
            stage.bytes[len..len + 4].copy_from_slice(&cells.bytes[byte]);
            any_bad |= byte >= 0x80;
            // Without a branch on what the byte is, which nobody could predict of random ones.
            let continued = bytes.get(at + 1).is_some_and(|next| next & 0xc0 == 0x80);
            if cells.special[byte] & (ALWAYS | u8::from(continued)) == 0 {
                len += usize::from(cells.len[byte]);
                at += 1;
            } else {
                stage.len = len;
                at += show_special(&bytes[at..], &mut stage, screen, out);
                len = stage.len;
            }
        }
        stage.len = len;
        stage.flush(out);
        if !any_bad {
            break;
        }
    }
    &bytes[at..]
}

/// Shows what one byte alone does not decide; returns how many bytes that took.
fn show_special(bytes: &[u8], stage: &mut Stage, screen: &mut Screen, out: &mut String) -> usize {
    if bytes[0] == b'\r' {
        match bytes.get(1) {
            Some(b'\n') => {}
            Some(_) => stage.put(b"\\r"),
            None => screen.hold_return(),
        }
        return 1;
    }
    match head(bytes) {
        Ok(c) if is_shown(c) => {
            stage.put(c.encode_utf8(&mut [0; 4]).as_bytes());
            c.len_utf8()
        }
        Ok(c) => {
            stage.flush(out);
            screen.show_otherwise(c, out);
            c.len_utf8()
        }
        Err(count) => {
            bytes[..count].iter().for_each(|byte| stage.put(&HEX_BYTES[4 * usize::from(*byte)..][..4]));
            count
        }
    }
}

/// Reads the first character, or tells how many bytes are bad.
fn head(bytes: &[u8]) -> Result<char, usize> {
    let four = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(four) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() == 0 => return Err(error.error_len().unwrap_or(four.len())),
        Err(error) => std::str::from_utf8(&four[..error.valid_up_to()]).expect("valid up to there"),
    };
    valid.chars().next().ok_or(0)
}

/// Text on its way out.
struct Stage {
    bytes: [u8; STAGE_BYTES],
    len: usize,
}

impl Stage {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn flush(&mut self, out: &mut String) {
        out.push_str(std::str::from_utf8(&self.bytes[..self.len]).expect("whole characters and escapes alone"));
        self.len = 0;
    }
}

/// How many bytes are shown between two looks at whether they are bad at all: some lines of broken text.
const BLOCK_BYTES: usize = 256;

/// Room for a block of which each byte becomes four, and for a character that goes beyond its end.
const STAGE_BYTES: usize = 4 * BLOCK_BYTES + 32;

/// How each byte shows; four bytes wide, so that copying one is a single store.
struct Cells {
    bytes: [[u8; 4]; 256],
    /// How many of the four count.
    len: [u8; 256],
    /// When it takes more than this byte to tell: 0, `IF_CONTINUED` or `ALWAYS`.
    special: [u8; 256],
}

/// What may begin a character is bad by itself unless one of the bytes that continue characters follows.
const IF_CONTINUED: u8 = 1;
const ALWAYS: u8 = 2;

/// For `Lines::Escape` and `Lines::Pass`.
static CELLS: [Cells; 2] = [cells(false), cells(true)];

const fn cells(pass: bool) -> Cells {
    let mut cells = Cells { bytes: [[0; 4]; 256], len: [0; 256], special: [0; 256] };
    let mut byte = 0;
    while byte < 256 {
        let hex = 4 * byte;
        let (bytes, len, special) = match byte as u8 {
            b'\r' if pass => ([0; 4], 0, ALWAYS),
            b'\n' | b'\t' if pass => ([byte as u8, 0, 0, 0], 1, 0),
            b'\n' => (*b"\\n\0\0", 2, 0),
            b'\r' => (*b"\\r\0\0", 2, 0),
            b'\t' => (*b"\\t\0\0", 2, 0),
            b'\\' => (*b"\\\\\0\0", 2, 0),
            b' '..=b'~' => ([byte as u8, 0, 0, 0], 1, 0),
            other => {
                let escape = [HEX_BYTES[hex], HEX_BYTES[hex + 1], HEX_BYTES[hex + 2], HEX_BYTES[hex + 3]];
                (escape, 4, if matches!(other, 0xc2..=0xf4) { IF_CONTINUED } else { 0 })
            }
        };
        (cells.bytes[byte], cells.len[byte], cells.special[byte]) = (bytes, len, special);
        byte += 1;
    }
    cells
}
