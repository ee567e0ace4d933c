//! What goes from one stage to the next, and how a stage says what it does.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::decision::{Log, What};
use super::fault::Ending;
use super::ledger::Ledger;

/// One thing on its way; nothing comes behind an `End`, a `Close` or a `Reset`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// Bytes, one at least.
    Bytes(Bytes),
    /// The end of this direction's stream.
    End,
    /// The end of the session.
    Close,
    /// The end of the session, by a reset.
    Reset,
}

impl Item {
    /// Returns how many bytes it has.
    pub(super) fn len(&self) -> usize {
        match self {
            Item::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

impl From<Ending> for Item {
    fn from(how: Ending) -> Item {
        match how {
            Ending::End => Item::Close,
            Ending::Reset => Item::Reset,
        }
    }
}

/// Where a stage puts what it lets through, at one moment, and what it has to say of it.
pub(super) struct Outbox<'a> {
    /// The moment.
    pub(super) at: Instant,
    /// What the next stage gets, in order.
    pub(super) given: &'a mut Vec<Item>,
    /// Bytes that came and went.
    pub(super) ledger: &'a mut Ledger,
    /// What was decided.
    pub(super) log: &'a mut Log,
    /// The name of the fault.
    pub(super) name: &'a Arc<str>,
    /// The session ends now, whatever is still held.
    pub(super) over: &'a mut Option<Ending>,
}

impl Outbox<'_> {
    /// Lets bytes through, if there are any.
    pub(super) fn bytes(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.given.push(Item::Bytes(bytes));
        }
    }

    /// Lets an item through.
    pub(super) fn item(&mut self, item: Item) {
        self.given.push(item);
    }

    /// Notes that bytes are dropped.
    pub(super) fn dropped(&mut self, bytes: usize) {
        self.ledger.dropped += bytes as u64;
    }

    /// Notes that bytes come that nobody sent.
    pub(super) fn added(&mut self, bytes: usize) {
        self.ledger.added += bytes as u64;
    }

    /// Notes what was decided about the byte at `offset`.
    pub(super) fn note(&mut self, offset: u64, what: What) {
        self.log.note(self.name, offset, what);
    }

    /// Ends the session now.
    pub(super) fn end_session(&mut self, how: Ending) {
        self.over.get_or_insert(how);
    }
}
