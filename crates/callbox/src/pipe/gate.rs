//! When a fault is at work: the one place where its conditions are looked at, byte for byte.

use std::time::Duration;

use tokio::time::Instant;

use super::fault::{Point, When};
use crate::frame::{Framer, Framing};
use crate::pattern::Expect;

/// Follows the bytes that come to a fault and says for which of them it is at work.
pub(super) struct Gate {
    /// The offset of the byte to come.
    offset: u64,
    bytes: (u64, u64),
    opens: Option<Instant>,
    shuts: Option<Instant>,
    /// Up to where time has been looked at.
    seen: Option<Instant>,
    search: Option<Expect>,
    frames: Frames,
    /// It stays at work once its frame has begun.
    stays: bool,
}

/// Which frame it is about.
enum Frames {
    /// Any, or the one is reached and it stays.
    Any,
    /// It is over, or can never come.
    Never,
    /// The one with this number, and now is another.
    Count { framer: Box<Framer>, now: u64, wanted: u64 },
}

impl Gate {
    /// Makes one for a stream that begins.
    pub(super) fn new(when: &When, stays: bool, framing: &Framing, started: Instant) -> Gate {
        let byte = |point| match point {
            Some(Point::Byte(byte)) => Some(byte),
            _ => None,
        };
        let time = |point| match point {
            Some(Point::Time(time)) => Some(later(started, time)),
            _ => None,
        };
        let frames = match when.frame {
            None => Frames::Any,
            Some(_) if framing.is_none() => Frames::Never,
            Some(wanted) => Frames::Count { framer: Box::new(Framer::new(framing)), now: 1, wanted: wanted.max(1) },
        };
        Gate {
            offset: 0,
            bytes: (byte(when.from).unwrap_or(0), byte(when.to).unwrap_or(u64::MAX)),
            opens: time(when.from),
            shuts: time(when.to),
            seen: None,
            search: when.matches.clone().map(|pattern| Expect::new(vec![pattern])),
            frames,
            stays,
        }
    }

    /// Begins in a stream that has come this far.
    pub(super) fn begin_at(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// Returns the offset of the byte to come.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns when time alone will change something.
    pub(super) fn due(&self) -> Option<Instant> {
        let ahead = |moment: &Instant| self.seen.is_none_or(|seen| *moment > seen);
        let silence = match &self.frames {
            Frames::Count { framer, .. } => framer.due(),
            _ => None,
        };
        [self.opens.filter(ahead), self.shuts.filter(ahead), silence].into_iter().flatten().min()
    }

    /// Looks at the time and returns whether it is open for the byte to come.
    pub(super) fn look(&mut self, at: Instant) -> bool {
        self.seen = Some(self.seen.map_or(at, |seen| seen.max(at)));
        if let Frames::Count { framer, now, .. } = &mut self.frames
            && framer.expire(at).is_some_and(|frame| frame.kind.is_frame())
        {
            *now += 1;
        }
        self.frames.settle(self.stays);
        let placed = self.offset >= self.bytes.0 && self.offset < self.bytes.1;
        let timed = self.opens.is_none_or(|opens| at >= opens) && self.shuts.is_none_or(|shuts| at < shuts);
        placed && timed && self.search.is_none() && self.frames.is_now()
    }

    /// Takes of `bytes` those at the beginning for which the same holds, and returns how many these are.
    pub(super) fn take(&mut self, at: Instant, bytes: &[u8]) -> usize {
        let (from, to) = self.bytes;
        let until = if self.offset < from { from - self.offset } else { to.saturating_sub(self.offset) };
        let mut len = bytes.len();
        if until > 0 {
            len = len.min(usize::try_from(until).unwrap_or(usize::MAX));
        }
        if let Some(search) = &mut self.search {
            if let Some(end) = search.feed_to_end(&bytes[..len]) {
                self.search = None;
                len = end;
            }
        } else {
            len = self.frames.take(at, &bytes[..len]);
        }
        self.offset += len as u64;
        len
    }

    /// Returns how many of the bytes to come it need not see: nothing changes with them. With the last byte before
    /// something does, it does, so that one is not among them.
    pub(super) fn blind_for(&self, open: bool) -> u64 {
        let (from, to) = self.bytes;
        let seeing = self.search.is_some() || matches!(self.frames, Frames::Count { .. });
        match (self.offset < from, self.offset < to) {
            _ if seeing => 0,
            (_, false) => u64::MAX,
            (true, _) => from - self.offset - 1,
            // Placed, and shut for another reason, which only looking tells.
            (false, true) if !open => 0,
            (false, true) => to - self.offset - 1,
        }
    }

    /// Tells whether it need not see the bytes to come to know that it will never open again.
    pub(super) fn is_over(&self) -> bool {
        self.offset >= self.bytes.1
            || matches!(self.frames, Frames::Never)
            || matches!((self.shuts, self.seen), (Some(shuts), Some(seen)) if seen >= shuts)
    }
}

impl Frames {
    fn is_now(&self) -> bool {
        match self {
            Frames::Any => true,
            Frames::Never => false,
            Frames::Count { now, wanted, .. } => now == wanted,
        }
    }

    /// Stops counting when nothing can change any more.
    fn settle(&mut self, stays: bool) {
        if let Frames::Count { now, wanted, .. } = self {
            if now >= wanted && stays {
                *self = Frames::Any;
            } else if now > wanted {
                *self = Frames::Never;
            }
        }
    }

    /// Counts on until another frame begins for which something else holds.
    fn take(&mut self, at: Instant, bytes: &[u8]) -> usize {
        let Frames::Count { framer, now, wanted } = self else { return bytes.len() };
        let mut rest = bytes;
        loop {
            match framer.next(at, &mut rest) {
                Ok(Some(frame)) if frame.kind.is_frame() => {
                    *now += 1;
                    if *now == *wanted || *now == *wanted + 1 {
                        return bytes.len() - rest.len();
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => return bytes.len(),
                // Nothing says where another frame begins.
                Err(_) => {
                    *self = Frames::Never;
                    return bytes.len();
                }
            }
        }
    }
}

/// Returns a moment so much later, or one that never comes.
pub(super) fn later(moment: Instant, by: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(200 * 365 * 24 * 60 * 60);
    moment + by.min(NEVER)
}

#[cfg(test)]
mod tests;
