//! Yardsticks for relays: one epoll loop that copies through a buffer or moves pages through a pipe, and nothing else.
//!
//! Each direction ends by itself. No timeouts, no limits, no counting. One buffer of 256 KiB for all sessions: only what
//! a full socket did not take keeps the buffer it is in, and the next read gets another one. What a direction may move at
//! one turn is bounded, so that no stream waits long for another.

use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::str::FromStr;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::{Errno, Result};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, sockopt};
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};

/// Marks the listener among events; sides are marked by session and side.
const LISTENER: u64 = u64::MAX;
const EVENTS: usize = 512;
const BUFFER_BYTES: usize = 256 * 1024;
const PIPE_BYTES: usize = 64 * 1024;
/// What one direction may move before the others have their turn.
const TURN_BYTES: usize = 256 * 1024;
const BACKLOG: i32 = 4096;

/// How bytes get from one socket to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `recv` and `send` with one buffer.
    Copy,
    /// `splice` with a pipe a direction, made when the first byte comes.
    Splice,
}

impl FromStr for Mode {
    type Err = ();

    fn from_str(word: &str) -> std::result::Result<Mode, ()> {
        match word {
            "copy" => Ok(Mode::Copy),
            "splice" => Ok(Mode::Splice),
            _ => Err(()),
        }
    }
}

/// A relay that is bound.
#[derive(Debug)]
pub struct Relay {
    listener: OwnedFd,
    epoll: OwnedFd,
    upstream: SocketAddrV4,
    mode: Mode,
    sessions: Vec<Option<Session>>,
    free: Vec<usize>,
    spare: Vec<Vec<u8>>,
    /// Directions whose turn ended before their bytes did.
    unfinished: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Session {
    /// The client's, then the server's.
    sides: [Side; 2],
    /// By the side that the bytes come from.
    pending: [Pending; 2],
}

#[derive(Debug)]
struct Side {
    stream: OwnedFd,
    readable: bool,
    writable: bool,
    /// The peer's end of stream is there or near: reading goes on until it is seen.
    ending: bool,
    /// It was seen.
    ended: bool,
    /// And passed on.
    passed: bool,
}

/// What was read and not yet written.
#[derive(Debug)]
enum Pending {
    Nothing,
    Buffer(Vec<u8>, usize, usize),
    Pipe(OwnedFd, OwnedFd, usize),
}

/// What a direction waits for.
enum After {
    Event,
    Turn,
}

impl Relay {
    /// Binds; `shared` lets several listen on one address.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn bind(addr: SocketAddrV4, upstream: SocketAddrV4, mode: Mode, shared: bool) -> Result<Relay> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let listener = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&listener, true)?;
        sockopt::set_socket_reuseport(&listener, shared)?;
        // Accepted sockets inherit it, which saves a call each.
        sockopt::set_tcp_nodelay(&listener, true)?;
        net::bind(&listener, &addr)?;
        net::listen(&listener, BACKLOG)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let (sessions, free, spare, unfinished) = Default::default();
        Ok(Relay { listener, epoll, upstream, mode, sessions, free, spare, unfinished })
    }

    /// Relays for ever.
    ///
    /// # Errors
    /// When epoll or accepting fails.
    pub fn run(mut self) -> Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        loop {
            let limit = if self.unfinished.is_empty() { None } else { Some(&now) };
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), limit) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    mark => self.note((mark / 2) as usize, (mark % 2) as usize, event.flags),
                }
            }
            for (at, from) in std::mem::take(&mut self.unfinished) {
                self.pump(at, from);
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            match net::accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                // A session that cannot be made is closed by being dropped.
                Ok(client) => drop(self.open(client)),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn open(&mut self, client: OwnedFd) -> Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let server = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&server, true)?;
        match net::connect(&server, &self.upstream) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error),
        }
        let at = self.free.pop().unwrap_or(self.sessions.len());
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        for (side, stream) in [&client, &server].into_iter().enumerate() {
            epoll::add(&self.epoll, stream, EventData::new_u64((at * 2 + side) as u64), interest)?;
        }
        let side =
            |stream| Side { stream, readable: false, writable: false, ending: false, ended: false, passed: false };
        let session = Session { sides: [side(client), side(server)], pending: [Pending::Nothing, Pending::Nothing] };
        if at == self.sessions.len() {
            self.sessions.push(None);
        }
        self.sessions[at] = Some(session);
        Ok(())
    }

    /// Notes what a side can do now, and moves what waited for it.
    fn note(&mut self, at: usize, side: usize, flags: EventFlags) {
        let Some(session) = &mut self.sessions[at] else { return };
        let broken = flags.intersects(EventFlags::HUP | EventFlags::ERR);
        let this = &mut session.sides[side];
        this.ending |= broken || flags.contains(EventFlags::RDHUP);
        let readable = broken || flags.intersects(EventFlags::IN | EventFlags::RDHUP);
        this.readable |= readable;
        let became_writable = flags.contains(EventFlags::OUT) && !this.writable;
        this.writable |= flags.contains(EventFlags::OUT);
        if readable {
            self.pump(at, side);
        }
        if became_writable {
            self.pump(at, 1 - side);
        }
    }

    /// Moves bytes of one direction; closes the session when both have ended or one is broken.
    fn pump(&mut self, at: usize, from: usize) {
        let Some(session) = &mut self.sessions[at] else { return };
        let after = match self.mode {
            Mode::Copy => session.copy(from, &mut self.spare),
            Mode::Splice => session.splice(from),
        };
        match after {
            Ok(After::Event) if session.sides.iter().all(|side| side.passed) => self.close(at),
            Ok(After::Event) => {}
            Ok(After::Turn) => self.unfinished.push((at, from)),
            Err(_) => self.close(at),
        }
    }

    fn close(&mut self, at: usize) {
        self.sessions[at] = None;
        self.free.push(at);
    }
}

