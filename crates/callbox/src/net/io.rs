//! Where a stream's bytes really go: a socket, or any reader with any writer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, ioctl_fionread};
use rustix::net::RecvFlags;
use rustix::pipe::{SpliceFlags, splice};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::net::splice::{CONDUIT_BYTES, Conduit};
use crate::net::tls::Tls;
use crate::net::wire::{is_at_urgent, is_passing, poll_recv, poll_send};

/// Never `MORE`: where nothing more follows, the kernel would wait for it.
const SPLICE_FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

/// Where the bytes really go.
pub(crate) enum Io {
    /// A TCP or Unix socket.
    Socket(AsyncFd<OwnedFd>),
    /// Any reader with any writer; locked because both halves of a stream may be polled by different tasks.
    Joined(Box<Joined>),
    /// A socket on which TLS is spoken.
    Tls(Box<Tls>),
}

pub(crate) struct Joined {
    reader: Mutex<Pin<Box<dyn AsyncRead + Send>>>,
    pub(super) writer: Mutex<Pin<Box<dyn AsyncWrite + Send>>>,
    /// Shared by the two ends of an in-memory pair: one of them has aborted.
    pub(super) reset: Option<Arc<AtomicBool>>,
}

impl Io {
    pub(crate) fn joined(reader: impl AsyncRead + Send + 'static, writer: impl AsyncWrite + Send + 'static) -> Io {
        let (reader, writer) = (Mutex::new(Box::pin(reader) as _), Mutex::new(Box::pin(writer) as _));
        Io::Joined(Box::new(Joined { reader, writer, reset: None }))
    }

    /// Makes one end of an in-memory pair, which can be aborted as a connection can.
    pub(crate) fn paired(half: DuplexStream, reset: Arc<AtomicBool>) -> Io {
        let (reader, writer) = tokio::io::split(half);
        let (reader, writer) = (Mutex::new(Box::pin(reader) as _), Mutex::new(Box::pin(writer) as _));
        Io::Joined(Box::new(Joined { reader, writer, reset: Some(reset) }))
    }

    /// Returns the socket below, where there is one.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Io::Socket(socket) => Some(socket.get_ref().as_fd()),
            Io::Joined(_) => None,
            Io::Tls(tls) => Some(tls.descriptor()),
        }
    }

    /// Tells whether the other end of an in-memory pair has aborted.
    pub(super) fn was_reset(&self) -> bool {
        matches!(self, Io::Joined(joined) if joined.reset.as_ref().is_some_and(|reset| reset.load(Relaxed)))
    }

    #[inline(always)]
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Io::Socket(socket) => poll_recv(socket, cx, buffer),
            Io::Joined(joined) => {
                let mut buffer = ReadBuf::new(buffer);
                let mut reader = joined.reader.lock().unwrap_or_else(PoisonError::into_inner);
                ready!(reader.as_mut().poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
            Io::Tls(tls) => tls.poll_read(cx, buffer),
        }
    }

    /// Looks at what has come without taking it; `None` where only taking shows it.
    pub(super) fn poll_peek(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<Option<usize>>> {
        let Io::Socket(socket) = self else { return Poll::Ready(Ok(None)) };
        loop {
            let mut guard = ready!(socket.poll_read_ready(cx))?;
            match guard.try_io(|fd| Ok(rustix::net::recv(fd, &mut *buffer, RecvFlags::PEEK)?.0)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(result) => return Poll::Ready(result.map(Some)),
                Err(_would_block) => {}
            }
        }
    }

    /// Sends what fits now.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Io::Socket(socket) => poll_send(socket, cx, bytes),
            Io::Joined(joined) => {
                joined.writer.lock().unwrap_or_else(PoisonError::into_inner).as_mut().poll_write(cx, bytes)
            }
            Io::Tls(tls) => tls.poll_write(cx, bytes, |_| ()),
        }
    }
}

