//! Reset peer: the first bytes are swallowed, and some time after them both sides are reset.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Stage;
use crate::pipe::decision::What;
use crate::pipe::fault::Ending;
use crate::pipe::gate::later;
use crate::pipe::outbox::{Item, Outbox};

/// Drops all that comes; the first of it, be it the end of stream, begins the time after which both sides are reset.
pub(super) struct ResetPeer {
    after: Duration,
    offset: u64,
    due: Option<Instant>,
}

impl ResetPeer {
    pub(super) fn new(after: Duration) -> ResetPeer {
        ResetPeer { after, offset: 0, due: None }
    }

    fn begin(&mut self, out: &Outbox<'_>) {
        let after = self.after;
        self.due.get_or_insert_with(|| later(out.at, after));
    }
}

impl Stage for ResetPeer {
    fn act(&mut self, offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        self.offset = offset;
        out.note(offset, What::Dropped(bytes.len() as u64));
        out.dropped(bytes.len());
        self.begin(out);
    }

    fn last(&mut self, item: Item, out: &mut Outbox<'_>) {
        match item {
            Item::End => self.begin(out),
            item => out.item(item),
        }
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn fire(&mut self, out: &mut Outbox<'_>) {
        self.due = None;
        out.note(self.offset, What::Ended(Ending::Reset));
        out.end_session(Ending::Reset);
    }

    /// What follows a hole must not arrive.
    fn release(&mut self, replaced: bool, out: &mut Outbox<'_>) {
        if self.due.is_some() && !replaced {
            self.fire(out);
        }
    }
}
