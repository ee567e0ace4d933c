//! Two streams made one conversation: what one side sends, the other receives, both ways at once.
//!
//! The directions are independent. An end of stream passes as an end of stream, and the other direction goes on; a reset
//! passes as a reset, once what was read before it is delivered. A side that does not read is not read for either: its
//! sender waits. With nothing asked of it, a bridge changes nothing; with [faults](crate::pipe) it bends what they say.

mod bent;
mod half;

pub use half::{BEGIN_BYTES, COPY_BYTES};

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::direction::{Direction, Role};
use crate::net::busy;
use crate::net::edge::Edge;
use crate::net::stream::Stream;
use crate::net::sys;
use crate::pipe::plan::Faults;
use crate::session::Session;
use crate::termination::Termination;
use bent::Bent;
use half::{End, Half};

/// How long a reset waits until what was passed on before it is delivered.
pub const RESET_PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks at what is not yet delivered.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// No version of the faults has been looked at.
const UNKNOWN: u64 = u64::MAX;

/// How a bridge ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Passage {
    /// Both directions have ended, each by its own end of stream.
    Ended,
    /// This side was gone by a reset, or a failure of its connection; the other has been reset too.
    Broken(Role),
    /// A fault closed the conversation; each side is still to be given our end of stream.
    Closed,
    /// A fault has reset both sides.
    Reset,
}

/// Carries bytes between `client` and `server` until both directions have ended or one side is gone.
///
/// `session` is the conversation as the near side has it: why it ends is noted there, and the faults know it by its
/// number. The streams are only lent: who calls closes them.
///
/// # Cancel safety
///
/// Not cancel safe: what was read and not yet written is lost with the future.
pub async fn bridge(session: &Session, client: &Stream, server: &Stream, faults: Option<&Faults>) -> Passage {
    let mut bridge = Bridge::new(session, client.edge(), server.edge(), faults);
    poll_fn(|cx| bridge.poll(cx)).await
}

/// A bridge at work.
pub(crate) struct Bridge<'a> {
    session: &'a Session,
    client: &'a Arc<Edge>,
    server: &'a Arc<Edge>,
    faults: Option<&'a Faults>,
    up: Half,
    down: Half,
    /// Where faults are at work, or a reset is on its way.
    more: Option<Box<More>>,
    version: u64,
}

/// What few bridges need.
#[derive(Default)]
struct More {
    bent: Option<Bent>,
    lost: Option<Lost>,
    parting: Option<Parting>,
}

/// A side that is known to be gone, though not all it has sent is passed on: the other side does not take it.
struct Lost {
    side: Role,
    /// Bytes the session had moved when they were last looked at.
    moved: u64,
    patience: Pin<Box<Sleep>>,
}

/// A reset that waits until what came before it is delivered.
struct Parting {
    passage: Passage,
    delivered: Delivered,
}

