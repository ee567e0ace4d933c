//! What was collected of a run, and the report that it makes.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use super::Run;
use super::budget::Budget;
use super::lane::Span;
use super::standing::Standing;
use crate::load::report::{Ending, Limit, Report, Series, Slice, Snapshot};
use crate::load::schedule::Schedule;
use crate::load::tally::{NO_DESCRIPTORS, NO_PORTS, Tally, Times};

/// The most slices: with more of them two become one, so that a run of days needs no more memory than one of seconds. A plot has no
/// room for more.
const MOST_SLICES: usize = 120;
/// A generator whose threads are busy for this part of the time is taken for the limit.
const BUSY: f64 = 0.95;
/// Shorter than this, a run does not tell what its threads are busy with.
const LONG_ENOUGH: Duration = Duration::from_millis(500);
/// More exchanges than this part, of those that were due, found no free connection: then connections are taken for a limit.
const CROWDED: f64 = 0.01;

/// What was collected so far.
pub(super) struct Collected {
    /// What does not change.
    head: Report,
    schedule: Schedule,
    length: Option<Duration>,
    has_rate: bool,
    moves_bulk: bool,
    threads: usize,
    span: Span,
    /// What the clock said when it was last brought up to date.
    now: Instant,
    standing: Standing,
    /// The processor time used when counting began; `None` before.
    base: Option<Base>,
    tally: Tally,
    /// The slices that are complete, and the one that is not.
    slices: Vec<Slice>,
    slice: Duration,
    open_slice: OpenSlice,
    budget: Arc<Budget>,
    ended: Option<(Ending, Instant, u64, Duration)>,
}

/// When counting began, and the processor time used by then.
#[derive(Debug, Clone, Copy)]
struct Base {
    at: Instant,
    processor: Duration,
}

impl Base {
    fn of(at: Instant) -> Base {
        Base { at, processor: processor_time() }
    }
}

struct OpenSlice {
    begun: Instant,
    answered: u64,
    failed: u64,
    response: Times,
    /// Totals at its begin.
    bytes: (u64, u64),
}

impl OpenSlice {
    fn new(begun: Instant, bytes: (u64, u64)) -> OpenSlice {
        OpenSlice { begun, answered: 0, failed: 0, response: Tally::slice(), bytes }
    }
}

impl Collected {
    /// Begins; `before` is how it stands when the clock does.
    pub(super) fn new(run: &Run, span: Span, budget: Arc<Budget>) -> Collected {
        let plan = &run.plan;
        let head = Report {
            address: plan.addr.to_string(),
            mode: plan.work.name(),
            schedule: plan.schedule.name(),
            connections: plan.connections as u64,
            seed: plan.seed,
            warm_up: plan.warm_up,
            ..Report::default()
        };
        Collected {
            head,
            schedule: plan.schedule.clone(),
            length: plan.stop.after.map(|after| after.saturating_add(plan.warm_up)),
            has_rate: plan.schedule != Schedule::Closed && plan.work.has_exchanges(),
            moves_bulk: plan.work.moves_bulk(),
            threads: run.threads,
            span,
            now: span.begun,
            standing: Standing::default(),
            base: plan.warm_up.is_zero().then(|| Base::of(span.begun)),
            tally: Tally::default(),
            slices: Vec::new(),
            slice: super::drive::TICK,
            open_slice: OpenSlice::new(span.counted_from, (0, 0)),
            budget,
            ended: None,
        }
    }

    pub(super) fn open(&self) -> u64 {
        self.budget.open.load(Relaxed)
    }

    /// Tells whether connections were tried, and none was ever there.
    pub(super) fn was_in_vain(&self) -> bool {
        self.tally.opened == 0 && (self.tally.requests > 0 || !self.tally.errors.is_empty())
    }

    /// Adds what a worker has counted.
    pub(super) fn add(&mut self, tally: &Tally) {
        self.open_slice.answered += tally.answered;
        self.open_slice.failed += tally.wrong + tally.lost + tally.failed;
        self.open_slice.response.merge(&tally.response);
        self.tally.merge(tally);
    }

    /// Brings it up to date; `standing` is that of all workers.
    pub(super) fn at(&mut self, now: Instant, standing: Standing) {
        (self.now, self.standing) = (now, standing);
        if now < self.span.counted_from {
            return;
        }
        let bytes = standing.bytes();
        if self.base.is_none() {
            self.tally.begin_counting();
            self.base = Some(Base::of(now));
            // Exchanges that count may be over already, a moment after they began to.
            (self.open_slice.failed, self.open_slice.bytes) = (self.tally.wrong + self.tally.lost, (0, 0));
        }
        // What comes in the time after the end belongs to the last slice.
        let now = self.span.until.map_or(now, |until| now.min(until));
        while let end = self.open_slice.begun + self.slice
            && now >= end
        {
            // Where nobody has looked for longer than a slice, all that came is the last one's.
            if now >= end + self.slice {
                self.slices.push(Slice { open: self.open(), ..Slice::default() });
                self.open_slice.begun = end;
            } else {
                let complete = self.close_slice(bytes);
                self.slices.push(complete);
                self.open_slice = OpenSlice::new(end, bytes);
            }
            if self.slices.len() >= MOST_SLICES {
                self.slices = self.slices.chunks(2).map(joined).collect();
                self.slice *= 2;
            }
        }
    }

