//! One current-thread runtime per core.
//!
//! A work-stealing runtime leaves some of ten thousand busy connections unanswered for a second; a session that stays
//! on its core does not. The caller's own runtime is the first worker, where the acceptor runs too.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::net::busy;

/// Events taken from the kernel at once. What belongs to so many sessions is still in the cache when they run a moment
/// later; with many more, noting that a session is ready and running it each fetch it from memory.
const EVENTS_PER_TICK: usize = 64;
/// Tasks run before the kernel is asked again although some are still waiting: more than one batch of events, so that
/// batches do not pile up, and few enough that bulk sessions delay the others by milliseconds at most.
const TASKS_PER_TICK: u32 = 128;

/// The same for threads that make load and share their core with nothing that waits for them: fewer and larger batches.
const EVENTS_PER_LARGE_TICK: usize = 256;
const TASKS_PER_LARGE_TICK: u32 = 512;

/// The runtimes that sessions run on; cheap to clone. Dropping the last clone ends the threads it started, and with
/// them the sessions that still run there.
#[derive(Clone)]
pub struct Workers(Arc<Inner>);

struct Inner {
    workers: Vec<Worker>,
    threads: Vec<Thread>,
}

struct Worker {
    runtime: Handle,
    sessions: AtomicUsize,
}

struct Thread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A session's place on a worker; dropping it gives the place back.
pub(crate) struct Place {
    workers: Workers,
    index: usize,
}

impl Workers {
    /// The runtime that the caller runs on, alone. This is what servers use unless told otherwise, and what keeps tests
    /// with a paused clock possible.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn current() -> Workers {
        Workers(Arc::new(Inner { workers: vec![Worker::new(Handle::current())], threads: Vec::new() }))
    }

    /// The caller's runtime and `extra` threads beside it, each with a current-thread runtime.
    ///
    /// # Errors
    ///
    /// When a thread or its runtime cannot be made.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn beside(extra: usize) -> Result<Workers> {
        let mut workers = vec![Worker::new(Handle::current())];
        let mut threads = Vec::new();
        for number in 1..=extra {
            let started = runtime().and_then(|runtime| start(number, runtime));
            let (runtime, thread) = started.map_err(|error| Error::io("start worker", error))?;
            workers.push(Worker::new(runtime));
            threads.push(thread);
        }
        Ok(Workers(Arc::new(Inner { workers, threads })))
    }

    /// `threads` threads (at least one) with a current-thread runtime each, and not the caller's, which keeps its time for other
    /// things.
    ///
    /// # Errors
    ///
    /// As [`Workers::beside`].
    pub fn apart(threads: usize) -> Result<Workers> {
        let (mut workers, mut started) = (Vec::new(), Vec::new());
        for number in 1..=threads.max(1) {
            let made =
                runtime_of(EVENTS_PER_LARGE_TICK, TASKS_PER_LARGE_TICK).and_then(|runtime| start(number, runtime));
            let (runtime, thread) = made.map_err(|error| Error::io("start worker", error))?;
            workers.push(Worker::new(runtime));
            started.push(thread);
        }
        Ok(Workers(Arc::new(Inner { workers, threads: started })))
    }

    /// One worker for each core this process may use, the caller's runtime being the first.
    ///
    /// # Errors
    ///
    /// As [`Workers::beside`].
    pub fn per_core() -> Result<Workers> {
        Workers::beside(std::thread::available_parallelism().map_or(1, usize::from) - 1)
    }

    /// Has each worker ask for events without sleeping for `limit` after bytes have moved on a bridge: less time to answer,
    /// for processor time.
    #[must_use]
    pub fn with_busy_poll(self, limit: Duration) -> Workers {
        for worker in &self.0.workers {
            worker.runtime.spawn(busy::keep_awake(limit));
        }
        self
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.0.workers.len()
    }

    /// Tells whether there are none, which is never so.
    pub fn is_empty(&self) -> bool {
        self.0.workers.is_empty()
    }

    /// Waits until every worker has run a task: one that hangs never does.
    ///
    /// # Cancel safety
    ///
    /// Nothing changes when the future is dropped.
    pub async fn answer(&self) {
        let asked: Vec<_> = self.0.workers.iter().map(|worker| worker.runtime.spawn(async {})).collect();
        for task in asked {
            // A runtime that is going away answers by that.
            let _ = task.await;
        }
    }

    /// Returns the runtime of each.
    pub(crate) fn runtimes(&self) -> Vec<Handle> {
        self.0.workers.iter().map(|worker| worker.runtime.clone()).collect()
    }

    /// Takes a place on the worker with the fewest sessions; at equal load on the caller's own, which spares a hop.
    pub(crate) fn place(&self) -> Place {
        let loads = self.0.workers.iter().enumerate().map(|(index, worker)| (worker.sessions.load(Relaxed), index));
        let (_, index) = loads.min().expect("there is at least one worker");
        self.0.workers[index].sessions.fetch_add(1, Relaxed);
        Place { workers: self.clone(), index }
    }
}

