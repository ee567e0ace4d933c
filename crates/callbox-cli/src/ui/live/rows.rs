//! The figures of a run as rows, for whatever room there is.

use std::time::Duration;

use callbox::load::{Limit, Report, Slice, Snapshot};
use callbox::text::safe;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::figures::{byte_rate, clock, count, length, rate, size};
use super::line::{Look, Piece, cut, fit};
use super::{series, times};

/// Columns of the names of rows.
const NAME: usize = 11;
/// Where it is narrower, rows have no names.
const NAMED: usize = 36;
/// Kinds of errors that are shown by name.
const KINDS: usize = 3;

/// By how much counts of nothing rank behind others.
const HARMLESS: u8 = 10;

/// A row of the screen.
#[derive(Debug, Clone)]
pub struct Row {
    /// The greater, the sooner it gives way.
    pub rank: u8,
    /// What it says.
    pub line: Line<'static>,
}

/// Returns the rows in their order; `height` only says whether there is room for a table.
pub fn of(snapshot: &Snapshot, look: Look, width: usize, height: usize) -> Vec<Row> {
    let report = &snapshot.report;
    let mut rows = Rows { look, width, rows: Vec::new() };
    rows.rows.push(Row { rank: 3, line: head(snapshot, look, width) });
    rows.gap();
    match report.mode {
        "send" | "receive" | "both" => bulk(report, &mut rows),
        "idle" => idle(snapshot, &mut rows),
        _ => exchanges(report, &mut rows),
    }
    errors(report, &mut rows);
    connections(snapshot, &mut rows);
    limits(report, &mut rows);
    if width >= times::NARROWEST && height >= 9 {
        let table = times::table(report, look, width);
        if !table.is_empty() {
            rows.gap();
        }
        for (index, line) in table.into_iter().enumerate() {
            // The head and the first row are one.
            rows.rows.push(Row { rank: if index < 2 { 1 } else { 6 + index as u8 }, line });
        }
    } else {
        rows.add(1, "times", times::pieces(report, look));
    }
    rows.rows
}

/// Rows as they are gathered.
struct Rows {
    look: Look,
    width: usize,
    rows: Vec<Row>,
}

impl Rows {
    fn add(&mut self, rank: u8, name: &str, pieces: Vec<Piece>) {
        if pieces.is_empty() {
            return;
        }
        let line = if self.width < NAMED {
            fit(pieces, self.width)
        } else {
            let mut line = fit(pieces, self.width - NAME);
            line.spans.insert(0, Span::styled(format!("{name:<NAME$}"), self.look.label()));
            line
        };
        self.rows.push(Row { rank, line });
    }

    fn gap(&mut self) {
        self.rows.push(Row { rank: u8::MAX, line: Line::default() });
    }

    /// A piece with a name before its value.
    fn named(&self, rank: u8, name: &str, value: &str) -> Piece {
        Piece::named(rank, name, value, self.look, Style::new())
    }

    /// A count of what should not happen; what has not gives way first.
    fn bad(&self, rank: u8, name: &str, number: u64) -> Piece {
        let (rank, style) = if number > 0 { (rank, self.look.bad()) } else { (rank + HARMLESS, Style::new()) };
        Piece::named(rank, name, &count(number), self.look, style)
    }
}

/// The first row: what is done, and how far it is.
fn head(snapshot: &Snapshot, look: Look, width: usize) -> Line<'static> {
    let report = &snapshot.report;
    let progress = match (snapshot.is_warming_up, snapshot.remaining) {
        (true, _) => format!("warming up, {}", clock(snapshot.elapsed)),
        (false, Some(remaining)) => format!("{}, {} left", clock(snapshot.elapsed), clock(remaining)),
        (false, None) => clock(snapshot.elapsed),
    };
    let style = if snapshot.is_warming_up { look.warning() } else { Style::new() };
    let room = width.saturating_sub(progress.len() + 2);
    if room < 8 {
        return fit(vec![Piece::new(0, &progress, style)], width);
    }
    let address = cut(&safe(&report.address), room);
    let mut pieces = vec![Piece::new(0, &address, look.strong())];
    if !report.mode.is_empty() {
        pieces.push(Piece::new(1, report.mode, Style::new()));
    }
    if !report.schedule.is_empty() && report.mode != "idle" {
        pieces.push(Piece::new(2, report.schedule, Style::new()));
    }
    let mut line = fit(pieces, room);
    line.spans.push(Span::raw(" ".repeat(width - progress.len() - line.width())));
    line.spans.push(Span::styled(progress, style));
    line
}

