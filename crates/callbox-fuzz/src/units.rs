//! Durations, sizes, rates and checksums' names: in range, or refused at their place.

use std::time::Duration;

use callbox::frame::Checksum;
use callbox::units::{Rate, Size, parse_duration, show_duration};

use crate::refusal;

/// A hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Three digits are shown.
const NEARLY: f64 = 0.006;

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse_duration(text) {
        Ok(duration) => {
            assert!(duration <= LONGEST && !show_duration(duration).is_empty());
            // Anything but the last unit is a whole number of the next.
            if let Ok(shown) = parse_duration(&show_duration(duration)) {
                let (shown, exact) = (shown.as_secs_f64(), duration.as_secs_f64());
                assert!((shown - exact).abs() <= exact * 0.02 + 1e-9, "{text} is {duration:?}, not {shown}");
            }
        }
        Err(invalid) => refusal::check(&invalid, text),
    }
    match text.parse::<Size>() {
        Ok(size) if size.0 < 1 << 50 => near(size.0 as f64, size.to_string().parse::<Size>().expect("it is shown").0),
        Ok(size) => assert!(!size.to_string().is_empty()),
        Err(invalid) => refusal::check(&invalid, text),
    }
    match text.parse::<Rate>() {
        Ok(rate) => assert!(rate.per_second > 0.0 && rate.per_second.is_finite() && !rate.to_string().is_empty()),
        Err(invalid) => refusal::check(&invalid, text),
    }
    match text.parse::<Checksum>() {
        Ok(checksum) => assert_eq!(checksum.name(), text),
        Err(invalid) => refusal::check_words(&invalid),
    }
}

fn near(exact: f64, shown: u64) {
    assert!((shown as f64 - exact).abs() <= exact * NEARLY, "{exact} and {shown}");
}
