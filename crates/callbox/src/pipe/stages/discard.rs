//! Discard: bytes of some offsets are left out.

use std::ops::Range;

use bytes::Bytes;

use super::{Stage, within};
use crate::pipe::decision::What;
use crate::pipe::outbox::Outbox;

/// Leaves out a range of the stream, or of what comes from where its conditions began to hold.
pub(super) struct Discard {
    range: Range<u64>,
    relative: bool,
    base: Option<u64>,
}

impl Discard {
    pub(super) fn new(range: Range<u64>, relative: bool) -> Discard {
        Discard { range, relative, base: None }
    }
}

impl Stage for Discard {
    fn act(&mut self, offset: u64, mut bytes: Bytes, out: &mut Outbox<'_>) {
        let base = self.base.unwrap_or(0);
        let part = within(&self.range, offset.saturating_sub(base), bytes.len());
        if part.is_empty() {
            return out.bytes(bytes);
        }
        let behind = bytes.split_off(part.end);
        let dropped = bytes.split_off(part.start).len();
        out.note(offset + part.start as u64, What::Dropped(dropped as u64));
        out.dropped(dropped);
        out.bytes(bytes);
        out.bytes(behind);
    }

    fn clear_for(&self, offset: u64) -> u64 {
        let place = offset.saturating_sub(self.base.unwrap_or(0));
        if place >= self.range.end { u64::MAX } else { self.range.start.saturating_sub(place) }
    }

    fn opened(&mut self, offset: u64, _out: &mut Outbox<'_>) {
        if self.relative {
            self.base.get_or_insert(offset);
        }
    }
}
