//! `netstring`: `5:hello,`, a length in decimal digits, a colon, so many bytes and a comma.

use super::FrameKind;
use super::error::FrameError;
use super::scan::{Cut, Declared, Step};
use crate::text::escape;

/// The most digits of a length: as many as always fit 64 bits.
const MOST_DIGITS: usize = 19;

#[derive(Debug, Clone)]
pub(super) struct Netstring {
    max_bytes: usize,
    /// How many digits have come, and what they say.
    digits: usize,
    value: u64,
    /// Once the colon has come.
    declared: Option<Declared>,
}

impl Netstring {
    pub(super) fn new(max_bytes: usize) -> Netstring {
        Netstring { max_bytes, digits: 0, value: 0, declared: None }
    }

    pub(super) fn scan(&mut self, held: usize, new: &[u8]) -> Step {
        let mut looked_at = 0;
        let declared = loop {
            if let Some(declared) = self.declared {
                break declared;
            }
            let Some(byte) = new.get(looked_at) else { return Step::More };
            looked_at += 1;
            if let Err(error) = self.header(*byte) {
                return Step::Fail { taken: looked_at, error };
            }
        };
        let Some(cut) = declared.cut(held, new.len()) else { return Step::More };
        // The end of a frame is a byte that has just come.
        if let Some(byte) = new.get(cut.end - 1).filter(|byte| **byte != b',') {
            let problem = format!("a netstring that ends with '{}' instead of a comma", escape(&[*byte]));
            return Step::Fail { taken: cut.end, error: FrameError::malformed(problem) };
        }
        self.restart();
        Step::Cut(cut)
    }

    fn header(&mut self, byte: u8) -> Result<(), FrameError> {
        match byte {
            b'0'..=b'9' if self.digits == 1 && self.value == 0 => {
                return Err(FrameError::malformed("a netstring's length that begins with 0"));
            }
            b'0'..=b'9' if self.digits == MOST_DIGITS => {
                return Err(FrameError::malformed(format!("a netstring's length of more than {MOST_DIGITS} digits")));
            }
            b'0'..=b'9' => {
                self.value = self.value * 10 + u64::from(byte - b'0');
                self.digits += 1;
            }
            b':' if self.digits > 0 => {
                let declared = Declared::checked(self.digits + 1, self.value, self.max_bytes)?;
                self.declared = Some(Declared { tail: 1, ..declared });
            }
            _ => {
                let due = if self.digits == 0 { "a digit" } else { "a digit or a colon" };
                let problem = format!("'{}' in a netstring's length instead of {due}", escape(&[byte]));
                return Err(FrameError::malformed(problem));
            }
        }
        Ok(())
    }

    pub(super) fn rest(&mut self, held: usize) -> Cut {
        let declared = self.declared;
        self.restart();
        match declared {
            Some(declared) => declared.rest(held),
            None => Cut { head: held, ..Cut::rest(FrameKind::Partial) },
        }
    }

    fn restart(&mut self) {
        *self = Netstring::new(self.max_bytes);
    }
}
