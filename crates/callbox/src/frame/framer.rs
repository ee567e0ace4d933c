//! The framer: takes chunks as they come and hands out frames.

use tokio::time::Instant;

use super::arrivals::{Arrival, Arrivals, Counter};
use super::error::FrameError;
use super::scan::{Cut, Scan, Step};
use super::{Checksum, Frame, FrameKind, Framing, GAP_BYTES, Rule, Verdict, cobs, slip};

/// Cuts the bytes of one direction into frames.
///
/// Give each chunk to [`next`](Framer::next) until it returns none; at the end of stream call
/// [`finish`](Framer::finish). With `idle` a timer is due at [`due`](Framer::due), and [`expire`](Framer::expire) then
/// gives the frame that silence has completed.
///
/// A frame that lies within a chunk is borrowed from it; only what is unfinished at the end of a chunk is copied.
#[derive(Debug, Clone)]
pub struct Framer {
    pub(super) scan: Scan,
    /// The bytes of the unfinished frame, and those before it that belong to none.
    pub(super) held: Vec<u8>,
    /// `held` was handed out as a frame; the next call clears it.
    spent: bool,
    /// How many inputs brought bytes of the held frame.
    parts: u32,
    /// Where encoded frames are decoded.
    decoded: Vec<u8>,
    /// How many bytes `held` may come to.
    pub(super) most_bytes: usize,
    checksum: Option<Checksum>,
    failed: Option<FrameError>,
    counter: Counter,
}

/// Buffers that grew beyond this are given back after the frame that needed them: ten thousand sessions that each had
/// one large frame would otherwise hold gigabytes.
const KEPT_BYTES: usize = 64 * 1024;

impl Framer {
    /// Makes one for a new stream; with a framing that [cannot frame](Framing::check) it is in error from the start.
    pub fn new(framing: &Framing) -> Framer {
        let max_bytes = framing.max_bytes;
        let failed = match framing.rule {
            Rule::Fixed(bytes) if bytes > max_bytes => Some(FrameError::TooLarge { bytes: bytes as u64, max_bytes }),
            _ => framing.check().err().map(|invalid| FrameError::malformed(invalid.problem)),
        };
        // What is not used in an error still has to be made; it looks at nothing.
        let scan = if failed.is_some() { Scan::None } else { Scan::new(framing) };
        // No header or delimiter is as long as a gap, but for those that say how long they are.
        let around = GAP_BYTES
            + match &framing.rule {
                Rule::Delimiter(delimiter) => delimiter.len(),
                Rule::Length(field) => field.offset,
                _ => 0,
            };
        Framer {
            scan,
            held: Vec::new(),
            spent: false,
            parts: 0,
            decoded: Vec::new(),
            most_bytes: max_bytes.saturating_add(around),
            checksum: framing.checksum,
            failed,
            counter: Counter::default(),
        }
    }

    /// Takes the next frame from `input`, which came at `at` and is advanced past what was used.
    ///
    /// None says that all of the input is used and that no further frame is complete; only then is the chunk over.
    ///
    /// # Errors
    ///
    /// A frame over the maximum, as soon as it is certain, or bytes that cannot begin one. The framer then stays in
    /// error; what it took and did not hand out is [`held`](Framer::held), what it did not take is left in `input`.
    #[inline]
    pub fn next<'a, 'i: 'a>(&'a mut self, at: Instant, input: &mut &'i [u8]) -> Result<Option<Frame<'a>>, FrameError> {
        self.release();
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let new = *input;
        if new.is_empty() {
            self.end_chunk();
            return Ok(None);
        }
        self.counter.begin_chunk();
        match self.scan.scan(at, &self.held, new) {
            Step::Cut(cut) => {
                let (taken, rest) = new.split_at(cut.end);
                *input = rest;
                Ok(Some(self.frame(cut, taken)))
            }
            Step::More => {
                *input = &[];
                self.hold(new);
                self.end_chunk();
                Ok(None)
            }
            Step::Fail { taken, error } => {
                let (taken, rest) = new.split_at(taken);
                *input = rest;
                self.hold(taken);
                self.failed = Some(error.clone());
                self.counter.end_chunk(true);
                Err(error)
            }
        }
    }

