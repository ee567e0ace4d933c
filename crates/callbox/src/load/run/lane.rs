//! What one worker does of a run: who begins an exchange next, and what is counted.
//!
//! Each worker has its own share of the schedule, its own connections and its own counts, so none waits for another one. An
//! exchange that is due and that no connection is free for costs no memory: it is simply the next one of the schedule, and the
//! first connection that is free takes it, late.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::budget::Budget;
use super::place::Place;
use super::standing::Standing;
use crate::direction::Direction;
use crate::error::Error;
use crate::event::Phases;
use crate::handle::exchange::{Done, Outcome, Turn};
use crate::load::schedule::Share;
use crate::load::tally::Tally;
use crate::net::timer::Timer;
use crate::session::Session;

/// How far the exchanges are counted that nobody is free for: for a screen this many are a crowd.
const MOST_BEHIND: usize = 10_000;

/// Seats whose bytes are counted at once.
const SEATS_AT_ONCE: usize = 256;
/// Longer than any run.
pub(super) const AGES: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// One worker's part of a run.
pub(super) struct Lane {
    state: Mutex<State>,
    budget: Arc<Budget>,
}

struct State {
    /// `None` until the clock of the run has begun.
    times: Option<Span>,
    /// This worker's share of the schedule; `None` in a closed workload.
    share: Option<Share>,
    index: usize,
    /// The next of them.
    next: Option<(u64, Instant)>,
    think: Duration,
    seats: Vec<Place>,
    /// Seats without an exchange, in the order in which they became free.
    free: VecDeque<usize>,
    /// Seats that think, with until when.
    thinking: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Who hands out exchanges that become due, and until when it sleeps.
    usher: Option<Waker>,
    asleep_until: Option<Instant>,
    ending: bool,
    waiting: u64,
    /// Bytes to the server and from it, as far as they were counted.
    moved: (u64, u64),
    /// Those of them that do not count; `None` while nothing does.
    base: Option<(u64, u64)>,
    tally: Box<Tally>,
    /// When the last exchange was over.
    last_over: Option<Instant>,
}

/// When what begins counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) begun: Instant,
    /// The end of the warm-up.
    pub(super) counted_from: Instant,
    pub(super) until: Option<Instant>,
}

impl Lane {
    pub(super) fn new(seats: usize, share: Option<Share>, think: Duration, index: usize, budget: Arc<Budget>) -> Lane {
        let state = State {
            times: None,
            share,
            index,
            next: None,
            think,
            seats: (0..seats).map(|_| Place::default()).collect(),
            free: VecDeque::new(),
            thinking: BinaryHeap::new(),
            usher: None,
            asleep_until: None,
            ending: false,
            waiting: 0,
            moved: (0, 0),
            base: None,
            tally: Box::default(),
            last_over: None,
        };
        Lane { state: Mutex::new(state), budget }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the clock: exchanges begin from now on.
    pub(super) fn begin(&self, span: Span) {
        let mut state = self.state();
        state.times = Some(span);
        state.base = (span.begun == span.counted_from).then(|| state.bytes());
        state.advance();
        if state.share.is_none() {
            state.wake_all();
        } else if let Some(usher) = state.usher.take() {
            // Whoever is free stays so until it is sent.
            usher.wake();
        }
    }

    /// Tells whether the clock has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.state().times.is_some()
    }

