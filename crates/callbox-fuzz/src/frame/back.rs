//! Encode, then frame: the payloads come back.

use callbox::frame::{FrameKind, Framing, Rule, Verdict};

use super::outcome::Outcome;
use crate::input::chunks;

/// Sends both halves of `bytes` as a payload each and frames what was sent.
pub(super) fn check(framing: &Framing, bytes: &[u8], chosen: u8) {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let payloads = [first, second].map(|half| fitting(framing, half));
    let sent: Vec<_> = payloads.iter().filter_map(|given| Some((given, framing.encode(given).ok()?))).collect();
    if framing.check().is_err() {
        return assert!(sent.is_empty(), "{framing} cannot frame");
    }
    for (given, sent) in &sent {
        check_alone(framing, given, sent);
    }
    if !sent.iter().all(|(_, sent)| is_one(framing, sent)) {
        return;
    }
    let stream = sent.iter().flat_map(|(_, sent)| sent.clone()).collect::<Vec<u8>>();
    let outcome = Outcome::of(framing, &chunks(&stream, chosen));
    let verdict = framing.checksum.map(|_| Verdict::Right);
    let due: Vec<_> =
        sent.iter().map(|(given, sent)| (payload_of(framing, given), &sent[..], FrameKind::Whole, verdict)).collect();
    let found: Vec<_> =
        outcome.frames.iter().map(|frame| (&frame.payload[..], &frame.whole[..], frame.kind, frame.checksum)).collect();
    assert_eq!(found, due, "{framing}");
}

/// The other side takes what was sent, whatever it is cut into.
fn check_alone(framing: &Framing, given: &[u8], sent: &[u8]) {
    let outcome = Outcome::of(framing, &[sent]);
    let error = outcome.frames_alone().1;
    if framing.rule != Rule::Json {
        assert_eq!(error, None, "{framing} refuses what it has sent");
        return;
    }
    // What is no value may go on behind its newline.
    if serde_json::from_slice::<serde_json::Value>(given).is_ok() {
        let values: Vec<_> = outcome.frames.iter().filter(|frame| frame.kind.is_frame()).collect();
        let [value] = values[..] else { panic!("{outcome:?} is not one value") };
        assert_eq!((error, &*value.payload, value.kind), (None, given.trim_ascii(), FrameKind::Whole));
    }
}

/// Cuts or fills up what is sent by `fixed`, which takes one length alone.
fn fitting(framing: &Framing, half: &[u8]) -> Vec<u8> {
    let mut payload = half.to_vec();
    if let Rule::Fixed(bytes) = framing.rule {
        let sum = framing.checksum.map_or(0, |checksum| checksum.len());
        payload.resize(bytes.saturating_sub(sum), b'.');
    }
    payload
}

fn delimiter(framing: &Framing) -> Option<&[u8]> {
    match &framing.rule {
        Rule::Line => Some(b"\n"),
        Rule::Crlf => Some(b"\r\n"),
        Rule::Delimiter(bytes) => Some(bytes),
        _ => None,
    }
}

/// Tells whether what was sent is to be one frame: no delimiter before its end, nothing that silence alone sets apart.
fn is_one(framing: &Framing, sent: &[u8]) -> bool {
    match delimiter(framing) {
        Some(delimiter) => {
            sent.windows(delimiter.len()).position(|window| window == delimiter) == Some(sent.len() - delimiter.len())
        }
        None => !matches!(framing.rule, Rule::None | Rule::Json | Rule::Idle(_)),
    }
}

fn payload_of<'a>(framing: &Framing, given: &'a [u8]) -> &'a [u8] {
    match (delimiter(framing), &framing.rule) {
        (Some(delimiter), _) => given.strip_suffix(delimiter).unwrap_or(given),
        (None, Rule::Length(field)) => &given[field.offset..],
        _ => given,
    }
}
