//! Latency: every chunk comes later, in order.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Stage;
use crate::pipe::decision::What;
use crate::pipe::draw;
use crate::pipe::fault::Shape;
use crate::pipe::gate::later;
use crate::pipe::outbox::{Item, Outbox};
use crate::rng::Rng;

/// Holds each chunk for a time drawn for it; none overtakes another. An end of stream takes as long.
pub(super) struct Latency {
    base: Duration,
    jitter: Duration,
    shape: Shape,
    rng: Rng,
    open: bool,
    queue: VecDeque<(Instant, Item)>,
    held: usize,
}

impl Latency {
    pub(super) fn new(base: Duration, jitter: Duration, shape: Shape, rng: Rng) -> Latency {
        Latency { base, jitter, shape, rng, open: false, queue: VecDeque::new(), held: 0 }
    }

    fn hold(&mut self, due: Instant, item: Item, out: &mut Outbox<'_>) {
        let due = self.queue.back().map_or(due, |(last, _)| due.max(*last));
        if self.queue.is_empty() && due <= out.at {
            return out.item(item);
        }
        self.held += item.len();
        self.queue.push_back((due, item));
    }

    fn draw(&mut self) -> Duration {
        draw::delay(&mut self.rng, self.base, self.jitter, self.shape)
    }
}

impl Stage for Latency {
    fn act(&mut self, offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        let delay = self.draw();
        out.note(offset, What::Delayed(delay));
        self.hold(later(out.at, delay), Item::Bytes(bytes), out);
    }

    fn pass(&mut self, _offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        self.hold(out.at, Item::Bytes(bytes), out);
    }

    fn may_be_passed_by(&self) -> bool {
        self.queue.is_empty()
    }

    fn last(&mut self, item: Item, out: &mut Outbox<'_>) {
        let delay = if self.open && item == Item::End { self.draw() } else { Duration::ZERO };
        self.hold(later(out.at, delay), item, out);
    }

    fn opened(&mut self, _offset: u64, _out: &mut Outbox<'_>) {
        self.open = true;
    }

    fn shut(&mut self, _out: &mut Outbox<'_>) {
        self.open = false;
    }

    fn due(&self) -> Option<Instant> {
        self.queue.front().map(|(due, _)| *due)
    }

    fn fire(&mut self, out: &mut Outbox<'_>) {
        if let Some((_, item)) = self.queue.pop_front() {
            self.held -= item.len();
            out.item(item);
        }
    }

    fn release(&mut self, _replaced: bool, out: &mut Outbox<'_>) {
        self.queue.drain(..).for_each(|(_, item)| out.item(item));
    }

    fn held(&self) -> usize {
        self.held
    }

    fn chunks(&self) -> usize {
        self.queue.len()
    }
}