    /// Has no further exchange begin.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ending = true;
        state.wake_all();
        self.tell_finished(&state);
    }

    /// Tells whether no further exchange begins.
    pub(super) fn is_ending(&self) -> bool {
        self.state().ending
    }

    /// Tells whether no further exchange begins and none is under way.
    pub(super) fn is_finished(&self) -> bool {
        let state = self.state();
        state.ending && state.waiting == 0
    }

    /// Returns how many exchanges are under way.
    pub(super) fn waiting(&self) -> u64 {
        self.state().waiting
    }

    /// Returns how many connections it may have.
    pub(super) fn seats(&self) -> usize {
        self.state().seats.len()
    }

    /// Returns when the last exchange was over.
    pub(super) fn last_over(&self) -> Option<Instant> {
        self.state().last_over
    }

    /// Returns the highest number given to any exchange of the run.
    pub(super) fn highest(&self) -> u64 {
        self.budget.highest_number()
    }

    fn tell_finished(&self, state: &State) {
        if state.ending && state.waiting == 0 {
            self.budget.finished.notify_one();
        }
    }

    /// Waits for the exchange that this seat is to have next; `None` when there is none any more.
    pub(super) fn poll_turn(&self, seat: usize, cx: &mut Context<'_>) -> Poll<Option<Turn>> {
        let mut state = self.state();
        if let Some(turn) = state.seats[seat].turn.take() {
            return Poll::Ready(Some(turn));
        }
        state.settle(seat);
        if let Some(turn) = state.take(seat, &self.budget) {
            self.tell_finished(&state);
            return Poll::Ready(turn);
        }
        let place = &mut state.seats[seat];
        if !place.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            place.waker = Some(cx.waker().clone());
        }
        if state.share.is_some() && !std::mem::replace(&mut state.seats[seat].is_free, true) {
            state.free.push_back(seat);
        }
        state.rouse_usher();
        Poll::Pending
    }

    /// Gives a turn back to a seat that has not used it for what it was: its connection is there now.
    pub(super) fn keep(&self, seat: usize, turn: Turn, opened_from: Instant) {
        let place = &mut self.state().seats[seat];
        (place.turn, place.service_from) = (Some(turn), Some(opened_from));
    }

    /// Waits until the run is over for this seat.
    pub(super) fn poll_over(&self, seat: usize, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.ending {
            return Poll::Ready(());
        }
        let place = &mut state.seats[seat];
        if !place.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            place.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Hands out what becomes due, until the run is over.
    pub(super) fn poll_usher(&self, timer: &mut Timer, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut state = self.state();
            if state.ending {
                return Poll::Ready(());
            }
            let next = state.hand_out(&self.budget);
            self.tell_finished(&state);
            state.asleep_until = next;
            if !state.usher.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                state.usher = Some(cx.waker().clone());
            }
            drop(state);
            let Some(next) = next else { return Poll::Pending };
            if timer.poll_until(cx, next).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Counts how an exchange ended.
    pub(super) fn done(&self, seat: usize, done: &Done) {
        let mut state = self.state();
        let State { seats, tally, waiting, thinking, share, think, last_over, ending, .. } = &mut *state;
        let place = &mut seats[seat];
        if place.under_way.take().is_none() {
            return;
        }
        *last_over = Some(done.over);
        place.just_over = Some(done.over);
        place.unsettled = matches!(done.outcome, Outcome::Lost(_) | Outcome::TimedOut);
        if !place.unsettled {
            *waiting -= 1;
        }
        if *ending && *waiting == 0 {
            self.budget.finished.notify_one();
        }
        let service_from = place.service_from.take().unwrap_or(done.sent);
        if let Some(first_byte) = done.first_byte.filter(|_| std::mem::take(&mut place.fresh)) {
            tally.phases.first_byte.add(first_byte - done.sent);
        }
        if share.is_none() && !think.is_zero() {
            // Who thinks for longer than time goes on thinks for ever.
            let until = done.over.checked_add(*think).unwrap_or_else(|| done.over + AGES);
            place.thinks_until = Some(until);
            thinking.push(Reverse((until, seat)));
        }
        if !std::mem::take(&mut place.counts) {
            return;
        }
        tally.count(done.outcome);
        if share.is_some() && !place.was_behind {
            tally.lateness.add(service_from.saturating_duration_since(done.turn.intended));
        }
        if done.outcome == Outcome::Answered {
            // Without a schedule nothing was intended but what was done: one of the two is enough.
            if share.is_some() {
                tally.service.add(done.over - service_from);
                tally.response.add(done.over - done.turn.intended);
            } else {
                tally.response.add(done.over - service_from);
            }
        }
    }

    /// Counts an exchange that never came to its request: there was no connection.
    pub(super) fn failed(&self, seat: usize, error: &Error) {
        let mut state = self.state();
        state.tally.error(error);
        let place = &mut state.seats[seat];
        (place.turn, place.service_from) = (None, None);
        let (under_way, counts) = (place.under_way.take(), std::mem::take(&mut place.counts));
        if under_way.is_some() {
            state.waiting -= 1;
            state.last_over = Some(Instant::now());
        } else {
            state.tally.failed += 1;
        }
        state.tally.lost += u64::from(counts);
        self.tell_finished(&state);
    }

    /// Counts what ended a connection, beyond the exchange that was under way on it.
    pub(super) fn error(&self, error: &Error) {
        self.state().tally.error(error);
    }

    /// Counts bytes that nobody asked for.
    pub(super) fn unasked(&self, bytes: usize) {
        self.state().tally.unasked_bytes += bytes as u64;
    }

    /// Notes that a seat has a connection.
    pub(super) fn opened(&self, seat: usize, session: Session, phases: Option<&Phases>) {
        let mut state = self.state();
        state.tally.opened += 1;
        let open = self.budget.open.fetch_add(1, Relaxed) + 1;
        self.budget.most_open.fetch_max(open, Relaxed);
        if let Some(phases) = phases {
            state.tally.opening(phases);
        }
        let place = &mut state.seats[seat];
        (place.session, place.fresh) = (Some(session), true);
    }

    /// Notes that a seat's connection is over; tells whether the exchange that it was opened for was not begun on it.
    pub(super) fn closed(&self, seat: usize, opened_for: Option<u64>) -> bool {
        let mut state = self.state();
        state.seats[seat].just_over = None;
        state.occupy(seat);
        state.count_bytes(seat);
        let place = &mut state.seats[seat];
        place.counted = (0, 0);
        if place.session.take().is_some() {
            self.budget.open.fetch_sub(1, Relaxed);
        }
        let left = place.turn.map(|turn| turn.number);
        let before = state.waiting;
        if left.is_none() {
            state.abandon(seat);
        }
        // It is not over before somebody has told by what.
        if state.waiting < before {
            (state.waiting, state.seats[seat].unsettled) = (before, true);
        }
        left.is_some() && left == opened_for
    }

    /// Notes that all is told of what ended a seat's connection.
    pub(super) fn settled(&self, seat: usize) {
        let mut state = self.state();
        state.settle(seat);
        self.tell_finished(&state);
    }

    /// Returns how many bytes went to the server and came from it. The lock is held for some seats at a time: with thousands of them
    /// exchanges would wait for it.
    pub(super) fn moved(&self) -> (u64, u64) {
        let seats = self.seats();
        for first in (0..seats).step_by(SEATS_AT_ONCE) {
            let mut state = self.state();
            (first..seats.min(first + SEATS_AT_ONCE)).for_each(|seat| state.count_bytes(seat));
        }
        self.state().moved
    }

    /// Tells how it stands at a moment, and changes what was counted for what is `empty`.
    pub(super) fn hand_over(&self, now: Instant, empty: &mut Box<Tally>) -> Standing {
        let moved = self.moved();
        let mut state = self.state();
        std::mem::swap(&mut state.tally, empty);
        if state.base.is_none() && state.times.is_some_and(|times| now >= times.counted_from) {
            state.base = Some(moved);
        }
        let base = state.base.unwrap_or(moved);
        Standing {
            waiting: state.waiting,
            behind: state.behind(),
            to_server_bytes: moved.0.saturating_sub(base.0),
            to_client_bytes: moved.1.saturating_sub(base.1),
        }
    }

    /// Tells how many exchanges the schedule wanted before `end` that were never begun.
    pub(super) fn missed(&self, end: Instant) -> u64 {
        let state = self.state();
        let (Some((_, next)), Some(times), Some(share)) = (state.next, state.times, &state.share) else { return 0 };
        if next >= end {
            return 0;
        }
        let before = |moment: Instant| share.before(moment.saturating_duration_since(times.begun));
        let later = before(end).saturating_sub(before(times.counted_from));
        later.saturating_add(u64::from(next >= times.counted_from))
    }

    /// Counts what is still under way as lost.
    pub(super) fn give_up(&self) {
        let mut state = self.state();
        for seat in 0..state.seats.len() {
            state.abandon(seat);
            state.settle(seat);
        }
    }
}

