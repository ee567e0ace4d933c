//! What faults do to a listener as a whole: when to look at them again, and what they leave of it.

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::accept::Acceptor;
use super::shared::Shared;
use crate::addr::Addr;
use crate::event::Event;
use crate::handle::Handler;
use crate::net::listener::Listener;
use crate::pipe::plan::AtListener;

/// When an acceptor has to look at the faults again.
pub(super) struct Bending {
    changes: watch::Receiver<()>,
    /// When a window of time begins or ends.
    turns: Option<Instant>,
}

impl Bending {
    /// Watches the faults of a server, where it may have some.
    pub(super) fn of(shared: &Shared) -> Option<Bending> {
        let changes = shared.options.faults.as_ref()?.subscribe();
        Some(Bending { changes, turns: None })
    }

    /// Looks at the faults: whatever changes from here on is told.
    fn look(&mut self, shared: &Shared) -> Option<AtListener> {
        self.changes.mark_unchanged();
        self.turns = shared.listener_turns();
        shared.at_listener()
    }

    /// Tells whether they may have changed.
    pub(super) fn is_stale(&self) -> bool {
        self.changes.has_changed().unwrap_or(false) || self.turns.is_some_and(|turns| turns <= Instant::now())
    }
}

/// Waits until faults have to be looked at again; for ever where there can be none.
pub(super) async fn stale(bending: &mut Option<Bending>) {
    let Some(Bending { changes, turns }) = bending else {
        return std::future::pending().await;
    };
    let turn = async {
        match turns {
            Some(turns) => sleep_until(*turns).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        changed = changes.changed() => {
            // The sender is part of the server's options.
            debug_assert!(changed.is_ok(), "faults outlive the server");
        }
        () = turn => {}
    }
}

impl<H: Handler> Acceptor<H> {
    /// Returns what faults make of the listener now. One that is inherited cannot be closed and opened again: there every
    /// connection is reset.
    pub(super) fn look_at_faults(&mut self, inherited: bool) -> Option<AtListener> {
        let bent = self.bending.as_mut()?.look(&self.shared)?;
        (bent != AtListener::Refuse || !inherited).then_some(bent)
    }

    /// Closes the listener, if it is open, and waits until something changes: whoever connects meanwhile is refused.
    pub(super) async fn refuse_all(&mut self, listener: Option<Listener>, addr: &Addr) {
        if let Some(listener) = listener {
            self.shared.observers.emit(|| Event::Notice { message: format!("a fault refuses connections to {addr}") });
            self.close(listener, None).await;
        }
        self.changed().await;
    }

    /// Leaves the queue unserved and handshakes unanswered until something changes.
    pub(super) async fn leave_unserved(&mut self, listener: &Listener) {
        let ignored = listener.ignore();
        let queued = ignored.as_ref().err().map(|error| format!(" ({error}: new connections are queued)"));
        self.shared.observers.emit(|| {
            let message = format!("a fault serves nobody at {}{}", listener.addr(), queued.unwrap_or_default());
            Event::Notice { message }
        });
        self.changed().await;
        if ignored.is_ok() {
            // What could be put there can be taken away.
            let _ = listener.answer(self.shared.options.backlog);
        }
    }

    /// Waits until the mode or the faults have changed.
    async fn changed(&mut self) {
        tokio::select! {
            biased;
            _ = self.mode.changed() => {}
            () = stale(&mut self.bending) => {}
        }
    }
}
