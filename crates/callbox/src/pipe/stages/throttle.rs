//! Throttle: no more than so many bytes a second.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Stage, time_for};
use crate::pipe::gate::later;
use crate::pipe::outbox::{Item, Outbox};
use crate::pipe::rate::SessionRate;

/// A debt shorter than this is not waited for: timers are no finer, and it is paid with the next bytes.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// How many pieces a second a chunk comes in that takes longer.
const PIECES_PER_SECOND: u64 = 100;

/// Lets bytes through as a line of this rate would, when their last bit is over. Small chunks run up a debt, and only one worth
/// a timer is waited for.
pub(super) struct Throttle {
    rate: u64,
    /// When all that went through is paid for.
    paid: Option<Instant>,
    queue: VecDeque<Entry>,
    held: usize,
    /// Told once that it holds bytes.
    tells: Option<SessionRate>,
}

struct Entry {
    came: Instant,
    item: Item,
    costs: bool,
}

impl Throttle {
    pub(super) fn new(rate: u64) -> Throttle {
        Throttle { rate, paid: None, queue: VecDeque::new(), held: 0, tells: None }
    }

    /// Makes the one of a limit.
    pub(super) fn of(rate: &SessionRate) -> Throttle {
        Throttle { tells: Some(rate.clone()), ..Throttle::new(rate.per_second()) }
    }

    fn take(&mut self, item: Item, costs: bool, out: &mut Outbox<'_>) {
        self.held += item.len();
        self.queue.push_back(Entry { came: out.at, item, costs });
        while self.due().is_some_and(|due| due <= out.at) {
            self.fire(out);
        }
        if self.held > 0
            && let Some(rate) = self.tells.take()
        {
            rate.slow();
        }
    }

    /// Returns how long the first piece of so many bytes is.
    fn piece(&self, bytes: usize) -> usize {
        bytes.min(usize::try_from((self.rate / PIECES_PER_SECOND).max(1)).unwrap_or(usize::MAX))
    }

    /// Returns when a piece of so many bytes that came at a moment has gone through.
    fn paid(&self, came: Instant, piece: usize) -> Instant {
        let from = self.paid.map_or(came, |paid| paid.max(came));
        if piece == 0 { from } else { later(from, time_for(piece as u64, self.rate)) }
    }
}

impl Stage for Throttle {
    fn act(&mut self, _offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        self.take(Item::Bytes(bytes), true, out);
    }

    fn pass(&mut self, _offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        self.take(Item::Bytes(bytes), false, out);
    }

    fn may_be_passed_by(&self) -> bool {
        self.queue.is_empty()
    }

    fn last(&mut self, item: Item, out: &mut Outbox<'_>) {
        // What came before has to be paid for.
        self.take(item, true, out);
    }

    fn due(&self) -> Option<Instant> {
        let Entry { came, item, costs } = self.queue.front()?;
        if !costs {
            return Some(*came);
        }
        let paid = self.paid(*came, self.piece(item.len()));
        Some(paid.checked_sub(SHORTEST_WAIT).unwrap_or(paid).max(*came))
    }

    fn fire(&mut self, out: &mut Outbox<'_>) {
        let Some(Entry { came, item, costs }) = self.queue.pop_front() else { return };
        match item {
            Item::Bytes(mut bytes) if costs => {
                let piece = bytes.split_to(self.piece(bytes.len()));
                self.paid = Some(self.paid(came, piece.len()));
                self.held -= piece.len();
                out.bytes(piece);
                if !bytes.is_empty() {
                    self.queue.push_front(Entry { came, item: Item::Bytes(bytes), costs });
                }
            }
            item => {
                self.held -= item.len();
                out.item(item);
            }
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
