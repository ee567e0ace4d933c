//! A hexdump of bytes that come in chunks: offsets, digits, the ASCII column.
//!
//! With the ASCII column, lines are those of `xxd`; without it, they are single pairs of digits. The edges of chunks
//! leave no trace.

use super::digits::{DIM, RESET};

mod line;

use line::LINE_BYTES;

/// How the lines of a [`Hexdump`] look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layout {
    /// The ASCII column, as `xxd` has it; digits then stand in groups of four.
    pub ascii: bool,
    /// ANSI colours by class of byte (NUL, printable, white space, other control, beyond ASCII), the offset dimmed.
    ///
    /// Codes stand only where the class changes, and a reset ends each line. Without them the text is the uncoloured one.
    pub colored: bool,
    /// Repeated full lines become one `*`, as `hexdump -C` has it.
    ///
    /// The last line of a dump is shown even when it is a repeated one, so that the length can be seen.
    pub squeeze: bool,
}

/// Lays out bytes as lines of sixteen.
///
/// Offsets have eight digits, and more beyond 4 GiB. See the [example](crate::view) of the module.
#[derive(Debug, Clone)]
pub struct Hexdump {
    layout: Layout,
    prefix: Vec<u8>,
    /// Of the line that comes next.
    offset: u64,
    held: [u8; LINE_BYTES],
    held_len: usize,
    /// The full line before, which the next one may repeat.
    previous: Option<[u8; LINE_BYTES]>,
    /// How many lines have repeated it.
    repeated: u64,
}

impl Hexdump {
    /// Makes one that starts at offset 0.
    pub fn new(layout: Layout) -> Hexdump {
        Hexdump {
            layout,
            prefix: Vec::new(),
            offset: 0,
            held: [0; LINE_BYTES],
            held_len: 0,
            previous: None,
            repeated: 0,
        }
    }

    /// Puts `prefix` in front of each line, as it is: `#1 > `, for example, or that with colour codes of the caller's.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<Vec<u8>>) -> Hexdump {
        self.prefix = prefix.into();
        self
    }

    /// Appends the lines that `bytes` complete to `out`; the rest waits for more.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        if self.held_len > 0 {
            let taken = bytes.len().min(LINE_BYTES - self.held_len);
            self.hold(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.held_len < LINE_BYTES {
                return;
            }
            self.held_len = 0;
            let line = self.held;
            self.full(&line, out);
        }
        let (lines, rest) = bytes.as_chunks();
        if !self.layout.squeeze {
            out.reserve(lines.len() * self.width());
        }
        for line in lines {
            self.full(line, out);
        }
        self.hold(rest);
    }

    /// Appends the last, short line and starts again at offset 0.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.flush(out);
        self.offset = 0;
        self.previous = None;
    }

    /// Appends what is held as a short line, but goes on counting offsets.
    ///
    /// For a person who watches: the next bytes start a new line.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        if self.held_len > 0 {
            self.settle(out);
            let held = self.held;
            let held = &held[..self.held_len];
            out.extend_from_slice(&self.prefix);
            if self.layout.colored {
                line::colored(self.offset, held, self.layout.ascii, out);
            } else {
                line::short(self.offset, held, self.layout.ascii, out);
            }
            self.offset += held.len() as u64;
            self.held_len = 0;
            self.previous = None;
        } else if self.repeated > 0
            && let Some(last) = self.previous
        {
            // The last line is shown whatever it repeats.
            self.repeated = 0;
            self.offset -= LINE_BYTES as u64;
            self.show(&last, out);
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        self.held[self.held_len..self.held_len + bytes.len()].copy_from_slice(bytes);
        self.held_len += bytes.len();
    }

    fn full(&mut self, bytes: &[u8; LINE_BYTES], out: &mut Vec<u8>) {
        if self.layout.squeeze {
            if self.previous == Some(*bytes) {
                self.repeated += 1;
                // Not with the first: it may be the last line, which is shown, and then nothing is left out.
                if self.repeated == 2 {
                    self.star(out);
                }
                self.offset += LINE_BYTES as u64;
                return;
            }
            self.settle(out);
            self.previous = Some(*bytes);
        }
        self.show(bytes, out);
    }

    /// Marks a repeated line that is not the last after all.
    fn settle(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.repeated) == 1 {
            self.star(out);
        }
    }

    fn star(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.prefix);
        if self.layout.colored {
            out.extend_from_slice(DIM);
            out.push(b'*');
            out.extend_from_slice(RESET);
        } else {
            out.push(b'*');
        }
        out.push(b'\n');
    }

    fn show(&mut self, bytes: &[u8; LINE_BYTES], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.prefix);
        match self.layout {
            Layout { colored: true, ascii, .. } => line::colored(self.offset, bytes, ascii, out),
            Layout { ascii: true, .. } => line::full_with_ascii(self.offset, bytes, out),
            Layout { ascii: false, .. } => line::full_of_pairs(self.offset, bytes, out),
        }
        self.offset += LINE_BYTES as u64;
    }

    /// Returns the length of a full line without colours, to make room once a chunk.
    fn width(&self) -> usize {
        self.prefix.len() + if self.layout.ascii { line::WIDTH_WITH_ASCII } else { line::WIDTH_OF_PAIRS }
    }
}

#[cfg(test)]
mod tests;
