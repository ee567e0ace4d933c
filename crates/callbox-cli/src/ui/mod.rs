//! What people and programs see: events as lines or as JSON, and the byte pipe's ends.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub mod input;
pub mod json;
pub mod log;
pub mod output;
pub mod thread;
pub mod traffic;

/// Whether the cursor of the terminal that standard output is stands in the middle of a line.
static MID_LINE: AtomicBool = AtomicBool::new(false);

/// Notes what went to the terminal, so that talk begins on a line of its own.
fn note_cursor(bytes: &[u8]) {
    if let Some(last) = bytes.last() {
        MID_LINE.store(*last != b'\n', Relaxed);
    }
}

/// Writes to the error output; when that fails there is nobody left to tell.
pub fn complain(text: &str) {
    if MID_LINE.swap(false, Relaxed) && io::stderr().is_terminal() {
        write("\n");
    }
    write(text);
}

fn write(text: &str) {
    let mut bytes = text.as_bytes();
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stderr(), bytes) {
            Ok(0) => return,
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            // A terminal shared with a program that made it non-blocking.
            Err(rustix::io::Errno::AGAIN) => std::thread::yield_now(),
            Err(_) => return,
        }
    }
}
