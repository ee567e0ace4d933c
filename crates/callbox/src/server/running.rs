//! A server that runs, and the means to steer it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::accept::{Acceptor, lost_acceptor};
use super::shared::{Mode, Shared};
use super::sweep::{Limits, sweep};
use super::totals::{Report, Snapshot};
use crate::addr::Addr;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::handle::Handler;
use crate::net::listener::Listener;
use crate::pipe::plan::AtListener;
use crate::report::SessionId;
use crate::session::Session;
use crate::termination::Termination;

/// After our end of stream at the drain deadline, how long until the rest is reset.
const FAREWELL: Duration = Duration::from_secs(2);
/// And how long resetting may take: the sessions' tasks have only to be polled once more.
const RESETS: Duration = Duration::from_secs(1);

/// A running server. Dropping it closes the listeners and aborts all sessions.
pub struct Running {
    shared: Arc<Shared>,
    addrs: Vec<Addr>,
    /// Whether the listeners are inherited, so that a fault does not close them.
    inherited: bool,
    /// Ready when every accept loop has ended, with the first error.
    acceptors: watch::Receiver<Option<Result<(), Arc<Error>>>>,
    tasks: Vec<JoinHandle<()>>,
}

pub(super) fn start<H: Handler>(
    shared: Arc<Shared>,
    handler: Arc<H>,
    listeners: Vec<Listener>,
    addrs: Vec<Addr>,
) -> Running {
    for address in &addrs {
        shared.observers.emit(|| Event::Listening { address: address.clone() });
    }
    shared.listening.send_replace(listeners.len());
    let inherited = listeners.iter().any(Listener::is_inherited);
    let (done, acceptors) = watch::channel(None);
    let loops: Vec<_> = listeners
        .into_iter()
        .map(|listener| tokio::spawn(Acceptor::new(shared.clone(), handler.clone()).run(listener)))
        .collect();
    let aborts: Vec<_> = loops.iter().map(JoinHandle::abort_handle).collect();
    let accepting = tokio::spawn(async move {
        // Ends them with it when this task is aborted.
        let _guard = AbortOnDrop(aborts);
        let mut outcome = Ok(());
        for ending in loops {
            let ended = ending.await.unwrap_or_else(|_| Err(lost_acceptor()));
            outcome = outcome.and(ended.map_err(Arc::new));
            if outcome.is_err() {
                break;
            }
        }
        done.send_replace(Some(outcome));
    });
    let limits = Limits {
        idle: shared.options.idle_timeout,
        stall: shared.options.write_stall_timeout,
        half_close: shared.options.half_close_timeout,
        keepalive: shared.options.socket.keepalive,
    };
    let sweeping = tokio::spawn(sweep(Arc::downgrade(&shared), limits));
    Running { shared, addrs, inherited, acceptors, tasks: vec![accepting, sweeping] }
}

impl Running {
    /// Returns the bound addresses, with the real ports.
    pub fn local_addrs(&self) -> &[Addr] {
        &self.addrs
    }

    /// Stops accepting: the listeners close, whoever is queued is still served, those connected go on.
    pub fn suspend(&self) {
        self.change(Mode::Accepting, Mode::Suspended, Event::Suspended);
    }

    /// Accepts again, on the same addresses.
    pub fn resume(&self) {
        self.change(Mode::Suspended, Mode::Accepting, Event::Resumed);
    }

    /// Waits until the listeners are as they were last asked to be: closed after [`Running::suspend`] and while a fault
    /// refuses connections, else open.
    ///
    /// # Cancel safety
    ///
    /// Nothing changes when the future is dropped.
    pub async fn settled(&self) {
        let mut listening = self.shared.listening.subscribe();
        let settled = |listening: &usize| {
            let refuses = !self.inherited && self.shared.at_listener() == Some(AtListener::Refuse);
            let open = *self.shared.mode.borrow() == Mode::Accepting && !refuses;
            *listening == if open { self.addrs.len() } else { 0 }
        };
        // The sender is part of what we hold.
        let _ = listening.wait_for(settled).await;
    }

