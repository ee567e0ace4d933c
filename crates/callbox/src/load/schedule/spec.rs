//! How a schedule is written: `10k/s`, `1k/s..10k/s`, `1k/s:5s,5k/s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Schedule, Step};
use crate::error::Invalid;
use crate::units::{Rate, RateUnit, parse_duration};

const ADVICE: &str = "write 10k/s, a ramp as 1k/s..10k/s or steps as 1k/s:5s,5k/s:10s";

impl FromStr for Schedule {
    type Err = Invalid;

    /// Reads a rate, a ramp or steps, as in the table of the module.
    fn from_str(text: &str) -> Result<Schedule, Invalid> {
        let whole = Part { text, at: 0, len: text.len() };
        if let Some((from, to)) = whole.split("..") {
            if let Some(sign) = to.str().find([',', ':']) {
                return Err(to.invalid(sign, "a ramp goes over the whole run and has no steps"));
            }
            let (from, end) = (from.rate_or_zero()?, to.rate_or_zero()?);
            if from == 0.0 && end == 0.0 {
                return Err(to.invalid(0, "nothing ever happens at a rate of zero"));
            }
            return Ok(Schedule::Ramp { from, to: end });
        }
        let mut steps = Vec::new();
        let mut rest = Some(whole);
        while let Some(left) = rest {
            let (step, behind) = left.split(",").map_or((left, None), |(step, behind)| (step, Some(behind)));
            steps.push(step.step()?);
            rest = behind;
        }
        Ok(match steps[..] {
            [Step { rate, length: None }] => Schedule::Constant(rate),
            _ => Schedule::Steps(steps),
        })
    }
}

/// A part of what is read, so that errors point into the whole.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    at: usize,
    len: usize,
}

impl<'a> Part<'a> {
    fn str(self) -> &'a str {
        &self.text[self.at..self.at + self.len]
    }

    /// Returns what stands before the first sign and what behind, without spaces around them.
    fn split(self, sign: &str) -> Option<(Part<'a>, Part<'a>)> {
        let len = self.str().find(sign)?;
        let behind = self.at + len + sign.len();
        let rest = Part { text: self.text, at: behind, len: self.at + self.len - behind };
        Some((Part { len, ..self }.trimmed(), rest.trimmed()))
    }

    fn trimmed(self) -> Part<'a> {
        let inner = self.str().trim_matches(' ');
        let before = self.len - self.str().trim_start_matches(' ').len();
        Part { at: self.at + before.min(self.len - inner.len()), len: inner.len(), ..self }
    }

    fn invalid(self, at: usize, problem: impl Into<String>) -> Invalid {
        Invalid::new("schedule", self.text, problem).at(self.at + at).instead(ADVICE)
    }

    /// Lets an error in this part point into the whole.
    fn within(self, bad: Invalid) -> Invalid {
        self.invalid(bad.at.unwrap_or(0), bad.problem)
    }

    fn step(self) -> Result<Step, Invalid> {
        let Some((rate, time)) = self.split(":") else {
            return Ok(Step { rate: self.trimmed().rate()?, length: None });
        };
        let length = parse_duration(time.str()).map_err(|bad| time.within(bad))?;
        if length.is_zero() {
            return Err(time.invalid(0, "a step lasts no time"));
        }
        Ok(Step { rate: rate.rate()?, length: Some(length) })
    }

    fn rate(self) -> Result<f64, Invalid> {
        let rate: Rate = self.str().parse().map_err(|bad| self.within(bad))?;
        match rate.unit {
            RateUnit::Events => Ok(rate.per_second),
            RateUnit::Bytes => Err(self.invalid(0, "exchanges are counted, not bytes")),
        }
    }

    /// Reads an end of a ramp, which may also be `0/s`.
    fn rate_or_zero(self) -> Result<f64, Invalid> {
        let number = self.str().strip_suffix("/s").unwrap_or_default().trim_end_matches(' ');
        if matches!(number, "0" | "0.0") { Ok(0.0) } else { self.rate() }
    }
}

impl fmt::Display for Schedule {
    /// Prints it as it is written, so that it reads back as the same. What has no writing of its own is named: `closed`,
    /// `10k/s at random`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Closed => f.write_str("closed"),
            Schedule::Constant(rate) => write_rate(f, *rate),
            Schedule::Poisson(rate) => {
                write_rate(f, *rate)?;
                f.write_str(" at random")
            }
            Schedule::Ramp { from, to } => {
                write_rate(f, *from)?;
                f.write_str("..")?;
                write_rate(f, *to)
            }
            Schedule::Steps(steps) => {
                for (index, step) in steps.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    write_rate(f, step.rate)?;
                    if let Some(length) = step.length {
                        f.write_str(":")?;
                        write_duration(f, length)?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// Prints all digits; [`Rate`] itself is shown in three.
fn write_rate(f: &mut fmt::Formatter<'_>, rate: f64) -> fmt::Result {
    let fitting = [("M", 1e6), ("k", 1e3)].into_iter().find(|(_, unit)| rate != 0.0 && rate % unit == 0.0);
    let (prefix, unit) = fitting.unwrap_or(("", 1.0));
    write!(f, "{}{prefix}/s", rate / unit)
}

/// Prints it in the largest unit in which it is whole.
fn write_duration(f: &mut fmt::Formatter<'_>, duration: Duration) -> fmt::Result {
    let nanos = duration.as_nanos();
    let units = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];
    let (unit, size) = units.into_iter().find(|(_, size)| nanos.is_multiple_of(*size)).unwrap_or(("ns", 1));
    write!(f, "{}{unit}", nanos / size)
}
