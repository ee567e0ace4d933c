//! What the framers have in common: each looks at new bytes behind those held, and says where the frame ends.

use tokio::time::Instant;

use super::delimiter::Delimiter;
use super::error::FrameError;
use super::fixed::Fixed;
use super::idle::Idle;
use super::json::Json;
use super::length::Length;
use super::line::Line;
use super::marked::Marked;
use super::netstring::Netstring;
use super::varint::Varint;
use super::{FrameKind, Framing, Rule, cobs, slip};

/// What a framer says of the bytes held and the new ones.
#[derive(Debug)]
pub(super) enum Step {
    /// The frame goes on; all of the new bytes are looked at.
    More,
    /// A frame ends.
    Cut(Cut),
    /// No frame can come any more.
    Fail {
        /// How many of the new bytes it took to be certain.
        taken: usize,
        error: FrameError,
    },
}

/// A frame found: held bytes and the first of the new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// How many of the new bytes belong to it.
    pub(super) end: usize,
    /// How many bytes lie before it, between frames.
    pub(super) lead: usize,
    /// How many bytes lie before the payload, those between frames included.
    pub(super) head: usize,
    /// How many bytes lie behind the payload.
    pub(super) tail: usize,
    pub(super) kind: FrameKind,
}

impl Cut {
    /// Makes one of a frame without bytes before it.
    pub(super) fn new(end: usize, head: usize, tail: usize) -> Cut {
        Cut { end, lead: 0, head, tail, kind: FrameKind::Whole }
    }

    /// Makes one of the bytes held at the end of stream.
    pub(super) fn rest(kind: FrameKind) -> Cut {
        Cut { end: 0, lead: 0, head: 0, tail: 0, kind }
    }
}

/// A length known from a header, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) head: usize,
    pub(super) payload: usize,
    pub(super) tail: usize,
}

impl Declared {
    /// Checks a declared length before anything is made of it.
    ///
    /// # Errors
    ///
    /// A length over the maximum.
    pub(super) fn checked(head: usize, payload: u64, max_bytes: usize) -> Result<Declared, FrameError> {
        match usize::try_from(payload) {
            Ok(payload) if payload <= max_bytes => Ok(Declared { head, payload, tail: 0 }),
            _ => Err(FrameError::TooLarge { bytes: payload, max_bytes }),
        }
    }

    /// Returns the frame, once all of its bytes have come.
    #[inline]
    pub(super) fn cut(self, held: usize, new: usize) -> Option<Cut> {
        // The payload is within the maximum and fewer bytes than this are held.
        let end = (self.head + self.tail).saturating_add(self.payload).saturating_sub(held);
        (end <= new).then_some(Cut::new(end, self.head, self.tail))
    }

    /// Returns where the payload lies in the bytes held at the end of stream.
    pub(super) fn rest(self, held: usize) -> Cut {
        let head = self.head.min(held);
        let tail = (held - head).saturating_sub(self.payload);
        Cut { head, tail, ..Cut::rest(FrameKind::Partial) }
    }
}

/// Copies the bytes from `at` on of those held and the new ones, as many as there are; returns how many.
#[inline]
pub(super) fn gather(held: &[u8], new: &[u8], at: usize, into: &mut [u8]) -> usize {
    let new = new.get(at.saturating_sub(held.len())..).unwrap_or_default();
    let held = held.get(at..).unwrap_or_default();
    let from_held = held.len().min(into.len());
    into[..from_held].copy_from_slice(&held[..from_held]);
    let from_new = new.len().min(into.len() - from_held);
    into[from_held..from_held + from_new].copy_from_slice(&new[..from_new]);
    from_held + from_new
}

/// A framer by rule. Each starts anew by itself once it has said where a frame ends.
#[derive(Debug, Clone)]
pub(super) enum Scan {
    None,
    Line(Line),
    Delimiter(Delimiter),
    Fixed(Fixed),
    Length(Length),
    Varint(Varint),
    Netstring(Netstring),
    Slip(Marked),
    Cobs(Marked),
    Idle(Idle),
    Json(Json),
}

