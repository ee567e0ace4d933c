//! What is counted while a run goes on: cheap to add to, handed over whole.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::distribution::Distribution;
use super::report::{ErrorCount, PhaseTimes};
use crate::error::{Error, Kind};
use crate::event::Phases;
use crate::handle::exchange::Outcome;
use crate::units::show_duration;

/// The longest time that is told apart from longer ones, in nanoseconds: an hour.
const LONGEST: u64 = 3_600_000_000_000;
/// Times are kept to this many significant digits.
const DIGITS: u8 = 3;
/// And in the slices of a run to this many: there are many of them.
const SLICE_DIGITS: u8 = 2;

/// Times, counted.
#[derive(Debug, Clone)]
pub(super) struct Times {
    /// Made with the first time: many of them stay empty.
    histogram: Option<Box<Histogram<u64>>>,
    digits: u8,
    min: u64,
    max: u64,
    sum: u128,
}

impl Times {
    fn of(digits: u8) -> Times {
        Times { histogram: None, digits, min: u64::MAX, max: 0, sum: 0 }
    }

    fn histogram(&mut self) -> &mut Histogram<u64> {
        let digits = self.digits;
        self.histogram.get_or_insert_with(|| {
            Box::new(Histogram::new_with_bounds(1, LONGEST, digits).expect("bounds and digits are constants"))
        })
    }

    pub(super) fn add(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        (self.min, self.max) = (self.min.min(nanos), self.max.max(nanos));
        self.sum += u128::from(nanos);
        self.histogram().saturating_record(nanos.max(1));
    }

    /// Adds those of `other`, whatever its digits.
    pub(super) fn merge(&mut self, other: &Times) {
        let Some(theirs) = other.histogram.as_deref().filter(|theirs| !theirs.is_empty()) else { return };
        (self.min, self.max) = (self.min.min(other.min), self.max.max(other.max));
        self.sum += other.sum;
        if self.digits == other.digits {
            self.histogram().add(theirs).expect("of the same bounds");
        } else {
            let ours = self.histogram();
            theirs.iter_recorded().for_each(|bucket| {
                ours.saturating_record_n(bucket.value_iterated_to(), bucket.count_since_last_iteration());
            });
        }
    }

    pub(super) fn clear(&mut self) {
        if let Some(histogram) = self.histogram.as_deref_mut().filter(|histogram| !histogram.is_empty()) {
            histogram.reset();
        }
        (self.min, self.max, self.sum) = (u64::MAX, 0, 0);
    }

    pub(super) fn distribution(&self) -> Distribution {
        let Some(histogram) = self.histogram.as_deref().filter(|histogram| !histogram.is_empty()) else {
            return Distribution::default();
        };
        let mut buckets: Vec<(u64, u64)> = histogram
            .iter_recorded()
            .map(|bucket| (bucket.value_iterated_to(), bucket.count_since_last_iteration()))
            .collect();
        // Longer ones than the longest are in the last bucket.
        if let Some((bound, _)) = buckets.last_mut() {
            *bound = (*bound).max(self.max);
        }
        Distribution::new(buckets, (self.min, self.max), self.sum).expect("a histogram's buckets ascend")
    }
}

/// The phases of opening connections, counted.
#[derive(Debug, Clone)]
pub(super) struct PhaseTally {
    connect: Times,
    proxy: Times,
    tls: Times,
    pub(super) first_byte: Times,
}

/// What was counted since somebody last asked.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) requests: u64,
    pub(super) answered: u64,
    pub(super) wrong: u64,
    pub(super) mixed_up: u64,
    pub(super) lost: u64,
    /// Connections that could not be opened, and those that failed with nothing under way.
    pub(super) failed: u64,
    pub(super) unasked_bytes: u64,
    pub(super) opened: u64,
    /// Exchanges that were due while no connection was free.
    pub(super) behind: u64,
    pub(super) response: Times,
    /// Empty where it is the response.
    pub(super) service: Times,
    pub(super) lateness: Times,
    pub(super) phases: PhaseTally,
    pub(super) errors: Vec<ErrorCount>,
}

impl Default for Tally {
    fn default() -> Tally {
        let times = || Times::of(DIGITS);
        Tally {
            requests: 0,
            answered: 0,
            wrong: 0,
            mixed_up: 0,
            lost: 0,
            failed: 0,
            unasked_bytes: 0,
            opened: 0,
            behind: 0,
            response: times(),
            service: times(),
            lateness: times(),
            phases: PhaseTally { connect: times(), proxy: times(), tls: times(), first_byte: times() },
            errors: Vec::new(),
        }
    }
}

impl Tally {
    /// Returns times for a slice of the run.
    pub(super) fn slice() -> Times {
        Times::of(SLICE_DIGITS)
    }

