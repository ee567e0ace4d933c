//! One direction of a conversation, bent: faults as pure stages on timed bytes.
//!
//! A [`Pipe`] takes what was read and says what is to be written, and when. It has no socket, no clock and no task:
//! whoever drives it hands in the time. Which faults there are says a [`Plan`]; each is written as one
//! [line of text](fault::Fault).
//!
//! | fault | bytes |
//! |---|---|
//! | `latency=100ms+-20ms`, `throttle=1MB/s`, `slice=1..64/5ms`, `coalesce=20ms`, `slow-close=2s` | come later or in other chunks; none is lost |
//! | `corrupt=0.1%`, `replace=TEXT,match=PATTERN` | are changed |
//! | `duplicate` | come twice |
//! | `discard=100..200` | are left out |
//! | `stall` | are held |
//! | `cut@1460`, `reset`, `half-close`, `limit=10k`, `timeout=2s` | end |
//! | `refuse`, `accept-delay=1s`, `accept-then-close`, `backlog-full` | never begin: those of a listener |
//!
//! # What holds
//!
//! - **The order of the faults counts**: each gets what the one before it lets through.
//! - **Nothing is lost by accident**: [`Ledger::pushed`] and added are written, dropped and held, always.
//! - **Chance can be had again**: the same seed and the same pushes at the same times give the same bytes, at the same
//!   times, and the same [decisions](Decision), however the writing goes.
//! - **Memory is bounded** by [`HELD_BYTES`], [`HELD_CHUNKS`] and one push; beyond them there is no
//!   [room](Pipe::has_room), and the sender has to wait. So latency bounds the rate: 256 KiB on the way at 100 ms are 2.6 MB/s.
//! - **Faults change while bytes flow**: one that is taken away lets go what it held, in order; the others do not notice.
//!
//! ```
//! use bytes::Bytes;
//! use callbox::direction::Direction;
//! use callbox::frame::Framing;
//! use callbox::pipe::plan::{Clipped, Plan};
//! use callbox::pipe::{Next, Pipe};
//! use std::time::Duration;
//! use tokio::time::Instant;
//!
//! let clip = |id, spec: &str| Ok::<_, callbox::Invalid>(Clipped { id, name: spec.into(), fault: spec.parse()? });
//! let faults = vec![clip(1, "latency=100ms")?, clip(2, "cut@8:reset")?];
//! let plan = Plan { seed: 7, framing: Framing::none(), faults, rate: None };
//!
//! let start = Instant::now(); // any moment will do: nothing looks at a clock
//! let mut pipe = Pipe::new(&plan, 1, Direction::ToServer, start);
//! pipe.push(start, Bytes::from_static(b"hello, world"));
//! let due = start + Duration::from_millis(100);
//! assert_eq!(pipe.next(start), Next::Wait(Some(due)));
//! assert_eq!(pipe.next(due), Next::Write(b"hello, w"));
//! pipe.advance(8);
//! assert_eq!(pipe.next(due), Next::Reset);
//! # Ok::<(), callbox::Invalid>(())
//! ```

mod change;
pub mod decision;
mod draw;
pub mod fault;
mod gate;
mod ledger;
mod outbox;
pub mod plan;
mod print;
pub mod rate;
mod ready;
mod slot;
mod spec;
mod stages;

use bytes::Bytes;
use tokio::time::Instant;

use crate::direction::Direction;
use decision::Log;
use fault::Ending;
use outbox::{Item, Outbox};
use plan::Plan;
use ready::Ready;
use slot::Slot;

pub use decision::{Decision, KEPT_DECISIONS, What};
pub use ledger::Ledger;

/// How many bytes a pipe holds, beyond one push, until there is no room for more: what a fast line has on its way.
pub const HELD_BYTES: u64 = 256 * 1024;

/// How many chunks a pipe holds until there is no room for more, so that single bytes cost no more memory than they
/// must.
pub const HELD_CHUNKS: usize = 4096;

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// Write some of this, then say how much by [`Pipe::advance`]; one byte at least.
    Write(&'a [u8]),
    /// Send this direction's end of stream, then say so by [`Pipe::ended`].
    End,
    /// End the whole session: an end of stream to both sides, then close.
    Close,
    /// Reset both sides.
    Reset,
    /// Nothing, until something is pushed or, where there is one, this moment.
    Wait(Option<Instant>),
    /// Nothing any more: the end of stream has been sent. A fault that ends the session may still be [due](Pipe::due).
    Done,
}

