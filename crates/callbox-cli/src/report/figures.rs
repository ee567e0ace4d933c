//! Figures as people read them: three digits and a unit, and counts in groups of three.

use std::time::Duration;

use callbox::load::Distribution;
use callbox::units::{Size, show_duration};

/// The columns of every table of times.
pub const PERCENTILES: [(&str, f64); 4] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)];

/// Returns a count with commas: `12,000`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns a count with its noun: `1 exchange`, `12,000 exchanges`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// Returns a number of three digits or more: `0.12`, `41.3`, `31,187`.
pub fn number(value: f64) -> String {
    let decimals = match value {
        ..9.995 => 2,
        ..99.95 => 1,
        // Above, all digits before the point are shown.
        _ => return count(value.round() as u64),
    };
    let text = format!("{:.decimals$}", value.max(0.0));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Returns how often a second: `1,200/s`.
pub fn rate(per_second: f64) -> String {
    format!("{}/s", number(per_second))
}

/// Returns bytes: `1.5 MiB`.
pub fn bytes(bytes: u64) -> String {
    Size(bytes).to_string()
}

/// Returns bytes a second: `1.12 GiB/s`.
pub fn bytes_rate(per_second: f64) -> String {
    format!("{}/s", Size(per_second.round() as u64))
}

/// Returns bits a second as networks are sold: `9.62 Gbit/s`.
pub fn bits_rate(bytes_per_second: f64) -> String {
    let mut value = bytes_per_second * 8.0;
    let mut unit = "bit/s";
    for next in ["kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"] {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    format!("{} {unit}", number(value))
}

/// Returns a time: `1.24 ms`.
pub fn time(time: Duration) -> String {
    show_duration(time)
}

/// Returns a time in nanoseconds.
pub fn nanos(nanos: u64) -> String {
    show_duration(Duration::from_nanos(nanos))
}

/// Returns which part of a whole; what is not all never reads as 100 %, what is not nothing never as 0 %.
pub fn percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0 %".into();
    }
    if part >= whole {
        return "100 %".into();
    }
    match part as f64 / whole as f64 * 100.0 {
        ..0.01 => "<0.01 %".into(),
        share @ ..9.995 => format!("{share:.2} %"),
        share @ ..99.95 => format!("{share:.1} %"),
        _ => ">99.9 %".into(),
    }
}

/// Returns the columns of a table of times for one distribution, with `-` where nothing was measured.
pub fn times(times: &Distribution) -> Vec<String> {
    let show = |found: Duration| if times.is_empty() { "-".to_owned() } else { time(found) };
    let percentiles = PERCENTILES.iter().map(|(_, percent)| show(times.percentile(*percent)));
    percentiles.chain([show(times.max()), show(times.mean())]).collect()
}

/// Returns the heads of those columns.
pub fn times_heads() -> Vec<String> {
    PERCENTILES.iter().map(|(name, _)| *name).chain(["max", "mean"]).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_in_groups_of_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(count(number), text);
        }
        assert_eq!((counted(1, "exchange"), counted(2, "exchange")), ("1 exchange".into(), "2 exchanges".into()));
    }

    #[test]
    fn rates_have_three_digits_or_all_of_them() {
        let table = [(0.0, "0/s"), (0.125, "0.12/s"), (12.34, "12.3/s"), (99.96, "100/s"), (31_187.4, "31,187/s")];
        for (per_second, text) in table {
            assert_eq!(rate(per_second), text);
        }
        assert_eq!(bits_rate(1.25e9), "10 Gbit/s");
        assert_eq!(bits_rate(10.0), "80 bit/s");
    }

    #[test]
    fn nearly_all_is_not_all() {
        let table = [(0, 10, "0 %"), (10, 10, "100 %"), (1, 3, "33.3 %"), (99_999, 100_000, ">99.9 %")];
        for (part, whole, text) in table.into_iter().chain([(1, 100_000, "<0.01 %"), (5, 100, "5.00 %")]) {
            assert_eq!(percent(part, whole), text);
        }
    }
}
