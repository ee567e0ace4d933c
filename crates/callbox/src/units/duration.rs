//! Durations: `250us`, `500ms`, `2s`, `1m30s`, `1.5s`, `1h`, `2d`; a bare number is seconds.

use std::time::Duration;

use super::decimal::{Decimal, three_digits};
use crate::error::Invalid;

/// The longest duration there is, a hundred years: a deadline that far ahead can still be computed on every clock.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// From large to small, the order in which they are written.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Reads a duration; parts go from large units to small ones, spaces around units do not matter.
///
/// Valid: `0`, `2`, `1.5s`, `250us`, `1m30s`, `1 h 5 m`. Invalid: `-1s`, `1m30`, `30s1m`, `5 sec`, `1s1s`.
///
/// # Errors
///
/// What is no duration, is negative, is above zero but shorter than a nanosecond, or longer than a hundred years.
pub fn parse_duration(text: &str) -> Result<Duration, Invalid> {
    let invalid = |at, problem: String| Invalid::new("duration", text, problem).at(at).instead(ADVICE);
    let mut nanos = 0u128;
    let mut zero = true;
    let mut next_unit = 0;
    let mut at = skip_spaces(text, 0);
    let first = at;
    loop {
        let part = at;
        let (number, end) = Decimal::take("duration", text, at).map_err(|bad| bad.instead(ADVICE))?;
        at = skip_spaces(text, end);
        let name = unit_name(&text[at..]);
        let unit = match UNITS.iter().position(|(unit, _)| *unit == name || *unit == "us" && name == "µs") {
            Some(unit) if unit < next_unit => {
                return Err(invalid(part, format!("{name} comes after a smaller or the same unit")));
            }
            Some(unit) => unit,
            None if name.is_empty() && at == text.len() && part == first => SECONDS,
            None if name.is_empty() => return Err(invalid(at.min(end), "a unit is missing".into())),
            None => return Err(invalid(at, format!("unknown unit {}", crate::text::safe(name)))),
        };
        next_unit = unit + 1;
        nanos += number.times(UNITS[unit].1);
        zero &= number.is_zero();
        at = skip_spaces(text, at + name.len());
        if at == text.len() {
            break;
        }
    }
    if nanos == 0 && !zero {
        return Err(invalid(first, "shorter than a nanosecond".into()));
    }
    if nanos > LONGEST.as_nanos() {
        return Err(invalid(first, "longer than a hundred years".into()));
    }
    // Below the limit just checked, the seconds fit.
    Ok(Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32))
}

const SECONDS: usize = 3;
const ADVICE: &str = "write 250us, 500ms, 2s, 1m30s, 1h or 2d";

/// Returns a short form for people, three digits of it at most where it has one unit: `41 us`, `1.24 ms`, `3.5 s`,
/// `2m05s`, `1h02m`, `3d04h`.
pub fn show_duration(duration: Duration) -> String {
    if duration.is_zero() {
        return "0 s".into();
    }
    let seconds = duration.as_secs_f64();
    // Limits are where rounding would reach the next unit, so that nothing prints as `1000 us` or `60 s`.
    for (unit, per_second) in [("ns", 1e9), ("us", 1e6), ("ms", 1e3)] {
        if seconds * per_second < 999.5 {
            return format!("{} {unit}", three_digits(seconds * per_second));
        }
    }
    if seconds < 59.95 {
        return format!("{} s", three_digits(seconds));
    }
    let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_millis() >= 500));
    if seconds < 3600 {
        return format!("{}m{:02}s", seconds / 60, seconds % 60);
    }
    let minutes = seconds.saturating_add(30) / 60;
    if minutes < 24 * 60 {
        return format!("{}h{:02}m", minutes / 60, minutes % 60);
    }
    let hours = (minutes + 30) / 60;
    format!("{}d{:02}h", hours / 24, hours % 24)
}

fn skip_spaces(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start_matches(' ').len()
}

fn unit_name(rest: &str) -> &str {
    &rest[..rest.find(|c: char| c == ' ' || c == '.' || c.is_ascii_digit()).unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read() {
        let table = [
            ("0", 0),
            ("0s", 0),
            ("250us", 250_000),
            ("250µs", 250_000),
            ("10ns", 10),
            ("500ms", 500_000_000),
            ("2", 2_000_000_000),
            ("2s", 2_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5", 500_000_000),
            ("0.1s", 100_000_000),
            ("1m30s", 90_000_000_000),
            ("2m05s", 125_000_000_000),
            (" 1 h 5 m ", 3_900_000_000_000),
            ("1h", 3_600_000_000_000),
            ("2d", 172_800_000_000_000),
            ("1s500ms", 1_500_000_000),
        ];
        for (text, nanos) in table {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn bad_durations_are_pointed_at() {
        let table = [
            ("", 0, "no number"),
            ("s", 0, "no number"),
            ("-1s", 0, "negative"),
            ("1s-1ms", 1, "unknown unit s-"),
            ("1m30", 4, "a unit is missing"),
            ("1 30", 1, "a unit is missing"),
            ("30s1m", 3, "m comes after"),
            ("1s1s", 2, "s comes after"),
            ("5 sec", 2, "unknown unit sec"),
            ("1,5s", 1, "unknown unit ,"),
            ("1.2.3s", 0, "not a number"),
            ("5.", 0, "not a number"),
            ("0.0000000001s", 0, "shorter than a nanosecond"),
            ("36501d", 0, "longer than a hundred years"),
            ("18446744073709551615d", 0, "longer than a hundred years"),
            ("99999999999999999999s", 0, "too large"),
            ("inf", 0, "no number"),
        ];
        for (text, at, problem) in table {
            let invalid = parse_duration(text).unwrap_err();
            assert_eq!(invalid.at, Some(at), "{invalid}");
            assert!(invalid.problem.contains(problem), "{invalid}");
            assert!(invalid.instead.is_some());
        }
    }

    #[test]
    fn durations_are_shown_short() {
        let table = [
            (0, "0 s"),
            (850, "850 ns"),
            (41_000, "41 us"),
            (999_600, "1 ms"),
            (1_236_000, "1.24 ms"),
            (999_600_000, "1 s"),
            (3_500_000_000, "3.5 s"),
            (59_960_000_000, "1m00s"),
            (125_000_000_000, "2m05s"),
            (3_599_600_000_000, "1h00m"),
            (3_720_000_000_000, "1h02m"),
            (86_399_000_000_000, "1d00h"),
            (273_600_000_000_000, "3d04h"),
        ];
        for (nanos, text) in table {
            assert_eq!(show_duration(Duration::from_nanos(nanos)), text);
        }
        assert!(show_duration(Duration::MAX).ends_with('h'));
    }

    proptest! {
        #[test]
        fn a_shown_duration_reads_back_nearly(magnitude in 0u32..62, noise: u64) {
            let duration = Duration::from_nanos((1 << magnitude) | (noise & ((1 << magnitude) - 1))).min(LONGEST);
            let back = parse_duration(&show_duration(duration)).unwrap();
            let off = back.as_secs_f64() / duration.as_secs_f64() - 1.0;
            prop_assert!(off.abs() < 0.025, "{duration:?} {back:?}");
        }

        #[test]
        fn text_of_any_sort_is_read_or_refused(text in "[0-9.a-z µ-]{0,12}|.{0,8}") {
            let _ = parse_duration(&text);
        }
    }
}
