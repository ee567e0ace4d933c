//! The thread that shows events: it alone reads the bus and writes lines.

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use callbox::bus::Bus;
use callbox::direction::Direction;
use callbox::event::Event;
use callbox::server::Report;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::json::Json;
use super::log::Log;
use super::sampler::SAID_EVERY;
use crate::exit::Failure;

/// What is buffered before it is written although more events wait.
const WRITE_BYTES: usize = 64 * 1024;

/// How events are shown.
pub enum View {
    /// As lines for people.
    Log(Log),
    /// As JSON, one object a line; errors and the ready line go to the error output as ever.
    Json(Json, Log),
}

/// Whether standard output still takes what the thread writes.
#[derive(Clone)]
pub struct Status(watch::Receiver<Option<i32>>);

impl Status {
    /// Fails when writing has failed, with the reason.
    pub fn check(&self) -> io::Result<()> {
        match *self.0.borrow() {
            None => Ok(()),
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// Waits until writing fails.
    pub async fn failed(&mut self) -> io::Error {
        let errno = self.0.wait_for(Option::is_some).await.ok().and_then(|errno| *errno);
        match errno {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => std::future::pending().await,
        }
    }
}

/// What is shown when the bus is empty for good.
#[derive(Default)]
pub struct Last {
    /// Why the run failed; the error output has it anyway, so this is for programs.
    pub failure: Option<Failure>,
    /// The totals.
    pub summary: Option<Report>,
}

/// The running thread.
pub struct Shower {
    bus: Arc<Bus>,
    status: watch::Receiver<Option<i32>>,
    last: Arc<Mutex<Last>>,
    /// Closed when the thread is done.
    done: oneshot::Receiver<()>,
}

impl Shower {
    /// Starts the thread.
    ///
    /// Standard output is closed after the end of the direction `closes_after`, where one is given.
    pub fn start(bus: Arc<Bus>, view: View, closes_after: Option<Direction>) -> io::Result<Shower> {
        let (failed, status) = watch::channel(None);
        let last = Arc::new(Mutex::new(Last::default()));
        let (ending, done) = oneshot::channel();
        // Never joined: it may sit in a write that nobody takes, and that must not hold the exit.
        std::thread::Builder::new().name("callbox-show".into()).spawn({
            let (bus, last) = (bus.clone(), last.clone());
            move || {
                show(&bus, view, closes_after, &failed, &last);
                drop(ending);
            }
        })?;
        Ok(Shower { bus, status, last, done })
    }

    /// Returns whether standard output still takes lines.
    pub fn status(&self) -> Status {
        Status(self.status.clone())
    }

    /// Shows what is left, then the last things, and waits for that, but not beyond `patience`.
    pub async fn finish(self, last: Last, patience: impl Future<Output = ()>) -> Shown {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
        self.bus.close();
        tokio::select! {
            biased;
            _ = self.done => match Status(self.status).check() {
                Ok(()) => Shown::All,
                Err(error) => Shown::Failed(error),
            },
            () = patience => Shown::Part,
        }
    }
}

/// What became of the last lines.
#[derive(Debug)]
pub enum Shown {
    /// They are written.
    All,
    /// Standard output failed.
    Failed(io::Error),
    /// Nobody has taken them in time.
    Part,
}

/// Reads the bus until it is over, then shows the last things.
fn show(
    bus: &Bus,
    view: View,
    closes_after: Option<Direction>,
    failed: &watch::Sender<Option<i32>>,
    last: &Mutex<Last>,
) {
    let (out, terminal) = (Vec::new(), io::stdout().is_terminal());
    let mut showing =
        Showing { view, closes_after, failed, terminal, out, lost: 0, looked: Instant::now(), silent: false };
    loop {
        let mut next = match &showing.view {
            // What was hidden is said although nothing more comes.
            View::Log(log) if log.has_hidden() => bus.wait(Some(SAID_EVERY)),
            _ => bus.wait(None),
        };
        if next.is_none() && bus.is_over() {
            break;
        }
        while let Some((at, event)) = next {
            showing.event(at, &event);
            next = bus.try_next();
            // A flood has no end to wait for.
            if showing.looked.elapsed() >= SAID_EVERY {
                showing.losses(bus.lost());
            }
        }
        showing.losses(bus.lost());
        showing.write();
    }
    showing.last(std::mem::take(&mut *last.lock().unwrap_or_else(PoisonError::into_inner)));
}

/// Turns events into what is written.
struct Showing<'a> {
    view: View,
    closes_after: Option<Direction>,
    failed: &'a watch::Sender<Option<i32>>,
    terminal: bool,
    out: Vec<u8>,
    /// Events lost, as far as it was said.
    lost: u64,
    /// When it was last looked what was not shown.
    looked: Instant,
    /// Writing has failed; events are still taken off the bus, for the error output.
    silent: bool,
}

impl Showing<'_> {
    fn event(&mut self, at: Instant, event: &Event) {
        match &mut self.view {
            View::Log(log) => log.traffic(at, event, &mut self.out),
            View::Json(json, _) => json.event(at, event, &mut self.out),
        }
        let ended = matches!(event, Event::End { direction, .. } if self.closes_after == Some(*direction));
        let talk = !matches!(event, Event::Data { .. } | Event::End { .. });
        // Lines and talk often share a terminal: what came before stands before it.
        let shares = talk && matches!(self.view, View::Log(_));
        if ended || shares || self.out.len() >= WRITE_BYTES {
            self.write();
        }
        if talk {
            let (View::Log(log) | View::Json(_, log)) = &mut self.view;
            log.talk(event);
        }
        if ended {
            // Whoever reads our output sees that no more will come.
            let _ = super::output::end();
        }
    }

    fn losses(&mut self, lost: u64) {
        self.looked = Instant::now();
        let new = lost - std::mem::replace(&mut self.lost, lost);
        match &mut self.view {
            View::Log(log) => {
                log.say_hidden(false);
                if new > 0 {
                    log.lost(new);
                }
            }
            View::Json(json, _) if new > 0 => json.lost(new, &mut self.out),
            View::Json(..) => {}
        }
    }

    fn last(&mut self, last: Last) {
        match (&mut self.view, last.summary) {
            (View::Log(log), summary) => {
                log.say_hidden(true);
                if let Some(report) = summary {
                    log.summary(&report);
                }
            }
            (View::Json(json, _), summary) => {
                if let Some(failure) = &last.failure {
                    json.failure(failure, &mut self.out);
                }
                json.summary(&summary.unwrap_or_default(), &mut self.out);
            }
        }
        self.write();
    }

    fn write(&mut self) {
        if self.terminal {
            super::note_cursor(&self.out);
        }
        if !self.silent
            && !self.out.is_empty()
            && let Err(error) = super::output::write_all(&self.out)
        {
            self.silent = true;
            self.failed.send_replace(Some(error.raw_os_error().unwrap_or(0)));
        }
        self.out.clear();
    }
}

/// How long a server, or a command that timed out, waits at its end for its output to be taken.
pub const FLUSH_GRACE: Duration = Duration::from_secs(2);
/// After a signal that came while the last was being written: it may need no more than a moment.
pub const SIGNAL_GRACE: Duration = Duration::from_millis(100);
