//! The only bidirectional byte stream there is, and its edge, where counting and tapping happen.
//!
//! Every byte that callbox moves passes `Edge::poll_read_with` or `Edge::poll_write`. End of stream is not close: each
//! direction ends by itself, and a reset is never reported as an end of stream.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::addr::Addr;
use crate::direction::Role;
use crate::error::{Error, Kind, Result};
use crate::net::edge::{Edge, MOST_SCRATCH_BYTES};
use crate::net::io::Io;
use crate::observers::Observers;
use crate::report::{SessionId, TcpFacts};
use crate::session::Session;

/// How many bytes a session may move before the others on its thread get their turn: one quarter of a millisecond at
/// 1 GiB/s. Draining until nothing is left starves the rest.
pub const TURN_BYTES: usize = 256 * 1024;

/// What each direction of an in-memory pair holds on its way.
pub const PAIR_BYTES: usize = 64 * 1024;

/// A connection's bytes, both ways: TCP, Unix, in-memory pair, or any reader with any writer.
///
/// It reads and writes like a file: [`chunk`](Stream::chunk) or [`read`](Stream::read) until the end of stream,
/// [`write_all`](Stream::write_all), then [`shutdown`](Stream::shutdown) for our own end of stream. It is also
/// [`AsyncRead`] and [`AsyncWrite`]. Dropping it without `shutdown` is fine inside a handler: the opener then closes
/// without destroying what was sent.
pub struct Stream {
    edge: Arc<Edge>,
}

/// The receiving half of a [`Stream`]; also [`AsyncRead`].
pub struct Reader {
    edge: Arc<Edge>,
}

/// The sending half of a [`Stream`]; also [`AsyncWrite`]. Dropping it does not end the direction; [`Writer::shutdown`]
/// does.
pub struct Writer {
    edge: Arc<Edge>,
}

impl Stream {
    pub(crate) fn from_edge(edge: Arc<Edge>) -> Stream {
        Stream { edge }
    }

    pub(crate) fn edge(&self) -> &Arc<Edge> {
        &self.edge
    }

    /// Returns two ends of an in-memory connection, the client's and the server's; each holds up to 64 KiB on its way.
    pub fn pair() -> (Stream, Stream) {
        let (client, server) = tokio::io::duplex(PAIR_BYTES);
        let reset = Arc::new(AtomicBool::new(false));
        let end = |role, half| {
            let session = Session::new(SessionId(1), role, Addr::Memory, Observers::none());
            Stream { edge: Arc::new(Edge::new(Io::paired(half, reset.clone()), session)) }
        };
        (end(Role::Client, client), end(Role::Server, server))
    }

    /// Returns two ends of an in-memory connection inside a session: the one to talk on, as whoever we are in it, and the
    /// other one. Only the session's own stream counts and is watched.
    pub(crate) fn inside(session: &Session) -> (Stream, Stream) {
        let (near, far) = tokio::io::duplex(PAIR_BYTES);
        let reset = Arc::new(AtomicBool::new(false));
        let end = |half, role| {
            let edge = Edge::lent(Io::paired(half, reset.clone()), session.clone(), role);
            Stream { edge: Arc::new(edge) }
        };
        (end(near, session.role()), end(far, session.role().other()))
    }

    /// Makes a stream from any reader and any writer, as part of `session`.
    pub fn join(
        session: Session,
        reader: impl AsyncRead + Send + 'static,
        writer: impl AsyncWrite + Send + 'static,
    ) -> Stream {
        Stream { edge: Arc::new(Edge::new(Io::joined(reader, writer), session)) }
    }

    /// Returns the facts of the conversation this stream belongs to.
    pub fn session(&self) -> &Session {
        self.edge.session()
    }

    /// Returns our end's address; asks the kernel the first time where it is not known.
    pub fn local(&self) -> Option<Addr> {
        self.edge.local()
    }

