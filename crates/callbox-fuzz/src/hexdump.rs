//! Hexdumps: the edges of chunks leave no trace, colours are only that, and the bytes can be read from the lines.
//!
//! Input: the layout, the chunking, then the bytes.

use callbox::view::{Hexdump, Layout};

use crate::input::{Input, chunks};

/// In front of each line; not what a line could begin with.
const PREFIX: &str = "#1 > ";

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    let mut input = Input::new(data);
    let bits = input.byte();
    let layout = Layout { ascii: bits & 1 != 0, squeeze: bits & 2 != 0, colored: false };
    let prefix = if bits & 4 != 0 { PREFIX } else { "" };
    let chosen = input.byte();
    let bytes = input.rest();
    let pieces = chunks(bytes, chosen);
    let once = dump(layout, prefix, &[bytes], false);
    assert!(once.is_ascii());
    assert_eq!(dump(layout, prefix, &pieces, false), once, "chunks leave no trace");
    let colored = Layout { colored: true, ..layout };
    assert_eq!(without_colors(&dump(colored, prefix, &pieces, false)), once, "colours are only that");
    assert_eq!(read(&once, layout, prefix), bytes, "{}", String::from_utf8_lossy(&once));
    // A line begins anew with each piece, and offsets go on.
    let flushed = dump(layout, prefix, &pieces, true);
    assert_eq!(read(&flushed, layout, prefix), bytes, "{}", String::from_utf8_lossy(&flushed));
}

fn dump(layout: Layout, prefix: &str, pieces: &[&[u8]], flushing: bool) -> Vec<u8> {
    let (mut dump, mut out) = (Hexdump::new(layout).with_prefix(prefix), Vec::new());
    for piece in pieces {
        dump.push(piece, &mut out);
        if flushing {
            dump.flush(&mut out);
        }
    }
    dump.finish(&mut out);
    out
}

/// Reads a dump as a person would: each line at its offset, and what a `*` stands for.
fn read(dump: &[u8], layout: Layout, prefix: &str) -> Vec<u8> {
    let (mut bytes, mut last, mut starred) = (Vec::new(), Vec::new(), false);
    for line in std::str::from_utf8(dump).expect("ASCII").lines() {
        let line = line.strip_prefix(prefix).expect("each line has it");
        if line == "*" {
            assert!(layout.squeeze && !starred && !last.is_empty(), "a star stands for lines");
            starred = true;
            continue;
        }
        let (offset, shown) = line.split_once(": ").expect("an offset");
        let offset = usize::from_str_radix(offset, 16).expect("in hex");
        assert!(starred == (offset > bytes.len()), "{line}");
        while bytes.len() < offset {
            bytes.extend_from_slice(&last);
        }
        assert_eq!(bytes.len(), offset, "{line}");
        starred = false;
        // Eight groups of four digits, each with a space.
        let (digits, ascii) = if layout.ascii { shown.split_at(40) } else { (shown, "") };
        let digits: String = digits.split_whitespace().collect();
        last = callbox::text::parse_hex(&digits).expect("digits");
        if layout.ascii {
            let visible = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
            assert_eq!(ascii.strip_prefix(' '), Some(&*last.iter().map(visible).collect::<String>()), "{line}");
        }
        bytes.extend_from_slice(&last);
    }
    assert!(!starred, "the last line is shown");
    bytes
}

/// Takes colours out.
pub(crate) fn without_colors(text: &[u8]) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some(at) = rest.iter().position(|byte| *byte == 0x1b) {
        plain.extend_from_slice(&rest[..at]);
        let code = rest[at..].strip_prefix(b"\x1b[").expect("nothing but colours");
        let len = code.iter().position(|byte| *byte == b'm').expect("a colour's end");
        assert!(code[..len].iter().all(|byte| byte.is_ascii_digit() || *byte == b';'));
        rest = &code[len + 1..];
    }
    plain.extend_from_slice(rest);
    plain
}
