//! Descriptors kept back for sessions that were let in and find none for their upstream.
//!
//! Where clients get the last ones, each of them waits for another to end, and none does: all are turned away in the end. So
//! some are kept back, nobody is accepted unless all of them are there, and who finds none is given one of them.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Kind};

/// How many are kept back in all, for descriptors are the process's: two listeners accept so many before sessions have their
/// turn. They are part of those that [connections leave](crate::server::RESERVED_DESCRIPTORS).
pub const KEPT_BACK: usize = 32;

/// What all relays of the process keep back.
pub(super) static RESERVE: Reserve = Reserve::new();

/// Descriptors that mean nothing but their number.
pub(super) struct Reserve {
    kept: Mutex<Vec<OwnedFd>>,
    /// How many these are: nearly always all of them, and then nothing is locked.
    count: AtomicUsize,
}

impl Reserve {
    const fn new() -> Reserve {
        Reserve { kept: Mutex::new(Vec::new()), count: AtomicUsize::new(0) }
    }

    /// Keeps back what is missing; tells whether all are there, or cannot be had for another reason than their number.
    pub(super) fn fill(&self) -> bool {
        if self.count.load(SeqCst) == KEPT_BACK {
            return true;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.len() < KEPT_BACK {
            match File::open("/dev/null") {
                Ok(file) => kept.push(file.into()),
                Err(error) => return Error::io("open", error).kind() != Kind::Exhausted,
            }
            self.count.store(kept.len(), SeqCst);
        }
        true
    }

    /// Gives one up, where there is one.
    pub(super) fn give_up_one(&self) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let given = kept.pop().is_some();
        self.count.store(kept.len(), SeqCst);
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_is_kept_back_again() {
        let reserve = Reserve::new();
        assert!(!reserve.give_up_one(), "nothing is there yet");
        for _ in 0..2 {
            assert!(reserve.fill());
            assert_eq!((0..KEPT_BACK + 1).filter(|_| reserve.give_up_one()).count(), KEPT_BACK);
        }
    }
}
