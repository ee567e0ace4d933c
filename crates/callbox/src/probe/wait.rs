//! Waiting until servers are ready, which is more than that they accept: a server may accept long before it speaks.
//!
//! All targets are looked at at the same time, each with pauses of its own in between. What was wrong last stays known of each
//! of them.
//!
//! ```no_run
//! use callbox::probe::Question;
//! use callbox::probe::wait::{Check, Ready, Wait};
//!
//! # async fn example() -> callbox::Result<()> {
//! let pong = Question::new("PING\r\n", "+PONG".parse()?)?;
//! let redis = Check { ready: Ready::answers(pong), ..Check::new("127.0.0.1:6379".parse()?) };
//! let web = Check::new("127.0.0.1:80".parse()?);
//! let mut waiting = Wait::new(vec![redis, web]).start();
//! while let Some(target) = waiting.next().await {
//!     println!("{} is ready", target.addr);
//! }
//! assert!(waiting.is_met());
//! # Ok(())
//! # }
//! ```

mod check;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::addr::Addr;
use crate::error::{Error, Result};

pub use crate::net::retry::{RETRY_PAUSE_MAX as PAUSE_MAX, RETRY_PAUSE_MIN as PAUSE_MIN};
pub use check::{Check, Ready};

/// How long a single attempt may take, unless asked otherwise: time enough for a server that accepts and is slow to speak.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many targets must be ready; closed by nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// All of them.
    #[default]
    All,
    /// One of them.
    Any,
}

/// The pauses between the attempts at one target; each is twice the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// The first.
    pub first: Duration,
    /// None is longer.
    pub longest: Duration,
}

impl Default for Pauses {
    fn default() -> Pauses {
        Pauses { first: PAUSE_MIN, longest: PAUSE_MAX }
    }
}

/// What is waited for.
#[derive(Debug, Clone)]
pub struct Wait {
    /// The targets, and what ready means for each.
    pub checks: Vec<Check>,
    /// How many of them.
    pub wanted: Wanted,
    /// Between attempts.
    pub pauses: Pauses,
    /// How long a single attempt may take, but for the time that a connection must stay open; `None` is as long as the wait.
    pub attempt_timeout: Option<Duration>,
    /// How long all of it may take; `None` is for ever.
    pub timeout: Option<Duration>,
}

impl Wait {
    /// Makes one with the defaults: for all of them, for ever.
    pub fn new(checks: Vec<Check>) -> Wait {
        Wait {
            checks,
            wanted: Wanted::default(),
            pauses: Pauses::default(),
            attempt_timeout: Some(ATTEMPT_TIMEOUT),
            timeout: None,
        }
    }

    /// Begins with it, on the current runtime: a task for each target.
    pub fn start(self) -> Waiting {
        let begun = Instant::now();
        let plan = Plan {
            begun,
            pauses: self.pauses,
            attempt_timeout: self.attempt_timeout,
            deadline: self.timeout.and_then(|timeout| begun.checked_add(timeout)),
        };
        let mut tasks = JoinSet::new();
        let mut states = Vec::new();
        for (at, check) in self.checks.into_iter().enumerate() {
            let state = Arc::new(Mutex::new(Target::new(check.addr.clone())));
            states.push(state.clone());
            tasks.spawn(async move {
                plan.look_until_ready(&state, |limit| check.look(limit, plan.deadline)).await;
                at
            });
        }
        Waiting { wanted: self.wanted, tasks, states, told: 0 }
    }
}

/// A wait that is under way. Dropping it ends it.
#[derive(Debug)]
pub struct Waiting {
    wanted: Wanted,
    tasks: JoinSet<usize>,
    states: Vec<Arc<Mutex<Target>>>,
    /// Targets that were ready and have been told of.
    told: usize,
}

impl Waiting {
    /// Waits for the next target that is ready; `None` once enough of them are, or the time is over.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Target> {
        while !self.is_met() {
            let at = match self.tasks.join_next().await? {
                Ok(at) => at,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
            let target = state(&self.states[at]);
            if target.ready_after.is_some() {
                self.told += 1;
                return Some(target);
            }
        }
        self.tasks.abort_all();
        None
    }

    /// Tells whether as many are ready as were wanted.
    pub fn is_met(&self) -> bool {
        match self.wanted {
            Wanted::All => self.told == self.states.len(),
            Wanted::Any => self.told > 0 || self.states.is_empty(),
        }
    }

    /// Returns how it stands with every target, in the order given.
    pub fn targets(&self) -> Vec<Target> {
        self.states.iter().map(|one| state(one)).collect()
    }
}

fn state(state: &Mutex<Target>) -> Target {
    state.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// How it stands with one target.
#[derive(Debug, Clone)]
pub struct Target {
    /// Which.
    pub addr: Addr,
    /// Attempts that are over.
    pub attempts: u64,
    /// How long after the beginning it was ready, if it was.
    pub ready_after: Option<Duration>,
    /// What was wrong at the last attempt that failed.
    pub error: Option<Error>,
}

impl Target {
    fn new(addr: Addr) -> Target {
        Target { addr, attempts: 0, ready_after: None, error: None }
    }
}

/// When attempts are made.
#[derive(Debug, Clone, Copy)]
struct Plan {
    begun: Instant,
    pauses: Pauses,
    attempt_timeout: Option<Duration>,
    deadline: Option<Instant>,
}

impl Plan {
    /// Makes attempts until one is good or the time is over. An attempt is told until when it may go on.
    async fn look_until_ready<F>(self, state: &Mutex<Target>, mut look: impl FnMut(Option<Instant>) -> F)
    where
        F: Future<Output = Result<()>>,
    {
        let mut pause = self.pauses.first;
        loop {
            let limit = self.attempt_timeout.and_then(|timeout| Instant::now().checked_add(timeout));
            let looked = look(limit.into_iter().chain(self.deadline).min()).await;
            {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                state.attempts += 1;
                match looked {
                    Ok(()) => {
                        state.ready_after = Some(self.begun.elapsed());
                        return;
                    }
                    Err(error) => state.error = Some(error),
                }
            }
            match self.next_look(Instant::now(), pause) {
                Some(next) => sleep_until(next).await,
                None => return,
            }
            pause = (pause * 2).min(self.pauses.longest);
        }
    }

    /// Returns when the next attempt begins; the last one is made shortly before the time is over, so that no pause hides a
    /// server that was ready in time.
    fn next_look(self, now: Instant, pause: Duration) -> Option<Instant> {
        let next = now + pause;
        let Some(deadline) = self.deadline else { return Some(next) };
        let last = deadline.checked_sub(PAUSE_MIN).unwrap_or(deadline);
        if next <= last {
            return Some(next);
        }
        (last > now).then_some(last)
    }
}

#[cfg(test)]
mod tests;
