//! Layouts by table, chunking and colours by property.

use proptest::prelude::*;

use super::super::digits::stripped;
use super::*;

const XXD: Layout = Layout { ascii: true, colored: false, squeeze: false };
const PAIRS: Layout = Layout { ascii: false, colored: false, squeeze: false };

fn dump_from(mut dump: Hexdump, chunks: &[&[u8]]) -> String {
    let mut out = Vec::new();
    chunks.iter().for_each(|chunk| dump.push(chunk, &mut out));
    dump.finish(&mut out);
    String::from_utf8(out).expect("a dump is ASCII")
}

fn dump(layout: Layout, bytes: &[u8]) -> String {
    dump_from(Hexdump::new(layout), &[bytes])
}

/// The lines of xxd in the plainest way, to compare with.
fn plainest(bytes: &[u8]) -> String {
    let line = |(index, bytes): (usize, &[u8])| {
        let groups: Vec<String> =
            bytes.chunks(2).map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
        let chars = bytes.iter().map(|&byte| if (b' '..=b'~').contains(&byte) { byte as char } else { '.' });
        format!("{:08x}: {:<39}  {}\n", index * 16, groups.join(" "), chars.collect::<String>())
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

#[test]
fn lines_are_those_of_xxd() {
    let table: &[(&[u8], &str)] = &[
        (b"", ""),
        (b"a", "00000000: 61                                       a\n"),
        (b"hello\n", "00000000: 6865 6c6c 6f0a                           hello.\n"),
        (b"\x00\x1f ~\x7f\x80\xff", "00000000: 001f 207e 7f80 ff                        .. ~...\n"),
        (b"0123456789abcdef", "00000000: 3031 3233 3435 3637 3839 6162 6364 6566  0123456789abcdef\n"),
        (
            b"0123456789abcdefg",
            "00000000: 3031 3233 3435 3637 3839 6162 6364 6566  0123456789abcdef\n\
             00000010: 67                                       g\n",
        ),
    ];
    for (bytes, expected) in table {
        assert_eq!(dump(XXD, bytes), *expected);
    }
}

#[test]
fn pairs_have_offsets_and_nothing_behind() {
    assert_eq!(dump(PAIRS, b"hello\n"), "00000000: 68 65 6c 6c 6f 0a\n");
    assert_eq!(
        dump(PAIRS, b"0123456789abcdefg"),
        "00000000: 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66\n00000010: 67\n"
    );
}

#[test]
fn offsets_grow_beyond_four_gibibytes() {
    for layout in [XXD, PAIRS] {
        let mut dump = Hexdump::new(layout);
        dump.offset = 0xffff_fff0;
        let text = dump_from(dump, &[&[0; 40]]);
        let offsets: Vec<&str> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(offsets, ["fffffff0:", "100000000:", "100000010:"]);
    }
}

#[test]
fn the_prefix_begins_each_line_the_star_included() {
    let dump = Hexdump::new(Layout { squeeze: true, ..PAIRS }).with_prefix("#1 > ");
    let text = dump_from(dump, &[&[0; 65]]);
    assert_eq!(text.lines().map(|line| &line[..6]).collect::<Vec<_>>(), ["#1 > 0", "#1 > *", "#1 > 0"]);
}

#[test]
fn repeated_lines_become_one_star_and_the_last_is_shown() {
    // Each letter is a full line, a dot a short one; what is shown: offsets in lines, stars.
    let table = [
        ("", ""),
        ("a", "0"),
        ("aa", "0 1"),
        ("aaa", "0 * 2"),
        ("aaaaa", "0 * 4"),
        ("aab", "0 * 2"),
        ("aaab", "0 * 3"),
        ("aabb", "0 * 2 3"),
        ("aaabbba", "0 * 3 * 6"),
        ("aa.", "0 * 2"),
        ("aaaa.", "0 * 4"),
        ("abab", "0 1 2 3"),
    ];
    for (lines, expected) in table {
        let bytes: Vec<u8> =
            lines.bytes().flat_map(|line| vec![line; if line == b'.' { 3 } else { LINE_BYTES }]).collect();
        let text = dump(Layout { squeeze: true, ..XXD }, &bytes);
        let shown = text.lines().map(|line| match line.split_once(':') {
            Some((offset, _)) => (usize::from_str_radix(offset, 16).unwrap() / LINE_BYTES).to_string(),
            None => line.to_owned(),
        });
        assert_eq!(shown.collect::<Vec<_>>().join(" "), expected, "{lines}");
    }
}

#[test]
fn a_flush_shows_what_is_held_and_counts_on() {
    let mut dump = Hexdump::new(Layout { squeeze: true, ..PAIRS });
    let mut out = Vec::new();
    for bytes in [&b"abc"[..], b"", b"d", &[0; 48], &[0; 16]] {
        dump.push(bytes, &mut out);
        dump.flush(&mut out);
    }
    dump.finish(&mut out);
    dump.push(b"a", &mut out);
    dump.finish(&mut out);
    let zeros = ["00"; LINE_BYTES].join(" ");
    let expected = format!(
        "00000000: 61 62 63\n00000003: 64\n00000004: {zeros}\n*\n00000024: {zeros}\n00000034: {zeros}\n00000000: 61\n"
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn colours_change_with_the_class_and_end_with_the_line() {
    let text = dump(Layout { colored: true, ..XXD }, b"ab\0");
    let digits = "\x1b[36m6162 \x1b[90m00";
    let space = " ".repeat(34);
    assert_eq!(text, format!("\x1b[2m00000000:\x1b[0m {digits}{space}\x1b[36mab\x1b[90m.\x1b[0m\n"));
    let text = dump(Layout { colored: true, ..PAIRS }, b"ab\0");
    assert_eq!(text, "\x1b[2m00000000:\x1b[0m \x1b[36m61 62 \x1b[90m00\x1b[0m\n");
}

/// The longest coloured line: the class changes with every byte.
#[test]
fn the_longest_line_fits() {
    let mut dump = Hexdump::new(Layout { colored: true, ..XXD });
    dump.offset = u64::MAX - 15;
    let mut out = Vec::new();
    line::colored(dump.offset, &[0, 255].repeat(8), true, &mut out);
    assert!(stripped(&out).starts_with(b"fffffffffffffff0: 00ff 00ff"));
}

fn layouts() -> impl Strategy<Value = Layout> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(ascii, colored, squeeze)| Layout {
        ascii,
        colored,
        squeeze,
    })
}

/// Bytes with runs, so that lines repeat.
fn runs() -> impl Strategy<Value = Vec<u8>> {
    let run = (any::<u8>(), prop_oneof![1usize..4, 30usize..90]).prop_map(|(byte, len)| vec![byte; len]);
    prop::collection::vec(run, 0..8).prop_map(|runs| runs.concat())
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_dump(
        bytes in runs(),
        layout in layouts(),
        sizes in prop::collection::vec(0usize..40, 1..20),
    ) {
        let mut rest = &bytes[..];
        let mut chunks = Vec::new();
        for size in sizes {
            let (chunk, behind) = rest.split_at(size.min(rest.len()));
            chunks.push(chunk);
            rest = behind;
        }
        chunks.push(rest);
        prop_assert_eq!(dump_from(Hexdump::new(layout), &chunks), dump(layout, &bytes));
    }

    #[test]
    fn without_its_colours_the_text_is_the_plain_one(bytes: Vec<u8>, runs in runs(), layout in layouts()) {
        for bytes in [bytes, runs] {
            let colored = dump(Layout { colored: true, ..layout }, &bytes);
            let plain = dump(Layout { colored: false, ..layout }, &bytes);
            prop_assert_eq!(String::from_utf8(stripped(colored.as_bytes())).unwrap(), plain);
        }
    }

    #[test]
    fn the_fast_way_gives_what_the_plainest_does(bytes: Vec<u8>) {
        prop_assert_eq!(dump(XXD, &bytes), plainest(&bytes));
    }
}
