//! One connection after the other, as one of many of a worker.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::lane::Lane;
use crate::handle::exchange::{Done, Stopwatch, Turn};

/// A place in a lane.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) lane: Arc<Lane>,
    pub(super) index: usize,
    /// No more exchanges on one connection than this.
    pub(super) renew_after: Option<u64>,
}

impl Seat {
    /// Waits for the next exchange; `None` when the run is over.
    pub(super) async fn turn(&self) -> Option<Turn> {
        poll_fn(|cx| self.lane.poll_turn(self.index, cx)).await
    }

    /// Waits for the end of the run.
    pub(super) async fn over(&self) {
        poll_fn(|cx| self.lane.poll_over(self.index, cx)).await;
    }
}

/// The exchanges of one connection.
pub(super) struct Watch {
    seat: Seat,
    /// How many more there may be.
    left: std::sync::atomic::AtomicU64,
}

impl Watch {
    pub(super) fn new(seat: &Seat) -> Watch {
        Watch { seat: seat.clone(), left: seat.renew_after.unwrap_or(u64::MAX).into() }
    }
}

impl Stopwatch for Watch {
    fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<Option<Turn>> {
        use std::sync::atomic::Ordering::Relaxed;
        // One connection has one task, so nobody else changes it meanwhile.
        let left = self.left.load(Relaxed);
        if left == 0 {
            return Poll::Ready(None);
        }
        let turn = self.seat.lane.poll_turn(self.seat.index, cx);
        if matches!(turn, Poll::Ready(Some(_))) {
            self.left.store(left - 1, Relaxed);
        }
        turn
    }

    fn done(&self, done: &Done) {
        self.seat.lane.done(self.seat.index, done);
    }

    fn highest(&self) -> u64 {
        self.seat.lane.highest()
    }

    fn unasked(&self, bytes: usize) {
        self.seat.lane.unasked(bytes);
    }
}
