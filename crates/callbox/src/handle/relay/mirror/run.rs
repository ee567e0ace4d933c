//! The mirroring of one session: connects, sends what the client sent, compares what is answered.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::time::{Sleep, sleep};

use super::compare::{Compare, Side};
use super::feed::{Ends, Feed, Taken};
use crate::addr::Addr;
use crate::direction::Role;
use crate::error::Error;
use crate::event::Mirrored;
use crate::net::connect::{ConnectOptions, Target};
use crate::net::edge::Edge;
use crate::net::open::{Opened, open};
use crate::net::stream::{Stream, TURN_BYTES};
use crate::observers::Observers;
use crate::report::SessionId;
use crate::session::Session;

/// How long the mirror may take after the session is over: it answers no slower than the first by much, or it is late.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Mirrors one session and says how it ended.
///
/// # Cancel safety
///
/// Dropping the future closes the connection.
pub(super) async fn run(addr: &Addr, options: &ConnectOptions, feed: &Arc<Feed>) -> Mirrored {
    let numbers = addr.socket_addr().map(|addr| [addr]);
    let target = match &numbers {
        Some(addrs) => Target::Resolved { addr, addrs },
        None => Target::Named(addr),
    };
    let mut out = BytesMut::new();
    let mut compare = Compare::new();
    let mut connecting = pin!(open(target, options, &[]));
    let reached = poll_fn(|cx| {
        // Whoever waits here for long has an overflowing queue.
        match feed.take(cx, 0) {
            Err(_) => return Poll::Ready(Err(Mirrored::FellBehind)),
            Ok(Taken { sent, given, .. }) => {
                out.unsplit(sent);
                if let Some(outcome) = compare.push(Side::Given, &given) {
                    return Poll::Ready(Err(outcome));
                }
            }
        }
        let failed = |error| Mirrored::Unreachable { error: Arc::new(error) };
        connecting.as_mut().poll(cx).map_err(failed)
    });
    let Opened { io, peer, .. } = match reached.await {
        Ok(reached) => reached,
        Err(outcome) => return outcome,
    };
    // Its number is of no use: nobody watches.
    let session = Session::new(SessionId(0), Role::Client, peer, Observers::none());
    let stream = Stream::from_edge(Arc::new(Edge::new(io, session)));
    let feed = feed.clone();
    let mut copying = Copying { stream, feed, out, compare, sending: Sending::Open, written: 0, patience: None };
    let outcome = poll_fn(|cx| copying.poll(cx)).await;
    if !copying.client_has_ended() {
        // The client aborted, or we do: no end of stream that was never sent.
        copying.stream.reset();
    }
    outcome
}

/// What became of the direction to the mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Open,
    /// Our end of stream is sent.
    Ended,
    /// It took no more, having ended its answers; that is for the comparison to judge.
    Broken,
}

struct Copying {
    stream: Stream,
    feed: Arc<Feed>,
    /// Sent by the client, not yet taken by the mirror.
    out: BytesMut,
    compare: Compare,
    sending: Sending,
    /// Bytes that the feed does not know yet to be sent.
    written: usize,
    patience: Option<Pin<Box<Sleep>>>,
}

impl Copying {
    fn client_has_ended(&self) -> bool {
        self.sending == Sending::Ended
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Mirrored> {
        let Ok(Taken { sent, given, ends }) = self.feed.take(cx, std::mem::take(&mut self.written)) else {
            return Poll::Ready(Mirrored::FellBehind);
        };
        self.out.unsplit(sent);
        if let Some(outcome) = self.compare.push(Side::Given, &given) {
            return Poll::Ready(outcome);
        }
        if ends.server
            && !self.compare.given_has_ended()
            && let Some(outcome) = self.compare.end(Side::Given)
        {
            return Poll::Ready(outcome);
        }
        // Reading comes first: an answer that is there counts also where sending then meets a reset.
        let received = match self.receive(cx) {
            Ok(received) => received,
            Err(outcome) => return Poll::Ready(outcome),
        };
        if let Err(error) = self.send(cx, ends) {
            return Poll::Ready(gone(error));
        }
        // What was written makes room in the queue, and after a turn there may be more.
        if received >= TURN_BYTES || self.written > 0 {
            cx.waker().wake_by_ref();
        }
        if ends.closed { self.part(cx, ends) } else { Poll::Pending }
    }

    /// Compares what the mirror has answered, and returns how much that was.
    fn receive(&mut self, cx: &mut Context<'_>) -> Result<usize, Mirrored> {
        let mut received = 0;
        while received < TURN_BYTES && self.compare.has_room() {
            let compare = &mut self.compare;
            let chunk = self.stream.poll_chunk_with(cx, |_, bytes| (bytes.len(), compare.push(Side::Mirrored, bytes)));
            match chunk {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => return Err(gone(error)),
                Poll::Ready(Ok(None)) => self.compare.end(Side::Mirrored).map_or(Ok(()), Err)?,
                Poll::Ready(Ok(Some((bytes, outcome)))) => {
                    received += bytes;
                    outcome.map_or(Ok(()), Err)?;
                }
            }
        }
        Ok(received)
    }

    /// Sends what the client sent, then its end of stream.
    fn send(&mut self, cx: &mut Context<'_>, ends: Ends) -> Result<(), Error> {
        while self.sending == Sending::Open && self.written < TURN_BYTES {
            let sent = match self.out.is_empty() {
                true if !ends.client => return Ok(()),
                true => match self.stream.edge().poll_shutdown(cx) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(result) => result.map(|()| None).map_err(|error| Error::io("write", error)),
                },
                false => match self.stream.poll_send(cx, &self.out) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(result) => result.map(Some),
                },
            };
            match sent {
                Ok(None) => self.sending = Sending::Ended,
                Ok(Some(sent)) => {
                    self.out.advance(sent);
                    self.written += sent;
                }
                Err(_) if self.compare.mirror_has_ended() => self.sending = Sending::Broken,
                Err(error) => return Err(error),
            }
        }
        if self.sending == Sending::Broken {
            // Nobody takes it, and the queue need not hold it.
            self.written += self.out.len();
            self.out.clear();
        }
        Ok(())
    }

    /// The session is over: what the mirror still owes may come for a while.
    fn part(&mut self, cx: &mut Context<'_>, ends: Ends) -> Poll<Mirrored> {
        // Without an end of the answers, the client was given a part of them: the mirror may well have more.
        if !ends.server && self.compare.is_even() {
            return Poll::Ready(Mirrored::Same);
        }
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        let even = self.compare.is_even();
        patience.as_mut().poll(cx).map(|()| if even { Mirrored::Same } else { Mirrored::FellBehind })
    }
}

/// The connection to the mirror broke.
fn gone(error: Error) -> Mirrored {
    match error.is_reset() {
        true => Mirrored::Reset,
        false => Mirrored::Unreachable { error: Arc::new(error) },
    }
}
