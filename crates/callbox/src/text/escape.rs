//! C-like escapes: `\n \r \t \0 \\ \xHH \u{...}`, for text typed on a command line and for bytes shown on one line.
//!
//! `\xHH` is a byte in every encoding; `\u{...}` and the others are characters, encoded like the text around them. There
//! are no octal escapes: `\033` would be read as a NUL and two digits, which nobody who writes it means, so it is refused.

use super::encoding::{Encoder, Encoding};
use super::printer::{Lines, Printer, safe};
use crate::error::Invalid;

/// Returns the bytes that `text` stands for in UTF-8.
///
/// # Errors
///
/// An unknown or unfinished escape: the offset is that of its backslash, the advice is what to write instead.
pub fn unescape(text: &str) -> Result<Vec<u8>, Invalid> {
    unescape_in(text, Encoding::UTF_8)
}

/// Returns the bytes that `text` stands for in an encoding: `\xHH` as they are, everything else encoded.
///
/// # Errors
///
/// Those of [`unescape`], and a character that the encoding does not have, at its offset or that of its escape.
pub fn unescape_in(text: &str, encoding: Encoding) -> Result<Vec<u8>, Invalid> {
    let mut encoder = Encoder::new(encoding, text.len());
    let mut at = 0;
    while let Some(plain) = memchr::memchr(b'\\', &text.as_bytes()[at..]) {
        let run = &text[at..at + plain];
        encoder.text(run).map_err(|lacking| lacking.place("text", text, at))?;
        at += plain;
        let (escape, taken) = read_escape(&text[at..]).map_err(|bad| bad.place("escape", text, at))?;
        match escape {
            Escape::Byte(byte) => encoder.raw(&[byte]),
            Escape::Character(c) => {
                encoder.text(c.encode_utf8(&mut [0; 4])).map_err(|lacking| lacking.place("text", text, at))?;
            }
        }
        at += taken;
    }
    encoder.text(&text[at..]).map_err(|lacking| lacking.place("text", text, at))?;
    Ok(encoder.finish())
}

/// Returns `bytes` on one line, safe to show on a terminal; [`unescape`] gives them back, whatever they are.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut printer = Printer::new(Lines::Escape);
    printer.push(bytes, &mut out);
    printer.finish(&mut out);
    out
}

/// What one escape stands for.
pub(super) enum Escape {
    Byte(u8),
    Character(char),
}

/// What is wrong with one escape, and what to write instead.
pub(super) struct Bad {
    problem: String,
    instead: String,
}

impl Bad {
    fn new(problem: impl Into<String>, instead: impl Into<String>) -> Bad {
        Bad { problem: problem.into(), instead: instead.into() }
    }

    /// Says so of what a user wrote, with the offset of the backslash.
    pub(super) fn place(self, what: &'static str, input: &str, at: usize) -> Invalid {
        Invalid::new(what, input, self.problem).at(at).instead(self.instead)
    }
}

/// Reads the escape that `text` begins with, and tells how many bytes it has, its backslash included.
pub(super) fn read_escape(text: &str) -> Result<(Escape, usize), Bad> {
    let rest = &text[1..];
    let Some(letter) = rest.chars().next() else {
        return Err(Bad::new("nothing follows the backslash", r"write \\ for a backslash"));
    };
    let c = match letter {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '\\' => '\\',
        '0' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => '\0',
        '0'..='9' => return Err(octal(rest)),
        'x' => return Ok((Escape::Byte(hex_byte(&rest[1..])?), 4)),
        'u' => return character(&rest[1..]).map(|(c, taken)| (Escape::Character(c), taken + 2)),
        _ => return Err(unknown(letter)),
    };
    Ok((Escape::Character(c), 2))
}

fn hex_byte(digits: &str) -> Result<u8, Bad> {
    digits
        .get(..2)
        .filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()))
        .and_then(|two| u8::from_str_radix(two, 16).ok())
        .ok_or_else(|| Bad::new(r"\x takes two hex digits", r"write \x0a for the byte 10"))
}

fn character(braced: &str) -> Result<(char, usize), Bad> {
    let Some((digits, _)) = braced.strip_prefix('{').and_then(|inner| inner.split_once('}')) else {
        return Err(Bad::new(r"\u takes hex digits in braces", r"write \u{e9} for the character U+00E9"));
    };
    // `from_str_radix` would take a sign.
    let code = if digits.bytes().all(|b| b.is_ascii_hexdigit()) { u32::from_str_radix(digits, 16).ok() } else { None };
    let Some(c) = code.and_then(char::from_u32) else {
        let problem = format!(r"\u{{{}}} is not a character", safe(digits));
        return Err(Bad::new(problem, r"write a code point up to \u{10ffff} that is no surrogate, or bytes as \xHH"));
    };
    Ok((c, digits.len() + 2))
}

fn octal(rest: &str) -> Bad {
    let digits: String = rest.chars().take(3).take_while(|c| c.is_digit(8)).collect();
    let instead = match u32::from_str_radix(&digits, 8) {
        Ok(byte @ 0..=0xff) => format!(r"write \x{byte:02x}, or \x00 for a NUL before a digit"),
        _ => r"write a byte as \xHH, in hex".to_string(),
    };
    Bad::new("there are no octal escapes", instead)
}

