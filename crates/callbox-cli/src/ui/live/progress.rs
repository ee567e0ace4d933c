//! One line on the error output, written over once a second.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use callbox::load::Snapshot;
use ratatui::text::Span;

use super::line::cut;
use super::rows::summary;
use super::tty::Tty;

/// From one line to the next.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// How long clearing the line may take.
const CLOSE: Duration = Duration::from_millis(200);

/// A line that is open. Closed or dropped, it is gone.
#[derive(Debug)]
pub struct Progress(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    latest: Option<Snapshot>,
    closing: bool,
    tty: Tty,
    /// Columns that the line takes.
    written: usize,
}

impl Progress {
    /// Opens one on the terminal that the error output is.
    ///
    /// # Errors
    ///
    /// No terminal, or none that can be opened again; a thread that cannot be had.
    pub fn start() -> io::Result<Progress> {
        let tty = Tty::open(rustix::stdio::stderr())?;
        let state = State { latest: None, closing: false, tty, written: 0 };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        std::thread::Builder::new().name("callbox-progress".into()).spawn({
            let shared = shared.clone();
            move || shared.work()
        })?;
        Ok(Progress(shared))
    }

    /// Has a snapshot told, unless a later one comes before it is.
    pub fn show(&self, snapshot: Snapshot) {
        self.0.lock().latest = Some(snapshot);
        self.0.changed.notify_all();
    }

    /// Takes the line away. Whatever is to be read comes after this.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closing = true;
        state.clear();
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut next = Instant::now();
        let mut state = self.lock();
        while !state.closing {
            let now = Instant::now();
            if state.latest.is_none() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else if now < next {
                state = self.changed.wait_timeout(state, next - now).unwrap_or_else(PoisonError::into_inner).0;
            } else {
                next = now + WRITE_EVERY;
                if let Some(snapshot) = state.latest.take() {
                    state.write(&snapshot);
                }
            }
        }
    }
}

impl State {
    fn write(&mut self, snapshot: &Snapshot) {
        // In the background the terminal is somebody else's; and what it has not taken is not followed by more.
        if !self.tty.is_ours() || !self.tty.has_taken_all() {
            return;
        }
        // The last column stays free: some terminals begin a new line in it.
        let line = cut(&summary(snapshot), usize::from(self.tty.size().0) - 1);
        let width = Span::raw(&line).width();
        let over = " ".repeat(self.written.saturating_sub(width));
        self.tty.push(format!("\r{line}{over}").as_bytes());
        self.written = width;
    }

    fn clear(&mut self) {
        if self.written > 0 && self.tty.is_ours() {
            let width = self.written.min(usize::from(self.tty.size().0) - 1);
            self.tty.push(format!("\r{}\r", " ".repeat(width)).as_bytes());
            self.tty.drain(CLOSE);
        }
        self.written = 0;
    }
}
