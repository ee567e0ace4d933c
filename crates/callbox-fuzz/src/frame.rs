//! Framers: any chunking gives the same frames, no byte is lost, memory is bounded, what was encoded comes back.
//!
//! Input: the rule, the maximum, the checksum, the chunking, then the stream.

use callbox::frame::{Checksum, Framing, MAX_FRAME_BYTES, Rule};

use crate::input::{Input, chunks};

mod back;
mod outcome;
mod silence;

use outcome::Outcome;

/// Lines.
pub fn line(data: &[u8]) {
    check(&["line"], data);
}

/// Lines of the internet's protocols.
pub fn crlf(data: &[u8]) {
    check(&["crlf"], data);
}

/// Delimiters, some of which overlap themselves.
pub fn delim(data: &[u8]) {
    check(&["delim:0x03", "delim:aa", "delim:aab", "delim:abab", r"delim:\r\n.\r\n", "delim:0x00"], data);
}

/// Frames of one length.
pub fn fixed(data: &[u8]) {
    check(&["fixed:1", "fixed:3", "fixed:7", "fixed:20"], data);
}

/// Length fields.
pub fn length(data: &[u8]) {
    let specs = [
        "length:u8",
        "length:u8+adj=-1",
        "length:u8+offset=3+adj=2",
        "length:u16be",
        "length:u16be+offset=4",
        "length:u16le+adj=-2",
        "length:u24be",
        "length:u24le",
        "length:u32be",
        "length:u32le+adj=-4",
        "length:u64be",
        "length:u64le+adj=9223372036854775807",
        "length:u64be+adj=-9223372036854775808",
    ];
    check(&specs, data);
}

/// LEB128.
pub fn varint(data: &[u8]) {
    check(&["varint"], data);
}

/// Netstrings.
pub fn netstring(data: &[u8]) {
    check(&["netstring"], data);
}

/// SLIP.
pub fn slip(data: &[u8]) {
    check(&["slip"], data);
}

/// COBS.
pub fn cobs(data: &[u8]) {
    check(&["cobs"], data);
}

/// Silence.
pub fn idle(data: &[u8]) {
    check(&["idle:50ms"], data);
    silence::check(data);
}

/// JSON values.
pub fn json(data: &[u8]) {
    check(&["json"], data);
}

/// Chunks as they come.
pub fn none(data: &[u8]) {
    check(&["none"], data);
}

const MAXIMA: [usize; 10] = [MAX_FRAME_BYTES, 0, 1, 2, 3, 4, 5, 12, 255, usize::MAX];
const CHECKSUMS: [Option<Checksum>; 6] = [
    None,
    Some(Checksum::Crc16Modbus),
    Some(Checksum::Crc32),
    Some(Checksum::Sum8),
    Some(Checksum::Xor8),
    Some(Checksum::Lrc),
];

fn check(specs: &[&str], data: &[u8]) {
    let mut input = Input::new(data);
    let framing: Framing = input.choose(specs).parse().expect("a spec");
    // Any value of a public field is one to work with.
    let (max_bytes, checksum) = (input.choose(&MAXIMA), input.choose(&CHECKSUMS));
    let framing = Framing { max_bytes, checksum, ..framing };
    let chosen = input.byte();
    let stream = input.rest();
    let pieces = chunks(stream, chosen);
    let once = Outcome::of(&framing, &[stream]);
    let cut = Outcome::of(&framing, &pieces);
    if framing.rule == Rule::None {
        assert!(framing.check().is_err() || cut.wholes() == pieces, "chunks pass as they come");
    } else {
        assert_eq!(cut.frames_alone(), once.frames_alone(), "chunks mean nothing to {framing}");
        let single = Outcome::of(&framing, &chunks(stream, 0));
        assert_eq!(single.frames_alone(), once.frames_alone(), "chunks mean nothing to {framing}");
    }
    back::check(&framing, stream, chosen);
}
