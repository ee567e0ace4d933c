//! Replacing: over chunks, in time, in frames.

use proptest::prelude::*;
use regex::bytes::RegexBuilder;

use super::super::seeker::MATCH_BYTES;
use crate::pipe::Ledger;
use crate::pipe::tests::{Run, check, framed, plan};

/// What comes of a text that is pushed in chunks of these sizes.
fn replaced(framing: &str, spec: &str, text: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut run = Run::new(&framed(framing, &[spec]));
    let (mut rest, mut sizes) = (text, sizes.iter().cycle());
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at((*sizes.next().expect("sizes")).clamp(1, rest.len()));
        run.push(0, chunk);
        rest = behind;
    }
    run.end(0);
    let text: String = run.came.iter().map(|(_, item)| &item[..]).collect();
    crate::text::unescape(text.strip_suffix("<end>").expect("an end")).expect("escapes")
}

#[test]
fn matches_are_replaced_over_chunk_boundaries() {
    let table: &[(&str, &str, &str)] = &[
        ("replace=cat,match=dog", "a dog, dodog", "a cat, docat"),
        ("replace=,match=dog", "a dog", "a "),
        (r"replace=\x2c,match=dog", "dog", ","),
        ("replace=<$0>,match=re:a+", "baaac", "b<aaa>c"),
        ("replace=$2-$1,match=re:(\\w+)@(\\w+)", "x joe@home!", "x home-joe!"),
        ("replace=$1,match=lit$", "lit$", "$1"),
        ("replace=X,match=re:^a", "aa\na", "Xa\na"),
        ("replace=X,match=re:(?m)^a", "aa\na", "Xa\nX"),
        (r"replace=X,match=re:\bcat\b", "cat concat cat", "X concat X"),
        ("replace=X,match=re:ab|abcd", "abcd", "Xcd"),
        ("replace=X,match=re:abcd|ab", "abcabcd", "XcX"),
        ("replace=X,match=re:a.*?b", "aab ab", "X X"),
        ("replace=aa,match=a", "aa", "aaaa"),
    ];
    for (spec, text, due) in table {
        for sizes in [&[1usize][..], &[2], &[3, 1], &[100]] {
            let came = replaced("none", spec, text.as_bytes(), sizes);
            assert_eq!(came.escape_ascii().to_string(), due.as_bytes().escape_ascii().to_string(), "{spec} {sizes:?}");
        }
    }
}

#[test]
fn only_what_may_still_match_is_held_and_not_for_long() {
    check(&plan(&["replace=X,match=dog"]), &[(0, "ado"), (9, "g")], &[(0, "a"), (9, "X")]);
    check(&plan(&["replace=X,match=dog"]), &[(0, "ado"), (300, "g")], &[(0, "a"), (200, "do"), (300, "g")]);
    check(&plan(&["replace=X,match=re:a+"]), &[(0, "baa"), (1, "ab")], &[(0, "b"), (1, "Xb")]);
    check(&plan(&["replace=X,match=re:a+"]), &[(0, "baa")], &[(0, "b"), (200, "X")]);
    check(&plan(&["replace=X,match=dog"]), &[(0, "do"), (5, "<end>")], &[(5, "do"), (5, "<end>")]);
    check(&plan(&["replace=X,from=1,match=aa"]), &[(0, "aaa")], &[(0, "a"), (0, "X")]);
    check(&plan(&["replace=X,to=3,match=aa"]), &[(0, "aaaa")], &[(0, "X"), (0, "a"), (0, "a")]);
}

#[test]
fn a_match_is_found_up_to_a_length_and_memory_is_bounded() {
    let table = [(MATCH_BYTES, "X".to_string()), (4 * MATCH_BYTES, format!("<{}>", ".".repeat(4 * MATCH_BYTES - 2)))];
    for (len, due) in table {
        let text = format!("<{}>", ".".repeat(len - 2));
        let came = replaced("none", "replace=X,match=re:<[^>]*>", text.as_bytes(), &[1000]);
        assert_eq!(came.len(), due.len());
    }
    let mut run = Run::new(&plan(&["replace=X,match=re:<[^>]*>"]));
    run.push(0, &[b'<'; 3 * MATCH_BYTES]);
    assert!(run.pipe.ledger().held <= 2 * MATCH_BYTES as u64);
}

