//! An echo server that answers at once, but freezes at the end of every second: what a load generator must not overlook.
//!
//! Seconds are counted from its own start, on a clock that nobody sets. In each it sleeps through the last
//! [`Plan::freeze`]; when that began and ended is written down as it was, not as it was meant.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use rustix::event::Timespec;

use crate::server::{Room, Server};

/// A freeze is at the end of each of these.
pub const PERIOD: Duration = Duration::from_secs(1);
/// What waiting for events may be late.
const COARSE: Duration = Duration::from_millis(2);

/// What the server does beside answering.
#[derive(Debug)]
pub struct Plan<F, A> {
    /// How long it is frozen each second; zero for never.
    pub freeze: Duration,
    /// Gets a line `BEGIN END` for each freeze, nanoseconds since the start.
    pub freezes: Option<F>,
    /// Gets a line for each chunk that came, nanoseconds since the start.
    pub arrivals: Option<A>,
}

/// Serves for ever.
///
/// # Errors
/// When epoll, accepting or writing fails.
pub fn run<F: Write, A: Write>(mut server: Server, mut plan: Plan<F, A>) -> io::Result<()> {
    let started = Instant::now();
    let mut room = Room::default();
    let mut second = 0;
    loop {
        let (begin, end) = freeze_of(second, plan.freeze);
        let since = started.elapsed();
        if plan.freeze.is_zero() || since < begin {
            // Waiting is exact to a millisecond only, so the last of it is spent looking again and again.
            let sleep = begin.saturating_sub(since).saturating_sub(COARSE);
            let patience = Timespec::try_from(sleep).map_err(io::Error::other)?;
            let patience = (!plan.freeze.is_zero()).then_some(&patience);
            let came = server.turn(&mut room, patience)?;
            for _ in 0..came {
                note(&mut plan.arrivals, started.elapsed().as_nanos())?;
            }
            continue;
        }
        // It may be late, having been busy or not scheduled; the grid stays where it is.
        let begun = since.as_nanos();
        std::thread::sleep(end.saturating_sub(since));
        note(&mut plan.freezes, format_args!("{begun} {}", started.elapsed().as_nanos()))?;
        second += 1;
    }
}

/// Returns from when to when the server is frozen in this second of its life.
fn freeze_of(second: u32, freeze: Duration) -> (Duration, Duration) {
    let end = PERIOD * (second + 1);
    (end - freeze.min(PERIOD), end)
}

/// Writes a line at once: whoever reads it may end this process at any time.
fn note<W: Write>(log: &mut Option<W>, line: impl Display) -> io::Result<()> {
    match log {
        Some(log) => log.write_all(format!("{line}\n").as_bytes()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freezes_are_on_a_grid_that_nothing_moves() {
        let millis = Duration::from_millis;
        assert_eq!(freeze_of(0, millis(100)), (millis(900), millis(1000)));
        assert_eq!(freeze_of(20, millis(100)), (millis(20_900), millis(21_000)));
        assert_eq!(freeze_of(1, millis(5000)), (millis(1000), millis(2000)));
    }
}
