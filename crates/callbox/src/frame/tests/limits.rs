//! Frames over the maximum, headers that are none, and memory.

use super::*;

fn too_large(bytes: u64, max_bytes: usize) -> FrameError {
    FrameError::TooLarge { bytes, max_bytes }
}

#[test]
fn the_maximum_is_that_of_the_payload_on_the_wire() {
    // Each with the longest frame by a maximum of 4, and one that is a byte longer.
    let table: [(&str, &[u8], &[u8]); 12] = [
        ("line", b"abcd\n", b"abcde"),
        ("crlf", b"abcd\r\n", b"abcde\r"),
        ("delim:abab", b"xxxxabab", b"xxxxxaba"),
        ("fixed:4", b"abcd", b""),
        ("length:u16be", b"\0\x04abcd", b"\0\x05"),
        ("length:u8+adj=2", b"\x02abcd", b"\x03"),
        ("varint", b"\x04abcd", b"\x05"),
        ("netstring", b"4:abcd,", b"5:"),
        ("slip", b"\xc0\xc0ab\xdb\xdc\xc0", b"\xc0abc\xdb\xdc"),
        ("cobs", b"\0\x04abc\0", b"\x05abcd"),
        ("idle:50ms", b"abcd", b"abcde"),
        ("json", b"  [12]", b"  [1234"),
    ];
    for (spec, longest, longer) in table {
        let framing = framing(spec).with_max_bytes(4);
        let outcome = frames(&framing, longest);
        assert_eq!((outcome.error, outcome.frames.len()), (None, 1), "{spec}");
        if !longer.is_empty() {
            let outcome = frames(&framing, &[longer, b"more"].concat());
            assert_eq!((outcome.error, &outcome.held[..]), (Some(too_large(5, 4)), longer), "{spec}");
        }
    }
}

#[test]
fn a_declared_length_costs_no_memory() {
    let table: [(&str, &[u8], u64); 6] = [
        ("length:u32be", b"\xff\xff\xff\xff", u64::from(u32::MAX)),
        ("length:u64le", &[0xff; 8], u64::MAX),
        ("length:u64be+adj=-9", &[0xff; 8], u64::MAX - 9),
        ("varint", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", u64::MAX),
        ("netstring", b"9999999999999999999:", 9_999_999_999_999_999_999),
        ("fixed:2M", b"", 2_000_000),
    ];
    for (spec, header, declared) in table {
        let outcome = frames(&framing(spec), &[header, b"and more"].concat());
        assert_eq!(outcome.error, Some(too_large(declared, MAX_FRAME_BYTES)), "{spec}");
        assert_eq!(outcome.held, header);
    }
    let mut framer = Framer::new(&framing("length:u32be"));
    assert_eq!(framer.next(Instant::now(), &mut &b"\0\x10\0\0abc"[..]), Ok(None));
    assert!(framer.held.capacity() < 64);
}

#[test]
fn what_begins_no_frame_is_an_error_with_its_bytes_held() {
    let table: [(&str, &[u8], &str); 13] = [
        ("length:u8+adj=-2", b"\x01", "a length field of 1 with adj=-2 is no length"),
        ("length:u64be+adj=1", &[0xff; 8], "a length field of 18446744073709551615 with adj=1 is no length"),
        ("varint", &[0x80; 10], "a varint over 64 bits"),
        ("varint", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "a varint over 64 bits"),
        ("netstring", b"05", "a netstring's length that begins with 0"),
        ("netstring", b":", "':' in a netstring's length instead of a digit"),
        ("netstring", b"1a", "'a' in a netstring's length instead of a digit or a colon"),
        ("netstring", b"-", "'-' in a netstring's length instead of a digit"),
        ("netstring", b"\n", r"'\n' in a netstring's length instead of a digit"),
        ("netstring", b"\x1b", r"'\x1b' in a netstring's length instead of a digit"),
        ("netstring", b"10000000000000000000", "a netstring's length of more than 19 digits"),
        ("netstring", b"2:abc", "a netstring that ends with 'c' instead of a comma"),
        ("netstring", b"0:\0", r"a netstring that ends with '\x00' instead of a comma"),
    ];
    for (spec, bytes, problem) in table {
        let outcome = frames(&framing(spec), &[bytes, b"more"].concat());
        assert_eq!(outcome.error.map(|error| error.to_string()).as_deref(), Some(problem));
        assert_eq!(outcome.held, bytes, "{spec}");
    }
}

#[test]
fn frames_before_an_error_are_handed_out() {
    let outcome = frames(&framing("length:u16be").with_max_bytes(3), b"\0\x03abc\0\x04defg");
    assert_eq!(outcome.payloads(), [b"abc"]);
    assert_eq!((outcome.error, &outcome.held[..]), (Some(too_large(4, 3)), &b"\0\x04"[..]));
    assert_eq!(outcome.arrivals, Arrivals { frames: 1, chunks: 1, split: 0, merged: 1 });
}

#[test]
fn endless_bytes_between_frames_are_gaps() {
    for (spec, byte, frame) in [("json", b' ', &b"[1]"[..]), ("slip", 0xc0, b"a\xc0"), ("cobs", 0, b"\x02a\0")] {
        let stream = [&vec![byte; 2 * GAP_BYTES + 5], frame].concat();
        let outcome = frames(&framing(spec).with_max_bytes(3), &stream);
        assert_eq!(outcome.kinds(), [FrameKind::Gap, FrameKind::Gap, FrameKind::Whole], "{spec}");
        assert_eq!(outcome.frames[2].whole.len(), frame.len() + 5);
        assert_eq!(outcome.arrivals.frames, 1);
    }
}

#[test]
fn depth_costs_no_memory_and_no_stack() {
    let deep = [vec![b'['; 500_000], vec![b']'; 500_000]].concat();
    assert_eq!(outcome(&framing("json"), &deep, &[usize::MAX]).kinds(), [FrameKind::Whole]);
}

#[test]
fn large_buffers_are_given_back() {
    let mut framer = Framer::new(&framing("line"));
    let line = vec![b'x'; 500_000];
    for mut chunk in [&line[..], b"\n"] {
        while framer.next(Instant::now(), &mut chunk).unwrap().is_some() {}
    }
    assert!(framer.held.capacity() <= 64 * 1024);
}

#[test]
fn single_bytes_cost_linear_time() {
    // By the square of their number, 9 * 10^10, these would take minutes.
    for (spec, byte) in
        [("line", b'x'), ("delim:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy", b'x'), ("json", b'['), ("slip", b'x')]
    {
        let stream = vec![byte; 300_000];
        assert_eq!(outcome(&framing(spec), &stream, &[1]).kinds(), [FrameKind::Partial], "{spec}");
    }
}

proptest! {
    #[test]
    fn memory_stays_within_the_maximum_and_a_header(framing in any_framing(), bytes in bytes(60), sizes in sizes()) {
        let framing = framing.with_max_bytes(8);
        let mut framer = Framer::new(&framing);
        let mut rest = &bytes[..];
        let mut lead = 0;
        'stream: for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (mut chunk, after) = rest.split_at((*size).min(rest.len()));
            loop {
                match framer.next(Instant::now(), &mut chunk) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => break 'stream,
                }
            }
            lead = framer.scan.lead();
            prop_assert!(framer.held.capacity() <= framer.most_bytes.max(8));
            rest = after;
        }
        // A header, or a maximum and a delimiter, is not longer than 20 bytes in any of the rules.
        prop_assert!(framer.held().len() <= 8 + 20 + lead);
    }
}
