//! What a report must fulfil, as written: `p99<5ms`, `errors>0`.
//!
//! | figure | is | value |
//! |---|---|---|
//! | `p50`, `p99.9`, any other up to `p100` | the response time that so many percent are within | `5ms` |
//! | `min`, `mean`, `max` | of the response times | `5ms` |
//! | `service.p99`, also `lateness.`, `connect.`, `proxy.`, `tls.`, `first_byte.` | of other times | `5ms` |
//! | `rate` | answers a second | `9k/s`, `9000` |
//! | `throughput` | bytes a second, of both directions together | `1GB/s`, `1Gbit/s` |
//! | `errors`, `wrong`, `mixed_up`, `lost` | how many | `10`, or of the requests `1%` |
//! | `missed` | how many | `10`, or of those that the schedule wanted `1%` |
//!
//! Operators are `<`, `<=`, `>` and `>=`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::report::Report;
use crate::error::Invalid;
use crate::units::{Rate, RateUnit, show_duration};

mod quantity;
mod spec;
#[cfg(test)]
mod tests;

use quantity::{Quantity, Reading};

/// A comparison of one figure of a report with a value.
///
/// Valid: `p99<5ms`, `p99.9 > 10ms`, `service.p50<=1ms`, `mean<2ms`, `max>1s`, `rate<9k/s`, `errors>0`, `missed>1%`,
/// `throughput<1GB/s`; a bare number is seconds where a time is due. Invalid: `p99`, `p99<5MB`, `p101<1ms`, `foo>1`.
///
/// Where nothing was measured, a time counts as longer than any: what never came was not fast. So `p99>10ms` then holds and
/// `p99<10ms` does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// As the user wrote it.
    written: String,
    quantity: Quantity,
    operator: Operator,
    value: Value,
}

/// How a figure is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Operator {
    fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            Operator::Less => left < right,
            Operator::AtMost => left <= right,
            Operator::More => left > right,
            Operator::AtLeast => left >= right,
        }
    }
}

/// What a figure is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Time(Duration),
    /// A count, or so many a second.
    Number(f64),
    /// Of a hundred.
    Percent(f64),
}

impl Condition {
    /// Tells whether it holds for a report.
    pub fn holds(&self, report: &Report) -> bool {
        match (self.quantity.read(report), self.value) {
            (Reading::Time(time), Value::Time(value)) => self.operator.holds(time, value),
            (Reading::Count { count, of }, Value::Percent(value)) => self.operator.holds(percent(count, of), value),
            (Reading::Count { count, .. }, Value::Number(value)) => self.operator.holds(count as f64, value),
            (Reading::PerSecond(rate), Value::Number(value)) => self.operator.holds(rate, value),
            // Longer than any time. The parser makes no pairs of any other sort.
            _ => matches!(self.operator, Operator::More | Operator::AtLeast),
        }
    }

    /// Returns what the figure is in a report, in words: `p99 is 12.3 ms`, `errors are 4 (0.1 %)`.
    pub fn found(&self, report: &Report) -> String {
        let name = &self.quantity;
        match (name.read(report), self.value) {
            (Reading::Nothing, _) => format!("nothing was measured for {name}"),
            (Reading::Time(time), Value::Time(value))
                if time != value && show_duration(time) == show_duration(value) =>
            {
                // Three digits would make it look like what it was compared with.
                format!("{name} is {}", in_full(time))
            }
            (Reading::Time(time), _) => format!("{name} is {}", show_duration(time)),
            (Reading::Count { count, of }, _) => format!("{name} are {count} ({} %)", short(percent(count, of))),
            (Reading::PerSecond(per_second), _) => {
                let unit = if *name == Quantity::Throughput { RateUnit::Bytes } else { RateUnit::Events };
                format!("{name} is {}", Rate { per_second, unit })
            }
        }
    }
}

/// Returns the part in percent; of nothing, all.
fn percent(count: u64, of: u64) -> f64 {
    match (count, of) {
        (0, _) => 0.0,
        (_, 0) => 100.0,
        _ => count as f64 * 100.0 / of as f64,
    }
}

/// Prints all digits of a time, as `show_duration` does three.
fn in_full(time: Duration) -> String {
    let text = format!("{time:?}");
    let unit = text.find(char::is_alphabetic).unwrap_or(text.len());
    format!("{} {}", &text[..unit], text[unit..].replace('\u{b5}', "u"))
}

/// Prints two digits, however small it is, so that few are not shown as none.
fn short(percent: f64) -> String {
    let below_one = if percent > 0.0 { -percent.log10().floor() } else { 0.0 };
    let text = format!("{percent:.*}", 1 + below_one.clamp(0.0, 12.0) as usize);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl FromStr for Condition {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Condition, Invalid> {
        spec::read(text)
    }
}

impl fmt::Display for Condition {
    /// Prints it as it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}
