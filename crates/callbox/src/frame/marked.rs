//! What SLIP and COBS have in common: a byte that ends a frame, never occurs within one, and alone is no frame.

use memchr::memchr;

use super::error::FrameError;
use super::scan::{Cut, Step};
use super::{FrameKind, GAP_BYTES};

#[derive(Debug, Clone)]
pub(super) struct Marked {
    mark: u8,
    /// How many marks came before the frame.
    lead: usize,
    begun: bool,
    max_bytes: usize,
}

impl Marked {
    pub(super) fn new(mark: u8, max_bytes: usize) -> Marked {
        Marked { mark, lead: 0, begun: false, max_bytes }
    }

    pub(super) fn scan(&mut self, held: usize, new: &[u8]) -> Step {
        let mut at = 0;
        if !self.begun {
            at = new.iter().take(GAP_BYTES - self.lead).take_while(|byte| **byte == self.mark).count();
            self.lead += at;
            if self.lead == GAP_BYTES {
                return Step::Cut(self.cut(at, FrameKind::Gap));
            }
            if at == new.len() {
                return Step::More;
            }
            self.begun = true;
        }
        // The frame's bytes so far, without the marks before it.
        let so_far = (held + at).saturating_sub(self.lead);
        let room = self.max_bytes.saturating_add(1).saturating_sub(so_far);
        let window = &new[at..];
        match memchr(self.mark, &window[..window.len().min(room)]) {
            Some(mark) => Step::Cut(self.cut(at + mark + 1, FrameKind::Whole)),
            None if window.len() >= room => Step::Fail { taken: at + room, error: FrameError::endless(self.max_bytes) },
            None => Step::More,
        }
    }

    pub(super) fn rest(&mut self) -> Cut {
        let kind = if self.begun { FrameKind::Partial } else { FrameKind::Gap };
        self.cut(0, kind)
    }

    pub(super) fn lead(&self) -> usize {
        self.lead
    }

    fn cut(&mut self, end: usize, kind: FrameKind) -> Cut {
        let lead = self.lead;
        (self.lead, self.begun) = (0, false);
        match kind {
            FrameKind::Gap => Cut { end, ..Cut::rest(kind) },
            _ => Cut { end, lead, head: lead, tail: usize::from(kind == FrameKind::Whole), kind },
        }
    }
}
