//! Signals: the first one asks, the second one ends.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that asks callbox to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// SIGHUP: the terminal is gone.
    Hangup,
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Ending {
    /// Returns the exit code: 128 and the signal's number.
    pub fn code(self) -> u8 {
        match self {
            Ending::Hangup => 129,
            Ending::Interrupt => 130,
            Ending::Terminate => 143,
        }
    }
}

/// What a server is told while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To end.
    End(Ending),
    /// SIGHUP where there is something to read again: to do that.
    Reload,
    /// SIGUSR1: to stop accepting.
    Suspend,
    /// SIGUSR2: to accept again.
    Resume,
}

/// The signals that a command listens to.
pub struct Signals {
    hangup: Option<Signal>,
    interrupt: Signal,
    terminate: Signal,
    suspend: Signal,
    resume: Signal,
    /// What SIGHUP means.
    on_hangup: OnHangup,
}

/// What SIGHUP means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnHangup {
    /// To end.
    End,
    /// To read again.
    Reload,
    /// To read again, unless it comes from our terminal, which is gone then.
    ReloadUnlessGone,
}

impl Signals {
    /// Starts listening; from here on the signals do not end the process by themselves.
    pub fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            // `nohup` means what it says.
            hangup: if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            suspend: signal(SignalKind::user_defined1())?,
            resume: signal(SignalKind::user_defined2())?,
            on_hangup: OnHangup::End,
        })
    }

    /// Has SIGHUP ask for a reload from here on, which is what it means to those that run in the background. Where callbox
    /// has a terminal and that is gone when the signal comes, it still asks to end, unless hangups were to be ignored.
    pub fn reload_on_hangup(&mut self) -> std::io::Result<()> {
        self.on_hangup = match &self.hangup {
            Some(_) if has_terminal() => OnHangup::ReloadUnlessGone,
            Some(_) => OnHangup::Reload,
            None => {
                self.hangup = Some(signal(SignalKind::hangup())?);
                OnHangup::Reload
            }
        };
        Ok(())
    }

    /// Waits for a signal that means something to a server.
    pub async fn next(&mut self) -> Asked {
        let on_hangup = self.on_hangup;
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Asked::End(Ending::Terminate),
            _ = self.interrupt.recv() => Asked::End(Ending::Interrupt),
            _ = hangup => match on_hangup {
                OnHangup::Reload => Asked::Reload,
                OnHangup::ReloadUnlessGone if has_terminal() => Asked::Reload,
                _ => Asked::End(Ending::Hangup),
            },
            _ = self.suspend.recv() => Asked::Suspend,
            _ = self.resume.recv() => Asked::Resume,
        }
    }

    /// Waits for a signal that asks callbox to end.
    pub async fn ending(&mut self) -> Ending {
        loop {
            if let Asked::End(ending) = self.next().await {
                return ending;
            }
        }
    }
}

/// Whether there is a controlling terminal: when one is closed, it is taken away from all that it controls.
fn has_terminal() -> bool {
    use rustix::fs::{Mode, OFlags, open};
    open("/dev/tty", OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).is_ok()
}

/// Whether SIGHUP was ignored when we were started; the first bit of the mask is signal 1.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}
