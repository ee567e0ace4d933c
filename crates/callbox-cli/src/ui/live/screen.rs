//! The full screen: a thread that draws the latest snapshot ten times a second at most, and every way back from it.
//!
//! Ctrl-C and Ctrl-Z stay signals. The one that stops us (SIGTSTP) and the one that ends us with a core (SIGQUIT) come here
//! first, so that the shell finds its terminal as it was; the others that end a run come to whoever closes the screen.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

use callbox::load::Snapshot;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::style::force_color_output;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use super::draw::draw;
use super::line::Look;
use super::tty::{Tty, looked_at};

/// From one drawing to the next.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// How long closing waits for the thread: it never waits for the terminal longer than this.
const CLOSE: Duration = Duration::from_millis(600);
/// How long a panic waits for a drawing to end.
const PANIC: Duration = Duration::from_millis(100);

/// The screen that is open, for the way back after a panic.
static OPEN: Mutex<Weak<Shared>> = Mutex::new(Weak::new());
/// How many screens there have been: only the last one answers signals.
static SCREENS: AtomicUsize = AtomicUsize::new(0);

/// A screen that is open. Closed or dropped, the terminal is as it was before.
#[derive(Debug)]
pub struct Screen {
    shared: Arc<Shared>,
    closed: Receiver<()>,
}

#[derive(Debug)]
struct Shared {
    latest: Mutex<Option<Snapshot>>,
    tty: Mutex<Tty>,
    closing: Notify,
}

impl Screen {
    /// Opens it on the terminal that people look at. In the background it is opened when we come to the foreground.
    ///
    /// # Errors
    ///
    /// No terminal, or none that can be opened again; a thread that cannot be had.
    pub fn start(colored: bool) -> io::Result<Screen> {
        let look = Look { colored, unicode: has_unicode() };
        let mut tty = Tty::open(looked_at()?)?;
        if tty.is_ours() {
            tty.enter()?;
        }
        force_color_output(colored);
        let shared = Arc::new(Shared { latest: Mutex::default(), tty: Mutex::new(tty), closing: Notify::new() });
        *locked(&OPEN) = Arc::downgrade(&shared);
        restore_on_panic();
        let number = SCREENS.fetch_add(1, Relaxed) + 1;
        let (closed, is_closed) = channel();
        let screen = Screen { shared: shared.clone(), closed: is_closed };
        // Never joined: after the end of the screen it still answers Ctrl-Z.
        std::thread::Builder::new().name("callbox-screen".into()).spawn(move || {
            if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
                runtime.block_on(work(&shared, look, number, closed));
            }
            // Without signals or a clock there is no screen, and the run goes on without it.
            locked(&shared.tty).leave();
        })?;
        Ok(screen)
    }

    /// Has a snapshot shown, unless a later one comes before it is; never waits for the terminal.
    pub fn show(&self, snapshot: Snapshot) {
        *locked(&self.shared.latest) = Some(snapshot);
    }

    /// Goes back to where the terminal was, within a moment even if it takes nothing. Whatever is to be read comes after this.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.shared.closing.notify_one();
        let _ = self.closed.recv_timeout(CLOSE);
        *locked(&OPEN) = Weak::new();
        // Unless it has already: the thread may be gone with a panic.
        if let Some(mut tty) = lock_soon(&self.shared.tty, PANIC) {
            tty.leave();
        }
    }
}

