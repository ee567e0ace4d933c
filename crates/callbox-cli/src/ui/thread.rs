//! The thread that shows events: it alone reads the bus and writes lines.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use callbox::Error;
use callbox::bus::Bus;
use callbox::server::Report;
use tokio::sync::{oneshot, watch};

use super::json::Json;
use super::log::Log;

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
    pub error: Option<Error>,
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
    pub fn start(bus: Arc<Bus>, view: View) -> io::Result<Shower> {
        let (failed, status) = watch::channel(None);
        let last = Arc::new(Mutex::new(Last::default()));
        let (ending, done) = oneshot::channel();
        // Never joined: it may sit in a write that nobody takes, and that must not hold the exit.
        std::thread::Builder::new().name("callbox-show".into()).spawn({
            let (bus, last) = (bus.clone(), last.clone());
            move || {
                show(&bus, view, &failed, &last);
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

fn show(bus: &Bus, mut view: View, failed: &watch::Sender<Option<i32>>, last: &Mutex<Last>) {
    let mut lost = 0;
    let mut out = Vec::new();
    let mut silent = false;
    let mut write = |out: &mut Vec<u8>| {
        // After a failure events are still taken off the bus, for the error output.
        if !silent
            && !out.is_empty()
            && let Err(error) = super::output::write_all(out)
        {
            silent = true;
            failed.send_replace(Some(error.raw_os_error().unwrap_or(0)));
        }
        out.clear();
    };
    while let Some((at, event)) = bus.wait(None) {
        let mut next = Some((at, event));
        while let Some((at, event)) = next {
            match &mut view {
                View::Log(log) => log.event(&event, &mut out),
                View::Json(json, log) => {
                    json.event(at, &event, &mut out);
                    log.event(&event, &mut Vec::new());
                }
            }
            if out.len() >= WRITE_BYTES {
                write(&mut out);
            }
            next = bus.try_next();
        }
        if bus.lost() > lost {
            match &mut view {
                View::Log(log) => log.lost(bus.lost() - lost),
                View::Json(json, _) => json.lost(bus.lost() - lost, &mut out),
            }
            lost = bus.lost();
        }
        write(&mut out);
    }
    let last = std::mem::take(&mut *last.lock().unwrap_or_else(PoisonError::into_inner));
    match (&mut view, last.summary) {
        (View::Log(log), Some(report)) => log.summary(&report),
        (View::Json(json, _), summary) => {
            if let Some(error) = &last.error {
                json.error(error, &mut out);
            }
            json.summary(&summary.unwrap_or_default(), &mut out);
        }
        (View::Log(_), None) => {}
    }
    write(&mut out);
}

/// How long a server, or a command that timed out, waits at its end for its output to be taken.
pub const FLUSH_GRACE: Duration = Duration::from_secs(2);
