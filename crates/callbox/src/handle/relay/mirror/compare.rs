//! Two streams of answers, compared by offset, in whatever chunks they come.

use bytes::{Buf, Bytes, BytesMut};

use crate::event::Mirrored;

/// Bytes by which one side may be ahead of the other: of the client's answers for which the mirror is late, and of the
/// mirror's, which is then not read from (one chunk may come on top).
pub const PENDING_BYTES: usize = 1 << 20;
/// Bytes of each side that are shown of a difference.
pub const EXCERPT_BYTES: usize = 16;

/// Whose answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// What the client was given.
    Given,
    /// What the second server answered.
    Mirrored,
}

/// The comparison so far.
#[derive(Debug)]
pub(super) struct Compare {
    /// Bytes that both sides have, and that are the same.
    offset: u64,
    /// What one side has more.
    ahead: BytesMut,
    /// Which side that is.
    side: Side,
    given_ended: bool,
    mirrored_ended: bool,
}

impl Compare {
    pub(super) fn new() -> Compare {
        Compare { offset: 0, ahead: BytesMut::new(), side: Side::Given, given_ended: false, mirrored_ended: false }
    }

    /// Takes bytes of one side; returns how the comparison ends, once it does.
    pub(super) fn push(&mut self, side: Side, bytes: &[u8]) -> Option<Mirrored> {
        let mut rest = bytes;
        if self.side != side && !self.ahead.is_empty() {
            let both = self.ahead.len().min(rest.len());
            if self.ahead[..both] != rest[..both] {
                let same = self.ahead.iter().zip(rest).take_while(|(one, other)| one == other).count();
                let (ahead, rest) = (&self.ahead[same..], &rest[same..]);
                let (given, mirrored) = if side == Side::Given { (rest, ahead) } else { (ahead, rest) };
                return Some(self.differs(same as u64, given, mirrored));
            }
            self.ahead.advance(both);
            self.offset += both as u64;
            rest = &rest[both..];
        }
        if rest.is_empty() {
            return None;
        }
        match side {
            Side::Given if self.mirrored_ended => return Some(Mirrored::EndedEarly { offset: self.offset }),
            Side::Mirrored if self.given_ended => return Some(self.differs(0, &[], rest)),
            _ => {}
        }
        self.side = side;
        self.ahead.extend_from_slice(rest);
        (side == Side::Given && self.ahead.len() > PENDING_BYTES).then_some(Mirrored::FellBehind)
    }

    /// Takes the end of one side.
    pub(super) fn end(&mut self, side: Side) -> Option<Mirrored> {
        match side {
            Side::Given => self.given_ended = true,
            Side::Mirrored => self.mirrored_ended = true,
        }
        if self.ahead.is_empty() {
            return (self.given_ended && self.mirrored_ended).then_some(Mirrored::Same);
        }
        match (side, self.side) {
            (Side::Mirrored, Side::Given) => Some(Mirrored::EndedEarly { offset: self.offset }),
            (Side::Given, Side::Mirrored) => Some(self.differs(0, &[], &self.ahead)),
            // More may come of the other.
            _ => None,
        }
    }

    /// Makes a difference, `same` bytes further on.
    fn differs(&self, same: u64, given: &[u8], mirrored: &[u8]) -> Mirrored {
        let excerpt = |bytes: &[u8]| Bytes::copy_from_slice(&bytes[..bytes.len().min(EXCERPT_BYTES)]);
        Mirrored::Differs { offset: self.offset + same, given: excerpt(given), mirrored: excerpt(mirrored) }
    }

    /// Tells whether the mirror may answer more.
    pub(super) fn has_room(&self) -> bool {
        !self.mirrored_ended && (self.side == Side::Given || self.ahead.len() < PENDING_BYTES)
    }

    /// Tells whether the second server has ended its stream.
    pub(super) fn mirror_has_ended(&self) -> bool {
        self.mirrored_ended
    }

    /// Tells whether the client was given the end of the answers.
    pub(super) fn given_has_ended(&self) -> bool {
        self.given_ended
    }