    /// Counts how an exchange ended; its times are the caller's.
    pub(super) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Answered => self.answered += 1,
            Outcome::Wrong => self.wrong += 1,
            Outcome::MixedUp => (self.wrong, self.mixed_up) = (self.wrong + 1, self.mixed_up + 1),
            Outcome::Lost(_) | Outcome::TimedOut => self.lost += 1,
        }
    }

    /// Counts what went wrong.
    pub(super) fn error(&mut self, error: &Error) {
        self.count_error(name(error), 1, || error.to_string());
    }

    /// Counts an exchange as lost that waited for its answer until nobody waits for it any more.
    pub(super) fn unanswered(&mut self, waited: Duration) {
        self.lost += 1;
        let example = || format!("no answer until the connection or the run was over, after {}", show_duration(waited));
        self.count_error(Kind::TimedOut.name(), 1, example);
    }

    fn count_error(&mut self, kind: &'static str, count: u64, example: impl FnOnce() -> String) {
        match self.errors.iter_mut().find(|error| error.kind == kind) {
            Some(error) => error.count = error.count.saturating_add(count),
            None => self.errors.push(ErrorCount { kind, count, example: example() }),
        }
    }

    /// Counts how long opening a connection took.
    pub(super) fn opening(&mut self, phases: &Phases) {
        self.phases.connect.add(phases.connect);
        for (times, time) in [(&mut self.phases.proxy, phases.proxy), (&mut self.phases.tls, phases.tls)] {
            if !time.is_zero() {
                times.add(time);
            }
        }
    }

    /// Adds all of `other`.
    pub(super) fn merge(&mut self, other: &Tally) {
        for (ours, theirs) in [
            (&mut self.requests, other.requests),
            (&mut self.answered, other.answered),
            (&mut self.wrong, other.wrong),
            (&mut self.mixed_up, other.mixed_up),
            (&mut self.lost, other.lost),
            (&mut self.failed, other.failed),
            (&mut self.unasked_bytes, other.unasked_bytes),
            (&mut self.opened, other.opened),
            (&mut self.behind, other.behind),
        ] {
            *ours += theirs;
        }
        for (ours, theirs) in self.times().into_iter().zip(other.all_times()) {
            ours.merge(theirs);
        }
        for error in &other.errors {
            self.count_error(error.kind, error.count, || error.example.clone());
        }
    }

    /// Forgets all that was counted, and keeps its memory.
    pub(super) fn clear(&mut self) {
        self.times().into_iter().for_each(Times::clear);
        let empty = Tally::default();
        let used = std::mem::replace(self, empty);
        (self.response, self.service, self.lateness, self.phases) =
            (used.response, used.service, used.lateness, used.phases);
    }

    /// Forgets what the warm-up has counted: of exchanges, which know whether they count, that is nothing.
    pub(super) fn begin_counting(&mut self) {
        (self.failed, self.unasked_bytes) = (0, 0);
        self.errors.clear();
    }

    fn times(&mut self) -> [&mut Times; 7] {
        let PhaseTally { connect, proxy, tls, first_byte } = &mut self.phases;
        [&mut self.response, &mut self.service, &mut self.lateness, connect, proxy, tls, first_byte]
    }

    fn all_times(&self) -> [&Times; 7] {
        let PhaseTally { connect, proxy, tls, first_byte } = &self.phases;
        [&self.response, &self.service, &self.lateness, connect, proxy, tls, first_byte]
    }

    /// Returns how long the phases took.
    pub(super) fn phase_times(&self) -> PhaseTimes {
        let PhaseTally { connect, proxy, tls, first_byte } = &self.phases;
        PhaseTimes {
            connect: connect.distribution(),
            proxy: proxy.distribution(),
            tls: tls.distribution(),
            first_byte: first_byte.distribution(),
        }
    }
}

/// Returns what an error counts as: what is lacking here is told apart from what the server did.
fn name(error: &Error) -> &'static str {
    match error.kind() {
        // A source that is not this machine's is refused before any port is chosen.
        Kind::AddressNotAvailable if error.operation() != "bind" => NO_PORTS,
        Kind::Exhausted => NO_DESCRIPTORS,
        kind => kind.name(),
    }
}

/// No local port was left.
pub(super) const NO_PORTS: &str = "no_ports";
/// No descriptor was left.
pub(super) const NO_DESCRIPTORS: &str = "no_descriptors";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_have_counted_is_what_one_would_have() {
        let times = |range: std::ops::Range<u64>, into: &mut [&mut Tally]| {
            for millis in range {
                into.iter_mut().for_each(|tally| tally.response.add(Duration::from_millis(millis)));
                into.iter_mut().for_each(|tally| tally.count(Outcome::Answered));
            }
        };
        let (mut one, mut two, mut whole) = (Tally::default(), Tally::default(), Tally::default());
        times(1..400, &mut [&mut one, &mut whole]);
        times(400..1000, &mut [&mut two, &mut whole]);
        one.merge(&two);
        assert_eq!(one.response.distribution(), whole.response.distribution());
        assert_eq!((one.answered, whole.answered), (999, 999));
        one.clear();
        assert!(one.response.distribution().is_empty());
        assert_eq!(one.answered, 0);
    }

    #[test]
    fn times_are_exact_to_three_digits_and_never_told_as_less() {
        let mut times = Times::of(DIGITS);
        for nanos in [1, 999, 123_456, 9_999_999, 3_600_000_000_000, u64::MAX / 2] {
            times.clear();
            times.add(Duration::from_nanos(nanos));
            let (bound, _) = times.distribution().buckets()[0];
            assert!(bound >= nanos, "{nanos} is told as {bound}");
            assert!(bound - nanos <= nanos / 1000 + 1 || nanos > LONGEST, "{nanos} is told as {bound}");
            assert_eq!(times.distribution().max(), Duration::from_nanos(nanos));
        }
    }

    #[test]
    fn slices_are_coarser_and_as_many() {
        let mut times = Times::of(DIGITS);
        (1..=1000).for_each(|millis| times.add(Duration::from_millis(millis)));
        let mut slice = Tally::slice();
        slice.merge(&times);
        let (fine, coarse) = (times.distribution(), slice.distribution());
        assert_eq!(
            (fine.count(), fine.min(), fine.max(), fine.sum_nanos()),
            (coarse.count(), coarse.min(), coarse.max(), coarse.sum_nanos())
        );
        assert!(coarse.buckets().len() < fine.buckets().len());
        let (p99, exact) = (coarse.percentile(99.0).as_secs_f64(), 0.990);
        assert!((exact..exact * 1.011).contains(&p99), "{p99}");
    }
}
