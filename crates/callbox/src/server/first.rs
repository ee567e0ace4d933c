//! One client and no more: what `listen` does.
//!
//! Where something has to come before the client's first byte, whoever is slow with it does not keep others out: the first
//! who is done is the client.

use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::Server;
use super::accept_error::{AcceptError, sort};
use super::arrival::{announce, named, turn_away};
use super::arriving::{Arriving, First, Gate};
use super::options::AcceptProxy;
use crate::addr::Addr;
use crate::direction::Role;
use crate::error::{Error, Result};
use crate::event::{Event, Refusal, Via};
use crate::net::edge::Edge;
use crate::net::header::receive_header;
use crate::net::io::Io;
use crate::net::listener::Listener;
use crate::net::stream::Stream;
use crate::net::sys;
use crate::report::SessionId;
use crate::session::Session;

/// Between two tries when the system is out of something.
const PAUSE: Duration = Duration::from_millis(100);

impl Server {
    /// Accepts the first client and closes the listeners; whoever is queued behind it is turned away with a reset. Where
    /// only proxies may connect, others are turned away before. With TLS, the first client is the first whose handshake is
    /// done; whose comes to nothing is turned away, and others may connect meanwhile and afterwards.
    ///
    /// # Errors
    ///
    /// When the listener itself fails, and, without TLS, when a proxy sends no good header in time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listeners.
    pub async fn accept_first(self) -> Result<Stream> {
        for address in &self.addrs {
            self.observers.emit(|| Event::Listening { address: address.clone() });
        }
        let First { io, peer, via } = self.first().await?;
        let session = Session::new(SessionId(1), Role::Server, peer, self.observers.clone());
        let edge = Edge::new(io, session);
        announce(&edge, via);
        for listener in self.listeners {
            // Others may hold it, and whoever is queued there is theirs.
            if listener.is_inherited() {
                continue;
            }
            let (observers, turned_away) = (self.observers.clone(), self.turned_away.clone());
            tokio::spawn(listener.close(move |socket, peer| {
                turn_away(&socket);
                turned_away.0.refuse(Refusal::MaxSessions);
                observers.emit(|| Event::Refused { peer, reason: Refusal::MaxSessions, message: None });
            }));
        }
        Ok(Stream::from_edge(Arc::new(edge)))
    }

    async fn first(&self) -> Result<First> {
        let mut arriving = Arriving::default();
        loop {
            let accepted = tokio::select! {
                biased;
                arrived = arriving.next() => {
                    // Nobody, where it was turned away.
                    let Some(first) = arrived else { continue };
                    arriving.rest().into_iter().for_each(|peer| self.refused(peer, Refusal::MaxSessions));
                    return Ok(first);
                },
                accepted = any(&self.listeners) => accepted,
            };
            let (socket, peer) = match accepted {
                (_, Ok(accepted)) => accepted,
                (index, Err(error)) => {
                    self.failed(index, error).await?;
                    continue;
                }
            };
            let proxies = self.options.accept_proxy.as_ref();
            if proxies.is_some_and(|proxies| !proxies.from.trusts(&peer)) {
                self.deny(&socket, peer);
                continue;
            }
            // Behind a proxy that is judged by the client.
            if proxies.is_none() && !self.options.access.permits(&peer) {
                self.deny(&socket, peer);
                continue;
            }
            let socket = sys::register(socket, sys::STREAM).map_err(|error| Error::io("register", error))?;
            match (&self.options.tls, proxies) {
                (Some(tls), _) => {
                    let gate = Gate {
                        proxies: proxies.cloned(),
                        access: self.options.access.clone(),
                        tls: tls.clone(),
                        observers: self.observers.clone(),
                        turned_away: self.turned_away.clone(),
                    };
                    if let Some(peer) = arriving.add(gate, socket, peer) {
                        self.refused(peer, Refusal::MaxConnections);
                    }
                }
                (None, Some(proxies)) => {
                    let (peer, via) = receive(&socket, peer, proxies).await?;
                    if !self.options.access.permits(&peer) {
                        self.deny(socket.get_ref(), peer);
                        continue;
                    }
                    return Ok(First { io: Io::Socket(socket), peer, via });
                }
                (None, None) => return Ok(First { io: Io::Socket(socket), peer, via: None }),
            }
        }
    }

    /// Sorts an error of accepting; returns it where it is the listener's own.
    async fn failed(&self, index: usize, error: std::io::Error) -> Result<()> {
        match sort(&error) {
            AcceptError::ThisConnection => Ok(()),
            AcceptError::OutOfResources => {
                let message = crate::error::plain(&error);
                self.observers.emit(|| Event::Paused { message, pause: PAUSE });
                tokio::time::sleep(PAUSE).await;
                Ok(())
            }
            AcceptError::ListenerGone => Err(Error::io("accept", error).at(&self.addrs[index])),
        }
    }
}

impl Server {
    fn deny(&self, socket: &OwnedFd, peer: Addr) {
        turn_away(socket);
        self.refused(peer, Refusal::Denied);
    }

    fn refused(&self, peer: Addr, reason: Refusal) {
        self.turned_away.0.refuse(reason);
        self.observers.emit(|| Event::Refused { peer, reason, message: None });
    }
}

/// Receives the header of the PROXY protocol, and tells who the client is.
async fn receive(socket: &AsyncFd<OwnedFd>, proxy: Addr, proxies: &AcceptProxy) -> Result<(Addr, Option<Box<Via>>)> {
    match receive_header(socket, Instant::now() + proxies.timeout).await {
        Ok(header) => {
            let (peer, via) = named(&header, proxy);
            Ok((peer, Some(via)))
        }
        Err(missing) => {
            turn_away(socket);
            Err(missing.error(&proxy, proxies.timeout))
        }
    }
}

/// Accepts on whichever listener has a connection.
async fn any(listeners: &[Listener]) -> (usize, std::io::Result<(OwnedFd, Addr)>) {
    poll_fn(|cx| {
        for (index, listener) in listeners.iter().enumerate() {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready((index, accepted));
            }
        }
        Poll::Pending
    })
    .await
}
