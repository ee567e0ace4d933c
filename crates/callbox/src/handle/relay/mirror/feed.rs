//! The queue from a session to its mirroring: bounded, and nobody who fills it ever waits.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use bytes::BytesMut;

use crate::direction::Direction;

/// Bytes of each direction that may wait for the mirror: a burst, or what comes while it is being connected to.
pub const QUEUE_BYTES: usize = 1 << 20;

/// The queue of one session.
#[derive(Debug, Default)]
pub(super) struct Feed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    sent: BytesMut,
    given: BytesMut,
    /// Bytes that the client sent and the mirror has not taken, those that have left the queue included.
    unsent: usize,
    ends: Ends,
    overflowed: bool,
    /// Nobody takes anything any more.
    stopped: bool,
    waker: Option<Waker>,
}

/// What is over.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ends {
    /// The client has ended its stream.
    pub(super) client: bool,
    /// The client was given the end of the answers.
    pub(super) server: bool,
    /// The session is closed, however it ended.
    pub(super) closed: bool,
}

/// What was in the queue.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) sent: BytesMut,
    pub(super) given: BytesMut,
    pub(super) ends: Ends,
}

/// More came than the queue holds.
#[derive(Debug)]
pub(super) struct Overflowed;

impl Feed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        if state.stopped || state.overflowed {
            return;
        }
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn push(&self, direction: Direction, bytes: &[u8]) {
        self.change(|state| {
            let waiting = match direction {
                Direction::ToServer => state.unsent,
                Direction::ToClient => state.given.len(),
            };
            if waiting + bytes.len() > QUEUE_BYTES {
                state.overflowed = true;
                (state.sent, state.given) = (BytesMut::new(), BytesMut::new());
                return;
            }
            match direction {
                Direction::ToServer => {
                    state.unsent += bytes.len();
                    state.sent.extend_from_slice(bytes);
                }
                Direction::ToClient => state.given.extend_from_slice(bytes),
            }
        });
    }

    pub(super) fn end(&self, direction: Direction) {
        self.change(|state| match direction {
            Direction::ToServer => state.ends.client = true,
            Direction::ToClient => state.ends.server = true,
        });
    }

    pub(super) fn close(&self) {
        self.change(|state| state.ends.closed = true);
    }

    /// Takes all that is there, after `written` more bytes have been sent; `cx` is woken when there is more.
    pub(super) fn take(&self, cx: &Context<'_>, written: usize) -> Result<Taken, Overflowed> {
        let mut state = self.state();
        if state.overflowed {
            return Err(Overflowed);
        }
        state.unsent -= written;
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Ok(Taken { sent: std::mem::take(&mut state.sent), given: std::mem::take(&mut state.given), ends: state.ends })
    }

    /// Takes nothing any more; what still comes is not kept.
    pub(super) fn stop(&self) {
        *self.state() = State { stopped: true, ..State::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(feed: &Feed, written: usize) -> Result<(usize, usize), Overflowed> {
        let taken = feed.take(&Context::from_waker(Waker::noop()), written)?;
        Ok((taken.sent.len(), taken.given.len()))
    }

    #[test]
    fn what_was_taken_and_not_yet_sent_counts_too() {
        let feed = Feed::default();
        feed.push(Direction::ToServer, &vec![0; QUEUE_BYTES]);
        assert_eq!(take(&feed, 0).expect("fits"), (QUEUE_BYTES, 0));
        assert_eq!(take(&feed, 10).expect("fits"), (0, 0));
        feed.push(Direction::ToServer, &[0; 10]);
        feed.push(Direction::ToClient, &vec![0; QUEUE_BYTES]);
        assert_eq!(take(&feed, 0).expect("each direction has its own room"), (10, QUEUE_BYTES));
        feed.push(Direction::ToServer, &[0]);
        take(&feed, 0).expect_err("one byte too many");
    }

    #[test]
    fn nothing_is_kept_once_it_is_over() {
        let feed = Feed::default();
        feed.push(Direction::ToServer, b"hello");
        feed.stop();
        feed.push(Direction::ToServer, b"hello");
        feed.end(Direction::ToServer);
        let state = feed.state();
        assert!(state.sent.is_empty() && !state.ends.client);
    }
}
