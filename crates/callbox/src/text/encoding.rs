//! Encodings of the WHATWG standard: text into bytes, bytes into text, over any chunking and without loss.
//!
//! Bytes that do not fit are handed out as they are; there is never a U+FFFD in their place. What to write and read is
//! decided by the standard (<https://encoding.spec.whatwg.org/>), so a browser and callbox agree. A byte order mark is a
//! character like any other.
//!
//! ```
//! use callbox::text::Encoding;
//!
//! let gbk: Encoding = "gbk".parse()?;
//! assert_eq!(gbk.encode("你好").as_deref(), Ok(&b"\xc4\xe3\xba\xc3"[..]));
//! assert_eq!(gbk.decode(b"\xc4\xe3\xba\xc3").as_deref(), Some("你好"));
//! assert_eq!(gbk.decode(b"\xc4"), None);
//! # Ok::<(), callbox::Invalid>(())
//! ```

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::near::nearest;
use super::printer::safe;
use crate::error::Invalid;

mod decoder;
mod encoder;

pub use decoder::{Decoder, Piece};
pub(super) use encoder::Encoder;

/// One of the encodings of the WHATWG standard.
///
/// Valid: any of its labels in any case, such as `utf-8`, `GBK`, `latin1`, `sjis`, `utf-16` (which is `utf-16le`).
/// Invalid: `utf-7`, `cp437`, and the labels of encodings that browsers refuse, such as `iso-2022-kr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

impl Encoding {
    /// UTF-8, the default.
    pub const UTF_8: Encoding = Encoding(&encoding_rs::UTF_8_INIT);

    /// Their names, for lists to choose from; the standard has more labels for each.
    pub const NAMES: &'static [&'static str] = &NAMES;

    /// Returns how many bytes make a unit of its characters: 2 in UTF-16, else 1.
    pub fn unit_bytes(self) -> usize {
        if self.0 == encoding_rs::UTF_16LE || self.0 == encoding_rs::UTF_16BE { 2 } else { 1 }
    }

    /// Tells whether this is UTF-8.
    pub fn is_utf8(self) -> bool {
        self == Encoding::UTF_8
    }

    /// Returns the standard's name in lower case: `utf-8`, `gbk`, `shift_jis`, `windows-1252` (also for `latin1`).
    pub fn name(self) -> &'static str {
        let name = self.0.name();
        NAMES.into_iter().find(|lower| lower.eq_ignore_ascii_case(name)).unwrap_or(name)
    }

    /// Returns `text` in this encoding.
    ///
    /// As the standard has it, `shift_jis` and `euc-jp` write the characters ¥ and ‾ as the bytes of `\` and `~`, all
    /// three Japanese encodings write − (U+2212) as its full-width form, and `iso-2022-jp` half-width katakana too;
    /// `gbk` and `gb18030` write 18 private characters of GB18030-2005 as those that Unicode has by now.
    ///
    /// # Errors
    ///
    /// The first character that this encoding does not have.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, Unmappable> {
        let mut encoder = Encoder::new(self, text.len());
        encoder.text(text)?;
        Ok(encoder.finish())
    }

    /// Returns `bytes` as text where all of them are valid and the last character is complete, borrowed for UTF-8.
    pub fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        self.0.decode_without_bom_handling_and_without_replacement(bytes)
    }

    /// Tells whether the bytes of ASCII mean what they mean in ASCII, always: not in UTF-16 and ISO-2022-JP.
    pub(super) fn is_ascii_compatible(self) -> bool {
        self.0.is_ascii_compatible()
    }

    /// Makes a decoder for one direction of one stream.
    pub fn decoder(self) -> Decoder {
        Decoder::new(self)
    }
}

impl Default for Encoding {
    /// UTF-8.
    fn default() -> Encoding {
        Encoding::UTF_8
    }
}

