//! The most bytes a second that each direction of a session is given: a throttle that is a limit and no fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// So many bytes a second, in each direction of each session. Clones count together.
#[derive(Debug, Clone)]
pub struct SessionRate {
    per_second: u64,
    slowed: Arc<AtomicU64>,
}

impl SessionRate {
    /// Makes one; less than a byte a second is one.
    pub fn new(per_second: u64) -> SessionRate {
        SessionRate { per_second: per_second.max(1), slowed: Arc::default() }
    }

    /// Returns how many bytes a second.
    pub fn per_second(&self) -> u64 {
        self.per_second
    }

    /// Returns how many directions of sessions it has slowed down so far.
    pub fn slowed(&self) -> u64 {
        self.slowed.load(Relaxed)
    }

    /// Counts a direction that it slows down.
    pub(super) fn slow(&self) {
        self.slowed.fetch_add(1, Relaxed);
    }
}
