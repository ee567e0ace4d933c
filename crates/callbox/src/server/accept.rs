//! The accept loop of one listener.
//!
//! Admission comes before accepting: who does not fit waits in the kernel's queue. Accept errors are sorted, and none
//! ends the server by accident.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::accept_error::{AcceptError, sort};
use super::options::WhenFull;
use super::seated::Seated;
use super::shared::{Mode, Shared};
use crate::addr::Addr;
use crate::conduct::conduct;
use crate::direction::Role;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Refusal};
use crate::handle::Handler;
use crate::net::edge::Edge;
use crate::net::listener::Listener;
use crate::session::Session;

/// Accepts in a row before the sessions on this thread get their turn.
const ACCEPTS_PER_TURN: usize = 16;
/// First pause when the system has run out of something; doubled each time, woken early by any close.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Between two reports of a pause.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Acceptor<H> {
    pub(super) shared: Arc<Shared>,
    pub(super) handler: Arc<H>,
    pub(super) mode: watch::Receiver<Mode>,
    pause: Duration,
    reported: Option<Instant>,
}

/// Why the loop left its listener.
enum Left {
    /// The mode has changed.
    Mode,
    /// The listener failed.
    Failed(Error),
}

/// What waiting for room came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// One more fits, or need not wait.
    Free,
    /// The mode has changed meanwhile.
    ModeChanged,
}

/// Whether the listener is closing, so that nobody can wait for room any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    Yes,
    No,
}

impl<H: Handler> Acceptor<H> {
    pub(super) fn new(shared: Arc<Shared>, handler: Arc<H>) -> Acceptor<H> {
        let mode = shared.mode.subscribe();
        Acceptor { shared, handler, mode, pause: PAUSE_MIN, reported: None }
    }

    /// Accepts until the server drains or has all its sessions; closes and binds again as it is told.
    pub(super) async fn run(mut self, listener: Listener) -> Result<()> {
        let (addr, inherited) = (listener.addr().clone(), listener.is_inherited());
        let mut listener = Some(listener);
        loop {
            let mode = *self.mode.borrow_and_update();
            match (mode, listener.take()) {
                (Mode::Accepting, Some(open)) => match self.accept_on(&open).await {
                    Left::Mode => listener = Some(open),
                    Left::Failed(error) => return Err(error),
                },
                (Mode::Accepting, None) => listener = self.bind_again(&addr).await,
                (Mode::Suspended, open) => {
                    // An inherited listener cannot be bound again: it stays open, and its queue waits.
                    if inherited && open.is_some() {
                        listener = open;
                        self.shared.listening.send_modify(|listening| *listening -= 1);
                    } else if let Some(open) = open {
                        self.close(open, None).await;
                    }
                    if self.mode.changed().await.is_err() {
                        return Ok(());
                    }
                    if listener.is_some() {
                        self.shared.listening.send_modify(|listening| *listening += 1);
                    }
                }
                (Mode::Draining, open) => {
                    if let Some(open) = open {
                        self.close(open, None).await;
                    }
                    return Ok(());
                }
                (Mode::Complete, open) => {
                    if let Some(open) = open {
                        self.close(open, Some(Refusal::MaxSessions)).await;
                    }
                    return Ok(());
                }
            }
        }
    }

