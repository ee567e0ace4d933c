//! Exchanges: a request, its answer, the next request; what a load run, a ping and a wait are made of.
//!
//! The handler says what was agreed on; when each exchange begins, and what becomes of the times, is its [`Stopwatch`]'s.

mod incoming;
mod requests;
mod turns;
mod until;
mod verify;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

pub use requests::{Request, Requests};
pub use until::{Answer, Until};
pub use verify::{Asked, Verdict, Verifier, Verify};

use crate::error::{Invalid, Kind, Result};
use crate::frame::Framing;
use crate::handle::Handler;
use crate::net::stream::Stream;
use crate::session::Session;
use turns::Turns;

/// What is said in each exchange, and what an answer is.
#[derive(Debug, Clone)]
pub struct Dialogue {
    /// What is sent. Empty: nothing, the answer is awaited at once, and each exchange needs a connection of its own.
    pub requests: Requests,
    /// How what comes back is cut into frames; requests are framed already.
    pub framing: Framing,
    /// Where an answer ends.
    pub until: Until,
    /// What is held against it.
    pub verify: Option<Verify>,
    /// Our end of stream follows the request, for a server that waits for it; then a connection has one exchange.
    pub finish: bool,
    /// How long an answer is awaited, from the send on. A connection whose answer was late is not used again: what still comes
    /// would be taken for the next one's.
    pub answer_timeout: Option<Duration>,
}

impl Dialogue {
    /// Makes one whose answers are not verified and awaited as long as it takes.
    pub fn new(requests: Requests, until: Until) -> Dialogue {
        let framing = Framing::none();
        Dialogue { requests, framing, until, verify: None, finish: false, answer_timeout: None }
    }

    /// Refuses what does not go together, so that a command can say so before it begins.
    ///
    /// # Errors
    ///
    /// A framing that can frame nothing, checksums to be verified where there are none, our end of stream behind a request whose
    /// answer ends before the peer's does.
    pub fn check(&self) -> Result<(), Invalid> {
        self.framing.check()?;
        let has_checksums = matches!(self.until, Until::Frame) && self.framing.checksum.is_some();
        if matches!(self.verify, Some(Verify::Checksum)) && !has_checksums {
            let invalid = Invalid::new("verify", "checksum", "no answer is a frame with a checksum");
            return Err(invalid.instead("name a framing and a checksum, and have answers end with the frame"));
        }
        if self.finish && !matches!(self.until, Until::End) {
            let invalid =
                Invalid::new("until", self.until.to_string(), "our end of stream leaves nothing to come behind it");
            return Err(invalid.instead("write end"));
        }
        Ok(())
    }
}

/// An exchange that is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Which one of the run, from 1; `{n}` in its request, and what `Verify::Sequence` looks for.
    pub number: u64,
    /// When it was to begin.
    pub intended: Instant,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it should. An answer until the end of stream may be empty.
    Answered,
    /// The answer was not what was to be verified, or a frame that decodes to nothing.
    Wrong,
    /// The answer belonged to another exchange.
    MixedUp,
    /// No answer came, or not all of it: the connection ended or failed, in this way. [`Kind::Stopped`] where the session was told
    /// to end, and [`Kind::Invalid`] where the request could not be made.
    Lost(Kind),
    /// No answer came in time.
    TimedOut,
}

/// What an exchange came to.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// Which.
    pub turn: Turn,
    /// When its request began to be sent.
    pub sent: Instant,
    /// When the first byte of its answer came, if one did.
    pub first_byte: Option<Instant>,
    /// When it was over: the answer had come and the request was sent, or it was given up. Where silence ends an answer, when
    /// its last byte had come.
    pub over: Instant,
    /// How.
    pub outcome: Outcome,
}

/// Says when exchanges begin and hears how they ended. Many connections share one; all methods are called often and must be quick.
pub trait Stopwatch: Send + Sync + 'static {
    /// Waits for the next exchange of this connection; `None` when there is to be no other one on it.
    fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<Option<Turn>>;

    /// An exchange has ended. Called once for each turn that was given, also when the session is told to end in the middle of it.
    fn done(&self, done: &Done);

    /// Bytes came that no exchange waits for.
    fn unasked(&self, _bytes: usize) {}

    /// Returns the highest number given to any exchange of the run, 0 where that is not known. It is asked where an answer bears
    /// another number than its exchange, to tell an answer that is mixed up from one that is wrong.
    fn highest(&self) -> u64 {
        0
    }
}

/// Has exchanges with the other side, one at a time, whenever its stopwatch says so.
pub struct Exchange {
    /// What is said.
    pub dialogue: Arc<Dialogue>,
    /// When, and what becomes of it.
    pub stopwatch: Arc<dyn Stopwatch>,
    /// From what random parts of requests are drawn; each session adds its number.
    pub seed: u64,
}

impl Handler for Exchange {
    async fn handle(&self, session: Session, stream: Stream) -> Result<()> {
        let mut turns = Turns::new(self, &session, &stream);
        poll_fn(|cx| turns.poll(cx)).await
    }
}

#[cfg(test)]
mod tests;
