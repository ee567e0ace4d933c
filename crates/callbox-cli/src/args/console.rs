//! The console's flags, alike on all commands that have one.

use crate::console::command::Eol;

/// Whether there is a console, and how its lines end.
#[derive(Debug, Clone, clap::Args)]
pub struct ConsoleArgs {
    /// Read commands such as /hex and /every from standard input; type /help for all of them [default: on a terminal, for connect and listen]
    #[arg(long, help_heading = "Console")]
    pub console: bool,
    /// No console on a terminal either: lines are sent as the terminal hands them over
    #[arg(long, conflicts_with = "console", help_heading = "Console")]
    pub no_console: bool,
    /// What ends each line that is typed: lf, crlf, cr or none
    #[arg(long, value_name = "END", default_value = "lf", help_heading = "Console")]
    pub eol: Eol,
}
