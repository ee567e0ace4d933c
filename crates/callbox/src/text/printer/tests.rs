//! What reaches a terminal.

use super::*;
use crate::text::unescape;
use proptest::prelude::*;

fn shown(lines: Lines, chunks: &[&[u8]]) -> String {
    let (mut printer, mut out) = (Printer::new(lines), String::new());
    for chunk in chunks {
        printer.push(chunk, &mut out);
    }
    printer.finish(&mut out);
    out
}

#[test]
fn a_terminal_sees_only_what_is_harmless() {
    let table: &[(&[u8], &str)] = &[
        (b"hello\n\tworld", "hello\n\tworld"),
        (b"a\r\nb", "a\nb"),
        (b"a\rb", "a\\rb"),
        (b"a\r\r\nb", "a\\r\nb"),
        (b"a\r", "a\\r"),
        (b"\r\xff", "\\r\\xff"),
        (b"\r\xe2\x82", "\\r\\xe2\\x82"),
        (b"\x1b[2J\x07\0\x7f", "\\x1b[2J\\x07\\x00\\x7f"),
        (b"C:\\new", "C:\\\\new"),
        (b"\x9b31m", "\\x9b31m"),
        ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
        ("\u{202e}\u{200b}\u{feff}\u{e0041}\u{2028}".as_bytes(), "\\u{202e}\\u{200b}\\u{feff}\\u{e0041}\\u{2028}"),
        ("é 漢字 😀 ☎\u{fe0f} \u{e000}".as_bytes(), "é 漢字 😀 ☎\u{fe0f} \u{e000}"),
        (b"\xc0\x80 \xed\xa0\x80 \xf5", "\\xc0\\x80 \\xed\\xa0\\x80 \\xf5"),
    ];
    for (bytes, expected) in table {
        assert_eq!(shown(Lines::Pass, &[bytes]), *expected);
    }
}

#[test]
fn a_character_split_over_reads_is_shown_once_and_whole() {
    let (mut printer, mut out) = (Printer::new(Lines::Pass), String::new());
    for byte in "€\r".as_bytes() {
        printer.push(&[*byte], &mut out);
        printer.push(&[], &mut out);
    }
    assert_eq!(out, "€");
    printer.push(b"\n", &mut out);
    assert_eq!(out, "€\n");
}

#[test]
fn an_unfinished_character_is_shown_by_the_end_alone() {
    let (mut printer, mut out) = (Printer::new(Lines::Pass), String::new());
    printer.push(b"a\xe2\x82", &mut out);
    assert_eq!(out, "a");
    printer.finish(&mut out);
    assert_eq!(out, "a\\xe2\\x82");
}

#[test]
fn a_character_broken_by_another_loses_neither() {
    assert_eq!(shown(Lines::Pass, &[b"\xe2\x82", b"\xc3", b"\xa9"]), "\\xe2\\x82é");
    assert_eq!(shown(Lines::Pass, &[b"\xf0\x9f", b"x"]), "\\xf0\\x9fx");
}

#[test]
fn safe_text_is_borrowed() {
    assert!(matches!(safe("plain é"), Cow::Borrowed("plain é")));
    assert_eq!(safe("a\nb\u{1b}]0;"), "a\\nb\\x1b]0;");
}

#[test]
fn every_character_that_hides_or_reorders_is_escaped() {
    let hides = regex::Regex::new(r"^[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]$").unwrap();
    let selects = regex::Regex::new(r"^\p{Variation_Selector}$").unwrap();
    for c in ('\u{80}'..=char::MAX).filter(|c| is_shown(*c)) {
        let text = c.to_string();
        assert!(!hides.is_match(&text) || selects.is_match(&text), "U+{:04X}", u32::from(c));
    }
    assert!(!is_shown('\u{fffe}') && !is_shown('\u{1ffff}') && !is_shown('\u{fdd0}') && is_shown('\u{fffd}'));
}

/// Bytes that often hold line endings, escapes and broken characters, in runs long enough for whole blocks.
fn tricky() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<Vec<u8>>(),
        any::<String>().prop_map(String::into_bytes),
        "[ -~]{0,100}".prop_map(String::into_bytes),
        prop::sample::select(vec![&b"\r"[..], b"\n", b"\r\n", b"\\", b"\xe2\x82", b"\xf0\x9f\x98\x80", b"\x1b"])
            .prop_map(<[u8]>::to_vec),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_chunking_shows_the_same(bytes in tricky(), sizes in prop::collection::vec(0usize..9, 1..20)) {
        for lines in [Lines::Pass, Lines::Escape] {
            let mut chunks = Vec::new();
            let mut rest = &bytes[..];
            for size in sizes.iter().cycle().map(|s| s + usize::from(sizes.iter().all(|s| *s == 0))) {
                if rest.is_empty() {
                    break;
                }
                let (chunk, after) = rest.split_at(size.min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            prop_assert_eq!(shown(lines, &chunks), shown(lines, &[&bytes]));
        }
    }

    #[test]
    fn nothing_shown_is_a_control(bytes in tricky()) {
        let harmless = |c: char| (' '..='~').contains(&c) || !c.is_ascii() && is_shown(c);
        prop_assert!(shown(Lines::Pass, &[&bytes]).chars().all(|c| c == '\n' || c == '\t' || harmless(c)));
        prop_assert!(shown(Lines::Escape, &[&bytes]).chars().all(harmless));
    }

    #[test]
    fn one_line_reads_back(bytes in tricky()) {
        prop_assert_eq!(unescape(&shown(Lines::Escape, &[&bytes])), Ok(bytes));
    }
}
