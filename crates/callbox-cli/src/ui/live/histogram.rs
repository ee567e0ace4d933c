//! How often which time was measured, as bars.

use std::time::Duration;

use callbox::load::Distribution;
use callbox::units::show_duration;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::figures::share;
use super::line::Look;
use super::plot::bar;

/// Where bins end, in tenths of a power of ten, from many bins to few.
const ENDS: [&[u64]; 4] = [&[10, 15, 20, 30, 50, 70], &[10, 20, 50], &[10, 30], &[10]];
/// Columns of a bin's name.
const NAME: u16 = 10;
/// Columns of its share.
const SHARE: u16 = 7;

/// Draws one, its title in the first row.
pub fn draw(buffer: &mut Buffer, area: Rect, title: &str, times: &Distribution, look: Look) {
    buffer.set_stringn(area.x, area.y, title, area.width.into(), look.label());
    let rows = area.height.saturating_sub(1);
    let most = area.width.saturating_sub(NAME + 1 + SHARE);
    if rows == 0 || most == 0 {
        return;
    }
    if times.is_empty() {
        buffer.set_stringn(area.x, area.y + 1, "nothing was measured yet", area.width.into(), Style::new());
        return;
    }
    let bins = bins(times, rows.into());
    let highest = bins.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let up_to = if look.unicode { "\u{2264}" } else { "<=" };
    for (y, (end, count)) in (area.y + 1..).zip(bins) {
        let name = format!("{:>width$}", format!("{up_to} {}", show_duration(end)), width = usize::from(NAME));
        buffer.set_stringn(area.x, y, name, NAME.into(), Style::new());
        let bar = bar(count as f64 / highest as f64, most.into(), look);
        buffer.set_stringn(area.x + NAME + 1, y, bar, most.into(), look.bar());
        let share = format!("{:>width$}", share(count, times.count()), width = usize::from(SHARE));
        buffer.set_stringn(area.x + NAME + 1 + most, y, share, SHARE.into(), Style::new());
    }
}

/// Returns at most so many bins that hold everything, each with its end and count.
fn bins(times: &Distribution, most: usize) -> Vec<(Duration, u64)> {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let (min, max) = (nanos(times.min()), nanos(times.max()));
    let mut ends = ENDS.iter().map(|tenths| ends(tenths, min, max)).find(|ends| ends.len() <= most).unwrap_or_default();
    if ends.is_empty() {
        // Too many decades for so few rows: the first bin holds all that is shorter.
        ends = self::ends(ENDS[ENDS.len() - 1], min, max);
        ends.drain(..ends.len() - most);
    }
    let mut bins: Vec<_> = ends.iter().map(|end| (Duration::from_nanos(*end), 0)).collect();
    for (bound, count) in times.buckets() {
        // A bucket's bound may lie beyond the greatest time in it.
        let at = ends.partition_point(|end| *end < (*bound).min(max)).min(bins.len() - 1);
        bins[at].1 += count;
    }
    bins
}

/// Returns the ends of bins from the one that holds `min` to the one that holds `max`.
fn ends(tenths: &[u64], min: u64, max: u64) -> Vec<u64> {
    let all = (0..20).flat_map(|decade| {
        let end = move |&tenths: &u64| 10_u64.pow(decade).checked_mul(tenths).map_or(u64::MAX, |end| end / 10);
        tenths.iter().map(end)
    });
    let mut ends = Vec::new();
    for end in all.filter(|end| *end >= min.max(1)) {
        if ends.last() != Some(&end) {
            ends.push(end);
        }
        if end >= max {
            break;
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_everything_and_fit() {
        let times: Distribution = (1..=1000).map(|step| Duration::from_micros(step * step)).collect();
        for most in 1..40 {
            let bins = bins(&times, most);
            assert!(bins.len() <= most && !bins.is_empty(), "{most}: {bins:?}");
            assert_eq!(bins.iter().map(|(_, count)| count).sum::<u64>(), 1000, "{most}: {bins:?}");
        }
        let all = bins(&times, 7);
        let ends: Vec<String> = all.iter().map(|(end, _)| show_duration(*end)).collect();
        assert_eq!(ends, ["1 us", "10 us", "100 us", "1 ms", "10 ms", "100 ms", "1 s"]);
        assert_eq!(all.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1, 2, 7, 21, 69, 216, 684]);
    }

    #[test]
    fn the_longest_and_the_shortest_times_have_bins() {
        for nanos in [0, 1, 10, u64::MAX] {
            let times: Distribution = [Duration::from_nanos(nanos)].into_iter().collect();
            assert_eq!(bins(&times, 5).iter().map(|(_, count)| count).sum::<u64>(), 1, "{nanos}");
        }
    }
}
