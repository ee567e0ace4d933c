//! Framers: what cuts a stream of bytes into frames, and makes bytes to send from payloads.
//!
//! TCP has no messages. Where a frame begins and ends is agreed between the two sides; here it is one line of text:
//!
//! | spec | a frame is |
//! |---|---|
//! | `none` | each chunk as it came, which means nothing |
//! | `line` | a line that ends with `\n`; a `\r` before it belongs to the line |
//! | `crlf` | a line that ends with `\r\n` |
//! | `delim:0x03`, `delim:\r\n.\r\n` | what ends with these bytes, in hex or with escapes |
//! | `fixed:20` | 20 bytes |
//! | `length:u16be`, `length:u32le+adj=-4`, `length:u16be+offset=4` | a length field, then so many bytes |
//! | `varint` | a length as unsigned LEB128, as protobuf streams have it, then so many bytes |
//! | `netstring` | `5:hello,` |
//! | `slip` | what ends with the byte 0xc0 (RFC 1055) |
//! | `cobs` | what ends with the byte 0, by Consistent Overhead Byte Stuffing |
//! | `idle:50ms` | what came until nothing came for so long |
//! | `json` | a JSON value; values follow each other with or without white space between |
//!
//! Invalid: `lines` (unknown), `length:u16` (which end comes first?), `length:u16be+adj` (by how much?), `fixed:0`,
//! `delim:`, `delim:0x3`, `idle:0`, `line:80`.
//!
//! # What holds for all of them
//!
//! - **No byte is lost**: the [`whole`](Frame::whole)s of all frames, with what [`finish`](Framer::finish) returns, are
//!   the stream.
//! - **Chunks mean nothing**: the same bytes give the same frames and the same error in any chunking (but for `none`,
//!   which is about chunks, and `idle`, which is about times).
//! - **Memory is bounded** by bytes received, [`Framing::max_bytes`] of payload and a header, never by a length that a
//!   peer declares.
//! - **Framing what was encoded gives the payload back.** With delimiters (`line`, `crlf`, `delim`) a delimiter inside
//!   is sent as it is, which makes more frames of one payload; with `json`, a payload that is not one value does.
//!
//! A framer refuses to guess: after an error it stays in error, because nothing says where the next frame begins.
//!
//! ```
//! use callbox::frame::{Framer, Framing};
//! use tokio::time::Instant;
//!
//! let framing: Framing = "length:u16be".parse()?;
//! assert_eq!(framing.encode(b"hello")?, b"\0\x05hello");
//!
//! let mut framer = Framer::new(&framing);
//! let mut frames = Vec::new();
//! for mut chunk in [&b"\0"[..], b"\x05hel", b"lo\0\x01!\0"] {
//!     while let Some(frame) = framer.next(Instant::now(), &mut chunk)? {
//!         frames.push(frame.payload.to_vec());
//!     }
//! }
//! assert_eq!(frames, [b"hello".to_vec(), b"!".to_vec()]);
//! assert_eq!(framer.held(), b"\0");
//! assert_eq!(framer.arrivals().to_string(), "2 frames in 3 chunks: 1 split, 1 merged");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::time::Duration;

use bytes::Bytes;

mod arrivals;
mod cobs;
mod delimiter;
mod encode;
mod error;
mod fixed;
mod framer;
mod idle;
mod json;
mod length;
mod line;
mod marked;
mod netstring;
mod scan;
mod slip;
mod spec;
mod varint;

pub use crate::checksum::{Checksum, Verdict};
pub use arrivals::Arrivals;
pub use error::FrameError;
pub use framer::Framer;
pub use length::{ByteOrder, LengthField, MOST_OFFSET_BYTES, Width};

/// Largest payload of a frame unless asked otherwise, in bytes: more than people read and most protocols send.
pub const MAX_FRAME_BYTES: usize = 1 << 20;

/// Largest maximum that may be asked for, in bytes: a framer holds that much for one direction of one session.
pub const MOST_FRAME_BYTES: usize = 64 << 20;

/// How a direction's bytes are cut into frames, and made from payloads.
///
/// Reading one from text gives the rule with the default maximum and no checksum; it prints as the text of its rule.
/// The [module](self) shows valid and invalid texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framing {
    /// Where frames begin and end.
    pub rule: Rule,
    /// The longest payload as on the wire: up to the delimiter, as declared, or encoded (`slip`, `cobs`); its checksum
    /// included. Not for `none`, which holds nothing.
    pub max_bytes: usize,
    /// What is appended to each payload sent, and checked and taken off each frame received.
    ///
    /// Only whole frames are checked; with `none` nothing is, since a chunk may end anywhere.
    pub checksum: Option<Checksum>,
    /// Delimiters count where they begin at a multiple of so many bytes: 1, or 2 in text whose characters are made of two
    /// ([`in_encoding`](Framing::in_encoding)).
    pub unit_bytes: usize,
}

/// Where frames begin and end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// Nowhere: chunks pass as they come.
    None,
    /// At `\n`.
    Line,
    /// At `\r\n`.
    Crlf,
    /// At the first occurrence of these bytes; one at least.
    Delimiter(Box<[u8]>),
    /// After so many bytes; one at least.
    Fixed(usize),
    /// After as many bytes as a field says.
    Length(LengthField),
    /// After as many bytes as an unsigned LEB128 number says.
    Varint,
    /// After as many bytes as decimal digits say, between `:` and `,` (<https://cr.yp.to/proto/netstrings.txt>).
    Netstring,
    /// At the byte 0xc0, with escapes (RFC 1055).
    Slip,
    /// At the byte 0, with stuffing (Cheshire and Baker, 1999).
    Cobs,
    /// Where nothing came for so long; more than zero.
    Idle(Duration),
    /// Behind each JSON value (RFC 8259), which may follow each other with white space or without.
    Json,
}

