//! The rate over time, as straight pieces one behind the other: what ramps, steps and constant rates are.
//!
//! The n-th start is where the integral of the rate reaches n. It is computed from n alone, so nothing adds up over a run, and a
//! fraction of a start at the end of a piece is carried into the next one.

use std::time::Duration;

use super::{Schedule, Step};
use crate::error::Invalid;

/// A rate that goes in a straight line for a time.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// In seconds since the begin of the run.
    begin: f64,
    /// Infinite for the last.
    end: f64,
    /// The integral of the rate before it.
    before: f64,
    /// The integral of the rate up to its end.
    until: f64,
    /// At its begin, a second.
    rate: f64,
    /// By how much that changes in a second.
    slope: f64,
}

impl Piece {
    /// Returns how many starts are within its first `seconds`.
    fn integral(&self, seconds: f64) -> f64 {
        seconds * (self.rate + self.slope / 2.0 * seconds)
    }

    /// Returns when the integral reaches `count`, which is none of those before.
    fn at(&self, count: f64) -> f64 {
        let count = count - self.before;
        if count <= 0.0 {
            return self.begin;
        }
        if self.slope == 0.0 {
            return (self.begin + count / self.rate).min(self.end);
        }
        // The solution of rate * t + slope / 2 * t² = count that subtracts nothing, so that it also holds where the slope is
        // nearly or the rate entirely zero. Rounding may take the root a little below zero where the rate falls to it.
        let root = (self.rate * self.rate + 2.0 * self.slope * count).max(0.0).sqrt();
        (self.begin + 2.0 * count / (self.rate + root)).min(self.end)
    }
}

/// All pieces of a run, in order; the last one has no end.
#[derive(Debug, Clone)]
pub(super) struct Course {
    pieces: Vec<Piece>,
    /// The one that the last start was in.
    now: usize,
}

impl Course {
    /// Lays out a constant rate, a ramp or steps over a run of this length.
    pub(super) fn new(schedule: &Schedule, length: Option<Duration>) -> Result<Course, Invalid> {
        let mut course = Course { pieces: Vec::new(), now: 0 };
        match schedule {
            Schedule::Closed => return Err(schedule.invalid("it has no rate")),
            Schedule::Constant(rate) | Schedule::Poisson(rate) => {
                course.push(schedule.checked(*rate)?, 0.0, f64::INFINITY)
            }
            Schedule::Ramp { from, to } => course.ramp(schedule, (*from, *to), length)?,
            Schedule::Steps(steps) => {
                for (step, length) in steps.iter().zip(lengths(schedule, steps, length)?) {
                    course.push(schedule.checked(step.rate)?, 0.0, length);
                }
            }
        }
        Ok(course)
    }

    fn ramp(&mut self, schedule: &Schedule, (from, to): (f64, f64), length: Option<Duration>) -> Result<(), Invalid> {
        // One of them may be zero, if the other one is not.
        for rate in [from, to].into_iter().filter(|rate| *rate != 0.0).chain([from.max(to)]) {
            schedule.checked(rate)?;
        }
        let Some(length) = length.filter(|length| !length.is_zero()) else {
            let advice = "give the run a duration, or write steps with their times, as in 1k/s:5s,5k/s:10s";
            return Err(schedule.invalid("a ramp goes over the whole run, and this one has no length").instead(advice));
        };
        let seconds = length.as_secs_f64();
        self.push(from, (to - from) / seconds, seconds);
        self.push(to, 0.0, f64::INFINITY);
        Ok(())
    }

    fn push(&mut self, rate: f64, slope: f64, seconds: f64) {
        let (begin, before) = self.pieces.last().map_or((0.0, 0.0), |last| (last.end, last.until));
        let mut piece = Piece { begin, end: begin + seconds, before, until: f64::INFINITY, rate, slope };
        if seconds.is_finite() {
            piece.until = before + piece.integral(seconds);
        }
        self.pieces.push(piece);
    }

    /// Returns when the start with this number is, counted from 0, in seconds; `None` where the rate has fallen to zero before.
    /// The numbers must ascend from call to call.
    pub(super) fn at(&mut self, number: u64) -> Option<f64> {
        let count = number as f64;
        while count >= self.pieces[self.now].until {
            self.now += 1;
        }
        let piece = &self.pieces[self.now];
        (piece.rate > 0.0 || piece.slope > 0.0).then(|| piece.at(count))
    }

    /// Returns the integral of the rate between two moments in seconds over the time between; of none the rate then.
    pub(super) fn mean_rate(&self, from: f64, to: f64) -> f64 {
        if from < to {
            return (self.integral(to) - self.integral(from)) / (to - from);
        }
        let piece = self.piece_at(from);
        piece.rate + piece.slope * (from - piece.begin)
    }

    fn integral(&self, until: f64) -> f64 {
        let piece = self.piece_at(until);
        piece.before + piece.integral(until - piece.begin)
    }

    fn piece_at(&self, moment: f64) -> &Piece {
        self.pieces.iter().find(|piece| moment < piece.end).expect("the last one has no end")
    }
}

/// Returns how long each step lasts in seconds: as written, or its share of what is left of the run; the last one for ever.
fn lengths(schedule: &Schedule, steps: &[Step], length: Option<Duration>) -> Result<Vec<f64>, Invalid> {
    let advice = "give each step a time, as in 1k/s:5s,5k/s:10s, or the run a longer duration";
    let Some((last, others)) = steps.split_last() else {
        return Err(schedule.invalid("it has no step").instead("write steps as 1k/s:5s,5k/s:10s"));
    };
    let open = steps.iter().filter(|step| step.length.is_none()).count();
    let fixed = steps.iter().filter_map(|step| step.length).fold(Duration::ZERO, Duration::saturating_add);
    let share = match length {
        Some(length) if open > 0 => {
            let left = length.saturating_sub(fixed).as_secs_f64();
            if left == 0.0 {
                return Err(schedule.invalid("no time of the run is left for a step without one").instead(advice));
            }
            left / open as f64
        }
        None if others.iter().any(|step| step.length.is_none()) => {
            let problem = "a step without a time has a share of the run's, and this one has no length";
            return Err(schedule.invalid(problem).instead(advice));
        }
        // Nobody asks for it: no other step than perhaps the last one is without a time.
        _ => f64::INFINITY,
    };
    if last.length.is_some_and(|length| length.is_zero())
        || others.iter().any(|step| step.length == Some(Duration::ZERO))
    {
        return Err(schedule.invalid("a step lasts no time").instead(advice));
    }
    let others = others.iter().map(|step| step.length.map_or(share, |length| length.as_secs_f64()));
    Ok(others.chain([f64::INFINITY]).collect())
}
