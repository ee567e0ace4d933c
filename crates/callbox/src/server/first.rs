//! One client and no more: what `listen` does.

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
use super::options::AcceptProxy;
use crate::addr::Addr;
use crate::direction::Role;
use crate::error::{Error, Result};
use crate::event::{Event, Refusal, Via};
use crate::net::edge::Edge;
use crate::net::header::receive_header;
use crate::net::listener::Listener;
use crate::net::stream::Stream;
use crate::net::sys;
use crate::report::SessionId;
use crate::session::Session;

/// Between two tries when the system is out of something.
const PAUSE: Duration = Duration::from_millis(100);

impl Server {
    /// Accepts the first client and closes the listeners; whoever is queued behind it is turned away with a reset. Where
    /// only proxies may connect, others are turned away before.
    ///
    /// # Errors
    ///
    /// When the listener itself fails, and when a proxy sends no good header in time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listeners.
    pub async fn accept_first(self) -> Result<Stream> {
        for address in &self.addrs {
            self.observers.emit(|| Event::Listening { address: address.clone() });
        }
        loop {
            let (index, accepted) = any(&self.listeners).await;
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => match sort(&error) {
                    AcceptError::ThisConnection => continue,
                    AcceptError::OutOfResources => {
                        let message = crate::error::plain(&error);
                        self.observers.emit(|| Event::Paused { message, pause: PAUSE });
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                    AcceptError::ListenerGone => return Err(Error::io("accept", error).at(&self.addrs[index])),
                },
            };
            let proxies = self.options.accept_proxy.as_ref();
            if proxies.is_some_and(|proxies| !proxies.from.trusts(&peer)) {
                turn_away(&socket);
                self.observers.emit(|| Event::Refused { peer, reason: Refusal::Denied, message: None });
                continue;
            }
            let socket = sys::register(socket, sys::STREAM).map_err(|error| Error::io("register", error))?;
            let (peer, via) = match proxies {
                Some(proxies) => receive(&socket, peer, proxies).await?,
                None => (peer, None),
            };
            let session = Session::new(SessionId(1), Role::Server, peer, self.observers.clone());
            let edge = Edge::registered(socket, session);
            announce(&edge, via);
            for listener in self.listeners {
                let observers = self.observers.clone();
                tokio::spawn(listener.close(move |socket, peer| {
                    turn_away(&socket);
                    observers.emit(|| Event::Refused { peer, reason: Refusal::MaxSessions, message: None });
                }));
            }
            return Ok(Stream::from_edge(Arc::new(edge)));
        }
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
            turn_away(socket.get_ref());
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
