//! What is sent, and that framing gives it back.

use super::*;

#[test]
fn payloads_are_framed() {
    let table: [(&str, &[u8], &[u8]); 29] = [
        ("none", b"hello", b"hello"),
        ("none", b"", b""),
        ("line", b"hello", b"hello\n"),
        ("line", b"hello\n", b"hello\n"),
        ("line", b"hello\n\n", b"hello\n\n"),
        ("line", b"a\nb", b"a\nb\n"),
        ("line", b"", b"\n"),
        ("crlf", b"PING", b"PING\r\n"),
        ("crlf", b"PING\r\n", b"PING\r\n"),
        ("crlf", b"PING\n", b"PING\n\r\n"),
        ("delim:0x03", b"a", b"a\x03"),
        ("delim:0x03", b"a\x03", b"a\x03"),
        ("fixed:5", b"hello", b"hello"),
        ("length:u16be", b"hello", b"\0\x05hello"),
        ("length:u16be", b"", b"\0\0"),
        ("length:u8", b"a", b"\x01a"),
        ("length:u24be", b"ab", b"\0\0\x02ab"),
        ("length:u32le+adj=-4", b"ab", b"\x06\0\0\0ab"),
        ("length:u16be+offset=4", b"\0\x01\0\0\x11\x03", b"\0\x01\0\0\0\x02\x11\x03"),
        ("length:u8+offset=2+adj=1", b"xya", b"xy\0a"),
        ("varint", &[b'a'; 128], &[&b"\x80\x01"[..], &[b'a'; 128]].concat()),
        ("netstring", b"hello", b"5:hello,"),
        ("netstring", b"", b"0:,"),
        ("slip", b"a\xc0b\xdb", b"a\xdb\xdcb\xdb\xdd\xc0"),
        ("cobs", b"ab\0c", b"\x03ab\x02c\0"),
        ("cobs", b"", b"\x01\0"),
        ("idle:50ms", b"hello", b"hello"),
        ("json", b"{}", b"{}\n"),
        ("json", b"{}\n", b"{}\n"),
    ];
    for (spec, payload, sent) in table {
        assert_eq!(framing(spec).encode(payload).as_deref(), Ok(sent), "{spec}");
    }
}

#[test]
fn checksums_come_before_the_framing() {
    let table: [(&str, Checksum, &[u8], &[u8]); 7] = [
        ("none", Checksum::Crc16Modbus, b"123456789", b"123456789\x37\x4b"),
        ("line", Checksum::Xor8, b"ab", b"ab\x03\n"),
        ("line", Checksum::Xor8, b"ab\n", b"ab\x03\n"),
        // The sum is a newline, but not the one that ends the frame.
        ("line", Checksum::Sum8, b"\x05\x05", b"\x05\x05\n\n"),
        ("length:u8+offset=2", Checksum::Sum8, b"xy\x01\x02", b"xy\x03\x01\x02\x03"),
        ("fixed:3", Checksum::Sum8, b"\x01\x02", b"\x01\x02\x03"),
        ("slip", Checksum::Sum8, b"\xbf\x01", b"\xbf\x01\xdb\xdc\xc0"),
    ];
    for (spec, checksum, payload, sent) in table {
        let framing = framing(spec).with_checksum(Some(checksum));
        assert_eq!(framing.encode(payload).as_deref(), Ok(sent), "{spec}");
    }
}

#[test]
fn what_no_frame_can_be_is_refused() {
    let table: [(&str, &[u8], &str); 14] = [
        ("fixed:5", b"hi", "it has 2 bytes, and fixed:5 frames have 5"),
        ("fixed:1", b"hi", "it has 2 bytes, and fixed:1 frames have 1"),
        ("length:u8", &[b'a'; 256], "its length of 256 does not fit length:u8"),
        ("length:u8+adj=-1", &[b'a'; 255], "its length of 256 does not fit length:u8+adj=-1"),
        ("length:u8+adj=3", b"ab", "its 2 bytes less adj=3 are below zero"),
        ("length:u16be+offset=4", b"abc", "it has 3 bytes, and 4 come before the length"),
        ("slip", b"", "it is empty, and two ENDs in a row are no frame by slip"),
        ("line", &[b'a'; 1001], "its 1001 bytes are over the frame's maximum of 1000"),
        ("json", &[b'a'; 1001], "its 1001 bytes are over the frame's maximum of 1000"),
        ("varint", &[b'a'; 1001], "its 1001 bytes are over the frame's maximum of 1000"),
        ("netstring", &[b'a'; 1001], "its 1001 bytes are over the frame's maximum of 1000"),
        ("slip", &[0xc0; 501], "its 1002 bytes are over the frame's maximum of 1000"),
        ("cobs", &[b'a'; 1000], "its 1004 bytes are over the frame's maximum of 1000"),
        ("idle:1s", &[b'a'; 1001], "its 1001 bytes are over the frame's maximum of 1000"),
    ];
    for (spec, payload, problem) in table {
        let invalid = framing(spec).with_max_bytes(1000).encode(payload).unwrap_err();
        assert_eq!((invalid.what, &*invalid.problem), ("payload", problem), "{spec}");
        assert!(invalid.to_string().len() < 250);
    }
    let summed = framing("fixed:5").with_checksum(Some(Checksum::Crc32)).encode(b"hello").unwrap_err();
    assert_eq!(
        summed.to_string(),
        "invalid payload \"hello\": it has 9 bytes with its checksum of 4, and fixed:5 frames have 5; send 1 byte"
    );
    // The maximum is for each frame of what has several, and what is not framed has none.
    let lines = [&[b'a'; 900][..], &[b'a'; 900]].join(&b'\n');
    assert_eq!(framing("line").with_max_bytes(1000).encode(&lines).map(|sent| sent.len()), Ok(1802));
    assert_eq!(framing("none").with_max_bytes(1000).encode(&lines).map(|sent| sent.len()), Ok(1801));
    assert_eq!(framing("json").with_max_bytes(1000).encode(&lines).map(|sent| sent.len()), Ok(1802));
}

