//! The header of the PROXY protocol, received from a socket: exactly its bytes and not one of what follows.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::RecvFlags;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout_at};

use crate::addr::Addr;
use crate::error::{Error, Kind, plain};
use crate::event::Refusal;
use crate::proxy_header::{Header, HeaderError, Parsed, parse};
use crate::units::show_duration;

/// Bytes taken at once: what is recommended as the longest header. Longer ones are declared by a peer and grow by what
/// has come.
const PIECE_BYTES: usize = 536;

/// Why there is no header.
#[derive(Debug)]
pub(crate) enum Missing {
    /// What came is none.
    Bad(HeaderError),
    /// The stream ended after so many bytes.
    Ended(usize),
    /// The connection failed.
    Failed(io::Error),
    /// It was not there in time.
    Late,
}

/// Receives a header until `deadline`, which no byte moves.
///
/// No more is ever read than the header is known to have, so nothing that follows it is taken away.
pub(crate) async fn receive_header(socket: &AsyncFd<OwnedFd>, deadline: Instant) -> Result<Header, Missing> {
    let receiving = async {
        let mut received = Vec::new();
        loop {
            let needed = match parse(&received).map_err(Missing::Bad)? {
                Parsed::Complete { header, .. } => return Ok(header),
                Parsed::Incomplete { needed } => needed,
            };
            let most = needed - received.len();
            let read = poll_fn(|cx| poll_piece(socket, cx, most, &mut received));
            match read.await.map_err(Missing::Failed)? {
                0 => return Err(Missing::Ended(received.len())),
                _ => continue,
            }
        }
    };
    timeout_at(deadline, receiving).await.unwrap_or(Err(Missing::Late))
}

/// Appends what is there to `received`, at most `most` bytes; 0 is an end of stream.
pub(crate) fn poll_piece(
    socket: &AsyncFd<OwnedFd>,
    cx: &mut Context<'_>,
    most: usize,
    received: &mut Vec<u8>,
) -> Poll<io::Result<usize>> {
    let mut piece = [0; PIECE_BYTES];
    let piece = &mut piece[..most.min(PIECE_BYTES)];
    loop {
        let mut guard = ready!(socket.poll_read_ready(cx))?;
        // Readiness is given back only when nothing is there: the bytes behind the header have told of themselves by now.
        let result = guard.try_io(|fd| Ok(rustix::net::recv(fd, &mut *piece, RecvFlags::empty())?.0));
        match result {
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(Ok(read)) => {
                received.extend_from_slice(&piece[..read]);
                return Poll::Ready(Ok(read));
            }
            Ok(Err(error)) => return Poll::Ready(Err(error)),
            Err(_would_block) => {}
        }
    }
}

impl Missing {
    /// Returns why such a connection is turned away.
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Missing::Late => Refusal::HandshakeTimeout,
            Missing::Bad(_) | Missing::Ended(_) | Missing::Failed(_) => Refusal::BadProxyHeader,
        }
    }

    /// Makes it the end of the only connection there is; `allowed` is how long the header was waited for.
    pub(crate) fn error(&self, peer: &Addr, allowed: Duration) -> Error {
        let message = match self {
            Missing::Late => format!("{self} within {}", show_duration(allowed)),
            _ => self.to_string(),
        };
        Error::new("receive PROXY header", Kind::Proxy, message).at(peer)
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Bad(error) => error.fmt(f),
            Missing::Ended(bytes) => write!(f, "the stream ended after {bytes} bytes"),
            Missing::Failed(error) => f.write_str(&plain(error)),
            Missing::Late => f.write_str("not there"),
        }
    }
}
