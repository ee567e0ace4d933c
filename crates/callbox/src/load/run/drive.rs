//! The task that collects what the workers have counted, and ends the run.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::budget::Budget;
use super::lane::{Lane, Span};
use super::standing::Standing;
use super::{Run, Shared};
use crate::load::report::Ending;
use crate::load::schedule::Schedule;
use crate::load::tally::Tally;

/// How often what was counted is collected: no slice of the report is shorter.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// How long answers that are under way at the end of the run's time are awaited.
const GRACE: Duration = Duration::from_millis(500);
/// How long the last answers of a run of so many exchanges are awaited while none comes.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// Collects until the run is over.
pub(super) async fn drive(
    run: Arc<Run>,
    lanes: Vec<Arc<Lane>>,
    budget: Arc<Budget>,
    shared: Arc<Shared>,
    span: Span,
    done: watch::Sender<bool>,
) {
    let mut driver = Driver { run, lanes, budget, shared, span, spare: Box::default() };
    let ending = driver.go_on().await;
    let ended = driver.end(ending).await;
    // Of so many exchanges no more are missed than were still to begin.
    let left = driver.budget.most.saturating_sub(driver.budget.begun.load(Relaxed));
    let missed = driver.lanes.iter().fold(0, |missed: u64, lane| missed.saturating_add(lane.missed(ended))).min(left);
    let mut collected = driver.shared.collected();
    let ending = if ending == Ending::Duration && collected.was_in_vain() { Ending::NeverConnected } else { ending };
    collected.close(ending, ended, missed);
    drop(collected);
    // Whoever waits is gone, or hears of it.
    let _ = done.send(true);
}

struct Driver {
    run: Arc<Run>,
    lanes: Vec<Arc<Lane>>,
    budget: Arc<Budget>,
    shared: Arc<Shared>,
    span: Span,
    /// Given to a worker for what it has counted.
    spare: Box<Tally>,
}

impl Driver {
    /// Collects every tick until there is a reason to end.
    async fn go_on(&mut self) -> Ending {
        loop {
            // The end of the warm-up and of the run are met exactly.
            let now = Instant::now();
            let boundaries = [Some(self.next_tick(now)), Some(self.span.counted_from), self.span.until];
            let until = boundaries.into_iter().flatten().filter(|boundary| *boundary > now).min();
            let until = until.unwrap_or(now);
            let stopped = tokio::select! {
                biased;
                () = self.shared.stop.notified() => true,
                () = sleep_until(until) => false,
                () = self.budget.finished.notified() => false,
            };
            let now = Instant::now();
            self.collect(now);
            if let Some(ending) = self.reason(now, stopped) {
                return ending;
            }
        }
    }

    /// Returns when the next slice of the run is over: each is of one length, whenever it was looked at.
    fn next_tick(&self, now: Instant) -> Instant {
        let origin = if now < self.span.counted_from { self.span.begun } else { self.span.counted_from };
        let ticks = now.saturating_duration_since(origin).as_nanos() / TICK.as_nanos();
        origin + TICK * u32::try_from(ticks + 1).unwrap_or(u32::MAX)
    }

    fn reason(&self, now: Instant, stopped: bool) -> Option<Ending> {
        if stopped {
            return Some(Ending::Stopped);
        }
        if self.span.until.is_some_and(|until| now >= until) {
            return Some(Ending::Duration);
        }
        if self.lanes.iter().all(|lane| lane.is_finished()) || self.budget.begun.load(Relaxed) >= self.budget.most {
            return Some(Ending::Count);
        }
        let in_vain = self.run.attempts.in_vain();
        let is_alone = self.shared.collected().open() == 0 && !in_vain.is_zero();
        if is_alone && self.run.plan.give_up.is_some_and(|give_up| in_vain >= give_up) {
            return Some(Ending::ServerGone);
        }
        None
    }

    /// Has nothing begin any more and waits for what is under way; returns when the run ended.
    async fn end(&mut self, ending: Ending) -> Instant {
        let ended = Instant::now();
        let ended = self.span.until.filter(|_| ending == Ending::Duration).unwrap_or(ended);
        let counts = ending == Ending::Count;
        if !counts || !self.run.plan.work.has_exchanges() {
            self.lanes.iter().for_each(|lane| lane.end());
        }
        let mut patience = Instant::now() + if counts { LAST_ANSWERS } else { GRACE };
        let mut seen = self.last_over();
        while !self.lanes.iter().all(|lane| lane.waiting() == 0) && ending != Ending::ServerGone {
            let look = patience.min(Instant::now() + TICK);
            let again = tokio::select! {
                biased;
                () = self.shared.stop.notified() => false,
                () = self.budget.finished.notified() => true,
                () = sleep_until(look) => Instant::now() < patience,
            };
            let last = self.last_over();
            if counts && last > seen {
                (patience, seen) = (Instant::now() + LAST_ANSWERS, last);
            }
            // A second stop, or no more patience.
            if !again {
                break;
            }
        }
        self.lanes.iter().for_each(|lane| lane.end());
        let last = self.last_over();
        self.lanes.iter().for_each(|lane| lane.give_up());
        let now = Instant::now();
        self.collect(now);
        if self.run.plan.work.moves_bulk() {
            // Their time is the one that their bytes were counted in, to the last.
            return now;
        }
        match last {
            // So many exchanges are over with the last of them.
            Some(last) if counts => last,
            // Without a schedule the rate is what was done by the time it took: to the last answer that counts.
            Some(last) if self.run.plan.schedule == Schedule::Closed => last.max(ended),
            _ => ended,
        }
    }

    fn last_over(&self) -> Option<Instant> {
        self.lanes.iter().filter_map(|lane| lane.last_over()).max()
    }

    /// Takes over what the workers have counted.
    fn collect(&mut self, now: Instant) {
        let mut all = Standing::default();
        for lane in &self.lanes {
            let standing = lane.hand_over(now, &mut self.spare);
            all.add(&standing);
            self.shared.collected().add(&self.spare);
            self.spare.clear();
        }
        self.shared.collected().at(now, all);
    }
}
