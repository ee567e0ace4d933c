//! Escapes: what is shown reads back, what is read is bytes or is refused at its place, in every encoding.
//!
//! Input: an encoding, then text or bytes.

use callbox::text::{Encoding, escape, unescape, unescape_in};
use callbox_testkit::assert_harmless;

use crate::input::Input;
use crate::refusal;

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    let mut input = Input::new(data);
    let encoding = input.encoding();
    let bytes = input.rest();
    let shown = escape(bytes);
    assert!(!shown.contains(['\n', '\t']), "one line");
    assert_harmless(shown.as_bytes());
    assert_eq!(unescape(&shown).as_deref(), Ok(bytes), "{shown}");
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for encoding in [Encoding::UTF_8, encoding] {
        match unescape_in(text, encoding) {
            Ok(bytes) => assert_eq!(unescape(&escape(&bytes)), Ok(bytes)),
            Err(invalid) => refusal::check(&invalid, text),
        }
        check_plain(text, encoding);
    }
}

/// Without escapes there is only the encoding.
fn check_plain(text: &str, encoding: Encoding) {
    if text.contains('\\') {
        return;
    }
    match (unescape_in(text, encoding), encoding.encode(text)) {
        (Ok(bytes), Ok(encoded)) => assert_eq!(bytes, encoded),
        (Err(invalid), Err(lacking)) => {
            assert_eq!(invalid.at, Some(lacking.at), "{invalid}");
            assert!(text[lacking.at..].starts_with(lacking.character), "{lacking}");
        }
        (bytes, encoded) => panic!("{bytes:?} and {encoded:?}"),
    }
}
