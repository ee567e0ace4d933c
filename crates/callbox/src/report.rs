//! What is left of a session when it is over.

use std::fmt;
use std::time::Duration;

use crate::addr::Addr;
use crate::direction::Role;
use crate::termination::Termination;

/// The number of a session within one run: 1, 2, 3, ... in the order of the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What is left of a session when it is over.
#[derive(Debug, Clone)]
pub struct SessionReport {
    /// Which session.
    pub session: SessionId,
    /// Which side we were.
    pub role: Role,
    /// The other end's address.
    pub peer: Addr,
    /// Why it ended.
    pub termination: Termination,
    /// Bytes from the client to the server.
    pub to_server_bytes: u64,
    /// Bytes from the server to the client.
    pub to_client_bytes: u64,
    /// How long it lasted.
    pub duration: Duration,
    /// What the kernel knew of the connection just before it was closed, where somebody watches.
    pub tcp: Option<TcpFacts>,
}

/// What the kernel knows of a connection (`TCP_INFO`), as far as callbox shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpFacts {
    /// The state by the kernel's number (1 = ESTABLISHED ... 11 = CLOSING).
    pub state: u8,
    /// Smoothed round-trip time.
    pub round_trip: Duration,
    /// Segments sent again, in all.
    pub retransmissions: u32,
    /// Bytes we sent that the peer has acknowledged.
    pub acknowledged_bytes: u64,
}
