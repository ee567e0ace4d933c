//! What an edge does only where TLS is spoken.

use std::io;
use std::sync::atomic::Ordering::Relaxed;

use super::{Edge, PARTING, broken};
use crate::event::Event;
use crate::net::io::Io;

impl Edge {
    /// Says what was agreed on, where TLS is spoken and somebody wants to know.
    pub(crate) fn announce_tls(&self) {
        if let Io::Tls(tls) = &self.io
            && self.session.observers().wants_talk()
        {
            let (session, role, facts) = (self.session.id(), self.role, tls.facts().clone());
            self.session.observers().emit(|| Event::Tls { session, role, facts });
        }
    }

    /// Sends the last word of a TLS stream that is about to be closed, where none was sent.
    pub(super) fn say_farewell(&self) {
        if let Io::Tls(tls) = &self.io
            && !self.write_ended.load(Relaxed)
            && !self.aborted.load(Relaxed)
            && self.broken.load(Relaxed) == 0
        {
            tls.farewell(|gone| self.observe(self.role.outbound(), gone));
        }
    }

    /// Returns how many of the bytes that a write waits with go as they are, whatever becomes of the write.
    pub(crate) fn is_sending(&self) -> usize {
        match &self.io {
            Io::Tls(tls) => tls.unclaimed(),
            Io::Socket(_) | Io::Joined(_) => 0,
        }
    }

    /// Notes that nobody wants what still comes.
    pub(crate) fn begin_parting(&self) {
        self.late.fetch_or(PARTING, Relaxed);
    }

    /// Tells whether an end without TLS's own word is as good as one with it: many answer our `close_notify` by closing, and
    /// what might be missing nobody wants any more.
    #[cold]
    pub(super) fn needs_no_word(&self, error: &io::Error) -> bool {
        self.late.load(Relaxed) & PARTING != 0 && broken::code(error) == broken::TRUNCATED
    }
}
