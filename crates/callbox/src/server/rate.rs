//! How many connections a second a server takes: a token bucket that holds what one second brings.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What a bucket holds at least, or nobody would ever come in at less than one a second.
const LEAST_BURST: f64 = 1.0;
/// What is missing of a token and counts as nothing: sums of fractions are a little off.
const SLACK: f64 = 1e-6;

/// Gives one token for each connection, and gets so many a second.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: f64,
    burst: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// Makes a full one.
    pub(super) fn new(per_second: f64) -> Bucket {
        let burst = per_second.max(LEAST_BURST);
        Bucket { per_second, burst, state: Mutex::new(State { tokens: burst, filled: Instant::now() }) }
    }

    fn filled(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let more = (now - state.filled).as_secs_f64() * self.per_second;
        (state.tokens, state.filled) = ((state.tokens + more).min(self.burst), now);
        state
    }

    /// Returns how long until a token is there; `None` when one is.
    pub(super) fn wait(&self) -> Option<Duration> {
        let missing = 1.0 - self.filled().tokens;
        // A rate may be so small that the wait is longer than a duration can be.
        (missing > SLACK).then(|| Duration::try_from_secs_f64(missing / self.per_second).unwrap_or(Duration::MAX))
    }

    /// Takes a token, if one is there.
    pub(super) fn take(&self) -> bool {
        let mut state = self.filled();
        let there = state.tokens >= 1.0 - SLACK;
        if there {
            state.tokens -= 1.0;
        }
        there
    }

    /// Takes a token that may still have to come: for who was accepted already. Two listeners may both have seen the last one.
    pub(super) fn owe(&self) {
        self.filled().tokens -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_s_worth_at_once_and_then_so_many_a_second() {
        let bucket = Bucket::new(100.0);
        assert_eq!((0..1000).filter(|_| bucket.take()).count(), 100);
        assert_eq!(bucket.wait(), Some(Duration::from_millis(10)));
        let mut taken = 0;
        for _ in 0..2000 {
            tokio::time::advance(Duration::from_millis(1)).await;
            taken += u32::from(bucket.take());
        }
        assert_eq!(taken, 200);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!((0..1000).filter(|_| bucket.take()).count(), 100, "no more than a second's worth is saved up");
    }

    #[tokio::test(start_paused = true)]
    async fn less_than_one_a_second_is_one_now_and_then() {
        let bucket = Bucket::new(0.1);
        assert!(bucket.take() && !bucket.take());
        tokio::time::advance(bucket.wait().expect("none is there")).await;
        assert!(bucket.take());
        bucket.owe();
        assert_eq!(bucket.wait(), Some(Duration::from_secs(20)), "who owes waits longer");
    }
}
