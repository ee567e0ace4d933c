//! What a run's slices say about now and about its course.

use std::time::Duration;

use callbox::load::{Report, Slice};

/// "Now" is the mean of this time, as far as it has passed: shorter ones jump too much to be read.
const NOW: Duration = Duration::from_secs(1);
/// A slice of which less than this part has passed says nothing yet.
const TOO_SHORT: f64 = 0.25;

/// One slice as it is plotted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// What is plotted.
    pub value: f64,
    /// Whether something went wrong in it.
    pub failed: bool,
}

/// Returns how often a second something happened lately, where a whole slice has passed.
pub fn now(report: &Report, of: impl Fn(&Slice) -> u64) -> Option<f64> {
    let series = &report.series;
    let whole = whole_slices(report);
    let lately = (NOW.as_secs_f64() / series.slice.as_secs_f64()).ceil().max(1.0) as usize;
    let slices = &series.slices[whole.saturating_sub(lately)..whole];
    let sum: u64 = slices.iter().map(of).sum();
    (!slices.is_empty()).then(|| sum as f64 / (series.slice.as_secs_f64() * slices.len() as f64))
}

/// Returns how often a second something happened in each slice.
pub fn rates(report: &Report, of: impl Fn(&Slice) -> u64) -> Vec<Point> {
    let series = &report.series;
    let length = series.slice.as_secs_f64();
    let whole = whole_slices(report);
    let rest = report.duration.as_secs_f64() - length * whole as f64;
    let slices = series.slices.iter().enumerate();
    let lengths = slices.map(|(index, slice)| (slice, if index < whole { length } else { rest }));
    let told = lengths.filter(|(_, lasted)| length > 0.0 && *lasted >= length * TOO_SHORT);
    told.map(|(slice, lasted)| Point { value: of(slice) as f64 / lasted, failed: slice.failed > 0 }).collect()
}

/// Returns how many connections were open at the end of each slice.
pub fn open(report: &Report) -> Vec<Point> {
    report.series.slices.iter().map(|slice| Point { value: slice.open as f64, failed: slice.failed > 0 }).collect()
}

/// How many slices have passed as a whole.
fn whole_slices(report: &Report) -> usize {
    let series = &report.series;
    let passed = report.duration.as_nanos().checked_div(series.slice.as_nanos()).unwrap_or(0);
    series.slices.len().min(usize::try_from(passed).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use callbox::load::Series;

    use super::*;

    fn report(slice: u64, duration: u64, answered: &[u64]) -> Report {
        let slices = answered.iter().map(|&answered| Slice { answered, ..Slice::default() }).collect();
        let series = Series { slice: Duration::from_millis(slice), slices };
        Report { duration: Duration::from_millis(duration), series, ..Report::default() }
    }

    #[test]
    fn now_is_the_last_second_in_whole_slices() {
        let now = |report: &Report| now(report, |slice| slice.answered);
        assert_eq!(now(&report(500, 2_100, &[1, 1, 10, 20, 900])), Some(30.0));
        assert_eq!(now(&report(500, 600, &[8, 1])), Some(16.0));
        assert_eq!(now(&report(4_000, 9_000, &[400, 800, 1])), Some(200.0));
        assert_eq!(now(&report(500, 400, &[8])), None);
        assert_eq!(now(&Report::default()), None);
    }

    #[test]
    fn the_last_slice_counts_for_as_long_as_it_lasted() {
        let values = |report: &Report| -> Vec<f64> {
            rates(report, |slice| slice.answered).iter().map(|point| point.value.round()).collect()
        };
        assert_eq!(values(&report(1_000, 1_500, &[10, 5])), [10.0, 10.0]);
        assert_eq!(values(&report(1_000, 1_010, &[10, 5])), [10.0]);
        assert_eq!(values(&Report::default()), [0.0; 0]);
        assert_eq!(values(&report(0, 1_000, &[10])), [10.0; 0]);
    }
}
