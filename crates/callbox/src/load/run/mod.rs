//! A load run under way: seats on lanes, a lane a worker, and one task that collects.

mod attempts;
mod budget;
mod bulk;
mod collect;
mod connection;
mod drive;
mod lane;
mod place;
mod seat;
mod standing;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::plan::{Plan, Precision, Work};
use super::report::{Report, Snapshot, Whom};
use crate::error::{Error, Kind, Result};
use crate::net::connect::{CONNECT_TIMEOUT, ConnectOptions, Target, lookup};
use crate::net::timer::Timer;
use crate::workers::Workers;
use attempts::Attempts;
use budget::Budget;
use collect::Collected;
use lane::Lane;
use seat::Seat;

/// Connections that are being opened at once: listeners' queues are often not longer than some hundreds, and whoever finds one
/// full tries again after a second.
const OPENING_AT_ONCE: usize = 128;
/// How long others may be heard where the first connection came to nothing.
const OTHERS: Duration = Duration::from_millis(250);

/// What all parts of a run know.
struct Run {
    plan: Plan,
    /// How to connect, one for each source.
    options: Vec<ConnectOptions>,
    /// What the address's name was found to be, once for all connections.
    addrs: Option<Vec<SocketAddr>>,
    /// Connections are there before the clock starts.
    opens_ahead: bool,
    opening: Semaphore,
    /// Connections so far.
    number: AtomicU64,
    attempts: Attempts,
    /// Whom the first connection leads to.
    whom: OnceLock<Whom>,
    /// What is sent where bytes are all that matters.
    bytes: Bytes,
    threads: usize,
}

/// A load run under way. Dropping it ends it at once.
pub struct Running {
    shared: Arc<Shared>,
    whom: Option<Whom>,
    over: watch::Receiver<bool>,
    /// What ends with it; the threads that it ran on last.
    _tasks: Tasks,
    _workers: Workers,
}

/// What the one who waits for the report shares with the one who makes it.
struct Shared {
    collected: Mutex<Collected>,
    stop: Notify,
}

/// Tasks that end with their owner.
#[derive(Default)]
struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Shared {
    fn collected(&self) -> MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Returns whom the first connection leads to; `None` where connections come from elsewhere than the network.
    pub fn whom(&self) -> Option<&Whom> {
        self.whom.as_ref()
    }

    /// Returns what was found so far.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.collected().snapshot()
    }

    /// Ends it; what is under way is still awaited, for half a second at most.
    pub fn stop(&self) {
        self.shared.stop.notify_one();
    }

    /// Waits for its end.
    ///
    /// # Cancel safety
    ///
    /// Nothing changes when the future is dropped; it can be asked again.
    pub async fn report(&mut self) -> Report {
        // An error means that the task is gone, which is an end too.
        let _ = self.over.wait_for(|over| *over).await;
        self.shared.collected().snapshot().report
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

impl Run {
    fn target(&self) -> Target<'_> {
        let addr = &self.plan.addr;
        self.addrs.as_deref().map_or(Target::Named(addr), |addrs| Target::Resolved { addr, addrs })
    }
}

/// Starts a run.
pub(super) async fn start(plan: Plan, workers: &Workers) -> Result<Running> {
    let length = plan.stop.after.map(|after| after.saturating_add(plan.warm_up));
    let starts = plan.schedule.starts(length, plan.seed)?.filter(|_| plan.work.has_exchanges());
    let addrs = match plan.dial {
        None if !plan.options.goes_through(&plan.addr) => lookup(&plan.addr, &plan.options).await?,
        _ => None,
    };
    let runtimes: Vec<_> = workers.runtimes().into_iter().take(plan.connections.max(1)).collect();
    let budget = Arc::new(Budget {
        most: plan.stop.count.unwrap_or(u64::MAX),
        begun: AtomicU64::new(0),
        open: AtomicU64::new(0),
        most_open: AtomicU64::new(0),
        numbered: AtomicU64::new(0),
        highest: runtimes.iter().map(|_| AtomicU64::new(0)).collect(),
        finished: Notify::new(),
    });
    let of = runtimes.len() as u64;
    let lanes: Vec<Arc<Lane>> = (0..of)
        .map(|index| {
            let seats =
                plan.connections / runtimes.len() + usize::from((index as usize) < plan.connections % runtimes.len());
            let share = starts.clone().map(|starts| starts.skip_to_share(index, of));
            Arc::new(Lane::new(seats, share, plan.think, index as usize, budget.clone()))
        })
        .collect();
    let run = Arc::new(prepare(plan, addrs, runtimes.len()));
    let mut tasks = Tasks::default();
    let clock = run.clock();
    if !run.opens_ahead {
        lanes.iter().for_each(|lane| lane.begin(clock));
    }
    let (told, mut firsts) = mpsc::unbounded_channel();
    for (lane, runtime) in lanes.iter().zip(&runtimes) {
        let ushering = runtime.spawn(usher(lane.clone(), run.plan.precision));
        tasks.0.push(ushering.abort_handle());
        for index in 0..lane.seats() {
            let seat = Seat { lane: lane.clone(), index, renew_after: run.plan.renew_after };
            let (run, told) = (run.clone(), told.clone());
            let first = move |result| drop(told.send(result));
            tasks.0.push(runtime.spawn(connection::occupy(run, seat, first)).abort_handle());
        }
    }
    drop(told);
    match clock.until.filter(|_| !run.opens_ahead) {
        // The run's time may be over before there is one.
        Some(until) => timeout_at(until, one_of(&mut firsts)).await.unwrap_or(Ok(()))?,
        None => one_of(&mut firsts).await?,
    }
    let clock = if run.opens_ahead {
        rest_of(&mut firsts, run.plan.options.timeout.unwrap_or(CONNECT_TIMEOUT)).await;
        let clock = run.clock();
        lanes.iter().for_each(|lane| lane.begin(clock));
        clock
    } else {
        clock
    };
    // What has come before the clock is not of the run's time.
    let collected = Mutex::new(Collected::new(&run, clock, budget.clone()));
    let shared = Arc::new(Shared { collected, stop: Notify::new() });
    let (done, over) = watch::channel(false);
    let whom = run.whom.get().cloned();
    let driving = drive::drive(run, lanes, budget, shared.clone(), clock, done);
    tasks.0.push(tokio::spawn(driving).abort_handle());
    Ok(Running { shared, whom, over, _tasks: tasks, _workers: workers.clone() })
}

