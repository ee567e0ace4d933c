//! The byte pipe's output: standard output, written by a thread, so that a full pipe blocks nobody else.
//!
//! Bytes go out as they are. Where they are shown as text or hex, they travel inside events instead, to the thread that
//! shows those.

use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use callbox::handle::talk::Output;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};

use crate::console::direct;

/// Chunks on their way to the thread: enough that receiving and writing overlap.
const CHUNKS: usize = 4;

enum Job {
    Write(Bytes),
    /// Says when everything before is written.
    Flush(oneshot::Sender<()>),
    /// The peer has finished: whoever reads our output sees its end.
    End(oneshot::Sender<()>),
}

/// Standard output as the peer's bytes see it.
pub struct Stdout {
    jobs: mpsc::Sender<Job>,
    failure: Arc<Mutex<Option<io::Error>>>,
    /// Shows when nobody reads any more, where the system tells.
    watch: Option<AsyncFd<OwnedFd>>,
    _thread: Option<JoinHandle<()>>,
}

impl Stdout {
    /// Starts the thread.
    pub fn start() -> io::Result<Stdout> {
        let (jobs, queue) = mpsc::channel(CHUNKS);
        let failure = Arc::new(Mutex::new(None));
        let terminal = io::stdout().is_terminal();
        let thread = std::thread::Builder::new().name("callbox-output".into()).spawn({
            let failure = failure.clone();
            move || {
                if let Err(error) = work(queue, terminal) {
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            }
        })?;
        Ok(Stdout { jobs, failure, watch: watch(), _thread: Some(thread) })
    }

    /// Waits until everything is written.
    pub async fn flush(&mut self) -> io::Result<()> {
        let (done, written) = oneshot::channel();
        self.send(Job::Flush(done)).await?;
        written.await.map_err(|_| self.failure())
    }

    async fn send(&self, job: Job) -> io::Result<()> {
        self.jobs.send(job).await.map_err(|_| self.failure())
    }

    /// Returns why the thread gave up. It sets the reason after it has closed its queue, hence the short wait.
    fn failure(&self) -> io::Error {
        loop {
            if let Some(error) = &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
                return io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(0));
            }
            std::thread::yield_now();
        }
    }
}

impl Output for Stdout {
    async fn write(&mut self, chunk: Bytes) -> io::Result<()> {
        self.send(Job::Write(chunk)).await
    }

    async fn end(&mut self) -> io::Result<()> {
        // The watch holds the output open too.
        self.watch = None;
        let (done, written) = oneshot::channel();
        self.send(Job::End(done)).await?;
        written.await.map_err(|_| self.failure())
    }

    async fn gone(&self) -> io::Error {
        tokio::select! {
            biased;
            // The thread has given up, although nothing more is to be written.
            () = self.jobs.closed() => self.failure(),
            error = unread(self.watch.as_ref()) => error,
        }
    }
}

/// Waits until nobody reads any more.
async fn unread(watch: Option<&AsyncFd<OwnedFd>>) -> io::Error {
    match watch {
        Some(watch) => drop(watch.ready(Interest::ERROR).await),
        None => std::future::pending().await,
    }
    io::ErrorKind::BrokenPipe.into()
}

/// Registers a copy of standard output; files and the like cannot be watched. Nor is a terminal: when it goes away a
/// signal says so, and says more.
fn watch() -> Option<AsyncFd<OwnedFd>> {
    if io::stdout().is_terminal() {
        return None;
    }
    let copy = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3).ok()?;
    callbox::net::sys::register(copy, Interest::ERROR).ok()
}

fn work(mut queue: mpsc::Receiver<Job>, terminal: bool) -> io::Result<()> {
    while let Some(job) = queue.blocking_recv() {
        match job {
            Job::Write(chunk) => {
                if terminal {
                    super::note_cursor(&chunk);
                }
                write_all(&chunk)?;
            }
            Job::Flush(done) => {
                let _ = done.send(());
            }
            Job::End(done) => {
                end()?;
                let _ = done.send(());
            }
        }
    }
    Ok(())
}

/// Closes standard output for whoever reads it, by putting /dev/null in its place.
pub fn end() -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::WRONLY, rustix::fs::Mode::empty())?;
    Ok(rustix::stdio::dup2_stdout(null)?)
}

/// Writes to standard output, unbuffered; a closed pipe is an error like any other here. While a console is open on a
/// terminal, its screen shows it.
pub fn write_all(bytes: &[u8]) -> io::Result<()> {
    super::shown(|screen| screen.print_out(bytes), || direct::write(direct::To::Output, bytes))
}

/// Takes no bytes itself: they travel inside events. Fails when the events cannot be written.
pub struct InsideEvents {
    events: super::thread::Status,
    watch: Option<AsyncFd<OwnedFd>>,
}

impl InsideEvents {
    /// Watches the thread that writes the events, and who reads them.
    pub fn new(events: super::thread::Status) -> InsideEvents {
        InsideEvents { events, watch: watch() }
    }
}

impl Output for InsideEvents {
    async fn write(&mut self, _chunk: Bytes) -> io::Result<()> {
        self.events.check()
    }

    async fn end(&mut self) -> io::Result<()> {
        // The watch holds the output open too.
        self.watch = None;
        self.events.check()
    }

    async fn gone(&self) -> io::Error {
        let mut events = self.events.clone();
        tokio::select! {
            biased;
            error = events.failed() => error,
            error = unread(self.watch.as_ref()) => error,
        }
    }
}
