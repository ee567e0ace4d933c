//! Stands between a client and a server: connects to the server, then carries bytes both ways.

mod asked;
pub mod mirror;
pub mod proxy;
mod reach;
mod reserve;
pub mod upstreams;

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::bridge::{Bridge, Passage};
use crate::error::{Error, Kind, Result};
use crate::handle::Handler;
use crate::net::connect::ConnectOptions;
use crate::net::retry::Retry;
use crate::net::stream::Stream;
use crate::observers::Observers;
use crate::pipe::plan::Faults;
use crate::proxy_header::Version;
use crate::session::Session;
use crate::termination::Termination;
use mirror::Mirror;
use proxy::Proxy;
use reach::Toward;
use reserve::RESERVE;
use upstreams::{InUse, Upstreams};

pub use reserve::KEPT_BACK;

/// How a relay behaves.
#[derive(Debug, Clone, Default)]
pub struct RelayOptions {
    /// How to connect to an upstream; the timeout is that of each of them. Where `keepalive` is on, silent upstreams are
    /// probed as the server's [`socket`](crate::server::ServerOptions::socket) options have it, from a session's second
    /// second on.
    pub connect: ConnectOptions,
    /// How often to go through the upstreams while none accepts; the client waits meanwhile.
    pub retry: Retry,
    /// The header of the PROXY protocol that tells an upstream who the client is, before the client's bytes.
    pub send_proxy: Option<Version>,
    /// Copy bytes also where the kernel could move them by itself.
    pub copies: bool,
    /// Who watches the bytes on the upstream's side: what the server was given, and what it sent. Who watches the
    /// session sees those on the client's side.
    pub far: Observers,
}

/// Connects each session to an upstream and carries bytes both ways.
///
/// It belongs into a [`Server`](crate::Server) whose
/// [`half_close_timeout`](crate::server::ServerOptions::half_close_timeout) is set: a half-closed session is nobody's
/// any more when its other side is silent too.
pub struct Relay {
    destination: Destination,
    options: RelayOptions,
    faults: Faults,
    /// Silent upstreams are to be probed: asked of the kernel only for sessions that last.
    keepalive: bool,
    /// Sessions that wait for a descriptor.
    short: AtomicUsize,
    mirror: Option<Mirror>,
}

/// Where sessions go; closed by nature.
#[derive(Debug)]
pub enum Destination {
    /// To servers that are known.
    Upstreams(Upstreams),
    /// Where each client asks for. What it says of that is no part of the session: it is neither counted nor shown nor bent.
    Asked(Proxy),
}

impl Relay {
    /// Makes a relay to these upstreams.
    pub fn new(upstreams: Upstreams, options: RelayOptions, faults: Faults) -> Relay {
        Relay::to(Destination::Upstreams(upstreams), options, faults)
    }

    /// Makes a relay to these upstreams, or to where its clients want to go.
    pub fn to(destination: Destination, mut options: RelayOptions, faults: Faults) -> Relay {
        RESERVE.fill();
        let keepalive = options.connect.socket.keepalive.take().is_some();
        Relay { destination, options, faults, keepalive, short: AtomicUsize::new(0), mirror: None }
    }

    /// Has the report count what this mirror found; it must be clipped on to the server's observers besides.
    #[must_use]
    pub fn with_mirror(self, mirror: Mirror) -> Relay {
        Relay { mirror: Some(mirror), ..self }
    }

    /// Returns the faults, which may be changed while sessions run; wake them then by
    /// [`Running::wake_all`](crate::server::Running::wake_all).
    pub fn faults(&self) -> &Faults {
        &self.faults
    }
}

impl Handler for Relay {
    async fn handle(&self, session: Session, stream: Stream) -> Result<()> {
        // Boxed, so that the many idle sessions do not hold what only connecting needs.
        let (far, _in_use) = match Box::pin(self.other_side(&session, &stream)).await {
            Ok(Some(reached)) => reached,
            Ok(None) => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.edge().join(far.edge());
        let mut bridge = Bridge::new(&session, stream.edge(), far.edge(), Some(&self.faults));
        match poll_fn(|cx| bridge.poll(cx)).await {
            Passage::Closed => {
                session.stop(Termination::Fault);
                // Whoever conducts the session bids both sides farewell, and then drops this.
                pending().await
            }
            Passage::Ended | Passage::Broken(_) | Passage::Reset => {}
        }
        Ok(())
    }

    fn counters(&self, count: &mut dyn FnMut(&'static str, u64)) {
        match &self.destination {
            Destination::Upstreams(upstreams) => upstreams.counters(count),
            Destination::Asked(proxy) => proxy.counters(count),
        }
        if let Some(mirror) = &self.mirror {
            mirror.counters(count);
        }
    }

    fn is_short(&self) -> bool {
        // In this order: nothing is kept back while somebody waits for it.
        self.short.load(Relaxed) > 0 || !RESERVE.fill()
    }
}

impl Relay {
    /// Connects the session to where it goes; `None` where its client went before it had said that.
    async fn other_side(&self, session: &Session, client: &Stream) -> Result<Option<(Stream, Option<InUse>)>> {
        let (opened, in_use) = match &self.destination {
            Destination::Upstreams(upstreams) => {
                let reached = self.reach(Toward::Upstreams(upstreams), session, client).await;
                reached.inspect_err(|error| session.stop(unreached(error)))?
            }
            // Boxed once more: who goes to a server does not hold what only asking needs.
            Destination::Asked(proxy) => match Box::pin(self.reach_asked(proxy, session, client)).await? {
                Some(opened) => (opened, None),
                None => return Ok(None),
            },
        };
        Ok(Some((self.far_side(session, opened), in_use)))
    }
}

/// Why a session has no upstream, as its end.
fn unreached(error: &Error) -> Termination {
    match error.kind() {
        Kind::Refused => Termination::UpstreamRefused,
        Kind::TimedOut => Termination::UpstreamTimeout,
        Kind::Unreachable => Termination::UpstreamUnreachable,
        Kind::NotFound => Termination::UpstreamNotFound,
        // It had accepted, and was gone before anybody looked.
        Kind::Reset => Termination::ServerReset,
        _ => Termination::UpstreamFailed,
    }
}
