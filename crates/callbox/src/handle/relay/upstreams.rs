//! The servers behind a relay: which one a session goes to, and which of them rest.
//!
//! Nothing here connects and nothing reads a clock. A session asks for [`Upstreams::candidates`] and walks through
//! them until one connects; what it meets it notes by [`Upstreams::failed`] and [`Upstreams::connected`].

mod balance;
mod candidates;
mod failures;
mod health;

pub use balance::{Balance, Resolve};
pub use candidates::Candidates;
pub(super) use failures::Failures;
pub use health::{REST_MAX, REST_MIN};

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::addr::{Addr, Host};
use crate::error::{Error, Kind, Result};
use crate::net::connect::Target;
use crate::net::resolve::{Family, resolve};
use health::Health;

/// The servers behind a relay, and which of them rest.
#[derive(Debug)]
pub struct Upstreams {
    list: Box<[Upstream]>,
    balance: Balance,
    /// Counts the sessions, so that each begins one further than the last.
    turn: AtomicUsize,
    /// Attempts that failed.
    failures: Failures,
}

#[derive(Debug)]
struct Upstream {
    addr: Addr,
    /// Its addresses, where it is written in numbers or was looked up before.
    resolved: Option<Box<[SocketAddr]>>,
    health: Health,
    /// Every session that is connected to it holds one more of these.
    sessions: Arc<()>,
}

/// A session that is connected to an upstream; dropping it says that the session is over.
#[derive(Debug)]
#[must_use = "the session counts only as long as this lives"]
pub struct InUse(#[expect(dead_code, reason = "counts by being there")] Arc<()>);

/// What a connect has changed about the health of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing that anybody has to hear of.
    Same,
    /// It worked and now rests.
    Down {
        /// For this long.
        rest: Duration,
    },
    /// It rested and works again.
    Up,
}

/// One upstream, now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamState {
    /// Its address, as written.
    pub addr: Addr,
    /// Sessions that are connected to it.
    pub sessions: usize,
    /// Failures since it last worked.
    pub failures: u32,
    /// Until when it rests, where it has failed; from then on one session tries it.
    pub resting_until: Option<Instant>,
}

impl Upstreams {
    /// Makes a list whose names are looked up for each session.
    ///
    /// # Panics
    ///
    /// When the list is empty.
    pub fn new(addrs: Vec<Addr>, balance: Balance) -> Upstreams {
        assert!(!addrs.is_empty(), "a relay has at least one upstream");
        let upstream = |addr: Addr| Upstream {
            resolved: addr.socket_addr().map(|addr| Box::from([addr])),
            addr,
            health: Health::default(),
            sessions: Arc::new(()),
        };
        let list = addrs.into_iter().map(upstream).collect();
        Upstreams { list, balance, turn: AtomicUsize::new(0), failures: Failures::default() }
    }

    /// Looks all names up now, so that no session has to; addresses in numbers and paths are not looked up.
    ///
    /// # Errors
    ///
    /// The first name that has no address of the wanted family.
    ///
    /// # Cancel safety
    ///
    /// The list is lost when the future is dropped; nothing else is.
    pub async fn resolve_once(mut self, family: Family) -> Result<Upstreams> {
        for upstream in &mut self.list {
            if let Addr::Tcp { host: Host::Name(name), port } = &upstream.addr {
                let found = resolve(name, *port, family).await;
                upstream.resolved = Some(found.map_err(|error: Error| error.at(&upstream.addr))?.into());
            }
        }
        Ok(self)
    }

    /// Returns the candidates for one more session.
    pub fn candidates(&self) -> Candidates<'_> {
        let turn = if self.balance == Balance::First { 0 } else { self.turn.fetch_add(1, Relaxed) };
        Candidates::new(self, turn)
    }

    /// Returns how many upstreams there are.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// Returns the address of an upstream, as written.
    pub fn addr(&self, index: usize) -> &Addr {
        &self.list[index].addr
    }

    /// Returns where to connect to for an upstream.
    pub fn target(&self, index: usize) -> Target<'_> {
        let Upstream { addr, resolved, .. } = &self.list[index];
        match resolved {
            Some(addrs) => Target::Resolved { addr, addrs },
            None => Target::Named(addr),
        }
    }

    /// Notes that connecting to an upstream failed: it rests, each time twice as long, while the others serve.
    pub fn failed(&self, index: usize, reason: Kind, now: Instant) -> Change {
        self.failures.note(reason);
        self.list[index].health.failed(now)
    }

    /// Gives `count` how many attempts failed, by reason; those that never happened are left out.
    pub fn counters(&self, count: &mut dyn FnMut(&'static str, u64)) {
        self.failures.counters(count);
    }

    /// Notes that a session is connected to an upstream, which then is healthy.
    pub fn connected(&self, index: usize) -> (InUse, Change) {
        let upstream = &self.list[index];
        (InUse(upstream.sessions.clone()), upstream.health.worked())
    }

    /// Returns all upstreams as they are now, in the order in which they were given.
    pub fn states(&self) -> Vec<UpstreamState> {
        let state = |upstream: &Upstream| {
            let (failures, resting_until) = upstream.health.now();
            UpstreamState { addr: upstream.addr.clone(), sessions: upstream.sessions(), failures, resting_until }
        };
        self.list.iter().map(state).collect()
    }
}

impl Upstream {
    fn sessions(&self) -> usize {
        Arc::strong_count(&self.sessions) - 1
    }
}

#[cfg(test)]
mod tests;