fn bytes(session: &Session) -> (u64, u64) {
    (session.meter().bytes(Direction::ToServer), session.meter().bytes(Direction::ToClient))
}

impl State {
    /// Gives a seat that asks what is due; `None` if nothing is yet, `Some(None)` if nothing ever will be.
    fn take(&mut self, seat: usize, budget: &Budget) -> Option<Option<Turn>> {
        if self.ending {
            return Some(None);
        }
        let times = self.times?;
        // Right behind the answer before it the next one begins then: no need to ask the clock again.
        let just_now = self.seats[seat].just_over.take().filter(|_| self.share.is_none() && self.think.is_zero());
        let now = just_now.unwrap_or_else(Instant::now);
        if self.share.is_none() {
            if self.seats[seat].thinks_until.is_some_and(|until| until > now) {
                return None;
            }
            // Its number it has when it is sure to begin.
            return Some(self.start(seat, Turn { number: 0, intended: now }, times, budget));
        }
        let (number, intended) = self.next.filter(|(_, intended)| *intended <= now)?;
        self.advance();
        // Where somebody was free, this one or another, it was not for want of a connection that it did not begin before.
        let behind = self.free.is_empty() && self.seats[seat].has_begun;
        self.tally.behind += u64::from(behind && intended >= times.counted_from);
        self.seats[seat].was_behind = behind;
        Some(self.start(seat, Turn { number, intended }, times, budget))
    }

