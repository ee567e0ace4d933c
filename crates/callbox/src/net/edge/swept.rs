//! What the sweep asks of an edge, and what it has it do: silence, resets that nobody reads, probes of a silent peer.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::Edge;
use crate::net::socket::keep_alive;
use crate::net::sys;
use crate::report::state;

/// What the sweep saw when it last looked.
pub(super) struct Swept {
    bytes: AtomicU64,
    waiting: AtomicU32,
    /// Milliseconds of the sweep's clock when something last moved; 49 days of silence go round.
    moved: AtomicU32,
}

/// The sweep has not looked yet.
const UNSEEN: u32 = u32::MAX;

impl Default for Swept {
    fn default() -> Swept {
        Swept { bytes: AtomicU64::new(0), waiting: AtomicU32::new(0), moved: AtomicU32::new(UNSEEN) }
    }
}

impl Edge {
    /// Notes whether nobody reads here for now, though no write waits either.
    pub(crate) fn leave_unread(&self, unread: bool) {
        self.unread.store(unread, Relaxed);
    }

    /// Tells whether nobody reads here for now.
    pub(crate) fn is_left_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    /// Leaves it to the sweep to have a silent peer probed: that takes four calls, which most sessions never need.
    pub(crate) fn owe_keepalive(&self) {
        self.owes_keepalive.store(true, Relaxed);
    }

    /// Has a silent peer probed after `idle`, where that is still owed.
    pub(crate) fn pay_keepalive(&self, idle: Duration) {
        if self.owes_keepalive.load(Relaxed)
            && self.owes_keepalive.swap(false, Relaxed)
            && let Some(socket) = self.descriptor()
        {
            // A socket that is gone already needs none.
            let _ = keep_alive(&socket2::SockRef::from(&socket), idle);
        }
    }

    /// Tells whether the connection is gone and nobody may wait long for what is left of it.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Relaxed)
    }

    /// Asks the kernel whether the connection has been reset while nobody reads here, and notes it; tells whether that is
    /// news, so that the session is to be woken.
    pub(crate) fn finds_reset(&self) -> bool {
        let Some(socket) = self.descriptor() else { return false };
        let ended = self.aborted.load(Relaxed) || (self.is_read_ended() && self.write_ended.load(Relaxed));
        if ended || self.is_lost() || sys::tcp_state(socket) != state::CLOSE {
            return false;
        }
        if self.broken.load(Relaxed) == 0 {
            // Where both ends of stream have passed, ours first, the socket says the same, with bytes perhaps unread.
            let Ok(Some(pending)) = socket2::SockRef::from(&socket).take_error() else { return false };
            self.latch(pending);
        }
        self.lost.store(true, Relaxed);
        true
    }

    /// Tells for how long nothing has moved, by a clock that the sweep keeps; `bytes` is what has been moved in all, `waiting`
    /// what the peer has not taken.
    ///
    /// Only the sweep calls this: it compares with what it saw the last time.
    pub(crate) fn quiet_for(&self, clock: Duration, bytes: u64, waiting: usize) -> Duration {
        let (now, waiting) = (clock.as_millis() as u32, waiting as u32);
        let (before, waited) = (self.swept.bytes.swap(bytes, Relaxed), self.swept.waiting.swap(waiting, Relaxed));
        if before != bytes || waited != waiting || self.swept.moved.load(Relaxed) == UNSEEN {
            self.swept.moved.store(now, Relaxed);
        }
        Duration::from_millis(now.wrapping_sub(self.swept.moved.load(Relaxed)).into())
    }
}
