//! How often which time was measured, as plain data: what percentiles are read from.

use std::time::Duration;

/// Times with their counts, ascending. Each stands for all times up to it that are greater than the one before, to three
/// significant digits or better, so that a percentile is never told as less than it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Upper bounds in nanoseconds, ascending and unique, each with how many times it holds, never 0.
    buckets: Vec<(u64, u64)>,
    count: u64,
    /// Exact.
    min: u64,
    max: u64,
    /// Exact, in nanoseconds.
    sum: u128,
}

impl Distribution {
    /// Makes one from what was counted; `None` unless the bounds ascend, no count is 0 and the exact figures fit them.
    pub fn new(buckets: Vec<(u64, u64)>, (min, max): (u64, u64), sum: u128) -> Option<Distribution> {
        let ascends = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let counted = buckets.iter().try_fold(0_u64, |sum, (_, count)| sum.checked_add(*count).filter(|_| *count > 0));
        let fits = match (buckets.first(), buckets.last()) {
            (Some((first, _)), Some((last, _))) => min <= max && min <= *first && max <= *last,
            _ => (min, max, sum) == (0, 0, 0),
        };
        Some(Distribution { count: counted.filter(|_| ascends && fits)?, buckets, min, max, sum })
    }

    /// Returns the upper bounds in nanoseconds with their counts.
    pub fn buckets(&self) -> &[(u64, u64)] {
        &self.buckets
    }

    /// Returns how many times it holds.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Tells whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the shortest, exactly.
    pub fn min(&self) -> Duration {
        Duration::from_nanos(self.min)
    }

    /// Returns the longest, exactly.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// Returns the mean, exactly.
    pub fn mean(&self) -> Duration {
        let nanos = self.sum.checked_div(u128::from(self.count)).unwrap_or(0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Returns all of them added up, in nanoseconds.
    pub fn sum_nanos(&self) -> u128 {
        self.sum
    }

    /// Returns the time that `percent` of all are not longer than: 50.0, 99.0, 99.9; zero where nothing was measured.
    pub fn percentile(&self, percent: f64) -> Duration {
        // Of 1,000 the 99.9th percentile is the 999th; floating point must not make it the 1,000th.
        let rank = (percent / 100.0 * self.count as f64 - 1e-6).ceil().clamp(1.0, self.count.max(1) as f64) as u64;
        let mut seen = 0;
        let found = self.buckets.iter().find(|(_, count)| {
            seen = u64::saturating_add(seen, *count);
            seen >= rank
        });
        Duration::from_nanos(found.map_or(0, |(bound, _)| (*bound).min(self.max)))
    }

    /// Returns which part of all is not longer than `time`, 0 to 1; 1 where nothing was measured.
    pub fn share_within(&self, time: Duration) -> f64 {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let within = self.buckets.iter().take_while(|(bound, _)| *bound <= nanos);
        let within = within.fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        if self.count == 0 { 1.0 } else { within as f64 / self.count as f64 }
    }

    /// Adds another one's times.
    pub fn add(&mut self, other: &Distribution) {
        if other.is_empty() {
            return;
        }
        let mut merged = Vec::with_capacity(self.buckets.len().max(other.buckets.len()));
        let (mut ours, mut theirs) = (self.buckets.iter().peekable(), other.buckets.iter().peekable());
        loop {
            let next = match (ours.peek(), theirs.peek()) {
                (Some((left, _)), Some((right, _))) if left == right => {
                    let ((bound, count), (_, more)) = (*ours.next().expect("peeked"), *theirs.next().expect("peeked"));
                    (bound, count.saturating_add(more))
                }
                (Some((left, _)), Some((right, _))) if left > right => *theirs.next().expect("peeked"),
                (Some(_), _) => *ours.next().expect("peeked"),
                (None, Some(_)) => *theirs.next().expect("peeked"),
                (None, None) => break,
            };
            merged.push(next);
        }
        self.min = if self.is_empty() { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        // Saved runs may hold anything.
        self.sum = self.sum.saturating_add(other.sum);
        self.count = self.count.saturating_add(other.count);
        self.buckets = merged;
    }
}

impl FromIterator<Duration> for Distribution {
    /// Counts each time exactly as it is; for small numbers of them.
    fn from_iter<T: IntoIterator<Item = Duration>>(times: T) -> Distribution {
        let mut nanos: Vec<u64> =
            times.into_iter().map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)).collect();
        nanos.sort_unstable();
        let mut buckets: Vec<(u64, u64)> = Vec::new();
        for &time in &nanos {
            match buckets.last_mut() {
                Some((bound, count)) if *bound == time => *count += 1,
                _ => buckets.push((time, 1)),
            }
        }
        Distribution {
            count: nanos.len() as u64,
            min: nanos.first().copied().unwrap_or(0),
            max: nanos.last().copied().unwrap_or(0),
            sum: nanos.iter().map(|&time| u128::from(time)).sum(),
            buckets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>) -> Distribution {
        millis.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn percentiles_are_the_ranks_of_what_was_measured() {
        let all = of(1..=1000);
        assert_eq!(all.percentile(50.0), Duration::from_millis(500));
        assert_eq!(all.percentile(99.0), Duration::from_millis(990));
        assert_eq!(all.percentile(99.9), Duration::from_millis(999));
        assert_eq!(all.percentile(100.0), all.max());
        assert_eq!(all.percentile(0.0), all.min());
        assert_eq!(all.mean(), Duration::from_micros(500_500));
        assert_eq!(Distribution::default().percentile(99.0), Duration::ZERO);
    }

    #[test]
    fn two_added_are_all_of_both() {
        let mut odd = of((1..1000).step_by(2));
        odd.add(&of((2..=1000).step_by(2)));
        assert_eq!(odd, of(1..=1000));
        let mut empty = Distribution::default();
        empty.add(&odd);
        assert_eq!(empty, odd);
        odd.add(&Distribution::default());
        assert_eq!(empty, odd);
    }

    #[test]
    fn more_than_can_be_counted_is_the_most_that_can() {
        let all = Distribution::new(vec![(5, u64::MAX)], (5, 5), u128::MAX).expect("it fits");
        let mut both = all.clone();
        both.add(&all);
        assert_eq!((both.count(), both.sum_nanos()), (u64::MAX, u128::MAX));
        both.add(&of([1]));
        assert_eq!(both.count(), u64::MAX);
        assert_eq!(both.share_within(Duration::from_secs(1)), 1.0);
    }

    #[test]
    fn shares_are_of_all() {
        let all = of(1..=10);
        assert_eq!(all.share_within(Duration::from_millis(9)), 0.9);
        assert_eq!(all.share_within(Duration::ZERO), 0.0);
    }

    #[test]
    fn what_does_not_fit_together_is_no_distribution() {
        assert!(Distribution::new(vec![(5, 1), (7, 2)], (4, 7), 18).is_some());
        assert!(Distribution::new(vec![], (0, 0), 0).is_some());
        for (buckets, ends) in [
            (vec![(7, 1), (5, 1)], (5, 7)),
            (vec![(5, 1), (5, 1)], (5, 5)),
            (vec![(5, 0)], (5, 5)),
            (vec![(5, 1)], (6, 5)),
            (vec![(5, u64::MAX), (6, 1)], (5, 6)),
            (vec![], (1, 1)),
        ] {
            assert!(Distribution::new(buckets.clone(), ends, 0).is_none(), "{buckets:?}");
        }
    }
}
