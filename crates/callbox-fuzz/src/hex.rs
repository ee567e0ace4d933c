//! Hex: what is shown reads back, what is read is bytes or is refused at its place.

use callbox::text::{parse_hex, show_hex};
use callbox::view::{hex_line, hex_line_colored};

use crate::hexdump::without_colors;
use crate::refusal;

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    let shown = show_hex(data);
    assert_eq!(parse_hex(&shown).as_deref(), Ok(data), "{shown}");
    let (mut line, mut colored) = (Vec::new(), Vec::new());
    hex_line(data, &mut line);
    assert_eq!(line, shown.as_bytes());
    hex_line_colored(data, &mut colored);
    assert_eq!(without_colors(&colored), line);
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse_hex(text) {
        Ok(bytes) => {
            let digits = text.replace("0x", "").replace("0X", "").replace(':', "");
            let digits: String = digits.split_whitespace().collect();
            assert_eq!(show_hex(&bytes).replace(' ', ""), digits.to_lowercase());
        }
        Err(invalid) => refusal::check(&invalid, text),
    }
}