/// Receives into a buffer of its own, `most` bytes at once; as [`poll_recv`] otherwise. Empty at the end of stream.
pub(super) fn poll_recv_owned(socket: &AsyncFd<OwnedFd>, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<Bytes>> {
    loop {
        let mut guard = ready!(socket.poll_read_ready(cx))?;
        let mut buffer = Vec::with_capacity(most);
        let mut short = false;
        let result = guard.try_io(|fd| {
            rustix::net::recv(fd, spare_capacity(&mut buffer), RecvFlags::empty())?;
            short = !buffer.is_empty() && buffer.len() < most && !is_at_urgent(socket);
            if short { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match result {
            Err(_would_block) if !short => {}
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(error)) => return Poll::Ready(Err(error)),
            // A small chunk must not pin a large buffer.
            _ if buffer.len() < most / 2 => return Poll::Ready(Ok(Bytes::copy_from_slice(&buffer))),
            _ => return Poll::Ready(Ok(Bytes::from(buffer))),
        }
    }
}

/// Moves what is there, a pipe's worth at most, from the socket into the pipe; `None` where only receiving tells what is
/// there: `splice` stops at an urgent byte, as if nothing came, or as if the stream ended where the end has come too.
pub(super) fn poll_splice_in(
    socket: &AsyncFd<OwnedFd>,
    cx: &mut Context<'_>,
    conduit: &mut Conduit,
) -> Poll<io::Result<Option<usize>>> {
    debug_assert!(conduit.is_empty(), "a full pipe and an empty socket say the same");
    loop {
        let mut guard = ready!(socket.poll_read_ready(cx))?;
        let result = guard.try_io(|fd| match splice(fd, None, &conduit.writer, None, CONDUIT_BYTES, SPLICE_FLAGS) {
            Ok(0) => Ok(None),
            Ok(read) => Ok(Some(read)),
            Err(Errno::AGAIN) if ioctl_fionread(fd).is_ok_and(|unread| unread > 0) => Ok(None),
            Err(errno) => Err(errno.into()),
        });
        match result {
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(result) => {
                conduit.held = result.as_ref().ok().copied().flatten().unwrap_or(0);
                return Poll::Ready(result);
            }
            Err(_would_block) => {}
        }
    }
}

/// Moves what the peer's window takes from the pipe into the socket.
pub(super) fn poll_splice_out(
    socket: &AsyncFd<OwnedFd>,
    cx: &mut Context<'_>,
    conduit: &mut Conduit,
) -> Poll<io::Result<usize>> {
    let mut tried = false;
    loop {
        // Tried at once, without asking for readiness first: a socket almost always has room.
        let mut guard = if tried { Some(ready!(socket.poll_write_ready(cx))?) } else { None };
        let out = |fd: &OwnedFd| Ok(splice(&conduit.reader, None, fd, None, conduit.held, SPLICE_FLAGS)?);
        let result = match &mut guard {
            None => Ok(out(socket.get_ref())),
            Some(guard) => guard.try_io(|fd| out(fd.get_ref())),
        };
        tried = true;
        match result {
            Ok(Err(error)) if is_passing(&error) => {}
            Ok(result) => {
                conduit.held -= result.as_ref().unwrap_or(&0);
                return Poll::Ready(result);
            }
            Err(_would_block) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use rustix::net::SendFlags;
    use tokio::time::timeout;

    use super::*;
    use crate::net::sys;

    #[tokio::test]
    async fn what_is_there_behind_an_urgent_byte_is_received_without_waiting_for_more() {
        for (inline, due) in [(false, "abcdef"), (true, "abc!def")] {
            let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
            let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
            let (server, _) = listener.accept().expect("accepts");
            server.set_nonblocking(true).expect("sets");
            socket2::SockRef::from(&server).set_out_of_band_inline(inline).expect("sets");
            for (bytes, flags) in [("abc", SendFlags::empty()), ("!", SendFlags::OOB), ("def", SendFlags::empty())] {
                rustix::net::send(&client, bytes.as_bytes(), flags).expect("sends");
            }
            let socket = sys::register(server.into(), sys::STREAM).expect("registers");
            let io = Io::Socket(socket);
            let mut received = String::new();
            while received.len() < due.len() {
                let mut buffer = [0; 64];
                let reading = poll_fn(|cx| io.poll_read(cx, &mut buffer));
                let read = timeout(Duration::from_secs(5), reading).await;
                let read = read.unwrap_or_else(|_| panic!("nothing behind {received:?}")).expect("reads");
                received += std::str::from_utf8(&buffer[..read]).expect("letters");
            }
            assert_eq!(received, due);
        }
    }
}
