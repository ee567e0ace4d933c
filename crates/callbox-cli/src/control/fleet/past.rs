//! What relays did that are switched off or taken away: the summary counts it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use callbox::server::{Report, Running};
use tokio::time::timeout;

/// How long the sessions of a relay that was switched off may take to be gone; then they are reset.
const PARTING: Duration = Duration::from_secs(5);

/// Relays that do not listen any more; clones share them.
#[derive(Clone, Default)]
pub struct Past(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    report: Report,
    /// Those whose sessions have not all gone yet.
    parting: Vec<Arc<Running>>,
}

impl Past {
    /// Takes one that was closed, and sees its sessions off.
    pub fn take(&self, running: Arc<Running>) {
        self.state().parting.push(running.clone());
        let past = self.clone();
        tokio::spawn(async move {
            let _ = timeout(PARTING, running.finished()).await;
            let mut state = past.state();
            state.parting.retain(|one| !Arc::ptr_eq(one, &running));
            add(&mut state.report, &running.snapshot().report);
        });
    }

    /// Returns what they did in all.
    pub fn report(&self) -> Report {
        let state = self.state();
        let mut all = state.report.clone();
        state.parting.iter().for_each(|running| add(&mut all, &running.snapshot().report));
        all
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds what one relay did to what others did.
pub fn add(all: &mut Report, one: &Report) {
    all.sessions += one.sessions;
    all.refused += one.refused;
    all.to_server_bytes += one.to_server_bytes;
    all.to_client_bytes += one.to_client_bytes;
    all.frames += one.frames;
    all.undrained += one.undrained;
    all.duration = all.duration.max(one.duration);
    // All relays' events go the same way.
    all.lost_events = all.lost_events.max(one.lost_events);
    for (name, times) in &one.limits {
        *all.limits.entry(name).or_default() += times;
    }
}
