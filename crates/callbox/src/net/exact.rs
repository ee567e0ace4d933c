//! Dialogues before a connection is ready: what is read is exactly what the other side says, and not a byte of what follows.
//!
//! Where an answer says how long it is, so much is received. Where only its end tells, what is there is looked at first
//! (`MSG_PEEK`), and taken as far as it belongs to the answer.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::net::RecvFlags;
use tokio::io::unix::AsyncFd;

use crate::net::header::poll_piece;
use crate::net::wire::{is_passing, poll_send};

/// Bytes looked at at once: heads and lines are shorter as a rule.
const LOOK_BYTES: usize = 2048;

/// Receives what is there, at most `most` bytes; the error of an end of stream is [`io::ErrorKind::UnexpectedEof`].
pub(crate) async fn receive(socket: &AsyncFd<OwnedFd>, most: usize) -> io::Result<Vec<u8>> {
    let mut received = Vec::new();
    match poll_fn(|cx| poll_piece(socket, cx, most, &mut received)).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(received),
    }
}

/// Receives exactly so many bytes.
pub(crate) async fn receive_all(socket: &AsyncFd<OwnedFd>, count: usize) -> io::Result<Vec<u8>> {
    let mut received = Vec::new();
    while received.len() < count {
        received.extend(receive(socket, count - received.len()).await?);
    }
    Ok(received)
}

/// Waits for bytes and returns them, and leaves them where they are: [`take`] takes them. An end of stream as in [`receive`].
pub(crate) async fn look(socket: &AsyncFd<OwnedFd>) -> io::Result<Vec<u8>> {
    match poll_fn(|cx| poll_look(socket, cx)).await? {
        seen if seen.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
        seen => Ok(seen),
    }
}

/// Takes bytes that were looked at: they are there, so nobody waits.
pub(crate) async fn take(socket: &AsyncFd<OwnedFd>, count: usize) -> io::Result<()> {
    receive_all(socket, count).await.map(drop)
}

/// Tells whether bytes are there by now that nobody has asked for; waits for none.
pub(crate) fn has_unread(socket: &AsyncFd<OwnedFd>) -> bool {
    let mut byte = [0; 1];
    matches!(rustix::net::recv(socket.get_ref(), &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT), Ok((1.., _)))
}

/// Sends all of it.
pub(crate) async fn send_all(socket: &AsyncFd<OwnedFd>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = poll_fn(|cx| poll_send(socket, cx, bytes)).await?;
        bytes = &bytes[sent..];
    }
    Ok(())
}

fn poll_look(socket: &AsyncFd<OwnedFd>, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
    let mut piece = [0; LOOK_BYTES];
    loop {
        let mut guard = ready!(socket.poll_read_ready(cx))?;
        match guard.try_io(|fd| Ok(rustix::net::recv(fd, &mut piece, RecvFlags::PEEK)?.0)) {
            Ok(Err(error)) if is_passing(&error) => {}
            Ok(Ok(seen)) => return Poll::Ready(Ok(piece[..seen].to_vec())),
            Ok(Err(error)) => return Poll::Ready(Err(error)),
            Err(_would_block) => {}
        }
    }
}
