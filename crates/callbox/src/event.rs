//! Everything that happens, as one enum.
//!
//! Each variant has exactly one emitter. Events may be lost under load, and the loss is counted; totals never come
//! from events, so a lost one makes no number wrong.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::addr::Addr;
use crate::checksum::Verdict;
use crate::direction::{Direction, Role};
use crate::error::Error;
use crate::frame::FrameKind;
use crate::report::{SessionId, SessionReport};

/// Something that happened.
///
/// More variants may be added.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// An address is bound and listening. Emitted by the server, again after a resume.
    Listening {
        /// The bound address, with the real port.
        address: Addr,
    },
    /// A connection is there. Emitted by the opener.
    Connected {
        /// Its number.
        session: SessionId,
        /// Which side we are.
        role: Role,
        /// The other end.
        peer: Addr,
        /// Our end.
        local: Addr,
        /// How long each phase of connecting took; only as a client.
        phases: Option<Phases>,
    },
    /// Bytes crossed the edge. Emitted by the bus, which is a tap.
    Data {
        /// Of which session.
        session: SessionId,
        /// Which way.
        direction: Direction,
        /// The chunk, whose edges mean nothing; with a framer the frame, whole, as on the wire.
        bytes: Bytes,
        /// What the framer found; none without one.
        frame: Option<Box<FrameFacts>>,
    },
    /// A direction reached its end of stream. Emitted by the stream's edge.
    End {
        /// Of which session.
        session: SessionId,
        /// Which direction ended.
        direction: Direction,
    },
    /// The session is over and its socket closed. Emitted by the stream's edge.
    Closed(Box<SessionReport>),
    /// A connection was turned away. Emitted by the server.
    Refused {
        /// Who.
        peer: Addr,
        /// Why.
        reason: Refusal,
    },
    /// The server stopped accepting without ending sessions. Emitted by the server.
    Suspended,
    /// The server accepts again. Emitted by the server.
    Resumed,
    /// The server stopped accepting for good and waits for its sessions. Emitted by the server.
    Draining {
        /// Sessions still open.
        sessions: usize,
    },
    /// Accepting pauses because the system is out of something. Emitted by the server, at most once a second.
    Paused {
        /// What `accept` reported.
        message: String,
        /// For how long.
        pause: Duration,
    },
    /// A child process wrote to its error output, or could not be run. Emitted by the exec handler.
    Child {
        /// Of which session.
        session: SessionId,
        /// The line, as bytes of the child's: print it escaped.
        message: Bytes,
    },
    /// A session's handler failed, or an attempt to connect did. Emitted by the opener.
    Failed {
        /// Of which session, if there was one.
        session: Option<SessionId>,
        /// What failed.
        error: Arc<Error>,
    },
    /// Something the user should know that is no failure, such as a missing address family. Emitted by the opener.
    Notice {
        /// In a line.
        message: String,
    },
    /// Another attempt to connect follows after this pause. Emitted by the client.
    Retrying {
        /// What the last attempt met.
        error: Arc<Error>,
        /// How long we wait.
        pause: Duration,
    },
}

/// What a framer found out about a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameFacts {
    /// Its number within its direction: 1, 2, 3, ...
    pub number: u64,
    /// What it carries, without header, delimiter, escapes and checksum.
    pub payload: Bytes,
    /// Whether it is whole.
    pub kind: FrameKind,
    /// Whether its checksum is right, where one is asked for.
    pub checksum: Option<Verdict>,
}

/// How long the phases of an opening took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// Looking up the name; zero where the address was given as numbers.
    pub resolve: Duration,
    /// From the first SYN of any address to the connection.
    pub connect: Duration,
    /// Addresses tried.
    pub attempts: usize,
}

/// Why a connection was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Refusal {
    /// As many connections as allowed are open already.
    MaxConnections,
    /// That many connections from one address are open already.
    PerIp,
    /// The server takes no more sessions (`--once`, `--sessions`); it was queued when the last one was taken.
    MaxSessions,
}

impl Refusal {
    /// Returns the name used in events and in the summary.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::MaxConnections => "max_connections",
            Refusal::PerIp => "per_ip",
            Refusal::MaxSessions => "max_sessions",
        }
    }
}
