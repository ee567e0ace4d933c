//! Decimal numbers as written, kept exact until the unit is known, and numbers as shown.

use crate::error::Invalid;

/// An unsigned decimal number: `whole + fraction / scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    whole: u64,
    fraction: u64,
    scale: u64,
}

/// As many digits behind the point as a `u64` surely holds; further ones are below what any unit here resolves.
const FRACTION_DIGITS: usize = 18;

impl Decimal {
    /// Takes the number at `at` off `input`; returns it and the offset behind it.
    pub(super) fn take(what: &'static str, input: &str, at: usize) -> Result<(Decimal, usize), Invalid> {
        let invalid = |problem: String| Invalid::new(what, input, problem).at(at);
        let rest = &input[at..];
        if rest.starts_with(['-', '\u{2212}']) {
            return Err(invalid("negative".into()));
        }
        let len = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
        let text = &rest[..len];
        if text.is_empty() {
            return Err(invalid("no number".into()));
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        if fraction.is_empty() || fraction.contains('.') {
            return Err(invalid(format!("{text} is not a number")));
        }
        let kept = &fraction[..fraction.len().min(FRACTION_DIGITS)];
        let decimal = Decimal {
            whole: if whole.is_empty() { Ok(0) } else { whole.parse() }.map_err(|_| invalid("too large".into()))?,
            fraction: kept.parse().map_err(|_| invalid(format!("{text} is not a number")))?,
            scale: 10u64.pow(kept.len() as u32),
        };
        Ok((decimal, at + len))
    }

    /// Returns this many units of `unit`, the remainder cut off.
    pub(super) fn times(self, unit: u64) -> u128 {
        let unit = u128::from(unit);
        u128::from(self.whole) * unit + u128::from(self.fraction) * unit / u128::from(self.scale)
    }

    pub(super) fn is_zero(self) -> bool {
        self.whole == 0 && self.fraction == 0
    }

    pub(super) fn is_whole(self) -> bool {
        self.fraction == 0
    }

    /// Returns the number nearest to what was written, so that what is printed in full reads back as the same.
    pub(super) fn to_f64(self) -> f64 {
        let digits = self.scale.ilog10() as usize;
        let written = format!("{}.{:0digits$}", self.whole, self.fraction);
        written.parse().expect("digits around a point are a number")
    }
}

/// Returns the number with at most three significant digits, for values below 1000: `1.24`, `3.5`, `41`.
pub(super) fn three_digits(value: f64) -> String {
    let decimals = match value {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => return format!("{value:.0}"),
    };
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_exact() {
        let times = |text, unit| Decimal::take("number", text, 0).unwrap().0.times(unit);
        assert_eq!(times("1.5", 1 << 20), 3 << 19);
        assert_eq!(times("0.1", 1_000_000_000), 100_000_000);
        assert_eq!(times(".5", 10), 5);
        assert_eq!(times("0.9999999999999999999999", 1_000), 999);
        assert_eq!(times("18446744073709551615", u64::MAX), u128::from(u64::MAX) * u128::from(u64::MAX));
    }

    #[test]
    fn the_nearest_floating_point_number_is_found() {
        for number in [0.0, 12_345.678, 0.1, 0.007, 29.6, 33.43, 1e15, 0.000_123_456_789] {
            assert_eq!(Decimal::take("number", &number.to_string(), 0).unwrap().0.to_f64(), number);
        }
    }

    #[test]
    fn three_digits_are_enough() {
        let table = [(0.0, "0"), (1.236, "1.24"), (3.5, "3.5"), (9.996, "10"), (41.0, "41"), (41.26, "41.3")];
        for (value, text) in table.into_iter().chain([(99.96, "100"), (100.4, "100"), (999.4, "999"), (0.976, "0.98")])
        {
            assert_eq!(three_digits(value), text);
        }
    }
}
