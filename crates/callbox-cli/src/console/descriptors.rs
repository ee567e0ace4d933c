//! Low descriptors for the editor: it waits with `select(2)`, which knows none from 1024 on, and opens one a line.
//!
//! A server may hold every low number as a connection by then. So some are held back, given up just before a line is
//! begun, and taken again as soon as the editor has its own.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, getrlimit};

/// What `select(2)` can wait for at most (`FD_SETSIZE`).
const SELECT: i32 = 1024;
/// Numbers held back: other threads take the lowest ones too, while they are free for a moment.
pub const HELD: usize = 64;
/// From one look for a low number to the next, when there is none.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The numbers that are held back.
#[derive(Debug, Default)]
pub struct Low {
    held: Vec<OwnedFd>,
    free: bool,
}

impl Low {
    /// Holds numbers back, where numbers beyond `select(2)` can occur at all.
    pub fn hold() -> Low {
        let mut low = Low { held: Vec::new(), free: true };
        low.hold_again();
        low
    }

    /// Gives the numbers up: a line begins.
    pub fn give(&mut self) {
        self.held.clear();
        self.free = true;
    }

    /// Takes back what is free, once after [`Low::give`].
    pub fn hold_again(&mut self) {
        let beyond = getrlimit(Resource::Nofile).current.is_none_or(|limit| limit > SELECT as u64);
        if !std::mem::take(&mut self.free) || !beyond {
            return;
        }
        let open = || rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let low = std::iter::repeat_with(open).map_while(Result::ok).take_while(|one| one.as_raw_fd() < SELECT);
        self.held.extend(low.take(HELD));
    }

    /// Waits until a number is free that the editor can wait for.
    pub fn wait_for_one() {
        let is_low = |one: OwnedFd| one.as_raw_fd() < SELECT;
        while !rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 0).is_ok_and(is_low) {
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}
