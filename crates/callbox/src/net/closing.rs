//! Closing without destroying what was sent.
//!
//! Closing a socket that still has unread bytes makes the kernel send a reset, and a reset makes the peer's kernel
//! discard what it had not yet read: the end of our answer. So our end of stream goes first, then what the peer
//! still sends is read and discarded, within limits, and then comes the close.

use std::future::poll_fn;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::net::edge::Edge;
use crate::net::sys;

/// Between two looks at what is not yet acknowledged: no socket says when that changes, and few sessions come to this.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// How long, and how much, a closing session listens to a peer that goes on sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// Silence after which it gives up: what nginx allows too.
    pub idle: Duration,
    /// Time in all after which it gives up.
    pub total: Duration,
    /// Bytes in all after which it listens no more, and only waits until what was sent is acknowledged.
    pub bytes: u64,
    /// Close at once where we are the first to; with zero linger that is a reset.
    pub abrupt: bool,
}

impl Default for Closing {
    fn default() -> Closing {
        Closing { idle: Duration::from_secs(5), total: Duration::from_secs(30), bytes: 16 << 20, abrupt: false }
    }
}

/// Sends our end of stream unless that is done, and waits for the peer's within `limits`. The caller then drops the edge.
///
/// Returns at once where both directions have ended or the connection is gone. Where the peer has ended first, the
/// close itself sends our end of stream.
pub(crate) async fn close_gracefully(edge: &Edge, limits: Closing) {
    if limits.abrupt || edge.needs_no_parting() {
        return;
    }
    edge.begin_parting();
    let end = Instant::now() + limits.total;
    // With TLS it may have to wait, behind what the peer does not take.
    if !matches!(timeout_at(end, poll_fn(|cx| edge.poll_shutdown(cx))).await, Ok(Ok(()))) {
        return;
    }
    let mut discarded = 0;
    while discarded < limits.bytes {
        let idle = Instant::now() + limits.idle;
        let read = poll_fn(|cx| edge.poll_chunk_with(cx, |_, bytes| bytes.len()));
        let read = tokio::select! {
            biased;
            read = read => read,
            () = sleep_until(idle.min(end)) => return,
        };
        match read {
            Ok(Some(bytes)) => discarded += bytes as u64,
            Ok(None) | Err(_) => return,
        }
    }
    arrived(edge, limits.idle, end).await;
}

/// Waits until the peer's system has acknowledged what we sent, our end of stream included: the reset that follows, for
/// bytes of the peer's are unread, destroys nothing then. Gives up at `end`, or when nothing has moved for `idle`.
///
/// Nothing is read meanwhile: the peer's window fills, and that holds it back.
async fn arrived(edge: &Edge, idle: Duration, end: Instant) {
    let waiting = || edge.descriptor().and_then(|socket| sys::unacknowledged_bytes(socket).ok()).unwrap_or(0);
    let (mut before, mut moved) = (waiting(), Instant::now());
    while before > 0 && Instant::now() < end.min(moved + idle) {
        sleep(LOOK_AGAIN).await;
        let now = waiting();
        if now != before {
            (before, moved) = (now, Instant::now());
        }
    }
}
