//! Text into an encoding, piece by piece, with raw bytes between.

use super::{Encoding, Unmappable};

/// What is encoded so far; pieces of text that follow each other directly are encoded as one.
///
/// That matters for ISO-2022-JP, which changes its state by escape sequences and has to be back in ASCII before raw bytes.
pub(in crate::text) struct Encoder {
    encoding: Encoding,
    bytes: Vec<u8>,
    /// The state between two pieces of text; UTF-8 and UTF-16 have none.
    inner: Option<encoding_rs::Encoder>,
}

impl Encoder {
    /// Makes one with room for text of `len` bytes.
    pub(in crate::text) fn new(encoding: Encoding, len: usize) -> Encoder {
        Encoder { encoding, bytes: Vec::with_capacity(len), inner: None }
    }

    /// Appends text; after an error nothing may follow.
    pub(in crate::text) fn text(&mut self, text: &str) -> Result<(), Unmappable> {
        // The standard has no encoders for UTF-16: a browser never sends it.
        if self.encoding.is_utf8() {
            self.bytes.extend_from_slice(text.as_bytes());
        } else if self.encoding.0 == encoding_rs::UTF_16LE {
            self.bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        } else if self.encoding.0 == encoding_rs::UTF_16BE {
            self.bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
        } else {
            return self.mapped(text);
        }
        Ok(())
    }

    fn mapped(&mut self, text: &str) -> Result<(), Unmappable> {
        let inner = self.inner.get_or_insert_with(|| self.encoding.0.new_encoder());
        let mut at = 0;
        loop {
            let rest = &text[at..];
            // More than enough for a character and an escape sequence, where the most is not known.
            let most = inner.max_buffer_length_from_utf8_without_replacement(rest.len()).unwrap_or(64);
            self.bytes.reserve(most);
            let (result, read) = inner.encode_from_utf8_to_vec_without_replacement(rest, &mut self.bytes, false);
            at += read;
            match result {
                encoding_rs::EncoderResult::InputEmpty => return Ok(()),
                encoding_rs::EncoderResult::OutputFull => {}
                // Not always the character itself: for three controls in ISO-2022-JP it says U+FFFD.
                encoding_rs::EncoderResult::Unmappable(named) => {
                    let character = text[..at].chars().next_back().unwrap_or(named);
                    return Err(Unmappable { at: at - character.len_utf8(), character, encoding: self.encoding });
                }
            }
        }
    }

    /// Appends bytes as they are.
    pub(in crate::text) fn raw(&mut self, bytes: &[u8]) {
        self.settle();
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns all bytes.
    pub(in crate::text) fn finish(mut self) -> Vec<u8> {
        self.settle();
        self.bytes
    }

    /// Goes back to the state that a stream begins with.
    fn settle(&mut self) {
        if let Some(mut inner) = self.inner.take() {
            // An escape sequence has three bytes.
            self.bytes.reserve(16);
            let _ = inner.encode_from_utf8_to_vec_without_replacement("", &mut self.bytes, true);
        }
    }
}
