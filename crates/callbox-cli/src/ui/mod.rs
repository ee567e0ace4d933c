//! What people and programs see: events as lines or as JSON, and the byte pipe's ends.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock};

use crate::console::{Screen, direct};

pub mod enter;
pub mod input;
pub mod json;
pub mod live;
pub mod log;
pub mod output;
pub mod pings;
pub mod sampler;
pub mod thread;
pub mod tls;
pub mod traffic;

/// Whether the cursor of the terminal that standard output is stands in the middle of a line.
static MID_LINE: AtomicBool = AtomicBool::new(false);

/// The screen of the console that is open on a terminal.
static SCREEN: RwLock<Option<Screen>> = RwLock::new(None);

/// Opens a screen, to which talk and lines go from then on. Nothing is written meanwhile: it would stand in the first
/// prompt.
pub fn show_on<T>(open: impl FnOnce() -> io::Result<(Screen, T)>) -> io::Result<T> {
    let mut shown_on = SCREEN.write().unwrap_or_else(PoisonError::into_inner);
    let (screen, opened) = open()?;
    *shown_on = Some(screen);
    Ok(opened)
}

/// From now on, talk and lines go to the outputs again.
pub fn show_on_outputs() {
    *SCREEN.write().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Shows on the screen where there is one, else writes to an output, which no screen takes over meanwhile.
fn shown<T>(on_screen: impl FnOnce(&Screen) -> T, on_output: impl FnOnce() -> T) -> T {
    let shown_on = SCREEN.read().unwrap_or_else(PoisonError::into_inner);
    match shown_on.clone() {
        Some(screen) => {
            // Showing may take its time.
            drop(shown_on);
            on_screen(&screen)
        }
        None => on_output(),
    }
}

/// Notes what went to the terminal, so that talk begins on a line of its own.
fn note_cursor(bytes: &[u8]) {
    if let Some(last) = bytes.last() {
        MID_LINE.store(*last != b'\n', Relaxed);
    }
}

/// Writes to the error output; when that fails there is nobody left to tell.
pub fn complain(text: &str) {
    let write_out = || {
        if MID_LINE.swap(false, Relaxed) && io::stderr().is_terminal() {
            write("\n");
        }
        write(text);
    };
    shown(|screen| screen.print_err(text), write_out);
}

fn write(text: &str) {
    let _ = direct::write(direct::To::Errors, text.as_bytes());
}
