//! How often which time was, as bars of block characters.

use callbox::load::Distribution;

use super::super::bins;
use super::super::figures;
use super::sheet::{Sheet, Tone};

/// The most rows; there are eight or more unless all times are the same.
const ROWS: usize = 12;
/// Parts of a character cell, from one eighth on.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Draws a row for each bin: its upper edge, a bar, how many and which part of all.
pub fn draw(sheet: &mut Sheet, times: &Distribution) {
    let edges = bins::edges(bins::nanos(times.min()), bins::nanos(times.max()), ROWS);
    let counts = bins::filled(times, &edges);
    let (most, all) = (counts.iter().copied().max().unwrap_or(0), times.count());
    let edges: Vec<_> = edges[1..].iter().map(|edge| format!("to {}", figures::nanos(*edge))).collect();
    let numbers: Vec<_> = counts.iter().map(|count| figures::count(*count)).collect();
    let widest = |texts: &[String]| texts.iter().map(String::len).max().unwrap_or(0);
    let (label, number) = (widest(&edges), widest(&numbers));
    // The part of all is at most seven wide, and there are two blanks between columns.
    let room = sheet.room().saturating_sub(label + number + 7 + 6).clamp(4, 48);
    for ((edge, count), shown) in edges.iter().zip(&counts).zip(&numbers) {
        let bar = bar(*count, most, room);
        let fill = " ".repeat(room - bar.chars().count());
        let bar = sheet.toned(Tone::Bar, &bar);
        let part = figures::percent(*count, all);
        sheet.line(&format!("{edge:>label$}  {bar}{fill}  {shown:>number$}  {part:>7}"));
    }
}

/// Returns a bar of at most `room` cells; what is not nothing is seen.
fn bar(count: u64, most: u64, room: usize) -> String {
    if count == 0 || most == 0 {
        return String::new();
    }
    let eighths = ((count as f64 / most as f64 * room as f64 * 8.0).round() as usize).max(1);
    let mut bar = "█".repeat(eighths / 8);
    if let Some(part) = (eighths % 8).checked_sub(1) {
        bar.push(EIGHTHS[part]);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_counts_are_high() {
        assert_eq!(bar(0, 10, 4), "");
        assert_eq!(bar(10, 10, 4), "████");
        assert_eq!(bar(5, 10, 4), "██");
        assert_eq!(bar(1, 1_000_000, 4), "▏");
        assert_eq!(bar(3, 8, 1), "▍");
    }
}
