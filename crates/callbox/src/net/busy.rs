//! Waiting for events by asking again and again instead of sleeping, for a short time after each traffic.
//!
//! A thread that sleeps has to be woken, which on virtual machines may take longer than everything else about a small
//! message. So for a moment after bytes have moved, the thread's runtime polls without sleeping.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::Instant;

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
    static MOVED: Cell<bool> = const { Cell::new(false) };
    static SLEEPER: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// Notes that bytes have moved on this thread.
#[inline]
pub(crate) fn moved() {
    if ON.get() && !MOVED.replace(true) {
        SLEEPER.with_borrow_mut(|sleeper| {
            if let Some(sleeper) = sleeper.take() {
                sleeper.wake();
            }
        });
    }
}

/// Keeps this thread's runtime awake for `limit` after bytes have moved.
pub(crate) async fn keep_awake(limit: Duration) {
    ON.set(true);
    loop {
        poll_fn(|cx| {
            if MOVED.get() {
                return Poll::Ready(());
            }
            SLEEPER.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
        let mut last = Instant::now();
        while last.elapsed() < limit {
            yield_now().await;
            if MOVED.replace(false) {
                last = Instant::now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_thread_is_awake_for_a_while_after_bytes_have_moved_and_then_sleeps() {
        let limit = Duration::from_millis(20);
        let keeping = tokio::spawn(keep_awake(limit));
        yield_now().await;
        assert!(SLEEPER.with_borrow(Option::is_some), "nothing has moved: it sleeps");
        moved();
        yield_now().await;
        assert!(SLEEPER.with_borrow(Option::is_none), "awake");
        while SLEEPER.with_borrow(Option::is_none) {
            yield_now().await;
        }
        keeping.abort();
    }
}
