//! The printer: a terminal obeys nothing, the edges of chunks leave no trace, what is shown on one line reads back.
//!
//! Input: the encoding, what becomes of lines, the chunking, then the stream.

use callbox::text::{Encoding, Lines, Printer, escape, safe, unescape_in};
use callbox_testkit::assert_harmless;

use crate::input::{Input, chunks};

/// Encodings in which each character is written in one way only.
const EXACT: [&str; 6] = ["utf-8", "utf-16le", "utf-16be", "windows-1252", "koi8-r", "x-user-defined"];

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    let mut input = Input::new(data);
    let encoding = input.encoding();
    let lines = input.choose(&[Lines::Pass, Lines::Escape]);
    let chosen = input.byte();
    let bytes = input.rest();
    let once = show(encoding, lines, &[bytes]);
    assert_eq!(show(encoding, lines, &chunks(bytes, chosen)), once, "chunks leave no trace");
    assert_harmless(once.as_bytes());
    if lines == Lines::Pass {
        assert_eq!(once, passed(&show(encoding, Lines::Escape, &[bytes])), "the same, but for what ends lines");
        return;
    }
    assert!(!once.contains(char::is_control), "one line");
    let back = unescape_in(&once, encoding);
    if EXACT.contains(&encoding.name()) {
        assert_eq!(back.as_deref(), Ok(bytes), "{once} in {encoding}");
    }
    if encoding.is_utf8() {
        assert_eq!(escape(bytes), once);
        if let Ok(text) = std::str::from_utf8(bytes) {
            assert_eq!(safe(text), once);
        }
    }
}

fn show(encoding: Encoding, lines: Lines, pieces: &[&[u8]]) -> String {
    let (mut printer, mut out) = (Printer::in_encoding(lines, encoding), String::new());
    for piece in pieces {
        printer.push(piece, &mut out);
    }
    printer.finish(&mut out);
    out
}

/// Lets newlines and tabs of what is shown on one line pass, and leaves out a carriage return directly before a newline.
fn passed(escaped: &str) -> String {
    let (mut out, mut rest) = (String::new(), escaped);
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        // What has more than two characters goes on as plain text.
        let (escape, behind) = rest[at..].split_at(2);
        match escape {
            r"\n" => out.push('\n'),
            r"\t" => out.push('\t'),
            r"\r" if behind.starts_with(r"\n") => {}
            _ => out.push_str(escape),
        }
        rest = behind;
    }
    out + rest
}
