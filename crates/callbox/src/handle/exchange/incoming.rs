//! What comes on one connection: where an answer ends, whether it is right, and what nobody waits for.

use tokio::time::Instant;

use super::verify::{Asked, Verdict, Verifier};
use super::{Answer, Dialogue, Outcome, Until};
use crate::frame::{Frame, FrameError, FrameKind, Framer, Framing};

/// What comes on one connection.
pub(super) struct Incoming<'a> {
    framing: &'a Framing,
    ends: Ends,
    verifier: Option<Verifier>,
    /// An exchange waits for its answer.
    is_due: bool,
    /// That answer has come, and all of it.
    is_complete: bool,
    /// It decodes to nothing by the framing.
    is_malformed: bool,
}

enum Ends {
    /// With bytes that are counted or looked for. `open` says that more of them belong to it as long as the request is being sent.
    Within { answer: Answer, open: bool },
    /// With the first frame.
    Frame(Box<Cutting>),
    /// With the stream.
    Stream,
}

struct Cutting {
    framer: Framer,
    /// The frame under way began before the exchange, so it is not its answer.
    stale: bool,
    /// When bytes last came.
    last: Instant,
}

/// What some bytes were.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Came {
    /// There were some of the answer among them.
    pub(super) answered: bool,
    /// How many of them nobody waits for, as far as that is certain.
    pub(super) unasked: usize,
    /// Nothing can be cut any more. An answer that was complete before is one.
    pub(super) failed: Option<FrameError>,
}

