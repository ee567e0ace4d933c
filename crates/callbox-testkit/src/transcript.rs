//! What a program has written so far, as everybody may read it.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// The bytes of one output, growing while the program runs.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    ended: bool,
}

impl Transcript {
    /// Reads `source` to its end in a thread of its own.
    pub fn drain(mut source: impl Read + Send + 'static) -> Self {
        let transcript = Self::default();
        let writer = transcript.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            // A terminal whose other side is gone ends with an error; both are the end of what can be read.
            while let Ok(count @ 1..) = source.read(&mut buffer) {
                writer.append(&buffer[..count]);
            }
            writer.end();
        });
        transcript
    }

    /// Returns the transcript of an output that nobody captures: empty and ended.
    pub fn ended_already() -> Self {
        let transcript = Self::default();
        transcript.end();
        transcript
    }

    /// Adds bytes.
    pub fn append(&self, bytes: &[u8]) {
        self.lock().bytes.extend_from_slice(bytes);
        self.0.changed.notify_all();
    }

    /// Marks the end of the output.
    pub fn end(&self) {
        self.lock().ended = true;
        self.0.changed.notify_all();
    }

    /// Returns everything so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// Returns everything so far as text, with replacement characters where it is none.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    /// Returns whether the output has ended.
    pub fn ended(&self) -> bool {
        self.lock().ended
    }

    /// Waits until `find`, given the bytes and whether they have ended, returns something.
    pub fn wait<T>(&self, within: Duration, mut find: impl FnMut(&[u8], bool) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + within;
        let mut state = self.lock();
        loop {
            if let Some(found) = find(&state.bytes, state.ended) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            if state.ended {
                return None;
            }
            state = self.0.changed.wait_timeout(state, left).expect("no writer panics with the lock").0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no writer panics with the lock")
    }
}

/// Returns the lines of `bytes` that are complete.
pub fn complete_lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(str::to_owned).collect()
}
