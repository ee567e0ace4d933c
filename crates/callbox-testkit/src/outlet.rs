//! The two kinds of end a byte pipe has, a descriptor of a process or a connection, behind one face.

use std::fs::File;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStdin, ChildStdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::Script;
use crate::deadline::settled;

/// Where a test reads: a program's output or a connection.
#[derive(Debug)]
pub struct Outlet(OwnedFd);

/// Where a test writes: a program's input or a connection.
#[derive(Debug)]
pub enum Inlet {
    /// A pipe; it ends by being closed.
    Pipe(File),
    /// A connection; it ends by a FIN.
    Net(TcpStream),
}

impl From<ChildStdout> for Outlet {
    fn from(output: ChildStdout) -> Self {
        Self(output.into())
    }
}

impl From<TcpStream> for Outlet {
    fn from(stream: TcpStream) -> Self {
        Self(stream.into())
    }
}

impl From<ChildStdin> for Inlet {
    fn from(input: ChildStdin) -> Self {
        Self::Pipe(OwnedFd::from(input).into())
    }
}

impl From<TcpStream> for Inlet {
    fn from(stream: TcpStream) -> Self {
        // A blocked writer is what some tests are about; it must not give up by itself.
        stream.set_write_timeout(None).expect("a socket option");
        Self::Net(stream)
    }
}

impl Outlet {
    /// Reads exactly `count` bytes within `within`.
    ///
    /// # Errors
    ///
    /// Says how far it came.
    pub fn reads_exactly(&self, count: usize, within: Duration) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::with_capacity(count);
        let deadline = Instant::now() + within;
        while bytes.len() < count {
            let most = (count - bytes.len()).min(256 * 1024);
            match self.reads_some(most, deadline) {
                Ok(some) if some.is_empty() => return Err(format!("ended after {} of {count} bytes", bytes.len())),
                Ok(some) => bytes.extend_from_slice(&some),
                Err(why) => return Err(format!("{why} after {} of {count} bytes", bytes.len())),
            }
        }
        Ok(bytes)
    }

    /// Reads to the end within `within`.
    ///
    /// # Errors
    ///
    /// Says how far it came.
    pub fn reads_to_end(&self, within: Duration) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let deadline = Instant::now() + within;
        loop {
            match self.reads_some(256 * 1024, deadline) {
                Ok(some) if some.is_empty() => return Ok(bytes),
                Ok(some) => bytes.extend_from_slice(&some),
                Err(why) => return Err(format!("{why} after {} bytes, no end", bytes.len())),
            }
        }
    }

    fn reads_some(&self, most: usize, deadline: Instant) -> Result<Vec<u8>, String> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).expect("a deadline of a test");
        let mut polled = [PollFd::new(&self.0, PollFlags::IN)];
        match rustix::event::poll(&mut polled, Some(&timeout)) {
            Ok(0) => return Err("nothing came".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(format!("poll: {error}")),
        }
        let mut bytes = vec![0; most];
        let count = rustix::io::read(&self.0, &mut bytes).map_err(|error| error.to_string())?;
        bytes.truncate(count);
        Ok(bytes)
    }
}

impl AsFd for Outlet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Inlet {
    /// Writes all bytes, however long that takes.
    ///
    /// # Errors
    ///
    /// Whatever the kernel answers.
    pub fn writes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Pipe(pipe) => pipe.write_all(bytes),
            Self::Net(stream) => stream.write_all(bytes),
        }
    }

    /// Ends it.
    pub fn ends(self) {
        if let Self::Net(stream) = &self {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }

    /// Writes `bytes` in a thread until nothing moves any more because nobody reads; the thread goes on when somebody
    /// does, and hands the inlet back when joined.
    ///
    /// # Errors
    ///
    /// Says so when everything went in, so that nothing is blocked.
    pub fn fills(mut self, bytes: Arc<Vec<u8>>) -> Result<Script<(Self, std::io::Result<()>)>, String> {
        const PIECE: usize = 16 * 1024;
        let written = Arc::new(AtomicUsize::new(0));
        let (counter, all) = (Arc::clone(&written), bytes.len());
        let writer = Script::runs(move || {
            for piece in bytes.chunks(PIECE) {
                if let Err(error) = self.writes(piece) {
                    return (self, Err(error));
                }
                counter.fetch_add(piece.len(), Ordering::Relaxed);
            }
            (self, Ok(()))
        });
        let queued = settled("a full queue", Duration::from_millis(120), || written.load(Ordering::Relaxed));
        if queued == all {
            return Err(format!("all {all} bytes were taken though nobody reads"));
        }
        Ok(writer)
    }
}
