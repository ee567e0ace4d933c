//! The upstreams that one session may try, one after the other, each at most once.

use tokio::time::Instant;

use super::health::Condition;
use super::{Balance, Upstreams};

/// The upstreams for one session, in the order in which it should try them.
///
/// The order is made while it is walked, so that it knows what other sessions have met meanwhile: healthy ones by the
/// balance, then, when none of them is left, those that rest, the one whose rest is over first before the others. An
/// upstream whose rest is over counts as healthy for one session, which tries it; dropping the candidates, or asking
/// for the next, gives the trial back unless its outcome was noted.
#[derive(Debug)]
pub struct Candidates<'a> {
    upstreams: &'a Upstreams,
    turn: usize,
    tried: Tried,
    last: Option<usize>,
    trial: Option<(usize, u64)>,
}

/// Which upstreams have been tried; for 64 of them nothing is allocated.
#[derive(Debug)]
enum Tried {
    Few(u64),
    Many(Box<[bool]>),
}

impl Tried {
    fn new(count: usize) -> Tried {
        if count <= 64 { Tried::Few(0) } else { Tried::Many(vec![false; count].into()) }
    }

    fn has(&self, index: usize) -> bool {
        match self {
            Tried::Few(bits) => bits >> index & 1 == 1,
            Tried::Many(list) => list[index],
        }
    }

    fn note(&mut self, index: usize) {
        match self {
            Tried::Few(bits) => *bits |= 1 << index,
            Tried::Many(list) => list[index] = true,
        }
    }
}

impl<'a> Candidates<'a> {
    pub(super) fn new(upstreams: &'a Upstreams, turn: usize) -> Candidates<'a> {
        Candidates { upstreams, turn, tried: Tried::new(upstreams.count()), last: None, trial: None }
    }

    /// Returns the index of the next upstream to try; `None` when all have been tried.
    pub fn next(&mut self, now: Instant) -> Option<usize> {
        self.give_up_trial();
        // One alone is tried whatever is known of it: there is no other.
        let index = match self.upstreams.count() {
            1 => (!self.tried.has(0)).then_some(0),
            _ => self.next_healthy(now).or_else(|| self.next_resting(now)),
        }?;
        self.tried.note(index);
        self.last = Some(index);
        Some(index)
    }

    fn next_healthy(&mut self, now: Instant) -> Option<usize> {
        loop {
            let index = match self.upstreams.balance {
                Balance::First => self.healthy(now, 0).next(),
                Balance::RoundRobin => self.in_turn(now),
                // Of those with equally few, each session begins one further than the last.
                Balance::Least => {
                    let list = &self.upstreams.list;
                    self.healthy(now, self.turn % list.len()).min_by_key(|index| list[*index].sessions())
                }
            }?;
            let health = &self.upstreams.list[index].health;
            if health.condition(now) == Condition::Healthy {
                return Some(index);
            }
            if let Some(trial) = health.begin_trial(now) {
                self.trial = Some((index, trial));
                return Some(index);
            }
            // Another session was first; it rests now, and the loop finds one less.
        }
    }

    /// The next one by round-robin: evenly over those that are healthy, so that the one behind a resting upstream does
    /// not get its share too.
    fn in_turn(&self, now: Instant) -> Option<usize> {
        if let Some(last) = self.last {
            return self.healthy(now, last + 1).next();
        }
        let count = self.healthy(now, 0).count();
        self.healthy(now, 0).nth(self.turn.checked_rem(count)?)
    }

    /// The untried ones that are healthy or due, round from `start`.
    fn healthy(&self, now: Instant, start: usize) -> impl Iterator<Item = usize> {
        let list = &self.upstreams.list;
        let round = (0..list.len()).map(move |step| (start + step) % list.len());
        round.filter(move |index| {
            !self.tried.has(*index) && !matches!(list[*index].health.condition(now), Condition::Resting(_))
        })
    }

    fn next_resting(&self, now: Instant) -> Option<usize> {
        let untried = self.upstreams.list.iter().enumerate().filter(|(index, _)| !self.tried.has(*index));
        let rests = untried.map(|(index, upstream)| match upstream.health.condition(now) {
            Condition::Resting(until) => (until, index),
            _ => (now, index),
        });
        rests.min().map(|(_, index)| index)
    }

    fn give_up_trial(&mut self) {
        if let Some((index, trial)) = self.trial.take() {
            self.upstreams.list[index].health.give_up_trial(trial);
        }
    }
}

impl Drop for Candidates<'_> {
    fn drop(&mut self) {
        self.give_up_trial();
    }
}
