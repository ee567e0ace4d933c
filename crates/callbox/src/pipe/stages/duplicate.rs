//! Duplicate: chunks, or with a framer frames, come twice.

use bytes::Bytes;

use super::Stage;
use crate::frame::{Framer, Framing};
use crate::pipe::decision::What;
use crate::pipe::draw;
use crate::pipe::outbox::Outbox;
use crate::rng::Rng;

/// Repeats what came, right behind it; whether, is drawn each time.
pub(super) struct Duplicate {
    framer: Option<Box<Framer>>,
    probability: f64,
    rng: Rng,
}

impl Duplicate {
    pub(super) fn new(framing: &Framing, probability: f64, rng: Rng) -> Duplicate {
        let framer = (!framing.is_none()).then(|| Box::new(Framer::new(framing)));
        Duplicate { framer, probability, rng }
    }

    /// Lets bytes through, and behind each frame that ends in them and may be repeated that frame again.
    fn frames(&mut self, offset: u64, bytes: Bytes, repeats: bool, out: &mut Outbox<'_>) {
        let Some(framer) = &mut self.framer else { return out.bytes(bytes) };
        let mut rest = &bytes[..];
        let mut shown = 0;
        while let Ok(Some(frame)) = framer.next(out.at, &mut rest) {
            let end = bytes.len() - rest.len();
            out.bytes(bytes.slice(shown..end));
            shown = end;
            if repeats && frame.kind.is_frame() && draw::happens(&mut self.rng, self.probability) {
                out.note(offset + end as u64, What::Repeated(frame.whole.len() as u64));
                out.added(frame.whole.len());
                out.bytes(Bytes::copy_from_slice(frame.whole));
            }
        }
        out.bytes(bytes.slice(shown..));
    }
}

impl Stage for Duplicate {
    fn act(&mut self, offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        if self.framer.is_some() {
            return self.frames(offset, bytes, true, out);
        }
        out.bytes(bytes.clone());
        if draw::happens(&mut self.rng, self.probability) {
            out.note(offset, What::Repeated(bytes.len() as u64));
            out.added(bytes.len());
            out.bytes(bytes);
        }
    }

    fn pass(&mut self, offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        self.frames(offset, bytes, false, out);
    }

    fn may_be_passed_by(&self) -> bool {
        self.framer.is_none()
    }
}