/// Rates and counts of exchanges, or of connections where each is one.
fn exchanges(report: &Report, rows: &mut Rows) {
    let lately = series::now(report, |slice| slice.answered).map_or("-".into(), rate);
    let in_all = if report.duration.is_zero() { "-".into() } else { rate(report.rate_reached()) };
    let mut rates =
        vec![Piece::named(0, "now", &lately, rows.look, rows.look.strong()), rows.named(1, "in all", &in_all)];
    if let Some(asked) = report.rate_asked {
        rates.push(rows.named(2, "asked", &rate(asked)));
    }
    rows.add(0, "rate", rates);
    let answered = if report.mode == "connect" { "opened" } else { "answered" };
    let mut counts = vec![rows.named(0, answered, &count(report.answered))];
    if report.mode != "connect" {
        counts.push(rows.bad(1, "wrong", report.wrong));
    }
    counts.push(rows.bad(2, "lost", report.lost));
    if report.rate_asked.is_some() {
        counts.push(rows.bad(3, "missed", report.missed));
    }
    for (rank, name, number) in [(4, "mixed up", report.mixed_up), (5, "unasked bytes", report.unasked_bytes)] {
        if number > 0 {
            counts.push(rows.bad(rank, name, number));
        }
    }
    rows.add(4, "counts", counts);
}

/// Bytes a second each way.
fn bulk(report: &Report, rows: &mut Rows) {
    let (to_server, to_client) = report.throughput();
    let mut add = |name: &str, of: fn(&Slice) -> u64, in_all: f64, bytes: u64| {
        let lately = series::now(report, of).map_or("-".into(), byte_rate);
        let pieces = vec![
            Piece::named(0, "now", &lately, rows.look, rows.look.strong()),
            rows.named(1, "in all", &byte_rate(in_all)),
            rows.named(2, "moved", &size(bytes)),
        ];
        rows.add(0, name, pieces);
    };
    if report.mode != "receive" {
        add("to server", |slice| slice.to_server_bytes, to_server, report.to_server_bytes);
    }
    if report.mode != "send" {
        add("to client", |slice| slice.to_client_bytes, to_client, report.to_client_bytes);
    }
}

/// Connections that are held, and what they take.
fn idle(snapshot: &Snapshot, rows: &mut Rows) {
    let report = &snapshot.report;
    let held = format!("{} of {}", count(snapshot.open), count(report.connections));
    let pieces = vec![
        Piece::new(0, &held, rows.look.strong()),
        rows.named(1, "most", &count(report.most_open)),
        rows.named(2, "opened", &count(report.opened)),
    ];
    rows.add(0, "held", pieces);
    if let Some(bytes) = report.resident_bytes {
        let mut pieces = vec![Piece::new(0, &format!("{} at most", size(bytes)), Style::new())];
        if let Some(each) = bytes.checked_div(report.most_open) {
            pieces.push(Piece::new(1, &format!("{} a connection", size(each)), Style::new()));
        }
        rows.add(4, "memory", pieces);
    }
}

