//! A report as people read it on a terminal or in a log.

mod histogram;
pub mod sheet;

use callbox::load::Report;
use callbox::text::safe;

use super::{facts, figures};
pub use sheet::Look;
use sheet::{Sheet, Tone};

/// Returns the report as lines of at most so many columns.
pub fn render(report: &Report, look: Look) -> String {
    let mut sheet = Sheet::new(look);
    sheet.sentence(Tone::Strong, &facts::headline(report));
    for notice in facts::notices(report) {
        sheet.sentence(Tone::Warning, &format!("{}: {}", notice.sort, notice.text));
    }
    let times = facts::times(report);
    if let Some((name, first)) = times.first() {
        sheet.heading("times");
        sheet.times(&times);
        sheet.remark(facts::counted_from(report));
        sheet.heading(&format!("{name} times"));
        histogram::draw(&mut sheet, first);
    }
    let phases = facts::phases(report);
    if !phases.is_empty() {
        sheet.heading("opening connections");
        sheet.times(&phases);
    }
    shortfalls(&mut sheet, report);
    errors(&mut sheet, report);
    let moved = facts::moved(report);
    if !moved.is_empty() {
        sheet.heading("bytes");
        sheet.pairs(&moved);
    }
    sheet.heading("how it was measured");
    sheet.pairs(&facts::setting(report));
    sheet.finish()
}

fn shortfalls(sheet: &mut Sheet, report: &Report) {
    let shortfalls = facts::shortfalls(report);
    if shortfalls.is_empty() {
        return;
    }
    sheet.heading("what came to nothing");
    let rows: Vec<_> = shortfalls.iter().map(|(name, count, what)| (*name, *count, (*what).to_owned())).collect();
    sheet.counts(&rows);
}

fn errors(sheet: &mut Sheet, report: &Report) {
    if report.errors.is_empty() {
        return;
    }
    sheet.heading(&format!("errors ({})", figures::count(report.errors_total())));
    let rows: Vec<_> =
        report.errors.iter().map(|error| (error.kind, error.count, safe(&error.example).into_owned())).collect();
    sheet.counts(&rows);
}

#[cfg(test)]
mod tests;