    async fn accept_on(&mut self, listener: &Listener) -> Left {
        let shared = self.shared.clone();
        let mut turn = 0;
        loop {
            if self.room().await == Room::ModeChanged {
                return Left::Mode;
            }
            let Some(accepted) = self.next(listener).await else {
                return Left::Mode;
            };
            match accepted {
                Ok((socket, peer)) => {
                    self.pause = PAUSE_MIN;
                    // Another listener may have taken the room meanwhile.
                    if self.room().await == Room::ModeChanged {
                        self.admit(socket, peer, listener.shared_local(), Closing::Yes);
                        return Left::Mode;
                    }
                    self.admit(socket, peer, listener.shared_local(), Closing::No);
                }
                Err(error) => match sort(&error) {
                    AcceptError::ThisConnection => shared.totals.hit("accept_aborted"),
                    AcceptError::OutOfResources => {
                        self.rest(&error).await;
                        continue;
                    }
                    AcceptError::ListenerGone => {
                        return Left::Failed(Error::io("accept", error).at(listener.addr()));
                    }
                },
            }
            turn += 1;
            if turn >= ACCEPTS_PER_TURN {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Accepts the next connection; `None` when the mode has changed.
    async fn next(&mut self, listener: &Listener) -> Option<io::Result<(OwnedFd, Addr)>> {
        if self.mode.has_changed().unwrap_or(true) {
            return None;
        }
        // Most often one is there already, and waiting for two things at once costs more than accepting.
        let at_once = poll_fn(|cx| match listener.poll_accept(cx) {
            Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(accepted) = at_once.await {
            return Some(accepted);
        }
        tokio::select! {
            biased;
            _ = self.mode.changed() => None,
            accepted = listener.accept() => Some(accepted),
        }
    }

    /// Waits until one more connection fits, where those beyond the limit wait.
    async fn room(&mut self) -> Room {
        let shared = self.shared.clone();
        loop {
            // Made before looking, so that no ending is missed.
            let freed = shared.admission.freed();
            if shared.options.when_full == WhenFull::Refuse || shared.admission.has_room() {
                return Room::Free;
            }
            shared.totals.hit("max_connections");
            tokio::select! {
                biased;
                _ = self.mode.changed() => return Room::ModeChanged,
                () = freed => {}
            }
        }
    }

    /// Waits a little, or until a connection ends and gives back what was missing.
    async fn rest(&mut self, error: &io::Error) {
        self.shared.totals.hit("accept_exhausted");
        let (pause, now) = (self.pause, Instant::now());
        if self.reported.is_none_or(|last| now - last >= REPORT_INTERVAL) {
            self.reported = Some(now);
            let message = crate::error::plain(error);
            self.shared.observers.emit(|| Event::Paused { message, pause });
        }
        self.pause = (pause * 2).min(PAUSE_MAX);
        tokio::select! {
            biased;
            () = self.shared.admission.freed() => {}
            () = sleep(pause) => {}
        }
    }

    /// Makes a session of a connection, or turns it away.
    fn admit(&self, socket: OwnedFd, peer: Addr, local: Option<&Addr>, closing: Closing) {
        let shared = &self.shared;
        if !self.count_session() {
            return self.refuse(socket, peer, Refusal::MaxSessions);
        }
        let admitted = match (closing, shared.options.when_full) {
            (Closing::Yes, WhenFull::Wait) => shared.admission.admit_beyond(&peer),
            _ => shared.admission.admit(&peer),
        };
        let slot = match admitted {
            Ok(slot) => slot,
            Err(reason) => {
                shared.totals.accepted.fetch_sub(1, Relaxed);
                return self.refuse(socket, peer, reason);
            }
        };
        let session = Session::new(shared.next_session(), Role::Server, peer, shared.observers.clone());
        if let Some(local) = local {
            session.note_local(|| Some(local.clone()));
        }
        let place = shared.workers.place();
        let runtime = place.runtime();
        // Registered at once with the runtime it will run on, and nowhere else before.
        let edge = {
            let _inside = runtime.enter();
            Edge::socket(socket, session)
        };
        match edge {
            Ok(edge) => {
                let edge = Arc::new(edge);
                announce(&edge);
                shared.enter(&edge);
                let session = conduct(edge, self.handler.clone());
                runtime.spawn(Seated { session, shared: shared.clone(), place, slot });
            }
            Err(error) => {
                let error = Arc::new(Error::io("register", error));
                shared.observers.emit(|| Event::Failed { session: None, error });
            }
        }
        self.complete_if_last();
    }

    /// Counts one more session unless all that were asked for are there.
    fn count_session(&self) -> bool {
        let limit = self.shared.options.sessions.unwrap_or(u64::MAX);
        self.shared
            .totals
            .accepted
            .fetch_update(Relaxed, Relaxed, |accepted| (accepted < limit).then_some(accepted + 1))
            .is_ok()
    }

    fn complete_if_last(&self) {
        let accepted = self.shared.totals.accepted.load(Relaxed);
        if self.shared.options.sessions.is_some_and(|limit| accepted >= limit) {
            self.shared.mode.send_if_modified(|mode| {
                let goes_on = matches!(mode, Mode::Accepting | Mode::Suspended);
                if goes_on {
                    *mode = Mode::Complete;
                }
                goes_on
            });
        }
    }

    fn refuse(&self, socket: OwnedFd, peer: Addr, reason: Refusal) {
        turn_away(&socket);
        drop(socket);
        self.shared.totals.refuse(reason);
        self.shared.observers.emit(|| Event::Refused { peer, reason });
    }

    /// Closes the listener; who is queued becomes a session too, also those who waited for room, or is turned away.
    async fn close(&self, listener: Listener, refusal: Option<Refusal>) {
        let local = listener.shared_local().cloned();
        listener
            .close(|socket, peer| match refusal {
                Some(reason) => self.refuse(socket, peer, reason),
                None => self.admit(socket, peer, local.as_ref(), Closing::Yes),
            })
            .await;
        self.shared.listening.send_modify(|listening| *listening -= 1);
    }

    /// Binds the address again after a suspension, trying until it is free.
    async fn bind_again(&mut self, addr: &Addr) -> Option<Listener> {
        let options = &self.shared.options;
        match Listener::bind(addr, &options.socket, options.backlog, options.family).await {
            Ok(mut bound) => {
                self.pause = PAUSE_MIN;
                self.shared.observers.emit(|| Event::Listening { address: addr.clone() });
                self.shared.listening.send_modify(|listening| *listening += 1);
                bound.listeners.pop()
            }
            Err(error) => {
                let error = Arc::new(error);
                self.shared.observers.emit(|| Event::Failed { session: None, error });
                let pause = self.pause;
                self.pause = (pause * 2).min(PAUSE_MAX);
                tokio::select! {
                    biased;
                    _ = self.mode.changed() => {}
                    () = sleep(pause) => {}
                }
                None
            }
        }
    }
}

/// Makes the close of a socket a reset: it says "not now" at once and leaves nothing behind on our side.
pub(super) fn turn_away(socket: &OwnedFd) {
    let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// Says that a connection is there.
pub(super) fn announce(edge: &Edge) {
    let session = edge.session();
    if session.observers().wants_talk() {
        let local = edge.local().unwrap_or_else(|| session.peer().clone());
        session.observers().emit(|| Event::Connected {
            session: session.id(),
            role: session.role(),
            peer: session.peer().clone(),
            local,
            phases: None,
        });
    }
}

/// An error that says the listener's own task is gone.
pub(super) fn lost_acceptor() -> Error {
    Error::new("accept", Kind::Stopped, "the runtime is gone")
}
