//! Runs a program for each session: its input is what the client sends, its output what the client gets.
//!
//! No shell. The program gets descriptors 0-2 and nothing else, a process group of its own, and the descriptor limit
//! that this process began with. Whatever ends the session, no child and no grandchild is left behind.

mod child;
mod reaper;

use std::collections::HashSet;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use self::reaper::Reaper;
use crate::error::{Error, Result};
use crate::handle::Handler;
use crate::net::stream::{Reader, Stream, Writer};
use crate::session::Session;

/// Children at once, unless asked otherwise: each is a process with three pipes.
pub const MAX_CHILDREN: usize = 64;
/// How long output is still taken after the child has exited, when a grandchild keeps the pipe open.
const DRAIN: Duration = Duration::from_secs(1);
/// Bytes taken from a child at once: what one pipe holds.
const PIPE_BYTES: usize = 64 * 1024;

/// What to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program and its arguments; never empty.
    pub words: Vec<OsString>,
    /// The environment it gets, beside the names that describe the connection.
    pub environment: Vec<(OsString, OsString)>,
    /// The descriptor limit it gets (soft, hard); `None` leaves ours.
    pub nofile: Option<(u64, u64)>,
    /// How many may run at once.
    pub max_children: usize,
    /// How long a child may go on after its session before it is told to end, and then made to.
    pub grace: Duration,
}

impl Program {
    /// Runs `words` with an empty environment, at most [`MAX_CHILDREN`] at once and with five seconds of grace.
    pub fn new(words: Vec<OsString>) -> Program {
        let grace = Duration::from_secs(5);
        Program { words, environment: Vec::new(), nofile: None, max_children: MAX_CHILDREN, grace }
    }
}

/// Runs a program for each session.
#[derive(Debug, Clone)]
pub struct Exec {
    program: Arc<Program>,
    places: Arc<Semaphore>,
    groups: Groups,
}

/// The process groups that are alive.
#[derive(Debug, Clone, Default)]
struct Groups(Arc<Mutex<HashSet<Pid>>>);

impl Groups {
    fn change<T>(&self, change: impl FnOnce(&mut HashSet<Pid>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Exec {
    /// Prepares to run `program`.
    pub fn new(program: Program) -> Exec {
        let places = Arc::new(Semaphore::new(program.max_children));
        Exec { program: Arc::new(program), places, groups: Groups::default() }
    }

    /// Ends every process group that is still alive, at once: for a server that exits.
    pub fn end_all(&self) {
        for group in self.groups.change(|groups| groups.drain().collect::<Vec<_>>()) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

impl Handler for Exec {
    async fn handle(&self, session: Session, stream: Stream) -> Result<()> {
        let place = self.places.clone().acquire_owned().await.expect("never closed");
        let failed = |error| Error::io("exec", error).at(self.program.words[0].to_string_lossy());
        let started = child::start(&self.program, &stream).map_err(failed)?;
        let mut reaper =
            reaper::watch(started.child, self.program.grace, self.groups.clone(), place).map_err(failed)?;
        let reporting = tokio::spawn(child::report_errors(started.errors, session));
        let (reader, writer) = stream.split();
        let result = talk(reader, writer, started.input, started.output, &mut reaper).await;
        // The pipes are closed now. From here on the child is told to end, step by step.
        reaper.session_over().await;
        reporting.abort();
        result
    }
}

/// Moves bytes until the client has aborted, or both directions have ended, or the child has exited and what it wrote
/// is through.
async fn talk(
    reader: Reader,
    writer: Writer,
    input: pipe::Sender,
    output: pipe::Receiver,
    reaper: &mut Reaper,
) -> Result<()> {
    let to_child = feed(reader, input);
    let from_child = deliver(output, writer);
    tokio::pin!(to_child, from_child);
    let (mut client_ended, mut output_ended) = (false, false);
    // Set when the child has exited: until then a grandchild may hold the pipe open.
    let mut drained = None;
    while !(output_ended && (client_ended || drained.is_some())) {
        tokio::select! {
            biased;
            result = &mut from_child, if !output_ended => {
                result?;
                output_ended = true;
            }
            result = &mut to_child, if !client_ended => {
                result?;
                client_ended = true;
            }
            () = reaper.exited(), if drained.is_none() => drained = Some(Instant::now() + DRAIN),
            () = sleep_until(drained.unwrap_or_else(Instant::now)), if drained.is_some() => return Ok(()),
        }
    }
    Ok(())
}

/// Gives the child what the client sends; the client's end of stream ends the child's input.
async fn feed(mut reader: Reader, input: pipe::Sender) -> Result<()> {
    let mut input = Some(input);
    while let Some(chunk) = reader.chunk().await? {
        // A child that has closed its input gets no more, and the other direction stays.
        if let Some(open) = &mut input
            && open.write_all(&chunk).await.is_err()
        {
            input = None;
        }
    }
    Ok(())
}

/// Sends the client what the child writes; the end of the child's output is our end of stream.
async fn deliver(output: pipe::Receiver, mut writer: Writer) -> Result<()> {
    let failed = |error| Error::io("read from child", error);
    loop {
        // No buffer before there is something to read.
        output.readable().await.map_err(failed)?;
        let mut buffer = Vec::with_capacity(PIPE_BYTES);
        match output.try_read_buf(&mut buffer) {
            Ok(0) => return writer.shutdown().await,
            Ok(_) => writer.write_all(&buffer).await?,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Exec {
        let mut program = Program::new(["/bin/sh", "-c", script].map(OsString::from).to_vec());
        program.grace = Duration::from_millis(100);
        Exec::new(program)
    }

    async fn run(exec: &Exec, sends: &[u8]) -> String {
        let (mut client, server) = Stream::pair();
        let session = server.session().clone();
        let exec = exec.clone();
        let serving = tokio::spawn(async move { exec.handle(session, server).await });
        client.write_all(sends).await.expect("writes");
        client.shutdown().await.expect("ends");
        let mut received = Vec::new();
        while let Some(chunk) = client.chunk().await.expect("reads") {
            received.extend_from_slice(&chunk);
        }
        serving.await.expect("no panic").expect("runs");
        String::from_utf8(received).expect("text")
    }

    #[tokio::test]
    async fn the_child_reads_the_client_and_keeps_its_output_after_the_end_of_its_input() {
        assert_eq!(run(&shell("cat; sleep 0.1; echo done"), b"hello\n").await, "hello\ndone\n");
    }

    #[tokio::test]
    async fn a_grandchild_that_holds_the_pipe_does_not_hold_the_session() {
        let exec = shell("sleep 1000 & echo hi");
        let begun = Instant::now();
        assert_eq!(run(&exec, b"").await, "hi\n");
        assert!(begun.elapsed() < DRAIN * 2, "{:?}", begun.elapsed());
        assert!(exec.groups.change(|groups| groups.is_empty()), "nobody is left");
    }

    #[tokio::test]
    async fn a_child_that_ignores_everything_is_made_to_end() {
        assert_eq!(run(&shell("trap '' TERM; exec >&-; while :; do sleep 1; done"), b"").await, "");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_an_error_with_its_name() {
        let exec = Exec::new(Program::new(vec!["/nowhere/to/be/found".into()]));
        let (_client, server) = Stream::pair();
        let error = exec.handle(server.session().clone(), server).await.expect_err("not there");
        assert_eq!(error.to_string(), "exec /nowhere/to/be/found: no such file or directory");
    }
}