    /// Returns the descriptor, where there is one, for asking the kernel about the connection.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.edge.descriptor()
    }

    /// Returns a way to ask the kernel about the connection that does not keep it open.
    pub fn probe(&self) -> Probe {
        Probe(Arc::downgrade(&self.edge))
    }

    /// Receives what is there, at most `buffer.len()` bytes; 0 is the end of stream.
    ///
    /// # Errors
    ///
    /// [`Kind::Reset`] after everything that came before the reset has been delivered.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        poll_fn(|cx| self.edge.poll_read(cx, buffer)).await.map_err(|error| self.edge.failed("read", error))
    }

    /// Receives one chunk, or `None` at the end of stream. Chunk edges mean nothing: two sends may arrive as one, one
    /// as two, and a character may be cut.
    ///
    /// No buffer is held while there is nothing to read.
    ///
    /// # Errors
    ///
    /// As [`Stream::read`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.edge.chunk().await
    }

    /// Sends all of `bytes`, waiting while the peer's window is full.
    ///
    /// # Errors
    ///
    /// [`Kind::Reset`] when the peer has aborted or is gone; some of the bytes may then be lost.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: when the future is dropped, a prefix of `bytes` may have been sent.
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.edge.write_all(bytes).await
    }

    /// Sends our end of stream; the peer's direction stays open.
    ///
    /// # Errors
    ///
    /// [`Kind::Reset`] when the connection is already gone.
    ///
    /// # Cancel safety
    ///
    /// Safe; calling it again does nothing.
    pub async fn shutdown(&mut self) -> Result<()> {
        self.edge.shutdown().await
    }

    /// Aborts: the peer sees a reset, and what was not yet delivered is lost. A Unix socket has no resets: there the
    /// peer sees one only where it had sent what we have not read, else an end of stream.
    pub fn reset(self) {
        self.edge.abort();
    }

    /// Splits the stream, for sending and receiving independently of each other.
    pub fn split(self) -> (Reader, Writer) {
        (Reader { edge: self.edge.clone() }, Writer { edge: self.edge })
    }

    /// Receives without a buffer of the caller's: hands the bytes to `take` while they are in the thread's shared one.
    #[inline(always)]
    pub(crate) fn poll_chunk_with<R>(
        &self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut Context<'_>, &[u8]) -> R,
    ) -> Poll<Result<Option<R>>> {
        self.edge.poll_chunk_with(cx, take).map_err(|error| self.edge.failed("read", error))
    }

    /// The same, taking more at once where more is there: for those that only want it gone.
    #[inline(always)]
    pub(crate) fn poll_large_with<R>(
        &self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut Context<'_>, &[u8]) -> R,
    ) -> Poll<Result<Option<R>>> {
        let received = self.edge.poll_at_most_with(cx, MOST_SCRATCH_BYTES, take);
        received.map_err(|error| self.edge.failed("read", error))
    }

    /// Sends what fits now.
    #[inline(always)]
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.edge.poll_write(cx, bytes).map_err(|error| self.edge.failed("write", error))
    }
}

/// Asks the kernel about a connection that others talk on.
#[derive(Clone)]
pub struct Probe(Weak<Edge>);

impl Probe {
    /// Returns what the kernel knows of the connection now; `None` when it is over, or no TCP.
    pub fn tcp(&self) -> Option<TcpFacts> {
        self.0.upgrade()?.tcp_facts()
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Probe({:?})", self.0.upgrade().map(|edge| edge.session().id()))
    }
}

impl Reader {
    /// Receives one chunk, or `None` at the end of stream, as [`Stream::chunk`] does.
    ///
    /// # Errors
    ///
    /// As [`Stream::read`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.edge.chunk().await
    }
}

impl Writer {
    /// Sends all of `bytes`, as [`Stream::write_all`] does.
    ///
    /// # Errors
    ///
    /// As [`Stream::write_all`].
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: when the future is dropped, a prefix of `bytes` may have been sent.
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.edge.write_all(bytes).await
    }

    /// Sends our end of stream.
    ///
    /// # Errors
    ///
    /// As [`Stream::shutdown`].
    ///
    /// # Cancel safety
    ///
    /// Safe; calling it again does nothing.
    pub async fn shutdown(&mut self) -> Result<()> {
        self.edge.shutdown().await
    }
}