    /// Returns what is left at the end of stream: a frame that it completes, a partial one, or a gap.
    ///
    /// After an error there is none; what is left is then [`held`](Framer::held).
    pub fn finish(&mut self) -> Option<Frame<'_>> {
        self.release();
        self.end_chunk();
        if self.held.is_empty() || self.failed.is_some() {
            return None;
        }
        let cut = self.scan.rest(self.held.len());
        Some(self.frame(cut, &[]))
    }

    /// Returns when the held frame will be complete by silence (`idle`), if nothing comes.
    pub fn due(&self) -> Option<Instant> {
        match &self.scan {
            Scan::Idle(idle) if !self.held().is_empty() && self.failed.is_none() => idle.due(),
            _ => None,
        }
    }

    /// Returns the frame that silence has completed by `now` (`idle`).
    pub fn expire(&mut self, now: Instant) -> Option<Frame<'_>> {
        self.release();
        let over = self.due().is_some_and(|due| due <= now);
        if !over {
            return None;
        }
        self.end_chunk();
        let cut = self.scan.rest(self.held.len());
        Some(self.frame(cut, &[]))
    }

    /// Returns the bytes held of an unfinished frame; after an error those that it took and did not hand out.
    pub fn held(&self) -> &[u8] {
        if self.spent { &[] } else { &self.held }
    }

    /// Tells whether a frame has begun and is not complete; bytes between frames begin none.
    pub(crate) fn is_within(&self) -> bool {
        self.held().len() > self.scan.lead()
    }

    /// Returns how frames arrived so far; exact once [`next`](Framer::next) has returned none.
    ///
    /// A chunk is what was given to `next` until it returned none. Bytes between frames are not counted as any frame's.
    pub fn arrivals(&self) -> Arrivals {
        self.counter.arrivals()
    }

    /// Forgets what was handed out.
    #[inline]
    fn release(&mut self) {
        if self.spent {
            self.spent = false;
            self.held.clear();
            self.held.shrink_to(KEPT_BYTES);
            self.decoded.clear();
            self.decoded.shrink_to(KEPT_BYTES);
        }
    }

    #[inline]
    fn end_chunk(&mut self) {
        self.counter.end_chunk(self.held.len() > self.scan.lead());
    }

    /// Keeps bytes until the frame is complete.
    fn hold(&mut self, bytes: &[u8]) {
        let need = self.held.len() + bytes.len();
        if need > self.held.capacity() {
            // Doubled, so that single bytes do not move all others each time, but not beyond what may be needed.
            let capacity = (self.held.capacity() * 2).min(self.most_bytes).max(need);
            self.held.reserve_exact(capacity - self.held.len());
        }
        self.held.extend_from_slice(bytes);
        if need > self.scan.lead() {
            self.parts = self.parts.saturating_add(u32::from(!bytes.is_empty()));
        }
    }

    /// Makes the frame of what is held and `taken`.
    #[inline]
    fn frame<'a>(&'a mut self, cut: Cut, taken: &'a [u8]) -> Frame<'a> {
        let split = self.count(&cut);
        let whole = if self.held.is_empty() {
            taken
        } else {
            self.hold(taken);
            self.spent = true;
            &self.held
        };
        self.parts = 0;
        let raw = &whole[cut.head..whole.len() - cut.tail];
        let mut frame = Frame { whole, payload: raw, kind: cut.kind, checksum: None, split };
        if cut.kind != FrameKind::Whole {
            return frame;
        }
        let decoded = match &self.scan {
            Scan::Slip(_) => slip::decode(raw, &mut self.decoded),
            Scan::Cobs(_) => cobs::decode(raw, &mut self.decoded),
            _ => Some(raw),
        };
        match decoded {
            Some(payload) => (frame.payload, frame.checksum) = checked(self.checksum, payload),
            None => frame.kind = FrameKind::Malformed,
        }
        frame
    }

    /// Counts the frame and tells whether it is split.
    #[inline]
    fn count(&mut self, cut: &Cut) -> bool {
        let arrival = match (self.parts, cut.end) {
            (0, _) => Arrival::Now,
            (1, 0) => Arrival::Earlier,
            (_, 0) => Arrival::EarlierSince,
            _ => Arrival::Since,
        };
        if cut.kind.is_frame() {
            self.counter.frame(arrival);
        }
        matches!(arrival, Arrival::Since | Arrival::EarlierSince)
    }
}

/// Takes the checksum off, where one is due.
#[inline]
fn checked(checksum: Option<Checksum>, payload: &[u8]) -> (&[u8], Option<Verdict>) {
    match checksum {
        None => (payload, None),
        Some(checksum) => {
            let (payload, verdict) = checksum.split(payload);
            (payload, Some(verdict))
        }
    }
}
