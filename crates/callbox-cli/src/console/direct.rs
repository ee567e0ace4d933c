//! Writing to the two outputs without anybody in between.

use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;

/// Which output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Standard output.
    Output,
    /// The error output.
    Errors,
}

impl To {
    /// Returns its descriptor.
    pub fn descriptor(self) -> BorrowedFd<'static> {
        match self {
            To::Output => rustix::stdio::stdout(),
            To::Errors => rustix::stdio::stderr(),
        }
    }
}

/// Tells whether an output takes something now: a terminal may be stopped, a pipe full.
pub fn takes(to: To) -> bool {
    let descriptor = to.descriptor();
    let mut polled = [PollFd::new(&descriptor, PollFlags::OUT)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&now)).is_ok() && !polled[0].revents().is_empty()
}

/// Held by whoever writes to standard output: a console's answers and the lines of events have a thread each, and a
/// pipe that is full takes parts of what is written.
static WRITING: Mutex<()> = Mutex::new(());

/// Writes everything; a closed pipe is an error like any other.
pub fn write(to: To, mut bytes: &[u8]) -> io::Result<()> {
    let descriptor = to.descriptor();
    let _whole = (to == To::Output).then(|| WRITING.lock().unwrap_or_else(PoisonError::into_inner));
    while !bytes.is_empty() {
        match rustix::io::write(descriptor, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            // Somebody who shares it has made it non-blocking.
            Err(rustix::io::Errno::AGAIN) => {
                poll(&mut [PollFd::new(&descriptor, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
