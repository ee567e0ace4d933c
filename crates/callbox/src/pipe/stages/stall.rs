//! Stall: nothing comes through any more.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Stage;
use crate::pipe::outbox::{Item, Outbox};

/// Holds all that comes, ends included, while its conditions hold.
pub(super) struct Stall {
    open: bool,
    queue: VecDeque<Item>,
    held: usize,
}

impl Stall {
    pub(super) fn new() -> Stall {
        Stall { open: false, queue: VecDeque::new(), held: 0 }
    }

    fn let_go(&mut self, out: &mut Outbox<'_>) {
        self.queue.drain(..).for_each(|item| out.item(item));
        self.held = 0;
    }
}

impl Stage for Stall {
    fn act(&mut self, _offset: u64, bytes: Bytes, _out: &mut Outbox<'_>) {
        self.held += bytes.len();
        self.queue.push_back(Item::Bytes(bytes));
    }

    fn last(&mut self, item: Item, out: &mut Outbox<'_>) {
        if self.open { self.queue.push_back(item) } else { out.item(item) }
    }

    fn opened(&mut self, _offset: u64, _out: &mut Outbox<'_>) {
        self.open = true;
    }

    fn shut(&mut self, out: &mut Outbox<'_>) {
        self.open = false;
        self.let_go(out);
    }

    fn release(&mut self, _replaced: bool, out: &mut Outbox<'_>) {
        self.let_go(out);
    }

    fn held(&self) -> usize {
        self.held
    }

    fn chunks(&self) -> usize {
        self.queue.len()
    }
}
