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
use super::arrival::{Arrival, Socket};
use super::bending::{Bending, stale};
use super::options::WhenFull;
use super::rate::Bucket;
use super::shared::{Mode, Shared};
use crate::addr::Addr;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Refusal};
use crate::handle::Handler;
use crate::net::listener::Listener;
use crate::pipe::plan::AtListener;

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
    pub(super) bending: Option<Bending>,
    /// Whether the listener was inherited, so that it cannot be bound again.
    inherited: bool,
    pause: Duration,
    reported: Option<Instant>,
}

/// Why the loop left its listener.
enum Left {
    /// The mode has changed, or faults have.
    Changed,
    /// The listener failed.
    Failed(Error),
}

/// What waiting for room came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// One more fits, or need not wait.
    Free,
    /// The mode has changed meanwhile, or faults have.
    Changed,
}

/// Whether the listener is closing, so that nobody can wait for room any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    Yes,
    No,
}

/// Whether a connection has been accepted that waits for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InHand {
    Nobody,
    Somebody,
}

impl<H: Handler> Acceptor<H> {
    pub(super) fn new(shared: Arc<Shared>, handler: Arc<H>) -> Acceptor<H> {
        let (mode, bending) = (shared.mode.subscribe(), Bending::of(&shared));
        Acceptor { shared, handler, mode, bending, inherited: false, pause: PAUSE_MIN, reported: None }
    }

