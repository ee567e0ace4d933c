//! What a console answers, said by a thread of its own: whoever does not read answers must not hold the sessions.

use std::sync::mpsc;

use super::Screen;

/// Answers that may wait; whoever asks faster than they are taken waits for answers that never come.
const WAITING: usize = 256;

/// Says things to whoever types.
pub struct Voice(mpsc::SyncSender<Said>);

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
        std::thread::Builder::new().name("callbox-voice".into()).spawn(move || {
            for said in said {
                match said {
                    Said::Answer(text) if !json => screen.print(ended(text)),
                    Said::Answer(text) | Said::Trouble(text) => screen.print_err(ended(text)),
                }
            }
        })?;
        Ok(Voice(sender))
    }

    /// Answers what was asked.
    pub fn answer(&self, text: impl Into<String>) {
        let _ = self.0.try_send(Said::Answer(text.into()));
    }

    /// Says what is wrong, or what happens.
    pub fn say(&self, text: impl Into<String>) {
        let _ = self.0.try_send(Said::Trouble(text.into()));
    }
}

fn ended(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
