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
use crate::pipe::Decision;
use crate::report::tls::TlsFacts;
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
    /// What listens and connects can be steered over HTTP. Emitted by whoever serves that.
    Control {
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
        /// The proxy that told who the peer is, where the server asks for that (PROXY protocol).
        via: Option<Box<Via>>,
        /// The process at the other end of a Unix socket, where the system tells.
        process: Option<Box<PeerProcess>>,
        /// The proxies that we went through, in one line; only as a client.
        through: Option<Box<str>>,
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
        /// Seen on the far side of a relay: what the server was given, or what it sent.
        far: bool,
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
        /// What was wrong, where the reason leaves that open.
        message: Option<Box<str>>,
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
    /// A fault did something. Emitted by the bridge.
    Fault {
        /// To which session.
        session: SessionId,
        /// What it did.
        decision: Box<Decision>,
    },
    /// Another attempt to connect follows after this pause. Emitted by the client, or by a relay.
    Retrying {
        /// For which session, where it is that of a relay.
        session: Option<SessionId>,
        /// What the last attempt met.
        error: Arc<Error>,
        /// How long we wait.
        pause: Duration,
    },
    /// An upstream of a relay failed and rests, or works again. Emitted by the relay.
    Upstream {
        /// Its address, as written.
        address: Addr,
        /// What became of it.
        turn: Turn,
    },
    /// TLS is spoken on a connection that was told of just before. Emitted by the opener, and by a relay for the server's
    /// side.
    Tls {
        /// Of which session.
        session: SessionId,
        /// Which side we are.
        role: Role,
        /// What was agreed on, and who the peer is.
        facts: Arc<TlsFacts>,
    },
    /// The mirroring of a session is over. Emitted by the mirror.
    Mirror {
        /// Of which session.
        session: SessionId,
        /// How the second server did.
        outcome: Mirrored,
    },
}

/// What became of an upstream; closed by nature.
#[derive(Debug, Clone)]
pub enum Turn {
    /// It works again.
    Up,
    /// It failed, and is the last resort for a while.
    Down {
        /// What connecting met.
        error: Arc<Error>,
        /// For how long.
        rest: Duration,
    },
}

/// How the server that was given a copy of a session compares with the first.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Mirrored {
    /// It answered with the same bytes, as far as the client was given any.
    Same,
    /// It answered otherwise.
    Differs {
        /// Where in the stream of answers the first difference is.
        offset: u64,
        /// The first bytes from there on that the client was given, as far as they were there; none where it had ended.
        given: Bytes,
        /// The first bytes from there on that the second server answered.
        mirrored: Bytes,
    },
    /// It could not be connected to, or the connection broke without a reset.
    Unreachable {
        /// Why.
        error: Arc<Error>,
    },
    /// It reset the connection.
    Reset,
    /// It ended its stream where the client was given more.
    EndedEarly {
        /// After this many bytes of its answers.
        offset: u64,
    },
    /// It did not keep up: too much waited for it, or it took too long after the session.
    FellBehind,
}

impl Mirrored {
    /// Returns the name used in events.
    pub fn name(&self) -> &'static str {
        match self {
            Mirrored::Same => "same",
            Mirrored::Differs { .. } => "differs",
            Mirrored::Unreachable { .. } => "unreachable",
            Mirrored::Reset => "reset",
            Mirrored::EndedEarly { .. } => "ended_early",
            Mirrored::FellBehind => "fell_behind",
        }
    }
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
    /// Through the proxies in between, from the connection to the first of them; zero without any.
    pub proxy: Duration,
    /// The TLS handshake, and what was said in the clear so that it could begin; zero where there was none.
    pub tls: Duration,
    /// Addresses tried.
    pub attempts: usize,
}

/// The proxy before a server, and what else its header told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// The other end of the connection itself.
    pub proxy: Addr,
    /// Where the client has connected to, if the header tells.
    pub destination: Option<Addr>,
}

/// Who connected by a Unix socket, as it was when connecting (`SO_PEERCRED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerProcess {
    /// Its number; `None` where it is outside what we can see.
    pub pid: Option<u32>,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
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
    /// The server does not let that address in; or only proxies may connect, and it is not one of theirs.
    Denied,
    /// More connections came than the server takes in that time.
    Rate,
    /// It did not begin with a header of the PROXY protocol.
    BadProxyHeader,
    /// The header of the PROXY protocol was not there in time, or the TLS handshake was not done.
    HandshakeTimeout,
    /// The server ended while the header of the PROXY protocol, or TLS, was still to come.
    Drained,
    /// TLS could not be agreed on.
    Tls,
    /// It did not speak TLS: plain text came.
    NotTls,
    /// A fault at the listener: `refuse`.
    Fault,
}

impl Refusal {
    /// Returns the name used in events and in the summary.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::MaxConnections => "max_connections",
            Refusal::PerIp => "per_ip",
            Refusal::MaxSessions => "max_sessions",
            Refusal::Denied => "denied",
            Refusal::Rate => "rate",
            Refusal::BadProxyHeader => "bad_proxy_header",
            Refusal::HandshakeTimeout => "handshake_timeout",
            Refusal::Drained => "drained",
            Refusal::Tls => "tls",
            Refusal::NotTls => "not_tls",
            Refusal::Fault => "fault",
        }
    }
}
