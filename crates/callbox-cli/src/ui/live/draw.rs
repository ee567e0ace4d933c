//! The screen as a function of a snapshot, for terminals of any size.

use std::time::Duration;

use callbox::load::{Report, Snapshot};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::line::{Look, cut};
use super::plot::{Plot, Unit};
use super::series::Point;
use super::{histogram, rows, series};

/// Rows that a plot needs with its title and its axis.
const PLOT_ROWS: u16 = 6;
/// From this many columns on, two stand side by side.
const SIDE_BY_SIDE: u16 = 72;
/// Columns that a plot needs.
const PLOT_COLUMNS: u16 = 36;
/// Columns between two.
const BETWEEN: u16 = 3;

/// Draws everything there is room for.
pub fn draw(frame: &mut Frame, snapshot: &Snapshot, look: Look) {
    let area = frame.area();
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    if height == 1 {
        let line = Line::raw(cut(&rows::summary(snapshot), width));
        frame.buffer_mut().set_line(area.x, area.y, &line, area.width);
        return;
    }
    let lines = fitting(rows::of(snapshot, look, width, height), height);
    let taken = lines.len() as u16;
    for (y, line) in (area.y..).zip(&lines) {
        frame.buffer_mut().set_line(area.x, y, line, area.width);
    }
    let below = Rect { y: area.y + taken + 1, height: area.height.saturating_sub(taken + 1), ..area };
    if below.height >= PLOT_ROWS && below.width >= PLOT_COLUMNS {
        plots(frame, below, snapshot, look);
    }
}

/// Returns the rows that there is room for, in their order.
fn fitting(mut rows: Vec<rows::Row>, height: usize) -> Vec<Line<'static>> {
    while rows.len() > height {
        let last = rows.iter().enumerate().max_by_key(|(at, row)| (row.rank, *at)).map_or(0, |(at, _)| at);
        rows.remove(last);
    }
    rows.into_iter().map(|row| row.line).collect()
}

/// Draws bars and courses, two of them where there are two and room for them.
fn plots(frame: &mut Frame, area: Rect, snapshot: &Snapshot, look: Look) {
    let report = &snapshot.report;
    let buffer = frame.buffer_mut();
    let (first, second) = halves(area);
    match report.mode {
        "both" => {
            let to_server = series::rates(report, |slice| slice.to_server_bytes);
            let to_client = series::rates(report, |slice| slice.to_client_bytes);
            plot(snapshot, "bytes/s to server", &to_server, Unit::Bytes).draw(buffer, first, look);
            if let Some(second) = second {
                plot(snapshot, "bytes/s to client", &to_client, Unit::Bytes).draw(buffer, second, look);
            }
        }
        "send" => {
            let points = series::rates(report, |slice| slice.to_server_bytes);
            plot(snapshot, "bytes/s to server", &points, Unit::Bytes).draw(buffer, area, look);
        }
        "receive" => {
            let points = series::rates(report, |slice| slice.to_client_bytes);
            plot(snapshot, "bytes/s to client", &points, Unit::Bytes).draw(buffer, area, look);
        }
        "idle" => plot(snapshot, "open connections", &series::open(report), Unit::Things).draw(buffer, area, look),
        mode => {
            let (times, rate) =
                if mode == "connect" { ("times to open", "opened/s") } else { ("response times", "answered/s") };
            let points = series::rates(report, |slice| slice.answered);
            let course = Plot { asked: report.rate_asked, ..plot(snapshot, rate, &points, Unit::Things) };
            match second {
                Some(second) => {
                    histogram::draw(buffer, first, times, &report.response, look);
                    course.draw(buffer, second, look);
                }
                None => course.draw(buffer, first, look),
            }
        }
    }
}

fn plot<'a>(snapshot: &Snapshot, title: &'a str, points: &'a [Point], unit: Unit) -> Plot<'a> {
    let Report { series, duration, .. } = &snapshot.report;
    let remaining = snapshot.remaining.unwrap_or(Duration::ZERO);
    Plot { title, points, slice: series.slice, whole: duration.saturating_add(remaining), asked: None, unit }
}

/// Returns two parts of an area, side by side or one above the other, or all of it as one.
fn halves(area: Rect) -> (Rect, Option<Rect>) {
    if area.width >= SIDE_BY_SIDE {
        let width = (area.width - BETWEEN) / 2;
        let second = Rect { x: area.x + width + BETWEEN, width: area.width - width - BETWEEN, ..area };
        (Rect { width, ..area }, Some(second))
    } else if area.height > 2 * PLOT_ROWS {
        let height = (area.height - 1) / 2;
        let second = Rect { y: area.y + height + 1, height: area.height - height - 1, ..area };
        (Rect { height, ..area }, Some(second))
    } else {
        (area, None)
    }
}
