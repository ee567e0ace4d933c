//! A report as CSV: a row for each slice of time, and a last one for the whole run.

use std::time::Duration;

use callbox::load::{Distribution, Report};

use super::figures::PERCENTILES;

const HEADER: &str = "from_s,to_s,answered,failed,rate_per_s,p50_us,p90_us,p99_us,p999_us,max_us,to_server_bytes,\
                      to_client_bytes,open";

/// Returns the rows with their header; lines end with `\n`. Where nothing was measured a field is empty.
pub fn render(report: &Report) -> String {
    let mut out = format!("{HEADER}\n");
    let slices = &report.series.slices;
    for (slice, (from, to)) in slices.iter().zip(ends(report)) {
        let row = Row {
            ends: (from, to),
            counts: (slice.answered, slice.failed),
            times: &slice.response,
            bytes: (slice.to_server_bytes, slice.to_client_bytes),
            open: slice.open,
        };
        row.write(&mut out);
    }
    let failed = if slices.is_empty() {
        report.wrong.saturating_add(report.lost)
    } else {
        slices.iter().fold(0, |sum: u64, slice| sum.saturating_add(slice.failed))
    };
    let whole = Row {
        ends: (Duration::ZERO, report.duration),
        counts: (report.answered, failed),
        times: &report.response,
        bytes: (report.to_server_bytes, report.to_client_bytes),
        open: report.most_open,
    };
    whole.write(&mut out);
    out
}

/// Returns when each slice begins and ends; the last one ends with the run.
pub fn ends(report: &Report) -> impl Iterator<Item = (Duration, Duration)> {
    let (slice, duration) = (report.series.slice, report.duration);
    let count = report.series.slices.len();
    (0..count).map(move |at| {
        let from = slice.saturating_mul(u32::try_from(at).unwrap_or(u32::MAX));
        let to = from.saturating_add(slice);
        // What came in after the end, while the last answers were awaited, has its slice too.
        (from, if at + 1 == count && duration > from { duration } else { to })
    })
}

struct Row<'a> {
    ends: (Duration, Duration),
    counts: (u64, u64),
    times: &'a Distribution,
    bytes: (u64, u64),
    open: u64,
}

impl Row<'_> {
    fn write(&self, out: &mut String) {
        let (from, to) = self.ends;
        let (answered, failed) = self.counts;
        let lasted = (to - from).as_secs_f64();
        let rate = if lasted > 0.0 { answered as f64 / lasted } else { 0.0 };
        let micros = |time: Duration| if self.times.is_empty() { String::new() } else { decimal(time.as_nanos(), 3) };
        let percentiles: Vec<_> =
            PERCENTILES.iter().map(|(_, percent)| micros(self.times.percentile(*percent))).collect();
        let (to_server, to_client) = self.bytes;
        out.push_str(&format!(
            "{},{},{answered},{failed},{},{},{},{to_server},{to_client},{}\n",
            decimal(from.as_nanos(), 9),
            decimal(to.as_nanos(), 9),
            decimal((rate * 1000.0).round() as u128, 3),
            percentiles.join(","),
            micros(self.times.max()),
            self.open
        ));
    }
}

/// Returns a number with so many digits behind the point, without zeros at its end.
fn decimal(scaled: u128, digits: usize) -> String {
    let one = 10_u128.pow(digits as u32);
    let text = format!("{}.{:0digits$}", scaled / one, scaled % one);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use callbox::load::{Series, Slice};

    #[test]
    fn there_is_a_row_for_each_slice_and_one_for_the_whole() {
        let times: Distribution = [1500, 2000, 4000].map(Duration::from_nanos).into_iter().collect();
        let slice = Slice { answered: 3, failed: 1, response: times.clone(), open: 2, ..Slice::default() };
        let last = Slice { to_client_bytes: 7, ..Slice::default() };
        let report = Report {
            duration: Duration::from_millis(1250),
            answered: 3,
            most_open: 4,
            to_client_bytes: 7,
            response: times,
            series: Series { slice: Duration::from_secs(1), slices: vec![slice, last] },
            ..Report::default()
        };
        let expected =
            [HEADER, "0,1,3,1,3,2,4,4,4,4,0,0,2", "1,1.25,0,0,0,,,,,,0,7,0", "0,1.25,3,1,2.4,2,4,4,4,4,0,7,4", ""];
        assert_eq!(render(&report), expected.join("\n"));
    }

    #[test]
    fn every_row_has_every_field() {
        for (name, report) in samples::all() {
            let text = render(&report);
            let fields = HEADER.split(',').count();
            assert!(text.lines().all(|line| line.split(',').count() == fields), "{name}: {text}");
            assert_eq!(text.lines().count(), report.series.slices.len() + 2, "{name}");
        }
    }
}
