//! The console: lines typed at a prompt or read from a program, and the screen that answers go to.
//!
//! What commands do is not decided here; [`command`] reads them, whoever opened the console carries them out.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callbox::frame::Framing;
use tokio::sync::{mpsc, oneshot};

pub mod command;
pub mod complete;
pub mod descriptors;
pub mod direct;
pub mod editor;
pub mod gate;
pub mod history;
pub mod lines;
pub mod outgoing;
pub mod screen;
pub mod settings;
#[cfg(test)]
mod tests;
pub mod voice;

pub use command::Side;
pub use complete::Sessions;
pub use screen::Screen;

/// Lines read ahead from a program.
const READ_AHEAD: usize = 64;
/// Lines that were typed or pasted and that nobody has taken yet. While somebody pastes, the editor shows nothing, and
/// whoever takes the lines may be waiting for just that: a paste should fit.
const TYPED_AHEAD: usize = 64 * 1024;
/// How long closing waits for the last lines to be shown and for the editor to end.
const CLOSE: Duration = Duration::from_millis(500);

/// What came from the keyboard, or from whoever drives us.
#[derive(Debug, PartialEq)]
pub enum Typed {
    /// A line without its end; UTF-8 when it was typed, whatever was written when a program did.
    Line(Vec<u8>),
    /// Ctrl-C twice: leave, with 130.
    Leave,
    /// Ctrl-D, or the end of the input. Nothing more comes.
    End,
    /// Something to tell, on a line of its own.
    Notice(String),
}

/// What a console asks of the whole command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// `/quit`: our end of stream, then leave; a server drains first.
    Quit,
    /// Ctrl-C twice: leave at once.
    Leave,
}

/// An open console. Closed or dropped, the terminal is as it was before.
pub struct Console {
    typed: mpsc::Receiver<Typed>,
    screen: Screen,
    sessions: Sessions,
    /// What an editor needs to end.
    editing: Option<Editing>,
}

struct Editing {
    gate: Arc<gate::Gate>,
    settings: Arc<settings::Settings>,
    ended: oneshot::Receiver<()>,
}

impl Console {
    /// Opens a console: with a line editor where input and output are a terminal that can be edited on, else with
    /// lines from standard input. Talk and lines of the whole program go above the prompt from then on.
    ///
    /// The editor waits with `select(2)`, so this comes before many sockets are opened, and after the limit on
    /// descriptors was raised.
    pub fn open(side: Side, prompt: &str) -> io::Result<Console> {
        let sessions = Sessions::default();
        let terminal = io::stdin().is_terminal();
        let term = std::env::var("TERM").unwrap_or_default();
        if !terminal || !io::stdout().is_terminal() || !editor::can_edit(&term) {
            let (sender, typed) = mpsc::channel(READ_AHEAD);
            lines::start(sender, terminal)?;
            return Ok(Console { typed, screen: Screen::plain(), sessions, editing: None });
        }
        let gate = Arc::new(gate::Gate::new());
        let settings = Arc::new(settings::Settings::quiet()?);
        let setup = editor::Setup {
            side,
            prompt: prompt.into(),
            sessions: sessions.clone(),
            gate: gate.clone(),
            settings: settings.clone(),
        };
        let (sender, typed) = mpsc::channel(TYPED_AHEAD);
        let (screen, ended) = crate::ui::show_on(|| {
            let (printer, ended) = editor::start(setup, sender)?;
            let screen = Screen::above(gate.clone(), printer)?;
            Ok((screen.clone(), (screen, ended)))
        })?;
        Ok(Console { typed, screen, sessions, editing: Some(Editing { gate, settings, ended }) })
    }

    /// Waits for what is typed next. After [`Typed::End`] and [`Typed::Leave`] nothing more comes.
    pub async fn next(&mut self) -> Typed {
        self.typed.recv().await.unwrap_or(Typed::End)
    }

    /// Tells whether somebody types at a prompt, not a program.
    pub fn is_edited(&self) -> bool {
        self.editing.is_some()
    }

    /// Returns the screen.
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Returns the list of sessions that Tab offers.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Shows what is left, takes the prompt away and puts the terminal back; waits for that half a second at most.
    pub async fn close(mut self) {
        if let Some(editing) = &mut self.editing {
            // Nobody takes lines any more: an editor that waits for that goes on, and sees that it is to end.
            self.typed.close();
            let told = self.screen.leave();
            let ends = async {
                let _ = told.await;
                let _ = (&mut editing.ended).await;
            };
            let _ = tokio::time::timeout(CLOSE, ends).await;
        }
    }
}

/// Reads a file as one payload, and puts it in a frame where there are frames. Without frames, no more than a frame may
/// carry is taken either: it waits for its session in memory.
///
/// # Errors
///
/// A file that cannot be read, or that is too large.
pub fn read_payload(path: &Path, framing: &Framing) -> io::Result<Bytes> {
    let most = framing.max_bytes;
    let mut payload = Vec::new();
    File::open(path)?.take(most as u64 + 1).read_to_end(&mut payload)?;
    if payload.len() > most {
        return Err(io::Error::other(format!("over the largest frame of {most} bytes; --max-frame allows more")));
    }
    framing.encode(&payload).map(Bytes::from).map_err(|invalid| io::Error::other(invalid.to_string()))
}

impl Drop for Console {
    fn drop(&mut self) {
        let Some(editing) = &self.editing else { return };
        crate::ui::show_on_outputs();
        if editing.gate.abandon() && direct::takes(direct::To::Output) {
            // The prompt still stands there: what comes next begins on a line of its own.
            let _ = direct::write(direct::To::Output, b"\r\n");
        }
        editing.settings.restore();
    }
}
