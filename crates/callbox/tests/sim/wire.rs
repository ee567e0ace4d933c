//! A connection that is only simulated: bytes on their way, in pieces of any size, after any delay, and how each side
//! of it ends.
//!
//! It behaves as TCP does where that matters: what was sent before a FIN or a reset arrives before it, a side that has
//! ended its direction goes on receiving, and a side that goes away before both directions have ended resets.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use callbox::rng::Rng;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// What one direction of a connection is like.
#[derive(Debug, Clone)]
pub(crate) struct Habits {
    /// Bytes that fit on the way; then the sender waits.
    pub(crate) capacity: usize,
    /// Bytes taken by one write, at most.
    pub(crate) most_written: usize,
    /// Bytes given by one read, at most.
    pub(crate) most_read: usize,
    /// How long bytes are on their way, at most.
    pub(crate) delay: Duration,
    /// The end of stream is taken only once all that came before it has been received.
    pub(crate) ends_empty: bool,
    /// Of a hundred calls, how many say "not now" for no reason.
    pub(crate) hiccups: u64,
}

/// How a direction ended for who receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Fin,
    Rst,
}

/// One direction.
#[derive(Clone)]
pub(crate) struct Lane(Arc<Mutex<State>>);

struct State {
    habits: Habits,
    rng: Rng,
    flying: VecDeque<(Instant, Vec<u8>)>,
    held: usize,
    /// Nothing overtakes what was sent before.
    last: Instant,
    end: Option<(Instant, Mark)>,
    /// The receiver has been given the end.
    seen: bool,
    /// From here on the sender is told that the receiver is gone.
    gone: Option<Instant>,
    receiver: Option<Waker>,
    sender: Option<Waker>,
    accepted: usize,
    delivered: usize,
}

