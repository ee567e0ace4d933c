//! Rates per second: `100/s` counts events, `5MB/s` bytes, `10Mbit/s` bits, kept as bytes.

use std::fmt;
use std::str::FromStr;

use super::decimal::{Decimal, three_digits};
use super::size::{Size, multiple};
use crate::error::Invalid;

/// How many a second, of what; above zero when parsed.
///
/// Valid: `100/s`, `0.5/s`, `2k/s`, `5MB/s`, `64KiB/s`, `10Mbit/s`. Invalid: `0/s`, `100`, `5Mb/s`, `10Mbps`, `100/m`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Events or bytes a second.
    pub per_second: f64,
    /// What is counted.
    pub unit: RateUnit,
}

/// What a [`Rate`] counts; closed by nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateUnit {
    /// Connections, requests, frames: whatever the place where it is written counts.
    Events,
    /// Bytes of payload.
    Bytes,
}

impl FromStr for Rate {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Rate, Invalid> {
        let (number, end) = Decimal::take("rate", text, 0).map_err(|bad| bad.instead(ADVICE))?;
        let invalid = |at, problem: &str| Invalid::new("rate", text, problem).at(at).instead(ADVICE);
        let rest = text[end..].trim_matches(' ');
        if rest.ends_with("bps") || rest.ends_with("Bps") || rest.ends_with("b/s") {
            return Err(invalid(end, "may mean bits or bytes"));
        }
        let unit = rest.strip_suffix("/s").ok_or_else(|| invalid(text.len(), "no /s at the end"))?.trim_end();
        let (prefix, unit, share) = if let Some(prefix) = unit.strip_suffix("bit") {
            (prefix, RateUnit::Bytes, 8.0)
        } else if let Some(prefix) = unit.strip_suffix('B') {
            (prefix, RateUnit::Bytes, 1.0)
        } else {
            (unit, RateUnit::Events, 1.0)
        };
        let multiple =
            multiple(prefix).ok_or_else(|| invalid(end, &format!("unknown unit {}", crate::text::safe(prefix))))?;
        if number.is_zero() {
            return Err(invalid(0, "nothing ever happens at a rate of zero"));
        }
        Ok(Rate { per_second: number.to_f64() * multiple as f64 / share, unit })
    }
}

const ADVICE: &str = "write 100/s for events, 5MB/s for bytes or 10Mbit/s for bits";

impl fmt::Display for Rate {
    /// Prints events as a number, bytes as a [`Size`]: `100/s`, `4.77 MiB/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            RateUnit::Bytes => write!(f, "{}/s", Size(self.per_second.round() as u64)),
            RateUnit::Events => write!(f, "{}/s", three_digits(self.per_second)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        let table = [
            ("100/s", 100.0, RateUnit::Events),
            ("0.5/s", 0.5, RateUnit::Events),
            ("2k/s", 2000.0, RateUnit::Events),
            ("5MB/s", 5e6, RateUnit::Bytes),
            ("64KiB/s", 65536.0, RateUnit::Bytes),
            ("1B/s", 1.0, RateUnit::Bytes),
            ("10Mbit/s", 1.25e6, RateUnit::Bytes),
            ("10 Mbit/s", 1.25e6, RateUnit::Bytes),
            ("8bit/s", 1.0, RateUnit::Bytes),
        ];
        for (text, per_second, unit) in table {
            assert_eq!(text.parse(), Ok(Rate { per_second, unit }), "{text}");
        }
    }

    #[test]
    fn bad_rates_are_refused() {
        let table = [
            ("", "no number"),
            ("-1/s", "negative"),
            ("0/s", "rate of zero"),
            ("100", "no /s"),
            ("100/m", "no /s"),
            ("5Mb/s", "bits or bytes"),
            ("10Mbps", "bits or bytes"),
            ("1e3/s", "unknown unit e3"),
        ];
        for (text, problem) in table {
            let invalid = text.parse::<Rate>().unwrap_err();
            assert!(invalid.problem.contains(problem) && invalid.instead.is_some(), "{invalid}");
        }
    }

    #[test]
    fn rates_are_shown() {
        assert_eq!(Rate { per_second: 100.0, unit: RateUnit::Events }.to_string(), "100/s");
        assert_eq!(Rate { per_second: 12345.0, unit: RateUnit::Events }.to_string(), "12345/s");
        assert_eq!(Rate { per_second: 5e6, unit: RateUnit::Bytes }.to_string(), "4.77 MiB/s");
    }
}
