//! Questions to a server: how long does it take to answer ([`ping`]), and is it there yet ([`wait`]).
//!
//! Both make a connection for each look, and may ask a [`Question`] on it. Neither puts load on a server: that is what
//! [`load`](crate::load) is for.

pub mod ping;
mod question;
pub mod wait;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::direction::Role;
use crate::net::connect::ConnectOptions;
use crate::net::edge::Edge;
use crate::net::open::Opened;
use crate::net::stream::Stream;
use crate::observers::Observers;
use crate::report::SessionId;
use crate::session::Session;

pub use question::Question;

/// How long our end of stream may take before the connection is closed without it: where it is not sent at once, the other
/// side does not read.
const PARTING: Duration = Duration::from_millis(100);

/// Makes a stream of what was opened, which nobody watches.
fn stream_of(opened: Opened) -> Stream {
    let session = Session::new(SessionId(1), Role::Client, opened.peer, Observers::none());
    Stream::from_edge(Arc::new(Edge::new(opened.io, session)))
}

/// Closes a connection as its protocol has it: with our end of stream, over TLS with a goodbye.
async fn part(mut stream: Stream) {
    // It may be gone already, which is one way to be closed.
    let _ = timeout(PARTING, stream.shutdown()).await;
}

/// Returns the options with a limit that does not go beyond `deadline`.
fn until(options: &ConnectOptions, deadline: Option<Instant>) -> ConnectOptions {
    let left = deadline.map(|deadline| whole_millis(deadline.saturating_duration_since(Instant::now())));
    let timeout = options.timeout.into_iter().chain(left).min();
    ConnectOptions { timeout, ..options.clone() }
}

/// Rounds up to milliseconds: limits are told to people.
fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}
