//! Connections on their way to being the one client of `listen`, each with TLS still to be agreed on.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::Instant;

use super::TurnedAway;
use super::arrival::{named, turn_away};
use super::options::AcceptProxy;
use crate::access::Access;
use crate::addr::Addr;
use crate::event::{Event, Refusal, Via};
use crate::net::header::receive_header;
use crate::net::io::Io;
use crate::net::tls::ServerTls;
use crate::observers::Observers;

/// Who may be on the way at once, each with TLS still to be agreed on; where more come, the one that came first makes room, so that
/// the slow ones hold nobody up, however many they are.
const MOST_ARRIVING: usize = 64;

/// Who has arrived.
pub(super) struct First {
    pub(super) io: Io,
    pub(super) peer: Addr,
    pub(super) via: Option<Box<Via>>,
}

/// All who are on their way. Dropping it closes them.
#[derive(Default)]
pub(super) struct Arriving {
    tasks: JoinSet<Option<First>>,
    peers: HashMap<Id, Addr>,
    /// In the order that they came in.
    queue: VecDeque<AbortHandle>,
}

impl Arriving {
    /// Adds one; returns who had to make room for it.
    pub(super) fn add(&mut self, gate: Gate, socket: AsyncFd<OwnedFd>, peer: Addr) -> Option<Addr> {
        let arrives = self.tasks.spawn(gate.arrive(socket, peer.clone()));
        self.peers.insert(arrives.id(), peer);
        self.queue.push_back(arrives);
        // Whoever has arrived, or was turned away, is no longer among them.
        self.queue.retain(|arrives| self.peers.contains_key(&arrives.id()));
        let oldest = if self.queue.len() > MOST_ARRIVING { self.queue.pop_front()? } else { return None };
        oldest.abort();
        self.peers.remove(&oldest.id())
    }

    /// Waits until one has arrived, or was turned away: then there is none. For ever where nobody is on the way.
    ///
    /// # Cancel safety
    ///
    /// Nobody is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Option<First> {
        let Some(arrived) = self.tasks.join_next_with_id().await else {
            return pending().await;
        };
        let (id, first) = match arrived {
            Ok((id, first)) => (id, first),
            Err(error) => (error.id(), None),
        };
        // Who has made room in the very moment that it was done has been told so.
        self.peers.remove(&id)?;
        first
    }

    /// Takes all who are still on the way.
    pub(super) fn rest(&mut self) -> Vec<Addr> {
        self.peers.drain().map(|(_, peer)| peer).collect()
    }
}

/// What a connection goes through before its first byte.
pub(super) struct Gate {
    pub(super) proxies: Option<AcceptProxy>,
    pub(super) access: Access,
    pub(super) tls: ServerTls,
    pub(super) observers: Observers,
    pub(super) turned_away: TurnedAway,
}

impl Gate {
    /// Sees a connection through; `None` when it was turned away.
    async fn arrive(self, socket: AsyncFd<OwnedFd>, peer: Addr) -> Option<First> {
        let (peer, via) = match &self.proxies {
            None => (peer, None),
            Some(proxies) => match receive_header(&socket, Instant::now() + proxies.timeout).await {
                Ok(header) => {
                    let (peer, via) = named(&header, peer);
                    if !self.access.permits(&peer) {
                        turn_away(socket.get_ref());
                        return self.refused(peer, Refusal::Denied, None);
                    }
                    (peer, Some(via))
                }
                Err(missing) => {
                    turn_away(socket.get_ref());
                    return self.refused(peer, missing.refusal(), Some(missing.to_string()));
                }
            },
        };
        match self.tls.accept(socket).await {
            Ok(tls) => Some(First { io: Io::Tls(Box::new(tls)), peer, via }),
            Err(unmet) => {
                let refused = self.refused(peer, unmet.reason, Some(unmet.message.clone()));
                tokio::spawn(unmet.part());
                refused
            }
        }
    }

    fn refused(&self, peer: Addr, reason: Refusal, message: Option<String>) -> Option<First> {
        self.turned_away.0.refuse(reason);
        self.observers.emit(|| Event::Refused { peer, reason, message: message.map(Into::into) });
        None
    }
}
