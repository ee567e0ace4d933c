//! What a server has done so far, in numbers that never come from events.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::addr::Addr;
use crate::event::Refusal;
use crate::frames::FrameReport;
use crate::report::{SessionId, SessionReport};

/// The totals of sessions that are over, and how often each limit was hit.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) accepted: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) to_server_bytes: AtomicU64,
    pub(super) to_client_bytes: AtomicU64,
    frames: Mutex<FrameReport>,
    limits: Mutex<BTreeMap<&'static str, u64>>,
}

impl Totals {
    pub(super) fn add(&self, report: &SessionReport) {
        self.to_server_bytes.fetch_add(report.to_server_bytes, Relaxed);
        self.to_client_bytes.fetch_add(report.to_client_bytes, Relaxed);
        if let Some(frames) = report.frames {
            *self.frames.lock().unwrap_or_else(PoisonError::into_inner) += frames;
        }
    }

    pub(super) fn refuse(&self, reason: Refusal) {
        self.refused.fetch_add(1, Relaxed);
        self.hit(reason.name());
    }

    /// Counts that a limit was hit.
    pub(super) fn hit(&self, limit: &'static str) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner).entry(limit).or_default() += 1;
    }

    pub(super) fn frames(&self) -> FrameReport {
        *self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn limits(&self) -> BTreeMap<&'static str, u64> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whom [`accept_first`](super::Server::accept_first) turned away so far, which goes on while the first client talks.
#[derive(Debug, Clone, Default)]
pub struct TurnedAway(pub(super) Arc<Totals>);

impl TurnedAway {
    /// Adds them to a report, with the limits that were in the way.
    pub fn add_to(&self, report: &mut Report) {
        report.refused += self.0.refused.load(Relaxed);
        for (limit, times) in self.0.limits() {
            *report.limits.entry(limit).or_default() += times;
        }
    }
}

/// What a server did, when it is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Connections that became sessions; those turned away are not among them.
    pub sessions: u64,
    /// Connections turned away.
    pub refused: u64,
    /// Bytes from clients to the server.
    pub to_server_bytes: u64,
    /// Bytes from the server to clients.
    pub to_client_bytes: u64,
    /// How the frames arrived, where the observers have a framer.
    pub frames: FrameReport,
    /// From the start to the end.
    pub duration: Duration,
    /// Events that were dropped because nobody read them in time.
    pub lost_events: u64,
    /// How often each limit was hit; those never hit are not listed.
    pub limits: BTreeMap<&'static str, u64>,
    /// Sessions that were still open at the drain deadline.
    pub undrained: u64,
}

/// A running server, now.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Totals so far, those of open sessions included.
    pub report: Report,
    /// The open sessions, oldest first.
    pub sessions: Vec<SessionSnapshot>,
    /// Whether the server accepts.
    pub accepting: bool,
}

/// An open session, now.
#[derive(Debug, Clone)]
pub struct SessionSnapshot {
    /// Its number.
    pub session: SessionId,
    /// The other end.
    pub peer: Addr,
    /// How long it has lasted.
    pub age: Duration,
    /// Bytes from the client to the server.
    pub to_server_bytes: u64,
    /// Bytes from the server to the client.
    pub to_client_bytes: u64,
}
