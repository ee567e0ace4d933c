//! Frames over any chunking, and back.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;

mod arriving;
mod cutting;
mod encoding;
mod limits;
mod silence;

/// A frame that outlives its framer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    whole: Vec<u8>,
    payload: Vec<u8>,
    kind: FrameKind,
    checksum: Option<Verdict>,
    split: bool,
}

impl From<Frame<'_>> for Found {
    fn from(frame: Frame<'_>) -> Found {
        let Frame { whole, payload, kind, checksum, split } = frame;
        Found { whole: whole.to_vec(), payload: payload.to_vec(), kind, checksum, split }
    }
}

/// What came of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    frames: Vec<Found>,
    error: Option<FrameError>,
    held: Vec<u8>,
    arrivals: Arrivals,
}

impl Outcome {
    /// What must not depend on the chunking.
    fn frames_alone(&self) -> (Vec<Found>, Option<FrameError>, Vec<u8>) {
        let frames = self.frames.iter().cloned().map(|frame| Found { split: false, ..frame }).collect();
        (frames, self.error.clone(), self.held.clone())
    }

    fn payloads(&self) -> Vec<&[u8]> {
        self.frames.iter().map(|frame| &frame.payload[..]).collect()
    }

    fn kinds(&self) -> Vec<FrameKind> {
        self.frames.iter().map(|frame| frame.kind).collect()
    }
}

fn framing(spec: &str) -> Framing {
    spec.parse().unwrap_or_else(|invalid| panic!("{invalid}"))
}

/// Frames `bytes` in chunks of `sizes`, in turn, all at one instant; sees to it that no byte is lost.
fn outcome(framing: &Framing, bytes: &[u8], sizes: &[usize]) -> Outcome {
    let at = Instant::now();
    let mut framer = Framer::new(framing);
    let (mut frames, mut error) = (Vec::<Found>::new(), None);
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        let (mut chunk, after) = rest.split_at((*size).clamp(1, rest.len().max(1)).min(rest.len()));
        let whole_chunk = chunk;
        loop {
            match framer.next(at, &mut chunk) {
                Ok(Some(frame)) => {
                    assert!(!frame.whole.is_empty());
                    frames.push(frame.into());
                }
                Ok(None) => break assert!(chunk.is_empty()),
                Err(met) => break error = Some(met),
            }
        }
        rest = if error.is_some() { &rest[whole_chunk.len() - chunk.len()..] } else { after };
        if error.is_some() || rest.is_empty() {
            break;
        }
    }
    let arrivals = framer.arrivals();
    frames.extend(framer.finish().map(Found::from));
    let arrivals = if error.is_some() { arrivals } else { framer.arrivals() };
    let held = framer.held().to_vec();
    assert!(error.is_some() || held.is_empty());
    if let Some(error) = &error {
        let mut more = &b"more"[..];
        assert_eq!(framer.next(at, &mut more).as_ref(), Err(error), "an error stays");
        assert_eq!(framer.finish(), None);
        assert_eq!((more, framer.held()), (&b"more"[..], &held[..]));
    }
    let mut again: Vec<u8> = frames.iter().flat_map(|frame| frame.whole.clone()).collect();
    again.extend_from_slice(&held);
    again.extend_from_slice(rest);
    assert_eq!(again, bytes, "no byte is lost by {framing}");
    Outcome { frames, error, held, arrivals }
}

/// Frames in one chunk, and insists that single bytes and pairs give the same.
fn frames(framing: &Framing, bytes: &[u8]) -> Outcome {
    let once = outcome(framing, bytes, &[usize::MAX]);
    if !framing.is_none() {
        for sizes in [&[1][..], &[2], &[3, 1]] {
            assert_eq!(outcome(framing, bytes, sizes).frames_alone(), once.frames_alone(), "{framing} {sizes:?}");
        }
    }
    once
}

/// Every rule, some with what makes them special.
const SPECS: [&str; 22] = [
    "line",
    "crlf",
    "delim:0x00",
    "delim:aab",
    "delim:aa",
    r"delim:\r\n.\r\n",
    "fixed:1",
    "fixed:7",
    "length:u8",
    "length:u8+adj=-1",
    "length:u8+offset=3+adj=2",
    "length:u16be",
    "length:u24le",
    "length:u32le+adj=-4",
    "length:u64be",
    "varint",
    "netstring",
    "slip",
    "cobs",
    "idle:50ms",
    "json",
    "none",
];

/// Bytes that mean something to one of the rules, and some that do not.
fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let one = prop_oneof![
        4 => prop::sample::select(b"\0\x01\x02\x05\x80\xff\xc0\xdb\xdc\xdd".to_vec()),
        4 => prop::sample::select(b"ab\r\n. \t\"\\{}[],:0123".to_vec()),
        1 => any::<u8>(),
    ];
    let repeated = (one, 1usize..4).prop_map(|(byte, times)| vec![byte; times]);
    let snippet = prop::sample::select(vec!["{\"a\":[1,\"}\"]}", "3:abc,", "\r\n.\r\n", "\n", " \n", "aaab", "12"]);
    let pieces = prop_oneof![6 => repeated, 1 => snippet.prop_map(|text| text.as_bytes().to_vec())];
    prop::collection::vec(pieces, 0..most).prop_map(|pieces| pieces.concat())
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1usize..12, 1..6)
}

fn any_framing() -> impl Strategy<Value = Framing> {
    // Any value of a public field is one to work with.
    let max = prop_oneof![8 => 0usize..12, 4 => Just(MAX_FRAME_BYTES), 1 => Just(usize::MAX)];
    let checksum = prop_oneof![
        3 => Just(None),
        1 => prop::sample::select(vec![Checksum::Crc16Modbus, Checksum::Sum8]).prop_map(Some),
    ];
    (prop::sample::select(SPECS.to_vec()), max, checksum).prop_map(|(spec, max_bytes, checksum)| Framing {
        max_bytes,
        checksum,
        ..framing(spec)
    })
}
