//! Figures as they are read at a glance: grouped, short, and of steady width.

use std::time::Duration;

use callbox::units::{Rate, RateUnit, Size, show_duration};

pub use crate::report::figures::count;

/// Returns how often a second: `0.25/s`, `12.5/s`, `12,340/s`.
pub fn rate(per_second: f64) -> String {
    match per_second {
        0.0 => "0/s".into(),
        ..9.995 => format!("{per_second:.2}/s"),
        ..99.95 => format!("{per_second:.1}/s"),
        _ => format!("{}/s", count(per_second.round() as u64)),
    }
}

/// Returns bytes a second: `1.2 GiB/s`.
pub fn byte_rate(per_second: f64) -> String {
    Rate { per_second, unit: RateUnit::Bytes }.to_string()
}

/// Returns a size: `1.5 MiB`.
pub fn size(bytes: u64) -> String {
    Size(bytes).to_string()
}

/// Returns a number in four characters, for an axis: `950`, `1.5k`, `120k`, `2M`.
pub fn short(number: f64) -> String {
    let (value, unit) = match number {
        ..1e3 => (number, ""),
        ..1e6 => (number / 1e3, "k"),
        ..1e9 => (number / 1e6, "M"),
        _ => (number / 1e9, "G"),
    };
    let text = if value < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") };
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// Returns bytes in six characters, for an axis: `512B`, `1.5MiB`.
pub fn short_size(bytes: f64) -> String {
    size(bytes.round() as u64).replace(' ', "")
}

/// Returns how long something has been going on, in steps that are seen to tick: `4.2 s`, `1m05s`.
pub fn clock(time: Duration) -> String {
    if time < Duration::from_millis(59_950) { format!("{:.1} s", time.as_secs_f64()) } else { show_duration(time) }
}

/// Returns a round length of time: `10 s`.
pub fn length(time: Duration) -> String {
    clock(time).replace(".0 s", " s")
}

/// Returns a part of all: `41 %`, `0.4 %`, and what is less than that but not nothing as `<0.1 %`.
pub fn share(part: u64, all: u64) -> String {
    let percent = if all == 0 { 0.0 } else { part as f64 / all as f64 * 100.0 };
    match percent {
        0.0 => String::new(),
        ..0.1 => "<0.1 %".into(),
        ..9.95 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_grouped() {
        let counts = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in counts {
            assert_eq!(count(number), text);
        }
        for (number, text) in
            [(0.0, "0/s"), (0.25, "0.25/s"), (12.5, "12.5/s"), (99.96, "100/s"), (12340.4, "12,340/s")]
        {
            assert_eq!(rate(number), text);
        }
        for (number, text) in [(0.0, "0"), (1.5, "1.5"), (950.0, "950"), (1500.0, "1.5k"), (12e4, "120k"), (2e6, "2M")]
        {
            assert_eq!(short(number), text);
        }
        for (part, all, text) in [(0, 9, ""), (0, 0, ""), (1, 9999, "<0.1 %"), (4, 1000, "0.4 %"), (41, 100, "41 %")] {
            assert_eq!(share(part, all), text);
        }
        assert_eq!(clock(Duration::from_millis(4_230)), "4.2 s");
        assert_eq!(clock(Duration::from_secs(65)), "1m05s");
        assert_eq!(length(Duration::from_secs(10)), "10 s");
    }
}
