//! Bytes of a stream into text, chunk by chunk.

use std::fmt;

use super::Encoding;

/// Decodes one direction of one stream; a character split over any chunks comes once and whole.
///
/// ```
/// use callbox::text::{Encoding, Piece};
///
/// let mut decoder = "gbk".parse::<Encoding>()?.decoder();
/// let (mut text, mut bad) = (String::new(), Vec::new());
/// let mut take = |piece: Piece<'_>| match piece {
///     Piece::Text(more) => text.push_str(more),
///     Piece::Bad(bytes) => bad.extend_from_slice(bytes),
/// };
/// decoder.push(b"\xc4", &mut take);
/// decoder.push(b"\xe3\xff\xba", &mut take);
/// decoder.finish(&mut take);
/// assert_eq!((text.as_str(), &bad[..]), ("你", &b"\xff\xba"[..]));
/// # Ok::<(), callbox::Invalid>(())
/// ```
pub struct Decoder {
    encoding: Encoding,
    inner: encoding_rs::Decoder,
    /// Text on its way out, kept for its room.
    text: String,
    /// The last bytes consumed, the newest at the end: what turns out to be bad may have come with earlier chunks.
    recent: [u8; RECENT_BYTES],
}

/// What a decoder hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Valid characters, at least one; where one piece ends and the next begins means nothing.
    Text(&'a str),
    /// Bytes that do not fit the encoding, exactly those, in their order.
    Bad(&'a [u8]),
}

/// The longest bad sequence and what may be consumed behind it: twice three bytes in ISO-2022-JP.
const RECENT_BYTES: usize = 8;

/// How much text is decoded at a time: enough that a call costs nothing, little for ten thousand streams.
const TEXT_BYTES: usize = 4096;

impl Decoder {
    pub(super) fn new(encoding: Encoding) -> Decoder {
        let inner = encoding.0.new_decoder_without_bom_handling();
        Decoder { encoding, inner, text: String::new(), recent: [0; RECENT_BYTES] }
    }

    /// Returns the encoding that is decoded.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Hands out what `bytes` complete; the beginning of a character at their end waits for more.
    pub fn push(&mut self, bytes: &[u8], take: &mut dyn FnMut(Piece<'_>)) {
        self.run(bytes, false, take);
    }

    /// Hands out what was still waiting, which is bad now; what is pushed later is decoded as a new stream.
    pub fn finish(&mut self, take: &mut dyn FnMut(Piece<'_>)) {
        self.run(&[], true, take);
        self.inner = self.encoding.0.new_decoder_without_bom_handling();
    }

    fn run(&mut self, bytes: &[u8], last: bool, take: &mut dyn FnMut(Piece<'_>)) {
        use encoding_rs::DecoderResult as R;
        // The decoder takes what room there is.
        self.text.reserve(TEXT_BYTES);
        let mut rest = bytes;
        loop {
            let (result, read) = self.inner.decode_to_string_without_replacement(rest, &mut self.text, last);
            self.remember(&rest[..read]);
            rest = &rest[read..];
            if !self.text.is_empty() {
                take(Piece::Text(&self.text));
                self.text.clear();
            }
            match result {
                R::InputEmpty => return,
                R::OutputFull => {}
                // Those behind the bad ones stay inside the decoder, which decodes them with its next call.
                R::Malformed(bad, behind) => {
                    let end = RECENT_BYTES - usize::from(behind);
                    take(Piece::Bad(&self.recent[end - usize::from(bad)..end]));
                }
            }
        }
    }

    fn remember(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(RECENT_BYTES);
        self.recent.rotate_left(kept);
        self.recent[RECENT_BYTES - kept..].copy_from_slice(&bytes[bytes.len() - kept..]);
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("encoding", &self.encoding).finish_non_exhaustive()
    }
}
