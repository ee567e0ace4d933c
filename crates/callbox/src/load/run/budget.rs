//! What all workers of a run share.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::Notify;

/// How much may begin, and how much has.
#[derive(Debug)]
pub(super) struct Budget {
    /// How many exchanges may begin, warm-up apart.
    pub(super) most: u64,
    /// How many have begun, beyond `most` where several asked for the last one.
    pub(super) begun: AtomicU64,
    /// Connections that are open, and the most that ever were.
    pub(super) open: AtomicU64,
    pub(super) most_open: AtomicU64,
    /// How many exchanges of a closed workload have had a number.
    pub(super) numbered: AtomicU64,
    /// The highest number that each worker has given to an exchange of a schedule.
    pub(super) highest: Vec<AtomicU64>,
    /// Told when a worker has nothing under way and begins nothing any more.
    pub(super) finished: Notify,
}

impl Budget {
    /// Takes one; tells whether there was none left.
    pub(super) fn is_spent(&self) -> bool {
        self.most < u64::MAX && self.begun.fetch_add(1, Relaxed) >= self.most
    }

    /// Returns the highest number given to any exchange of the run.
    pub(super) fn highest_number(&self) -> u64 {
        let scheduled = self.highest.iter().map(|highest| highest.load(Relaxed)).max().unwrap_or(0);
        scheduled.max(self.numbered.load(Relaxed))
    }
}
