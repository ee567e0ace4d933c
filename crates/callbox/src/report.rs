//! What is left of a session when it is over.

pub mod tls;

use std::fmt;
use std::time::Duration;

use crate::addr::Addr;
use crate::direction::Role;
use crate::frames::FrameReport;
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
    /// Our end's address, where it is known.
    pub local: Option<Addr>,
    /// The first end or reset that was seen at our end, whatever our own reason was; `None` when there was none before
    /// the close.
    pub first_end: Option<Termination>,
    /// Whether the direction to the server has reached its end of stream: it was sent, or it has arrived, read or not.
    pub to_server_ended: bool,
    /// Whether the direction to the client has reached its end of stream, likewise.
    pub to_client_ended: bool,
    /// Which side reset the connection, or is about to by closing; `None` is an ending without a reset.
    pub reset_by: Option<Role>,
    /// Bytes from the client to the server.
    pub to_server_bytes: u64,
    /// Bytes from the server to the client.
    pub to_client_bytes: u64,
    /// Chunks from the client to the server, as our end sent or received them; their edges mean nothing.
    pub to_server_chunks: u64,
    /// Chunks from the server to the client.
    pub to_client_chunks: u64,
    /// How long it lasted.
    pub duration: Duration,
    /// How the frames arrived, where the observers have a framer.
    pub frames: Option<FrameReport>,
    /// What the kernel knew of the connection just before it was closed, where somebody watches.
    pub tcp: Option<TcpFacts>,
    /// On whose side `TIME_WAIT` stays, as far as it was seen; `None` where it was not: no TCP, nobody watching.
    pub time_wait: Option<TimeWait>,
}

/// What the kernel knows of a connection (`TCP_INFO`), as far as callbox shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpFacts {
    /// The state by the kernel's number (1 = ESTABLISHED ... 11 = CLOSING).
    pub state: u8,
    /// Smoothed round-trip time.
    pub round_trip: Duration,
    /// How much the round-trip time varies (mean deviation).
    pub round_trip_variation: Duration,
    /// Segments that may be on their way at once (congestion window).
    pub congestion_window: u32,
    /// Segments sent again, in all.
    pub retransmissions: u32,
    /// Bytes we sent that the peer has acknowledged.
    pub acknowledged_bytes: u64,
    /// Bytes that have arrived and that were never read (`SIOCINQ`); closing with some sends a reset.
    pub unread_bytes: u64,
    /// Bytes we sent that the peer has not acknowledged (`SIOCOUTQ`), our end of stream not counted.
    pub unacknowledged_bytes: u64,
}

/// States by the kernel's numbers, as far as endings are concerned (`include/net/tcp_states.h`).
pub(crate) mod state {
    pub(crate) const ESTABLISHED: u8 = 1;
    pub(crate) const FIN_WAIT1: u8 = 4;
    pub(crate) const FIN_WAIT2: u8 = 5;
    pub(crate) const CLOSE: u8 = 7;
    pub(crate) const CLOSE_WAIT: u8 = 8;
    pub(crate) const LAST_ACK: u8 = 9;
    pub(crate) const CLOSING: u8 = 11;
}

/// On whose side `TIME_WAIT` stays: of the addresses of a connection, the one that the kernel keeps for a while after it.
///
/// Closed by nature. The rule is that of RFC 9293, section 3.6: the side whose FIN goes first keeps it once the other's
/// has come too; FINs that cross leave it on both sides; a reset leaves none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeWait {
    /// On our side.
    Ours,
    /// On the peer's side.
    Theirs,
    /// On both: the FINs have crossed.
    Both,
    /// On neither: the connection was reset.
    Nobody,
}

impl TimeWait {
    /// Returns the name used in events.
    pub fn name(self) -> &'static str {
        match self {
            TimeWait::Ours => "ours",
            TimeWait::Theirs => "theirs",
            TimeWait::Both => "both",
            TimeWait::Nobody => "none",
        }
    }

    /// Tells whether the peer's FIN has arrived, from the state just before the close of a connection that was not reset.
    pub(crate) fn peer_has_ended(now: u8) -> bool {
        matches!(now, state::CLOSE | state::CLOSE_WAIT | state::LAST_ACK | state::CLOSING)
    }

    /// Tells from the state just before the close, of a connection that no reset ends, and from the state just before
    /// our FIN, where it has been sent already.
    ///
    /// | just before the close | just before our FIN | `TIME_WAIT` |
    /// |---|---|---|
    /// | ESTABLISHED: our FIN goes with the close, first | | ours |
    /// | FIN_WAIT1, FIN_WAIT2: our FIN was first, the peer's is still to come | | ours |
    /// | CLOSE_WAIT, LAST_ACK: the peer's FIN was first | | theirs |
    /// | CLOSING: the FINs have crossed | | both |
    /// | CLOSE: both FINs have come and gone | ESTABLISHED | ours |
    /// | CLOSE: both FINs have come and gone | CLOSE_WAIT | theirs |
    ///
    /// Linux moves `TIME_WAIT` out of the socket, which then says CLOSE. FINs that crossed and were both acknowledged
    /// before anybody looked are therefore told as ours; the peer then keeps one too.
    pub(crate) fn after(now: u8, before_fin: u8) -> Option<TimeWait> {
        match (now, before_fin) {
            (state::ESTABLISHED | state::FIN_WAIT1 | state::FIN_WAIT2, _) => Some(TimeWait::Ours),
            (state::CLOSE_WAIT | state::LAST_ACK, _) => Some(TimeWait::Theirs),
            (state::CLOSING, _) => Some(TimeWait::Both),
            (state::CLOSE, state::ESTABLISHED) => Some(TimeWait::Ours),
            (state::CLOSE, state::CLOSE_WAIT) => Some(TimeWait::Theirs),
            _ => None,
        }
    }
}
