//! Slice: chunks come in pieces, which are written one by one.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Stage;
use crate::pipe::decision::What;
use crate::pipe::gate::later;
use crate::pipe::outbox::{Item, Outbox};
use crate::rng::Rng;

/// Cuts chunks into pieces of a length drawn for each, with a pause behind each; the last of a chunk may be shorter.
pub(super) struct Slice {
    least: usize,
    most: usize,
    pause: Duration,
    rng: Rng,
    /// When the pause behind the last piece is over.
    ready: Option<Instant>,
    queue: VecDeque<Entry>,
    held: usize,
}

struct Entry {
    came: Instant,
    item: Item,
    /// Where it begins, when it is to be cut.
    offset: Option<u64>,
}

impl Slice {
    pub(super) fn new(least: usize, most: usize, pause: Duration, rng: Rng) -> Slice {
        let least = least.max(1);
        Slice { least, most: most.max(least), pause, rng, ready: None, queue: VecDeque::new(), held: 0 }
    }

    fn take(&mut self, item: Item, offset: Option<u64>, out: &mut Outbox<'_>) {
        self.held += item.len();
        self.queue.push_back(Entry { came: out.at, item, offset });
        while self.due().is_some_and(|due| due <= out.at) {
            self.fire(out);
        }
    }

    fn piece(&mut self, mut bytes: Bytes, offset: u64, out: &mut Outbox<'_>) {
        let more = self.rng.below((self.most - self.least) as u64 + 1) as usize;
        let piece = bytes.split_to(bytes.len().min(self.least + more));
        let len = piece.len();
        out.note(offset, What::Sliced(len as u64));
        self.held -= len;
        self.ready = Some(later(out.at, self.pause));
        out.bytes(piece);
        if !bytes.is_empty() {
            let offset = Some(offset + len as u64);
            self.queue.push_front(Entry { came: out.at, item: Item::Bytes(bytes), offset });
        }
    }
}

impl Stage for Slice {
    fn act(&mut self, offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        self.take(Item::Bytes(bytes), Some(offset), out);
    }

    fn pass(&mut self, _offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        self.take(Item::Bytes(bytes), None, out);
    }

    fn may_be_passed_by(&self) -> bool {
        self.queue.is_empty()
    }

    fn last(&mut self, item: Item, out: &mut Outbox<'_>) {
        self.take(item, None, out);
    }

    fn due(&self) -> Option<Instant> {
        let front = self.queue.front()?;
        let ready = self.ready.filter(|_| front.offset.is_some());
        Some(ready.map_or(front.came, |ready| ready.max(front.came)))
    }

    fn fire(&mut self, out: &mut Outbox<'_>) {
        match self.queue.pop_front() {
            Some(Entry { item: Item::Bytes(bytes), offset: Some(offset), .. }) => self.piece(bytes, offset, out),
            Some(Entry { item, .. }) => {
                self.held -= item.len();
                out.item(item);
            }
            None => {}
        }
    }

    fn release(&mut self, _replaced: bool, out: &mut Outbox<'_>) {
        self.queue.drain(..).for_each(|entry| out.item(entry.item));
    }

    fn held(&self) -> usize {
        self.held
    }

    fn chunks(&self) -> usize {
        self.queue.len()
    }
}
