//! Sizes in bytes: `k M G T` are powers of 1000, `Ki Mi Gi Ti` of 1024, with or without `B`.

use std::fmt;
use std::str::FromStr;

use super::decimal::{Decimal, three_digits};
use crate::error::Invalid;

/// A number of bytes.
///
/// Valid: `0`, `1460`, `64k`, `64KiB`, `1.5MiB`, `2 GB`. Invalid: `-1`, `1.5` (half a byte), `64kb` (bits?), `1e6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Size, Invalid> {
        let (number, end) = Decimal::take("size", text, 0).map_err(|bad| bad.instead(ADVICE))?;
        let invalid = |at, problem: String, instead: &str| Invalid::new("size", text, problem).at(at).instead(instead);
        let unit = text[end..].trim_matches(' ');
        let multiple = match multiple(unit.strip_suffix('B').unwrap_or(unit)) {
            Some(multiple) => multiple,
            None if unit.ends_with('b') => {
                let problem = format!("{} may mean bits", crate::text::safe(unit));
                return Err(invalid(end, problem, "write a capital B for bytes, as in 64kB"));
            }
            None => return Err(invalid(end, format!("unknown unit {}", crate::text::safe(unit)), ADVICE)),
        };
        if multiple == 1 && !number.is_whole() {
            return Err(invalid(0, "a part of a byte".into(), ADVICE));
        }
        u64::try_from(number.times(multiple)).map(Size).map_err(|_| invalid(0, "too large".into(), ADVICE))
    }
}

const ADVICE: &str = "write bytes as 1460, 64k, 64KiB or 1.5MiB";

/// Returns how many a prefix stands for: 1 for none, 1000 for `k`, 1024 for `Ki`.
pub(super) fn multiple(prefix: &str) -> Option<u64> {
    let (letter, base) = match prefix.strip_suffix('i') {
        Some(letter) => (letter, 1024u64),
        None => (prefix, 1000),
    };
    let power = match letter {
        "" if base == 1000 => 0,
        "k" | "K" => 1,
        "M" | "m" => 2,
        "G" | "g" => 3,
        "T" | "t" => 4,
        _ => return None,
    };
    Some(base.pow(power))
}

impl fmt::Display for Size {
    /// Prints in the largest unit that fits, three digits at most: `512 B`, `64 KiB`, `1.5 MiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut value = self.0 as f64;
        let mut unit = "";
        for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
            // A fourth digit goes to the next unit: 1000 KiB are shown as 0.98 MiB.
            if !unit.is_empty() && value < 999.5 {
                break;
            }
            (value, unit) = (value / 1024.0, next);
        }
        write!(f, "{} {unit}", three_digits(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read() {
        let table = [
            ("0", 0),
            ("1460", 1460),
            ("1460B", 1460),
            ("64k", 64_000),
            ("64K", 64_000),
            ("64kB", 64_000),
            ("64Ki", 65_536),
            ("64KiB", 65_536),
            ("1.5MiB", 1_572_864),
            ("1.5 MiB", 1_572_864),
            ("2GB", 2_000_000_000),
            ("1T", 1_000_000_000_000),
            ("18446744073709551615", u64::MAX),
        ];
        for (text, bytes) in table {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
    }

    #[test]
    fn bad_sizes_are_refused() {
        let table = [
            ("", "no number"),
            ("-1", "negative"),
            ("1.5", "a part of a byte"),
            ("64kb", "may mean bits"),
            ("1e6", "unknown unit e6"),
            ("64i", "unknown unit i"),
            ("18446744073709551616", "too large"),
            ("18446744073709552k", "too large"),
            ("k", "no number"),
        ];
        for (text, problem) in table {
            let invalid = text.parse::<Size>().unwrap_err();
            assert!(invalid.problem.contains(problem) && invalid.instead.is_some(), "{invalid}");
        }
    }

    #[test]
    fn units_that_a_terminal_would_obey_are_shown_escaped() {
        for (text, shown) in [("1\x1b[2Jb", "\\x1b[2Jb may mean bits"), ("1\u{202e}", "unknown unit \\u{202e}")] {
            assert_eq!(text.parse::<Size>().unwrap_err().problem, shown);
        }
    }

    #[test]
    fn sizes_are_shown_in_three_digits() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (65_536, "64 KiB"),
            (1_572_864, "1.5 MiB"),
            (1_023_400, "999 KiB"),
            (1_024_000, "0.98 MiB"),
            (u64::MAX, "16 EiB"),
        ];
        for (bytes, text) in table {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn a_shown_size_reads_back_nearly(shift in 0u32..14, noise: u64) {
            let bytes = noise >> (20 + 3 * shift);
            let back: Size = Size(bytes).to_string().parse().unwrap();
            prop_assert!((back.0 as f64 - bytes as f64).abs() <= bytes as f64 * 0.006, "{bytes} {back:?}");
        }
    }
}