type Delivered = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<'a> Bridge<'a> {
    pub(crate) fn new(
        session: &'a Session,
        client: &'a Arc<Edge>,
        server: &'a Arc<Edge>,
        faults: Option<&'a Faults>,
    ) -> Bridge<'a> {
        let (up, down) = (Half::new(), Half::new());
        // The first look makes the pipes.
        Bridge { session, client, server, faults, up, down, more: None, version: UNKNOWN }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Passage> {
        busy::moved();
        if let Some(parting) = self.more.as_mut().and_then(|more| more.parting.as_mut()) {
            return parting.delivered.as_mut().poll(cx).map(|()| parting.passage);
        }
        if let Some(faults) = self.faults
            && faults.version() != self.version
        {
            let begins = self.version == UNKNOWN;
            self.version = faults.version();
            self.follow(faults, begins);
        }
        let passage = match self.more.as_mut().and_then(|more| more.bent.as_mut()) {
            Some(bent) => {
                let halves = (&mut self.up, &mut self.down);
                match bent.poll(cx, self.session, halves, (self.client, self.server)) {
                    Poll::Ready(passage) => Some(passage),
                    Poll::Pending => None,
                }
            }
            None => {
                let splice = self.client.can_splice() && self.server.can_splice();
                let up = self.up.poll(cx, self.client, self.server, splice);
                let down = self.down.poll(cx, self.server, self.client, splice);
                over(up, down)
            }
        };
        let Some(passage) = passage.or_else(|| self.given_up(cx)) else { return Poll::Pending };
        self.part(cx, passage)
    }

    /// Tells whether a side is gone and nothing of what it has sent has moved for long enough.
    fn given_up(&mut self, cx: &mut Context<'_>) -> Option<Passage> {
        let side = match (self.client.is_lost(), self.server.is_lost()) {
            (true, _) => Role::Client,
            (_, true) => Role::Server,
            (false, false) => return None,
        };
        let ended = match side {
            Role::Client => self.up.end.is_some(),
            Role::Server => self.down.end.is_some(),
        };
        let moved = || self.session.meter().total_bytes();
        let lost = self.more.get_or_insert_default().lost.get_or_insert_with(|| {
            let patience = Box::pin(sleep(if ended { Duration::ZERO } else { RESET_PATIENCE }));
            Lost { side, moved: moved(), patience }
        });
        loop {
            if lost.patience.as_mut().poll(cx).is_pending() {
                return None;
            }
            if moved() == lost.moved {
                return Some(Passage::Broken(lost.side));
            }
            lost.moved = moved();
            lost.patience.as_mut().reset(Instant::now() + RESET_PATIENCE);
        }
    }

    /// Goes over to the faults that count now.
    fn follow(&mut self, faults: &Faults, begins: bool) {
        let plan = faults.plan();
        let number = self.session.id().0;
        let bends = |direction| !plan.is_idle_for(number, direction);
        let bent = self.more.as_mut().and_then(|more| more.bent.as_mut());
        match bent {
            Some(bent) => bent.update(&plan, self.session),
            None if bends(Direction::ToServer) || bends(Direction::ToClient) => {
                let bent = Bent::new(&plan, self.session, begins);
                self.more.get_or_insert_default().bent = Some(bent);
            }
            None => {}
        }
    }

    /// Passes a reset on, once what came before it has arrived.
    fn part(&mut self, cx: &mut Context<'_>, passage: Passage) -> Poll<Passage> {
        let delivered = match passage {
            Passage::Ended | Passage::Closed => return Poll::Ready(passage),
            Passage::Reset => self.reset(),
            Passage::Broken(side) => self.break_other(side),
        };
        let parting = self.more.get_or_insert_default().parting.insert(Parting { passage, delivered });
        parting.delivered.as_mut().poll(cx).map(|()| passage)
    }

    /// Resets both sides, as a fault wants it.
    fn reset(&self) -> Delivered {
        let at_once = self.more.as_ref().and_then(|more| more.bent.as_ref()).is_none_or(Bent::is_over);
        let (session, client, server) = (self.session.clone(), self.client.clone(), self.server.clone());
        Box::pin(async move {
            if !at_once {
                // It comes behind a byte, and a reset overtakes what is not there yet.
                tokio::join!(delivered(&client), delivered(&server));
            }
            session.stop(Termination::Fault);
            client.break_off();
            server.break_off();
        })
    }

    /// Resets the other side of one that is gone.
    fn break_other(&self, side: Role) -> Delivered {
        let (gone, other) = match side {
            Role::Client => (self.client, self.server),
            Role::Server => (self.server, self.client),
        };
        // Each edge notes it in its own session; here they become one.
        if let Some(end) = gone.broken_end(side) {
            self.session.note_end(end);
        }
        let waits = self.more.as_ref().is_none_or(|more| more.lost.is_none());
        let other = other.clone();
        Box::pin(async move {
            // Where it was waited for already, the other side takes nothing.
            if waits {
                delivered(&other).await;
            }
            other.break_off();
        })
    }
}

/// Tells what it came to, once it has: both directions have ended, or a side is gone and all it has sent is passed on.
fn over(up: Poll<End>, down: Poll<End>) -> Option<Passage> {
    match (up, down) {
        (Poll::Ready(End::Ended), Poll::Ready(End::Ended)) => Some(Passage::Ended),
        (Poll::Ready(End::SourceBroken), _) => Some(Passage::Broken(Role::Client)),
        (_, Poll::Ready(End::SourceBroken)) => Some(Passage::Broken(Role::Server)),
        // What the gone receiver had sent is still being passed on, unless that direction has ended.
        (Poll::Ready(End::SinkBroken), Poll::Ready(_)) => Some(Passage::Broken(Role::Server)),
        (Poll::Ready(_), Poll::Ready(End::SinkBroken)) => Some(Passage::Broken(Role::Client)),
        _ => None,
    }
}

/// Waits until the peer's system has acknowledged what was sent, at most [`RESET_PATIENCE`].
async fn delivered(edge: &Edge) {
    let waiting = || edge.descriptor().and_then(|socket| sys::unacknowledged_bytes(socket).ok()).unwrap_or(0);
    let end = Instant::now() + RESET_PATIENCE;
    while waiting() > 0 && Instant::now() < end {
        sleep(LOOK_AGAIN).await;
    }
}

#[cfg(test)]
mod tests;
