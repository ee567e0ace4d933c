//! The screen of a console: lines above the prompt, gathered and shown whole, a few times a second.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustyline::ExternalPrinter;
use tokio::sync::oneshot;

use super::direct::{self, To};
use super::gate::Gate;

/// Bytes that wait to be shown; whoever has more waits too.
const QUEUE_BYTES: usize = 256 * 1024;
/// Texts that wait to be shown.
const QUEUE_TEXTS: usize = 4096;
/// Bytes shown at once: more than a screenful, and little enough that a key is answered soon.
const SHOW_BYTES: usize = 16 * 1024;
/// From one drawing to the next: thirty a second are as many as an eye takes.
const SHOW_EVERY: Duration = Duration::from_millis(33);
/// How long a text without a line's end waits for its rest.
const REST: Duration = Duration::from_millis(50);
/// How long [`Screen::flush`] waits at most.
#[cfg(test)]
const FLUSH: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    texts: usize,
    /// When the beginning of a line without its end came.
    begun: Option<Instant>,
    /// A text has been taken and is not shown yet.
    showing: bool,
    /// The editor ends when everything is shown.
    leaving: Option<oneshot::Sender<()>>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    gate: Arc<Gate>,
}

/// Where a console's lines go. A copy is the same screen.
#[derive(Debug, Clone)]
pub struct Screen(Option<Arc<Shared>>);

impl Screen {
    /// A screen without an editor: outputs are written to at once, each for itself.
    pub fn plain() -> Screen {
        Screen(None)
    }