    /// Accepts until the server drains or has all its sessions; closes and binds again as it is told.
    pub(super) async fn run(mut self, listener: Listener) -> Result<()> {
        let (addr, inherited) = (listener.addr().clone(), listener.is_inherited());
        self.inherited = inherited;
        let mut listener = Some(listener);
        loop {
            let mode = *self.mode.borrow_and_update();
            match (mode, listener.take()) {
                (Mode::Accepting, open) => {
                    listener = match (self.look_at_faults(inherited), open) {
                        (Some(AtListener::Refuse), open) => {
                            self.refuse_all(open, &addr).await;
                            None
                        }
                        (_, None) => self.bind_again(&addr).await,
                        (Some(AtListener::BacklogFull), Some(open)) => {
                            self.leave_unserved(&open).await;
                            Some(open)
                        }
                        (None, Some(open)) => match self.accept_on(&open).await {
                            Left::Changed => Some(open),
                            Left::Failed(error) => return Err(error),
                        },
                    };
                }
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
            if self.room(InHand::Nobody).await == Room::Changed {
                return Left::Changed;
            }
            let Some(accepted) = self.next(listener).await else {
                return Left::Changed;
            };
            match accepted {
                Ok((socket, peer)) => {
                    self.pause = PAUSE_MIN;
                    // Another listener may have taken the room meanwhile.
                    if self.room(InHand::Somebody).await == Room::Changed {
                        self.admit(socket, peer, listener.shared_local(), Closing::Yes);
                        return Left::Changed;
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

    /// Accepts the next connection; `None` when the mode has changed, or faults have.
    async fn next(&mut self, listener: &Listener) -> Option<io::Result<(OwnedFd, Addr)>> {
        if self.mode.has_changed().unwrap_or(true) || self.bending.as_ref().is_some_and(Bending::is_stale) {
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
            () = stale(&mut self.bending) => None,
            accepted = listener.accept() => Some(accepted),
        }
    }

    /// Waits until one more connection fits, where those beyond the limit wait.
    async fn room(&mut self, in_hand: InHand) -> Room {
        let shared = self.shared.clone();
        loop {
            // Made before looking, so that no ending is missed.
            let freed = shared.admission.freed();
            if self.handler.is_short() && in_hand == InHand::Nobody {
                tokio::select! {
                    biased;
                    _ = self.mode.changed() => return Room::Changed,
                    () = stale(&mut self.bending) => return Room::Changed,
                    () = freed => {}
                    () = sleep(PAUSE_MIN) => {}
                }
                continue;
            }
            if shared.options.when_full == WhenFull::Refuse {
                return Room::Free;
            }
            let next = match in_hand {
                InHand::Nobody => shared.rate.as_ref().and_then(Bucket::wait),
                // It was its turn when it was accepted.
                InHand::Somebody => None,
            };
            if let Some(next) = next {
                shared.totals.hit(Refusal::Rate.name());
                tokio::select! {
                    biased;
                    _ = self.mode.changed() => return Room::Changed,
                    () = stale(&mut self.bending) => return Room::Changed,
                    () = sleep(next) => {}
                }
                continue;
            }
            if shared.admission.has_room() {
                return Room::Free;
            }
            shared.totals.hit("max_connections");
            tokio::select! {
                biased;
                _ = self.mode.changed() => return Room::Changed,
                // Who was accepted already is served whatever becomes of the listener, and waits for its room.
                () = stale(&mut self.bending), if in_hand == InHand::Nobody => return Room::Changed,
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

    /// Makes a session of a connection, waits for its header first, or turns it away.
    fn admit(&self, socket: OwnedFd, peer: Addr, local: Option<&Arc<Addr>>, closing: Closing) {
        let shared = &self.shared;
        let proxies = shared.options.accept_proxy.as_ref();
        if proxies.is_some_and(|proxies| !proxies.from.trusts(&peer)) {
            return shared.refuse(socket, peer, Refusal::Denied, None);
        }
        // Behind a proxy that is judged by the client.
        if proxies.is_none() && !shared.options.access.permits(&peer) {
            return shared.refuse(socket, peer, Refusal::Denied, None);
        }
        if let Err(reason) = self.in_turn() {
            return shared.refuse(socket, peer, reason, None);
        }
        // Where something is to come first, it counts once that is there.
        let waits = proxies.is_some() || shared.options.tls.is_some();
        if !waits && !shared.count_session() {
            return shared.refuse(socket, peer, Refusal::MaxSessions, None);
        }
        let counted = if proxies.is_none() { &peer } else { &Addr::Memory };
        let admitted = match (closing, shared.options.when_full) {
            (Closing::Yes, WhenFull::Wait) => shared.admission.admit_beyond(counted),
            _ => shared.admission.admit(counted),
        };
        let slot = match admitted {
            Ok(slot) => slot,
            Err(reason) => {
                if !waits {
                    shared.totals.accepted.fetch_sub(1, Relaxed);
                }
                return shared.refuse(socket, peer, reason, None);
            }
        };
        let place = shared.workers.place();
        let runtime = place.runtime();
        let (shared, handler, inherited) = (shared.clone(), self.handler.clone(), self.inherited);
        let arrival = Arrival { shared, handler, peer, local: local.cloned(), inherited, place, slot };
        if waits {
            let header = proxies.map(|proxies| Instant::now() + proxies.timeout);
            drop(runtime.spawn(arrival.after_handshakes(socket, header)));
        } else {
            arrival.seat(Socket::Fresh(socket), None);
        }
    }

    /// Takes one from the rate at which connections are accepted.
    fn in_turn(&self) -> std::result::Result<(), Refusal> {
        match (&self.shared.rate, self.shared.options.when_full) {
            // Who waits has waited already, and who is queued at a listener that closes cannot wait any longer.
            (Some(rate), WhenFull::Wait) => rate.owe(),
            (Some(rate), WhenFull::Refuse) if !rate.take() => return Err(Refusal::Rate),
            _ => {}
        }
        Ok(())
    }

    /// Closes the listener; who is queued becomes a session too, also those who waited for room, or is turned away.
    /// But nobody is turned away at an inherited listener: others may hold it, and whoever is queued there is theirs.
    pub(super) async fn close(&self, listener: Listener, refusal: Option<Refusal>) {
        if refusal.is_some() && listener.is_inherited() {
            drop(listener);
            self.shared.listening.send_modify(|listening| *listening -= 1);
            return;
        }
        let local = listener.shared_local().cloned();
        listener
            .close(|socket, peer| match refusal {
                Some(reason) => self.shared.refuse(socket, peer, reason, None),
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

/// An error that says the listener's own task is gone.
pub(super) fn lost_acceptor() -> Error {
    Error::new("accept", Kind::Stopped, "the runtime is gone")
}
