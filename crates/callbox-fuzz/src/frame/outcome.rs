//! What comes of a stream, with what holds for every framer.

use callbox::frame::{Arrivals, Frame, FrameError, FrameKind, Framer, Framing, GAP_BYTES, Rule, Verdict};
use tokio::time::Instant;

/// A frame that outlives its framer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) whole: Vec<u8>,
    pub(super) payload: Vec<u8>,
    pub(super) kind: FrameKind,
    pub(super) checksum: Option<Verdict>,
    pub(super) split: bool,
}

impl From<Frame<'_>> for Found {
    fn from(frame: Frame<'_>) -> Found {
        let Frame { whole, payload, kind, checksum, split } = frame;
        Found { whole: whole.to_vec(), payload: payload.to_vec(), kind, checksum, split }
    }
}

/// What came of a stream.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) frames: Vec<Found>,
    error: Option<FrameError>,
    held: Vec<u8>,
}

impl Outcome {
    /// Frames a stream that comes in pieces, all at one instant.
    pub(super) fn of(framing: &Framing, pieces: &[&[u8]]) -> Outcome {
        let at = Instant::now();
        let mut framer = Framer::new(framing);
        let (mut frames, mut error, mut left) = (Vec::new(), None, Vec::new());
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            let mut chunk = *piece;
            while error.is_none() {
                match framer.next(at, &mut chunk) {
                    Ok(Some(frame)) => frames.push(Found::from(frame)),
                    Ok(None) => {
                        assert!(chunk.is_empty(), "all of the input is used");
                        break;
                    }
                    Err(met) => error = Some(met),
                }
                assert!(framer.held().len() <= most_held(framing), "{} bytes held by {framing}", framer.held().len());
            }
            assert!(framer.held().len() <= most_held(framing), "{} bytes held by {framing}", framer.held().len());
            left.extend_from_slice(chunk);
        }
        if let Some(error) = &error {
            assert_eq!(framer.next(at, &mut &b"more"[..]).as_ref(), Err(error), "an error stays");
        }
        let arrivals = framer.arrivals();
        frames.extend(framer.finish().map(Found::from));
        let held = framer.held().to_vec();
        assert!(error.is_some() || held.is_empty(), "nothing is held at the end");
        let again = [frames.iter().flat_map(|frame| frame.whole.clone()).collect(), held.clone(), left].concat();
        assert_eq!(again, pieces.concat(), "no byte is lost by {framing}");
        let arrivals = if error.is_some() { arrivals } else { framer.arrivals() };
        frames.iter().for_each(|frame| check_frame(framing, frame));
        check_arrivals(&arrivals, &frames);
        Outcome { frames, error, held }
    }

    /// Returns what must not depend on the chunking.
    pub(super) fn frames_alone(&self) -> (Vec<Found>, Option<FrameError>, Vec<u8>) {
        let frames = self.frames.iter().cloned().map(|frame| Found { split: false, ..frame }).collect();
        (frames, self.error.clone(), self.held.clone())
    }

    pub(super) fn wholes(&self) -> Vec<&[u8]> {
        self.frames.iter().map(|frame| &frame.whole[..]).collect()
    }
}

/// Returns how much may be held: a maximum of payload, what may lie between frames, and what stands around a payload.
fn most_held(framing: &Framing) -> usize {
    let around = match &framing.rule {
        Rule::Delimiter(delimiter) => delimiter.len(),
        Rule::Length(field) => field.offset,
        _ => 0,
    };
    framing.max_bytes.saturating_add(GAP_BYTES + 32 + around)
}

fn check_frame(framing: &Framing, frame: &Found) {
    assert!(!frame.whole.is_empty(), "a frame has bytes");
    assert!(frame.payload.len() <= frame.whole.len(), "{frame:?}");
    // An unfinished one may end within its delimiter, which nothing tells from payload yet.
    let delimiter = match &framing.rule {
        Rule::Crlf => 1,
        Rule::Delimiter(delimiter) => delimiter.len() - 1,
        _ => 0,
    };
    let most = framing.max_bytes.saturating_add(if frame.kind == FrameKind::Partial { delimiter } else { 0 });
    assert!(!frame.kind.is_frame() || frame.payload.len() <= most, "{frame:?} is within {most}");
    assert_eq!(frame.checksum.is_some(), framing.checksum.is_some() && frame.kind == FrameKind::Whole, "{frame:?}");
    let mark = match framing.rule {
        Rule::Slip => Some(0xc0),
        Rule::Cobs => Some(0),
        _ => None,
    };
    if let Some(mark) = mark {
        let is_gap = frame.whole.iter().all(|byte| *byte == mark);
        assert_eq!(is_gap, frame.kind == FrameKind::Gap, "marks alone are no frame: {frame:?}");
    }
    if frame.kind == FrameKind::Malformed {
        assert!(matches!(framing.rule, Rule::Slip | Rule::Cobs), "{frame:?}");
    }
}

fn check_arrivals(arrivals: &Arrivals, frames: &[Found]) {
    let whole: Vec<_> = frames.iter().filter(|frame| frame.kind.is_frame()).collect();
    assert_eq!(arrivals.frames, whole.len() as u64);
    assert_eq!(arrivals.split, whole.iter().filter(|frame| frame.split).count() as u64);
    assert!(arrivals.split + arrivals.merged <= arrivals.frames, "{arrivals}");
}
