//! Whether connections still come about: when a server is gone is decided by those that were tried, not by a silence in which
//! nobody needed one.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// The attempts to connect of a run. Moments are nanoseconds since it was made, and never 0.
#[derive(Debug)]
pub(super) struct Attempts {
    made: Instant,
    under_way: AtomicU64,
    /// When the first one began after a connection was last there; 0 where none did.
    since: AtomicU64,
    /// When one last failed.
    failed: AtomicU64,
}

/// One of them; dropped without a word it counts for nothing.
pub(super) struct Attempt<'a>(&'a Attempts);

impl Attempts {
    pub(super) fn new() -> Attempts {
        let zero = || AtomicU64::new(0);
        Attempts { made: Instant::now(), under_way: zero(), since: zero(), failed: zero() }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    fn tried(&self) {
        // Where it is set already it stays as it is.
        let _ = self.since.compare_exchange(0, self.now(), Relaxed, Relaxed);
    }

    /// Begins one.
    pub(super) fn begin(&self) -> Attempt<'_> {
        self.under_way.fetch_add(1, Relaxed);
        self.tried();
        Attempt(self)
    }

    /// Notes that a connection is there, or was until now.
    pub(super) fn alive(&self) {
        let since = if self.under_way.load(Relaxed) > 0 { self.now() } else { 0 };
        self.since.store(since, Relaxed);
    }

    /// Returns for how long all attempts were in vain: until now, or until the last that failed where none is under way.
    pub(super) fn in_vain(&self) -> Duration {
        let since = self.since.load(Relaxed);
        let until = if self.under_way.load(Relaxed) > 0 { self.now() } else { self.failed.load(Relaxed) };
        if since == 0 { Duration::ZERO } else { Duration::from_nanos(until.saturating_sub(since)) }
    }
}

impl Attempt<'_> {
    /// It came to nothing.
    pub(super) fn failed(self) {
        self.0.failed.store(self.0.now(), Relaxed);
        self.0.tried();
    }

    /// It came to a connection.
    pub(super) fn succeeded(self) {
        let attempts = self.0;
        drop(self);
        attempts.alive();
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_tried_is_not_in_vain() {
        let second = Duration::from_secs(1);
        let attempts = Attempts::new();
        tokio::time::advance(second).await;
        assert_eq!(attempts.in_vain(), Duration::ZERO, "nobody has tried");
        attempts.begin().failed();
        tokio::time::advance(5 * second).await;
        assert_eq!(attempts.in_vain(), Duration::ZERO, "one failed, and nobody has tried again");
        let attempt = attempts.begin();
        assert_eq!(attempts.in_vain(), 5 * second, "one is under way");
        attempt.failed();
        assert_eq!(attempts.in_vain(), 5 * second);
        attempts.begin().succeeded();
        assert_eq!(attempts.in_vain(), Duration::ZERO);
        drop(attempts.begin());
        let hangs = attempts.begin();
        attempts.alive();
        tokio::time::advance(second).await;
        assert_eq!(attempts.in_vain(), second, "it counts from when a connection was last there");
        drop(hangs);
    }
}
