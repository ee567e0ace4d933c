//! What people see while a load run goes on: a full screen on a terminal, a line elsewhere, or nothing.
//!
//! It is drawn from snapshots, by a thread of its own: whoever does the work never waits for a terminal. Nothing of it is left
//! when it is closed, and what a run has found is told after that, by others.

mod draw;
mod figures;
mod histogram;
mod line;
mod plot;
mod progress;
mod rows;
mod screen;
mod series;
#[cfg(test)]
mod tests;
mod times;
mod tty;

pub use progress::Progress;
pub use screen::Screen;

/// How a run is shown while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Display {
    /// As a full screen.
    Screen,
    /// As one line on the error output, written over again and again.
    Progress,
    /// Not at all.
    Nothing,
}

/// What the choice depends on.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// The error output is one.
    pub stderr_is_terminal: bool,
    /// The terminal's name, as `TERM` has it.
    pub term: &'a str,
    /// Somebody does not want the screen.
    pub no_screen: bool,
}

impl Display {
    /// Chooses: the screen where the report goes to a terminal, the line where only talk does, and neither where nobody looks or
    /// the terminal cannot go back to the begin of a line.
    pub fn of(place: Place<'_>) -> Display {
        let can_go_back = !matches!(place.term, "" | "dumb");
        match place {
            _ if !can_go_back => Display::Nothing,
            Place { stdout_is_terminal: true, no_screen: false, .. } => Display::Screen,
            Place { stderr_is_terminal: true, .. } => Display::Progress,
            _ => Display::Nothing,
        }
    }
}