impl Framing {
    /// Returns the framing of what has none: chunks pass as they come.
    pub fn none() -> Framing {
        Framing::new(Rule::None)
    }

    /// Returns the framing by `rule`, with the default maximum and no checksum.
    pub fn new(rule: Rule) -> Framing {
        Framing { rule, max_bytes: MAX_FRAME_BYTES, checksum: None, unit_bytes: 1 }
    }

    /// Tells whether chunks pass as they come.
    pub fn is_none(&self) -> bool {
        self.rule == Rule::None
    }

    /// Replaces the maximum; what is out of `1..=`[`MOST_FRAME_BYTES`] becomes the nearer end.
    #[must_use]
    pub fn with_max_bytes(self, max_bytes: usize) -> Framing {
        Framing { max_bytes: max_bytes.clamp(1, MOST_FRAME_BYTES), ..self }
    }

    /// Replaces the checksum.
    #[must_use]
    pub fn with_checksum(self, checksum: Option<Checksum>) -> Framing {
        Framing { checksum, ..self }
    }

    /// Returns the same for text in an encoding: in UTF-16 a line ends with two bytes (`\x0a\x00` or `\x00\x0a`), and a
    /// delimiter counts only where a character may begin.
    #[must_use]
    pub fn in_encoding(self, encoding: crate::text::Encoding) -> Framing {
        let unit_bytes = encoding.unit_bytes();
        if unit_bytes == 1 {
            return Framing { unit_bytes, ..self };
        }
        let ended = |text: &str| encoding.encode(text).map(|bytes| Rule::Delimiter(bytes.into()));
        let rule = match self.rule {
            Rule::Line => ended("\n").unwrap_or(Rule::Line),
            Rule::Crlf => ended("\r\n").unwrap_or(Rule::Crlf),
            rule => rule,
        };
        Framing { rule, unit_bytes, ..self }
    }

    /// Returns the bytes to send for one payload: checksum appended, then framed.
    ///
    /// `line`, `crlf` and `delim` append the delimiter, `json` a newline, unless the payload ends with it already (one
    /// that does is taken off before a checksum is computed, and put behind it). Delimiters inside are sent as they are
    /// and make more frames; so does the end of a payload that with the delimiter's first bytes makes one (`xxab` by
    /// `delim:abab`). With `length:...+offset=N` the first N bytes of the payload are those before the field,
    /// outside of the checksum.
    ///
    /// # Errors
    ///
    /// What no frame can be: a payload over the maximum; of another length than `fixed` wants; longer than the field
    /// can say, or shorter than its offset; an empty one with `slip`, where two ENDs are no frame. And whatever
    /// [`check`](Framing::check) refuses.
    pub fn encode(&self, payload: &[u8]) -> Result<Vec<u8>, crate::Invalid> {
        self.check()?;
        encode::encode(self, payload)
    }

    /// Refuses what can frame nothing, so that a command can say so before it begins.
    ///
    /// # Errors
    ///
    /// A `fixed` length or a header over the maximum, an empty delimiter, an idle time of zero, a `fixed` frame shorter
    /// than its checksum, a checksum with `json` (nothing tells where the value ends and the checksum begins).
    pub fn check(&self) -> Result<(), crate::Invalid> {
        spec::check(self)
    }
}

/// One frame as the framer found it; borrowed from the input or from the framer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// All its bytes as they came: header, delimiter, and what lay between it and the frame before.
    pub whole: &'a [u8],
    /// What it carries: decoded, without header, delimiter and checksum.
    ///
    /// Of a partial frame what there is, not decoded; of a malformed one its bytes as they are, without terminator.
    pub payload: &'a [u8],
    /// How complete it is.
    pub kind: FrameKind,
    /// What its checksum says, where one was asked for and the frame is whole.
    pub checksum: Option<Verdict>,
    /// Tells whether its bytes came in more than one input; those before it that belong to no frame do not count.
    pub split: bool,
}

impl Frame<'_> {
    /// Returns the payload as a slice of `bytes`, which are a copy of `whole`, where it lies in there; else a copy.
    pub(crate) fn part_of(&self, bytes: &Bytes) -> Bytes {
        let offset = (self.payload.as_ptr() as usize).wrapping_sub(self.whole.as_ptr() as usize);
        match offset.checked_add(self.payload.len()) {
            Some(end) if end <= self.whole.len() => bytes.slice(offset..end),
            _ => Bytes::copy_from_slice(self.payload),
        }
    }
}

/// How complete a frame is. There are no other kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// As the rule wants it.
    Whole,
    /// The stream ended within it.
    Partial,
    /// Its end was found, but its bytes decode to nothing by the rule (`slip`, `cobs`).
    Malformed,
    /// No frame but bytes between frames, only there so that no byte is lost: JSON's white space and idle terminators
    /// of `slip` and `cobs` at the end of stream, or [`GAP_BYTES`] of them in a row.
    Gap,
    /// No frame but a chunk as it came, by the rule `none`.
    Chunk,
}

impl FrameKind {
    /// Tells whether it is a frame, be it an unfinished or malformed one.
    pub fn is_frame(self) -> bool {
        matches!(self, FrameKind::Whole | FrameKind::Partial | FrameKind::Malformed)
    }
}

/// How many bytes between frames are held until they come out as a [gap](FrameKind::Gap), so that a peer that sends
/// nothing else (it may well, to keep the connection alive) costs no memory.
pub const GAP_BYTES: usize = 4096;

#[cfg(test)]
mod tests;
