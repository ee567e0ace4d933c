//! Connect, a question, reply, close, in a loop, by a number of workers that are slots of one epoll loop.

use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::{Errno, Result};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::histogram::Histogram;
use crate::usage::Usage;

/// Source addresses taken in turn.
const SOURCES: usize = 250;
const BUFFER_BYTES: usize = 4096;
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the server is.
    pub addr: SocketAddrV4,
    /// Connections open at any time.
    pub workers: usize,
    /// What is sent.
    pub question: Vec<u8>,
    /// What the server must answer, to the byte; a server that echoes answers the question.
    pub reply: Vec<u8>,
    /// Load before the window, not counted.
    pub warm_up: Duration,
    /// What is counted.
    pub window: Duration,
    /// Whose processor time is taken over the window.
    pub server_pid: u32,
}

/// What was found in the window.
#[derive(Debug, Default)]
pub struct Report {
    /// Connections that had their whole reply.
    pub answered: u64,
    /// Connections that had another reply.
    pub wrong: u64,
    /// Connections that were refused, reset or ended without a reply.
    pub lost: u64,
    /// From connect to the last byte of the reply.
    pub times: Histogram,
    /// The window as it was.
    pub window: Duration,
    /// Who used the processor.
    pub usage: Usage,
}

struct Worker {
    stream: Option<OwnedFd>,
    started_at: Instant,
    sent: bool,
    received: usize,
    wrong: bool,
}

enum Outcome {
    Answered,
    Wrong,
    Lost,
}

struct Run {
    plan: Plan,
    epoll: OwnedFd,
    workers: Vec<Worker>,
    report: Report,
    counting: bool,
    /// Connections so far; decides the source address.
    started: usize,
}

/// Performs `plan`.
///
/// # Errors
/// When no socket can be made; a connection that fails is counted, not an error.
pub fn run(plan: Plan) -> Result<Report> {
    let worker = || Worker { stream: None, started_at: Instant::now(), sent: false, received: 0, wrong: false };
    let workers = (0..plan.workers).map(|_| worker()).collect();
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let (warm_up, window, server_pid) = (plan.warm_up, plan.window, plan.server_pid);
    let mut run = Run { plan, epoll, workers, report: Report::default(), counting: false, started: 0 };
    for index in 0..run.workers.len() {
        run.start(index)?;
    }
    run.turn_until(Instant::now() + warm_up)?;
    let (usage, start) = (Usage::of(server_pid), Instant::now());
    run.counting = true;
    run.turn_until(start + window)?;
    run.report.window = start.elapsed();
    run.report.usage = Usage::of(server_pid).since(usage);
    Ok(run.report)
}

impl Run {
    fn start(&mut self, index: usize) -> Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let stream = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        self.workers[index].started_at = Instant::now();
        self.started += 1;
        // One address would run out of ports within two seconds: closed connections hold theirs for a minute.
        net::bind(&stream, &SocketAddrV4::new(super::source(self.started % SOURCES * 1000), 0))?;
        match net::connect(&stream, &self.plan.addr) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            // Left to the next tick: a loop without a pause would hide everything else.
            Err(_) => {
                self.count(index, Outcome::Lost);
                return Ok(());
            }
        }
        let question = &self.plan.question[..];
        // On loopback the handshake is over by now, and the question leaves at once.
        let sent = matches!(net::send(&stream, question, SendFlags::NOSIGNAL), Ok(sent) if sent == question.len());
        let interest = if sent { EventFlags::IN } else { EventFlags::IN | EventFlags::OUT };
        epoll::add(&self.epoll, &stream, EventData::new_u64(index as u64), interest)?;
        let worker = &mut self.workers[index];
        worker.sent = sent;
        worker.received = 0;
        worker.wrong = false;
        worker.stream = Some(stream);
        Ok(())
    }

    fn turn_until(&mut self, end: Instant) -> Result<()> {
        while Instant::now() < end {
            let mut events = [const { std::mem::MaybeUninit::uninit() }; 64];
            let (ready, _) = match epoll::wait(&self.epoll, &mut events[..], Some(&TICK)) {
                Ok(events) => events,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error),
            };
            for event in ready.iter() {
                if let Some(outcome) = self.step(event.data.u64() as usize, event.flags)? {
                    let index = event.data.u64() as usize;
                    self.count(index, outcome);
                    // Closing takes it out of the epoll set.
                    self.workers[index].stream = None;
                    self.start(index)?;
                }
            }
            if ready.is_empty() {
                self.restart()?;
            }
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        for index in 0..self.workers.len() {
            if self.workers[index].stream.is_none() {
                self.start(index)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, index: usize, flags: EventFlags) -> Result<Option<Outcome>> {
        let worker = &mut self.workers[index];
        let Some(stream) = &worker.stream else { return Ok(None) };
        if !worker.sent && flags.contains(EventFlags::OUT) {
            if net::send(stream, &self.plan.question, SendFlags::NOSIGNAL) != Ok(self.plan.question.len()) {
                return Ok(Some(Outcome::Lost));
            }
            worker.sent = true;
            epoll::modify(&self.epoll, stream, EventData::new_u64(index as u64), EventFlags::IN)?;
        }
        let mut buffer = [0; BUFFER_BYTES];
        let received = match net::recv(stream, &mut buffer[..], RecvFlags::empty()) {
            Ok((0, _)) => return Ok(Some(Outcome::Lost)),
            Ok((received, _)) => received,
            Err(Errno::AGAIN) => return Ok(None),
            Err(_) => return Ok(Some(Outcome::Lost)),
        };
        let until = worker.received + received;
        worker.wrong |= self.plan.reply.get(worker.received..until) != Some(&buffer[..received]);
        worker.received = until;
        if worker.wrong {
            return Ok(Some(Outcome::Wrong));
        }
        Ok((until == self.plan.reply.len()).then_some(Outcome::Answered))
    }

    fn count(&mut self, index: usize, outcome: Outcome) {
        if !self.counting {
            return;
        }
        match outcome {
            Outcome::Answered => {
                self.report.answered += 1;
                self.report.times.record(self.workers[index].started_at.elapsed().as_nanos() as u64);
            }
            Outcome::Wrong => self.report.wrong += 1,
            Outcome::Lost => self.report.lost += 1,
        }
    }
}
