//! The faults as stages: each takes bytes and lets them through, changed, later, or not at all.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::fault::{After, Ending, Fault, FaultKind};
use super::outbox::{Item, Outbox};
use super::rate::SessionRate;
use crate::frame::Framing;
use crate::rng::Rng;

mod coalesce;
mod corrupt;
mod cut;
mod discard;
mod duplicate;
mod half_close;
mod latency;
mod limit;
mod replace;
mod reset_peer;
mod seeker;
mod slice;
mod slow_close;
mod stall;
mod throttle;
mod timeout;

/// One fault at work in one direction of one session.
///
/// It knows no clock: the outbox has the moment. What it lets through comes in the order in which it came.
pub(super) trait Stage: Send {
    /// Takes bytes for which the conditions hold; the first is at `offset`.
    fn act(&mut self, offset: u64, bytes: Bytes, out: &mut Outbox<'_>);

    /// Takes bytes for which they do not hold: they go on, behind what is held.
    fn pass(&mut self, _offset: u64, bytes: Bytes, out: &mut Outbox<'_>) {
        out.bytes(bytes);
    }

    /// Tells whether bytes for which the conditions do not hold may go by without being shown.
    fn may_be_passed_by(&self) -> bool {
        true
    }

    /// Returns how many bytes from `offset` on it would let through as they are, at once and without a word, while its
    /// conditions hold.
    fn clear_for(&self, _offset: u64) -> u64 {
        0
    }

    /// Notes that so many bytes from `offset` on came through without being shown, its conditions holding.
    fn skip(&mut self, _offset: u64, _bytes: u64) {}

    /// Takes the last item: an end of stream, or of the session.
    fn last(&mut self, item: Item, out: &mut Outbox<'_>) {
        out.item(item);
    }

    /// The conditions hold from here on.
    fn opened(&mut self, _offset: u64, _out: &mut Outbox<'_>) {}

    /// The conditions do not hold any more.
    fn shut(&mut self, _out: &mut Outbox<'_>) {}

    /// Returns when it wants to be [fired](Stage::fire).
    fn due(&self) -> Option<Instant> {
        None
    }

    /// Does what is due; after that it is not due at this moment for the same thing.
    fn fire(&mut self, _out: &mut Outbox<'_>) {}

    /// It is taken away: lets go what it holds. `replaced` says that the same fault comes back with other values.
    fn release(&mut self, _replaced: bool, _out: &mut Outbox<'_>) {}

    /// Returns how many bytes came through, for one that takes its place and goes on counting.
    fn counted(&self) -> u64 {
        0
    }

    /// Goes on from what another one counted.
    fn go_on_from(&mut self, _counted: u64) {}

    /// Returns how many bytes it holds.
    fn held(&self) -> usize {
        0
    }

    /// Returns in how many chunks it holds them, where it keeps them apart.
    fn chunks(&self) -> usize {
        0
    }
}

/// What a stage is made with, beside its fault.
pub(super) struct Given<'a> {
    /// For what is drawn.
    pub(super) rng: Rng,
    /// When the session began.
    pub(super) started: Instant,
    /// What a frame is.
    pub(super) framing: &'a Framing,
    /// How likely the fault is, where that is not drawn once a session.
    pub(super) probability: f64,
}

/// Makes the stage of a fault; there is none for a listener's.
pub(super) fn make(fault: &Fault, given: Given<'_>) -> Option<Box<dyn Stage>> {
    let rng = given.rng;
    let relative = fault.when.has_start();
    Some(match &fault.kind {
        FaultKind::Latency { base, jitter, shape } => Box::new(latency::Latency::new(*base, *jitter, *shape, rng)),
        FaultKind::Throttle { rate } => Box::new(throttle::Throttle::new(*rate)),
        FaultKind::Slice { least, most, pause } => Box::new(slice::Slice::new(*least, *most, *pause, rng)),
        FaultKind::Coalesce { window } => Box::new(coalesce::Coalesce::new(*window)),
        FaultKind::Corrupt { rate, how } => Box::new(corrupt::Corrupt::new(*rate, *how, rng)),
        FaultKind::Discard { range } => Box::new(discard::Discard::new(range.clone(), relative)),
        FaultKind::Duplicate => Box::new(duplicate::Duplicate::new(given.framing, given.probability, rng)),
        FaultKind::Stall => Box::new(stall::Stall::new()),
        FaultKind::Cut { after, how } => Box::new(cut::Cut::new(*after, *how, given.started, relative)),
        FaultKind::Reset { after } => Box::new(cut::Cut::new(After::Time(*after), Ending::Reset, given.started, true)),
        FaultKind::HalfClose => Box::new(half_close::HalfClose::new()),
        FaultKind::SlowClose { delay } => Box::new(slow_close::SlowClose::new(*delay)),
        FaultKind::Limit { bytes } => Box::new(limit::Limit::new(*bytes)),
        FaultKind::ResetPeer { after } => Box::new(reset_peer::ResetPeer::new(*after)),
        FaultKind::Timeout { after } => Box::new(timeout::Timeout::new(*after)),
        FaultKind::Replace { pattern, text } => Box::new(replace::Replace::new(pattern, text.clone(), given.framing)),
        FaultKind::Refuse | FaultKind::AcceptDelay { .. } | FaultKind::AcceptThenClose | FaultKind::BacklogFull => {
            return None;
        }
    })
}

/// Makes the stage of a rate.
pub(super) fn limit(rate: &SessionRate) -> Box<dyn Stage> {
    Box::new(throttle::Throttle::of(rate))
}

/// Returns the part of `range` that lies in the `len` bytes from `offset` on, counted from there.
fn within(range: &Range<u64>, offset: u64, len: usize) -> Range<usize> {
    let part = |edge: u64| usize::try_from(edge.saturating_sub(offset)).unwrap_or(usize::MAX).min(len);
    part(range.start)..part(range.end)
}

/// Returns how long `bytes` take at so many a second; one never comes at zero.
fn time_for(bytes: u64, rate: u64) -> Duration {
    let nanos = (u128::from(bytes) * 1_000_000_000).checked_div(u128::from(rate)).unwrap_or(u128::MAX);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
