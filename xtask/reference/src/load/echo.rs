//! Closed loop: every connection has exactly one message under way; the next is sent when the last has come back whole.

use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::{Errno, Result};
use rustix::net::{self, RecvFlags, SendFlags};

use super::message::Messages;
use crate::histogram::Histogram;
use crate::usage::Usage;

const EVENTS: usize = 512;
const BUFFER_BYTES: usize = 4096;
/// A connection without an answer for this long counts as unanswered.
const SILENCE: Duration = Duration::from_secs(1);
/// How often the loop looks at the clock when nothing comes.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// Connections that wait for their first answer at the same time.
const OPENING_TOGETHER: usize = 64;
/// The very first answers may take this long, all together.
const FIRST_ANSWERS: Duration = Duration::from_secs(30);

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Where the server is.
    pub addr: SocketAddrV4,
    /// Connections, all open before the clock starts.
    pub connections: usize,
    /// Bytes of a message.
    pub size_bytes: usize,
    /// Load before the window, not counted.
    pub warm_up: Duration,
    /// What is counted.
    pub window: Duration,
    /// Whose processor time is taken over the window; 0 for nobody's.
    pub server_pid: u32,
}

/// What was found in the window.
#[derive(Debug, Default)]
pub struct Report {
    /// Answers that came back whole and right.
    pub answered: u64,
    /// Answers with a wrong byte, or bytes nobody asked for.
    pub wrong: u64,
    /// Connections that ended.
    pub lost: u64,
    /// Connections with at least one answer.
    pub connections_answered: usize,
    /// Connections without an answer for a whole second.
    pub connections_silent: usize,
    /// Response times.
    pub times: Histogram,
    /// The window as it was.
    pub window: Duration,
    /// Who used the processor.
    pub usage: Usage,
}

struct Connection {
    stream: OwnedFd,
    sent_at: Instant,
    counter: u64,
    received: usize,
    answered: bool,
    silent: bool,
    wrong: bool,
    open: bool,
}

struct Run {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    messages: Messages,
    report: Report,
    counting: bool,
    /// Connections without their first answer; while some open, nobody sends a second message.
    first_due: usize,
    opening: bool,
    buffer: [u8; BUFFER_BYTES],
    due: [u8; BUFFER_BYTES],
}

/// Performs `plan`.
///
/// # Errors
/// When a connection cannot be opened or its first message is not answered.
pub fn run(plan: Plan) -> Result<Report> {
    let mut run = Run {
        epoll: epoll::create(CreateFlags::CLOEXEC)?,
        connections: Vec::with_capacity(plan.connections),
        messages: Messages::of_size(plan.size_bytes),
        report: Report::default(),
        counting: false,
        first_due: 0,
        opening: true,
        buffer: [0; BUFFER_BYTES],
        due: [0; BUFFER_BYTES],
    };
    run.open(plan)?;
    run.turn_until(Instant::now() + plan.warm_up)?;
    let (usage, start) = (Usage::of(plan.server_pid), Instant::now());
    run.counting = true;
    run.turn_until(start + plan.window)?;
    let end = Instant::now();
    run.report.usage = Usage::of(plan.server_pid).since(usage);
    run.report.window = end - start;
    Ok(run.finish(end))
}

impl Run {
    /// Opens one connection after the other, each with its first answer, so that nobody starts in the accept queue.
    fn open(&mut self, plan: Plan) -> Result<()> {
        let deadline = Instant::now() + FIRST_ANSWERS;
        for index in 0..plan.connections {
            let stream = super::connect(plan.addr, index)?;
            // An edge is enough with one message under way, and costs the kernel less than asking again and again.
            let interest = EventFlags::IN | EventFlags::ET;
            epoll::add(&self.epoll, &stream, EventData::new_u64(index as u64), interest)?;
            let connection = Connection {
                stream,
                sent_at: Instant::now(),
                counter: 0,
                received: 0,
                answered: false,
                silent: false,
                wrong: false,
                open: true,
            };
            self.connections.push(connection);
            self.first_due += 1;
            self.send(index, Instant::now())?;
            // A few may be under way together: opening 10,000 must not take longer than measuring them.
            self.turn_until_due(OPENING_TOGETHER, deadline)?;
        }
        self.turn_until_due(0, deadline)?;
        self.opening = false;
        (0..plan.connections).try_for_each(|index| self.send(index, Instant::now()))
    }

    fn turn_until_due(&mut self, most: usize, deadline: Instant) -> Result<()> {
        while self.first_due > most {
            if Instant::now() > deadline || self.report.lost > 0 {
                return Err(Errno::TIMEDOUT);
            }
            self.turn()?;
        }
        Ok(())
    }

    fn turn_until(&mut self, end: Instant) -> Result<()> {
        while Instant::now() < end {
            self.turn()?;
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<()> {
        let mut events = [const { std::mem::MaybeUninit::uninit() }; EVENTS];
        let (ready, _) = match epoll::wait(&self.epoll, &mut events[..], Some(&TICK)) {
            Ok(events) => events,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error),
        };
        for event in ready {
            self.receive(event.data.u64() as usize)?;
        }
        Ok(())
    }

    fn receive(&mut self, index: usize) -> Result<()> {
        let size = self.messages.size();
        let connection = &mut self.connections[index];
        let received = match net::recv(&connection.stream, &mut self.buffer[..], RecvFlags::empty()) {
            Ok((0, _)) => return self.lose(index),
            Ok((received, _)) => received,
            Err(Errno::AGAIN) => return Ok(()),
            Err(_) => return self.lose(index),
        };
        let now = Instant::now();
        // The counter was moved on when the message was sent.
        self.messages.write(&mut self.due, index as u32, connection.counter - 1);
        let until = connection.received + received;
        let right = until <= size && self.buffer[..received] == self.due[connection.received..until];
        connection.wrong |= !right;
        connection.received = until;
        if until < size {
            return Ok(());
        }
        if self.opening {
            self.first_due -= 1;
            return Ok(());
        }
        let took = now - connection.sent_at;
        if self.counting {
            connection.silent |= took >= SILENCE;
            connection.answered = true;
            self.report.times.record(took.as_nanos() as u64);
            if connection.wrong {
                self.report.wrong += 1;
            } else {
                self.report.answered += 1;
            }
        }
        self.send(index, now)
    }

    fn send(&mut self, index: usize, now: Instant) -> Result<()> {
        let connection = &mut self.connections[index];
        self.messages.write(&mut self.buffer, index as u32, connection.counter);
        let message = &self.buffer[..self.messages.size()];
        connection.counter += 1;
        connection.received = 0;
        connection.wrong = false;
        connection.sent_at = now;
        match net::send(&connection.stream, message, SendFlags::NOSIGNAL) {
            // One small message on an empty socket is always taken whole.
            Ok(sent) if sent == message.len() => Ok(()),
            _ => self.lose(index),
        }
    }

    fn lose(&mut self, index: usize) -> Result<()> {
        let connection = &mut self.connections[index];
        if connection.open {
            connection.open = false;
            self.report.lost += 1;
            epoll::delete(&self.epoll, &connection.stream)?;
        }
        Ok(())
    }

    fn finish(mut self, end: Instant) -> Report {
        for connection in &mut self.connections {
            connection.silent |= end.saturating_duration_since(connection.sent_at) >= SILENCE;
        }
        self.report.connections_answered = self.connections.iter().filter(|one| one.answered).count();
        self.report.connections_silent = self.connections.iter().filter(|one| one.silent).count();
        self.report
    }
}
