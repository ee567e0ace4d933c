//! Bytes as pairs of digits from tables, plain and coloured by class.

/// The two digits of every byte.
pub(super) static PAIRS: [[u8; 2]; 256] = {
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    table
};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Ends every colour.
pub(super) const RESET: &[u8] = b"\x1b[0m";

/// What is less important than the bytes: offsets.
pub(super) const DIM: &[u8] = b"\x1b[2m";

/// All codes have this length, so that a byte with its code fits a word.
const CODE_BYTES: u32 = 5;

/// The class of no byte: after it, the next byte brings its code.
pub(super) const NO_CLASS: u8 = u8::MAX;

const NUL: u8 = 0;
const PRINTABLE: u8 = 1;
const WHITE: u8 = 2;
const CONTROL: u8 = 3;
const BEYOND_ASCII: u8 = 4;

/// By class: grey, cyan, green, magenta, yellow; all of them can be read on black and on white.
const CODES: [&[u8; CODE_BYTES as usize]; 5] = [b"\x1b[90m", b"\x1b[36m", b"\x1b[32m", b"\x1b[35m", b"\x1b[33m"];

static CLASSES: [u8; 256] = {
    let mut table = [BEYOND_ASCII; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = match byte as u8 {
            0 => NUL,
            b' ' | b'\t'..=b'\r' => WHITE,
            b'!'..=b'~' => PRINTABLE,
            _ => CONTROL,
        };
        byte += 1;
    }
    table
};

/// The code of a byte's class, its two digits and a space: eight bytes, the first in the lowest place.
static COLORED_PAIRS: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = colored(byte, [PAIRS[byte][0], PAIRS[byte][1], b' ']);
        byte += 1;
    }
    table
};

/// The code of a byte's class and the character that stands for it.
static COLORED_CHARS: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = colored(byte, [visible(byte as u8), 0, 0]);
        byte += 1;
    }
    table
};

const fn colored(byte: usize, [a, b, c]: [u8; 3]) -> u64 {
    let code = CODES[CLASSES[byte] as usize];
    u64::from_le_bytes([code[0], code[1], code[2], code[3], code[4], a, b, c])
}

/// Returns the character that stands for a byte in the ASCII column.
pub(super) const fn visible(byte: u8) -> u8 {
    if byte >= b' ' && byte <= b'~' { byte } else { b'.' }
}

/// Text of a bounded length in colour, written without asking at every byte whether the class has changed.
#[derive(Debug)]
pub(super) struct Colored {
    text: [u8; Colored::CAPACITY],
    len: usize,
    class: u8,
}

impl Colored {
    /// A coloured line with offset, sixteen pairs and sixteen characters takes at most 257 bytes, and every write of a
    /// byte touches eight.
    const CAPACITY: usize = 320;

    /// Starts an empty text.
    pub(super) fn new() -> Colored {
        Colored { text: [0; Colored::CAPACITY], len: 0, class: NO_CLASS }
    }

    /// Appends text that has no class.
    pub(super) fn put(&mut self, text: &[u8]) {
        self.text[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
    }

    /// Appends the digits of `byte`, and the space behind them when `spaced`.
    pub(super) fn pair(&mut self, byte: u8, spaced: bool) {
        self.word(byte, COLORED_PAIRS[usize::from(byte)], 2 + usize::from(spaced));
    }

    /// Appends the character that stands for `byte`.
    pub(super) fn char(&mut self, byte: u8) {
        self.word(byte, COLORED_CHARS[usize::from(byte)], 1);
    }

    /// Appends the code in `word` if the class changes, and `len` bytes behind it.
    fn word(&mut self, byte: u8, word: u64, len: usize) {
        let class = CLASSES[usize::from(byte)];
        // No branch: in random bytes none could be foretold.
        let code = if class == self.class { 0 } else { CODE_BYTES };
        self.class = class;
        let word = word >> (8 * (CODE_BYTES - code));
        self.text[self.len..self.len + 8].copy_from_slice(&word.to_le_bytes());
        self.len += code as usize + len;
    }

    /// Returns what was written.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }

    /// Returns the class of the last byte.
    fn class(&self) -> u8 {
        self.class
    }

    /// Empties the text but remembers the class.
    fn clear(&mut self) {
        self.len = 0;
    }
}

/// Appends `bytes` as pairs of digits with single spaces between them: `68 65 6c`.
pub fn hex_line(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() * 3);
    let (blocks, rest) = bytes.as_chunks::<16>();
    for block in blocks {
        out.extend_from_slice(&spaced(block));
    }
    for &byte in rest {
        let [high, low] = PAIRS[usize::from(byte)];
        out.extend_from_slice(&[high, low, b' ']);
    }
    if !bytes.is_empty() {
        out.pop();
    }
}

/// Appends what [`hex_line`] does, with ANSI colours by class of byte; a reset ends them.
///
/// Codes stand only where the class changes. The classes are NUL, printable, white space, other control characters and
/// bytes beyond ASCII.
pub fn hex_line_colored(bytes: &[u8], out: &mut Vec<u8>) {
    let mut text = Colored::new();
    for block in bytes.chunks(16) {
        for &byte in block {
            text.pair(byte, true);
        }
        out.extend_from_slice(text.as_bytes());
        text.clear();
    }
    if text.class() != NO_CLASS {
        out.pop();
        out.extend_from_slice(RESET);
    }
}

/// Returns sixteen pairs, each with a space behind it.
pub(super) fn spaced(bytes: &[u8; 16]) -> [u8; 48] {
    let mut text = [b' '; 48];
    for (index, &byte) in bytes.iter().enumerate() {
        text[index * 3..index * 3 + 2].copy_from_slice(&PAIRS[usize::from(byte)]);
    }
    text
}

/// Removes colour codes, for the tests.
#[cfg(test)]
pub(super) fn stripped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte == 0x1b {
            let end = rest.iter().position(|&b| b == b'm').expect("a code ends with m");
            rest = &rest[end + 1..];
        } else {
            plain.push(byte);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::show_hex;
    use proptest::prelude::*;

    #[test]
    fn codes_stand_where_the_class_changes() {
        let mut out = Vec::new();
        hex_line_colored(b"ab \n\0\0\x01\x7f\x80\xff", &mut out);
        let expected = "\x1b[36m61 62 \x1b[32m20 0a \x1b[90m00 00 \x1b[35m01 7f \x1b[33m80 ff\x1b[0m";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn no_bytes_are_no_digits_and_no_codes() {
        let mut out = b"before ".to_vec();
        hex_line(b"", &mut out);
        hex_line_colored(b"", &mut out);
        assert_eq!(out, b"before ");
    }

    #[test]
    fn every_byte_has_its_digits_and_its_character() {
        for byte in 0..=255u8 {
            assert_eq!(PAIRS[usize::from(byte)], *format!("{byte:02x}").as_bytes());
            let graphic = byte.is_ascii_graphic() || byte == b' ';
            assert_eq!(visible(byte), if graphic { byte } else { b'.' });
        }
    }

    proptest! {
        #[test]
        fn a_line_of_digits_is_that_of_the_plain_way(bytes: Vec<u8>) {
            let (mut plain, mut colored) = (Vec::new(), Vec::new());
            hex_line(&bytes, &mut plain);
            hex_line_colored(&bytes, &mut colored);
            prop_assert_eq!(String::from_utf8(plain.clone()).unwrap(), show_hex(&bytes));
            prop_assert_eq!(stripped(&colored), plain);
        }
    }
}
