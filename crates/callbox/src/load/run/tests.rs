//! Lanes and what is collected of them, step by step in virtual time.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, advance};

use super::budget::Budget;
use super::collect::Collected;
use super::connection::occupy;
use super::lane::{Lane, Span};
use super::seat::Seat;
use super::standing::Standing;
use super::{Run, prepare};
use crate::addr::Addr;
use crate::handle::exchange::{Done, Outcome, Turn};
use crate::load::tally::Tally;
use crate::load::{Ending, Plan, Schedule, Stop, Work};

const MILLI: Duration = Duration::from_millis(1);

fn budget(most: u64) -> Arc<Budget> {
    let zero = || AtomicU64::new(0);
    let (begun, open, most_open, highest) = (zero(), zero(), zero(), vec![zero()]);
    Arc::new(Budget { most, begun, numbered: AtomicU64::new(0), open, most_open, highest, finished: Notify::new() })
}

fn lane(seats: usize, rate: Option<f64>) -> Lane {
    let starts = rate.map(|rate| Schedule::Constant(rate).starts(None, 1).expect("good").expect("it has a rate"));
    Lane::new(seats, starts.map(|starts| starts.skip_to_share(0, 1)), Duration::ZERO, 0, budget(u64::MAX))
}

fn span() -> Span {
    let begun = Instant::now();
    Span { begun, counted_from: begun, until: None }
}

fn turn(lane: &Lane, seat: usize) -> Option<Turn> {
    match lane.poll_turn(seat, &mut Context::from_waker(Waker::noop())) {
        Poll::Ready(turn) => turn,
        Poll::Pending => None,
    }
}

fn answered(lane: &Lane, seat: usize, turn: Turn, sent: Instant) {
    let over = Instant::now();
    lane.done(seat, &Done { turn, sent, first_byte: None, over, outcome: Outcome::Answered });
}

fn counted(lane: &Lane) -> Tally {
    let mut tally = Box::default();
    lane.hand_over(Instant::now(), &mut tally);
    *tally
}

#[tokio::test(start_paused = true)]
async fn who_hands_out_late_while_somebody_is_free_is_late_itself() {
    let lane = lane(2, Some(100.0));
    assert!(turn(&lane, 0).is_none() && turn(&lane, 1).is_none());
    lane.begin(span());
    advance(7 * MILLI).await;
    // Nobody has handed out the first one yet; a connection that is asked for another reason takes it.
    let first = turn(&lane, 0).expect("it is due");
    answered(&lane, 0, first, Instant::now());
    let tally = counted(&lane);
    assert_eq!((tally.behind, tally.lateness.distribution().max()), (0, 7 * MILLI));
}

#[tokio::test(start_paused = true)]
async fn who_finds_nobody_free_is_not_late_but_behind() {
    let lane = lane(1, Some(100.0));
    assert!(turn(&lane, 0).is_none());
    lane.begin(span());
    let first = turn(&lane, 0).expect("it is due");
    let sent = Instant::now();
    advance(15 * MILLI).await;
    answered(&lane, 0, first, sent);
    let second = turn(&lane, 0).expect("it is due since 5 ms");
    answered(&lane, 0, second, Instant::now());
    let tally = counted(&lane);
    assert_eq!((tally.behind, tally.lateness.distribution().max()), (1, Duration::ZERO));
    assert_eq!(tally.response.distribution().min(), 5 * MILLI);
}

#[tokio::test(start_paused = true)]
async fn an_exchange_whose_end_nobody_tells_is_lost_and_the_next_one_begins() {
    let lane = lane(1, None);
    lane.begin(span());
    assert!(turn(&lane, 0).is_some() && turn(&lane, 0).is_some());
    assert_eq!(lane.waiting(), 1);
    assert!(!lane.closed(0, None));
    assert_eq!(lane.waiting(), 1, "it is not over before all is told");
    lane.settled(0);
    assert_eq!(lane.waiting(), 0);
    let tally = counted(&lane);
    assert_eq!((tally.requests, tally.lost, tally.errors[0].count), (2, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_came_with_a_connection_is_told_from_one_that_came_later() {
    let lane = lane(1, None);
    lane.begin(span());
    let first = turn(&lane, 0).expect("closed");
    lane.keep(0, first, Instant::now());
    assert!(lane.closed(0, Some(first.number)), "it was not begun");
    assert!(!lane.closed(0, None), "it was another connection's");
    assert_eq!(turn(&lane, 0), Some(first), "it is still to be had");
}

fn run(plan: Plan) -> Run {
    prepare(plan, None, 1)
}

fn collected(warm_up: Duration) -> (Collected, Span) {
    let plan = Plan { warm_up, stop: Stop::after(Duration::from_secs(1)), ..Plan::new(Addr::Memory, Work::Connect) };
    let run = run(plan);
    let span = run.clock();
    (Collected::new(&run, span, budget(u64::MAX)), span)
}

fn standing(bytes: u64) -> Standing {
    Standing { to_server_bytes: bytes, ..Standing::default() }
}

fn answers(count: u64) -> Tally {
    Tally { requests: count, answered: count, ..Tally::default() }
}

#[tokio::test(start_paused = true)]
async fn slices_are_of_one_length_whenever_somebody_looks() {
    let (mut collected, span) = collected(Duration::ZERO);
    for (millis, count) in [(109, 1), (201, 2), (300, 3), (650, 4), (700, 5), (1003, 6)] {
        collected.add(&answers(count));
        collected.at(span.begun + millis * MILLI, standing(0));
    }
    collected.close(Ending::Duration, span.until.expect("it has an end"), 0);
    let slices = collected.snapshot().report.series.slices;
    let found: Vec<u64> = slices.iter().map(|slice| slice.answered).collect();
    // For what came while nobody looked it is not known when it came.
    assert_eq!(found, [1, 2, 3, 0, 0, 4, 5, 0, 0, 6]);
}

#[tokio::test(start_paused = true)]
async fn what_counts_from_the_first_moment_on_is_in_a_slice() {
    let (mut collected, span) = collected(50 * MILLI);
    collected.at(span.begun + 20 * MILLI, standing(0));
    // Looked at a moment after the warm-up was over, when some had been answered.
    collected.add(&answers(5));
    collected.at(span.counted_from + MILLI, standing(3));
    collected.add(&answers(2));
    collected.at(span.counted_from + 100 * MILLI, standing(30));
    collected.close(Ending::Stopped, span.counted_from + 100 * MILLI, 0);
    let report = collected.snapshot().report;
    let slices = &report.series.slices;
    assert_eq!((slices.len(), slices[0].answered, slices[0].to_server_bytes), (1, 7, 30));
    assert_eq!((report.answered, report.to_server_bytes), (7, 30));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_over_in_its_warm_up_has_no_slices() {
    let (mut collected, span) = collected(50 * MILLI);
    collected.add(&Tally { failed: 3, ..Tally::default() });
    collected.at(span.begun + 20 * MILLI, standing(0));
    collected.close(Ending::Stopped, span.begun + 30 * MILLI, 0);
    let report = collected.snapshot().report;
    assert_eq!((report.series.slices.len(), report.to_server_bytes, report.duration), (0, 0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_held_needs_little_memory() {
    let run = Arc::new(run(Plan::new(Addr::Memory, Work::Idle)));
    let seat = Seat { lane: Arc::new(lane(1, None)), index: 0, renew_after: None };
    let size = std::mem::size_of_val(&occupy(run, seat, |_| ()));
    assert!(size <= 768, "its task has {size} bytes");
}
