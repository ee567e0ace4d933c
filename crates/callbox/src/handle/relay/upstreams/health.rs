//! Whether an upstream works, and how long it rests when it does not.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Change;

/// How long an upstream rests after its first failure: a restarting server is back by then.
pub const REST_MIN: Duration = Duration::from_secs(1);
/// The longest rest, reached by doubling: a server that is back is found within half a minute.
pub const REST_MAX: Duration = Duration::from_secs(30);

/// The health of one upstream.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Failures since it last worked. While this is 0, and that is nearly always, nothing is locked.
    failures: AtomicU32,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    until: Option<Instant>,
    /// The number of the trial that runs.
    trial: Option<u64>,
    trials: u64,
}

/// What a session that looks for an upstream sees of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// It works, as far as is known.
    Healthy,
    /// Its rest is over, and nobody tries it yet.
    Due,
    /// It rests until then, or somebody is trying it.
    Resting(Instant),
}

impl Health {
    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn condition(&self, now: Instant) -> Condition {
        if self.failures.load(SeqCst) == 0 {
            return Condition::Healthy;
        }
        let rest = self.rest();
        match rest.until {
            None => Condition::Healthy,
            Some(until) if until <= now && rest.trial.is_none() => Condition::Due,
            Some(until) => Condition::Resting(until),
        }
    }

    /// Begins the trial of an upstream whose rest is over; `None` when another session was first.
    pub(super) fn begin_trial(&self, now: Instant) -> Option<u64> {
        let mut rest = self.rest();
        if rest.trial.is_some() || rest.until.is_none_or(|until| until > now) {
            return None;
        }
        rest.trials += 1;
        rest.trial = Some(rest.trials);
        rest.trial
    }

    /// Ends a trial that came to nothing, so that another session may try.
    pub(super) fn give_up_trial(&self, trial: u64) {
        let mut rest = self.rest();
        if rest.trial == Some(trial) {
            rest.trial = None;
        }
    }

    pub(super) fn failed(&self, now: Instant) -> Change {
        let mut rest = self.rest();
        // Many sessions may meet one failure: those that come while it rests already make the rest no longer.
        if rest.until.is_some_and(|until| now < until) {
            return Change::Same;
        }
        let before = self.failures.load(SeqCst);
        let pause = pause_after(before);
        self.failures.store(before.saturating_add(1), SeqCst);
        rest.until = Some(now + pause);
        rest.trial = None;
        if before == 0 { Change::Down { rest: pause } } else { Change::Same }
    }

    pub(super) fn worked(&self) -> Change {
        if self.failures.load(SeqCst) == 0 {
            return Change::Same;
        }
        let mut rest = self.rest();
        rest.until = None;
        rest.trial = None;
        // Under the lock, so that of two sessions that find it working one brings the news.
        if self.failures.swap(0, SeqCst) == 0 { Change::Same } else { Change::Up }
    }

    /// Returns the failures since it last worked, and until when it rests.
    pub(super) fn now(&self) -> (u32, Option<Instant>) {
        let rest = self.rest();
        (self.failures.load(SeqCst), rest.until)
    }
}

/// Returns the rest after one more failure, when there have been this many.
fn pause_after(failures: u32) -> Duration {
    let factor = 1u32.checked_shl(failures).unwrap_or(u32::MAX);
    REST_MIN.saturating_mul(factor).min(REST_MAX)
}

#[test]
fn rests_double_up_to_half_a_minute() {
    let seconds: Vec<u64> = [0, 1, 2, 3, 4, 5, 6, 31, 32, u32::MAX].map(|n| pause_after(n).as_secs()).into();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30, 30, 30, 30]);
}
