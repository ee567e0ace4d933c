//! How often to try to connect while nobody accepts.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;

/// First pause between two attempts; doubled each time. A server that is just starting is met soon.
pub const RETRY_PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest pause between two attempts.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// How often to try while nobody accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    /// One attempt.
    #[default]
    Never,
    /// This many attempts after the first.
    Times(u32),
    /// For this long after the first failure.
    For(Duration),
}

/// Attempts so far, and when to give up.
#[derive(Debug)]
pub(crate) struct Attempts {
    retry: Retry,
    made: u32,
    first_failure: Option<Instant>,
    pause: Duration,
}

impl Attempts {
    pub(crate) fn new(retry: Retry) -> Attempts {
        Attempts { retry, made: 0, first_failure: None, pause: RETRY_PAUSE_MIN }
    }

    /// Notes a failure; returns how long to wait before the next attempt, or `None` when they are spent or would not help.
    pub(crate) fn failed(&mut self, error: &Error) -> Option<Duration> {
        self.made += 1;
        let begun: Instant = *self.first_failure.get_or_insert_with(Instant::now);
        let spent = match self.retry {
            Retry::Never => true,
            Retry::Times(times) => self.made > times,
            Retry::For(limit) => begun.elapsed() + self.pause > limit,
        };
        if spent || !error.may_pass() {
            return None;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(RETRY_PAUSE_MAX);
        Some(pause)
    }
}