impl Session {
    fn copy(&mut self, from: usize, spare: &mut Vec<Vec<u8>>) -> Result<After> {
        let mut moved = 0;
        loop {
            let [source, target] = pair(&mut self.sides, from);
            if let Pending::Buffer(buffer, start, end) = &mut self.pending[from] {
                if !target.writable {
                    return Ok(After::Event);
                }
                match net::send(&target.stream, &buffer[*start..*end], SendFlags::NOSIGNAL) {
                    Ok(sent) => *start += sent,
                    Err(Errno::AGAIN) => target.writable = false,
                    Err(error) => return Err(error),
                }
                if start < end {
                    continue;
                }
                spare.push(std::mem::take(buffer));
                self.pending[from] = Pending::Nothing;
            }
            if moved >= TURN_BYTES {
                return Ok(After::Turn);
            }
            if source.ended || !source.readable {
                return pass_end(source, target);
            }
            let mut buffer = spare.pop().unwrap_or_else(|| vec![0; BUFFER_BYTES]);
            let received = net::recv(&source.stream, &mut buffer[..], RecvFlags::empty());
            let received = received.map(|(received, _)| received);
            source.note(received, received.is_ok_and(|received| received < BUFFER_BYTES))?;
            match received {
                Ok(received @ 1..) => {
                    moved += received;
                    self.pending[from] = Pending::Buffer(buffer, 0, received);
                }
                _ => spare.push(buffer),
            }
        }
    }

    fn splice(&mut self, from: usize) -> Result<After> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let mut moved = 0;
        loop {
            let [source, target] = pair(&mut self.sides, from);
            if let Pending::Pipe(reader, _, filled @ 1..) = &mut self.pending[from] {
                if !target.writable {
                    return Ok(After::Event);
                }
                match splice(&*reader, None, &target.stream, None, *filled, flags) {
                    Ok(sent) => *filled -= sent,
                    Err(Errno::AGAIN) => target.writable = false,
                    Err(error) => return Err(error),
                }
                continue;
            }
            if moved >= TURN_BYTES {
                return Ok(After::Turn);
            }
            if source.ended || !source.readable {
                return pass_end(source, target);
            }
            if let Pending::Nothing = self.pending[from] {
                let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
                self.pending[from] = Pending::Pipe(reader, writer, 0);
            }
            let Pending::Pipe(_, writer, filled) = &mut self.pending[from] else { return Ok(After::Event) };
            // The pipe is empty, so EAGAIN speaks of the socket. Less than asked for says nothing: slots may have run out.
            let received = splice(&source.stream, None, &*writer, None, PIPE_BYTES, flags);
            source.note(received, false)?;
            *filled = received.unwrap_or(0);
            moved += *filled;
        }
    }
}

impl Side {
    /// Notes what a read says about the socket; `drained` when it gave less than there was room for.
    fn note(&mut self, received: Result<usize>, drained: bool) -> Result<()> {
        match received {
            Ok(0) => self.ended = true,
            // Whatever comes next is an edge, but an end that is there already is not.
            Ok(_) => self.readable &= !drained || self.ending,
            Err(Errno::AGAIN) => self.readable = false,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn pass_end(source: &Side, target: &mut Side) -> Result<After> {
    if source.ended && !target.passed {
        net::shutdown(&target.stream, Shutdown::Write)?;
        target.passed = true;
    }
    Ok(After::Event)
}

fn pair(sides: &mut [Side; 2], from: usize) -> [&mut Side; 2] {
    let [client, server] = sides;
    if from == 0 { [client, server] } else { [server, client] }
}
