//! `idle:D`: a frame is what came until nothing came for the time D; serial devices behind a converter send so.
//!
//! The network may hold bytes back and join what was sent apart: this finds the frames that a person would see.

use std::time::Duration;

use tokio::time::Instant;

use super::error::FrameError;
use super::scan::{Cut, Step};

#[derive(Debug, Clone)]
pub(super) struct Idle {
    silence: Duration,
    max_bytes: usize,
    /// When bytes last came.
    last: Option<Instant>,
}

impl Idle {
    pub(super) fn new(silence: Duration, max_bytes: usize) -> Idle {
        Idle { silence, max_bytes, last: None }
    }

    pub(super) fn scan(&mut self, at: Instant, held: usize, new: usize) -> Step {
        if held > 0 && self.is_over(at) {
            return Step::Cut(Cut::new(0, 0, 0));
        }
        self.last = Some(at);
        let room = self.max_bytes.saturating_sub(held);
        if new > room {
            return Step::Fail { taken: room + 1, error: FrameError::endless(self.max_bytes) };
        }
        Step::More
    }

    /// Returns when what is held will be a frame; `None` beyond what a clock can say.
    pub(super) fn due(&self) -> Option<Instant> {
        self.last?.checked_add(self.silence)
    }

    pub(super) fn is_over(&self, at: Instant) -> bool {
        self.due().is_some_and(|due| due <= at)
    }
}
