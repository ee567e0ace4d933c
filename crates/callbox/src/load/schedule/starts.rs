//! The intended starts, one after the other: all of them, or every n-th.

use std::iter::FusedIterator;
use std::time::Duration;

use super::course::Course;
use crate::rng::Rng;

/// The intended starts of a run, ascending. They have no end, unless a ramp's rate falls to zero.
#[derive(Debug, Clone)]
pub struct Starts {
    source: Source,
    /// How many are over.
    next: u64,
}

/// What they come from.
#[derive(Debug, Clone)]
enum Source {
    /// From the integral of a rate.
    Course(Course),
    /// From chance.
    Random(Random),
}

/// A Poisson process: times between that are independent and exponential.
#[derive(Debug, Clone)]
struct Random {
    rate: f64,
    rng: Rng,
    /// The moment, its whole seconds apart: the sum of a billion small times keeps its last digits then.
    seconds: u64,
    part: f64,
}

impl Random {
    fn draw(&mut self) {
        // 53 bits, from which one is never drawn, so that there is always a logarithm.
        let chance = (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        self.part -= (1.0 - chance).ln() / self.rate;
        if self.part >= 1.0 {
            let whole = self.part.trunc();
            self.seconds = self.seconds.saturating_add(whole as u64);
            self.part -= whole;
        }
    }
}

impl Starts {
    /// Makes those of a rate over time.
    pub(super) fn along(course: Course) -> Starts {
        Starts { source: Source::Course(course), next: 0 }
    }

    /// Makes random ones, so many a second in the mean.
    pub(super) fn random(rate: f64, seed: u64) -> Starts {
        Starts { source: Source::Random(Random { rate, rng: Rng::new(seed), seconds: 0, part: 0.0 }), next: 0 }
    }

    /// Returns every `of`-th of those to come, beginning with the one at `index`, each with its number.
    ///
    /// For workers that share a schedule: worker `w` of `n` takes the share `w` of `n`, and together they have the whole. An `of` of
    /// 0 counts as 1.
    pub fn skip_to_share(self, index: u64, of: u64) -> Share {
        Share { starts: self, skip: index, between: of.max(1) - 1 }
    }

    fn after(&mut self, skipped: u64) -> Option<Duration> {
        let number = self.next.saturating_add(skipped);
        self.next = number.saturating_add(1);
        match &mut self.source {
            Source::Course(course) => {
                let at = course.at(number)?;
                // One that is due in more than all time is never due.
                Some(Duration::try_from_secs_f64(at).unwrap_or(Duration::MAX))
            }
            Source::Random(random) => {
                (0..=skipped).for_each(|_| random.draw());
                Some(Duration::new(random.seconds, (random.part * 1e9) as u32))
            }
        }
    }
}

impl Iterator for Starts {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.after(0)
    }

    fn nth(&mut self, n: usize) -> Option<Duration> {
        self.after(n as u64)
    }
}

impl FusedIterator for Starts {}

/// A worker's share of the starts, each with its number in the whole schedule, counted from 1.
#[derive(Debug, Clone)]
pub struct Share {
    starts: Starts,
    /// How many are others' before the next.
    skip: u64,
    /// How many are others' from then on.
    between: u64,
}

/// Random starts that are drawn one by one to be counted; how many there are beyond them follows from their rate.
const MOST_DRAWN: usize = 5_000_000;

impl Share {
    /// Returns how many of those to come are before `end`. The most that can be counted is told where there are more: the rate may be
    /// any.
    pub(crate) fn before(&self, end: Duration) -> u64 {
        if let Source::Random(Random { rate, .. }) = &self.starts.source {
            let (mut drawn, mut last) = (0, Duration::ZERO);
            for (_, at) in self.clone().take(MOST_DRAWN).take_while(|(_, at)| *at < end) {
                (drawn, last) = (drawn + 1, at);
            }
            let left = if drawn < MOST_DRAWN as u64 { Duration::ZERO } else { end - last };
            return drawn.saturating_add((left.as_secs_f64() * rate / (self.between + 1) as f64) as u64);
        }
        // Each is computed from its number alone, so the last one is looked for by halves.
        let is_before = |index: u64| {
            let skipped = index.saturating_mul(self.between.saturating_add(1)).saturating_add(self.skip);
            self.starts.clone().after(skipped).is_some_and(|at| at < end)
        };
        let (mut within, mut beyond) = (0, 1_u64);
        while beyond < u64::MAX && is_before(beyond - 1) {
            (within, beyond) = (beyond, beyond.saturating_mul(2));
        }
        while within < beyond {
            let middle = within + (beyond - within) / 2;
            if is_before(middle) { within = middle + 1 } else { beyond = middle }
        }
        within
    }
}

impl Iterator for Share {
    type Item = (u64, Duration);

    fn next(&mut self) -> Option<(u64, Duration)> {
        let skip = std::mem::replace(&mut self.skip, self.between);
        let start = self.starts.after(skip)?;
        Some((self.starts.next, start))
    }
}

impl FusedIterator for Share {}
