//! What many attempts came to.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Phase, Pong};
use crate::load::{Distribution, ErrorCount};

/// Bits of a time that are kept: three significant digits, and 1,024 different times at most from one to twice as long.
const KEPT_BITS: u32 = 11;

/// What attempts came to so far.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    sent: u64,
    lasted: Times,
    phases: BTreeMap<Phase, Times>,
    errors: Vec<ErrorCount>,
}

impl Statistics {
    /// Counts an attempt. Times are those of attempts that were answered.
    pub fn add(&mut self, pong: &Pong) {
        self.sent += 1;
        let Some(error) = &pong.error else {
            self.lasted.add(pong.lasted);
            pong.phases.iter().for_each(|(phase, time)| self.phases.entry(*phase).or_default().add(*time));
            return;
        };
        let kind = error.kind().name();
        match self.errors.iter_mut().find(|error| error.kind == kind) {
            Some(error) => error.count += 1,
            None => self.errors.push(ErrorCount { kind, count: 1, example: error.to_string() }),
        }
        self.errors.sort_by_key(|error| std::cmp::Reverse(error.count));
    }

    /// Returns how many attempts were made.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns how many were answered.
    pub fn answered(&self) -> u64 {
        self.lasted.count()
    }

    /// Returns how many were not.
    pub fn lost(&self) -> u64 {
        self.sent - self.answered()
    }

    /// Returns how long those that were answered took.
    pub fn lasted(&self) -> Distribution {
        self.lasted.distribution()
    }

    /// Returns how long a phase of them took; empty where it was not gone through.
    pub fn phase(&self, phase: Phase) -> Distribution {
        self.phases.get(&phase).map(Times::distribution).unwrap_or_default()
    }

    /// Returns what went wrong, by kind, the most frequent first.
    pub fn errors(&self) -> &[ErrorCount] {
        &self.errors
    }
}

/// Times as they are counted; a ping may go on for months, so there is a bound to how many different ones are kept.
#[derive(Debug, Clone, Default)]
struct Times {
    /// Upper bounds in nanoseconds.
    buckets: BTreeMap<u64, u64>,
    ends: Option<(u64, u64)>,
    sum: u128,
}

impl Times {
    fn add(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        *self.buckets.entry(bound(nanos)).or_default() += 1;
        let (min, max) = self.ends.unwrap_or((nanos, nanos));
        self.ends = Some((min.min(nanos), max.max(nanos)));
        self.sum += u128::from(nanos);
    }

    fn count(&self) -> u64 {
        self.buckets.values().sum()
    }

    fn distribution(&self) -> Distribution {
        let buckets = self.buckets.iter().map(|(bound, count)| (*bound, *count)).collect();
        Distribution::new(buckets, self.ends.unwrap_or_default(), self.sum).expect("counted as it asks for")
    }
}

/// Rounds up to as many bits as are kept.
fn bound(nanos: u64) -> u64 {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(KEPT_BITS);
    let low = (1u64 << shift) - 1;
    nanos.checked_add(low).map_or(u64::MAX, |sum| sum & !low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};

    fn pong(micros: u64, error: Option<Kind>) -> Pong {
        let lasted = Duration::from_micros(micros);
        let error = error.map(|kind| Error::new("connect", kind, "x"));
        Pong { number: 1, peer: None, lasted, phases: vec![(Phase::Connect, lasted / 2)], tcp: None, tls: None, error }
    }

    #[test]
    fn only_what_was_answered_has_times() {
        let mut statistics = Statistics::default();
        (1..=100).for_each(|micros| statistics.add(&pong(micros, None)));
        statistics.add(&pong(1, Some(Kind::Refused)));
        [(); 2].iter().for_each(|()| statistics.add(&pong(1, Some(Kind::TimedOut))));
        assert_eq!((statistics.sent(), statistics.answered(), statistics.lost()), (103, 100, 3));
        let lasted = statistics.lasted();
        assert_eq!((lasted.min(), lasted.max()), (Duration::from_micros(1), Duration::from_micros(100)));
        assert_eq!(lasted.mean(), Duration::from_nanos(50_500));
        assert_eq!(statistics.phase(Phase::Connect).max(), Duration::from_micros(50));
        assert!(statistics.phase(Phase::Tls).is_empty());
        let errors: Vec<_> = statistics.errors().iter().map(|error| (error.kind, error.count)).collect();
        assert_eq!(errors, [("timed_out", 2), ("refused", 1)]);
    }

    #[test]
    fn percentiles_have_three_digits_and_are_never_told_as_less() {
        for nanos in (0..63).map(|bits| (1u64 << bits) + (1 << bits) / 3).chain([0, 1, 2047, 2048, 2049, u64::MAX]) {
            let bound = bound(nanos);
            assert!(bound >= nanos && (bound - nanos) as f64 <= nanos as f64 / 1000.0, "{nanos} {bound}");
        }
    }
}
