//! A passive observer of bytes.

use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::direction::Direction;
use crate::frames::Seen;
use crate::report::SessionId;

/// Sees every byte that crosses a stream's edge, in the order in which it crossed.
///
/// A tap may say "not yet" before bytes move ([`Tap::poll_ready`]), never "no", and cannot change them.
pub trait Tap: Send + Sync {
    /// Asks for room; `Pending` holds the bytes back and must wake `cx` later. Only recorders and pipes whose own
    /// data is the report use this.
    fn poll_ready(&self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Shows one chunk that has just crossed the edge. Must return quickly: the session waits.
    fn bytes(&self, at: Instant, session: SessionId, direction: Direction, bytes: &[u8]);

    /// Shows one frame, where the observers have a framer ([`Observers::with_cut`](crate::observers::Observers::with_cut)):
    /// its bytes were shown as chunks before.
    fn frame(&self, _at: Instant, _session: SessionId, _direction: Direction, _seen: &Seen<'_>) {}

    /// Shows that a direction has reached its end of stream. One that ends by a reset, or with the socket's close, is not
    /// shown.
    fn end(&self, _at: Instant, _session: SessionId, _direction: Direction) {}

    /// Shows that the session is over, however it ended; the last of all, and once.
    fn closed(&self, _at: Instant, _session: SessionId) {}
}
