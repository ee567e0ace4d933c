//! Frame specs: what is read prints and reads back, and frames unless it is refused; what is not is refused at its place.

use callbox::frame::{Framer, Framing};
use callbox_testkit::assert_harmless;
use tokio::time::Instant;

use crate::refusal;

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let framing: Framing = match text.parse() {
        Ok(framing) => framing,
        Err(invalid) => return refusal::check(&invalid, text),
    };
    let shown = framing.to_string();
    assert!(!shown.contains(char::is_control));
    assert_harmless(shown.as_bytes());
    let again: Framing = shown.parse().unwrap_or_else(|invalid| panic!("{invalid}"));
    assert_eq!((&again, again.to_string()), (&framing, shown));
    let begun = Framer::new(&framing).next(Instant::now(), &mut &b""[..]).map(|frame| frame.is_none());
    match framing.check() {
        Ok(()) => assert_eq!(begun, Ok(true), "{framing}"),
        Err(invalid) => {
            refusal::check_words(&invalid);
            assert!(begun.is_err(), "{framing}");
            assert!(framing.encode(b"").is_err(), "{framing}");
        }
    }
}
