//! Bytes in hex, as typed (`48656c`, `48 65 6c`, `48:65:6c`, `0x48 0x65`) and as shown (`48 65 6c`).

use super::printer::safe;
use crate::error::Invalid;

/// Reads hex digits, two a byte, in any case, in groups set apart by white space or colons, each with or without `0x`.
///
/// An empty text is no bytes.
///
/// # Errors
///
/// A character that is no hex digit, or a group with an odd number of digits, with its offset.
pub fn parse_hex(text: &str) -> Result<Vec<u8>, Invalid> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut at = 0;
    for group in text.split(|c: char| c == ':' || c.is_whitespace()) {
        if !group.is_empty() {
            read_group(text, group, at, &mut bytes)?;
        }
        at += group.len();
        at += text[at..].chars().next().map_or(0, char::len_utf8);
    }
    Ok(bytes)
}

/// Returns `bytes` as lower-case pairs of digits with a space between.
pub fn show_hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 3);
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        push_byte(*byte, &mut out);
    }
    out
}

/// Appends the two digits of `byte`.
pub(super) fn push_byte(byte: u8, out: &mut String) {
    out.push(DIGITS[usize::from(byte >> 4)]);
    out.push(DIGITS[usize::from(byte & 15)]);
}

const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

fn read_group(text: &str, group: &str, at: usize, bytes: &mut Vec<u8>) -> Result<(), Invalid> {
    let digits = group.strip_prefix("0x").or_else(|| group.strip_prefix("0X")).unwrap_or(group);
    let start = at + group.len() - digits.len();
    if let Some((offset, c)) = digits.char_indices().find(|(_, c)| !c.is_ascii_hexdigit()) {
        let problem = format!("'{}' is not a hex digit", safe(c.encode_utf8(&mut [0; 4])));
        return Err(invalid(text, start + offset, problem, "write two digits of 0-9 and a-f a byte, as in 48 65 6c"));
    }
    if digits.is_empty() {
        return Err(invalid(text, at, "no digits after 0x".into(), "write two digits a byte, as in 0x48"));
    }
    if digits.len() % 2 == 1 {
        let problem = format!("{} hex digit{}, a byte has two", digits.len(), if digits.len() == 1 { "" } else { "s" });
        return Err(invalid(text, start, problem, &format!("write 0{digits}, or add the digit that is missing")));
    }
    bytes.extend(digits.as_bytes().chunks_exact(2).map(|pair| (value(pair[0]) << 4) | value(pair[1])));
    Ok(())
}

/// Returns the value of a digit already known to be one.
fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

fn invalid(text: &str, at: usize, problem: String, instead: &str) -> Invalid {
    Invalid::new("hex", text, problem).at(at).instead(instead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hex_is_read_in_every_usual_layout() {
        for text in ["48656c", "48 65 6c", "48:65:6C", "0x48 0x65 0x6c", "0X48656C", " 48\n65\t6c \r\n", "48: 65 :6c"] {
            assert_eq!(parse_hex(text).as_deref(), Ok(&b"Hel"[..]), "{text}");
        }
        assert_eq!(parse_hex(""), Ok(vec![]));
        assert_eq!(parse_hex("00fF"), Ok(vec![0, 255]));
    }

    #[test]
    fn bad_hex_is_pointed_at() {
        let table =
            [("4", 0), ("48 6", 3), ("48:656", 3), ("0x4", 2), ("48 g0", 3), ("4é", 1), ("0x", 0), ("0x480x65", 5)];
        for (text, at) in table {
            let invalid = parse_hex(text).unwrap_err();
            assert_eq!(invalid.at, Some(at), "{invalid}");
        }
    }

    #[test]
    fn an_odd_group_shows_its_leading_zero() {
        assert_eq!(
            parse_hex("48 6").unwrap_err().to_string(),
            r#"invalid hex "48 6": 1 hex digit, a byte has two at byte 3; write 06, or add the digit that is missing"#
        );
    }

    proptest! {
        #[test]
        fn shown_hex_reads_back(bytes: Vec<u8>) {
            prop_assert_eq!(parse_hex(&show_hex(&bytes)), Ok(bytes));
        }

        #[test]
        fn hex_of_any_sort_is_read_or_refused(text: String) {
            let _ = parse_hex(&text);
        }
    }
}
