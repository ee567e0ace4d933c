//! Bytes as fast as they go, one way or both.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::seat::Seat;
use crate::error::{Error, Kind, Result};
use crate::net::edge::Edge;

/// Bytes that one connection moves before the others on its thread get their turn.
const TURN_BYTES: usize = 1024 * 1024;

thread_local! {
    /// What all connections of a thread read into: nobody looks at it.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Moves bytes on a connection until the run is over.
pub(super) struct Bulk<'a> {
    pub(super) seat: &'a Seat,
    pub(super) edge: &'a Edge,
    /// What is sent again and again; empty sends nothing.
    pub(super) bytes: &'a [u8],
    /// As much is read at once.
    pub(super) size: usize,
    /// What comes is read; where not, the peer sends nothing that matters.
    pub(super) receives: bool,
}

impl Bulk<'_> {
    /// Moves them.
    ///
    /// # Errors
    ///
    /// The connection failed, or the peer ended the stream that was to be received.
    pub(super) async fn run(&self) -> Result<()> {
        let (mut at, mut sends) = (0, false);
        poll_fn(|cx| {
            if self.seat.lane.poll_over(self.seat.index, cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let received = self.receive(cx);
            // All begin to send with the clock of the run, of which they are woken; what comes before is read and not counted.
            sends = sends || (!self.bytes.is_empty() && self.seat.lane.has_begun());
            let sent = if sends { self.send(cx, &mut at) } else { Poll::Pending };
            match (received, sent) {
                (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
                (Poll::Pending, Poll::Pending) => Poll::Pending,
                // There is more to do: after the others.
                _ => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Receives until nothing is there; ready when its turn is over before that.
    fn receive(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut turn = 0;
        while turn < TURN_BYTES {
            // What nobody measures is read all the same, so that it does not fill the window; its end is awaited only once.
            if self.edge.is_read_ended() {
                return if self.receives { Poll::Ready(Err(ended(self.edge))) } else { Poll::Pending };
            }
            match BUFFER.with_borrow_mut(|buffer| self.edge.poll_read(cx, sized(buffer, self.size))) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.edge.failed("read", error))),
                Poll::Ready(Ok(length)) => turn += length,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends until nothing is taken any more; ready when its turn is over before that.
    fn send(&self, cx: &mut Context<'_>, at: &mut usize) -> Poll<Result<()>> {
        let mut turn = 0;
        while turn < TURN_BYTES {
            match self.edge.poll_write(cx, &self.bytes[*at..]) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.edge.failed("write", error))),
                Poll::Ready(Ok(sent)) => {
                    *at = (*at + sent) % self.bytes.len();
                    turn += sent;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Returns as much of a buffer, which grows once.
fn sized(buffer: &mut Vec<u8>, size: usize) -> &mut [u8] {
    let size = size.max(1);
    if buffer.len() < size {
        buffer.resize(size, 0);
    }
    &mut buffer[..size]
}

/// The peer ended what was to go on.
pub(super) fn ended(edge: &Edge) -> Error {
    Error::new("read", Kind::Ended, "the server ended the stream").at(edge.session().peer())
}
