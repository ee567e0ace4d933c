//! One fault, as it is written and as programs make it.

use std::ops::Range;
use std::time::Duration;

use crate::direction::Direction;
use crate::pattern::Pattern;

/// One fault: what happens, in which direction, how likely, and when.
///
/// Written as `KIND[=VALUE|@N][,key=value]...`: `latency=100ms+-20ms,direction=to_client`, `cut@1460:reset,session=2`.
///
/// Valid: `stall@4k`, `corrupt=0.1%:zero,p=50%`, `discard=100..200,frame=3`, `half-close,match=re:bye, *$|QUIT`. Invalid:
/// `latency` (by how much?), `cut@5x` (of what?), `refuse,frame=2` (a listener sees no frames).
#[derive(Debug, Clone)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// In which direction.
    pub towards: Towards,
    /// How likely it is, from 0 to 1; drawn once for a session, for `duplicate` once for each chunk.
    pub probability: f64,
    /// When.
    pub when: When,
}

impl Fault {
    /// Makes one in both directions, always.
    pub fn new(kind: FaultKind) -> Fault {
        Fault { kind, towards: Towards::Both, probability: 1.0, when: When::default() }
    }
}

/// The direction or directions that a fault is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Towards {
    /// From the client to the server.
    Server,
    /// From the server to the client.
    Client,
    /// Each of both, by itself.
    #[default]
    Both,
}

impl Towards {
    /// Tells whether `direction` is meant.
    pub fn includes(self, direction: Direction) -> bool {
        match self {
            Towards::Server => direction == Direction::ToServer,
            Towards::Client => direction == Direction::ToClient,
            Towards::Both => true,
        }
    }
}

/// What happens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FaultKind {
    /// Every chunk comes later, in order.
    Latency {
        /// By how much.
        base: Duration,
        /// And how far from that it may be.
        jitter: Duration,
        /// How it is spread.
        shape: Shape,
    },
    /// No more than this many bytes a second.
    Throttle {
        /// Bytes a second.
        rate: u64,
    },
    /// Chunks are cut into pieces.
    Slice {
        /// Smallest piece, in bytes.
        least: usize,
        /// Largest piece, in bytes.
        most: usize,
        /// Between two pieces.
        pause: Duration,
    },
    /// Chunks are gathered and come at once.
    Coalesce {
        /// For this long from the first of them.
        window: Duration,
    },
    /// Bytes are changed, each with this probability, whatever the chunking.
    Corrupt {
        /// How likely for one byte, from 0 to 1.
        rate: f64,
        /// How.
        how: Corruption,
    },
    /// Bytes of these offsets are left out.
    Discard {
        /// Offsets in this direction's stream or, where [`When`] names a place in it, from there on.
        range: Range<u64>,
    },
    /// Chunks (with a framer: frames) come twice.
    Duplicate,
    /// Nothing comes through any more; what comes is held, and then its sender has to wait. It goes on where
    /// [`When::to`] ends it.
    Stall,
    /// The connection ends.
    Cut {
        /// When that is.
        after: After,
        /// How.
        how: Ending,
    },
    /// Both sides are reset, at once or this long after the fault is at work.
    Reset {
        /// This long after the session began, or the fault came to it, or its conditions began to hold.
        after: Duration,
    },
    /// The first bytes (or the end of stream) of this direction are swallowed, and this much later both sides are
    /// reset, as toxiproxy's `reset_peer` does.
    ResetPeer {
        /// From the first bytes to the reset.
        after: Duration,
    },
    /// This direction ends, what still comes is discarded, and the other one goes on.
    HalfClose,
    /// The end of stream comes later.
    SlowClose {
        /// By this much.
        delay: Duration,
    },
    /// After this many bytes the connection is closed, as toxiproxy's `limit_data` does.
    Limit {
        /// Bytes that come through.
        bytes: u64,
    },
    /// Nothing comes through, and the connection is closed after a time, as toxiproxy's `timeout` does; bytes are lost.
    Timeout {
        /// After this long; `None` only when the fault is taken away.
        after: Option<Duration>,
    },
    /// What matches is replaced: the leftmost match, as long as the regex is greedy for, over chunk boundaries.
    Replace {
        /// What is looked for.
        pattern: Pattern,
        /// What comes instead; behind a regex `$1` and `${name}` are what its groups matched, and `$$` is a `$`.
        text: Vec<u8>,
    },
    /// The listener refuses connections.
    Refuse,
    /// Connections are taken this much later.
    AcceptDelay {
        /// By this much.
        delay: Duration,
    },
    /// Connections are taken, and closed at once.
    AcceptThenClose,
    /// Nobody takes connections, and the queue is full: handshakes get no answer.
    BacklogFull,
}

