//! Corrupt: bytes are changed, each as likely as any other.

use bytes::{Bytes, BytesMut};

use super::Stage;
use crate::pipe::decision::What;
use crate::pipe::draw;
use crate::pipe::fault::Corruption;
use crate::pipe::outbox::Outbox;
use crate::rng::Rng;

/// Draws how many bytes stay as they are until the next one that does not, so that chunks mean nothing.
pub(super) struct Corrupt {
    rate: f64,
    how: Corruption,
    rng: Rng,
    /// So many bytes stay as they are.
    spared: u64,
}

impl Corrupt {
    pub(super) fn new(rate: f64, how: Corruption, mut rng: Rng) -> Corrupt {
        let spared = draw::gap(&mut rng, rate);
        Corrupt { rate, how, rng, spared }
    }

    fn change(&mut self, byte: u8) -> u8 {
        match self.how {
            Corruption::Flip => byte ^ (1 << self.rng.below(8)),
            Corruption::Zero => 0,
            Corruption::Replace => byte.wrapping_add(1 + self.rng.below(255) as u8),
        }
    }
}

impl Stage for Corrupt {
    fn act(&mut self, offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        let len = bytes.len() as u64;
        if self.spared >= len {
            self.spared -= if self.spared == u64::MAX { 0 } else { len };
            return out.bytes(bytes);
        }
        let mut changed = BytesMut::from(bytes);
        let mut at = self.spared;
        while at < len {
            let byte = &mut changed[at as usize];
            let from = *byte;
            *byte = self.change(from);
            out.note(offset + at, What::Corrupted { from, to: *byte });
            at = at.saturating_add(1).saturating_add(draw::gap(&mut self.rng, self.rate));
        }
        self.spared = if at == u64::MAX { at } else { at - len };
        out.bytes(changed.freeze());
    }
}
