//! When each exchange is to begin; pure, so that a seed is a promise.
//!
//! | written | means |
//! |---|---|
//! | `10k/s` | constant: evenly, this many a second |
//! | `1k/s..10k/s` | a ramp over the whole run, from one rate to the other |
//! | `1k/s:5s,5k/s:10s` | steps: each rate for its time; the last one goes on |
//! | `1k/s,2k/s,5k/s` | steps of equal length over the whole run |
//!
//! A ramp may begin or end at `0/s`. Without any the workload is closed: an exchange begins when the one before it on its
//! connection is over.
//!
//! ```
//! use std::time::Duration;
//!
//! use callbox::load::Schedule;
//!
//! let schedule: Schedule = "2/s:1s,4/s".parse()?;
//! let starts = schedule.starts(Some(Duration::from_secs(10)), 1)?.expect("it is not closed");
//! let millis: Vec<u128> = starts.take(5).map(|start| start.as_millis()).collect();
//! assert_eq!(millis, [0, 500, 1000, 1250, 1500]);
//! # Ok::<_, callbox::Invalid>(())
//! ```

use std::time::Duration;

use crate::error::Invalid;

mod course;
mod spec;
mod starts;
#[cfg(test)]
mod tests;

use course::Course;
pub use starts::{Share, Starts};

/// When exchanges begin; closed by nature.
///
/// Valid: `10k/s`, `0.5/s`, `1k/s..10k/s` (a ramp), `0/s..1k/s`, `1k/s:5s,5k/s:10s` (steps), `1k/s,2k/s`. Invalid: `1000`, `0/s`,
/// `5MB/s`, `1k/s..2k/s:5s`, `1k/s:0s`.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Schedule {
    /// Each connection begins the next one when the last is over.
    #[default]
    Closed,
    /// Evenly, at this many a second.
    Constant(f64),
    /// At random and independently of each other, this many a second in the mean (a Poisson process).
    Poisson(f64),
    /// The rate goes from the one to the other, linearly over the run's time; then it stays.
    Ramp {
        /// At the begin, a second.
        from: f64,
        /// At the end.
        to: f64,
    },
    /// Rates, each for its time; a step without a time has its share of what is left of the run's. The last one stays.
    Steps(Vec<Step>),
}

/// A rate and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Exchanges a second.
    pub rate: f64,
    /// For this long; `None` is an equal share of what is left of the run.
    pub length: Option<Duration>,
}

impl Schedule {
    /// Returns its name for programs: `closed`, `constant`, `poisson`, `ramp`, `steps`.
    pub fn name(&self) -> &'static str {
        match self {
            Schedule::Closed => "closed",
            Schedule::Constant(_) => "constant",
            Schedule::Poisson(_) => "poisson",
            Schedule::Ramp { .. } => "ramp",
            Schedule::Steps(_) => "steps",
        }
    }

    /// Makes the starts of a constant rate random.
    ///
    /// # Errors
    ///
    /// Any other schedule.
    pub fn poisson(self) -> Result<Schedule, Invalid> {
        match self {
            Schedule::Constant(rate) | Schedule::Poisson(rate) => Ok(Schedule::Poisson(rate)),
            other => Err(other
                .invalid("only starts at a constant rate can be random")
                .instead("write one rate, as in 10k/s")),
        }
    }

    /// Returns when the exchanges begin, since the begin of the run; `None` for a closed one. `length` is the run's, where it is
    /// known: ramps and steps without a time need it.
    ///
    /// # Errors
    ///
    /// A ramp, or a step without a time that is not the last, in a run without a length; a step that no time is left for; a rate
    /// that is not above zero and finite.
    pub fn starts(&self, length: Option<Duration>, seed: u64) -> Result<Option<Starts>, Invalid> {
        Ok(match self {
            Schedule::Closed => None,
            Schedule::Poisson(rate) => Some(Starts::random(self.checked(*rate)?, seed)),
            _ => Some(Starts::along(Course::new(self, length)?)),
        })
    }

    /// Returns the mean rate asked for between two moments of a run of this length, exactly; `None` for a closed one, or where
    /// [`starts`](Schedule::starts) has an error. Of no time it is the rate of that moment.
    pub fn mean_rate(&self, length: Option<Duration>, from: Duration, to: Duration) -> Option<f64> {
        match self {
            Schedule::Closed => None,
            Schedule::Constant(rate) | Schedule::Poisson(rate) => self.checked(*rate).ok(),
            _ => Some(Course::new(self, length).ok()?.mean_rate(from.as_secs_f64(), to.as_secs_f64())),
        }
    }

    fn invalid(&self, problem: impl Into<String>) -> Invalid {
        Invalid::new("schedule", self.to_string(), problem)
    }

    /// Returns the rate if anything can happen at it.
    fn checked(&self, rate: f64) -> Result<f64, Invalid> {
        if rate.is_finite() && rate > 0.0 {
            return Ok(rate);
        }
        Err(self
            .invalid(format!("{rate} is no rate"))
            .instead("a rate is above 0/s; only a ramp may begin or end there"))
    }
}
