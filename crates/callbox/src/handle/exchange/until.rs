//! Where an answer ends.

use std::fmt;
use std::str::FromStr;

use crate::error::Invalid;
use crate::pattern::{Expect, Pattern};
use crate::text::Encoding;

/// Where an answer ends.
///
/// Valid: `+PONG`, `re:\r\n\r\n`, `bytes:16`, `frame`, `end` (the end of stream), `any` (the first bytes), `as-sent`. A literal that reads
/// like one of the words is written with an escape: `\x65nd`.
#[derive(Debug, Clone)]
pub enum Until {
    /// With the first bytes that come, however many.
    Any,
    /// After so many bytes.
    Bytes(u64),
    /// After as many bytes as its request has.
    AsSent,
    /// Behind the first match.
    Pattern(Pattern),
    /// With the first frame.
    Frame,
    /// At the end of stream.
    End,
}

impl Until {
    /// Reads one whose literals are in an encoding.
    ///
    /// # Errors
    ///
    /// A count that is none or 0; what [`Pattern::parse_in`] refuses.
    pub fn parse_in(text: &str, encoding: Encoding) -> Result<Until, Invalid> {
        match text {
            "any" => return Ok(Until::Any),
            "frame" => return Ok(Until::Frame),
            "end" => return Ok(Until::End),
            "as-sent" => return Ok(Until::AsSent),
            _ => {}
        }
        if let Some(count) = text.strip_prefix("bytes:") {
            let invalid = || Invalid::new("until", text, "no count of bytes").instead("write bytes:16");
            return count.parse().ok().filter(|count| *count > 0).map(Until::Bytes).ok_or_else(invalid);
        }
        Pattern::parse_in(text, encoding).map(Until::Pattern)
    }
}

impl FromStr for Until {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Until, Invalid> {
        Until::parse_in(text, Encoding::UTF_8)
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Until::Any => f.write_str("any"),
            Until::Bytes(count) => write!(f, "bytes:{count}"),
            Until::AsSent => f.write_str("as-sent"),
            Until::Pattern(pattern) => pattern.fmt(f),
            Until::Frame => f.write_str("frame"),
            Until::End => f.write_str("end"),
        }
    }
}

/// Finds the end of one answer in what comes, over any chunking. `Until::Frame` and `Until::End` are not for it: a framer cuts
/// the ones, and the end of stream is no byte.
#[derive(Debug)]
pub struct Answer(Awaited);

#[derive(Debug)]
enum Awaited {
    Any,
    Bytes {
        count: u64,
        left: u64,
    },
    Pattern(Expect),
    /// What no bytes end.
    Elsewhere,
}

impl Answer {
    /// Begins to wait for an answer that ends there.
    pub fn awaiting(until: &Until) -> Answer {
        Answer(match until {
            Until::Any => Awaited::Any,
            Until::Bytes(count) => Awaited::Bytes { count: *count, left: *count },
            Until::AsSent => Awaited::Bytes { count: 1, left: 1 },
            Until::Pattern(pattern) => Awaited::Pattern(Expect::new(vec![pattern.clone()])),
            Until::Frame | Until::End => Awaited::Elsewhere,
        })
    }

    /// Begins to wait for the next answer, which allocates nothing.
    pub fn again(&mut self) {
        match &mut self.0 {
            Awaited::Bytes { count, left } => *left = *count,
            Awaited::Pattern(expect) => expect.again(),
            Awaited::Any | Awaited::Elsewhere => {}
        }
    }

    /// Says how long the request is whose answer is to be as long.
    pub(super) fn is_to(&mut self, until: &Until, request: usize) {
        if let (Until::AsSent, Awaited::Bytes { count, left }) = (until, &mut self.0) {
            *count = (request as u64).max(1);
            *left = *count;
        }
    }

    /// Takes what came; returns how many of these bytes belong to the answer, once it has ended within them. What comes behind
    /// its end is not to be given.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        match &mut self.0 {
            Awaited::Any => (!bytes.is_empty()).then_some(bytes.len()),
            Awaited::Bytes { left, .. } => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                (*left == 0).then_some(taken)
            }
            Awaited::Pattern(expect) => expect.feed_to_end(bytes),
            Awaited::Elsewhere => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn until(text: &str) -> Until {
        text.parse().expect("good")
    }

    /// Where an answer ends when it comes in chunks of these sizes, in turn.
    fn end(answer: &mut Answer, bytes: &[u8], sizes: &[usize]) -> Option<usize> {
        let mut before = 0;
        for size in sizes.iter().cycle() {
            let chunk = &bytes[before..bytes.len().min(before + size)];
            if chunk.is_empty() {
                return None;
            }
            if let Some(taken) = answer.feed(chunk) {
                return Some(before + taken);
            }
            before += chunk.len();
        }
        None
    }

    #[test]
    fn an_answer_ends_where_it_was_agreed() {
        let table: &[(&str, &[u8], Option<usize>)] = &[
            ("any", b"abc", Some(3)),
            ("bytes:2", b"abc", Some(2)),
            ("bytes:3", b"abc", Some(3)),
            ("bytes:4", b"abc", None),
            ("b", b"abcb", Some(2)),
            (r"\r\n", b"+OK\r\n+OK\r\n", Some(5)),
            ("re:^[0-9]{3} ", b"x220 ", None),
            ("re:(?m)^220 ", b"220-a\n220 b", Some(10)),
            ("end", b"abc", None),
            ("frame", b"a\n", None),
            (r"\x65nd", b"the end", Some(7)),
        ];
        for (text, bytes, due) in table {
            assert_eq!(end(&mut Answer::awaiting(&until(text)), bytes, &[usize::MAX >> 1]), *due, "{text}");
        }
    }

    #[test]
    fn the_start_of_a_regex_is_that_of_each_answer() {
        let mut answer = Answer::awaiting(&until("re:^ok"));
        assert_eq!(answer.feed(b"ok"), Some(2));
        answer.again();
        assert_eq!(answer.feed(b"o"), None);
        assert_eq!(answer.feed(b"kok"), Some(1));
        answer.again();
        assert_eq!(answer.feed(b"xok"), None);
    }

    #[test]
    fn texts_come_back_as_written_and_bad_counts_are_refused() {
        for text in ["any", "frame", "end", "as-sent", "bytes:16", "+PONG", "re:a+", r"\x65nd"] {
            assert_eq!(until(text).to_string(), text);
        }
        for text in ["bytes:", "bytes:0", "bytes:x", "bytes:-1", "", "re:("] {
            assert!(text.parse::<Until>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_answer_may_be_split_anywhere(
            text in prop::sample::select(vec!["bytes:1", "bytes:7", "ab", "re:a+b", "re:^b", "re:[ab]c.", "end"]),
            bytes in "[abc]{1,20}",
            sizes in prop::collection::vec(1_usize..5, 1..5),
        ) {
            let mut answer = Answer::awaiting(&until(text));
            let once = end(&mut answer, bytes.as_bytes(), &[bytes.len()]);
            // One that waits again is as good as a new one.
            for sizes in [&sizes[..], &[1]] {
                answer.again();
                prop_assert_eq!(end(&mut answer, bytes.as_bytes(), sizes), once);
            }
        }
    }
}
