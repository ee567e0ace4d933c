//! What the acceptors, the sessions and the sweep of one server share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::sync::watch;
use tokio::time::Instant;

use super::options::ServerOptions;
use super::totals::{Report, SessionSnapshot, Snapshot, Totals};
use crate::direction::Direction;
use crate::net::admit::Admission;
use crate::net::edge::Edge;
use crate::observers::Observers;
use crate::report::{SessionId, SessionReport};
use crate::termination::Termination;
use crate::workers::Workers;

/// Whether the listeners accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Accepting,
    /// The listeners are closed; those connected go on, and a resume binds again.
    Suspended,
    /// Closed for good; who is queued is still served.
    Draining,
    /// Closed for good; the sessions asked for have been accepted, and who is queued is turned away.
    Complete,
}

pub(super) struct Shared {
    pub(super) options: ServerOptions,
    pub(super) observers: Observers,
    pub(super) workers: Workers,
    pub(super) admission: Arc<Admission>,
    pub(super) totals: Totals,
    pub(super) mode: watch::Sender<Mode>,
    started: Instant,
    next: AtomicU64,
    /// How many listeners are open; acceptors write it, whoever waits for a suspension or a resumption reads it.
    pub(super) listening: watch::Sender<usize>,
    /// Why every session has to end, once that is so: those that were accepted but not yet there are told too.
    ending: OnceLock<Termination>,
    /// Open sessions; weak, so that a socket closes when its session is done with it.
    open: Mutex<HashMap<SessionId, Weak<Edge>>>,
}

impl Shared {
    pub(super) fn new(options: ServerOptions, observers: Observers) -> Shared {
        Shared {
            workers: options.workers.clone().unwrap_or_else(Workers::current),
            admission: Admission::new(options.connection_limit(), options.max_per_ip),
            options,
            observers,
            totals: Totals::default(),
            mode: watch::Sender::new(Mode::Accepting),
            started: Instant::now(),
            next: AtomicU64::new(1),
            listening: watch::Sender::new(0),
            ending: OnceLock::new(),
            open: Mutex::default(),
        }
    }

    pub(super) fn next_session(&self) -> SessionId {
        SessionId(self.next.fetch_add(1, Relaxed))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<SessionId, Weak<Edge>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter(&self, edge: &Arc<Edge>) {
        self.open().insert(edge.session().id(), Arc::downgrade(edge));
        // After it can be found, so that one of the two sees the other.
        if let Some(&reason) = self.ending.get() {
            edge.session().stop(reason);
        }
    }

    pub(super) fn leave(&self, report: &SessionReport) {
        // Under the lock, so that a report made meanwhile counts these bytes once.
        let mut open = self.open();
        self.totals.add(report);
        open.remove(&report.session);
        drop(open);
        if let Some(limit) = report.termination.limit() {
            self.totals.hit(limit);
        }
    }

    /// Looks at every open session. The lock is held meanwhile: be quick.
    pub(super) fn each(&self, mut look: impl FnMut(&Edge)) {
        for edge in self.open().values().filter_map(Weak::upgrade) {
            look(&edge);
        }
    }

    /// Asks every session to end, also those that are accepted but not yet there, and says how many there are.
    pub(super) fn stop_all(&self, reason: Termination) -> u64 {
        let _ = self.ending.set(reason);
        self.each(|edge| edge.session().stop(reason));
        self.admission.open() as u64
    }

    pub(super) fn report(&self) -> Report {
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        let open = self.open();
        let (mut to_server_bytes, mut to_client_bytes) = (0, 0);
        let mut frames = self.totals.frames();
        for edge in open.values().filter_map(Weak::upgrade) {
            to_server_bytes += edge.session().meter().bytes(Direction::ToServer);
            to_client_bytes += edge.session().meter().bytes(Direction::ToClient);
            if let Some(open) = edge.session().frame_report() {
                frames += open;
            }
        }
        Report {
            sessions: load(&self.totals.accepted),
            refused: load(&self.totals.refused),
            to_server_bytes: to_server_bytes + load(&self.totals.to_server_bytes),
            to_client_bytes: to_client_bytes + load(&self.totals.to_client_bytes),
            frames,
            duration: self.started.elapsed(),
            lost_events: self.observers.bus().map_or(0, |bus| bus.lost()),
            limits: self.totals.limits(),
            undrained: 0,
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut sessions = Vec::new();
        self.each(|edge| {
            let session = edge.session();
            sessions.push(SessionSnapshot {
                session: session.id(),
                peer: session.peer().clone(),
                age: session.age(),
                to_server_bytes: session.meter().bytes(Direction::ToServer),
                to_client_bytes: session.meter().bytes(Direction::ToClient),
            });
        });
        sessions.sort_by_key(|session| session.session);
        let accepting = *self.mode.borrow() == Mode::Accepting;
        Snapshot { report: self.report(), sessions, accepting }
    }
}