impl Edge {
    async fn chunk(&self) -> Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_chunk_with(cx, |_, bytes| Bytes::copy_from_slice(bytes)))
            .await
            .map_err(|error| self.failed("read", error))
    }

    async fn write_all(&self, mut bytes: &[u8]) -> Result<()> {
        let mut turn = 0;
        while !bytes.is_empty() {
            let written =
                poll_fn(|cx| self.poll_write(cx, bytes)).await.map_err(|error| self.failed("write", error))?;
            bytes = &bytes[written..];
            turn += written;
            if turn >= TURN_BYTES {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn shutdown(&self) -> Result<()> {
        poll_fn(|cx| self.poll_shutdown(cx)).await.map_err(|error| self.failed("shutdown", error))
    }

    fn poll_fill(&self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(self.poll_read(cx, buffer.initialize_unfilled()))?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }

    pub(crate) fn failed(&self, operation: &'static str, error: io::Error) -> Error {
        Error::io(operation, error).at(self.session().peer())
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.edge.poll_fill(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.edge.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.edge.poll_shutdown(cx)
    }
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.edge.poll_fill(cx, buffer)
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.edge.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.edge.poll_shutdown(cx)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({:?})", self.session())
    }
}

/// Tells whether an error is the peer's way out (gone or reset) rather than something to explain.
pub fn is_peer_gone(error: &Error) -> bool {
    matches!(error.kind(), Kind::Reset | Kind::Ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;

    #[tokio::test]
    async fn half_close_keeps_the_other_direction() {
        let (mut client, mut server) = Stream::pair();
        client.write_all(b"hello").await.expect("writes");
        client.shutdown().await.expect("ends");
        assert_eq!(server.chunk().await.expect("reads").as_deref(), Some(&b"hello"[..]));
        assert_eq!(server.chunk().await.expect("reads"), None);
        server.write_all(b"thank you !").await.expect("still open");
        assert_eq!(client.chunk().await.expect("reads").as_deref(), Some(&b"thank you !"[..]));
        let meter = server.session().meter();
        assert_eq!((meter.bytes(Direction::ToServer), meter.bytes(Direction::ToClient)), (5, 11));
    }

    #[tokio::test]
    async fn writing_after_our_end_of_stream_is_an_error() {
        let (mut client, _server) = Stream::pair();
        client.shutdown().await.expect("ends");
        client.shutdown().await.expect("again does nothing");
        assert!(client.write_all(b"x").await.is_err());
    }

    #[tokio::test]
    async fn the_halves_are_what_tokio_reads_and_writes() {
        let (client, server) = Stream::pair();
        let (mut reader, mut writer) = server.split();
        let echoing = tokio::spawn(async move {
            let copied = tokio::io::copy(&mut reader, &mut writer).await.expect("copies");
            writer.shutdown().await.expect("ends");
            copied
        });
        let (mut reader, mut writer) = client.split();
        writer.write_all(b"hello").await.expect("writes");
        writer.shutdown().await.expect("ends");
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut text).await.expect("reads");
        assert_eq!((text.as_str(), echoing.await.expect("no panic")), ("hello", 5));
    }

    #[tokio::test]
    async fn the_directions_of_a_split_stream_do_not_wait_for_each_other() {
        let (client, mut server) = Stream::pair();
        let (mut reader, mut writer) = client.split();
        // Far more than the pair holds: the writer blocks until the server reads.
        let flood = tokio::spawn(async move {
            writer.write_all(&vec![7; 1 << 20]).await.expect("the server reads in the end");
            writer.shutdown().await.expect("ends");
        });
        server.write_all(b"now").await.expect("writes");
        assert_eq!(reader.chunk().await.expect("reads").as_deref(), Some(&b"now"[..]));
        let mut total = 0;
        while let Some(chunk) = server.chunk().await.expect("reads") {
            total += chunk.len();
        }
        assert_eq!(total, 1 << 20);
        flood.await.expect("no panic");
    }
}
