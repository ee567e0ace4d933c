//! Where lines are remembered from one console to the next: `$XDG_STATE_HOME/callbox/history`.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use etcetera::base_strategy::{BaseStrategy, Xdg};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Editor, Helper};

/// Lines remembered.
pub const ENTRIES: usize = 1000;
/// A longer line is not remembered: it was pasted.
const ENTRY_BYTES: usize = 4096;

/// The file with the lines; without one they are forgotten at the end.
pub struct History {
    path: Option<PathBuf>,
}

impl History {
    /// Reads what was remembered; what cannot be done is told in the notice, and no more is tried.
    pub fn open<H: Helper>(editor: &mut Editor<H, DefaultHistory>) -> (History, Option<String>) {
        // Without a home there is no place, which is nobody's fault.
        let Some(folder) = Xdg::new().ok().and_then(|xdg| xdg.state_dir()) else {
            return (History { path: None }, None);
        };
        let folder = folder.join("callbox");
        let mut history = History { path: Some(folder.join("history")) };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(ReadlineError::Io);
        let read = made.and_then(|()| match &history.path {
            Some(path) if path.exists() => editor.load_history(path),
            _ => Ok(()),
        });
        let notice = history.notice(read);
        (history, notice)
    }

    /// Remembers a line; a notice is returned when that fails, once.
    pub fn add<H: Helper>(&mut self, editor: &mut Editor<H, DefaultHistory>, line: &str) -> Option<String> {
        if line.len() > ENTRY_BYTES || line.contains('\n') || !editor.add_history_entry(line).unwrap_or(false) {
            return None;
        }
        let written = editor.append_history(self.path.as_ref()?);
        self.notice(written)
    }

    fn notice(&mut self, done: Result<(), ReadlineError>) -> Option<String> {
        let cause = match done {
            Ok(()) => return None,
            Err(ReadlineError::Io(error)) => callbox::error::plain(&error),
            Err(ReadlineError::Errno(error)) => callbox::error::plain(&io::Error::from(error)),
            Err(error) => error.to_string(),
        };
        let path = self.path.take()?;
        Some(format!("history: {}: {cause}; lines are remembered until the end only", path.display()))
    }
}