impl Lane {
    fn new(habits: Habits, rng: Rng) -> Lane {
        Lane(Arc::new(Mutex::new(State {
            habits,
            rng,
            flying: VecDeque::new(),
            held: 0,
            last: Instant::now(),
            end: None,
            seen: false,
            gone: None,
            receiver: None,
            sender: None,
            accepted: 0,
            delivered: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the bytes that the sender has got rid of, and those the receiver was given.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let state = self.lock();
        (state.accepted, state.delivered)
    }
}

impl State {
    fn hiccup(&mut self, cx: &mut Context<'_>) -> bool {
        let hiccup = self.rng.below(100) < self.habits.hiccups;
        if hiccup {
            cx.waker().wake_by_ref();
        }
        hiccup
    }

    fn arrival(&mut self) -> Instant {
        let most = u64::try_from(self.habits.delay.as_micros()).expect("seconds") + 1;
        self.last = self.last.max(Instant::now() + Duration::from_micros(self.rng.below(most)));
        self.last
    }

    fn is_gone(&self) -> bool {
        self.gone.is_some_and(|at| at <= Instant::now())
    }

    /// Has the sender's task woken when something is received, or when it is told that nothing will be.
    fn wait_for_room(&mut self, cx: &mut Context<'_>, timer: &mut Option<Pin<Box<Sleep>>>) {
        self.sender = Some(cx.waker().clone());
        if let Some(at) = self.gone {
            wait(timer, cx, at);
        }
    }

    fn wake(&mut self) {
        self.receiver.take().into_iter().chain(self.sender.take()).for_each(Waker::wake);
    }

    /// Ends it; a reset after a FIN comes behind it, and only the other direction tells.
    fn end(&mut self, mark: Mark) -> Instant {
        let at = self.arrival();
        self.end.get_or_insert((at, mark));
        self.wake();
        at
    }
}

/// One side of a connection.
pub(crate) struct Side {
    pub(crate) incoming: Lane,
    pub(crate) outgoing: Lane,
}

impl Side {
    /// Aborts: the other side is told once it has been given what was sent before.
    pub(crate) fn reset(&self) {
        let at = self.outgoing.lock().end(Mark::Rst);
        let mut incoming = self.incoming.lock();
        incoming.gone.get_or_insert(at);
        incoming.wake();
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let ended = self.outgoing.lock().end.is_some() && self.incoming.lock().seen;
        if !ended {
            self.reset();
        }
    }
}

/// Makes the two sides of a connection; each lane by the habits of its own.
pub(crate) fn pair(there: Habits, back: Habits, rng: &mut Rng) -> (Arc<Side>, Arc<Side>) {
    let (there, back) = (Lane::new(there, Rng::new(rng.next_u64())), Lane::new(back, Rng::new(rng.next_u64())));
    let near = Side { incoming: back.clone(), outgoing: there.clone() };
    (Arc::new(near), Arc::new(Side { incoming: there, outgoing: back }))
}

/// Gives the halves of a side; it goes away with the last of them.
pub(crate) fn halves(side: &Arc<Side>) -> (Incoming, Outgoing) {
    (Incoming { side: side.clone(), timer: None }, Outgoing { side: side.clone(), timer: None })
}

/// What a side receives.
pub(crate) struct Incoming {
    side: Arc<Side>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What a side sends.
pub(crate) struct Outgoing {
    side: Arc<Side>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Has the task woken at `at`.
fn wait(timer: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>, at: Instant) {
    let timer = timer.insert(Box::pin(sleep_until(at)));
    if timer.as_mut().poll(cx).is_ready() {
        cx.waker().wake_by_ref();
    }
}

impl AsyncRead for Incoming {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut state = this.side.incoming.lock();
        if state.hiccup(cx) {
            return Poll::Pending;
        }
        let now = Instant::now();
        let most = (state.habits.most_read as u64).min(buffer.remaining() as u64);
        let mut room = 1 + state.rng.below(most) as usize;
        let mut given = 0;
        while room > 0
            && let Some((at, bytes)) = state.flying.front_mut()
            && *at <= now
        {
            let count = room.min(bytes.len());
            buffer.put_slice(&bytes[..count]);
            bytes.drain(..count);
            let empty = bytes.is_empty();
            if empty {
                state.flying.pop_front();
            }
            (room, given) = (room - count, given + count);
        }
        if given > 0 {
            state.held -= given;
            state.delivered += given;
            state.sender.take().into_iter().for_each(Waker::wake);
            return Poll::Ready(Ok(()));
        }
        let next = state.flying.front().map(|(at, _)| *at).or(state.end.map(|(at, _)| at));
        match (next, state.end) {
            (Some(at), Some((_, mark))) if at <= now => {
                state.seen = true;
                match mark {
                    Mark::Fin => Poll::Ready(Ok(())),
                    Mark::Rst => Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
                }
            }
            (Some(at), _) => {
                wait(&mut this.timer, cx, at);
                Poll::Pending
            }
            (None, _) => {
                state.receiver = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Outgoing {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut state = this.side.outgoing.lock();
        if state.is_gone() || state.end.is_some() {
            let broken = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
            return Poll::Ready(Err(broken[state.rng.below(2) as usize].into()));
        }
        if state.hiccup(cx) {
            return Poll::Pending;
        }
        let room = state.habits.capacity - state.held;
        if room == 0 {
            state.wait_for_room(cx, &mut this.timer);
            return Poll::Pending;
        }
        let most = room.min(bytes.len()).min(state.habits.most_written);
        let count = 1 + state.rng.below(most as u64) as usize;
        let at = state.arrival();
        state.flying.push_back((at, bytes[..count].to_vec()));
        state.held += count;
        state.accepted += count;
        state.receiver.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut state = this.side.outgoing.lock();
        if state.is_gone() {
            let broken = [ErrorKind::ConnectionReset, ErrorKind::NotConnected];
            return Poll::Ready(Err(broken[state.rng.below(2) as usize].into()));
        }
        if state.hiccup(cx) {
            return Poll::Pending;
        }
        if state.habits.ends_empty && state.held > 0 {
            state.wait_for_room(cx, &mut this.timer);
            return Poll::Pending;
        }
        state.end(Mark::Fin);
        Poll::Ready(Ok(()))
    }
}