/// Frames what was encoded and insists on one frame that has it all.
fn back(framing: &Framing, payload: &[u8], sent: &[u8], sizes: &[usize]) {
    let outcome = outcome(framing, sent, sizes);
    let expected = if framing.checksum.is_some() { Some(Verdict::Right) } else { None };
    let [frame] = &outcome.frames[..] else { panic!("{framing} makes one frame of {payload:?}, not {outcome:?}") };
    assert_eq!((&frame.payload[..], &frame.whole[..]), (payload, sent), "{framing}");
    assert_eq!((frame.kind, frame.checksum), (FrameKind::Whole, expected), "{framing}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn framing_gives_back_what_was_encoded(
        payload in bytes(30),
        before in prop::collection::vec(any::<u8>(), 3),
        sizes in sizes(),
        checksum in prop::option::of(prop::sample::select(vec![
            Checksum::Crc16Modbus, Checksum::Crc32, Checksum::Sum8, Checksum::Xor8, Checksum::Lrc,
        ])),
    ) {
        for spec in SPECS.into_iter().filter(|spec| !matches!(*spec, "none" | "json" | "fixed:1" | "fixed:7")) {
            let framing = framing(spec).with_checksum(checksum);
            let delimiter = match &framing.rule {
                Rule::Line => Some(&b"\n"[..]),
                Rule::Crlf => Some(&b"\r\n"[..]),
                Rule::Delimiter(bytes) => Some(&bytes[..]),
                _ => None,
            };
            let given = if spec.contains("offset=3") { [&before[..], &payload].concat() } else { payload.clone() };
            let Ok(sent) = framing.encode(&given) else {
                prop_assert!(payload.is_empty() && spec == "slip" || spec.starts_with("length:u8"), "{}", spec);
                continue;
            };
            if let Some(delimiter) = delimiter {
                // What ends before its end makes more frames, and a payload may end with the delimiter.
                let first = memchr::memmem::find(&sent, delimiter).map(|at| at + delimiter.len());
                if first != Some(sent.len()) || payload.ends_with(delimiter) {
                    continue;
                }
            }
            // Silence alone is no frame.
            if !sent.is_empty() {
                back(&framing, &payload, &sent, &sizes);
            }
        }
    }

    #[test]
    fn fixed_frames_and_json_values_come_back(
        payload in prop::collection::vec(any::<u8>(), 1..40),
        text in r#"\{("[a-z]{0,3}(\\["\\])?[\]}]?":[0-9]{1,3},?|\[\]){0,4}\}|\[[0-9 ,]{0,9}\]|"[^"\\]{0,9}""#,
        word in "[a-z0-9.-]{1,9}",
        sizes in sizes(),
    ) {
        let fixed = Framing::new(Rule::Fixed(payload.len()));
        back(&fixed, &payload, &fixed.encode(&payload).unwrap(), &sizes);
        for value in [text, word] {
            let json = framing("json");
            let sent = json.encode(value.as_bytes()).unwrap();
            let outcome = outcome(&json, &sent, &sizes);
            prop_assert_eq!(outcome.payloads(), [value.as_bytes(), b"\n"]);
            prop_assert_eq!(outcome.kinds(), [FrameKind::Whole, FrameKind::Gap]);
        }
    }
}

#[test]
fn an_unfinished_json_value_is_refused_where_its_newline_does_not_fit() {
    let framing = "json".parse::<Framing>().expect("good").with_max_bytes(5);
    assert_eq!(framing.encode(b"[123]").as_deref(), Ok(&b"[123]\n"[..]));
    assert!(framing.encode(b"[1234").is_err());
}