impl Place {
    /// Returns the runtime to spawn on.
    pub(crate) fn runtime(&self) -> Handle {
        self.workers.0.workers[self.index].runtime.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.workers.0.workers[self.index].sessions.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workers({})", self.len())
    }
}

impl Worker {
    fn new(runtime: Handle) -> Worker {
        Worker { runtime, sessions: AtomicUsize::new(0) }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.threads.iter_mut().for_each(|thread| drop(thread.stop.take()));
        let current = std::thread::current().id();
        for thread in &mut self.threads {
            // A session may hold the last clone: its own thread cannot wait for itself.
            if let Some(thread) = thread.thread.take_if(|thread| thread.thread().id() != current) {
                let _ = thread.join();
            }
        }
    }
}

/// Makes the kind of runtime that every worker has; the main thread of a program wants the same for itself.
///
/// # Errors
///
/// When the system lacks descriptors for the event queue.
pub fn runtime() -> io::Result<Runtime> {
    runtime_of(EVENTS_PER_TICK, TASKS_PER_TICK)
}

fn runtime_of(events: usize, tasks: u32) -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_io_events_per_tick(events).event_interval(tasks).build()
}

fn start(number: usize, runtime: Runtime) -> io::Result<(Handle, Thread)> {
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = std::thread::Builder::new().name(format!("callbox-{number}")).spawn(move || {
        let _ = runtime.block_on(stopped);
    })?;
    Ok((handle, Thread { stop: Some(stop), thread: Some(thread) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sessions_are_spread_evenly_and_the_first_stays_here() {
        let workers = Workers::beside(2).expect("starts");
        let mut places: Vec<Place> = (0..6).map(|_| workers.place()).collect();
        assert_eq!(places.iter().map(|place| place.index).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
        places.remove(1);
        assert_eq!(workers.place().index, 1, "the freed place is taken first");
    }

    #[tokio::test]
    async fn work_runs_on_the_threads_and_dropping_ends_them() {
        let workers = Workers::beside(1).expect("starts");
        let name = workers.0.workers[1].runtime.spawn(async { std::thread::current().name().map(str::to_owned) });
        assert_eq!(name.await.expect("no panic").as_deref(), Some("callbox-1"));
        drop(workers);
    }
    #[tokio::test]
    async fn who_asks_whether_all_run_hears_nothing_while_one_hangs() {
        let workers = Workers::beside(1).expect("starts");
        workers.answer().await;
        let (end, hangs) = std::sync::mpsc::channel::<()>();
        let (begun, has_begun) = oneshot::channel();
        let hanging = workers.0.workers[1].runtime.spawn(async move {
            let _ = begun.send(());
            hangs.recv()
        });
        has_begun.await.expect("hangs now");
        let patience = Duration::from_millis(100);
        tokio::time::timeout(patience, workers.answer()).await.expect_err("one of them hangs");
        drop(end);
        let _ = hanging.await.expect("no panic");
        workers.answer().await;
    }
}
