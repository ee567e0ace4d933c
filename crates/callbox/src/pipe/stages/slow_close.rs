//! Slow close: the end of stream comes later.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Stage;
use crate::pipe::decision::What;
use crate::pipe::gate::later;
use crate::pipe::outbox::{Item, Outbox};

/// Holds the end of stream for a time; bytes go on as they come.
pub(super) struct SlowClose {
    delay: Duration,
    open: bool,
    offset: u64,
    due: Option<Instant>,
}

impl SlowClose {
    pub(super) fn new(delay: Duration) -> SlowClose {
        SlowClose { delay, open: false, offset: 0, due: None }
    }
}

impl Stage for SlowClose {
    fn act(&mut self, offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        self.offset = offset + bytes.len() as u64;
        out.bytes(bytes);
    }

    fn last(&mut self, item: Item, out: &mut Outbox<'_>) {
        if item == Item::End && self.open {
            out.note(self.offset, What::EndDelayed(self.delay));
            self.due = Some(later(out.at, self.delay));
        } else {
            out.item(item);
        }
    }

    fn opened(&mut self, offset: u64, _out: &mut Outbox<'_>) {
        self.open = true;
        self.offset = offset;
    }

    fn shut(&mut self, _out: &mut Outbox<'_>) {
        self.open = false;
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn fire(&mut self, out: &mut Outbox<'_>) {
        if self.due.take().is_some() {
            out.item(Item::End);
        }
    }

    fn release(&mut self, _replaced: bool, out: &mut Outbox<'_>) {
        self.fire(out);
    }
}