/// Has a lane's exchanges begin when they are due.
async fn usher(lane: Arc<Lane>, precision: Precision) {
    let mut timer = match precision {
        Precision::Precise => Timer::precise().unwrap_or_else(|_no_descriptor| Timer::coarse()),
        Precision::Coarse => Timer::coarse(),
    };
    std::future::poll_fn(|cx| lane.poll_usher(&mut timer, cx)).await;
}

/// Waits for the first connection. Where one comes to nothing, those that were begun with it are heard too: there may be too few ports
/// or descriptors for some.
async fn one_of(firsts: &mut mpsc::UnboundedReceiver<Result<()>>) -> Result<()> {
    let mut failed: Option<(Error, Instant)> = None;
    loop {
        let opened = match &failed {
            None => firsts.recv().await,
            Some((_, until)) => timeout_at(*until, firsts.recv()).await.unwrap_or(None),
        };
        match opened {
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => failed = failed.or_else(|| Some((error, Instant::now() + OTHERS))),
            None => {
                let nothing = || Error::new("connect", Kind::Stopped, "there is nothing to do");
                return Err(failed.map_or_else(nothing, |(error, _)| error));
            }
        }
    }
}

/// Waits for the other first connections, as long as there is one more within the time that one may take.
async fn rest_of(firsts: &mut mpsc::UnboundedReceiver<Result<()>>, patience: Duration) {
    let limit = || Instant::now().checked_add(patience).unwrap_or_else(|| Instant::now() + lane::AGES);
    let mut until = limit();
    while let Ok(Some(opened)) = timeout_at(until, firsts.recv()).await {
        if opened.is_ok() {
            until = limit();
        }
    }
}

fn prepare(plan: Plan, addrs: Option<Vec<SocketAddr>>, threads: usize) -> Run {
    let mut options: Vec<ConnectOptions> = plan
        .sources
        .iter()
        .map(|source| ConnectOptions { source: Some(SocketAddr::new(*source, 0)), ..plan.options.clone() })
        .collect();
    if options.is_empty() {
        options.push(plan.options.clone());
    }
    let size = match plan.work {
        Work::Send(size) | Work::Both(size) => size.max(1),
        _ => 0,
    };
    // Printable and the same each time, so that what is seen of it elsewhere can be read.
    let bytes = (0..size).map(|at| b'a' + (at % 26) as u8).collect();
    Run {
        opens_ahead: plan.renew_after.is_none() && !matches!(plan.work, Work::Connect),
        plan,
        options,
        addrs,
        opening: Semaphore::new(OPENING_AT_ONCE),
        number: AtomicU64::new(0),
        attempts: Attempts::new(),
        whom: OnceLock::new(),
        bytes,
        threads,
    }
}

impl Run {
    /// Returns the times of a run whose clock starts now.
    fn clock(&self) -> lane::Span {
        let begun = Instant::now();
        self.attempts.alive();
        // What is longer than time goes on never ends.
        let counted_from = begun.checked_add(self.plan.warm_up).unwrap_or(begun + lane::AGES);
        let until = self.plan.stop.after.and_then(|after| counted_from.checked_add(after));
        lane::Span { begun, counted_from, until }
    }
}
