//! A terminal that is written to without ever waiting for it, and its way back to what it was.
//!
//! It is opened a second time: what we set on it then, not to wait, is not set for the shell that we share it with.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::{Action, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios};
use rustix::termios::{tcflow, tcflush, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};

/// The other screen.
const OTHER: &[u8] = b"\x1b[?1049h";
/// A screen that is empty and without a cursor.
const EMPTY: &[u8] = b"\x1b[0m\x1b[2J\x1b[H\x1b[?25l";
/// Back; where there is no other screen, an empty one is left.
const LEAVE: &[u8] = b"\x1b[0m\x1b[2J\x1b[H\x1b[?25h\x1b[?1049l";
/// How long a terminal may take what it is told last, twice: before and after it is set going again.
const PATIENCE: Duration = Duration::from_millis(200);
/// The size of a terminal that does not know its own.
const USUAL: (u16, u16) = (80, 24);
/// Columns and rows that are drawn at most: a size is a claim, and every cell of it takes memory.
const LARGEST: (u16, u16) = (1000, 500);

/// The terminal.
#[derive(Debug)]
pub struct Tty {
    terminal: OwnedFd,
    /// What it was like before; while it is ours.
    before: Option<Termios>,
    /// What it has not taken yet.
    pending: Vec<u8>,
}

impl Tty {
    /// Opens the terminal that `descriptor` is.
    pub fn open(descriptor: BorrowedFd<'_>) -> io::Result<Tty> {
        // As another user, the controlling terminal can be opened under this name only.
        let path = match tcgetpgrp(descriptor) {
            Ok(_) => "/dev/tty".into(),
            Err(_) => format!("/proc/self/fd/{}", descriptor.as_raw_fd()),
        };
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let terminal = rustix::fs::open(path, flags, Mode::empty())?;
        tcgetattr(&terminal)?;
        Ok(Tty { terminal, before: None, pending: Vec::new() })
    }

    /// Tells whether we may write: in the background the terminal is somebody else's.
    pub fn is_ours(&self) -> bool {
        tcgetpgrp(&self.terminal).map_or(true, |group| group == getpgrp())
    }

    /// Tells whether the other screen is shown.
    pub fn is_entered(&self) -> bool {
        self.before.is_some()
    }

    /// Returns columns and rows.
    pub fn size(&self) -> (u16, u16) {
        match tcgetwinsize(&self.terminal) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.min(LARGEST.0), size.ws_row.min(LARGEST.1)),
            _ => USUAL,
        }
    }

    /// Goes to the other screen, or makes it empty again; keys are not shown from then on, but are still signals.
    pub fn enter(&mut self) -> io::Result<()> {
        let is_there = self.before.is_some();
        let before = match &self.before {
            Some(before) => before.clone(),
            None => tcgetattr(&self.terminal)?,
        };
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&self.terminal, OptionalActions::Now, &quiet)?;
        self.before = Some(before);
        if !is_there {
            self.push(OTHER);
        }
        self.push(EMPTY);
        Ok(())
    }

    /// Goes back, with the terminal as it was before; what was typed meanwhile is nobody's.
    pub fn leave(&mut self) {
        let Some(before) = self.before.take() else { return };
        self.pending.clear();
        if !self.is_ours() {
            return;
        }
        self.push(LEAVE);
        if !self.drain(PATIENCE) {
            // Stopped by Ctrl-S, most likely. The screen that was to be looked at goes, and so does its stop; the way to undo it
            // is to stop the terminal the other way as well, and to set it going.
            let _ = tcflow(&self.terminal, Action::OOff);
            let _ = tcflow(&self.terminal, Action::OOn);
            self.drain(PATIENCE);
        }
        self.pending.clear();
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &before);
        let _ = tcflush(&self.terminal, QueueSelector::IFlush);
    }

    /// Writes as much as the terminal takes now; the rest waits.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        self.has_taken_all();
    }

    /// Tells whether the terminal has taken everything, after it was offered what was left.
    pub fn has_taken_all(&mut self) -> bool {
        let mut taken = 0;
        while taken < self.pending.len() {
            match rustix::io::write(&self.terminal, &self.pending[taken..]) {
                Ok(0) | Err(Errno::AGAIN) => break,
                Ok(written) => taken += written,
                Err(Errno::INTR) => {}
                // It is gone: nobody looks any more.
                Err(_) => taken = self.pending.len(),
            }
        }
        self.pending.drain(..taken);
        self.pending.is_empty()
    }

    /// Waits until the terminal has taken everything, so long at most.
    pub fn drain(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while !self.has_taken_all() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let timeout = Timespec { tv_sec: 0, tv_nsec: left.min(PATIENCE).subsec_nanos().into() };
            let mut polled = [PollFd::new(&self.terminal, PollFlags::OUT)];
            if poll(&mut polled, Some(&timeout)).is_err() {
                return false;
            }
        }
        true
    }
}

/// Returns the descriptor of a terminal that people look at: the error output, else standard output.
pub fn looked_at() -> io::Result<BorrowedFd<'static>> {
    let terminals = [rustix::stdio::stderr(), rustix::stdio::stdout()];
    terminals.into_iter().find(|one| rustix::termios::isatty(one)).ok_or_else(|| io::ErrorKind::NotFound.into())
}