impl fmt::Display for Encoding {
    /// Prints the name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Encoding {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Encoding, Invalid> {
        let invalid = |problem: &str| Invalid::new("encoding", text, problem);
        match encoding_rs::Encoding::for_label(text.as_bytes()) {
            Some(encoding) if encoding == encoding_rs::REPLACEMENT => {
                let problem =
                    "the standard decodes it to nothing, because it has been used to smuggle text past filters";
                Err(invalid(problem).instead("name an encoding that can be shown, such as utf-8, gbk or euc-kr"))
            }
            Some(encoding) => Ok(Encoding(encoding)),
            None if text.trim().is_empty() => Err(invalid("empty").instead(EXAMPLES)),
            None => Err(invalid("no such encoding").instead(match near(text.trim()) {
                Some(label) => format!("did you mean {label}?"),
                None => EXAMPLES.to_string(),
            })),
        }
    }
}

/// A character that an encoding does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unmappable {
    /// Its byte offset in the text that was to be encoded.
    pub at: usize,
    /// The character.
    pub character: char,
    /// The encoding that does not have it.
    pub encoding: Encoding,
}

impl Unmappable {
    /// Says so of what a user wrote; the text encoded began at `start` of `input`.
    pub(super) fn place(self, what: &'static str, input: &str, start: usize) -> Invalid {
        let instead = r"choose an encoding that has it, such as utf-8 or gb18030, or write bytes as \xHH";
        Invalid::new(what, input, self.problem()).at(start + self.at).instead(instead)
    }

    fn problem(&self) -> String {
        let (c, mut four) = (self.character, [0; 4]);
        format!("{} has no '{}' (U+{:04X})", self.encoding, safe(c.encode_utf8(&mut four)), u32::from(c))
    }
}

impl fmt::Display for Unmappable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.problem(), self.at)
    }
}

impl std::error::Error for Unmappable {}

const EXAMPLES: &str =
    "write utf-8, gbk, gb18030, big5, shift_jis, latin1, utf-16le or another label of the WHATWG standard";

/// The standard's names, except `replacement`, in lower case; each is a label of itself.
const NAMES: [&str; 39] = [
    "utf-8",
    "gbk",
    "gb18030",
    "big5",
    "shift_jis",
    "euc-jp",
    "iso-2022-jp",
    "euc-kr",
    "utf-16le",
    "utf-16be",
    "windows-1252",
    "windows-1250",
    "windows-1251",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "windows-1258",
    "windows-874",
    "iso-8859-2",
    "iso-8859-3",
    "iso-8859-4",
    "iso-8859-5",
    "iso-8859-6",
    "iso-8859-7",
    "iso-8859-8",
    "iso-8859-8-i",
    "iso-8859-10",
    "iso-8859-13",
    "iso-8859-14",
    "iso-8859-15",
    "iso-8859-16",
    "koi8-r",
    "koi8-u",
    "ibm866",
    "macintosh",
    "x-mac-cyrillic",
    "x-user-defined",
];

/// Names that other programs use, as [`letters`], with the label for what is meant.
const ELSEWHERE: [(&str, &str); 8] = [
    ("cp936", "gbk"),
    ("ms936", "gbk"),
    ("euccn", "gbk"),
    ("cp932", "shift_jis"),
    ("cp949", "euc-kr"),
    ("cp950", "big5"),
    ("utf16", "utf-16le"),
    ("latin", "latin1"),
];

/// Returns the label that was probably meant.
fn near(label: &str) -> Option<&'static str> {
    let written = letters(label);
    if let Some((_, meant)) = ELSEWHERE.iter().find(|(name, _)| *name == written) {
        return Some(meant);
    }
    // Of the names only letters and digits count, as of what was written.
    let bare: Vec<String> = NAMES.into_iter().map(letters).collect();
    let near = nearest(&written, bare.iter().map(String::as_str))?;
    bare.iter().position(|name| name == near).map(|at| NAMES[at])
}

/// Returns the letters and digits of a label in lower case.
fn letters(label: &str) -> String {
    label.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
pub(super) mod tests;
