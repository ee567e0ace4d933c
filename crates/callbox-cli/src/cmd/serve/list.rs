//! The sessions as a table: who, since when, how much, how fast, and what was last received.

use std::collections::HashMap;

use callbox::direction::Direction;
use callbox::handle::answer::SeatSnapshot;
use callbox::report::SessionId;
use callbox::text::escape;
use callbox::units::show_duration;
use tokio::time::Instant;

/// Characters of what was last received.
const LAST_CHARACTERS: usize = 40;

/// Bytes a second of each session, taken about once a second.
#[derive(Debug, Default)]
pub struct Rates {
    taken: Option<Instant>,
    sessions: HashMap<SessionId, Rate>,
}

#[derive(Debug, Clone, Copy)]
struct Rate {
    bytes: u64,
    per_second: Option<f64>,
}

impl Rates {
    /// Compares with what was there the last time.
    pub fn take(&mut self, seats: &[SeatSnapshot], now: Instant) {
        let passed = self.taken.map(|taken| now.duration_since(taken).as_secs_f64()).filter(|passed| *passed > 0.0);
        let rate = |seat: &SeatSnapshot| {
            let bytes = seat.session.meter().total_bytes();
            // A session that was not there before has begun since.
            let before = self.sessions.get(&seat.session.id()).map_or(0, |rate| rate.bytes);
            let per_second = passed.map(|passed| bytes.saturating_sub(before) as f64 / passed);
            (seat.session.id(), Rate { bytes, per_second })
        };
        self.sessions = seats.iter().map(rate).collect();
        self.taken = Some(now);
    }

    fn of(&self, session: SessionId) -> String {
        match self.sessions.get(&session).and_then(|rate| rate.per_second) {
            Some(per_second) => format!("{per_second:.0} B/s"),
            None => "-".into(),
        }
    }
}

/// Returns the table; `watched` is marked.
pub fn table(seats: &[SeatSnapshot], rates: &Rates, watched: Option<SessionId>) -> String {
    if seats.is_empty() {
        return "no session is open".into();
    }
    let mut rows = vec![["", "client", "age", "to server", "to client", "rate", "last received"].map(String::from)];
    for seat in seats {
        let (session, meter) = (&seat.session, seat.session.meter());
        let mark = if watched == Some(session.id()) { "*" } else { "" };
        rows.push([
            format!("{}{mark}", session.id()),
            session.peer().to_string(),
            show_duration(session.age()),
            format!("{} B", meter.bytes(Direction::ToServer)),
            format!("{} B", meter.bytes(Direction::ToClient)),
            rates.of(session.id()),
            last(seat),
        ]);
    }
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 7]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What was last received, and what state the session is in beyond open.
fn last(seat: &SeatSnapshot) -> String {
    let mut text = escape(&seat.last);
    if let Some((end, _)) = text.char_indices().nth(LAST_CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    let states = [(seat.is_paused, "paused"), (seat.has_ended, "client has ended its stream")];
    for (is, state) in states {
        if is {
            text.push_str(if text.is_empty() { "(" } else { " (" });
            text.push_str(state);
            text.push(')');
        }
    }
    text
}
