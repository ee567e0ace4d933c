//! Where each rule cuts.

use super::FrameKind::{Chunk, Gap, Malformed, Partial, Whole};
use super::*;

/// Spec, stream, payloads, and what each frame is.
type Row = (&'static str, &'static [u8], &'static [&'static [u8]], &'static [FrameKind]);

fn check(table: &[Row]) {
    for (spec, stream, payloads, kinds) in table {
        let outcome = frames(&framing(spec), stream);
        assert_eq!(outcome.payloads(), *payloads, "{spec} {}", stream.escape_ascii());
        assert_eq!(outcome.kinds(), *kinds, "{spec} {}", stream.escape_ascii());
        assert_eq!(outcome.error, None);
    }
}

#[test]
fn delimiters_end_frames() {
    check(&[
        ("line", b"", &[], &[]),
        ("line", b"a\nb\r\n\nc", &[b"a", b"b\r", b"", b"c"], &[Whole, Whole, Whole, Partial]),
        ("crlf", b"a\nb\rc\r\r\n\r\nd\r", &[b"a\nb\rc\r", b"", b"d\r"], &[Whole, Whole, Partial]),
        ("delim:0x03", b"a\x03\x03b", &[b"a", b"", b"b"], &[Whole, Whole, Partial]),
        (r"delim:\r\n.\r\n", b"a\r\n\r\n.\r\nb\r\n.\r\n", &[b"a\r\n", b"b"], &[Whole, Whole]),
        ("delim:aa", b"aaaxaa", &[b"", b"ax"], &[Whole, Whole]),
        ("delim:aab", b"aaab", &[b"a"], &[Whole]),
    ]);
}

#[test]
fn lengths_end_frames() {
    check(&[
        ("fixed:3", b"abcdefg", &[b"abc", b"def", b"g"], &[Whole, Whole, Partial]),
        ("length:u8", b"\x00\x02ab\x01", &[b"", b"ab", b""], &[Whole, Whole, Partial]),
        ("length:u16be", b"\0\x05hello\0\x02h", &[b"hello", b"h"], &[Whole, Partial]),
        ("length:u16le", b"\x01\0a", &[b"a"], &[Whole]),
        ("length:u24be", b"\0\0\x01a", &[b"a"], &[Whole]),
        ("length:u24le", b"\x01\0\0a\x01\0", &[b"a", b""], &[Whole, Partial]),
        ("length:u32le+adj=-4", b"\x06\0\0\0ab\x04\0\0\0", &[b"ab", b""], &[Whole, Whole]),
        ("length:u64be", b"\0\0\0\0\0\0\0\x01a", &[b"a"], &[Whole]),
        ("length:u64le", b"\x01\0\0\0\0\0\0\0a", &[b"a"], &[Whole]),
        // Modbus/TCP: transaction and protocol, then the length of unit and request.
        (
            "length:u16be+offset=4",
            b"\0\x01\0\0\0\x06\x11\x03\0\x6b\0\x03\0\x02\0\0\0",
            &[b"\x11\x03\0\x6b\0\x03", b""],
            &[Whole, Partial],
        ),
        ("length:u8+offset=2+adj=3", b"xy\x01abcdz", &[b"abcd", b""], &[Whole, Partial]),
        ("varint", b"\x00\x02ab\x81\x00c\x80", &[b"", b"ab", b"c", b""], &[Whole, Whole, Whole, Partial]),
        ("netstring", b"5:hello,0:,12", &[b"hello", b"", b""], &[Whole, Whole, Partial]),
        ("netstring", b"3:ab", &[b"ab"], &[Partial]),
        ("netstring", b"2:ab", &[b"ab"], &[Partial]),
    ]);
}

#[test]
fn encoded_frames_are_decoded() {
    check(&[
        ("slip", b"ab\xc0c\xdb\xdcd\xdb\xdd\xc0e", &[b"ab", b"c\xc0d\xdb", b"e"], &[Whole, Whole, Partial]),
        ("slip", b"\xc0ab\xc0\xc0cd\xc0", &[b"ab", b"cd"], &[Whole, Whole]),
        ("slip", b"ab\xc0\xc0\xc0", &[b"ab", b"\xc0\xc0"], &[Whole, Gap]),
        ("slip", b"\xc0", &[b"\xc0"], &[Gap]),
        ("slip", b"a\xdbbc\xc0", &[b"a\xdbbc"], &[Malformed]),
        ("slip", b"\xc0a\xdb\xc0b\xc0", &[b"a\xdb", b"b"], &[Malformed, Whole]),
        ("cobs", b"\x03ab\x02c\0\x01\0\x02d", &[b"ab\0c", b"", b"\x02d"], &[Whole, Whole, Partial]),
        ("cobs", b"\0\0\x02a\0\0", &[b"a", b"\0"], &[Whole, Gap]),
        ("cobs", b"\x05ab\0\x02c\0", &[b"\x05ab", b"c"], &[Malformed, Whole]),
    ]);
    let outcome = frames(&framing("slip"), b"\xc0\xc0a\xc0");
    assert_eq!(outcome.frames[0].whole, b"\xc0\xc0a\xc0");
}

