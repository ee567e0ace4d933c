//! Half-close: this direction ends, and the other goes on.

use bytes::Bytes;

use super::Stage;
use crate::pipe::decision::What;
use crate::pipe::outbox::{Item, Outbox};

/// Sends an end of stream; what comes behind it nobody takes any more.
pub(super) struct HalfClose {
    done: bool,
}

impl HalfClose {
    pub(super) fn new() -> HalfClose {
        HalfClose { done: false }
    }
}

impl Stage for HalfClose {
    fn act(&mut self, _offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        out.bytes(bytes);
    }

    fn opened(&mut self, offset: u64, out: &mut Outbox<'_>) {
        if !self.done {
            self.done = true;
            out.note(offset, What::HalfClosed);
            out.item(Item::End);
        }
    }
}