    /// A screen above an editor's prompt, with the thread that alone hands it texts.
    pub fn above(gate: Arc<Gate>, printer: impl ExternalPrinter + Send + 'static) -> io::Result<Screen> {
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new(), gate });
        // Never joined: it may sit in a write that nobody takes.
        std::thread::Builder::new().name("callbox-screen".into()).spawn({
            let shared = shared.clone();
            move || shared.work(printer)
        })?;
        Ok(Screen(Some(shared)))
    }

    /// Shows text that answers what was typed; without an editor, on standard output.
    pub fn print(&self, text: impl AsRef<[u8]>) {
        match &self.0 {
            Some(shared) => shared.push_lines(text.as_ref()),
            // Nobody is left to tell when that fails; whoever must know uses `print_out`.
            None => drop(direct::write(To::Output, text.as_ref())),
        }
    }

    /// Shows what belongs on standard output; waits while the screen does not keep up.
    pub fn print_out(&self, text: impl AsRef<[u8]>) -> io::Result<()> {
        match &self.0 {
            Some(shared) => shared.push(text.as_ref()),
            None => return direct::write(To::Output, text.as_ref()),
        }
        Ok(())
    }

    /// Shows what belongs on the error output, which may be elsewhere although there is an editor.
    pub fn print_err(&self, text: impl AsRef<[u8]>) {
        match &self.0 {
            Some(shared) if rustix::termios::isatty(To::Errors.descriptor()) => shared.push_lines(text.as_ref()),
            // When that fails there is nobody left to tell.
            _ => drop(direct::write(To::Errors, text.as_ref())),
        }
    }

    #[cfg(test)]
    /// Waits until everything is shown, two seconds at most; returns whether it is.
    pub fn flush(&self) -> bool {
        let Some(shared) = &self.0 else { return true };
        let deadline = Instant::now() + FLUSH;
        let mut queue = shared.lock();
        while queue.showing || !queue.bytes.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            queue = shared.wait(queue, left);
        }
        drop(queue);
        shared.gate.settles(deadline)
    }

    /// Ends the editor as soon as everything is shown; the receiver hears when it was told to.
    pub fn leave(&self) -> oneshot::Receiver<()> {
        let (told, heard) = oneshot::channel();
        if let Some(shared) = &self.0 {
            shared.lock().leaving = Some(told);
            shared.changed.notify_all();
        }
        heard
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, queue: MutexGuard<'a, Queue>, patience: Duration) -> MutexGuard<'a, Queue> {
        self.changed.wait_timeout(queue, patience).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Queues whole lines: they begin on a line of their own, whatever stands before them.
    fn push_lines(&self, text: &[u8]) {
        let mut queue = self.lock();
        if queue.bytes.last().is_some_and(|last| *last != b'\n') {
            queue.bytes.push(b'\n');
        }
        self.push_to(queue, text);
    }

    fn push(&self, text: &[u8]) {
        self.push_to(self.lock(), text);
    }

    fn push_to<'a>(&'a self, mut queue: MutexGuard<'a, Queue>, mut text: &[u8]) {
        while !text.is_empty() {
            let room = QUEUE_BYTES.saturating_sub(queue.bytes.len());
            if room == 0 || queue.texts >= QUEUE_TEXTS {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let part = &text[..text.len().min(room)];
            queue.bytes.extend_from_slice(part);
            queue.texts += 1;
            queue.begun = (!part.ends_with(b"\n")).then(Instant::now);
            text = &text[part.len()..];
            self.changed.notify_all();
        }
    }

    fn work(&self, mut printer: impl ExternalPrinter) {
        let mut next = Instant::now();
        loop {
            let (text, leaving) = self.take(next);
            if let Some(text) = text {
                self.gate.show(&mut printer, text);
                next = Instant::now() + SHOW_EVERY;
            }
            if let Some(told) = leaving {
                self.gate.leave(&mut printer);
                let _ = told.send(());
            }
            self.lock().showing = false;
            self.changed.notify_all();
        }
    }

    /// Waits for whole lines, for the beginning of one that nobody has completed, or for the wish to leave.
    fn take(&self, next: Instant) -> (Option<String>, Option<oneshot::Sender<()>>) {
        let mut queue = self.lock();
        loop {
            let now = Instant::now();
            if queue.bytes.is_empty() {
                if let Some(told) = queue.leaving.take() {
                    queue.showing = true;
                    return (None, Some(told));
                }
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let due = queue.begun.map_or(now, |begun| begun + REST);
            let ended = self.gate.has_ended();
            let hurry = ended || queue.leaving.is_some() || queue.bytes.len() == QUEUE_BYTES;
            let whole = whole_lines(&queue.bytes, hurry || due <= now);
            if next > now && !ended {
                queue = self.wait(queue, next - now);
            } else if whole > 0 {
                let rest = queue.bytes.split_off(whole);
                let mut text = std::mem::replace(&mut queue.bytes, rest);
                queue.texts = 0;
                queue.showing = true;
                self.changed.notify_all();
                if !ended && !text.ends_with(b"\n") {
                    text.push(b'\n');
                }
                return (Some(into_text(text)), None);
            } else {
                queue = self.wait(queue, due - now);
            }
        }
    }
}

/// Returns how many bytes to show at once: whole lines, or the beginning of one if it is not to wait any longer.
fn whole_lines(bytes: &[u8], hurry: bool) -> usize {
    let end_of_line = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    let window = &bytes[..bytes.len().min(SHOW_BYTES)];
    if let Some(end) = end_of_line(window) {
        return end;
    }
    match bytes[window.len()..].iter().position(|byte| *byte == b'\n') {
        Some(at) => window.len() + at + 1,
        None if hurry => bytes.len(),
        None => 0,
    }
}

/// Everything that is shown was made safe before; only raw bytes that somebody asked for can be anything else.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_are_shown_and_the_beginning_of_one_waits() {
        assert_eq!(whole_lines(b"one\ntwo\nthr", false), 8);
        assert_eq!(whole_lines(b"thr", false), 0);
        assert_eq!(whole_lines(b"thr", true), 3);
        let mut long = vec![b'a'; SHOW_BYTES + 10];
        long.extend_from_slice(b"\nrest");
        assert_eq!(whole_lines(&long, false), SHOW_BYTES + 11);
        let lines = b"0123456\n".repeat(SHOW_BYTES);
        assert_eq!(whole_lines(&lines, false), SHOW_BYTES);
    }

    #[test]
    fn a_full_queue_holds_up_whoever_has_more() {
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new(), gate: Arc::new(Gate::new()) });
        let writer = std::thread::spawn({
            let shared = shared.clone();
            move || shared.push(&[b'a'; QUEUE_BYTES + 1])
        });
        let (text, _) = shared.take(Instant::now());
        assert_eq!(text.map(|text| text.len()), Some(QUEUE_BYTES + 1), "with its line's end");
        writer.join().expect("the writer goes on once there is room");
        assert_eq!(shared.lock().bytes.len(), 1);
    }
}
