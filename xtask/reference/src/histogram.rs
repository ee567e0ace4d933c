//! Times in logarithmic buckets: 128 to the doubling, so a percentile is right within one per cent.

/// Buckets for each doubling.
const STEPS: u64 = 128;
/// The doublings that fit a `u64`.
const DOUBLINGS: u64 = 64;

/// Counts of times in nanoseconds.
#[derive(Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: vec![0; (STEPS * DOUBLINGS) as usize], count: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts one time.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Histogram) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(own, theirs)| *own += theirs);
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// Returns how many times were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the longest time counted, in nanoseconds.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Returns the time, in nanoseconds, that `share` (0.99 for p99) of those counted did not exceed; 0 when empty.
    pub fn percentile(&self, share: f64) -> u64 {
        let due = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= due {
                return upper_bound(index as u64).min(self.max);
            }
        }
        0
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < STEPS {
        return nanos as usize;
    }
    let doubling = u64::from(nanos.ilog2() - STEPS.ilog2());
    ((doubling + 1) * STEPS + ((nanos >> doubling) - STEPS)) as usize
}

fn upper_bound(index: u64) -> u64 {
    if index < STEPS {
        return index;
    }
    let doubling = index / STEPS - 1;
    ((index % STEPS + STEPS + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_one_per_cent() {
        let mut histogram = Histogram::default();
        (1..=100_000u64).for_each(|n| histogram.record(n * 1_000));
        for (share, due) in [(0.5, 50_000_000.0), (0.99, 99_000_000.0), (1.0, 100_000_000.0)] {
            let found = histogram.percentile(share) as f64;
            assert!((found / due - 1.0).abs() < 0.01, "{share}: {found} for {due}");
        }
        assert_eq!(histogram.count(), 100_000);
        assert_eq!(histogram.max(), 100_000_000);
    }

    #[test]
    fn every_time_has_a_bucket_that_holds_it() {
        for nanos in [0, 1, 127, 128, 129, 255, 256, 1_000_000, u64::MAX / 2] {
            let index = bucket(nanos) as u64;
            assert!(nanos <= upper_bound(index), "{nanos}");
            assert!(index == 0 || nanos > upper_bound(index - 1), "{nanos}");
        }
        assert_eq!(Histogram::default().percentile(0.5), 0);
    }
}
