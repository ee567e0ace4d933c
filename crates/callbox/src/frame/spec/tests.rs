//! Specs that are read, printed, and refused with a place and advice.

use super::super::Checksum;
use super::*;
use proptest::prelude::*;

fn length(width: Width, offset: usize, adj: i64) -> Rule {
    Rule::Length(LengthField { width, offset, adj })
}

#[test]
fn specs_are_read_and_print_as_the_same() {
    let delimiter = |bytes: &[u8]| Rule::Delimiter(bytes.into());
    let table = [
        ("none", Rule::None, "none"),
        ("line", Rule::Line, "line"),
        ("crlf", Rule::Crlf, "crlf"),
        ("delim:0x03", delimiter(b"\x03"), "delim:0x03"),
        ("delim:0x0D0a", delimiter(b"\r\n"), r"delim:\r\n"),
        (r"delim:\r\n.\r\n", delimiter(b"\r\n.\r\n"), r"delim:\r\n.\r\n"),
        ("delim:|", delimiter(b"|"), "delim:|"),
        ("delim:a:b", delimiter(b"a:b"), "delim:a:b"),
        ("delim: ", delimiter(b" "), "delim:0x20"),
        (r"delim:\x30x1", delimiter(b"0x1"), r"delim:\x30x1"),
        ("delim:0", delimiter(b"0"), "delim:0"),
        ("fixed:20", Rule::Fixed(20), "fixed:20"),
        ("fixed:4Ki", Rule::Fixed(4096), "fixed:4096"),
        ("length:u8", length(Width::U8, 0, 0), "length:u8"),
        ("length:u16be", length(Width::U16(ByteOrder::Big), 0, 0), "length:u16be"),
        ("length:u24le", length(Width::U24(ByteOrder::Little), 0, 0), "length:u24le"),
        ("length:u32le+adj=-4", length(Width::U32(ByteOrder::Little), 0, -4), "length:u32le+adj=-4"),
        ("length:u64be+adj=0+offset=4", length(Width::U64(ByteOrder::Big), 4, 0), "length:u64be+offset=4"),
        ("length:u16be+offset=4+adj=2", length(Width::U16(ByteOrder::Big), 4, 2), "length:u16be+offset=4+adj=2"),
        ("varint", Rule::Varint, "varint"),
        ("netstring", Rule::Netstring, "netstring"),
        ("slip", Rule::Slip, "slip"),
        ("cobs", Rule::Cobs, "cobs"),
        ("idle:50ms", Rule::Idle(Duration::from_millis(50)), "idle:50ms"),
        ("idle:1m30s", Rule::Idle(Duration::from_secs(90)), "idle:90s"),
        ("idle:1.5ms", Rule::Idle(Duration::from_micros(1500)), "idle:1500us"),
        ("idle:1ns", Rule::Idle(Duration::from_nanos(1)), "idle:1ns"),
        ("json", Rule::Json, "json"),
    ];
    for (text, rule, printed) in table {
        let framing: Framing = text.parse().unwrap();
        assert_eq!(framing, Framing::new(rule), "{text}");
        assert_eq!(framing.to_string(), printed);
        assert_eq!(printed.parse().as_ref(), Ok(&framing));
    }
}

#[test]
fn what_is_no_spec_is_pointed_at_with_advice() {
    let table = [
        ("", 0, "write none, line"),
        (":20", 0, "write none, line"),
        ("lines", 0, "did you mean line?"),
        ("LINE", 0, "did you mean line?"),
        ("nestring", 0, "did you mean netstring?"),
        ("ndjson", 0, "did you mean json?"),
        ("lenght:u16be", 0, "did you mean length:u16be?"),
        ("packets", 0, "write none, line"),
        ("line:80", 4, "write line"),
        ("slip:", 4, "write slip"),
        ("delim", 5, "delim:0x03"),
        ("delim:", 6, "delim:0x03"),
        ("delim:0x", 6, "delim:0x03"),
        ("delim:0x3", 8, "delim:0x03"),
        ("delim:0x0g", 9, "delim:0x03"),
        (r"delim:ab\q", 8, r"write \\ for a backslash"),
        ("fixed", 5, "fixed:20"),
        ("fixed:0", 6, "fixed:20"),
        ("fixed:-1", 6, "fixed:20"),
        ("fixed:twenty", 6, "fixed:20"),
        ("fixed:65MiB", 6, "fixed:20"),
        ("length", 6, "u16be"),
        ("length:", 7, "u16be"),
        ("length:u16", 10, "write length:u16be"),
        ("length:u32+adj=4", 10, "write length:u32be"),
        ("length:u8be", 9, "write length:u8"),
        ("length:u16eb", 7, "did you mean length:u16be?"),
        ("length:i16be", 7, "did you mean length:u16be?"),
        ("length:4", 7, "u16be"),
        ("length:u16be+", 13, "offset=4"),
        ("length:u16be+adj", 17, "adj=-4"),
        ("length:u16be+adj=", 17, "adj=-4"),
        ("length:u16be+adj=+4", 17, "adj=-4"),
        ("length:u16be+adj=four", 17, "adj=-4"),
        ("length:u16be+ofset=4", 13, "write offset=4"),
        ("length:u16be+mask=4", 13, "offset=4 or adj=-4"),
        ("length:u16be+adj=1+adj=2", 19, "write it once"),
        ("length:u16be+offset=-4", 20, "offset=4"),
        ("length:u16be+offset=70000", 20, "offset=4"),
        ("idle", 4, "idle:50ms"),
        ("idle:0", 5, "idle:50ms"),
        ("idle:soon", 5, "idle:50ms"),
        ("idle:5 sec", 7, "idle:50ms"),
    ];
    for (text, at, advice) in table {
        let invalid = text.parse::<Framing>().unwrap_err();
        assert_eq!(invalid.at, Some(at.min(text.len())), "{invalid}");
        assert!(invalid.instead.as_deref().unwrap_or_default().contains(advice), "{invalid}");
        assert_eq!((invalid.what, &*invalid.input), (WHAT, text));
    }
    assert_eq!(
        "length:u16".parse::<Framing>().unwrap_err().to_string(),
        "invalid frame spec \"length:u16\": which end comes first? at byte 10; \
         write length:u16be, as most protocols have it, or length:u16le"
    );
}

