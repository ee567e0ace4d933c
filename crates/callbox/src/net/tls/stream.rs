//! A socket on which TLS is spoken, as bytes in both directions.
//!
//! rustls makes records of bytes and bytes of records; here is what moves records between it and the socket. Both
//! directions share its state, so it is locked, and never for longer than a call that does not wait. Only who reads waits
//! for the socket to become readable, and only who writes for room in it, so neither takes the other's waker.
//!
//! # Writing
//!
//! What rustls has taken must go, even if the caller has lost interest: it is numbered and encrypted. So a write is done
//! when the kernel has all its records. Where the kernel blocks, a copy of the bytes is kept; the next write that begins
//! with them claims them, and any other one goes behind them.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};
use rustls::Connection;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::TlsFacts;
use super::failure::explain;
use super::verify::take_disbelieved;
use crate::error::TlsFailure;
use crate::net::wire::poll_recv;

/// What is received at once, in records. All sessions of a thread receive into one buffer.
const RECORDS_BYTES: usize = 64 * 1024;
/// The least that is asked for, however little the caller wants: a record and what is around it.
const LEAST_BYTES: usize = 16 * 1024 + 512;
/// What is made into records at once, and kept until the kernel has them.
pub(super) const ACCEPTED_BYTES: usize = 64 * 1024;
/// Records without a byte of content that may come in a row, in bytes: more than any handshake has, and a flood is an error.
const BARREN_BYTES: usize = 256 * 1024;

/// The room for records that an idle session keeps anyway, which is rustls's.
const NARROW_BYTES: usize = 4096;

thread_local! {
    static RECORDS: std::cell::RefCell<Vec<u8>> = std::cell::RefCell::new(vec![0; RECORDS_BYTES]);
}

/// A socket on which TLS is spoken.
pub(crate) struct Tls {
    socket: AsyncFd<OwnedFd>,
    engine: Mutex<Engine>,
    facts: Arc<TlsFacts>,
    /// The close is to be a reset: no word of ours comes before it.
    resets: AtomicBool,
}

/// What both directions share.
pub(super) struct Engine {
    pub(super) connection: Connection,
    /// Received, and not yet understood, for nobody takes the bytes before.
    incoming: Vec<u8>,
    /// Bytes whose records are on their way, and that no write has claimed yet.
    accepted: Vec<u8>,
    /// Our `close_notify` is among the records.
    closing: bool,
    /// What ended it all.
    failure: Option<Failure>,
    /// Who waits for room to write, and is to learn of a failure.
    writer: Option<Waker>,
    /// Bytes of records since the last byte of content.
    barren: usize,
    /// Large records have come since there was nothing to receive.
    wide: bool,
}

/// Where nothing comes from, not even an end.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

#[derive(Clone)]
pub(super) enum Failure {
    /// The other side's stream ended without its `close_notify`.
    Truncated,
    /// Anything that breaks the rules.
    Broken(Arc<str>),
}

impl Failure {
    fn error(&self) -> io::Error {
        match self {
            Failure::Truncated => {
                let problem = "the connection ended without TLS's close_notify: bytes may be missing";
                io::Error::new(io::ErrorKind::UnexpectedEof, problem)
            }
            Failure::Broken(what) => io::Error::new(io::ErrorKind::InvalidData, TlsFailure(what.clone())),
        }
    }
}

impl Engine {
    pub(super) fn new(connection: Connection) -> Engine {
        Engine {
            connection,
            incoming: Vec::new(),
            accepted: Vec::new(),
            closing: false,
            failure: None,
            writer: None,
            barren: 0,
            wide: false,
        }
    }

    /// Takes bytes of content that are there; `Some(0)` at the end of stream.
    fn take(&mut self, buffer: &mut [u8]) -> Option<usize> {
        // Its only error says that nothing is there; the end of the connection is never shown to it.
        self.connection.reader().read(buffer).ok()
    }

