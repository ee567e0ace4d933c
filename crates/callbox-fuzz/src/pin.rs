//! Pins: what is read writes and reads back, what is not is refused at its place.

use callbox::net::tls::Pin;

use crate::refusal;

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<Pin>() {
        Ok(pin) => {
            let shown = pin.to_string();
            assert_eq!(shown.parse(), Ok(pin), "{shown}");
            // The same digits, whatever stands between them.
            let plain = text.replace(':', "").to_lowercase();
            assert_eq!(shown.replace(':', ""), plain);
        }
        Err(invalid) => refusal::check(&invalid, text),
    }
}
