//! Indented JSON: white space is all that changes, and a reader that is not ours finds the same value.

use callbox::view::indent;
use callbox::view::json::DEPTH_MAX;

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    let value: Option<serde_json::Value> = serde_json::from_slice(data).ok();
    let Some(text) = indent(data) else {
        // Short ones cannot grow too much, and the reader goes no deeper than we do.
        let deep = data.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() >= DEPTH_MAX;
        assert!(value.is_none() || deep || data.len() > 200, "a value is indented");
        return;
    };
    assert_eq!(bare(&text), bare(data), "white space is all that changes");
    assert_eq!(indent(&text).as_ref(), Some(&text), "what is indented is left alone");
    assert!(!text.ends_with(b"\n"));
    if value.is_some() {
        assert_eq!(serde_json::from_slice(&text).ok(), value);
    }
}

/// Returns the bytes that are not white space between tokens.
fn bare(json: &[u8]) -> Vec<u8> {
    let (mut inside, mut escaped) = (false, false);
    let mut keep = |byte: &u8| {
        let was_inside = inside;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ => {}
        }
        was_inside || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
    };
    json.iter().copied().filter(|byte| keep(byte)).collect()
}