    /// Understands records, as far as there is room for their content; returns how much of `buffer` that fills. What is
    /// left of them waits for the next call.
    ///
    /// # Errors
    ///
    /// What the records break; it is remembered.
    pub(super) fn understand(&mut self, mut records: &[u8], buffer: &mut [u8]) -> Result<usize, rustls::Error> {
        let mut filled = 0;
        self.barren += records.len();
        self.wide |= records.len() > NARROW_BYTES;
        if self.barren > BARREN_BYTES {
            self.fail("a flood of records without content".into());
            return Ok(0);
        }
        while !records.is_empty() {
            match self.connection.read_tls(&mut records) {
                // Behind the end of stream nothing counts any more.
                Ok(0) => return Ok(filled),
                Ok(_) => {}
                Err(error) => {
                    // What is there has to be taken first.
                    match self.take(&mut buffer[filled..]) {
                        Some(taken) => filled += taken,
                        None if filled < buffer.len() => self.fail(error.to_string()),
                        None => {}
                    }
                    break;
                }
            }
            match self.connection.process_new_packets() {
                Ok(state) if state.plaintext_bytes_to_read() == 0 => {}
                Ok(_) => {
                    self.barren = records.len();
                    filled += self.take(&mut buffer[filled..]).unwrap_or(0);
                    if filled == buffer.len() {
                        break;
                    }
                }
                Err(error) => {
                    filled += self.take(&mut buffer[filled..]).unwrap_or(0);
                    self.fail(explain(&error, &self.connection, take_disbelieved()));
                    return if filled > 0 { Ok(filled) } else { Err(error) };
                }
            }
        }
        self.incoming.extend_from_slice(records);
        Ok(filled)
    }

    /// Gives back the room of large records, when none comes any more: rustls does so before it receives.
    fn rest(&mut self) {
        if std::mem::take(&mut self.wide) {
            let _ = self.connection.read_tls(&mut Nothing);
        }
    }

    /// Takes what is unread and no content, as far as it is there: a server's tickets, which nobody may have asked for. Unread,
    /// they would make the coming close a reset, and what was sent would be lost. Content is left, as without TLS.
    fn take_contentless(&mut self, socket: &AsyncFd<OwnedFd>) {
        let (mut piece, mut content) = ([0; NARROW_BYTES], [0; 1]);
        for _ in 0..BARREN_BYTES / NARROW_BYTES {
            let seen = match recv(socket.get_ref(), &mut piece, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
                Ok((seen, _)) if seen > 0 => seen,
                _ => return,
            };
            if !matches!(self.understand(&piece[..seen], &mut content), Ok(0)) || self.failure.is_some() {
                return;
            }
            let _ = recv(socket.get_ref(), &mut piece[..seen], RecvFlags::DONTWAIT);
        }
    }

    fn fail(&mut self, what: String) {
        self.end(Failure::Broken(what.into()));
    }

    fn end(&mut self, failure: Failure) {
        self.failure = Some(failure);
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    /// Sends records until there are none, or the kernel takes no more.
    pub(super) fn poll_flush(&mut self, socket: &AsyncFd<OwnedFd>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush_with(socket, cx, SendFlags::NOSIGNAL)
    }

    fn poll_flush_with(
        &mut self,
        socket: &AsyncFd<OwnedFd>,
        cx: &mut Context<'_>,
        flags: SendFlags,
    ) -> Poll<io::Result<()>> {
        let flushed = self.flush(Outgoing { socket, cx: Some(cx), flags });
        if flushed.is_pending() {
            self.writer = Some(cx.waker().clone());
        }
        flushed
    }

    /// Sends what the kernel takes at once, without waiting for more room: an alert, or our last word. Who waits for room
    /// goes on waiting.
    pub(super) fn flush_now(&mut self, socket: &AsyncFd<OwnedFd>) {
        let _ = self.flush(Outgoing { socket, cx: None, flags: SendFlags::NOSIGNAL });
    }

    fn flush(&mut self, mut outgoing: Outgoing<'_, '_>) -> Poll<io::Result<()>> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut outgoing) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the records that wait, for they are to be understood now.
    pub(super) fn take_incoming(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.incoming)
    }

    /// Why it has failed, in words.
    pub(super) fn failed(&self) -> Option<String> {
        match self.failure.as_ref()? {
            Failure::Truncated => None,
            Failure::Broken(what) => Some(what.to_string()),
        }
    }
}

