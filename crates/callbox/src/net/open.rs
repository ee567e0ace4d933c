//! From an address to a stream that can be talked on: the connection, and whatever has to be said on it first.
//!
//! In this order: TCP, the proxies in between, our own preface (a header of the PROXY protocol), a protocol's own request for
//! TLS, TLS.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::net::SendFlags;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use crate::addr::Addr;
use crate::error::{Error, Kind, Result};
use crate::event::Phases;
use crate::net::connect::{ConnectOptions, Registered, Target, reach};
use crate::net::io::Io;
use crate::net::proxy::run::reach_through;
use crate::net::starttls;
use crate::report::tls::TlsFacts;

/// A connection that is ready for its first byte.
pub(crate) struct Opened {
    pub(crate) io: Io,
    /// The address that answered.
    pub(crate) peer: Addr,
    pub(crate) phases: Phases,
    /// The proxies that it was reached through, in one line.
    pub(crate) through: Option<Box<str>>,
}

impl Opened {
    /// Returns what was agreed on, where TLS is spoken.
    pub(crate) fn tls_facts(&self) -> Option<Arc<TlsFacts>> {
        match &self.io {
            Io::Tls(tls) => Some(tls.facts().clone()),
            Io::Socket(_) | Io::Joined(_) => None,
        }
    }
}

/// Opens a connection to `target`; `preface` is the first that the far end is sent.
///
/// # Errors
///
/// As [`reach`]; and what was wrong with the handshakes that follow.
///
/// # Cancel safety
///
/// Dropping the future abandons the connection.
pub(crate) async fn open(target: Target<'_>, options: &ConnectOptions, preface: &[u8]) -> Result<Opened> {
    // All but the common way is boxed, so that this stays small: a relay has one for each client that it connects for.
    if !preface.is_empty() || options.starttls.is_some() || options.tls.is_some() || options.goes_through(target.addr())
    {
        return Box::pin(prepare(target, options, preface)).await;
    }
    let Registered { socket, peer, phases } = reach(target, options).await?;
    Ok(Opened { io: Io::Socket(socket), peer, phases, through: None })
}

/// Opens a connection on which something has to be said first.
async fn prepare(target: Target<'_>, options: &ConnectOptions, preface: &[u8]) -> Result<Opened> {
    let begun = Instant::now();
    let through = options.way(target.addr()).map(String::into_boxed_str);
    let reached = match through {
        Some(_) => reach_through(target, options).await?,
        None => reach(target, options).await?,
    };
    let Registered { socket, peer, mut phases } = reached;
    introduce(&socket, preface).map_err(|error| error.at(&peer))?;
    let deadline = options.timeout.map(|timeout| begun + timeout);
    let shaking = Instant::now();
    if let Some(protocol) = options.starttls {
        starttls::ask(protocol, &socket, target.addr(), deadline).await?;
    }
    let Some(tls) = &options.tls else {
        return Ok(Opened { io: Io::Socket(socket), peer, phases, through });
    };
    let tls = tls.connect(socket, target.addr(), deadline).await?;
    phases.tls = shaking.elapsed();
    Ok(Opened { io: Io::Tls(Box::new(tls)), peer, phases, through })
}

/// Sends the preface. It is the first thing on the connection, so it fits into the kernel's buffer.
fn introduce(socket: &AsyncFd<OwnedFd>, preface: &[u8]) -> Result<()> {
    if preface.is_empty() {
        return Ok(());
    }
    match rustix::net::send(socket, preface, SendFlags::NOSIGNAL) {
        Ok(sent) if sent == preface.len() => Ok(()),
        Ok(_) => Err(Error::new("send PROXY header", Kind::Proxy, "the kernel did not take it whole")),
        Err(errno) => Err(Error::io("send PROXY header", errno.into())),
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("peer", &self.peer).field("phases", &self.phases).finish_non_exhaustive()
    }
}
