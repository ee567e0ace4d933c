//! One direction of a bridge: from one stream's receiving side to the other's sending side.

use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};

use crate::net::edge::{Edge, MOST_SCRATCH_BYTES};
use crate::net::splice::Conduit;
use crate::net::stream::TURN_BYTES;

/// How much is received at once to begin with. Who sends less than this at a time is served fastest by one copy.
pub const BEGIN_BYTES: usize = 16 * 1024;
/// What copying grows to while reads fill it, where splicing is not to be had.
pub const COPY_BYTES: usize = MOST_SCRATCH_BYTES;

/// How a direction has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The end of stream has been passed on.
    Ended,
    /// The sender is gone by a reset or the like, and what came before has been passed on.
    SourceBroken,
    /// The receiver is gone.
    SinkBroken,
}

/// What a direction holds, and how it carries.
///
/// Idle sessions are many, so it is small: what is held has a place of its own.
pub(super) struct Half {
    /// What is held, or has a way through the kernel; else bytes go through the thread's buffer, and nothing is held.
    held: Option<Box<Held>>,
    /// How much is received at once, as a power of two.
    most: u8,
    /// The source has ended; its end of stream is still to be passed on.
    ending: bool,
    pub(super) end: Option<End>,
}

enum Held {
    /// The rest of a chunk, which the receiver has not taken yet.
    Rest(Bytes),
    /// A pipe in the kernel.
    Conduit(Conduit),
}

const BEGIN: u8 = BEGIN_BYTES.trailing_zeros() as u8;
const MOST: u8 = COPY_BYTES.trailing_zeros() as u8;

impl Half {
    pub(super) fn new() -> Half {
        Half { held: None, most: BEGIN, ending: false, end: None }
    }

    /// Carries until there is nothing to do, or others have waited long enough.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, source: &Edge, sink: &Edge, splice: bool) -> Poll<End> {
        if let Some(end) = self.end {
            return Poll::Ready(end);
        }
        let end = ready!(self.carry(cx, source, sink, splice));
        self.end = Some(end);
        self.rest();
        Poll::Ready(end)
    }

    /// Hands over to others who carry from here on: passes on what is in a kernel pipe, where nobody can look at it, and
    /// gives what else is held, and whether the source has ended.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>, sink: &Edge) -> Poll<Result<(Option<Bytes>, bool), End>> {
        if let Some(end) = self.end {
            return Poll::Ready(Err(end));
        }
        if matches!(self.held.as_deref(), Some(Held::Conduit(_))) && ready!(self.flush(cx, sink)).is_err() {
            self.end = Some(End::SinkBroken);
            return Poll::Ready(Err(End::SinkBroken));
        }
        let rest = match self.held.take().map(|held| *held) {
            Some(Held::Rest(rest)) => Some(rest).filter(|rest| !rest.is_empty()),
            Some(Held::Conduit(conduit)) => {
                conduit.give_back();
                None
            }
            None => None,
        };
        Poll::Ready(Ok((rest, self.ending)))
    }

    /// Gives back what an idle direction needs not.
    fn rest(&mut self) {
        if let Some(Held::Conduit(conduit)) = self.held.take().map(|held| *held) {
            conduit.give_back();
        }
    }

    fn carry(&mut self, cx: &mut Context<'_>, source: &Edge, sink: &Edge, splice: bool) -> Poll<End> {
        let mut turn = 0;
        loop {
            if ready!(self.flush(cx, sink)).is_err() {
                return Poll::Ready(End::SinkBroken);
            }
            if self.ending {
                return match ready!(sink.poll_shutdown(cx)) {
                    Ok(()) => Poll::Ready(End::Ended),
                    Err(_) => Poll::Ready(End::SinkBroken),
                };
            }
            if turn >= TURN_BYTES {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if splice && self.held.is_none() && self.most > BEGIN {
                self.take_conduit();
            }
            let received = match self.held.as_deref_mut() {
                Some(Held::Conduit(_)) if !splice => {
                    self.rest();
                    continue;
                }
                Some(Held::Conduit(conduit)) => match source.poll_splice_in(cx, conduit) {
                    // Its way is taken again with the next bytes.
                    Poll::Ready(Ok(None)) => {
                        self.rest();
                        self.copy(cx, source, sink)
                    }
                    spliced => spliced,
                },
                _ => self.copy(cx, source, sink),
            };
            match received {
                Poll::Ready(Ok(Some(0))) => self.ending = true,
                Poll::Ready(Ok(Some(read))) => turn += read,
                Poll::Ready(Ok(None)) => return Poll::Ready(End::SinkBroken),
                Poll::Ready(Err(_)) => return Poll::Ready(End::SourceBroken),
                Poll::Pending => {
                    if turn < BEGIN_BYTES {
                        // It has gone quiet.
                        self.most = BEGIN;
                    }
                    self.rest();
                    return Poll::Pending;
                }
            }
        }
    }

    /// Passes on what is held.
    fn flush(&mut self, cx: &mut Context<'_>, sink: &Edge) -> Poll<std::io::Result<()>> {
        loop {
            match self.held.as_deref_mut() {
                Some(Held::Rest(rest)) if !rest.is_empty() => {
                    let written = ready!(sink.poll_write(cx, rest))?;
                    rest.advance(written);
                }
                Some(Held::Rest(_)) => self.held = None,
                Some(Held::Conduit(conduit)) if !conduit.is_empty() => {
                    ready!(sink.poll_splice_out(cx, conduit))?;
                }
                _ => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Goes over to a pipe in the kernel, if one is to be had: the last turn was a bulk transfer.
    fn take_conduit(&mut self) {
        self.held = Conduit::take().map(|conduit| Box::new(Held::Conduit(conduit)));
    }

    /// Receives a chunk and sends it while it is in the thread's buffer; only what the receiver does not take is kept.
    ///
    /// Returns how much was received; 0 at the end of stream, `None` when the receiver is gone.
    fn copy(&mut self, cx: &mut Context<'_>, source: &Edge, sink: &Edge) -> Poll<std::io::Result<Option<usize>>> {
        let most = 1 << self.most;
        let mut rest = None;
        let received = source.poll_at_most_with(cx, most, |cx, bytes| {
            let sent = match sink.poll_write(cx, bytes) {
                Poll::Ready(Ok(sent)) => sent,
                Poll::Ready(Err(_)) => return None,
                Poll::Pending => 0,
            };
            if sent < bytes.len() {
                rest = Some(Bytes::copy_from_slice(&bytes[sent..]));
            }
            Some(bytes.len())
        });
        if let Some(rest) = rest {
            self.held = Some(Box::new(Held::Rest(rest)));
        }
        match ready!(received)? {
            None => Poll::Ready(Ok(Some(0))),
            Some(None) => Poll::Ready(Ok(None)),
            Some(Some(read)) => {
                if read == most {
                    self.most = (self.most + 1).min(MOST);
                }
                Poll::Ready(Ok(Some(read)))
            }
        }
    }

    /// Returns how many bytes are in a kernel pipe; `None` where none is held.
    #[cfg(test)]
    pub(super) fn conduit_bytes(&self) -> Option<usize> {
        match self.held.as_deref() {
            Some(Held::Conduit(conduit)) => Some(conduit.held()),
            _ => None,
        }
    }

    /// Returns how much it would receive at once.
    #[cfg(test)]
    pub(super) fn most(&self) -> usize {
        1 << self.most
    }
}