#[test]
fn no_peer_can_make_the_search_slow() {
    // Followed anew from each byte, this would be a hundred million steps a time.
    let spec = "replace=X,match=re:a*b";
    let mut text = vec![b'a'; MATCH_BYTES - 1];
    text.push(b'c');
    let text = text.repeat(20);
    let began = tokio::time::Instant::now();
    assert_eq!(replaced("none", spec, &text, &[1000]), text);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn frames_are_made_anew() {
    let table: &[(&str, &str, &[u8], &[u8])] = &[
        ("length:u16be", "replace=horse,match=cat", b"\0\x05a cat\0\x01x", b"\0\x07a horse\0\x01x"),
        ("length:u8+offset=2", "replace=,match=ab", b"hh\x03abc", b"hh\x01c"),
        ("length:u8+adj=-1", "replace=XX,match=re:.", b"\x02a", b"\x03XX"),
        ("varint", "replace=abc,match=x", b"\x01x", b"\x03abc"),
        ("netstring", "replace=abc,match=x", b"1:x,2:yy,", b"3:abc,2:yy,"),
        ("line", "replace=end,match=re:x$", b"x\nax\nx", b"end\naend\nend"),
        // It is not found across frames, nor in a header.
        ("line", "replace=Z,match=xy", b"x\ny\nxy\n", b"x\ny\nZ\n"),
        ("length:u8", "replace=Z,match=re:.", b"\x01a", b"\x01Z"),
        // It does not fit.
        ("fixed:3", "replace=ZZ,match=a", b"abc", b"abc"),
        ("fixed:3", "replace=Z,match=a", b"abc", b"Zbc"),
        ("cobs", "replace=bb,match=a", b"\x02a\0", b"\x03bb\0"),
        // A broken stream goes on as it is.
        ("netstring", "replace=Z,match=x", b"1:x,oops,1:x,", b"1:Z,oops,1:x,"),
        ("length:u16be", "replace=Z,match=x", b"\0\x05xx", b"\0\x05xx"),
    ];
    for (framing, spec, bytes, due) in table {
        for sizes in [&[1usize][..], &[2], &[100]] {
            let came = replaced(framing, spec, bytes, sizes);
            assert_eq!(came.escape_ascii().to_string(), due.escape_ascii().to_string(), "{framing} {spec} {sizes:?}");
        }
    }
}

#[test]
fn a_frame_that_is_too_long_goes_on_as_it_is() {
    let mut frame = 200_000u32.to_be_bytes().to_vec();
    frame.resize(200_004, b'x');
    let mut run = Run::new(&framed("length:u32be", &["replace=Z,match=x"]));
    frame.chunks(10_000).for_each(|chunk| run.push(0, chunk));
    run.push(0, b"\0\0\0\x01x");
    let ledger = run.pipe.ledger();
    assert_eq!((ledger.pushed, ledger.held), (200_009, 0));
    assert_eq!(run.came.last(), Some(&(0, r"\x00\x00\x00\x01Z".to_string())));
    assert_eq!(ledger, Ledger { written: 200_009, added: 5, dropped: 5, ..ledger });
}

proptest! {
    #[test]
    fn any_chunking_replaces_what_the_regex_does(
        text in "[abc\n]{0,60}",
        sizes in prop::collection::vec(1usize..8, 1..6),
        regex in prop::sample::select(vec![
            "ab", "a+b", "(ab|b)c?", "a[^b]*b", "c.{1,3}a", r"\bab", "(?m)^b", r"\Aa", "abc|a", "a|abc", "a*?b", "(a|b)+c", r"c\b",
        ]),
    ) {
        let oracle = RegexBuilder::new(regex).unicode(false).dot_matches_new_line(true).build().expect("a regex");
        let due = oracle.replace_all(text.as_bytes(), &b"<$0>"[..]).into_owned();
        let came = replaced("none", &format!("replace=<$0>,match=re:{regex}"), text.as_bytes(), &sizes);
        prop_assert_eq!(came.escape_ascii().to_string(), due.escape_ascii().to_string());
    }
}
