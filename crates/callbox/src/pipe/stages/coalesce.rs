//! Coalesce: chunks that come within a time are written at once.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::Stage;
use crate::pipe::decision::What;
use crate::pipe::gate::later;
use crate::pipe::outbox::{Item, Outbox};

/// Gathers what comes within a time from the first chunk on; what ends the stream ends the time.
pub(super) struct Coalesce {
    window: Duration,
    due: Option<Instant>,
    offset: u64,
    parts: Vec<Bytes>,
    held: usize,
}

impl Coalesce {
    pub(super) fn new(window: Duration) -> Coalesce {
        Coalesce { window, due: None, offset: 0, parts: Vec::new(), held: 0 }
    }

    fn flush(&mut self, out: &mut Outbox<'_>) {
        self.due = None;
        match self.parts.len() {
            0 => return,
            1 => out.bytes(self.parts.remove(0)),
            chunks => {
                out.note(self.offset, What::Gathered(chunks as u64));
                let mut whole = BytesMut::with_capacity(self.held);
                self.parts.drain(..).for_each(|part| whole.extend_from_slice(&part));
                out.bytes(whole.freeze());
            }
        }
        self.held = 0;
    }
}

impl Stage for Coalesce {
    fn act(&mut self, offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        if self.parts.is_empty() {
            self.due = Some(later(out.at, self.window));
            self.offset = offset;
        }
        self.held += bytes.len();
        self.parts.push(bytes);
    }

    fn pass(&mut self, _offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        self.flush(out);
        out.bytes(bytes);
    }

    fn may_be_passed_by(&self) -> bool {
        self.parts.is_empty()
    }

    fn last(&mut self, item: Item, out: &mut Outbox<'_>) {
        self.flush(out);
        out.item(item);
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn fire(&mut self, out: &mut Outbox<'_>) {
        self.flush(out);
    }

    fn release(&mut self, _replaced: bool, out: &mut Outbox<'_>) {
        self.flush(out);
    }

    fn held(&self) -> usize {
        self.held
    }

    fn chunks(&self) -> usize {
        self.parts.len()
    }
}
