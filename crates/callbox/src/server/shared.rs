//! What the acceptors, the sessions and the sweep of one server share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::options::ServerOptions;
use super::rate::Bucket;
use super::totals::{Report, SessionSnapshot, Snapshot, Totals};
use crate::direction::Direction;
use crate::net::admit::Admission;
use crate::net::edge::Edge;
use crate::observers::Observers;
use crate::pipe::plan::{AtAccept, AtListener, Faults};
use crate::report::{SessionId, SessionReport};
use crate::session::Session;
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

/// Gives what a handler has counted to whoever counts it together.
pub(super) type Counters = Box<dyn Fn(&mut dyn FnMut(&'static str, u64)) + Send + Sync>;

pub(super) struct Shared {
    pub(super) options: ServerOptions,
    pub(super) observers: Observers,
    pub(super) workers: Workers,
    pub(super) admission: Arc<Admission>,
    pub(super) rate: Option<Bucket>,
    pub(super) totals: Totals,
    counters: Counters,
    pub(super) mode: watch::Sender<Mode>,
    started: Instant,
    next: AtomicU64,
    /// How many listeners are open; acceptors write it, whoever waits for a suspension or a resumption reads it.
    pub(super) listening: watch::Sender<usize>,
    /// Why every session has to end, once that is so: those that were accepted but not yet there are told too.
    ending: OnceLock<Termination>,
    /// Tells those who wait for a header, or are held back, that it is so.
    ended: Notify,
    /// Open sessions; weak, so that a socket closes when its session is done with it.
    open: Mutex<HashMap<SessionId, Weak<Edge>>>,
}

impl Shared {
    pub(super) fn new(options: ServerOptions, observers: Observers, counters: Counters) -> Shared {
        Shared {
            workers: options.workers.clone().unwrap_or_else(Workers::current),
            admission: Admission::new(options.connection_limit(), options.max_per_ip),
            rate: options.accept_rate.map(Bucket::new),
            options,
            observers,
            totals: Totals::default(),
            counters,
            mode: watch::Sender::new(Mode::Accepting),
            started: Instant::now(),
            next: AtomicU64::new(1),
            listening: watch::Sender::new(0),
            ending: OnceLock::new(),
            ended: Notify::new(),
            open: Mutex::default(),
        }
    }

    pub(super) fn next_session(&self) -> SessionId {
        SessionId(self.options.numbers.as_deref().unwrap_or(&self.next).fetch_add(1, Relaxed))
    }

    /// Waits until every session has to end.
    pub(super) async fn ended(&self) {
        // Made before looking, so that it is not missed.
        let told = self.ended.notified();
        if self.ending.get().is_none() {
            told.await;
        }
    }

    /// Returns what faults make of an accepted connection.
    pub(super) fn at_accept(&self, session: SessionId) -> Option<AtAccept> {
        self.options.faults.as_ref()?.plan().at_accept(session.0, self.started.elapsed())
    }

    /// Returns what faults make of the listeners.
    pub(super) fn at_listener(&self) -> Option<AtListener> {
        self.options.faults.as_ref()?.plan().listener(self.started.elapsed())
    }

    /// Returns when that may change by itself.
    pub(super) fn listener_turns(&self) -> Option<Instant> {
        let turns = self.options.faults.as_ref()?.plan().listener_turns(self.started.elapsed())?;
        self.started.checked_add(turns)
    }

    /// Holds a connection back for this long, or until every session has to end.
    pub(super) async fn hold_back(&self, delay: Duration) {
        tokio::select! {
            biased;
            () = self.ended() => {}
            () = sleep(delay) => {}
        }
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

    /// Returns an open session.
    pub(super) fn session(&self, id: SessionId) -> Option<Session> {
        self.open().get(&id).and_then(Weak::upgrade).map(|edge| edge.session().clone())
    }

    /// Asks every session to end, also those that are accepted but not yet there, and says how many there are.
    pub(super) fn stop_all(&self, reason: Termination) -> u64 {
        let _ = self.ending.set(reason);
        self.ended.notify_waiters();
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
        let mut limits = self.totals.limits();
        if let Some(slowed) = self.options.faults.as_ref().map(Faults::slowed).filter(|slowed| *slowed > 0) {
            limits.insert("session_rate", slowed);
        }
        (self.counters)(&mut |name, times| *limits.entry(name).or_default() += times);
        Report {
            sessions: load(&self.totals.accepted),
            refused: load(&self.totals.refused),
            to_server_bytes: to_server_bytes + load(&self.totals.to_server_bytes),
            to_client_bytes: to_client_bytes + load(&self.totals.to_client_bytes),
            frames,
            duration: self.started.elapsed(),
            lost_events: self.observers.bus().map_or(0, |bus| bus.lost()),
            limits,
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