#[test]
fn json_values_end_where_they_end() {
    check(&[
        ("json", br#"{"a":[1,{"b":2}]}{"c":3}"#, &[br#"{"a":[1,{"b":2}]}"#, br#"{"c":3}"#], &[Whole, Whole]),
        ("json", b" \r\n\t[1]\n\n[2]\n", &[b"[1]", b"[2]", b"\n"], &[Whole, Whole, Gap]),
        ("json", br#"{"}\"]":"\\"}"x\"y""""#, &[br#"{"}\"]":"\\"}"#, br#""x\"y""#, br#""""#], &[Whole; 3]),
        ("json", b"1 -2.5e3 true\nnull", &[b"1", b"-2.5e3", b"true", b"null"], &[Whole; 4]),
        ("json", b"12[3]4\"5\"6{}7", &[b"12", b"[3]", b"4", b"\"5\"", b"6", b"{}", b"7"], &[Whole; 7]),
        ("json", b"{\"a\":", &[b"{\"a\":"], &[Partial]),
        ("json", b" \"a\\", &[b"\"a\\"], &[Partial]),
        ("json", b"[[1]", &[b"[[1]"], &[Partial]),
        ("json", b"}],:a,]", &[b"}", b"]", b",", b":", b"a", b",", b"]"], &[Whole; 7]),
        ("json", b"\xff\0 garbage\\", &[b"\xff\0", b"garbage\\"], &[Whole; 2]),
        ("json", b"{]", &[b"{]"], &[Whole]),
    ]);
}

#[test]
fn without_a_rule_chunks_pass_as_they_come() {
    let outcome = outcome(&Framing::none().with_checksum(Some(Checksum::Sum8)), b"abcde", &[2]);
    assert_eq!(outcome.payloads(), [&b"ab"[..], b"cd", b"e"]);
    assert_eq!(outcome.kinds(), [Chunk; 3]);
    assert!(outcome.frames.iter().all(|frame| frame.checksum.is_none()), "a chunk may end anywhere");
    assert_eq!(outcome.arrivals, Arrivals { frames: 0, chunks: 3, split: 0, merged: 0 });
}

#[test]
fn checksums_are_taken_off_and_judged() {
    let line = framing("line").with_checksum(Some(Checksum::Xor8));
    let outcome = frames(&line, b"ab\x03\nab\x04\n\nab");
    assert_eq!(outcome.payloads(), [&b"ab"[..], b"ab", b"", b"ab"]);
    let verdicts: Vec<_> = outcome.frames.iter().map(|frame| frame.checksum).collect();
    assert_eq!(verdicts, [Some(Verdict::Right), Some(Verdict::Wrong), Some(Verdict::Wrong), None]);
    // Over what is decoded, not over what is sent.
    let slip = framing("slip").with_checksum(Some(Checksum::Sum8));
    let outcome = frames(&slip, b"\xdb\xdc\x01\xc1\xc0");
    assert_eq!((outcome.payloads()[0], outcome.frames[0].checksum), (&b"\xc0\x01"[..], Some(Verdict::Right)));
}

#[test]
fn what_lies_in_the_input_is_borrowed_from_it() {
    for (spec, stream) in [("line", &b"abc\n"[..]), ("length:u8", b"\x03abc"), ("slip", b"abc\xc0"), ("json", b"[abc]")]
    {
        let mut framer = Framer::new(&framing(spec));
        let mut input = stream;
        let frame = framer.next(Instant::now(), &mut input).unwrap().unwrap();
        assert_eq!((frame.whole.as_ptr(), frame.whole.len()), (stream.as_ptr(), stream.len()), "{spec}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_in_any_chunking_give_the_same_frames(framing in any_framing(), bytes in bytes(60), sizes in sizes()) {
        let once = outcome(&framing, &bytes, &[usize::MAX]);
        if !framing.is_none() {
            prop_assert_eq!(outcome(&framing, &bytes, &sizes).frames_alone(), once.frames_alone());
            prop_assert_eq!(outcome(&framing, &bytes, &[1]).frames_alone(), once.frames_alone());
        }
    }

    #[test]
    fn lines_are_those_of_std(text in "[a\r\n]{0,60}", sizes in sizes()) {
        let outcome = outcome(&framing("line"), text.as_bytes(), &sizes);
        let wholes: Vec<_> = text.split_inclusive('\n').map(|line| line.as_bytes().to_vec()).collect();
        prop_assert_eq!(outcome.frames.into_iter().map(|frame| frame.whole).collect::<Vec<_>>(), wholes);
    }
}
