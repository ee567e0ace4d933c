//! Receiving from a socket and sending to it, without waiting, whatever its bytes are.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags};
use tokio::io::unix::AsyncFd;

use crate::net::sys;

/// Receives; a short read takes the readiness with it, which saves the call that would only say "nothing more".
///
/// Where an urgent byte comes next, a read is short though more may be there: then nothing is taken.
///
/// The read happens inside `try_io`, so readiness that arrives meanwhile is not cleared. An end of stream is never
/// cleared by tokio, so it is seen by the next call.
#[inline(always)]
pub(super) fn poll_recv(socket: &AsyncFd<OwnedFd>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    loop {
        let mut guard = ready!(socket.poll_read_ready(cx))?;
        let mut short = None;
        let result = guard.try_io(|fd| {
            let (read, _) = rustix::net::recv(fd, &mut *buffer, RecvFlags::empty())?;
            if 0 < read && read < buffer.len() && !is_at_urgent(socket) {
                short = Some(read);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(read)
        });
        match (result, short) {
            (_, Some(read)) => return Poll::Ready(Ok(read)),
            (Ok(Err(error)), _) if error.kind() == io::ErrorKind::Interrupted => {}
            (Ok(result), _) => return Poll::Ready(result),
            (Err(_would_block), _) => {}
        }
    }
}

/// Tells whether receiving has stopped short of an urgent byte. Only where one has come is the system asked, for that costs a
/// call.
pub(super) fn is_at_urgent(socket: &AsyncFd<OwnedFd>) -> bool {
    let ask = |fd: &OwnedFd| match sys::is_at_urgent(fd.as_fd()) {
        true => Ok(()),
        // The next one will be told of.
        false => Err(io::ErrorKind::WouldBlock.into()),
    };
    socket.try_io(sys::URGENT, ask).is_ok()
}

pub(super) fn poll_send(socket: &AsyncFd<OwnedFd>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    loop {
        let mut guard = ready!(socket.poll_write_ready(cx))?;
        match guard.try_io(|fd| Ok(rustix::net::send(fd, bytes, SendFlags::NOSIGNAL)?)) {
            Ok(Err(error)) if is_passing(&error) => {}
            Ok(result) => return Poll::Ready(result),
            Err(_would_block) => {}
        }
    }
}

/// Tells whether trying again later is all there is to do.
pub(super) fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
