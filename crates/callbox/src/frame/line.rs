//! `line`: frames that end with `\n`; a `\r` before it belongs to the line.

use memchr::memchr;

use super::error::FrameError;
use super::scan::{Cut, Step};

#[derive(Debug, Clone)]
pub(super) struct Line {
    max_bytes: usize,
}

impl Line {
    pub(super) fn new(max_bytes: usize) -> Line {
        Line { max_bytes }
    }

    #[inline]
    pub(super) fn scan(&self, held: usize, new: &[u8]) -> Step {
        let room = self.max_bytes.saturating_add(1).saturating_sub(held);
        match memchr(b'\n', &new[..new.len().min(room)]) {
            Some(at) => Step::Cut(Cut::new(at + 1, 0, 1)),
            None if new.len() >= room => Step::Fail { taken: room, error: FrameError::endless(self.max_bytes) },
            None => Step::More,
        }
    }
}