/// Where records go: into the socket, as many at once as there are.
struct Outgoing<'a, 'b> {
    socket: &'a AsyncFd<OwnedFd>,
    /// Who is woken when there is room again.
    cx: Option<&'a mut Context<'b>>,
    flags: SendFlags,
}

/// How the last records are sent: in one segment with the FIN that follows at once. Who learns of our `close_notify` then has
/// our FIN too, and does not answer with its own as if it were the first.
#[cfg(target_os = "linux")]
const BEFORE_FIN: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::MORE);
#[cfg(not(target_os = "linux"))]
const BEFORE_FIN: SendFlags = SendFlags::NOSIGNAL;

impl Write for Outgoing<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    /// Says "would block" when there is no room, and has whoever waits woken later.
    fn write_vectored(&mut self, records: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = self.flags;
        let send = |fd: &OwnedFd| {
            let mut nothing = SendAncillaryBuffer::default();
            Ok(sendmsg(fd, records, &mut nothing, flags)?)
        };
        loop {
            let sent = match &mut self.cx {
                None => self.socket.try_io(Interest::WRITABLE, send),
                Some(cx) => match self.socket.poll_write_ready(cx) {
                    Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
                    Poll::Ready(guard) => match guard?.try_io(|socket| send(socket.get_ref())) {
                        Ok(sent) => sent,
                        Err(_would_block) => continue,
                    },
                },
            };
            match sent {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return sent,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tls {
    /// Takes over a connection whose handshake is done.
    pub(super) fn new(socket: AsyncFd<OwnedFd>, engine: Engine, facts: TlsFacts) -> Tls {
        Tls { socket, engine: Mutex::new(engine), facts: Arc::new(facts), resets: AtomicBool::new(false) }
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }

    pub(crate) fn facts(&self) -> &Arc<TlsFacts> {
        &self.facts
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Receives bytes; 0 is the other side's `close_notify`. `buffer` must not be empty.
    ///
    /// An error comes after all bytes before it, and again from then on: of kind `UnexpectedEof` where the connection ended
    /// without `close_notify`, a [`TlsFailure`] where rules were broken, else the socket's.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let engine = &mut *self.engine();
        loop {
            if let Some(taken) = engine.take(buffer) {
                return Poll::Ready(Ok(taken));
            }
            if let Some(failure) = engine.failure.clone() {
                // The alert that tells them.
                engine.flush_now(&self.socket);
                return Poll::Ready(Err(failure.error()));
            }
            let held = engine.take_incoming();
            let understood = match held.is_empty() {
                false => engine.understand(&held, buffer),
                true => ready!(self.poll_receive(engine, cx, buffer))?,
            };
            // TLS's own answers, for which the other side may wait: that there will be no new handshake, new keys.
            if engine.connection.wants_write() {
                engine.flush_now(&self.socket);
            }
            match understood {
                // It is looked at above.
                Ok(0) | Err(_) => {}
                Ok(filled) => return Poll::Ready(Ok(filled)),
            }
        }
    }

    /// Receives records from the socket.
    fn poll_receive(
        &self,
        engine: &mut Engine,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<Result<usize, rustls::Error>>> {
        RECORDS.with_borrow_mut(|records| {
            let most = buffer.len().clamp(LEAST_BYTES, RECORDS_BYTES);
            let received = poll_recv(&self.socket, cx, &mut records[..most]);
            if received.is_pending() {
                engine.rest();
            }
            let read = ready!(received)?;
            if read == 0 {
                engine.end(Failure::Truncated);
                return Poll::Ready(Ok(Ok(0)));
            }
            Poll::Ready(Ok(engine.understand(&records[..read], buffer)))
        })
    }

    /// Sends bytes; ready when the kernel has the records of as many as it says. `abandoned` is told of bytes that no write
    /// claims any more, though they have gone.
    ///
    /// Where it is pending, bytes may have been taken: the next write is to begin with the same ones, or they were
    /// abandoned, and go all the same.
    pub(crate) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        mut abandoned: impl FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        let engine = &mut *self.engine();
        let mut done = 0;
        loop {
            if let Some(failure) = &engine.failure {
                return Poll::Ready(Err(failure.error()));
            }
            match engine.poll_flush(&self.socket, cx) {
                // An error will be there again.
                Poll::Pending | Poll::Ready(Err(_)) if done > 0 => return Poll::Ready(Ok(done)),
                flushed => ready!(flushed)?,
            }
            if !engine.accepted.is_empty() {
                let common = engine.accepted.len().min(bytes.len());
                if engine.accepted[..common] == bytes[..common] && common > 0 {
                    // What more was taken is for the next write to claim.
                    engine.accepted.drain(..common);
                    done = common;
                } else {
                    abandoned(&std::mem::take(&mut engine.accepted));
                }
                give_back(&mut engine.accepted);
            }
            if done == bytes.len() {
                return Poll::Ready(Ok(done));
            }
            let more = &bytes[done..bytes.len().min(done + ACCEPTED_BYTES)];
            let taken = engine.connection.writer().write(more)?;
            match engine.poll_flush(&self.socket, cx) {
                Poll::Ready(Err(_)) if done > 0 => return Poll::Ready(Ok(done)),
                Poll::Ready(flushed) => flushed?,
                Poll::Pending => {
                    engine.accepted.extend_from_slice(&more[..taken]);
                    return if done > 0 { Poll::Ready(Ok(done)) } else { Poll::Pending };
                }
            }
            done += taken;
        }
    }

    /// Returns how many bytes are on their way that no write has claimed yet.
    pub(crate) fn unclaimed(&self) -> usize {
        self.engine().accepted.len()
    }

    /// Sends what is still on its way, and our `close_notify`; TCP's FIN is for the caller to send then.
    pub(crate) fn poll_close(&self, cx: &mut Context<'_>, mut abandoned: impl FnMut(&[u8])) -> Poll<io::Result<()>> {
        let engine = &mut *self.engine();
        if let Some(failure) = &engine.failure {
            return Poll::Ready(Err(failure.error()));
        }
        if !engine.closing {
            engine.closing = true;
            engine.connection.send_close_notify();
        }
        ready!(engine.poll_flush_with(&self.socket, cx, BEFORE_FIN))?;
        if !engine.accepted.is_empty() {
            abandoned(&std::mem::take(&mut engine.accepted));
        }
        Poll::Ready(Ok(()))
    }

    /// Has nothing of ours come before the reset that the close is to be.
    pub(crate) fn reset_on_close(&self) {
        self.resets.store(true, Relaxed);
    }

    /// Sends our last word as far as the kernel takes it at once, before the socket is closed as if by a FIN.
    pub(crate) fn farewell(&self, mut abandoned: impl FnMut(&[u8])) {
        let engine = &mut *self.engine();
        if self.resets.load(Relaxed) {
            return;
        }
        if !engine.closing && engine.failure.is_none() {
            engine.closing = true;
            engine.connection.send_close_notify();
        }
        engine.take_contentless(&self.socket);
        // Not held back for the FIN: where something is unread the close is a reset, and takes with it what has not gone.
        engine.flush_now(&self.socket);
        if !engine.accepted.is_empty() && !engine.connection.wants_write() {
            abandoned(&std::mem::take(&mut engine.accepted));
        }
    }
}

/// Gives the room of what is empty back: sessions that are idle hold none.
fn give_back(bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        *bytes = Vec::new();
    }
}
