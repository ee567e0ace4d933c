//! What an answer is held against.

use std::ops::Range;

use tokio::time::Instant;

use crate::checksum;
use crate::frame::{Frame, FrameKind, Framer, Framing};
use crate::pattern::{Expect, Pattern};

/// What an answer must be. Of a frame its payload is looked at.
#[derive(Debug, Clone)]
pub enum Verify {
    /// The request, byte for byte.
    Echo,
    /// Something that this is met in.
    Pattern(Pattern),
    /// A frame whose checksum is right.
    Checksum,
    /// Something whose first decimal number is the exchange's, as `{n}` writes it into the request.
    Sequence,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it must be.
    Right,
    /// Not.
    Wrong,
    /// Another exchange's.
    MixedUp,
}

/// The question to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// What was sent.
    pub request: &'a [u8],
    /// Whether other exchanges send something else by the same template.
    pub varies: bool,
    /// Which exchange of the run it was, from 1.
    pub number: u64,
}

/// Holds the answers of one connection against what they must be, as they come; it keeps no copy of them, but what a pattern
/// needs.
#[derive(Debug)]
pub struct Verifier(Held);

#[derive(Debug)]
enum Held {
    Echo(Echoed),
    Pattern(Expect),
    Checksum(bool),
    Sequence(FirstNumber),
}

impl Verifier {
    /// Makes one for a connection, ready for its first answer.
    pub fn new(verify: &Verify) -> Verifier {
        Verifier(match verify {
            Verify::Echo => Held::Echo(Echoed::default()),
            Verify::Pattern(pattern) => Held::Pattern(Expect::new(vec![pattern.clone()])),
            Verify::Checksum => Held::Checksum(false),
            Verify::Sequence => Held::Sequence(FirstNumber::default()),
        })
    }

    /// Begins with the next answer, which allocates nothing.
    pub fn again(&mut self) {
        match &mut self.0 {
            Held::Echo(echoed) => *echoed = Echoed::default(),
            Held::Pattern(expect) => expect.again(),
            Held::Checksum(right) => *right = false,
            Held::Sequence(number) => *number = FirstNumber::default(),
        }
    }

    /// Takes bytes of the answer, in any chunking.
    #[inline]
    pub fn feed(&mut self, asked: &Asked<'_>, bytes: &[u8]) {
        match &mut self.0 {
            Held::Echo(echoed) => echoed.feed(asked.request, bytes),
            Held::Pattern(expect) => {
                expect.feed(bytes);
            }
            Held::Checksum(_) => {}
            Held::Sequence(number) => number.feed(bytes),
        }
    }

    /// Takes the one frame that the answer is; `framing` is what has cut it.
    pub fn feed_frame(&mut self, asked: &Asked<'_>, frame: &Frame<'_>, framing: &Framing) {
        match &mut self.0 {
            // What is the same on the wire need not be cut to be the same.
            Held::Echo(echoed) if frame.whole == asked.request => echoed.feed(asked.request, frame.whole),
            // What lies between frames, and how a frame was sent, is not what it says.
            Held::Echo(echoed) => echoed.feed_payload(asked.request, frame, framing),
            Held::Checksum(right) => *right = frame.checksum == Some(checksum::Verdict::Right),
            _ => self.feed(asked, frame.payload),
        }
    }

    /// Says what the answer is, of which all has come; `highest` says which number was the last to be given to any exchange of
    /// the run, and is asked only where the answer bears another one.
    pub fn verdict(&self, asked: &Asked<'_>, highest: impl FnOnce() -> u64) -> Verdict {
        match &self.0 {
            Held::Echo(echoed) => echoed.verdict(asked),
            Held::Pattern(expect) if expect.is_met() => Verdict::Right,
            Held::Checksum(true) => Verdict::Right,
            Held::Pattern(_) | Held::Checksum(false) => Verdict::Wrong,
            Held::Sequence(number) => match number.value() {
                Some(found) if found == asked.number => Verdict::Right,
                Some(found) if found >= 1 && found <= highest().max(asked.number) => Verdict::MixedUp,
                _ => Verdict::Wrong,
            },
        }
    }
}

/// Compares with what was sent by position, and tells one that differs in a single number from any other.
#[derive(Debug, Default)]
struct Echoed {
    /// How many bytes have come.
    at: usize,
    /// How many there must be, known with the first of them.
    due: Option<usize>,
    /// Where in the request the number stands that is another one in the answer.
    number: Option<Range<usize>>,
    /// It differs in something else.
    differs: bool,
}

impl Echoed {
    fn feed(&mut self, request: &[u8], bytes: &[u8]) {
        self.due = Some(request.len());
        let Some(due) = request[self.at.min(request.len())..].get(..bytes.len()) else {
            self.differs = true;
            return;
        };
        if due != bytes && !self.differs {
            self.compare(request, bytes);
        }
        self.at += bytes.len();
    }

    /// Looks where the difference lies.
    fn compare(&mut self, request: &[u8], bytes: &[u8]) {
        for (place, came) in (self.at..).zip(bytes) {
            if request[place] != *came {
                let number = self.number.get_or_insert_with(|| number_around(request, place));
                self.differs |= !number.contains(&place) || !came.is_ascii_digit();
            }
        }
    }

    fn feed_payload(&mut self, request: &[u8], frame: &Frame<'_>, framing: &Framing) {
        let mut framer = Framer::new(framing);
        let mut rest = request;
        while let Ok(Some(sent)) = framer.next(Instant::now(), &mut rest) {
            if sent.kind != FrameKind::Gap {
                return self.feed_frame(sent.payload, frame);
            }
        }
        match framer.finish() {
            Some(sent) => self.feed_frame(sent.payload, frame),
            // A request that is no frame is nobody's answer.
            None => self.differs = true,
        }
    }

    fn feed_frame(&mut self, sent: &[u8], frame: &Frame<'_>) {
        self.feed(sent, frame.payload);
        self.differs |= frame.checksum == Some(checksum::Verdict::Wrong);
    }

    fn verdict(&self, asked: &Asked<'_>) -> Verdict {
        match self.number {
            _ if self.differs || self.at != self.due.unwrap_or(asked.request.len()) => Verdict::Wrong,
            None => Verdict::Right,
            Some(_) if asked.varies => Verdict::MixedUp,
            Some(_) => Verdict::Wrong,
        }
    }
}

/// Returns where the digits stand that `place` is one of; nowhere where it is none.
fn number_around(bytes: &[u8], place: usize) -> Range<usize> {
    let begin = place - bytes[..place].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = bytes[begin..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    begin..begin + digits
}

/// The first decimal number in an answer.
#[derive(Debug, Default)]
struct FirstNumber {
    /// What its digits come to so far, once there is one; `None` within when it is larger than any exchange's.
    value: Option<Option<u64>>,
    /// Something came behind it.
    ended: bool,
}

impl FirstNumber {
    fn feed(&mut self, bytes: &[u8]) {
        if self.ended {
            return;
        }
        for byte in bytes {
            if byte.is_ascii_digit() {
                let digit = u64::from(byte - b'0');
                let before = self.value.unwrap_or(Some(0));
                self.value = Some(before.and_then(|value| value.checked_mul(10)?.checked_add(digit)));
            } else if self.value.is_some() {
                self.ended = true;
                return;
            }
        }
    }

    fn value(&self) -> Option<u64> {
        self.value.flatten()
    }
}

#[cfg(test)]
mod tests;
