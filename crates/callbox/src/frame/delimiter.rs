//! `delim:...` and `crlf`: frames that end with given bytes, found across chunks in linear time.

use memchr::memmem::Finder;

use super::FrameKind;
use super::error::FrameError;
use super::scan::{Cut, Step};

/// Searches each chunk with memmem, and the border between two with Knuth, Morris and Pratt's automaton, whose state is
/// all that has to be kept: no byte is looked at again, however small the chunks.
#[derive(Debug, Clone)]
pub(super) struct Delimiter {
    finder: Box<Finder<'static>>,
    /// For each length of a match so far, the next shorter one that may go on.
    shorter: Box<[usize]>,
    /// How many bytes of the delimiter the bytes so far end with.
    matched: usize,
    /// Matches count where they end at a multiple of this.
    unit_bytes: usize,
    max_bytes: usize,
}

impl Delimiter {
    /// Makes one for a delimiter that is not empty.
    pub(super) fn new(delimiter: &[u8], unit_bytes: usize, max_bytes: usize) -> Delimiter {
        let mut shorter = vec![0; delimiter.len()];
        let mut matched = 0;
        for (index, byte) in delimiter.iter().enumerate().skip(1) {
            matched = advance(delimiter, &shorter, matched, *byte);
            shorter[index] = matched;
        }
        let finder = Box::new(Finder::new(delimiter).into_owned());
        Delimiter { finder, shorter: shorter.into(), matched: 0, unit_bytes: unit_bytes.max(1), max_bytes }
    }

    #[inline]
    pub(super) fn scan(&mut self, held: usize, new: &[u8]) -> Step {
        let len = self.shorter.len();
        let room = self.max_bytes.saturating_add(len).saturating_sub(held);
        match self.find(held, &new[..new.len().min(room)]) {
            Some(end) => {
                self.matched = 0;
                Step::Cut(Cut::new(end, 0, len))
            }
            None if new.len() >= room => Step::Fail { taken: room, error: FrameError::endless(self.max_bytes) },
            None => Step::More,
        }
    }

    pub(super) fn rest(&mut self) -> Cut {
        self.matched = 0;
        Cut::rest(FrameKind::Partial)
    }

    /// Returns where in `new` the first delimiter ends, which may have begun in the `held` bytes before.
    #[inline]
    fn find(&mut self, held: usize, new: &[u8]) -> Option<usize> {
        let unit_bytes = self.unit_bytes;
        let counts = |end: usize| unit_bytes == 1 || (held + end).is_multiple_of(unit_bytes);
        let delimiter = self.finder.needle();
        let mut at = 0;
        // What began in an earlier chunk comes first.
        while self.matched > at {
            self.matched = advance(delimiter, &self.shorter, self.matched, *new.get(at)?);
            at += 1;
            if self.matched == delimiter.len() {
                if counts(at) {
                    return Some(at);
                }
                self.matched = self.shorter[self.matched - 1];
            }
        }
        let mut from = at - self.matched;
        while let Some(start) = self.finder.find(&new[from..]) {
            if counts(from + start + delimiter.len()) {
                return Some(from + start + delimiter.len());
            }
            from += start + 1;
        }
        self.matched = 0;
        let last = new.len().saturating_sub(delimiter.len() - 1).max(from);
        for byte in &new[last..] {
            self.matched = advance(delimiter, &self.shorter, self.matched, *byte);
            if self.matched == delimiter.len() {
                // It was found above, and does not count.
                self.matched = self.shorter[self.matched - 1];
            }
        }
        None
    }
}

/// Returns how many bytes of the delimiter are matched after one more byte.
fn advance(delimiter: &[u8], shorter: &[usize], mut matched: usize, byte: u8) -> usize {
    while delimiter[matched] != byte {
        match matched {
            0 => return 0,
            _ => matched = shorter[matched - 1],
        }
    }
    matched + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_delimiter_that_overlaps_itself_is_found_where_it_first_ends() {
        for (delimiter, bytes, end) in [
            (&b"aab"[..], &b"aaab"[..], 4),
            (b"abab", b"abaabab", 7),
            (b"\r\n.\r\n", b"\r\n\r\n.\r\n", 7),
            (b"aa", b"aaa", 2),
        ] {
            for cut in 0..end {
                let mut search = Delimiter::new(delimiter, 1, 100);
                assert_eq!(search.find(0, &bytes[..cut]), None, "{cut}");
                assert_eq!(search.find(cut, &bytes[cut..]), Some(end - cut), "{cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn in_units_of_two_only_what_ends_at_an_even_place_counts(
            text in "[ab]{0,40}",
            delimiter in "[ab]{2}|[ab]{4}",
            cut in 0usize..40,
        ) {
            let mut search = Delimiter::new(delimiter.as_bytes(), 2, 1000);
            let (first, second) = text.as_bytes().split_at(cut.min(text.len()));
            let found = search.find(0, first).or_else(|| Some(first.len() + search.find(first.len(), second)?));
            let ends = (delimiter.len()..=text.len()).step_by(2);
            let expected = ends.into_iter().find(|&end| text[..end].ends_with(&delimiter));
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_chunking_finds_what_plain_search_finds(
            text in "[ab]{0,40}",
            delimiter in "[ab]{1,5}",
            sizes in prop::collection::vec(1usize..6, 1..5),
        ) {
            let mut search = Delimiter::new(delimiter.as_bytes(), 1, 1000);
            let mut rest = text.as_bytes();
            let mut found = None;
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, after) = rest.split_at((*size).min(rest.len()));
                if let Some(end) = search.find(text.len() - rest.len(), chunk) {
                    found = Some(text.len() - rest.len() + end);
                    break;
                }
                rest = after;
            }
            prop_assert_eq!(found, text.find(&delimiter).map(|start| start + delimiter.len()));
        }
    }
}
