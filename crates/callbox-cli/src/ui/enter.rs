//! The Enter key, of a command that wants nothing else from its terminal.

use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Typed bytes that are taken at once: what is typed means nothing but that Enter was pressed.
const TYPED_BYTES: usize = 1024;

/// Waits for Enter on standard input, where that is a terminal.
pub struct Enter(Option<AsyncFd<OwnedFd>>);

impl Enter {
    /// Begins to listen, if there is anything to listen to.
    pub fn listen() -> Enter {
        let copy = io::stdin().is_terminal().then(|| rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3));
        Enter(copy.and_then(Result::ok).and_then(|copy| callbox::net::sys::register(copy, Interest::READABLE).ok()))
    }

    /// Waits for the next one; for ever where nobody can press it any more.
    pub async fn pressed(&mut self) {
        while let Some(terminal) = &self.0 {
            let Ok(mut ready) = terminal.ready(Interest::READABLE).await else { break };
            ready.clear_ready();
            // Who reads a terminal from the background is stopped; its keys are somebody else's then.
            if rustix::termios::tcgetpgrp(terminal.get_ref()).ok() != Some(rustix::process::getpgrp()) {
                continue;
            }
            // A terminal hands out whole lines, so there is one now, and this does not wait.
            match rustix::io::read(terminal.get_ref(), &mut [0; TYPED_BYTES]) {
                Ok(1..) => return,
                _ => break,
            }
        }
        self.0 = None;
        std::future::pending().await
    }
}
