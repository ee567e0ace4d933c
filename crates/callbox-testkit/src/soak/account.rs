//! Who keeps account of what came.

use std::collections::BTreeSet;

use super::message::{self, MESSAGE_BYTES};

/// What came of messages; what should all be 0 comes last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that came for the first time.
    pub arrived: u64,
    /// Never came.
    pub lost: u64,
    /// Came again.
    pub duplicated: u64,
    /// Came after a later one.
    pub reordered: u64,
    /// 64 bytes that are no message, or one of another connection.
    pub wrong: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: Counts) {
        self.arrived += other.arrived;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.wrong += other.wrong;
    }

    /// Tells whether everything came whole, once and in order.
    pub fn is_clean(&self) -> bool {
        [self.lost, self.duplicated, self.reordered, self.wrong] == [0; 4]
    }
}

/// Reads one direction's bytes, in any chunks.
#[derive(Debug, Default)]
pub(super) struct Account {
    counts: Counts,
    /// The stream that the first message belonged to.
    pub(super) stream: Option<u64>,
    next: u64,
    missing: BTreeSet<u64>,
    rest: Vec<u8>,
}

impl Account {
    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        if !self.rest.is_empty() {
            let wanted = (MESSAGE_BYTES - self.rest.len()).min(bytes.len());
            self.rest.extend_from_slice(&bytes[..wanted]);
            bytes = &bytes[wanted..];
            if self.rest.len() < MESSAGE_BYTES {
                return;
            }
            let message = std::mem::take(&mut self.rest);
            self.message(&message);
        }
        let messages = bytes.chunks_exact(MESSAGE_BYTES);
        self.rest.extend_from_slice(messages.remainder());
        messages.for_each(|message| self.message(message));
    }

    fn message(&mut self, message: &[u8]) {
        let number = match message::read(message) {
            Some((stream, number)) if *self.stream.get_or_insert(stream) == stream => number,
            _ => {
                self.counts.wrong += 1;
                return;
            }
        };
        if number < self.next {
            match self.missing.remove(&number) {
                true => {
                    self.counts.reordered += 1;
                    self.counts.arrived += 1;
                }
                false => self.counts.duplicated += 1,
            }
            return;
        }
        self.missing.extend(self.next..number);
        self.counts.arrived += 1;
        self.next = number + 1;
    }

    /// Closes it: `sent` messages should have come.
    pub(super) fn close(mut self, sent: u64) -> Counts {
        self.counts.wrong += u64::from(!self.rest.is_empty());
        self.counts.lost = sent.saturating_sub(self.counts.arrived);
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(numbers: &[u64], sent: u64, change: impl Fn(&mut Vec<u8>)) -> Counts {
        let mut bytes = Vec::new();
        numbers.iter().for_each(|number| message::append(&mut bytes, 3, *number));
        change(&mut bytes);
        let mut whole = Account::default();
        whole.take(&bytes);
        let mut pieces = Account::default();
        bytes.chunks(61).for_each(|piece| pieces.take(piece));
        let counts = whole.close(sent);
        assert_eq!(pieces.close(sent), counts, "in any chunks");
        counts
    }

    #[test]
    fn each_kind_of_harm_is_counted_as_what_it_is() {
        let clean = Counts { arrived: 4, ..Counts::default() };
        assert!(clean.is_clean());
        assert_eq!(counts(&[0, 1, 2, 3], 4, |_| ()), clean);
        assert_eq!(counts(&[0, 1, 3], 4, |_| ()), Counts { arrived: 3, lost: 1, ..clean });
        assert_eq!(counts(&[0, 1, 2], 4, |_| ()), Counts { arrived: 3, lost: 1, ..clean });
        assert_eq!(counts(&[0, 1, 1, 2, 3], 4, |_| ()), Counts { duplicated: 1, ..clean });
        assert_eq!(counts(&[0, 2, 1, 3], 4, |_| ()), Counts { reordered: 1, ..clean });
        assert_eq!(counts(&[0, 1, 2, 3], 4, |bytes| bytes[70] ^= 1), Counts { arrived: 3, lost: 1, wrong: 1, ..clean });
        assert_eq!(counts(&[0, 1, 2, 3], 4, |bytes| bytes.truncate(255)).lost, 1);
        let hole = counts(&[0, 1, 2, 3], 4, |bytes| drop(bytes.drain(100..101)));
        assert!(hole.lost == 3 && hole.wrong == 3, "{hole:?}");
        assert!(!hole.is_clean());
    }

    #[test]
    fn a_message_of_another_stream_is_wrong() {
        let mut account = Account::default();
        let mut bytes = Vec::new();
        message::append(&mut bytes, 1, 0);
        message::append(&mut bytes, 2, 1);
        account.take(&bytes);
        assert_eq!(account.close(2), Counts { arrived: 1, lost: 1, wrong: 1, ..Counts::default() });
    }
}
