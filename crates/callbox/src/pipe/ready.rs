//! What is ready to be written.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::outbox::Item;

/// The end of the chain: chunks to be written one by one, and what comes behind them.
#[derive(Debug, Default)]
pub(super) struct Ready {
    queue: VecDeque<Bytes>,
    bytes: u64,
    /// How many bytes have come.
    offset: u64,
    /// An `End`, a `Close` or a `Reset`.
    last: Option<Item>,
    /// The first chunk was offered, and nothing of it has been written since.
    offered: bool,
}

impl Ready {
    /// Takes an item; returns how many bytes are dropped, for they come behind the last one.
    pub(super) fn take(&mut self, item: Item) -> u64 {
        match item {
            item if self.last.is_some() => return item.len() as u64,
            Item::Bytes(bytes) => {
                self.bytes += bytes.len() as u64;
                self.offset += bytes.len() as u64;
                self.queue.push_back(bytes);
            }
            item => self.last = Some(item),
        }
        0
    }

    /// Counts bytes that did not come here.
    pub(super) fn went_around(&mut self, bytes: u64) {
        self.offset += bytes;
    }

    /// Returns the chunk to write, and remembers that it was offered.
    pub(super) fn offer(&mut self) -> Option<&[u8]> {
        self.offered = !self.queue.is_empty();
        self.front()
    }

    /// Returns the chunk to write.
    pub(super) fn front(&self) -> Option<&[u8]> {
        self.queue.front().map(|bytes| &bytes[..])
    }

    /// Tells whether something was offered and nothing of it was taken.
    pub(super) fn is_stuck(&self) -> bool {
        self.offered
    }

    /// Notes what was written; returns how much of that there was.
    pub(super) fn advance(&mut self, written: usize) -> u64 {
        let Some(front) = self.queue.front_mut() else { return 0 };
        let written = written.min(front.len());
        front.advance(written);
        if front.is_empty() {
            self.queue.pop_front();
        }
        self.offered &= written == 0;
        self.bytes -= written as u64;
        written as u64
    }

    /// Drops all chunks; returns how many bytes they had.
    pub(super) fn clear(&mut self) -> u64 {
        self.queue.clear();
        self.offered = false;
        std::mem::take(&mut self.bytes)
    }

    pub(super) fn last(&self) -> Option<&Item> {
        self.last.as_ref()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn chunks(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.last.is_none()
    }
}
