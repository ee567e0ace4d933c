//! Limit: the session ends after so many bytes, counted from when the fault came.

use bytes::Bytes;

use super::Stage;
use crate::pipe::decision::What;
use crate::pipe::fault::Ending;
use crate::pipe::outbox::{Item, Outbox};

/// Lets so many bytes through, then ends the session. A limit of zero ends it with the first byte that comes.
pub(super) struct Limit {
    bytes: u64,
    counted: u64,
}

impl Limit {
    pub(super) fn new(bytes: u64) -> Limit {
        Limit { bytes, counted: 0 }
    }
}

impl Stage for Limit {
    fn act(&mut self, offset: u64, mut bytes: Bytes, out: &mut Outbox<'_>) {
        let left = self.bytes.saturating_sub(self.counted);
        if left > bytes.len() as u64 {
            self.counted += bytes.len() as u64;
            return out.bytes(bytes);
        }
        self.counted += left;
        let behind = bytes.split_off(left as usize);
        out.bytes(bytes);
        out.note(offset + left, What::Ended(Ending::End));
        out.item(Item::Close);
        // Nobody takes it any more, and who drops it counts it.
        out.bytes(behind);
    }

    fn clear_for(&self, _offset: u64) -> u64 {
        self.bytes.saturating_sub(self.counted).saturating_sub(1)
    }

    fn skip(&mut self, _offset: u64, bytes: u64) {
        self.counted += bytes;
    }

    fn counted(&self) -> u64 {
        self.counted
    }

    fn go_on_from(&mut self, counted: u64) {
        self.counted = counted;
    }
}
