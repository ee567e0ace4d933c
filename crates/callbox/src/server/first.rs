//! One client and no more: what `listen` does.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::Server;
use super::accept::{announce, turn_away};
use super::accept_error::{AcceptError, sort};
use crate::direction::Role;
use crate::error::{Error, Result};
use crate::event::{Event, Refusal};
use crate::net::edge::Edge;
use crate::net::listener::Listener;
use crate::net::stream::Stream;
use crate::report::SessionId;
use crate::session::Session;

/// Between two tries when the system is out of something.
const PAUSE: Duration = Duration::from_millis(100);

impl Server {
    /// Accepts the first client and closes the listeners; whoever is queued behind it is turned away with a reset.
    ///
    /// # Errors
    ///
    /// When the listener itself fails.
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
            let session = Session::new(SessionId(1), Role::Server, peer, self.observers.clone());
            let edge = Edge::socket(socket, session).map_err(|error| Error::io("register", error))?;
            announce(&edge);
            for listener in self.listeners {
                let observers = self.observers.clone();
                tokio::spawn(listener.close(move |socket, peer| {
                    turn_away(&socket);
                    observers.emit(|| Event::Refused { peer, reason: Refusal::MaxSessions });
                }));
            }
            return Ok(Stream::from_edge(Arc::new(edge)));
        }
    }
}

/// Accepts on whichever listener has a connection.
async fn any(listeners: &[Listener]) -> (usize, std::io::Result<(std::os::fd::OwnedFd, crate::addr::Addr)>) {
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
