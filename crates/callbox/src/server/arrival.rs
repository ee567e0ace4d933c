//! A connection between its accept and its session: the header of the PROXY protocol that comes first, then TLS, what a
//! fault at the listener makes of it, then its seat.
//!
//! Whoever is slow with those holds a task of its own and nobody else up.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::seated::Seated;
use super::shared::{Mode, Shared};
use crate::addr::Addr;
use crate::conduct::conduct;
use crate::direction::Role;
use crate::error::{Error, Result};
use crate::event::{Event, PeerProcess, Refusal, Via};
use crate::handle::Handler;
use crate::net::admit::Slot;
use crate::net::edge::Edge;
use crate::net::header::receive_header;
use crate::net::io::Io;
use crate::net::stream::Stream;
use crate::net::sys;
use crate::net::tls::Tls;
use crate::pipe::plan::{AtAccept, AtListener};
use crate::proxy_header::Header;
use crate::report::SessionId;
use crate::session::Session;
use crate::workers::Place;

/// The socket of a connection that was let in.
pub(super) enum Socket {
    /// As accept gave it.
    Fresh(OwnedFd),
    /// Registered with its runtime already.
    Registered(AsyncFd<OwnedFd>),
    /// TLS is spoken on it.
    Tls(Box<Tls>),
}

/// A connection that was let in, without its socket.
pub(super) struct Arrival<H> {
    pub(super) shared: Arc<Shared>,
    pub(super) handler: Arc<H>,
    pub(super) peer: Addr,
    /// Our end's address, where the listener knows it.
    pub(super) local: Option<Arc<Addr>>,
    /// The listener was handed to us: others may hold it too, so a fault cannot close it.
    pub(super) inherited: bool,
    pub(super) place: Place,
    pub(super) slot: Slot,
}

impl<H: Handler> Arrival<H> {
    /// Waits for what must come before a session, on the worker where that will be; turns away who does not come up with it
    /// in time. `header` is until when the header must be there, where one must.
    pub(super) async fn after_handshakes(mut self, socket: OwnedFd, header: Option<Instant>) {
        let socket = match sys::register(socket, sys::STREAM) {
            Ok(socket) => socket,
            Err(error) => return self.shared.unregistered(error),
        };
        let (peer, via) = match header {
            None => (self.peer.clone(), None),
            Some(deadline) => match self.header(&socket, deadline).await {
                Ok(header) => {
                    let (peer, via) = named(&header, self.peer.clone());
                    if let Err(reason) = self.admit(&peer) {
                        return Arrival { peer, ..self }.turn_away(Socket::Registered(socket), reason, None);
                    }
                    (peer, Some(via))
                }
                Err((reason, message)) => return self.turn_away(Socket::Registered(socket), reason, message),
            },
        };
        let arrival = Arrival { peer, ..self };
        let socket = match arrival.shared.options.tls.clone() {
            None => Socket::Registered(socket),
            Some(tls) => match arrival.unless_over(tls.accept(socket)).await {
                Ok(Ok(tls)) => Socket::Tls(Box::new(tls)),
                Ok(Err(unmet)) => {
                    let message = Some(unmet.message.as_str().into());
                    arrival.shared.refused(arrival.peer.clone(), unmet.reason, message);
                    return unmet.part().await;
                }
                // The socket went with the handshake.
                Err(reason) => return arrival.shared.refused(arrival.peer.clone(), reason, None),
            },
        };
        if !arrival.shared.count_session() {
            return arrival.turn_away(socket, Refusal::MaxSessions, None);
        }
        arrival.seat(socket, via);
    }

    /// Judges the client that a header has named.
    fn admit(&mut self, client: &Addr) -> std::result::Result<(), Refusal> {
        if !self.shared.options.access.permits(client) {
            return Err(Refusal::Denied);
        }
        self.slot.count_for(client)
    }

    fn turn_away(self, socket: Socket, reason: Refusal, message: Option<Box<str>>) {
        socket.turn_away();
        self.shared.refused(self.peer, reason, message);
    }

    /// Receives the header.
    async fn header(
        &self,
        socket: &AsyncFd<OwnedFd>,
        deadline: Instant,
    ) -> std::result::Result<Header, (Refusal, Option<Box<str>>)> {
        match self.unless_over(receive_header(socket, deadline)).await {
            Ok(Ok(header)) => Ok(header),
            Ok(Err(missing)) => Err((missing.refusal(), Some(missing.to_string().into()))),
            Err(reason) => Err((reason, None)),
        }
    }

    /// Waits for something unless the server has ended, or has all its sessions.
    async fn unless_over<T>(&self, awaited: impl Future<Output = T>) -> std::result::Result<T, Refusal> {
        let mut mode = self.shared.mode.subscribe();
        tokio::select! {
            biased;
            done = awaited => Ok(done),
            () = self.shared.ended() => Err(Refusal::Drained),
            // The sender is part of what we hold.
            _ = mode.wait_for(|mode| *mode == Mode::Complete) => Err(Refusal::MaxSessions),
        }
    }