fn unknown(letter: char) -> Bad {
    let instead = match letter {
        'e' | 'E' => r"write \x1b for escape",
        'a' => r"write \x07 for the bell",
        'b' => r"write \x08 for backspace",
        'f' => r"write \x0c for a form feed",
        'v' => r"write \x0b for a vertical tab",
        'X' => r"write \x with a small x",
        'U' => r"write \u{...} with a small u",
        '"' | '\'' => "write the quote without a backslash",
        '{' | '}' => "write the brace without a backslash, and twice in a template",
        _ => r"write \\ for a backslash",
    };
    Bad::new(format!(r"unknown escape \{}", safe(letter.encode_utf8(&mut [0; 4]))), instead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_stand_for_bytes() {
        let table: &[(&str, &[u8])] = &[
            ("", b""),
            ("hello", b"hello"),
            (r"a\r\n\tb", b"a\r\n\tb"),
            (r"\\n", b"\\n"),
            (r"\0", b"\0"),
            (r"\x00\xff\x1B", b"\x00\xff\x1b"),
            (r"\u{e9}\u{1F600}", "é😀".as_bytes()),
            ("é\\n", b"\xc3\xa9\n"),
        ];
        for (text, bytes) in table {
            assert_eq!(unescape(text).as_deref(), Ok(*bytes), "{text}");
        }
    }

    #[test]
    fn bad_escapes_are_pointed_at_with_advice() {
        let table = [
            (r"a\{n}", 1, "without a backslash"),
            (r"ab\q", 2, r"\\"),
            (r"ab\", 2, r"\\"),
            (r"\x1", 0, r"\x0a"),
            (r"é\xg0", 2, r"\x0a"),
            (r"\x+1", 0, r"\x0a"),
            (r"\xé", 0, r"\x0a"),
            (r"\u41", 0, r"\u{"),
            (r"\u{41", 0, r"\u{"),
            (r"\u{}", 0, r"\u{10ffff}"),
            (r"\u{d800}", 0, r"\u{10ffff}"),
            (r"\u{110000}", 0, r"\u{10ffff}"),
            (r"\u{+41}", 0, r"\u{10ffff}"),
            (r"\033[m", 0, r"\x1b"),
            (r"\777", 0, r"\xHH"),
            (r"a\e", 1, r"\x1b"),
            ("\\\u{202e}", 0, r"\\"),
        ];
        for (text, at, advice) in table {
            let invalid = unescape(text).unwrap_err();
            assert_eq!(invalid.at, Some(at), "{invalid}");
            assert!(invalid.instead.as_deref().unwrap_or_default().contains(advice), "{invalid}");
            assert!(!invalid.problem.contains('\u{202e}'));
        }
    }

    #[test]
    fn characters_are_encoded_and_bytes_are_not() {
        let table: &[(&str, &str, &[u8])] = &[
            ("gbk", r"你\xff\u{597d}\r\n\\", b"\xc4\xe3\xff\xba\xc3\r\n\\"),
            ("utf-16le", r"a\n\x0a\0", b"a\0\n\0\n\0\0"),
            ("utf-16be", r"\u{1f600}\t", b"\xd8\x3d\xde\0\0\t"),
            ("latin1", r"\u{e9}é\xe9", b"\xe9\xe9\xe9"),
            ("shift_jis", r"表\\", b"\x95\\\\"),
            ("iso-2022-jp", r"日\u{672c}\n\x1b", b"\x1b$BF|K\\\x1b(B\n\x1b"),
            ("utf-8", r"é\u{e9}\xe9", b"\xc3\xa9\xc3\xa9\xe9"),
        ];
        for (encoding, text, bytes) in table {
            let encoding = encoding.parse().expect("a label");
            assert_eq!(unescape_in(text, encoding).as_deref(), Ok(*bytes), "{text} in {encoding}");
        }
    }

    #[test]
    fn a_character_that_the_encoding_lacks_is_pointed_at() {
        let gbk: Encoding = "gbk".parse().expect("a label");
        for (text, at) in [("é😀", 2), (r"ab\n😀", 4), (r"a\u{1f600}", 1), (r"\x00é\t😀z", 8)] {
            let invalid = unescape_in(text, gbk).expect_err("not in GBK");
            assert_eq!((invalid.what, invalid.at), ("text", Some(at)), "{invalid}");
            assert!(invalid.instead.as_deref().unwrap_or_default().contains("gb18030"), "{invalid}");
        }
    }

    #[test]
    fn one_line_shows_every_byte() {
        assert_eq!(escape(b"a\\b\r\n\t\0\x1b[31m\xff"), r"a\\b\r\n\t\x00\x1b[31m\xff");
        assert_eq!(escape("é\u{202e}\u{85}".as_bytes()), r"é\u{202e}\u{85}");
    }

    proptest! {
        #[test]
        fn unescape_gives_back_what_escape_was_given(bytes: Vec<u8>) {
            prop_assert_eq!(unescape(&escape(&bytes)), Ok(bytes));
        }

        #[test]
        fn text_of_any_sort_is_read_or_refused(text: String) {
            if let Err(invalid) = unescape(&text) {
                prop_assert!(text[invalid.at.expect("an escape has a place")..].starts_with('\\'));
            }
        }
    }
}