    /// Returns what is known now.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// Returns an open session, for ending it by itself: [`Session::stop`].
    pub fn session(&self, id: SessionId) -> Option<Session> {
        self.shared.session(id)
    }

    /// Wakes every session, so that what its handler shares with others counts at once.
    pub fn wake_all(&self) {
        self.shared.each(|edge| edge.session().wake());
    }

    /// Asks every session to end for `reason`, also who is still queued, and waits until the listeners are closed for
    /// good; [`Running::finished`] then waits for the sessions.
    ///
    /// # Errors
    ///
    /// When the listener itself had failed.
    ///
    /// # Cancel safety
    ///
    /// Sessions and listeners end all the same when the future is dropped.
    pub async fn close(&self, reason: Termination) -> Result<()> {
        self.shared.mode.send_replace(Mode::Draining);
        self.shared.stop_all(reason);
        self.accepted_all().await
    }

    /// Returns how many connections may be open at once.
    pub fn connection_limit(&self) -> usize {
        self.shared.admission.max()
    }

    /// Waits until the server is done by itself: all sessions asked for are over.
    ///
    /// # Errors
    ///
    /// When the listener itself fails.
    ///
    /// # Cancel safety
    ///
    /// Nothing changes when the future is dropped.
    pub async fn finished(&self) -> Result<Report> {
        self.accepted_all().await?;
        self.shared.admission.emptied().await;
        Ok(self.shared.report())
    }

    /// Stops accepting for good, serves whoever is connected or queued, and ends the rest at the drain deadline: our
    /// end of stream, two seconds later a reset.
    ///
    /// # Errors
    ///
    /// When the listener itself had failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the sessions running; calling again goes on waiting.
    pub async fn drain(&self) -> Result<Report> {
        self.shared.mode.send_replace(Mode::Draining);
        self.accepted_all().await?;
        let sessions = self.shared.admission.open();
        if sessions > 0 {
            self.shared.observers.emit(|| Event::Draining { sessions });
        }
        let emptied = self.shared.admission.emptied();
        let mut undrained = 0;
        if timeout(self.shared.options.drain, emptied).await.is_err() {
            undrained = self.shared.stop_all(Termination::Drained);
            // Each session says farewell by itself and is reset when that is not answered.
            let _ = timeout(FAREWELL + RESETS, self.shared.admission.emptied()).await;
        }
        Ok(Report { undrained, ..self.shared.report() })
    }

    /// Closes the listeners, resets whoever is queued and every session, and waits until they are gone: a second at
    /// most, for a handler that does not give way is left behind.
    ///
    /// # Cancel safety
    ///
    /// Nothing goes on living when the future is dropped.
    pub async fn abort(self) -> Report {
        let shared = self.shared.clone();
        drop(self);
        let open = shared.stop_all(Termination::Aborted);
        let _ = timeout(RESETS, shared.admission.emptied()).await;
        Report { undrained: open, ..shared.report() }
    }

    async fn accepted_all(&self) -> Result<()> {
        let mut acceptors = self.acceptors.clone();
        let outcome = acceptors.wait_for(Option::is_some).await.ok().and_then(|outcome| (*outcome).clone());
        match outcome {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(Arc::unwrap_or_clone(error)),
            None => {
                // The runtime is going away under us; waiting is all that is left.
                sleep(Duration::MAX).await;
                Ok(())
            }
        }
    }

    fn change(&self, from: Mode, to: Mode, event: Event) {
        let changed = self.shared.mode.send_if_modified(|mode| {
            let changes = *mode == from;
            if changes {
                *mode = to;
            }
            changes
        });
        if changed {
            self.shared.observers.emit(|| event);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.shared.stop_all(Termination::Aborted);
    }
}

struct AbortOnDrop(Vec<tokio::task::AbortHandle>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::AbortHandle::abort);
    }
}
