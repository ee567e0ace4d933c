//! Matches over any chunking.

use super::*;
use proptest::prelude::*;

fn expect(patterns: &[&str]) -> Expect {
    Expect::new(patterns.iter().map(|text| text.parse().expect("a valid pattern")).collect())
}

/// What can be seen from outside after `bytes` came in chunks of `sizes`, in turn.
fn outcome(patterns: &[&str], bytes: &[u8], sizes: &[usize]) -> (usize, Option<String>, Vec<u8>) {
    let mut expect = expect(patterns);
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at((*size).clamp(1, rest.len()));
        assert_eq!(expect.feed(chunk), expect.is_met());
        rest = after;
    }
    (expect.met(), expect.pending().map(Pattern::to_string), expect.tail().to_vec())
}

#[test]
fn patterns_are_met_in_order_over_any_chunking() {
    type Row = (&'static [&'static str], &'static [u8], usize, &'static [u8]);
    let table: &[Row] = &[
        (&[], b"x", 0, b"x"),
        (&["OK"], b"xOKy", 1, b"y"),
        (&["OK"], b"O", 0, b"O"),
        (&["aa", "aa"], b"aaa", 1, b"a"),
        (&["aa", "aa"], b"aaaa", 2, b""),
        (&["b", "a"], b"ab", 1, b""),
        (&[r"\r\n\x00"], b"..\r\n\0..", 1, b".."),
        (&["re:a+", "aa"], b"aaa", 2, b""),
        (&["re:a+b", "re:b"], b"xaabbc", 2, b"c"),
        (&["re:a.*z"], b"a\n\xff\nz", 1, b""),
        (&[r"re:\xff"], b"\xc3\xbf\xff", 1, b""),
        (&["re:^b"], b"ab", 0, b"ab"),
        (&["a", "re:^b"], b"ab", 1, b"b"),
        (&["re:(?m)^b"], b"a\nb", 1, b""),
        (&["re:é"], "xéy".as_bytes(), 1, b"y"),
    ];
    for (patterns, bytes, met, tail) in table {
        for sizes in [&[1usize][..], &[2], &[3, 1], &[1000]] {
            let (got, pending, rest) = outcome(patterns, bytes, sizes);
            assert_eq!((got, &rest[..]), (*met, *tail), "{patterns:?} {sizes:?}");
            assert_eq!(pending.as_deref(), patterns.get(*met).copied());
        }
    }
}

#[test]
fn bad_patterns_are_refused() {
    let table = [
        ("", "empty"),
        ("re:", "empty"),
        ("re:a*", "met by no bytes"),
        ("re:(", "unclosed group"),
        (r"re:\1", "backreferences are not supported"),
        (r"a\q", r"unknown escape \q"),
    ];
    for (text, problem) in table {
        let invalid = text.parse::<Pattern>().unwrap_err();
        assert!(invalid.problem.contains(problem), "{invalid}");
        assert_eq!(invalid.to_string().lines().count(), 1);
    }
}

#[test]
fn literals_are_looked_for_in_their_encoding() {
    let table: &[(&str, &str, &[u8], bool)] = &[
        ("gbk", "粘包", b"..\xd5\xb3\xb0\xfc", true),
        ("gbk", "粘包", "粘包".as_bytes(), false),
        ("gbk", r"\u{7c98}\xb0\n", b"\xd5\xb3\xb0\n", true),
        ("utf-16le", r"OK\n", b"O\0K\0\n\0", true),
        ("utf-16le", "re:O.K", b"O\0K\0", true),
        ("latin1", "re:é", b"\xe9", false),
        ("latin1", "é", b"\xe9", true),
    ];
    for (encoding, text, bytes, met) in table {
        let encoding = encoding.parse().expect("a label");
        let mut expect = Expect::new(vec![Pattern::parse_in(text, encoding).expect("a valid pattern")]);
        assert_eq!(expect.feed(bytes), *met, "{text} in {encoding}");
    }
    let invalid = Pattern::parse_in("a漢", "latin1".parse().expect("a label")).expect_err("no kanji in latin1");
    assert_eq!(invalid.at, Some(1));
}

#[test]
fn a_pattern_prints_as_written() {
    for text in [r"a\n\x00", "re:a+b", "r"] {
        assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
    }
}

#[test]
fn memory_is_bounded_and_the_tail_is_what_came_last() {
    for patterns in [&["never"][..], &["re:never"], &[], &["x", "never"]] {
        let mut expect = expect(patterns);
        let chunk: Vec<u8> = (0..200_000u32).map(|n| if n == 0 { b'x' } else { b'0' + (n % 10) as u8 }).collect();
        for _ in 0..10 {
            expect.feed(&chunk);
            expect.feed(b"yz");
            assert!(expect.kept.capacity() <= 8 * WINDOW_BYTES);
            assert_eq!(expect.tail().len(), TAIL_BYTES);
            assert!(expect.tail().ends_with(b"89yz"));
        }
    }
}

#[test]
fn a_regex_finds_what_fits_its_window() {
    let mut bytes = vec![b'.'; 300_000];
    bytes.push(b'<');
    bytes.extend(vec![b'-'; WINDOW_BYTES - 2]);
    bytes.push(b'>');
    for size in [1000, 4096, 65_537, usize::MAX] {
        assert_eq!(outcome(&["re:<-*>"], &bytes, &[size]).0, 1, "{size}");
    }
}

#[test]
fn the_start_of_the_stream_stays_behind() {
    let mut bytes = vec![b'a'; 4 * WINDOW_BYTES];
    bytes.extend_from_slice(b"b");
    assert_eq!(outcome(&["re:^a{0,9}b"], &bytes, &[WINDOW_BYTES]).0, 0);
}

proptest! {
    #[test]
    fn any_chunking_meets_the_same(
        text in "[abc]{0,60}",
        sizes in prop::collection::vec(1usize..8, 1..6),
        patterns in prop::collection::vec(
            prop_oneof!["[abc]{1,4}", prop::sample::select(vec!["re:a+b", "re:(ab|b)c?", "re:a[^b]*b", "re:c.{1,3}a"])
                .prop_map(String::from)],
            0..4,
        ),
    ) {
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let whole = outcome(&patterns, text.as_bytes(), &[usize::MAX]);
        prop_assert_eq!(outcome(&patterns, text.as_bytes(), &sizes), whole.clone());
        prop_assert_eq!(outcome(&patterns, text.as_bytes(), &[1]), whole);
    }

    #[test]
    fn literals_are_found_where_plain_search_finds_them(text in "[ab]{0,40}", first in "[ab]{1,3}", second in "[ab]{1,3}") {
        let after = text.split_once(&first).map(|(_, after)| after);
        let met = match after.map(|after| after.contains(&second)) {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        };
        prop_assert_eq!(outcome(&[&first, &second], text.as_bytes(), &[3]).0, met);
    }
}