    /// Begins the session, which is counted already, unless a fault at the listener is in the way.
    pub(super) fn seat(self, socket: Socket, via: Option<Box<Via>>) {
        let (shared, runtime) = (self.shared.clone(), self.place.runtime());
        let number = shared.next_session();
        let bent = match shared.at_accept(number) {
            None if self.inherited && shared.at_listener() == Some(AtListener::Refuse) => Some(AtAccept::Refuse),
            bent => bent,
        };
        match bent {
            Some(AtAccept::Refuse) => {
                shared.totals.accepted.fetch_sub(1, Relaxed);
                let peer = self.peer.clone();
                drop(self);
                socket.turn_away();
                return shared.refused(peer, Refusal::Fault, None);
            }
            Some(AtAccept::Delay(delay)) => {
                runtime.spawn(async move {
                    self.shared.hold_back(delay).await;
                    if let Some(seated) = self.begin(number, socket, via) {
                        seated.await;
                    }
                });
            }
            Some(AtAccept::Close) => {
                let Arrival { shared, peer, local, inherited, place, slot, handler: _ } = self;
                let leaving = Arrival { shared, handler: Arc::new(leave), peer, local, inherited, place, slot };
                leaving.seat_now(number, socket, via);
            }
            None => self.seat_now(number, socket, via),
        }
        shared.complete_if_last();
    }

    fn seat_now(self, number: SessionId, socket: Socket, via: Option<Box<Via>>) {
        let runtime = self.place.runtime();
        let seated = {
            // Registered at once with the runtime it will run on, and nowhere else before.
            let _inside = runtime.enter();
            self.begin(number, socket, via)
        };
        if let Some(seated) = seated {
            runtime.spawn(seated);
        }
    }

    /// Makes the session, on the current runtime.
    fn begin(
        self,
        number: SessionId,
        socket: Socket,
        via: Option<Box<Via>>,
    ) -> Option<Seated<impl Future<Output = Result<()>> + Send>> {
        let Arrival { shared, handler, peer, local, place, slot, .. } = self;
        let session = Session::new(number, Role::Server, peer, shared.observers.clone());
        session.note_local(|| local);
        let edge = match socket {
            Socket::Fresh(socket) => Edge::socket(socket, session),
            Socket::Registered(socket) => Ok(Edge::registered(socket, session)),
            Socket::Tls(tls) => Ok(Edge::new(Io::Tls(tls), session)),
        };
        match edge {
            Ok(edge) => {
                let edge = Arc::new(edge);
                announce(&edge, via);
                shared.enter(&edge);
                Some(Seated { session: conduct(edge, handler), shared, place, slot })
            }
            Err(error) => {
                shared.unregistered(error);
                None
            }
        }
    }
}

/// The handler of whoever is let in to be closed: our end of stream goes at once, and the closing is as ever.
async fn leave(_session: Session, _stream: Stream) -> Result<()> {
    Ok(())
}

impl Socket {
    fn turn_away(self) {
        match self {
            Socket::Fresh(socket) => turn_away(&socket),
            Socket::Registered(socket) => turn_away(socket.get_ref()),
            Socket::Tls(tls) => {
                tls.reset_on_close();
                turn_away(&tls.descriptor());
            }
        }
    }
}

impl Shared {
    /// Counts one more session unless all that were asked for are there.
    pub(super) fn count_session(&self) -> bool {
        let limit = self.options.sessions.unwrap_or(u64::MAX);
        self.totals
            .accepted
            .fetch_update(Relaxed, Relaxed, |accepted| (accepted < limit).then_some(accepted + 1))
            .is_ok()
    }

    fn complete_if_last(&self) {
        let accepted = self.totals.accepted.load(Relaxed);
        if self.options.sessions.is_some_and(|limit| accepted >= limit) {
            self.mode.send_if_modified(|mode| {
                let goes_on = matches!(mode, Mode::Accepting | Mode::Suspended);
                if goes_on {
                    *mode = Mode::Complete;
                }
                goes_on
            });
        }
    }

    /// Turns a connection away.
    pub(super) fn refuse(&self, socket: OwnedFd, peer: Addr, reason: Refusal, message: Option<Box<str>>) {
        turn_away(&socket);
        drop(socket);
        self.refused(peer, reason, message);
    }

    /// Counts a connection that was turned away, and says so.
    fn refused(&self, peer: Addr, reason: Refusal, message: Option<Box<str>>) {
        self.totals.refuse(reason);
        self.observers.emit(|| Event::Refused { peer, reason, message });
    }

    fn unregistered(&self, error: io::Error) {
        let error = Arc::new(Error::io("register", error));
        self.observers.emit(|| Event::Failed { session: None, error });
    }
}

/// Returns the client that a header names, the proxy itself where it names none, and what is told of the proxy.
pub(super) fn named(header: &Header, proxy: Addr) -> (Addr, Box<Via>) {
    let peer = header.client().unwrap_or_else(|| proxy.clone());
    (peer, Box::new(Via { proxy, destination: header.destination() }))
}

/// Makes the close of a socket a reset: it says "not now" at once and leaves nothing behind on our side.
pub(super) fn turn_away(socket: &impl AsFd) {
    let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// Returns who is at the other end of a Unix socket; behind a proxy, that is the proxy.
fn process(edge: &Edge, via: &Option<Box<Via>>) -> Option<Box<PeerProcess>> {
    let peer = via.as_ref().map_or(edge.session().peer(), |via| &via.proxy);
    let by_unix = matches!(peer, Addr::Unix(_) | Addr::Fd(_));
    edge.descriptor().filter(|_| by_unix).and_then(|socket| sys::peer_process(socket).ok()).map(Box::new)
}

/// Says that a connection is there.
pub(super) fn announce(edge: &Edge, via: Option<Box<Via>>) {
    let session = edge.session();
    if session.observers().wants_talk() {
        let local = edge.local().unwrap_or_else(|| session.peer().clone());
        session.observers().emit(|| Event::Connected {
            session: session.id(),
            role: session.role(),
            peer: session.peer().clone(),
            local,
            phases: None,
            process: process(edge, &via),
            through: None,
            via,
        });
        edge.announce_tls();
    }
}
