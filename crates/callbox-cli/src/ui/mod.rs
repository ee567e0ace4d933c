//! What people and programs see: events as lines or as JSON, and the byte pipe's ends.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock};

use crate::console::{Screen, direct};

pub mod input;
pub mod json;
pub mod log;
pub mod output;
pub mod sampler;
pub mod thread;
pub mod traffic;

/// Whether the cursor of the terminal that standard output is stands in the middle of a line.
static MID_LINE: AtomicBool = AtomicBool::new(false);

/// The screen of the console that is open on a terminal.
static SCREEN: RwLock<Option<Screen>> = RwLock::new(None);

/// From now on, talk and lines go to this screen, or to the outputs again.
pub fn show_on(screen: Option<Screen>) {
    *SCREEN.write().unwrap_or_else(PoisonError::into_inner) = screen;
}

/// Returns the screen that talk and lines go to. It is not held: showing may take its time.
fn screen() -> Option<Screen> {
    SCREEN.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Notes what went to the terminal, so that talk begins on a line of its own.
fn note_cursor(bytes: &[u8]) {
    if let Some(last) = bytes.last() {
        MID_LINE.store(*last != b'\n', Relaxed);
    }
}

/// Writes to the error output; when that fails there is nobody left to tell.
pub fn complain(text: &str) {
    if let Some(screen) = screen() {
        return screen.print_err(text);
    }
    if MID_LINE.swap(false, Relaxed) && io::stderr().is_terminal() {
        write("\n");
    }
    write(text);
}

fn write(text: &str) {
    let _ = direct::write(direct::To::Errors, text.as_bytes());
}
