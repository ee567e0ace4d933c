//! What people and programs see: events as lines or as JSON, and the byte pipe's ends.

pub mod input;
pub mod json;
pub mod log;
pub mod output;
pub mod thread;
pub mod traffic;

/// Writes to the error output; when that fails there is nobody left to tell.
pub fn complain(text: &str) {
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
