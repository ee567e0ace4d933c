//! Cut and reset: the session ends after so many bytes or so long.

use bytes::Bytes;
use tokio::time::Instant;

use super::Stage;
use crate::pipe::decision::What;
use crate::pipe::fault::{After, Ending};
use crate::pipe::gate::later;
use crate::pipe::outbox::Outbox;

/// Ends the session: by bytes exactly behind them, by time whatever is still held.
pub(super) struct Cut {
    after: After,
    how: Ending,
    started: Instant,
    /// Counts from where its conditions began to hold, not from the start of all.
    relative: bool,
    open: bool,
    /// Behind which byte.
    end: u64,
    due: Option<Instant>,
    offset: u64,
    done: bool,
}

impl Cut {
    pub(super) fn new(after: After, how: Ending, started: Instant, relative: bool) -> Cut {
        Cut { after, how, started, relative, open: false, end: u64::MAX, due: None, offset: 0, done: false }
    }

    fn cut(&mut self, out: &mut Outbox<'_>) {
        self.done = true;
        out.note(self.end, What::Ended(self.how));
        out.item(self.how.into());
    }
}

impl Stage for Cut {
    fn act(&mut self, offset: u64, mut bytes: Bytes, out: &mut Outbox<'_>) {
        self.offset = offset + bytes.len() as u64;
        if self.done || self.offset < self.end {
            return out.bytes(bytes);
        }
        let behind = bytes.split_off(usize::try_from(self.end.saturating_sub(offset)).unwrap_or(0));
        out.bytes(bytes);
        self.cut(out);
        // Nobody takes it any more, and who drops it counts it.
        out.bytes(behind);
    }

    fn clear_for(&self, offset: u64) -> u64 {
        if self.done { 0 } else { self.end.saturating_sub(offset.saturating_add(1)) }
    }

    fn skip(&mut self, offset: u64, bytes: u64) {
        self.offset = offset + bytes;
    }

    fn opened(&mut self, offset: u64, out: &mut Outbox<'_>) {
        self.open = true;
        self.offset = offset;
        match self.after {
            After::Bytes(bytes) => {
                let base = if self.relative { offset } else { 0 };
                self.end = base.saturating_add(bytes).min(u64::MAX - 1);
                if self.end <= offset && !self.done {
                    self.end = offset;
                    self.cut(out);
                }
            }
            After::Time(time) if self.relative && time.is_zero() => {
                // Here and now: nothing behind this place, and nothing that is held.
                self.done = true;
                out.note(offset, What::Ended(self.how));
                out.item(self.how.into());
                out.end_session(self.how);
            }
            After::Time(time) => self.due = Some(later(if self.relative { out.at } else { self.started }, time)),
        }
    }

    fn shut(&mut self, _out: &mut Outbox<'_>) {
        self.open = false;
    }

    fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.open && !self.done)
    }

    fn fire(&mut self, out: &mut Outbox<'_>) {
        self.done = true;
        out.note(self.offset, What::Ended(self.how));
        out.end_session(self.how);
    }
}
