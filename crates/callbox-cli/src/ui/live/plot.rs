//! A course over time, as columns with axes.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::figures::{length, short, short_size};
use super::line::Look;
use super::series::Point;

/// Columns of the names on the axis.
const NAME: u16 = 7;
/// What the greatest value on an axis may be, in tenths of a power of ten.
const TOPS: [f64; 8] = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0];

/// What is plotted.
pub struct Plot<'a> {
    /// What the values are.
    pub title: &'a str,
    /// The values, in slices of equal length.
    pub points: &'a [Point],
    /// How long a slice is.
    pub slice: Duration,
    /// How long everything will be.
    pub whole: Duration,
    /// What was asked for.
    pub asked: Option<f64>,
    /// What the values count.
    pub unit: Unit,
}

/// What is counted, as far as that makes a difference on an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// In thousands.
    Things,
    /// In powers of 1024.
    Bytes,
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Unit::Things => short(value),
            Unit::Bytes => short_size(value),
        }
    }

    /// Returns the least round number that is not less.
    fn top(self, greatest: f64) -> f64 {
        if greatest <= 0.0 || !greatest.is_finite() {
            return 1.0;
        }
        let unit = match self {
            Unit::Things => 1.0,
            Unit::Bytes => 1024_f64.powf(greatest.log(1024.0).floor().max(0.0)),
        };
        let decade = 10_f64.powf((greatest / unit).log10().floor());
        let fits = |top: &f64| *top >= greatest * 0.999_999;
        let top = TOPS.map(|top| top * decade * unit).into_iter().find(fits).unwrap_or(decade * 10.0 * unit);
        // A thousand of them is a number that nobody reads as round.
        if self == Unit::Bytes && top > 999.0 * unit { 1024.0 * unit } else { top }
    }
}

impl Plot<'_> {
    /// Draws it, its title in the first row.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, look: Look) {
        let columns = area.width.saturating_sub(NAME + 1);
        let rows = area.height.saturating_sub(3);
        self.title(buffer, area, look);
        if rows == 0 || columns == 0 {
            return;
        }
        if self.points.is_empty() {
            buffer.set_stringn(area.x, area.y + 1, "nothing was counted yet", area.width.into(), Style::new());
            return;
        }
        let field = Rect { x: area.x + NAME + 1, y: area.y + 1, width: columns, height: rows };
        let greatest = self.points.iter().map(|point| point.value).chain(self.asked).fold(0.0, f64::max);
        let top = self.unit.top(greatest);
        self.axes(buffer, area, field, top, look);
        if let Some(asked) = self.asked {
            let y = field.bottom() - 1 - ((asked / top * f64::from(rows)) as u16).min(rows - 1);
            let line = if look.unicode { "\u{2504}" } else { "-" };
            buffer.set_stringn(field.x, y, line.repeat(columns.into()), columns.into(), look.warning());
        }
        for (x, point) in (field.x..).zip(columns_of(self.points, self.count(), columns.into())) {
            let bar = column(point.value / top, rows.into(), look);
            for (y, block) in (field.y..field.bottom()).rev().zip(bar.chars()) {
                buffer.set_stringn(x, y, block.encode_utf8(&mut [0; 4]), 1, look.bar());
            }
            if point.failed {
                buffer.set_stringn(x, field.bottom(), "x", 1, look.bad());
            }
        }
    }

    /// How many slices everything will have.
    fn count(&self) -> usize {
        let whole = self.whole.as_nanos().div_ceil(self.slice.as_nanos().max(1));
        usize::try_from(whole).unwrap_or(usize::MAX).max(self.points.len())
    }

    fn title(&self, buffer: &mut Buffer, area: Rect, look: Look) {
        let (x, _) = buffer.set_stringn(area.x, area.y, self.title, area.width.into(), look.label());
        let left = usize::from(area.right().saturating_sub(x));
        let mut legend = String::new();
        if self.asked.is_some() && !self.points.is_empty() {
            legend.push_str(if look.unicode { "   \u{2504} asked" } else { "   - asked" });
        }
        if self.points.iter().any(|point| point.failed) {
            legend.push_str("   x failed");
        }
        if legend.chars().count() <= left {
            buffer.set_stringn(x, area.y, legend, left, Style::new());
        }
    }

    fn axes(&self, buffer: &mut Buffer, area: Rect, field: Rect, top: f64, look: Look) {
        let (upright, corner, level) = if look.unicode { ("│", "└", "─") } else { ("|", "+", "-") };
        let middle = field.y + field.height / 2;
        for y in field.y..field.bottom() {
            buffer.set_stringn(field.x - 1, y, upright, 1, Style::new());
        }
        let mut name = |y: u16, value: f64| {
            let text = format!("{:>width$}", self.unit.write(value), width = usize::from(NAME));
            buffer.set_stringn(area.x, y, text, NAME.into(), Style::new());
        };
        name(field.y, top);
        if field.height >= 6 && field.height.is_multiple_of(2) {
            name(middle, top / 2.0);
        }
        name(field.bottom(), 0.0);
        buffer.set_stringn(field.x - 1, field.bottom(), corner, 1, Style::new());
        buffer.set_stringn(field.x, field.bottom(), level.repeat(field.width.into()), field.width.into(), Style::new());
        let y = field.bottom() + 1;
        let whole = self.slice.saturating_mul(u32::try_from(self.count()).unwrap_or(u32::MAX));
        let (end, half) = (length(whole), length(whole / 2));
        buffer.set_stringn(field.x, y, "0 s", field.width.into(), Style::new());
        let width = usize::from(field.width);
        if width >= 8 + end.len() {
            buffer.set_stringn(field.right() - end.len() as u16, y, &end, end.len(), Style::new());
        }
        if width >= 24 + half.len() {
            let x = field.x + field.width / 2 - half.len() as u16 / 2;
            buffer.set_stringn(x, y, &half, half.len(), Style::new());
        }
    }
}