/// What went wrong, the most frequent first.
fn errors(report: &Report, rows: &mut Rows) {
    let total = report.errors_total();
    let style = if total > 0 { rows.look.bad() } else { Style::new() };
    let mut pieces = match (total, rows.width < NAMED) {
        (0, false) => vec![Piece::new(0, "none", style)],
        (0, true) => vec![Piece::new(0, "no errors", style)],
        (1, true) => vec![Piece::new(0, "1 error", style)],
        (_, true) => vec![Piece::new(0, &format!("{} errors", count(total)), style)],
        (_, false) => vec![Piece::new(0, &count(total), style)],
    };
    for (rank, error) in (1..).zip(report.errors.iter().take(KINDS)) {
        pieces.push(rows.named(rank, error.kind, &count(error.count)));
    }
    match report.errors.len().saturating_sub(KINDS) {
        0 => {}
        1 => pieces.push(Piece::new(KINDS as u8 + 1, "and 1 kind more", Style::new())),
        more => pieces.push(Piece::new(KINDS as u8 + 1, &format!("and {more} kinds more"), Style::new())),
    }
    rows.add(2, "errors", pieces);
}

/// Connections that are open, and what waits for them.
fn connections(snapshot: &Snapshot, rows: &mut Rows) {
    let report = &snapshot.report;
    if report.mode == "idle" {
        return;
    }
    let open = format!("{} of {}", count(snapshot.open), count(report.connections));
    let mut pieces = vec![Piece::new(0, &format!("{open} connections"), Style::new())];
    if report.mode == "exchange" {
        pieces.push(rows.named(1, "waiting", &count(snapshot.waiting)));
    }
    if report.rate_asked.is_some() {
        let style = if snapshot.behind > 0 { rows.look.warning() } else { Style::new() };
        pieces.push(Piece::named(2, "behind", &count(snapshot.behind), rows.look, style));
    }
    rows.add(5, "open", pieces);
}

/// What keeps the run from what was asked for.
fn limits(report: &Report, rows: &mut Rows) {
    let mut pieces = Vec::new();
    if report.is_saturated() {
        pieces.push(Piece::new(0, "SATURATED", rows.look.bad()));
        pieces.push(Piece::new(u8::MAX, "the rate is out of reach", rows.look.bad()));
    }
    for (rank, limit) in (1..).zip(&report.limits) {
        let words = match limit {
            Limit::Processor => "all threads are busy",
            Limit::Ports => "no local port is left",
            Limit::Descriptors => "no descriptor is left",
            Limit::Connections => "every connection waits",
            other => other.name(),
        };
        pieces.push(Piece::new(rank, words, rows.look.warning()));
    }
    rows.add(3, "limits", pieces);
}

/// Returns everything that matters most in one line.
pub fn summary(snapshot: &Snapshot) -> String {
    let report = &snapshot.report;
    let mut parts = vec![progress(snapshot.is_warming_up, snapshot.elapsed, snapshot.remaining)];
    match report.mode {
        "idle" => parts.push(format!("{} of {} held", count(snapshot.open), count(report.connections))),
        _ if report.duration.is_zero() => {}
        "send" | "receive" | "both" => {
            let (to_server, to_client) = report.throughput();
            if report.mode != "receive" {
                let lately = series::now(report, |slice| slice.to_server_bytes).unwrap_or(to_server);
                parts.push(format!("{} to server", byte_rate(lately)));
            }
            if report.mode != "send" {
                let lately = series::now(report, |slice| slice.to_client_bytes).unwrap_or(to_client);
                parts.push(format!("{} to client", byte_rate(lately)));
            }
        }
        _ => {
            parts.push(rate(series::now(report, |slice| slice.answered).unwrap_or(report.rate_reached())));
            if !report.response.is_empty() {
                parts.push(format!("p99 {}", callbox::units::show_duration(report.response.percentile(99.0))));
            }
        }
    }
    match report.errors_total() {
        0 => {}
        1 => parts.push("1 error".into()),
        errors => parts.push(format!("{} errors", count(errors))),
    }
    format!("bench {}: {}", safe(&report.address), parts.join(", "))
}

fn progress(is_warming_up: bool, elapsed: Duration, remaining: Option<Duration>) -> String {
    match remaining {
        _ if is_warming_up => format!("warming up for {}", clock(elapsed)),
        Some(remaining) => format!("{} of {}", clock(elapsed), length(elapsed.saturating_add(remaining))),
        None => clock(elapsed),
    }
}
