//! The yardstick: an epoll server as one would write it in C, with accept4, recv and send and nothing else.
//!
//! No timeouts, no limits, no counting; it closes when the client has ended its stream.

use std::collections::HashMap;
use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::{Errno, Result};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// Marks the listener among events; streams are marked by their descriptor.
const LISTENER: u64 = u64::MAX;
/// Events taken at once.
const EVENTS: usize = 512;
/// One buffer for all streams: nothing is kept of a stream between two events.
const BUFFER_BYTES: usize = 16 * 1024;
const BACKLOG: i32 = 4096;

/// A server that is bound.
#[derive(Debug)]
pub struct Server {
    listener: OwnedFd,
    epoll: OwnedFd,
    /// By descriptor, as a table is the fastest map there is.
    streams: Vec<Option<OwnedFd>>,
    /// What a full socket did not take; almost always empty.
    blocked: HashMap<usize, Vec<u8>>,
    reply: Option<Vec<u8>>,
    interest: EventFlags,
}

/// What a turn works with: one for all turns.
pub struct Room {
    events: Vec<Event>,
    buffer: Vec<u8>,
}

impl Default for Room {
    fn default() -> Room {
        Room { events: Vec::with_capacity(EVENTS), buffer: vec![0; BUFFER_BYTES] }
    }
}

enum After {
    Keep,
    Close,
}

impl Server {
    /// Binds; `shared` lets several listen on one address, `reply` is sent once a chunk instead of the same bytes, `edge`
    /// asks for edges instead of levels.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn bind(addr: SocketAddrV4, shared: bool, reply: Option<Vec<u8>>, edge: bool) -> Result<Server> {
        let interest = if edge { EventFlags::IN | EventFlags::RDHUP | EventFlags::ET } else { EventFlags::IN };
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
        Ok(Server { listener, epoll, streams: Vec::new(), blocked: HashMap::new(), reply, interest })
    }

    /// Serves for ever.
    ///
    /// # Errors
    /// When epoll or accepting fails.
    pub fn run(mut self) -> Result<()> {
        let mut room = Room::default();
        loop {
            self.turn(&mut room, None)?;
        }
    }

    /// Waits for events, `patience` at most where there is one, and answers them; returns how many were of streams.
    ///
    /// # Errors
    /// When epoll or accepting fails.
    #[inline]
    pub fn turn(&mut self, room: &mut Room, patience: Option<&Timespec>) -> Result<usize> {
        let Room { events, buffer } = room;
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(events), patience) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(0),
            Err(error) => return Err(error),
        }
        let mut of_streams = 0;
        for event in events.drain(..) {
            let (data, flags) = (event.data.u64(), event.flags);
            if data == LISTENER {
                self.accept()?;
                continue;
            }
            of_streams += 1;
            let at = data as usize;
            let after = if flags.contains(EventFlags::OUT) { self.flush(at) } else { self.answer(at, flags, buffer) };
            if let Ok(After::Close) | Err(_) = after {
                self.blocked.remove(&at);
                self.streams[at] = None;
            }
        }
        Ok(of_streams)
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            match net::accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(stream) => {
                    let at = stream.as_raw_fd() as usize;
                    epoll::add(&self.epoll, &stream, EventData::new_u64(at as u64), self.interest)?;
                    if self.streams.len() <= at {
                        self.streams.resize_with(at + 1, || None);
                    }
                    self.streams[at] = Some(stream);
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads once (to the end of what is there under edge triggering) and answers.
    fn answer(&mut self, at: usize, flags: EventFlags, buffer: &mut [u8]) -> Result<After> {
        let Some(stream) = self.streams.get(at).and_then(Option::as_ref) else { return Ok(After::Keep) };
        let edge = self.interest.contains(EventFlags::ET);
        loop {
            let received = match net::recv(stream, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => return Ok(After::Close),
                Ok((received, _)) => received,
                Err(Errno::AGAIN) => return Ok(After::Keep),
                Err(error) => return Err(error),
            };
            let answer = self.reply.as_deref().unwrap_or(&buffer[..received]);
            let sent = match net::send(stream, answer, SendFlags::NOSIGNAL) {
                Ok(sent) => sent,
                Err(Errno::AGAIN) => 0,
                Err(error) => return Err(error),
            };
            if sent < answer.len() {
                // Nothing more is read until this is gone, so that a client that never reads costs one chunk.
                self.blocked.insert(at, answer[sent..].to_vec());
                epoll::modify(&self.epoll, stream, EventData::new_u64(at as u64), EventFlags::OUT)?;
                return Ok(After::Keep);
            }
            if !edge || (received < buffer.len() && !flags.contains(EventFlags::RDHUP)) {
                return Ok(After::Keep);
            }
        }
    }

    fn flush(&mut self, at: usize) -> Result<After> {
        let (Some(Some(stream)), Some(rest)) = (self.streams.get(at), self.blocked.get_mut(&at)) else {
            return Ok(After::Close);
        };
        match net::send(stream, rest, SendFlags::NOSIGNAL) {
            Ok(sent) => drop(rest.drain(..sent)),
            Err(Errno::AGAIN) => {}
            Err(error) => return Err(error),
        }
        if rest.is_empty() {
            self.blocked.remove(&at);
            epoll::modify(&self.epoll, stream, EventData::new_u64(at as u64), self.interest)?;
        }
        Ok(After::Keep)
    }
}
