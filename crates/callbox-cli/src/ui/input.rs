//! The byte pipe's input: standard input, texts and files, read by a thread that nothing waits for.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use callbox::frame::{Framing, Rule};
use callbox::rng::Rng;
use callbox::session::Session;
use callbox::text::Template;
use callbox::text::template::Facts;
use tokio::sync::mpsc;

use crate::args::Ready;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;
/// Chunks read ahead: enough that reading and sending overlap.
const READ_AHEAD: usize = 4;

/// What templates and files need to become what is sent.
pub struct Making {
    framing: Framing,
    session: u64,
    peer: String,
    rng: Rng,
    made: u64,
}

impl Making {
    /// For one session.
    pub fn new(framing: Framing, session: &Session, seed: u64) -> Making {
        let (session, peer) = (session.id().0, session.peer().to_string());
        Making { framing, session, peer, rng: Rng::new(seed), made: 0 }
    }

    /// Makes what a template stands for now, in a frame.
    pub fn make(&mut self, template: &Template) -> io::Result<Bytes> {
        self.made += 1;
        let facts = Facts { n: self.made, time: SystemTime::now(), session: self.session, peer: &self.peer };
        let text = template.render(&facts, &mut self.rng).map_err(|error| io::Error::other(error.to_string()))?;
        self.frame(&text)
    }

    /// Puts a payload in a frame.
    pub fn frame(&self, payload: &[u8]) -> io::Result<Bytes> {
        self.framing.encode(payload).map(Bytes::from).map_err(|invalid| io::Error::other(invalid.to_string()))
    }

    /// Reads all of a file as one payload; no more than a frame may carry.
    fn one_payload(&self, reader: impl Read) -> io::Result<Bytes> {
        let most = self.framing.max_bytes;
        let mut payload = Vec::new();
        reader.take(most as u64 + 1).read_to_end(&mut payload)?;
        if payload.len() > most {
            return Err(io::Error::other(format!("over the largest frame of {most} bytes; --max-frame allows more")));
        }
        self.frame(&payload)
    }

    /// Whether files are streams of bytes, not payloads.
    fn streams(&self) -> bool {
        self.framing.is_none() && self.framing.checksum.is_none()
    }

    /// Frames that end by silence are kept apart by silence.
    fn pause(&self) {
        if let Rule::Idle(silence) = self.framing.rule {
            std::thread::sleep(silence + silence / 2);
        }
    }
}

/// Reads standard input until it ends. Nothing is read before the receiver exists, and no more than it takes.
pub fn standard_input() -> mpsc::Receiver<io::Result<Bytes>> {
    start(|sender| from_stdin(|stdin| copy_from(stdin, sender)))
}

/// Reads the sends one after the other.
pub fn read_all(sends: Vec<Ready>, mut making: Making) -> mpsc::Receiver<io::Result<Bytes>> {
    start(move |sender| {
        for (index, send) in sends.iter().enumerate() {
            if index > 0 {
                making.pause();
            }
            copy(send, &mut making, sender)?;
        }
        Ok(())
    })
}

fn start(
    read: impl FnOnce(&mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> + Send + 'static,
) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    // A thread of its own, never joined: a blocked read cannot be cancelled, and must not hold the exit.
    let spawned = std::thread::Builder::new().name("callbox-input".into()).spawn({
        let sender = sender.clone();
        move || {
            if let Err(error) = read(&sender) {
                let _ = sender.blocking_send(Err(error));
            }
        }
    });
    if let Err(error) = spawned {
        let _ = sender.try_send(Err(error));
    }
    receiver
}

fn copy(send: &Ready, making: &mut Making, sender: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let bytes = match send {
        Ready::Bytes(bytes) => bytes.clone(),
        Ready::Template(template) => making.make(template)?,
        Ready::File(path) if making.streams() => return from_file(path, |file| copy_from(file, sender)),
        Ready::Stdin if making.streams() => return from_stdin(|stdin| copy_from(stdin, sender)),
        Ready::File(path) => from_file(path, |file| making.one_payload(file))?,
        Ready::Stdin => from_stdin(|stdin| making.one_payload(stdin))?,
    };
    if !bytes.is_empty() {
        let _ = sender.blocking_send(Ok(bytes));
    }
    Ok(())
}

fn from_file<T>(path: &Path, read: impl FnOnce(File) -> io::Result<T>) -> io::Result<T> {
    File::open(path).and_then(read).map_err(|error| named(&path.display().to_string(), &error))
}

fn from_stdin<T>(read: impl FnOnce(Stdin) -> io::Result<T>) -> io::Result<T> {
    read(Stdin).map_err(|error| named("standard input", &error))
}

fn named(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {}", callbox::error::plain(error)))
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
