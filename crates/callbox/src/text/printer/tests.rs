//! What reaches a terminal.

use super::screen::{is_shown, next_shown_otherwise};
use super::*;
use crate::text::encoding::tests::{encoding, streams, twelve};
use crate::text::{unescape, unescape_in};
use proptest::prelude::*;

fn shown(lines: Lines, chunks: &[&[u8]]) -> String {
    shown_by(Printer::new(lines), chunks)
}

fn shown_by(mut printer: Printer, chunks: &[&[u8]]) -> String {
    let mut out = String::new();
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
fn the_rules_hold_in_every_encoding() {
    let table: &[(&str, &[u8], &str, &str)] = &[
        ("gbk", b"\xc4\xe3\\\r\n\x1b[2J\xff", "你\\\\\n\\x1b[2J\\xff", "你\\\\\\r\\n\\x1b[2J\\xff"),
        ("gbk", b"\r\xc4\r\xc4", "\\r\\xc4\\r\\xc4", "\\r\\xc4\\r\\xc4"),
        ("gbk", b"\x810!", "\\x810!", "\\x810!"),
        ("gb18030", b"\x810", "\\x81\\x30", "\\x81\\x30"),
        (
            "utf-16le",
            b"a\0\r\0\n\0\x2e\x20\x9b\0\0\xd8",
            "a\n\\u{202e}\\u{9b}\\x00\\xd8",
            "a\\r\\n\\u{202e}\\u{9b}\\x00\\xd8",
        ),
        ("utf-16be", b"\xfe\xff\0\x1b\0\x7f\0", "\\u{feff}\\u{1b}\\u{7f}\\x00", "\\u{feff}\\u{1b}\\u{7f}\\x00"),
        ("shift_jis", b"\x95\\\t\x83", "表\t\\x83", "表\\t\\x83"),
        ("iso-2022-jp", b"\x1b$BF|\x1b(B\r\n\x1b[m\x07", "日\n\\x1b[m\\u{7}", "日\\r\\n\\x1b[m\\u{7}"),
        ("latin1", b"\xe9\x81\x9b\xad", "é\\u{81}›\\u{ad}", "é\\u{81}›\\u{ad}"),
        ("utf-8", b"\xe2\x82\x9b", "\u{209b}", "\u{209b}"),
    ];
    for (label, bytes, passed, escaped) in table {
        for (lines, due) in [(Lines::Pass, passed), (Lines::Escape, escaped)] {
            for size in 1..=bytes.len() {
                let chunks: Vec<_> = bytes.chunks(size).collect();
                let printer = Printer::in_encoding(lines, encoding(label));
                assert_eq!(shown_by(printer, &chunks), *due, "{label} in chunks of {size}");
            }
        }
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

#[test]
fn what_is_not_looked_at_is_shown() {
    let shown_as_itself = |c: char, lines| match c {
        '\n' | '\t' => lines == Lines::Pass,
        '\0'..='\x7f' => (' '..='~').contains(&c) && c != '\\',
        _ => is_shown(c),
    };
    for c in '\0'..=char::MAX {
        let mut four = [0; 4];
        let text = c.encode_utf8(&mut four);
        for lines in [Lines::Pass, Lines::Escape] {
            let due = if shown_as_itself(c, lines) { None } else { Some((0, c)) };
            assert_eq!(next_shown_otherwise(text, lines), due, "U+{:04X}", u32::from(c));
        }
    }
}

#[test]
fn every_pair_of_bytes_shows_as_by_the_general_way() {
    for lines in [Lines::Pass, Lines::Escape] {
        for (first, second) in (0..=255u8).flat_map(|first| (0..=255u8).map(move |second| (first, second))) {
            // The first byte is bad, so that the table is asked.
            let bytes = [0xff, first, second, b'.'];
            assert_eq!(shown(lines, &[&bytes]), shown_by(general(lines), &[&bytes]), "{bytes:x?}");
        }
    }
}

/// A printer of UTF-8 that goes the way of all other encodings.
fn general(lines: Lines) -> Printer {
    Printer { screen: Screen::new(lines), source: Source::Other(Box::new(Encoding::UTF_8.decoder())) }
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
        for encoding in twelve() {
            let passed = shown_by(Printer::in_encoding(Lines::Pass, encoding), &[&bytes]);
            prop_assert!(passed.chars().all(|c| c == '\n' || c == '\t' || harmless(c)), "{}", encoding);
            let escaped = shown_by(Printer::in_encoding(Lines::Escape, encoding), &[&bytes]);
            prop_assert!(escaped.chars().all(harmless), "{}", encoding);
        }
    }

    #[test]
    fn any_chunking_shows_the_same_in_every_encoding(
        (encoding, bytes) in prop::sample::select(twelve().collect::<Vec<_>>())
            .prop_flat_map(|encoding| streams(encoding).prop_map(move |bytes| (encoding, bytes))),
        size in 1usize..9,
    ) {
        for lines in [Lines::Pass, Lines::Escape] {
            let chunks: Vec<_> = bytes.chunks(size).collect();
            let whole = shown_by(Printer::in_encoding(lines, encoding), &[&bytes]);
            prop_assert_eq!(shown_by(Printer::in_encoding(lines, encoding), &chunks), whole, "{}", encoding);
        }
    }

    #[test]
    fn the_fast_way_shows_what_the_general_one_does(bytes in tricky()) {
        for lines in [Lines::Pass, Lines::Escape] {
            prop_assert_eq!(shown(lines, &[&bytes]), shown_by(general(lines), &[&bytes]));
        }
    }

    #[test]
    fn one_line_reads_back_where_characters_are_written_in_one_way(
        (label, bytes) in prop::sample::select(vec!["utf-16le", "utf-16be", "latin1", "koi8-r"])
            .prop_flat_map(|label| streams(encoding(label)).prop_map(move |bytes| (label, bytes))),
    ) {
        let text = shown_by(Printer::in_encoding(Lines::Escape, encoding(label)), &[&bytes]);
        prop_assert_eq!(unescape_in(&text, encoding(label)), Ok(bytes), "{}", label);
    }

    #[test]
    fn one_line_reads_back(bytes in tricky()) {
        prop_assert_eq!(unescape(&shown(Lines::Escape, &[&bytes])), Ok(bytes));
    }
}