#[test]
fn what_can_frame_nothing_is_refused() {
    let framing = |text: &str| text.parse::<Framing>().unwrap();
    let refused = [
        Framing::new(Rule::Delimiter(Box::new([]))),
        Framing::new(Rule::Delimiter(vec![0; MOST_DELIMITER_BYTES + 1].into())),
        Framing::new(Rule::Fixed(0)),
        Framing::new(Rule::Idle(Duration::ZERO)),
        Framing::new(length(Width::U8, MOST_OFFSET_BYTES + 1, 0)),
        framing("fixed:20").with_max_bytes(19),
        framing("fixed:3").with_checksum(Some(Checksum::Crc32)),
        framing("json").with_checksum(Some(Checksum::Sum8)),
    ];
    for framing in refused {
        let invalid = framing.check().unwrap_err();
        assert_eq!(framing.encode(b"{}").unwrap_err(), invalid);
        let mut framer = super::super::Framer::new(&framing);
        let mut input = &b"{}"[..];
        assert!(framer.next(tokio::time::Instant::now(), &mut input).is_err(), "{framing}");
        assert_eq!(framer.finish(), None);
        assert_eq!((input, framer.held()), (&b"{}"[..], &b""[..]));
    }
    for fine in ["none", "line", "fixed:20", "json", "length:u8+offset=65536"] {
        assert_eq!(framing(fine).check(), Ok(()));
    }
    assert_eq!(framing("fixed:4").with_checksum(Some(Checksum::Crc32)).check(), Ok(()));
}

#[test]
fn the_maximum_stays_within_its_limits() {
    let max = |bytes| Framing::none().with_max_bytes(bytes).max_bytes;
    assert_eq!((max(0), max(7), max(usize::MAX)), (1, 7, MOST_FRAME_BYTES));
}

proptest! {
    #[test]
    fn texts_of_any_sort_are_read_or_refused_within(
        text in prop_oneof![
            any::<String>(),
            "(none|line|crlf|delim|fixed|length|varint|idle|json|slip)?(:.{0,12})?",
            r"length:u?[0-9]{0,2}(be|le)?(\+(adj|offset)?=?-?[0-9]{0,5}){0,3}",
            r"delim:(0x)?[0-9a-f]{0,6}",
        ],
    ) {
        match text.parse::<Framing>() {
            Ok(framing) => prop_assert_eq!(framing.to_string().parse(), Ok(framing)),
            Err(invalid) => {
                let at = invalid.at.expect("a spec has a place");
                prop_assert!(text.is_char_boundary(at), "{}", invalid);
                prop_assert!(invalid.instead.is_some(), "{}", invalid);
                prop_assert_eq!(invalid.input, text);
            }
        }
    }

    #[test]
    fn rules_made_in_code_print_so_that_they_are_read_again(
        delimiter in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'0'), Just(b'x'), Just(b'\\')], 1..6),
        bytes in 1..=MOST_FRAME_BYTES,
        offset in 0..=MOST_OFFSET_BYTES,
        adj: i64,
        width in prop::sample::select(FIELDS.to_vec()),
        silence in 1u64..1_000_000_000_000,
    ) {
        for rule in [
            Rule::Delimiter(delimiter.into()),
            Rule::Fixed(bytes),
            length(width.1, offset, adj),
            Rule::Idle(Duration::from_nanos(silence)),
        ] {
            let framing = Framing::new(rule);
            prop_assert_eq!(framing.to_string().parse(), Ok(framing));
        }
    }
}
