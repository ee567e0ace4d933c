//! Who talks with whom: the identity and the facts of one conversation.
//!
//! A [`Session`] is a cheap handle that everybody may hold: the handler, the registry, the event log. It holds no
//! socket; the [`Stream`](crate::Stream) does.

use std::fmt;
use std::sync::atomic::{
    AtomicU8,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::addr::Addr;
use crate::direction::Role;
use crate::meter::Meter;
use crate::observers::Observers;
use crate::report::SessionId;
use crate::termination::Termination;

/// Nothing recorded yet, in the atomics below.
const NONE: u8 = u8::MAX;

/// A handle on the facts of one conversation; clones are cheap and mean the same conversation.
#[derive(Clone)]
pub struct Session(Arc<Facts>);

/// What every chunk touches comes first and together: with thousands of sessions each further cache line is a miss.
#[repr(C)]
struct Facts {
    meter: Meter,
    /// Our own reason to end; `NONE` until somebody asks.
    stop: AtomicU8,
    /// The first of the ends and resets seen at the edge; `NONE` until then.
    first_end: AtomicU8,
    role: Role,
    id: SessionId,
    peer: Addr,
    /// Written once; a listener bound to one address knows it for every session, others ask the kernel.
    local: OnceLock<Addr>,
    started: Instant,
    /// The task to wake when somebody asks.
    waker: Mutex<Option<Waker>>,
    observers: Observers,
}

impl Session {
    /// Makes the facts of a new conversation that starts now.
    pub fn new(id: SessionId, role: Role, peer: Addr, observers: Observers) -> Session {
        Session(Arc::new(Facts {
            id,
            role,
            peer,
            local: OnceLock::new(),
            started: Instant::now(),
            meter: Meter::default(),
            first_end: AtomicU8::new(NONE),
            stop: AtomicU8::new(NONE),
            waker: Mutex::new(None),
            observers,
        }))
    }

    /// Returns the number of this session.
    pub fn id(&self) -> SessionId {
        self.0.id
    }

    /// Tells which side we are.
    pub fn role(&self) -> Role {
        self.0.role
    }

    /// Returns the other end's address, as `accept` or `connect` reported it.
    pub fn peer(&self) -> &Addr {
        &self.0.peer
    }

    /// Returns our end's address, where it is known already.
    pub fn local(&self) -> Option<&Addr> {
        self.0.local.get()
    }

    /// Notes our end's address; the first note stays.
    pub(crate) fn note_local(&self, local: impl FnOnce() -> Option<Addr>) -> Option<&Addr> {
        if self.0.local.get().is_none()
            && let Some(addr) = local()
        {
            let _ = self.0.local.set(addr);
        }
        self.0.local.get()
    }

    /// Returns when the connection was there.
    pub fn started(&self) -> Instant {
        self.0.started
    }

    /// Returns how long the session has lasted.
    pub fn age(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// Returns the exact totals so far.
    pub fn meter(&self) -> &Meter {
        &self.0.meter
    }

    /// Returns who watches.
    pub fn observers(&self) -> &Observers {
        &self.0.observers
    }

    /// Asks the session to end for our own reason; the first reason stays. Its task acts at once.
    pub fn stop(&self, reason: Termination) {
        if self.0.stop.compare_exchange(NONE, reason as u8, SeqCst, Relaxed).is_ok() {
            self.wake();
        }
    }

    /// Returns our own reason to end, once somebody has asked.
    pub fn stopped(&self) -> Option<Termination> {
        decode(self.0.stop.load(SeqCst))
    }

    /// Returns why the session ended: our own reason, else whose FIN or RST came first.
    pub fn termination(&self) -> Option<Termination> {
        self.stopped().or_else(|| self.first_end())
    }

    /// Returns the first of the ends and resets seen at our end; a reset outranks an end of stream.
    pub fn first_end(&self) -> Option<Termination> {
        decode(self.0.first_end.load(Relaxed))
    }

    /// Notes an end or a reset seen at the edge. The first stays, but a reset outranks an end of stream: bytes may be lost.
    pub(crate) fn note_end(&self, end: Termination) {
        let first = self.0.first_end.compare_exchange(NONE, end as u8, Relaxed, Relaxed);
        let lossy = !matches!(end, Termination::ClientClosed | Termination::ServerClosed);
        if let Err(before) = first
            && lossy
            && matches!(decode(before), Some(Termination::ClientClosed | Termination::ServerClosed))
        {
            self.0.first_end.store(end as u8, Relaxed);
        }
    }

    /// Has `cx` woken when the session is asked to end. `known` is the caller's memory from one poll to the next: as
    /// long as the task stays the same, nothing is locked.
    pub(crate) fn wake_on_stop(&self, cx: &Context<'_>, known: &mut Option<Waker>) {
        if !known.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *known = Some(cx.waker().clone());
            *self.0.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.0.waker.lock().unwrap_or_else(PoisonError::into_inner) {
            waker.wake_by_ref();
        }
    }
}

fn decode(value: u8) -> Option<Termination> {
    Termination::ALL.get(usize::from(value)).copied()
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} {} {})", self.id(), self.role().name(), self.peer())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session::new(SessionId(1), Role::Server, Addr::default_address(), Observers::none())
    }

    #[test]
    fn the_first_end_names_the_session_and_a_reset_outranks_it() {
        let session = session();
        session.note_end(Termination::ClientClosed);
        session.note_end(Termination::ServerClosed);
        assert_eq!(session.termination(), Some(Termination::ClientClosed));
        session.note_end(Termination::ServerReset);
        session.note_end(Termination::ClientReset);
        assert_eq!(session.termination(), Some(Termination::ServerReset));
    }

    #[test]
    fn our_own_reason_wins_and_the_first_one_stays() {
        let session = session();
        session.note_end(Termination::ClientClosed);
        session.stop(Termination::IdleTimeout);
        session.stop(Termination::Drained);
        assert_eq!(session.termination(), Some(Termination::IdleTimeout));
    }

    #[test]
    fn every_termination_survives_its_number() {
        for &termination in Termination::ALL {
            assert_eq!(decode(termination as u8), Some(termination));
        }
        assert_eq!(decode(NONE), None);
    }
}
