//! What is seen while a run goes on.

use std::io::IsTerminal;
use std::time::Duration;

use callbox::load::Snapshot;

use crate::args::{OutputArgs, ResultArgs};
use crate::ui::live::{Display, Place, Progress, Screen};

/// How often there is something new to see.
pub const EVERY: Duration = Duration::from_millis(100);

/// A screen, a line, or nothing.
pub enum Watching {
    Screen(Screen),
    Progress(Progress),
    Nothing,
}

impl Watching {
    /// Opens what fits where the output goes.
    pub fn start(output: &OutputArgs, result: &ResultArgs) -> Watching {
        let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
        let display = Display::of(Place {
            stdout_is_terminal: stdout.is_terminal(),
            stderr_is_terminal: stderr.is_terminal(),
            term: &std::env::var("TERM").unwrap_or_default(),
            // Whoever wants what programs read looks at no screen.
            no_screen: result.no_screen || output.json || result.csv,
        });
        // A run is worth more than the sight of it.
        match display {
            _ if output.quiet => Watching::Nothing,
            Display::Screen => Screen::start(output.colored(&stdout)).map_or(Watching::Nothing, Watching::Screen),
            Display::Progress => Progress::start().map_or(Watching::Nothing, Watching::Progress),
            Display::Nothing => Watching::Nothing,
        }
    }

    /// Shows how it stands.
    pub fn show(&self, snapshot: impl FnOnce() -> Snapshot) {
        match self {
            Watching::Screen(screen) => screen.show(snapshot()),
            Watching::Progress(progress) => progress.show(snapshot()),
            Watching::Nothing => {}
        }
    }

    /// Leaves the terminal as it was.
    pub fn close(self) {
        match self {
            Watching::Screen(screen) => screen.close(),
            Watching::Progress(progress) => progress.close(),
            Watching::Nothing => {}
        }
    }
}