    /// Tells whether all that the client was given is there from the second server too.
    pub(super) fn is_even(&self) -> bool {
        self.side == Side::Mirrored || self.ahead.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Side::{Given, Mirrored as Theirs};

    fn all(steps: &[(Side, &str)]) -> Option<Mirrored> {
        let mut compare = Compare::new();
        steps.iter().find_map(|(side, text)| match *text {
            "END" => compare.end(*side),
            text => compare.push(*side, text.as_bytes()),
        })
    }

    #[test]
    fn every_ending_has_its_name_and_place() {
        let table: [(&[(Side, &str)], &str); 9] = [
            (&[(Given, "hello"), (Theirs, "he"), (Theirs, "llo"), (Given, "END"), (Theirs, "END")], "Same"),
            (&[(Theirs, "END"), (Given, "END")], "Same"),
            (&[(Given, "hello"), (Theirs, "help")], r#"Differs { offset: 3, given: b"lo", mirrored: b"p" }"#),
            (
                &[(Theirs, "help"), (Given, "hel"), (Given, "lo")],
                r#"Differs { offset: 3, given: b"lo", mirrored: b"p" }"#,
            ),
            (&[(Given, "ab"), (Theirs, "abc"), (Given, "END")], r#"Differs { offset: 2, given: b"", mirrored: b"c" }"#),
            (&[(Given, "ab"), (Given, "END"), (Theirs, "abc")], r#"Differs { offset: 2, given: b"", mirrored: b"c" }"#),
            (&[(Given, "abc"), (Theirs, "ab"), (Theirs, "END")], "EndedEarly { offset: 2 }"),
            (&[(Given, "ab"), (Theirs, "ab"), (Theirs, "END"), (Given, "c")], "EndedEarly { offset: 2 }"),
            (
                &[(Theirs, "0123456789abcdefXYZ"), (Given, "x")],
                r#"Differs { offset: 0, given: b"x", mirrored: b"0123456789abcdef" }"#,
            ),
        ];
        for (steps, expected) in table {
            let outcome = all(steps).map(|outcome| format!("{outcome:?}"));
            assert_eq!(outcome.as_deref(), Some(expected), "{steps:?}");
        }
        assert!(all(&[(Given, "ab"), (Theirs, "ab"), (Given, "END")]).is_none(), "the mirror may go on");
    }

    #[test]
    fn both_sides_have_bounds() {
        let mut compare = Compare::new();
        let chunk = vec![0; PENDING_BYTES / 4];
        for _ in 0..4 {
            assert!(compare.has_room());
            assert!(compare.push(Theirs, &chunk).is_none());
        }
        assert!(!compare.has_room(), "it is not read from, which is no fault of its");
        let mut compare = Compare::new();
        for _ in 0..4 {
            assert!(compare.push(Given, &chunk).is_none());
        }
        assert!(matches!(compare.push(Given, b"1"), Some(Mirrored::FellBehind)));
    }

    proptest::proptest! {
        #[test]
        fn chunks_mean_nothing(
            bytes in proptest::collection::vec(0..3u8, 0..60),
            other in proptest::collection::vec(0..3u8, 0..60),
            turns in proptest::collection::vec((proptest::bool::ANY, 1..7usize), 200),
        ) {
            let (mut compare, mut outcome) = (Compare::new(), None);
            let (mut given, mut theirs) = (&bytes[..], &other[..]);
            let mut ended = (false, false);
            for (first, size) in turns {
                let (side, rest, end) =
                    if first { (Given, &mut given, &mut ended.0) } else { (Theirs, &mut theirs, &mut ended.1) };
                let (chunk, after) = rest.split_at(size.min(rest.len()));
                *rest = after;
                outcome = match chunk.is_empty() {
                    true if std::mem::replace(end, true) => None,
                    true => compare.end(side),
                    false => compare.push(side, chunk),
                };
                if outcome.is_some() {
                    break;
                }
            }
            let same = bytes.iter().zip(&other).take_while(|(one, other)| one == other).count();
            match outcome {
                None => proptest::prop_assert!(!(ended.0 && ended.1), "both ended without an outcome"),
                Some(Mirrored::Same) => proptest::prop_assert_eq!(&bytes, &other),
                Some(Mirrored::EndedEarly { offset }) => {
                    proptest::prop_assert_eq!((offset as usize, same), (other.len(), other.len()));
                    proptest::prop_assert!(bytes.len() > other.len());
                }
                Some(Mirrored::Differs { offset, given, mirrored }) => {
                    proptest::prop_assert_eq!(offset as usize, same);
                    proptest::prop_assert!(bytes[same..].starts_with(&given) && other[same..].starts_with(&mirrored));
                    proptest::prop_assert!(!mirrored.is_empty());
                }
                Some(outcome) => proptest::prop_assert!(false, "{:?}", outcome),
            }
        }
    }
}
