//! What a console answers, said by a thread of its own: whoever does not read answers must not hold the sessions.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;

use super::Screen;
use crate::ui::thread::FLUSH_GRACE;

/// Answers that may wait; of whoever asks faster than they are taken, the others are only counted.
const WAITING: usize = 256;

/// From one look for a place in a full queue to the next, at the end.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Says things to whoever types.
pub struct Voice {
    said: mpsc::SyncSender<Said>,
    unsaid: Arc<AtomicU64>,
    quiet: bool,
}

/// How much is said, and where.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Standard output has nothing but events: answers are talk as well.
    pub json: bool,
    /// Answers and errors alone.
    pub quiet: bool,
}

enum Said {
    /// Says when everything before is said.
    Done(oneshot::Sender<()>),
    Answer(String),
    Trouble(String),
}

impl Voice {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub fn start(screen: Screen, Manner { json, quiet }: Manner) -> std::io::Result<Voice> {
        let (sender, said) = mpsc::sync_channel(WAITING);
        let unsaid = Arc::new(AtomicU64::new(0));
        let missed = unsaid.clone();
        std::thread::Builder::new().name("callbox-voice".into()).spawn(move || {
            for said in said {
                match said {
                    Said::Done(done) => drop(done),
                    Said::Answer(text) if !json => screen.print(ended(text)),
                    Said::Answer(text) | Said::Trouble(text) => screen.print_err(ended(text)),
                }
                match missed.swap(0, Relaxed) {
                    0 => {}
                    count => screen.print_err(format!("{count} answers not shown: asked for faster than taken\n")),
                }
            }
        })?;
        Ok(Voice { said: sender, unsaid, quiet })
    }

    /// Answers what was asked.
    pub fn answer(&self, text: impl Into<String>) {
        self.put(Said::Answer(text.into()));
    }

    /// Says what holds from here on.
    pub fn talk(&self, text: impl Into<String>) {
        if !self.quiet {
            self.put(Said::Trouble(text.into()));
        }
    }

    /// Says what is wrong.
    pub fn say(&self, text: impl Into<String>) {
        self.put(Said::Trouble(text.into()));
    }

    /// Waits until everything is said, for a while: nobody may be there to take it.
    pub async fn finish(&self) {
        let (done, heard) = oneshot::channel();
        let finishes = async {
            let mut last = Said::Done(done);
            while let Err(mpsc::TrySendError::Full(again)) = self.said.try_send(last) {
                last = again;
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            let _ = heard.await;
        };
        let _ = tokio::time::timeout(FLUSH_GRACE, finishes).await;
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
