//! The terminal's settings while a console is open, and their way back.

use std::io;
use std::time::Duration;

use rustix::process::{Signal, getpgrp, kill_current_process_group};
use rustix::stdio::stdin;
use rustix::termios::{InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use rustix::termios::{tcgetattr, tcgetpgrp, tcsetattr};

/// How long a signal to stop may take to reach every thread.
const STOPPED_WITHIN: Duration = Duration::from_millis(100);

/// What the terminal was like before. Dropped, it is like that again.
///
/// The editor switches to its own settings for each line and back after it. Between two lines keys would be echoed
/// and Ctrl-C would be a signal, so what it goes back to is made as quiet as its own.
#[derive(Debug)]
pub struct Settings {
    before: Termios,
}

impl Settings {
    /// Remembers the terminal's settings and makes it quiet.
    pub fn quiet() -> io::Result<Settings> {
        let before = tcgetattr(stdin())?;
        let mut quiet = before.clone();
        quiet.input_modes.remove(InputModes::ICRNL | InputModes::IXON | InputModes::ISTRIP | InputModes::INLCR);
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(stdin(), OptionalActions::Now, &quiet)?;
        Ok(Settings { before })
    }

    /// Puts the terminal back.
    pub fn restore(&self) {
        // In the background that would stop us, and the terminal is somebody else's.
        if tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp()) {
            let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
        }
    }

    /// Stops, with the terminal as it was before; goes on with the settings of now.
    pub fn suspend(&self) {
        let Ok(now) = tcgetattr(stdin()) else { return };
        self.restore();
        let _ = kill_current_process_group(Signal::TSTP);
        // Another thread may take the signal; this one stops a little later, in its sleep.
        std::thread::sleep(STOPPED_WITHIN);
        let _ = tcsetattr(stdin(), OptionalActions::Now, &now);
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        self.restore();
    }
}
