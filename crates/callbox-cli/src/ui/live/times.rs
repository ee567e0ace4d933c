//! The table of times: percentiles of whole exchanges and of the phases of opening connections.

use callbox::load::{Distribution, Report};
use callbox::units::show_duration;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::line::{Look, Piece};

/// The columns, with the percent of each.
const COLUMNS: [(&str, f64); 5] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9), ("max", 100.0)];
/// Those of them that are left where it is narrow.
const NARROW: [usize; 3] = [0, 2, 4];
/// Columns of the names.
const NAME: usize = 11;
/// Columns of a time.
const TIME: usize = 9;
/// What the table takes at least.
pub const NARROWEST: usize = NAME + NARROW.len() * TIME;

/// Returns what was measured, by its name, what matters first.
pub fn measured(report: &Report) -> Vec<(&'static str, &Distribution)> {
    let phases = &report.phases;
    let whole = match report.mode {
        "exchange" => Some(("response", &report.response)),
        "connect" => Some(("opening", &report.response)),
        _ => None,
    };
    // Without a rate the service time is the response time.
    let service = (report.mode == "exchange" && report.rate_asked.is_some()).then_some(("service", &report.service));
    let parts = [
        service,
        Some(("connect", &phases.connect)),
        Some(("proxy", &phases.proxy)),
        Some(("TLS", &phases.tls)),
        Some(("first byte", &phases.first_byte)),
        Some(("lateness", &report.lateness)),
    ];
    let gone_through = parts.into_iter().flatten().filter(|(_, times)| !times.is_empty());
    whole.into_iter().chain(gone_through).collect()
}

/// Returns the table, its head first; empty where nothing is to be measured.
pub fn table(report: &Report, look: Look, width: usize) -> Vec<Line<'static>> {
    let measured = measured(report);
    if measured.is_empty() {
        return Vec::new();
    }
    let every: Vec<usize> = (0..COLUMNS.len()).collect();
    let columns = if NAME + COLUMNS.len() * TIME <= width { &every[..] } else { &NARROW[..] };
    let cells = |of: &dyn Fn(usize) -> String, style: Style| {
        let cell = |&column: &usize| Span::styled(format!("{:>TIME$}", of(column)), style);
        columns.iter().map(cell).collect::<Vec<_>>()
    };
    let head = cells(&|column| COLUMNS[column].0.into(), look.label());
    let mut lines = vec![row("", head, look)];
    for (index, (name, times)) in measured.into_iter().enumerate() {
        let style = if index == 0 { look.strong() } else { Style::new() };
        lines.push(row(name, cells(&|column| time(times, COLUMNS[column].1), style), look));
    }
    lines
}

/// Returns the most important times as pieces of one row.
pub fn pieces(report: &Report, look: Look) -> Vec<Piece> {
    let Some((_, times)) = measured(report).into_iter().next() else { return Vec::new() };
    let ranks = [1, 3, 0, 4, 2];
    let piece = |((name, percent), rank)| Piece::named(rank, name, &time(times, percent), look, look.strong());
    COLUMNS.into_iter().zip(ranks).map(piece).collect()
}

fn row(name: &str, mut cells: Vec<Span<'static>>, look: Look) -> Line<'static> {
    cells.insert(0, Span::styled(format!("{name:<NAME$}"), look.label()));
    Line::from(cells)
}

fn time(times: &Distribution, percent: f64) -> String {
    if times.is_empty() { "-".into() } else { show_duration(times.percentile(percent)) }
}