/// One direction of one session.
pub struct Pipe {
    session: u64,
    direction: Direction,
    started: Instant,
    /// The faults, in the order in which bytes meet them.
    slots: Vec<Slot>,
    ready: Ready,
    /// The session ends now, whatever is still held.
    over: Option<Ending>,
    /// What is due first.
    due: Option<Instant>,
    /// Up to where time has been looked at.
    seen: Instant,
    end: bool,
    done: bool,
    ledger: Ledger,
    log: Log,
}

impl Pipe {
    /// Makes the pipe of a session that began at `started`.
    pub fn new(plan: &Plan, session: u64, direction: Direction, started: Instant) -> Pipe {
        let make = |clipped| Slot::new(plan, clipped, (session, direction, started));
        let limit = plan.rate.as_ref().map(|rate| Slot::limit(rate, plan, started));
        let mut pipe = Pipe {
            session,
            direction,
            started,
            slots: plan.faults.iter().filter_map(make).chain(limit).collect(),
            ready: Ready::default(),
            over: None,
            due: None,
            seen: started,
            end: false,
            done: false,
            ledger: Ledger::default(),
            log: Log::new(session, direction),
        };
        pipe.look();
        pipe.run(started);
        pipe
    }

    /// Tells whether no fault concerns this direction and nothing is held, so that bytes may go
    /// [around it](Pipe::went_around).
    pub fn is_idle(&self) -> bool {
        self.slots.is_empty() && self.over.is_none() && !self.end && self.ready.is_idle()
    }

    /// Notes that bytes went around an idle pipe, so that offsets are right when a fault comes later.
    pub fn went_around(&mut self, bytes: u64) {
        self.ledger.pushed += bytes;
        self.ledger.written += bytes;
        self.ready.went_around(bytes);
    }

    /// Returns how many bytes may be written now without being pushed, for no fault would do anything with them: say so by
    /// [`skip`](Pipe::skip). Ask [`next`](Pipe::next) before, for time may change it.
    pub fn clear_for(&self) -> u64 {
        if self.over.is_some() || self.end || !self.ready.is_idle() {
            return 0;
        }
        self.slots.iter().map(Slot::clear_for).min().unwrap_or(u64::MAX)
    }

    /// Notes that so many bytes were written without being pushed.
    pub fn skip(&mut self, bytes: u64) {
        self.ledger.pushed += bytes;
        self.ledger.written += bytes;
        self.ready.went_around(bytes);
        self.slots.iter_mut().for_each(|slot| slot.skip(bytes));
    }

    /// Tells whether more may be pushed.
    pub fn has_room(&self) -> bool {
        let in_slots = || self.slots.iter().map(Slot::chunks).sum::<usize>();
        self.held() < HELD_BYTES && self.ready.chunks() + in_slots() < HELD_CHUNKS
    }

    /// Takes what was read.
    pub fn push(&mut self, now: Instant, bytes: Bytes) {
        self.run(now);
        self.ledger.pushed += bytes.len() as u64;
        if self.over.is_some() || self.end {
            self.ledger.dropped += bytes.len() as u64;
        } else if !bytes.is_empty() {
            self.feed(0, Item::Bytes(bytes));
            self.catch_up(now);
        }
    }

    /// Takes the end of stream.
    pub fn end(&mut self, now: Instant) {
        self.run(now);
        if self.over.is_none() && !self.end {
            self.end = true;
            self.feed(0, Item::End);
            self.catch_up(now);
        }
    }

