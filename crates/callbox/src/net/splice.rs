//! Bytes from one socket to another through a kernel pipe (`splice(2)`), without a copy into this process.
//!
//! A [`Conduit`] is filled only while it is empty, and emptied before it is filled again. So when the kernel says "not
//! now" while filling, it is the socket that has nothing, never the pipe that has no slot left: with small segments a
//! pipe of 64 KiB is full at less than half of that, and both are the same error.

use std::cell::RefCell;
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, fcntl_getpipe_size, pipe_with};

/// What one pipe holds: the kernel's default. Bigger ones brought nothing.
pub(crate) const CONDUIT_BYTES: usize = 64 * 1024;
/// Empty pipes that a thread keeps for the next bulk transfer: making one takes three system calls.
pub(crate) const SPARE_CONDUITS: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<Conduit>> = const { RefCell::new(Vec::new()) };
}

/// A kernel pipe on its way between two sockets.
pub(crate) struct Conduit {
    pub(super) reader: OwnedFd,
    pub(super) writer: OwnedFd,
    /// Bytes in it.
    pub(super) held: usize,
}

impl Conduit {
    /// Takes a spare one or makes one; `None` where the system has none to give: no descriptors, or, to a user with many
    /// pipes, only small ones.
    pub(crate) fn take() -> Option<Conduit> {
        if let Some(spare) = SPARE.with_borrow_mut(Vec::pop) {
            return Some(spare);
        }
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).ok()?;
        let whole = fcntl_getpipe_size(&writer).is_ok_and(|size| size >= CONDUIT_BYTES);
        whole.then_some(Conduit { reader, writer, held: 0 })
    }

    /// Tells whether bytes are in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Returns how many bytes are in it.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Gives it back for others; one that still holds bytes is closed, and they are lost.
    pub(crate) fn give_back(self) {
        if self.is_empty() {
            SPARE.with_borrow_mut(|spare| {
                if spare.len() < SPARE_CONDUITS {
                    spare.push(self);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_one_is_kept_and_one_that_holds_bytes_is_not() {
        SPARE.with_borrow_mut(Vec::clear);
        Conduit::take().expect("pipes are there").give_back();
        let mut conduit = Conduit::take().expect("the spare one");
        assert_eq!(SPARE.with_borrow(Vec::len), 0);
        conduit.held = 1;
        conduit.give_back();
        assert_eq!(SPARE.with_borrow(Vec::len), 0);
    }

    #[test]
    fn no_more_are_kept_than_allowed() {
        let all: Vec<_> = (0..SPARE_CONDUITS + 2).map(|_| Conduit::take().expect("pipes are there")).collect();
        all.into_iter().for_each(Conduit::give_back);
        assert_eq!(SPARE.with_borrow(Vec::len), SPARE_CONDUITS);
    }
}
