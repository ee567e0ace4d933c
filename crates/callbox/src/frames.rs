//! A session's bytes cut into frames, for whoever watches: numbered, counted, and how they arrived.
//!
//! Handlers that talk in frames cut for themselves ([`net::framed`](crate::net::framed)); this is what observers see,
//! whatever the handler does. Both use the same framers, so they agree (by `idle:` as far as both read the clock alike).

use std::fmt;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::direction::Direction;
use crate::frame::{Arrivals, Frame, FrameError, FrameKind, Framer, Framing};

/// How observers want bytes cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The boundary rule; with [`Rule::None`](crate::frame::Rule::None) each chunk is shown as it comes.
    pub framing: Framing,
    /// Received frames beyond this number are not shown: the conversation ends with the last of them.
    pub most_frames: Option<u64>,
    /// Which bytes that can be no frame end the session. Where they do not, they are shown as they come from there on.
    pub ends_session: Ends,
}

/// Which bytes that can be no frame end a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ends {
    /// None: somebody only watches.
    Nobody,
    /// Those that are received.
    #[default]
    Received,
    /// Those of either direction: both are received, by a relay.
    Both,
}

/// One frame as observers see it.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Its number within its direction: 1, 2, 3, ...; 0 where nothing cuts (a chunk, or bytes between frames).
    pub number: u64,
    /// The frame.
    pub frame: Frame<'a>,
}

/// How the frames of a session arrived, both ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameReport {
    /// Those from the client to the server.
    pub to_server: Arrivals,
    /// Those from the server to the client.
    pub to_client: Arrivals,
}

impl FrameReport {
    /// Returns those of one direction.
    pub fn of(&self, direction: Direction) -> &Arrivals {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }
}

impl std::ops::AddAssign for FrameReport {
    fn add_assign(&mut self, other: FrameReport) {
        self.to_server += other.to_server;
        self.to_client += other.to_client;
    }
}

/// The cutting of one session.
pub(crate) struct Frames {
    to_server: Lane,
    to_client: Lane,
    error: Option<FrameError>,
    ends_session: Ends,
    /// The task that shows what silence completes, while something is held.
    timer: Option<AbortHandle>,
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.stop_timer();
    }
}

impl Frames {
    /// Prepares to cut; `inbound` is the direction that [`Cut::most_frames`] limits.
    pub(crate) fn new(cut: &Cut, inbound: Direction) -> Frames {
        let lane = |direction| Lane {
            framer: Framer::new(&cut.framing),
            cuts: !cut.framing.is_none(),
            before: Arrivals::default(),
            number: 0,
            most: cut.most_frames.filter(|_| direction == inbound),
        };
        let (to_server, to_client) = (lane(Direction::ToServer), lane(Direction::ToClient));
        Frames { to_server, to_client, error: None, ends_session: cut.ends_session, timer: None }
    }

    /// Goes over to another rule, from the next byte on; what was held of an unfinished frame is shown first.
    pub(crate) fn recut(&mut self, framing: &Framing, mut show: impl FnMut(Direction, &Seen<'_>)) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            self.end(direction, |seen| show(direction, seen));
            let lane = self.lane(direction);
            lane.before = lane.arrivals();
            lane.framer = Framer::new(framing);
            lane.cuts = !framing.is_none();
        }
        self.error = None;
        self.stop_timer();
    }

    fn stop_timer(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
    }

    /// Has a task begun that calls [`Frames::expire`], if silence may complete what is held and nobody waits for it yet.
    pub(crate) fn watch_silence(&mut self, begin: impl FnOnce(Instant) -> AbortHandle) {
        if self.timer.is_none()
            && let Some(due) = self.to_server.due().into_iter().chain(self.to_client.due()).min()
        {
            self.timer = Some(begin(due));
        }
    }