    /// Lets a seat begin an exchange, unless the run is over with those before.
    fn start(&mut self, seat: usize, mut turn: Turn, times: Span, budget: &Budget) -> Option<Turn> {
        let is_late = times.until.is_some_and(|until| turn.intended >= until);
        let counts = turn.intended >= times.counted_from;
        if is_late || (counts && budget.is_spent()) {
            self.ending = true;
            self.wake_all();
            return None;
        }
        if turn.number == 0 {
            turn.number = budget.numbered.fetch_add(1, Relaxed) + 1;
        } else {
            // The numbers of one worker ascend, and nobody else writes them.
            budget.highest[self.index].store(turn.number, Relaxed);
        }
        if counts && self.base.is_none() {
            self.base = Some(self.bytes());
        }
        self.tally.requests += u64::from(counts);
        // Nobody has said how the one before ended, and nobody will.
        self.abandon(seat);
        self.waiting += 1;
        self.occupy(seat);
        let place = &mut self.seats[seat];
        (place.counts, place.under_way, place.service_from) = (counts, Some(turn.intended), None);
        place.has_begun = true;
        Some(turn)
    }

    /// Hands out what is due; returns when to look again.
    fn hand_out(&mut self, budget: &Budget) -> Option<Instant> {
        let times = self.times?;
        let now = Instant::now();
        while let Some(&Reverse((until, seat))) = self.thinking.peek() {
            if until > now {
                return Some(until);
            }
            self.thinking.pop();
            self.wake(seat);
        }
        loop {
            let (number, intended) = self.next?;
            if intended > now {
                return Some(intended);
            }
            let seat = self.free.pop_front()?;
            self.seats[seat].is_free = false;
            self.advance();
            self.seats[seat].was_behind = false;
            let turn = self.start(seat, Turn { number, intended }, times, budget)?;
            self.seats[seat].turn = Some(turn);
            self.wake(seat);
        }
    }

    /// Returns the bytes of all connections so far, to the server and from it.
    fn bytes(&mut self) -> (u64, u64) {
        (0..self.seats.len()).for_each(|seat| self.count_bytes(seat));
        self.moved
    }

    fn advance(&mut self) {
        let begun = self.times.map(|times| times.begun);
        let next = self.share.as_mut().and_then(Iterator::next).zip(begun);
        // One that is due after all time is never due.
        self.next = next.and_then(|((number, at), begun)| Some((number, begun.checked_add(at)?)));
    }

    /// Counts the exchange that is under way in a seat as lost: nobody says any more how it ended.
    fn abandon(&mut self, seat: usize) {
        let place = &mut self.seats[seat];
        let Some(since) = place.under_way.take() else { return };
        (place.turn, place.service_from) = (None, None);
        self.waiting -= 1;
        if std::mem::take(&mut place.counts) {
            self.tally.unanswered(since.elapsed());
        }
    }

    /// Counts the bytes of a seat's connection that have not been counted.
    fn count_bytes(&mut self, seat: usize) {
        let place = &mut self.seats[seat];
        let Some(session) = &place.session else { return };
        let now = bytes(session);
        let before = std::mem::replace(&mut place.counted, now);
        self.moved = (self.moved.0 + now.0 - before.0, self.moved.1 + now.1 - before.1);
    }

    /// Tells how many exchanges the schedule wants by now that nobody was free for, up to [`MOST_BEHIND`].
    fn behind(&self) -> u64 {
        let (Some((_, first)), Some(times), Some(share)) = (self.next, self.times, &self.share) else { return 0 };
        if !self.free.is_empty() {
            return 0;
        }
        let now = Instant::now();
        let more = share
            .clone()
            .take(MOST_BEHIND)
            .take_while(|(_, at)| times.begun.checked_add(*at).is_some_and(|at| at <= now))
            .count();
        if first <= now { 1 + more as u64 } else { 0 }
    }

    /// Has the usher look again where it sleeps too long for what is to be handed out next.
    fn rouse_usher(&mut self) {
        let thinking = self.thinking.peek().map(|Reverse((until, _))| *until);
        let next = [thinking, self.next.map(|(_, at)| at)].into_iter().flatten().min();
        if next.is_some() && (self.asleep_until.is_none() || self.asleep_until > next) {
            self.usher.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Notes that nothing more is told of a seat's lost exchange.
    fn settle(&mut self, seat: usize) {
        if std::mem::take(&mut self.seats[seat].unsettled) {
            self.waiting -= 1;
        }
    }

    /// Takes a seat out of those that are free.
    fn occupy(&mut self, seat: usize) {
        if std::mem::take(&mut self.seats[seat].is_free) {
            self.free.retain(|free| *free != seat);
        }
    }

    fn wake(&mut self, seat: usize) {
        let place = &mut self.seats[seat];
        if let Some(waker) = &place.waker {
            waker.wake_by_ref();
        }
    }

    fn wake_all(&mut self) {
        self.free.clear();
        for place in &mut self.seats {
            place.is_free = false;
            if let Some(waker) = &place.waker {
                waker.wake_by_ref();
            }
        }
        if let Some(usher) = self.usher.take() {
            usher.wake();
        }
    }
}
