//! What faults did, one line each, the same for the same seed and the same input.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::fault::Ending;
use crate::direction::Direction;
use crate::units::show_duration;

/// How many decisions a pipe keeps until they are fetched; later ones are counted.
pub const KEPT_DECISIONS: usize = 1024;

/// One thing that a fault did.
///
/// There is no time of day in it: the same seed, pushed the same bytes at the same times since the session's start, decides
/// the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// In which session.
    pub session: u64,
    /// In which direction.
    pub direction: Direction,
    /// Which fault, by its name.
    pub fault: Arc<str>,
    /// At which byte of those that came to the fault.
    pub offset: u64,
    /// What it did.
    pub what: What,
}

/// What a fault did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// Its conditions hold from here on.
    AtWork,
    /// Its conditions do not hold any more.
    Over,
    /// It was taken away.
    TakenAway,
    /// A chunk comes later by this much.
    Delayed(Duration),
    /// A piece of this many bytes was cut off.
    Sliced(u64),
    /// This many chunks come as one.
    Gathered(u64),
    /// A byte was changed.
    Corrupted {
        /// From this.
        from: u8,
        /// To this.
        to: u8,
    },
    /// This many bytes were left out.
    Dropped(u64),
    /// This many bytes come a second time.
    Repeated(u64),
    /// The session was ended.
    Ended(Ending),
    /// The direction was ended.
    HalfClosed,
    /// The end of stream comes later by this much.
    EndDelayed(Duration),
    /// Some bytes were replaced.
    Replaced {
        /// So many.
        bytes: u64,
        /// By so many.
        by: u64,
    },
    /// Nothing was replaced, since the result would be no frame.
    NoFrame,
}

impl fmt::Display for Decision {
    /// Prints one line without its end: `#2 to_client cut at 1460: session ended by a reset`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = crate::text::safe(&self.fault);
        write!(f, "#{} {} {name} at {}: {}", self.session, self.direction.name(), self.offset, self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::AtWork => f.write_str("at work"),
            What::Over => f.write_str("over"),
            What::TakenAway => f.write_str("taken away"),
            What::Delayed(by) => write!(f, "delayed by {}", show_duration(*by)),
            What::Sliced(bytes) => write!(f, "cut off {}", sized(*bytes)),
            What::Gathered(chunks) => write!(f, "gathered {chunks} chunk{}", if *chunks == 1 { "" } else { "s" }),
            What::Corrupted { from, to } => write!(f, "0x{from:02x} became 0x{to:02x}"),
            What::Dropped(bytes) => write!(f, "dropped {}", sized(*bytes)),
            What::Repeated(bytes) => write!(f, "repeated {}", sized(*bytes)),
            What::Ended(Ending::End) => f.write_str("session ended"),
            What::Ended(Ending::Reset) => f.write_str("session ended by a reset"),
            What::HalfClosed => f.write_str("direction ended"),
            What::EndDelayed(by) => write!(f, "end of stream delayed by {}", show_duration(*by)),
            What::Replaced { bytes, by } => write!(f, "replaced {} by {by}", sized(*bytes)),
            What::NoFrame => f.write_str("nothing replaced: the result would be no frame"),
        }
    }
}

fn sized(bytes: u64) -> String {
    format!("{bytes} byte{}", if bytes == 1 { "" } else { "s" })
}

/// The decisions of one pipe.
#[derive(Debug)]
pub(super) struct Log {
    session: u64,
    direction: Direction,
    kept: VecDeque<Decision>,
    left_out: u64,
}

impl Log {
    pub(super) fn new(session: u64, direction: Direction) -> Log {
        Log { session, direction, kept: VecDeque::new(), left_out: 0 }
    }

    /// Keeps a decision, or counts it.
    pub(super) fn note(&mut self, fault: &Arc<str>, offset: u64, what: What) {
        if self.kept.len() >= KEPT_DECISIONS {
            self.left_out += 1;
            return;
        }
        let fault = fault.clone();
        self.kept.push_back(Decision { session: self.session, direction: self.direction, fault, offset, what });
    }

    /// Hands out those kept.
    pub(super) fn take(&mut self) -> Vec<Decision> {
        std::mem::take(&mut self.kept).into()
    }

    /// Returns how many were not kept.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }
}
