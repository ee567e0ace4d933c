//! Bytes that are no part of the session though they go over its connection: what client and proxy say to each other before
//! the first byte of the client's own. They are neither counted nor shown, and no fault bends them.

use std::io;
use std::task::{Context, Poll, ready};

use super::Edge;

impl Edge {
    /// Receives at most `buffer.len()` bytes apart from the session; 0 is the end of stream, which is the session's all the
    /// same, and so is an error.
    pub(crate) fn poll_read_apart(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.is_read_ended() || buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        match ready!(self.io.poll_read(cx, buffer)) {
            Ok(0) => Poll::Ready(self.inbound_ended().map(|()| 0)),
            Ok(read) => Poll::Ready(Ok(read)),
            Err(error) => Poll::Ready(Err(self.latch(error))),
        }
    }

    /// Looks at what has come without taking it; `None` where only taking shows it, which is to be done byte by byte then.
    pub(crate) fn poll_peek(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<Option<usize>>> {
        if self.is_read_ended() {
            return Poll::Ready(Ok(Some(0)));
        }
        Poll::Ready(ready!(self.io.poll_peek(cx, buffer)).map_err(|error| self.latch(error)))
    }

    /// Sends what fits now, apart from the session.
    pub(crate) fn poll_write_apart(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(ready!(self.io.poll_write(cx, bytes)).map_err(|error| self.latch(error)))
    }
}