    fn lane(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    /// Cuts one chunk. After an error the direction's bytes are shown as they come.
    pub(crate) fn push(
        &mut self,
        at: Instant,
        direction: Direction,
        bytes: &[u8],
        show: impl FnMut(&Seen<'_>),
    ) -> Result<(), FrameError> {
        self.lane(direction).push(at, bytes, show).inspect_err(|error| {
            self.error.get_or_insert_with(|| error.clone());
        })
    }

    /// Shows what is left of an unfinished frame; doing it again shows nothing.
    pub(crate) fn end(&mut self, direction: Direction, show: impl FnMut(&Seen<'_>)) {
        self.lane(direction).end(show);
    }

    /// Shows what silence has completed by `now`, and returns when to look again; else nobody waits any more.
    pub(crate) fn expire(&mut self, now: Instant, mut show: impl FnMut(Direction, &Seen<'_>)) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for direction in [Direction::ToServer, Direction::ToClient] {
            let due = self.lane(direction).expire(now, |seen| show(direction, seen));
            next = [next, due].into_iter().flatten().min();
        }
        if next.is_none() {
            self.timer = None;
        }
        next
    }

    /// Tells which bytes that can be no frame end the session.
    pub(crate) fn ends_session(&self) -> Ends {
        self.ends_session
    }

    /// Returns the first error, of either direction.
    pub(crate) fn error(&self) -> Option<&FrameError> {
        self.error.as_ref()
    }

    /// Returns how frames arrived so far, where there is or was a rule.
    pub(crate) fn report(&self) -> Option<FrameReport> {
        let report = FrameReport { to_server: self.to_server.arrivals(), to_client: self.to_client.arrivals() };
        let cuts = [&self.to_server, &self.to_client].into_iter().any(|lane| lane.cuts);
        (cuts || report != FrameReport::default()).then_some(report)
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frames({:?})", self.report())
    }
}

/// One direction.
struct Lane {
    framer: Framer,
    /// Whether there is a rule: without one, and after an error, chunks are shown as they come.
    cuts: bool,
    /// What was counted by earlier rules.
    before: Arrivals,
    number: u64,
    most: Option<u64>,
}

impl Lane {
    fn push(&mut self, at: Instant, bytes: &[u8], mut show: impl FnMut(&Seen<'_>)) -> Result<(), FrameError> {
        if !self.cuts {
            if !self.is_enough() {
                show(&Seen { number: 0, frame: Frame { kind: FrameKind::Chunk, ..whole(bytes) } });
            }
            return Ok(());
        }
        let mut rest = bytes;
        let error = loop {
            match self.framer.next(at, &mut rest) {
                Ok(Some(frame)) => number(&mut self.number, self.most, frame, &mut show),
                Ok(None) => return Ok(()),
                Err(error) => break error,
            }
        };
        self.before = self.arrivals();
        self.cuts = false;
        if self.is_enough() {
            // Whatever follows the last that was wanted is nobody's business.
            return Ok(());
        }
        // What was held and what follows is shown too: nobody can judge an error by what is hidden.
        let mut left = self.framer.held().to_vec();
        left.extend_from_slice(rest);
        self.number += 1;
        show(&Seen { number: self.number, frame: Frame { kind: FrameKind::Partial, ..whole(&left) } });
        Err(error)
    }

    fn is_enough(&self) -> bool {
        self.most.is_some_and(|most| self.number >= most)
    }

    fn end(&mut self, mut show: impl FnMut(&Seen<'_>)) {
        if self.cuts
            && let Some(frame) = self.framer.finish()
        {
            number(&mut self.number, self.most, frame, &mut show);
        }
    }

    fn expire(&mut self, now: Instant, mut show: impl FnMut(&Seen<'_>)) -> Option<Instant> {
        if !self.cuts {
            return None;
        }
        if let Some(frame) = self.framer.expire(now) {
            number(&mut self.number, self.most, frame, &mut show);
        }
        self.due()
    }

    fn due(&self) -> Option<Instant> {
        if self.cuts { self.framer.due() } else { None }
    }

    fn arrivals(&self) -> Arrivals {
        let mut arrivals = self.before;
        if self.cuts {
            arrivals += self.framer.arrivals();
        }
        arrivals
    }
}

/// Numbers a frame, and shows it unless enough have been shown.
fn number(number: &mut u64, most: Option<u64>, frame: Frame<'_>, show: &mut impl FnMut(&Seen<'_>)) {
    if matches!(frame.kind, FrameKind::Gap | FrameKind::Chunk) {
        return show(&Seen { number: 0, frame });
    }
    *number += 1;
    if most.is_none_or(|most| *number <= most) {
        show(&Seen { number: *number, frame });
    }
}

fn whole(bytes: &[u8]) -> Frame<'_> {
    Frame { whole: bytes, payload: bytes, kind: FrameKind::Whole, checksum: None, split: false }
}

#[cfg(test)]
mod tests;