impl<'a> Incoming<'a> {
    pub(super) fn new(dialogue: &'a Dialogue) -> Incoming<'a> {
        let ends = match &dialogue.until {
            Until::End => Ends::Stream,
            Until::Frame => {
                let framer = Framer::new(&dialogue.framing);
                Ends::Frame(Box::new(Cutting { framer, stale: false, last: Instant::now() }))
            }
            until => Ends::Within { answer: Answer::awaiting(until), open: matches!(until, Until::Any) },
        };
        let verifier = dialogue.verify.as_ref().map(Verifier::new);
        let (is_due, is_complete, is_malformed) = (false, false, false);
        Incoming { framing: &dialogue.framing, ends, verifier, is_due, is_complete, is_malformed }
    }

    /// Begins to wait for an answer; returns how many bytes that came before nobody has waited for, as far as that shows now.
    pub(super) fn begin(&mut self) -> usize {
        (self.is_due, self.is_complete, self.is_malformed) = (true, false, false);
        if let Some(verifier) = &mut self.verifier {
            verifier.again();
        }
        match &mut self.ends {
            Ends::Within { answer, .. } => answer.again(),
            Ends::Frame(cutting) => {
                let due = cutting.framer.due().is_some();
                let over = if due { cutting.framer.expire(Instant::now()) } else { None };
                let unasked = over.map_or(0, |frame| frame.whole.len());
                cutting.stale = cutting.framer.is_within();
                return unasked;
            }
            Ends::Stream => {}
        }
        0
    }

    /// Says how long the request is.
    pub(super) fn is_to(&mut self, until: &Until, request: usize) {
        if let Ends::Within { answer, .. } = &mut self.ends {
            answer.is_to(until, request);
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Takes what came.
    pub(super) fn take(&mut self, now: Instant, asked: &Asked<'_>, bytes: &[u8]) -> Came {
        let due = self.is_due && !self.is_complete;
        let mut feed = |bytes: &[u8]| {
            if let Some(verifier) = &mut self.verifier {
                verifier.feed(asked, bytes);
            }
        };
        match &mut self.ends {
            Ends::Within { answer, open } if due || (self.is_due && *open) => {
                let end = answer.feed(bytes);
                let taken = end.unwrap_or(bytes.len());
                feed(&bytes[..taken]);
                self.is_complete |= end.is_some();
                Came { answered: true, unasked: bytes.len() - taken, failed: None }
            }
            Ends::Stream if due => {
                feed(bytes);
                Came { answered: true, unasked: 0, failed: None }
            }
            Ends::Frame(_) => self.take_frames(now, asked, bytes),
            _ => Came { answered: false, unasked: bytes.len(), failed: None },
        }
    }

    /// Cuts all that came, also what nobody waits for: else nothing would say where the next frame begins.
    fn take_frames(&mut self, now: Instant, asked: &Asked<'_>, bytes: &[u8]) -> Came {
        let Ends::Frame(cutting) = &mut self.ends else { return Came::default() };
        let mut came = Came::default();
        let mut rest = bytes;
        loop {
            let frame = match cutting.framer.next(now, &mut rest) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    came.failed = Some(error);
                    break;
                }
            };
            if frame.kind == FrameKind::Gap {
                continue;
            }
            if self.is_due && !self.is_complete && !cutting.stale {
                self.is_complete = true;
                self.is_malformed = verify(&mut self.verifier, asked, &frame, self.framing);
                came.answered = true;
            } else {
                came.unasked += frame.whole.len();
                cutting.stale = false;
            }
        }
        let waits = self.is_due && !self.is_complete && !cutting.stale;
        came.answered |= waits && cutting.framer.is_within();
        cutting.last = now;
        came
    }

    /// Returns when silence will have completed a frame, if nothing comes.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.ends {
            Ends::Frame(cutting) => cutting.framer.due(),
            _ => None,
        }
    }

    /// Takes the frame that silence has completed; returns what it was and when its last byte came.
    pub(super) fn expire(&mut self, asked: &Asked<'_>) -> (Came, Instant) {
        let now = Instant::now();
        let Ends::Frame(cutting) = &mut self.ends else { return (Came::default(), now) };
        let last = cutting.last;
        let mut came = Came::default();
        if let Some(frame) = cutting.framer.expire(now) {
            if self.is_due && !self.is_complete && !cutting.stale {
                self.is_complete = true;
                self.is_malformed = verify(&mut self.verifier, asked, &frame, self.framing);
                came.answered = true;
            } else {
                came.unasked = frame.whole.len();
                cutting.stale = false;
            }
        }
        (came, last)
    }

    /// Takes the end of stream, which may complete the answer; returns how many bytes nobody has waited for.
    pub(super) fn end(&mut self, asked: &Asked<'_>) -> usize {
        let due = self.is_due && !self.is_complete;
        match &mut self.ends {
            Ends::Within { .. } => 0,
            Ends::Stream => {
                self.is_complete |= due;
                0
            }
            Ends::Frame(cutting) => match cutting.framer.finish().filter(|frame| frame.kind != FrameKind::Gap) {
                Some(frame) if due && !cutting.stale => {
                    if frame.kind != FrameKind::Partial {
                        self.is_complete = true;
                        self.is_malformed = verify(&mut self.verifier, asked, &frame, self.framing);
                    }
                    0
                }
                Some(frame) => frame.whole.len(),
                None => 0,
            },
        }
    }

    /// Says what the complete answer is; from here on none is waited for.
    pub(super) fn outcome(&mut self, asked: &Asked<'_>, highest: impl FnOnce() -> u64) -> Outcome {
        self.is_due = false;
        match self.verifier.as_ref().map(|verifier| verifier.verdict(asked, highest)) {
            _ if self.is_malformed => Outcome::Wrong,
            None | Some(Verdict::Right) => Outcome::Answered,
            Some(Verdict::Wrong) => Outcome::Wrong,
            Some(Verdict::MixedUp) => Outcome::MixedUp,
        }
    }
}

/// Holds the frame that the answer is against what it must be; tells whether it decodes to nothing.
fn verify(verifier: &mut Option<Verifier>, asked: &Asked<'_>, frame: &Frame<'_>, framing: &Framing) -> bool {
    if let Some(verifier) = verifier {
        verifier.feed_frame(asked, frame, framing);
    }
    frame.kind == FrameKind::Malformed
}
