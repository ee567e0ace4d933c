//! What a console answers, said by a thread of its own: whoever does not read answers must not hold the sessions.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};

use super::Screen;

/// Answers that may wait; of whoever asks faster than they are taken, the others are only counted.
const WAITING: usize = 256;

/// Says things to whoever types.
pub struct Voice {
    said: mpsc::SyncSender<Said>,
    unsaid: Arc<AtomicU64>,
}

enum Said {
    Answer(String),
    Trouble(String),
}

impl Voice {
    /// Starts the thread. Under `json` answers are talk as well: standard output has nothing but events.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub fn start(screen: Screen, json: bool) -> std::io::Result<Voice> {
        let (sender, said) = mpsc::sync_channel(WAITING);
        let unsaid = Arc::new(AtomicU64::new(0));
        let missed = unsaid.clone();
        std::thread::Builder::new().name("callbox-voice".into()).spawn(move || {
            for said in said {
                match said {
                    Said::Answer(text) if !json => screen.print(ended(text)),
                    Said::Answer(text) | Said::Trouble(text) => screen.print_err(ended(text)),
                }
                match missed.swap(0, Relaxed) {
                    0 => {}
                    count => screen.print_err(format!("{count} answers not shown: asked for faster than taken\n")),
                }
            }
        })?;
        Ok(Voice { said: sender, unsaid })
    }

    /// Answers what was asked.
    pub fn answer(&self, text: impl Into<String>) {
        self.put(Said::Answer(text.into()));
    }

    /// Says what is wrong, or what happens.
    pub fn say(&self, text: impl Into<String>) {
        self.put(Said::Trouble(text.into()));
    }

    fn put(&self, said: Said) {
        if self.said.try_send(said).is_err() {
            self.unsaid.fetch_add(1, Relaxed);
        }
    }
}

fn ended(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
