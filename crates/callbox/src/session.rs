//! Who talks with whom: the identity and the facts of one conversation.
//!
//! A [`Session`] is a cheap handle that everybody may hold: the handler, the registry, the event log. It holds no
//! socket; the [`Stream`](crate::Stream) does.

use std::fmt;
use std::sync::atomic::{
    AtomicU8,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::addr::Addr;
use crate::direction::{Direction, Role};
use crate::event::Event;
use crate::frame::{FrameError, Framing};
use crate::frames::{Ends, FrameReport, Frames, Seen};
use crate::meter::Meter;
use crate::observers::Observers;
use crate::report::SessionId;
use crate::termination::Termination;

/// Nothing recorded yet, in the atomics below.
const NONE: u8 = u8::MAX;

/// A handle on the facts of one conversation; clones are cheap and mean the same conversation.
#[derive(Clone)]
pub struct Session(Arc<Facts>);

/// What becomes known later; in one place, for idle sessions are many.
#[derive(Default)]
struct Late {
    /// The task to wake when somebody asks the session to end.
    waker: Option<Waker>,
    /// Written once; a listener bound to one address knows it for every session, others ask the kernel.
    local: Option<Arc<Addr>>,
}

/// What every chunk touches comes first and together: with thousands of sessions each further cache line is a miss.
///
/// The task and the sockets' records beside it begin at multiples of 128 bytes. With this size glibc's allocator leaves no
/// gap before the next one, and an idle relayed session takes 94 bytes less than without the room (5,000 measured).
#[repr(C)]
struct Facts {
    meter: Meter,
    /// Our own reason to end; `NONE` until somebody asks.
    stop: AtomicU8,
    /// The first of the ends and resets seen at the edge; `NONE` until then.
    first_end: AtomicU8,
    role: Role,
    id: SessionId,
    peer: Addr,
    started: Instant,
    late: Mutex<Late>,
    _room: [u64; 8],
    /// The framers, where observers want frames.
    frames: Option<Box<Mutex<Frames>>>,
    observers: Observers,
}

impl Session {
    /// Makes the facts of a new conversation that starts now.
    pub fn new(id: SessionId, role: Role, peer: Addr, observers: Observers) -> Session {
        let frames = observers.cut().map(|cut| Box::new(Mutex::new(Frames::new(&cut, role.inbound()))));
        Session(Arc::new(Facts {
            frames,
            id,
            role,
            peer,
            started: Instant::now(),
            meter: Meter::default(),
            first_end: AtomicU8::new(NONE),
            stop: AtomicU8::new(NONE),
            late: Mutex::default(),
            _room: [0; 8],
            observers,
        }))
    }

    /// Returns the number of this session.
    pub fn id(&self) -> SessionId {
        self.0.id
    }

    /// Tells which side we are.
    pub fn role(&self) -> Role {
        self.0.role
    }

    /// Returns the other end's address, as `accept` or `connect` reported it.
    pub fn peer(&self) -> &Addr {
        &self.0.peer
    }

    /// Returns our end's address, where it is known already.
    pub fn local(&self) -> Option<Addr> {
        self.late().local.as_deref().cloned()
    }

    /// Notes our end's address, asking where it is not known yet; the first note stays.
    pub(crate) fn note_local(&self, local: impl FnOnce() -> Option<Arc<Addr>>) -> Option<Addr> {
        let mut late = self.late();
        if late.local.is_none() {
            late.local = local();
        }
        late.local.as_deref().cloned()
    }

    fn late(&self) -> MutexGuard<'_, Late> {
        self.0.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the connection was there.
    pub fn started(&self) -> Instant {
        self.0.started
    }

    /// Returns how long the session has lasted.
    pub fn age(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// Returns the exact totals so far.
    pub fn meter(&self) -> &Meter {
        &self.0.meter
    }

    /// Returns who watches.
    pub fn observers(&self) -> &Observers {
        &self.0.observers
    }

    /// Asks the session to end for our own reason; the first reason stays. Its task acts at once.
    pub fn stop(&self, reason: Termination) {
        if self.0.stop.compare_exchange(NONE, reason as u8, SeqCst, Relaxed).is_ok() {
            self.wake();
        }
    }

    /// Returns our own reason to end, once somebody has asked.
    pub fn stopped(&self) -> Option<Termination> {
        decode(self.0.stop.load(SeqCst))
    }

    /// Returns why the session ended: our own reason, else whose FIN or RST came first.
    pub fn termination(&self) -> Option<Termination> {
        self.stopped().or_else(|| self.first_end())
    }

    /// Returns the first of the ends and resets seen at our end; a reset outranks an end of stream.
    pub fn first_end(&self) -> Option<Termination> {
        decode(self.0.first_end.load(Relaxed))
    }

    /// Notes an end or a reset seen at the edge. The first stays, but a reset outranks an end of stream: bytes may be lost.
    pub(crate) fn note_end(&self, end: Termination) {
        let first = self.0.first_end.compare_exchange(NONE, end as u8, Relaxed, Relaxed);
        let lossy = !matches!(end, Termination::ClientClosed | Termination::ServerClosed);
        if let Err(before) = first
            && lossy
            && matches!(decode(before), Some(Termination::ClientClosed | Termination::ServerClosed))
        {
            self.0.first_end.store(end as u8, Relaxed);
        }
    }

    /// Has `cx` woken when the session is asked to end. `known` is the caller's memory from one poll to the next: as
    /// long as the task stays the same, nothing is locked.
    pub(crate) fn wake_on_stop(&self, cx: &Context<'_>, known: &mut Option<Waker>) {
        if !known.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *known = Some(cx.waker().clone());
            self.late().waker = Some(cx.waker().clone());
        }
    }

    /// Has the session's task look again at what is shared with it.
    pub(crate) fn wake(&self) {
        let waker = self.late().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Showing bytes to those who watch.
impl Session {
    /// Tells whether somebody wants to see every chunk.
    pub(crate) fn is_watched(&self) -> bool {
        self.0.frames.is_some() || !self.0.observers.taps().is_empty()
    }

    /// Shows a chunk that has crossed the edge, and the frames it completes. A received frame that no framer takes ends
    /// the session.
    #[cold]
    pub(crate) fn show(&self, direction: Direction, bytes: &[u8]) {
        let now = Instant::now();
        self.0.observers.taps().iter().for_each(|tap| tap.bytes(now, self.id(), direction, bytes));
        let Some(mut frames) = self.frames() else { return };
        let cut = frames.push(now, direction, bytes, |seen| self.show_frame(now, direction, seen));
        frames.watch_silence(|due| self.end_frames_by_silence(due));
        let ends = frames.ends_session();
        drop(frames);
        let Err(error) = cut else { return };
        if ends == Ends::Nobody {
            let message = format!("({}) {}: {error}; its bytes are shown as they come", self.id(), direction.name());
            self.0.observers.emit(|| Event::Notice { message });
        } else if direction == self.role().inbound() || ends == Ends::Both {
            self.stop(match error {
                FrameError::TooLarge { .. } => Termination::FrameTooLarge,
                FrameError::Malformed { .. } => Termination::FrameMalformed,
            });
        }
    }

    /// Shows what is left of an unfinished frame at a direction's end.
    pub(crate) fn show_rest(&self, direction: Direction) {
        if let Some(mut frames) = self.frames() {
            let now = Instant::now();
            frames.end(direction, |seen| self.show_frame(now, direction, seen));
        }
    }

    /// Shows the end of a direction to the taps.
    pub(crate) fn show_end(&self, direction: Direction) {
        self.show_rest(direction);
        let now = Instant::now();
        self.0.observers.taps().iter().for_each(|tap| tap.end(now, self.id(), direction));
    }

    /// Shows the end of the session to the taps.
    pub(crate) fn show_closed(&self) {
        let now = Instant::now();
        self.0.observers.taps().iter().for_each(|tap| tap.closed(now, self.id()));
    }

    /// Has the observers' bytes cut by another rule from here on; nothing happens where they have none.
    pub fn recut(&self, framing: &Framing) {
        if let Some(mut frames) = self.frames() {
            let now = Instant::now();
            frames.recut(framing, |direction, seen| self.show_frame(now, direction, seen));
        }
    }

    /// Returns how frames have arrived so far, where observers have a framer.
    pub fn frame_report(&self) -> Option<FrameReport> {
        self.frames().and_then(|frames| frames.report())
    }

    /// Returns why cutting had to stop, if it had.
    pub fn frame_error(&self) -> Option<FrameError> {
        self.frames().and_then(|frames| frames.error().cloned())
    }

    fn frames(&self) -> Option<MutexGuard<'_, Frames>> {
        self.0.frames.as_ref().map(|frames| frames.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn show_frame(&self, at: Instant, direction: Direction, seen: &Seen<'_>) {
        self.0.observers.taps().iter().for_each(|tap| tap.frame(at, self.id(), direction, seen));
    }

    /// Shows the frames that silence completes from `due` on, until nothing is held.
    fn end_frames_by_silence(&self, due: Instant) -> AbortHandle {
        let session = Arc::downgrade(&self.0);
        let watching = tokio::spawn(async move {
            let mut next = Some(due);
            while let Some(due) = next {
                sleep_until(due).await;
                let Some(session) = session.upgrade().map(Session) else { return };
                let now = Instant::now();
                let show = |direction, seen: &Seen<'_>| session.show_frame(now, direction, seen);
                next = session.frames().and_then(|mut frames| frames.expire(now, show));
            }
        });
        watching.abort_handle()
    }
}

fn decode(value: u8) -> Option<Termination> {
    Termination::ALL.get(usize::from(value)).copied()
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} {} {})", self.id(), self.role().name(), self.peer())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session::new(SessionId(1), Role::Server, Addr::default_address(), Observers::none())
    }

    #[test]
    fn the_first_end_names_the_session_and_a_reset_outranks_it() {
        let session = session();
        session.note_end(Termination::ClientClosed);
        session.note_end(Termination::ServerClosed);
        assert_eq!(session.termination(), Some(Termination::ClientClosed));
        session.note_end(Termination::ServerReset);
        session.note_end(Termination::ClientReset);
        assert_eq!(session.termination(), Some(Termination::ServerReset));
    }

    #[test]
    fn our_own_reason_wins_and_the_first_one_stays() {
        let session = session();
        session.note_end(Termination::ClientClosed);
        session.stop(Termination::IdleTimeout);
        session.stop(Termination::Drained);
        assert_eq!(session.termination(), Some(Termination::IdleTimeout));
    }

    #[test]
    fn every_termination_survives_its_number() {
        for &termination in Termination::ALL {
            assert_eq!(decode(termination as u8), Some(termination));
        }
        assert_eq!(decode(NONE), None);
    }
}
