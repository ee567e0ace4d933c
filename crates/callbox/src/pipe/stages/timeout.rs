//! Timeout: nothing comes through, and the session ends after a time.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Stage;
use crate::pipe::decision::What;
use crate::pipe::fault::Ending;
use crate::pipe::gate::later;
use crate::pipe::outbox::{Item, Outbox};

/// Drops all that comes. The session ends after a time, with the sender's end of stream, or when the fault is taken away:
/// what follows a hole must not arrive.
pub(super) struct Timeout {
    after: Option<Duration>,
    open: bool,
    /// There is a hole now, or will be.
    lossy: bool,
    offset: u64,
    due: Option<Instant>,
}

impl Timeout {
    pub(super) fn new(after: Option<Duration>) -> Timeout {
        Timeout { after, open: false, lossy: false, offset: 0, due: None }
    }
}

impl Stage for Timeout {
    fn act(&mut self, offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        self.offset = offset + bytes.len() as u64;
        out.note(offset, What::Dropped(bytes.len() as u64));
        out.dropped(bytes.len());
    }

    fn last(&mut self, item: Item, out: &mut Outbox<'_>) {
        out.item(if item == Item::End && self.lossy { Item::Close } else { item });
    }

    fn opened(&mut self, offset: u64, out: &mut Outbox<'_>) {
        self.open = true;
        self.lossy = true;
        self.offset = offset;
        self.due = self.after.map(|after| later(out.at, after));
    }

    fn shut(&mut self, out: &mut Outbox<'_>) {
        self.open = false;
        self.release(false, out);
    }

    fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.open)
    }

    fn fire(&mut self, out: &mut Outbox<'_>) {
        self.due = None;
        out.note(self.offset, What::Ended(Ending::End));
        out.end_session(Ending::End);
    }

    fn release(&mut self, replaced: bool, out: &mut Outbox<'_>) {
        if self.lossy && !replaced {
            self.fire(out);
        }
    }
}