impl Scan {
    pub(super) fn new(framing: &Framing) -> Scan {
        let max = framing.max_bytes;
        match &framing.rule {
            Rule::None => Scan::None,
            Rule::Line => Scan::Line(Line::new(max)),
            Rule::Crlf => Scan::Delimiter(Delimiter::new(b"\r\n", framing.unit_bytes, max)),
            Rule::Delimiter(delimiter) => Scan::Delimiter(Delimiter::new(delimiter, framing.unit_bytes, max)),
            Rule::Fixed(bytes) => Scan::Fixed(Fixed::new(*bytes)),
            Rule::Length(field) => Scan::Length(Length::new(*field, max)),
            Rule::Varint => Scan::Varint(Varint::new(max)),
            Rule::Netstring => Scan::Netstring(Netstring::new(max)),
            Rule::Slip => Scan::Slip(Marked::new(slip::END, max)),
            Rule::Cobs => Scan::Cobs(Marked::new(cobs::END, max)),
            Rule::Idle(silence) => Scan::Idle(Idle::new(*silence, max)),
            Rule::Json => Scan::Json(Json::new(max)),
        }
    }

    /// Looks at `new`, which is not empty and came at `at` behind `held`.
    #[inline]
    pub(super) fn scan(&mut self, at: Instant, held: &[u8], new: &[u8]) -> Step {
        match self {
            Scan::None => Step::Cut(Cut { kind: FrameKind::Chunk, ..Cut::new(new.len(), 0, 0) }),
            Scan::Line(line) => line.scan(held.len(), new),
            Scan::Delimiter(delimiter) => delimiter.scan(held.len(), new),
            Scan::Fixed(fixed) => fixed.scan(held.len(), new.len()),
            Scan::Length(length) => length.scan(held, new),
            Scan::Varint(varint) => varint.scan(held, new),
            Scan::Netstring(netstring) => netstring.scan(held.len(), new),
            Scan::Slip(marked) | Scan::Cobs(marked) => marked.scan(held.len(), new),
            Scan::Idle(idle) => idle.scan(at, held.len(), new.len()),
            Scan::Json(json) => json.scan(new),
        }
    }

    /// Says what `held` is, which is not empty, when nothing comes any more.
    pub(super) fn rest(&mut self, held: usize) -> Cut {
        match self {
            Scan::Length(length) => length.rest(held),
            Scan::Varint(varint) => varint.rest(held),
            Scan::Netstring(netstring) => netstring.rest(held),
            Scan::Slip(marked) | Scan::Cobs(marked) => marked.rest(),
            Scan::Json(json) => json.rest(),
            // The end of stream is silence too.
            Scan::Idle(_) => Cut::rest(FrameKind::Whole),
            Scan::Delimiter(delimiter) => delimiter.rest(),
            Scan::None | Scan::Line(_) | Scan::Fixed(_) => Cut::rest(FrameKind::Partial),
        }
    }

    /// Returns how many of the bytes held lie between frames.
    #[inline]
    pub(super) fn lead(&self) -> usize {
        match self {
            Scan::Slip(marked) | Scan::Cobs(marked) => marked.lead(),
            Scan::Json(json) => json.lead(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_gathered_across_the_border() {
        for (held, new) in [(&b""[..], &b"abcdef"[..]), (b"ab", b"cdef"), (b"abc", b"def"), (b"abcd", b"ef")] {
            let mut two = [0; 2];
            assert_eq!((gather(held, new, 2, &mut two), &two), (2, b"cd"), "{held:?}");
            let mut six = [0; 6];
            assert_eq!((gather(held, new, 3, &mut six), &six[..3]), (3, &b"def"[..]), "{held:?}");
        }
    }
}