    fn close_slice(&self, bytes: (u64, u64)) -> Slice {
        Slice {
            answered: self.open_slice.answered,
            failed: self.open_slice.failed,
            to_server_bytes: bytes.0 - self.open_slice.bytes.0,
            to_client_bytes: bytes.1 - self.open_slice.bytes.1,
            open: self.open(),
            response: self.open_slice.response.distribution(),
        }
    }

    /// Notes why and when it ended, and what was left undone.
    pub(super) fn close(&mut self, ending: Ending, ended: Instant, missed: u64) {
        self.ended = Some((ending, ended, missed, processor_time()));
        if self.base.is_none() {
            // The warm-up was not over: nothing of it is told.
            return;
        }
        let bytes = self.standing.bytes();
        let rest = self.close_slice(bytes);
        let is_empty = (rest.answered, rest.failed, rest.to_server_bytes, rest.to_client_bytes) == (0, 0, 0, 0);
        // Answers that came in the grace belong to the last slice that there was.
        let length = ended.saturating_duration_since(self.open_slice.begun);
        match self.slices.last_mut() {
            Some(last) if length < self.slice / 2 => *last = joined(&[last.clone(), rest]),
            Some(_) if is_empty => {}
            _ => self.slices.push(rest),
        }
        self.open_slice = OpenSlice::new(ended, bytes);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let (ending, at, missed, processor) =
            self.ended.unwrap_or_else(|| (Ending::Running, self.now, 0, processor_time()));
        let elapsed = at.saturating_duration_since(self.span.begun);
        Snapshot {
            elapsed,
            remaining: self.span.until.map(|until| until.saturating_duration_since(at)),
            is_warming_up: at < self.span.counted_from,
            open: self.open(),
            waiting: self.standing.waiting,
            behind: self.standing.behind,
            report: self.report(ending, at, missed, processor),
        }
    }

    fn report(&self, ending: Ending, at: Instant, missed: u64, processor: Duration) -> Report {
        let tally = &self.tally;
        let base = self.base.unwrap_or(Base { processor, at: self.span.counted_from });
        // Of bytes the time is that between the two moments at which they were counted, however late those were.
        let from = if self.moves_bulk { base.at } else { self.span.counted_from };
        let duration = at.saturating_duration_since(from);
        let (from, to) = (self.head.warm_up, self.head.warm_up + duration);
        let mut errors = tally.errors.clone();
        errors.sort_by_key(|error| std::cmp::Reverse(error.count));
        let mut report = Report {
            rate_asked: self.schedule.mean_rate(self.length, from, to).filter(|_| self.has_rate),
            duration,
            requests: tally.requests,
            answered: tally.answered,
            wrong: tally.wrong,
            mixed_up: tally.mixed_up,
            lost: tally.lost,
            missed,
            errors,
            unasked_bytes: tally.unasked_bytes,
            to_server_bytes: self.standing.to_server_bytes,
            to_client_bytes: self.standing.to_client_bytes,
            response: tally.response.distribution(),
            service: tally.service.distribution(),
            lateness: tally.lateness.distribution(),
            phases: tally.phase_times(),
            opened: tally.opened,
            most_open: self.budget.most_open.load(Relaxed),
            resident_bytes: resident_bytes(),
            processor_time: processor.saturating_sub(base.processor),
            series: Series { slice: self.slice, slices: self.slices.clone() },
            ending,
            ..self.head.clone()
        };
        if self.schedule == Schedule::Closed {
            report.service = report.response.clone();
        }
        report.limits = self.limits(&report);
        report
    }

    fn limits(&self, report: &Report) -> Vec<Limit> {
        let has = |kind| report.errors.iter().any(|error| error.kind == kind);
        let busy = report.processor_time.as_secs_f64() / (report.duration.as_secs_f64() * self.threads as f64);
        // Of a moment, most of which was spent on starting and ending, this says nothing.
        let is_busy = busy >= BUSY && report.duration >= LONG_ENOUGH;
        let crowded = self.has_rate && self.tally.behind as f64 > CROWDED * report.requests as f64;
        let found = [
            (Limit::Processor, is_busy),
            (Limit::Ports, has(NO_PORTS)),
            (Limit::Descriptors, has(NO_DESCRIPTORS)),
            (Limit::Connections, crowded && report.requests > 0),
        ];
        found.into_iter().filter_map(|(limit, is_so)| is_so.then_some(limit)).collect()
    }
}

fn joined(pair: &[Slice]) -> Slice {
    pair.iter().skip(1).fold(pair[0].clone(), |mut whole, next| {
        whole.answered += next.answered;
        whole.failed += next.failed;
        whole.to_server_bytes += next.to_server_bytes;
        whole.to_client_bytes += next.to_client_bytes;
        whole.open = next.open;
        whole.response.add(&next.response);
        whole
    })
}

/// Returns the processor time of this process so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Returns the most memory that was resident, where the system tells (proc(5), `VmHWM`).
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