/// Draws until the screen is closed; from then on it only stops when it is told to.
async fn work(shared: &Shared, look: Look, number: usize, closed: Sender<()>) {
    let mut tick = tokio::time::interval(DRAW_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let kinds = [SignalKind::from_raw(Signal::TSTP.as_raw()), SignalKind::from_raw(Signal::CONT.as_raw())];
    let [Ok(mut stop), Ok(mut go_on)] = kinds.map(signal) else { return };
    let Ok(mut quit) = signal(SignalKind::quit()) else { return };
    let mut drawing = Drawing { shared, look, shown: None, canvas: None };
    loop {
        tokio::select! {
            biased;
            () = shared.closing.notified() => break,
            _ = stop.recv() => {
                locked(&shared.tty).leave();
                drawing.canvas = None;
                stop_here();
                // It reaches all threads a little later.
                tick.reset();
            }
            _ = quit.recv() => {
                locked(&shared.tty).leave();
                let _ = kill_process(getpid(), Signal::ABORT);
            }
            // Whoever had the terminal meanwhile may have left anything on it.
            _ = go_on.recv() => drawing.canvas = None,
            _ = tick.tick() => drawing.step(),
        }
    }
    locked(&shared.tty).leave();
    let _ = closed.send(());
    // Once a signal was listened to, it does nothing by itself any more.
    loop {
        tokio::select! {
            _ = stop.recv() => {
                if SCREENS.load(Relaxed) == number {
                    stop_here();
                }
            }
            _ = quit.recv() => drop(kill_process(getpid(), Signal::ABORT)),
        }
    }
}

/// Stops this process. Unlike SIGSTOP this is not obeyed where nobody could let us go on, just like the signal we were sent.
fn stop_here() {
    let _ = kill_process(getpid(), Signal::TTOU);
}

/// What is drawn, and what the terminal shows.
struct Drawing<'a> {
    shared: &'a Shared,
    look: Look,
    shown: Option<Snapshot>,
    /// None when what the terminal shows is not known.
    canvas: Option<Canvas>,
}

impl Drawing<'_> {
    /// Draws, where there is something new and the terminal has taken what was before.
    fn step(&mut self) {
        let mut tty = locked(&self.shared.tty);
        if !tty.is_ours() {
            self.canvas = None;
            return;
        }
        if (!tty.is_entered() || self.canvas.is_none()) && tty.enter().is_err() {
            return;
        }
        let size = tty.size();
        let latest = locked(&self.shared.latest).take();
        let is_new = latest.is_some() || self.canvas.as_ref().is_none_or(|canvas| canvas.size != size);
        self.shown = latest.or(self.shown.take());
        let Some(shown) = &self.shown else { return };
        let canvas = match &mut self.canvas {
            Some(canvas) if canvas.size == size => canvas,
            canvas => canvas.insert(Canvas::new(size)),
        };
        if !is_new && !canvas.is_behind || !tty.has_taken_all() {
            canvas.is_behind |= is_new;
            return;
        }
        drop(tty);
        let bytes = canvas.draw(shown, self.look);
        let mut tty = locked(&self.shared.tty);
        if tty.is_entered() {
            tty.push(&bytes);
        }
    }
}

/// What the terminal shows.
struct Canvas {
    size: (u16, u16),
    terminal: Terminal<CrosstermBackend<Sink>>,
    sink: Sink,
    /// Something is to be shown that the terminal had no room for.
    is_behind: bool,
}

impl Canvas {
    fn new(size: (u16, u16)) -> Canvas {
        let sink = Sink::default();
        let area = Rect::new(0, 0, size.0, size.1);
        let options = TerminalOptions { viewport: Viewport::Fixed(area) };
        let terminal = Terminal::with_options(CrosstermBackend::new(sink.clone()), options);
        let terminal = terminal.expect("a fixed part of a screen asks the terminal nothing");
        // What stood there had another size.
        locked(&sink.0).extend_from_slice(b"\x1b[0m\x1b[2J");
        Canvas { size, terminal, sink, is_behind: false }
    }

    /// Returns what makes the terminal show a snapshot.
    fn draw(&mut self, snapshot: &Snapshot, look: Look) -> Vec<u8> {
        let drawn = self.terminal.draw(|frame| draw(frame, snapshot, look));
        drawn.expect("memory takes everything");
        self.is_behind = false;
        std::mem::take(&mut *locked(&self.sink.0))
    }
}

/// Keeps what is written.
#[derive(Debug, Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        locked(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// From now on, what a panic says stands where it can be read.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let open = lock_soon(&OPEN, PANIC).and_then(|open| open.upgrade());
            // Held until it is said: nothing is drawn over it.
            let mut tty = open.as_ref().and_then(|open| lock_soon(&open.tty, PANIC));
            if let Some(tty) = &mut tty {
                tty.leave();
            }
            before(panic);
        }));
    });
}

/// Tells whether the locale has characters beyond ASCII.
fn has_unicode() -> bool {
    let value = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(value).unwrap_or_default().to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks where that is possible within a moment: whoever holds it may be the one who panics.
fn lock_soon<T>(mutex: &Mutex<T>, patience: Duration) -> Option<MutexGuard<'_, T>> {
    let begun = Instant::now();
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if begun.elapsed() > patience => return None,
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}