impl FaultKind {
    /// Returns the word it is written with.
    pub fn name(&self) -> &'static str {
        match self {
            FaultKind::Latency { .. } => "latency",
            FaultKind::Throttle { .. } => "throttle",
            FaultKind::Slice { .. } => "slice",
            FaultKind::Coalesce { .. } => "coalesce",
            FaultKind::Corrupt { .. } => "corrupt",
            FaultKind::Discard { .. } => "discard",
            FaultKind::Duplicate => "duplicate",
            FaultKind::Stall => "stall",
            FaultKind::Cut { .. } => "cut",
            FaultKind::Reset { .. } => "reset",
            FaultKind::HalfClose => "half-close",
            FaultKind::SlowClose { .. } => "slow-close",
            FaultKind::Limit { .. } => "limit",
            FaultKind::ResetPeer { .. } => "reset-peer",
            FaultKind::Timeout { .. } => "timeout",
            FaultKind::Replace { .. } => "replace",
            FaultKind::Refuse => "refuse",
            FaultKind::AcceptDelay { .. } => "accept-delay",
            FaultKind::AcceptThenClose => "accept-then-close",
            FaultKind::BacklogFull => "backlog-full",
        }
    }

    /// Tells whether it is a listener's, and not one of bytes under way.
    pub fn is_of_listener(&self) -> bool {
        use FaultKind::{AcceptDelay, AcceptThenClose, BacklogFull, Refuse};
        matches!(self, Refuse | AcceptDelay { .. } | AcceptThenClose | BacklogFull)
    }

    /// Tells whether it happens at one place: such a one begins with a frame or behind a match, and stays.
    pub(super) fn happens_once(&self) -> bool {
        use FaultKind::{Cut, HalfClose, Limit, Reset, ResetPeer, Stall, Timeout};
        matches!(self, Cut { .. } | HalfClose | Limit { .. } | Reset { .. } | ResetPeer { .. } | Stall | Timeout { .. })
    }
}

/// How a jitter is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// Evenly between base - jitter and base + jitter.
    #[default]
    Uniform,
    /// The jitter is the standard deviation; none is more than six of them off.
    Normal,
    /// Most are near the base, few much later: never earlier, on average by the jitter, at most by a hundred of it.
    Pareto,
}

/// How bytes are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Corruption {
    /// One bit is flipped.
    #[default]
    Flip,
    /// The byte is 0.
    Zero,
    /// The byte is another one.
    Replace,
}

/// When something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// After this many bytes of this direction or, where [`When`] names a place in it, from there on.
    Bytes(u64),
    /// This long after the session's start or, where [`When`] names a place, after that is reached.
    Time(Duration),
}

/// How something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ending {
    /// By an end of stream, to both sides.
    #[default]
    End,
    /// By a reset, to both sides.
    Reset,
}

/// When a fault is at work; all of it must hold.
///
/// `from`, `to`, `frame` and `matches` name places in the direction's bytes as they come to the fault, behind the faults
/// before it. Faults that happen once (`cut`, `reset`, `half-close`, `stall`, `limit`, `timeout`) happen where such a
/// place begins, which for a frame is behind the last byte of the frame before; the others act on the bytes there.
#[derive(Debug, Clone, Default)]
pub struct When {
    /// In this session alone.
    pub session: Option<u64>,
    /// In every Nth session.
    pub every: Option<u64>,
    /// In this frame alone, counted from 1; needs a framer. Behind a match, where both are given.
    pub frame: Option<u64>,
    /// From here on.
    pub from: Option<Point>,
    /// Up to here.
    pub to: Option<Point>,
    /// From behind the first match on, across chunks.
    pub matches: Option<Pattern>,
}

impl When {
    /// Tells whether a place or a time is named from which offsets and times of the fault then count.
    pub(super) fn has_start(&self) -> bool {
        self.frame.is_some() || self.from.is_some() || self.matches.is_some()
    }
}

/// A point of a direction's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A byte offset.
    Byte(u64),
    /// A time since the session's start.
    Time(Duration),
}