/// Returns what each column shows, as far as there are points: one of them or the mean of several, and whether any failed.
fn columns_of(points: &[Point], count: usize, columns: usize) -> impl Iterator<Item = Point> {
    let first = move |column: usize| (column as u128 * count as u128 / columns as u128) as usize;
    let shown = (0..columns).map(move |column| (first(column), first(column + 1).max(first(column) + 1)));
    shown.take_while(|(from, _)| *from < points.len()).map(|(from, to)| {
        let several = &points[from..to.min(points.len())];
        let mean = several.iter().map(|point| point.value).sum::<f64>() / several.len() as f64;
        Point { value: mean, failed: several.iter().any(|point| point.failed) }
    })
}

/// Returns a column from its foot up; what is not nothing is seen.
fn column(part: f64, rows: usize, look: Look) -> String {
    blocks(part, rows, look, ['\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}'])
}

/// Returns a bar from the left to the right; what is not nothing is seen.
pub fn bar(part: f64, columns: usize, look: Look) -> String {
    blocks(part, columns, look, ['\u{258f}', '\u{258e}', '\u{258d}', '\u{258c}', '\u{258b}', '\u{258a}', '\u{2589}'])
}

fn blocks(part: f64, length: usize, look: Look, eighths: [char; 7]) -> String {
    let steps = if look.unicode { 8 } else { 1 };
    let filled = (part.clamp(0.0, 1.0) * (length * steps) as f64).round() as usize;
    let filled = if part > 0.0 { filled.max(1) } else { filled };
    let whole = if look.unicode { "\u{2588}" } else { "#" };
    let mut out = whole.repeat(filled / steps);
    if filled % steps > 0 {
        out.push(eighths[filled % steps - 1]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASCII: Look = Look { colored: false, unicode: false };
    const BLOCKS: Look = Look { colored: false, unicode: true };

    #[test]
    fn bars_are_as_long_as_their_part() {
        assert_eq!(bar(0.5, 4, BLOCKS), "██");
        assert_eq!(bar(0.53, 4, BLOCKS), "██▏");
        assert_eq!(bar(1e-9, 4, BLOCKS), "▏");
        assert_eq!(bar(0.0, 4, BLOCKS), "");
        assert_eq!(bar(7.0, 4, BLOCKS), "████");
        assert_eq!(bar(0.6, 4, ASCII), "##");
        assert_eq!(bar(f64::NAN, 4, ASCII), "");
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (greatest, end) in [(0.0, 1.0), (0.7, 0.8), (1.0, 1.0), (9.1, 10.0), (12_340.0, 15_000.0), (1e12, 1e12)] {
            let top = Unit::Things.top(greatest);
            assert!((top / end - 1.0).abs() < 1e-9, "{greatest}: {top}");
        }
        for (greatest, end) in [(0.0, "1B"), (700.0, "800B"), (1500.0, "1.5KiB"), (14e9, "15GiB"), (1e9, "1GiB")] {
            assert_eq!(short_size(Unit::Bytes.top(greatest)), end);
        }
    }

    #[test]
    fn columns_stand_for_the_time_they_cover() {
        let points: Vec<Point> = (0..6).map(|index| Point { value: f64::from(index), failed: index == 5 }).collect();
        let shown =
            |count, columns| -> Vec<f64> { columns_of(&points, count, columns).map(|point| point.value).collect() };
        assert_eq!(shown(6, 3), [0.5, 2.5, 4.5]);
        assert_eq!(shown(6, 12), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 5.0, 5.0]);
        assert_eq!(shown(12, 6), [0.5, 2.5, 4.5]);
        assert_eq!(shown(usize::MAX, 6), [2.5]);
        assert!(columns_of(&points, 6, 3).last().is_some_and(|point| point.failed));
    }
}