    /// Returns what is to be done now.
    pub fn next(&mut self, now: Instant) -> Next<'_> {
        self.run(now);
        if let Some(how) = self.over {
            // What was ready before may still go, unless the other side does not take it.
            if self.ready.is_stuck() {
                self.ledger.dropped += self.ready.clear();
            }
            if self.ready.front().is_none() {
                return if how == Ending::Reset { Next::Reset } else { Next::Close };
            }
        }
        let idle = match self.ready.last() {
            Some(Item::Close) => Next::Close,
            Some(Item::Reset) => Next::Reset,
            Some(_) if self.done => Next::Done,
            Some(_) => Next::End,
            None => Next::Wait(self.due),
        };
        self.ready.offer().map_or(idle, Next::Write)
    }

    /// Tells whether the session ends by time: now, and not behind a byte.
    pub fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// Returns when the pipe wants to be asked again, whatever [`next`](Pipe::next) says: a session may end by time while
    /// somebody does not take what is to be written.
    pub fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.over.is_none())
    }

    /// Notes that this many of the bytes to write have been written.
    pub fn advance(&mut self, written: usize) {
        self.ledger.written += self.ready.advance(written);
    }

    /// Notes that the end of stream has been sent.
    pub fn ended(&mut self) {
        self.done = true;
    }

    /// Returns where all bytes are.
    pub fn ledger(&self) -> Ledger {
        Ledger { held: self.held(), ..self.ledger }
    }

    /// Takes the decisions since the last call, [`KEPT_DECISIONS`] at most.
    pub fn decisions(&mut self) -> Vec<Decision> {
        self.log.take()
    }

    /// Returns how many decisions were left out, for nobody took those before them.
    pub fn decisions_left_out(&self) -> u64 {
        self.log.left_out()
    }

    fn held(&self) -> u64 {
        self.ledger.pushed + self.ledger.added - self.ledger.written - self.ledger.dropped
    }

    /// Does all that is due by `now`, in the order of time and, at one moment, from the end of the chain.
    fn run(&mut self, now: Instant) {
        while let Some(due) = self.due.filter(|due| *due <= now && self.over.is_none()) {
            self.seen = self.seen.max(due);
            let first = self.slots.iter().rposition(|slot| slot.due() == Some(due));
            if let Some(index) = first {
                self.step(index, |slot, out| slot.fire(out));
            }
            self.settle();
        }
        self.seen = self.seen.max(now);
    }

    /// Does what has become due at this moment, so that it does not hang on whether somebody asks now or later.
    fn catch_up(&mut self, now: Instant) {
        self.settle();
        self.run(now);
    }

    /// Lets all slots look at the time, where that may have changed something for them.
    fn look(&mut self) {
        for index in (0..self.slots.len()).rev() {
            self.step(index, |slot, out| slot.look(out));
        }
        self.settle();
    }

    /// Lets a slot do something, and the ones behind it take what comes of it.
    fn step(&mut self, index: usize, act: impl FnOnce(&mut Slot, &mut Outbox<'_>)) {
        Pipe::at(&mut self.slots[index], &mut self.log, &mut self.ledger, &mut self.over, self.seen, act);
        self.deliver(index);
    }

    fn at(
        slot: &mut Slot,
        log: &mut Log,
        ledger: &mut Ledger,
        over: &mut Option<Ending>,
        at: Instant,
        act: impl FnOnce(&mut Slot, &mut Outbox<'_>),
    ) {
        let mut given = std::mem::take(&mut slot.given);
        let name = slot.name.clone();
        act(slot, &mut Outbox { at, given: &mut given, ledger, log, name: &name, over });
        slot.given = given;
    }

    /// Gives what a slot let through to the next.
    fn deliver(&mut self, index: usize) {
        let mut given = std::mem::take(&mut self.slots[index].given);
        for item in given.drain(..) {
            self.feed(index + 1, item);
        }
        self.slots[index].given = given;
    }

    /// Gives an item to the first slot from `index` on that may still do something with it.
    fn feed(&mut self, index: usize, item: Item) {
        let bytes = item.len();
        for next in index..self.slots.len() {
            let slot = &mut self.slots[next];
            if bytes == 0 || !slot.is_over() {
                return self.step(next, |slot, out| slot.take(item, out));
            }
            slot.pass_by(bytes);
        }
        self.ledger.dropped += self.ready.take(item);
    }

    /// Finds out what is due next; when the session is over, nothing is.
    fn settle(&mut self) {
        if cfg!(debug_assertions) {
            let in_slots: u64 = self.slots.iter().map(|slot| slot.held() as u64).sum();
            assert_eq!(self.held(), self.ready.bytes() + in_slots, "every byte is somewhere");
        }
        self.due = self.slots.iter().filter_map(Slot::due).min();
        if self.over.is_some() {
            self.ledger.dropped += self.held() - self.ready.bytes();
            self.slots.clear();
            self.due = None;
        }
    }
}

#[cfg(test)]
mod tests;
