//! The byte pipe's input: standard input, texts and files, read by a thread that nothing waits for.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::args::Send;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;
/// Chunks read ahead: enough that reading and sending overlap.
const READ_AHEAD: usize = 4;

/// Reads standard input until it ends. Nothing is read before the receiver exists, and no more than it takes.
pub fn standard_input() -> mpsc::Receiver<io::Result<Bytes>> {
    read_all(vec![Send::Stdin])
}

/// Reads the sends one after the other.
pub fn read_all(sends: Vec<Send>) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    // A thread of its own, never joined: a blocked read cannot be cancelled, and must not hold the exit.
    let spawned = std::thread::Builder::new().name("callbox-input".into()).spawn({
        let sender = sender.clone();
        move || {
            for send in sends {
                if let Err(error) = copy(&send, &sender) {
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
            }
        }
    });
    if let Err(error) = spawned {
        let _ = sender.try_send(Err(error));
    }
    receiver
}

fn copy(send: &Send, sender: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    match send {
        Send::Bytes(bytes) => {
            if !bytes.is_empty() {
                let _ = sender.blocking_send(Ok(bytes.clone()));
            }
            Ok(())
        }
        Send::File(path) => File::open(path).and_then(|file| copy_from(file, sender)).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {}", path.display(), callbox::error::plain(&error)))
        }),
        Send::Stdin => copy_from(Stdin, sender).map_err(|error| {
            io::Error::new(error.kind(), format!("standard input: {}", callbox::error::plain(&error)))
        }),
    }
}

fn copy_from(mut reader: impl Read, sender: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if sender.blocking_send(Ok(Bytes::copy_from_slice(&buffer[..read]))).is_err() {
            return Ok(());
        }
    }
}

/// Descriptor 0, unbuffered: what we do not take stays for whoever comes after us.
pub struct Stdin;

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match rustix::io::read(rustix::stdio::stdin(), &mut *buffer) {
                Ok(0) | Err(rustix::io::Errno::IO) => {
                    wait_for_hangup();
                    return Ok(0);
                }
                // Somebody who shares it has made it non-blocking; we never do.
                Err(rustix::io::Errno::AGAIN) => {
                    let stdin = rustix::stdio::stdin();
                    let mut wait = [rustix::event::PollFd::new(&stdin, rustix::event::PollFlags::IN)];
                    rustix::event::poll(&mut wait, None)?;
                }
                result => return Ok(result?),
            }
        }
    }
}

/// At the end of a terminal that is gone, lets SIGHUP come first: it says more than an end of input.
pub fn wait_for_hangup() {
    use rustix::event::{PollFd, PollFlags, poll};
    /// The kernel sends the signal before it ends the input; another thread has to take it.
    const PATIENCE: Duration = Duration::from_secs(1);
    let stdin = rustix::stdio::stdin();
    let mut terminal = [PollFd::new(&stdin, PollFlags::IN)];
    let polled = poll(&mut terminal, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }));
    if stdin_is_character_device() && polled.is_ok() && terminal[0].revents().contains(PollFlags::HUP) {
        std::thread::sleep(PATIENCE);
    }
}

/// A terminal that is gone does not answer as one any more, but it is still a device.
fn stdin_is_character_device() -> bool {
    let status = rustix::fs::fstat(rustix::stdio::stdin());
    status.is_ok_and(|status| {
        rustix::fs::FileType::from_raw_mode(status.st_mode) == rustix::fs::FileType::CharacterDevice
    })
}
