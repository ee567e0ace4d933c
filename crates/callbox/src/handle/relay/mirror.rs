//! A second server that is given a copy of what each client sends, and whose answers are compared, never forwarded.
//!
//! ```text
//! client  --->  relay  --->  server
//! client  <---    |    <---  server
//!                 |
//!       a tap: copies what crossed the client's side
//!                 |
//!                 '--->  mirror: answers are compared by offset with what the client was given
//! ```
//!
//! It never slows the first server: the tap puts bytes into a bounded queue, and where that overflows the mirroring of
//! this session is over, not the session. It begins with the session's first byte, of either side, and says once how it
//! ended. What is compared is the bytes and who had more of them, not when they came or in which chunks.

mod compare;
mod feed;
mod run;

pub use compare::{EXCERPT_BYTES, PENDING_BYTES};
pub use feed::QUEUE_BYTES;
pub use run::PATIENCE;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::addr::Addr;
use crate::direction::Direction;
use crate::event::{Event, Mirrored};
use crate::net::connect::ConnectOptions;
use crate::observers::Observers;
use crate::report::SessionId;
use crate::tap::Tap;
use feed::Feed;

/// Copies what clients send to a second server and compares its answers; clones share it.
///
/// Clip it on to the observers of the server whose sessions are to be mirrored
/// ([`Observers::with_tap`](crate::observers::Observers::with_tap)), and to the clients' side alone: a relay has another
/// stream in each session.
#[derive(Clone)]
pub struct Mirror(Arc<Inner>);

struct Inner {
    addr: Addr,
    options: ConnectOptions,
    /// Who is told how the mirroring of each session ended.
    observers: Observers,
    /// The sessions that have begun and are not closed.
    sessions: Mutex<HashMap<SessionId, Arc<Feed>>>,
    running: watch::Sender<usize>,
    differences: AtomicU64,
    lost: AtomicU64,
}

impl Mirror {
    /// Makes one that mirrors to `addr` and tells `observers` what came of it; nothing is connected yet.
    pub fn new(addr: Addr, options: ConnectOptions, observers: Observers) -> Mirror {
        Mirror(Arc::new(Inner {
            addr,
            options,
            observers,
            sessions: Mutex::default(),
            running: watch::Sender::new(0),
            differences: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }))
    }

    /// Returns in how many sessions the answers differed.
    pub fn differences(&self) -> u64 {
        self.0.differences.load(Relaxed)
    }

    /// Returns in how many sessions the comparison could not be finished.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Relaxed)
    }

    /// Gives `count` both, where they are not 0.
    pub fn counters(&self, count: &mut dyn FnMut(&'static str, u64)) {
        for (name, times) in [("mirror_differs", self.differences()), ("mirror_lost", self.lost())] {
            if times > 0 {
                count(name, times);
            }
        }
    }

    /// Waits until nothing is being mirrored: after the last session, at most as long as connecting may take and
    /// [`PATIENCE`].
    ///
    /// # Cancel safety
    ///
    /// Nothing changes when the future is dropped.
    pub async fn finished(&self) {
        // The sender is part of what we hold.
        let _ = self.0.running.subscribe().wait_for(|running| *running == 0).await;
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Feed>>> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the feed of a session; its first byte begins the mirroring.
    fn feed(&self, session: SessionId) -> Arc<Feed> {
        self.sessions().entry(session).or_insert_with(|| self.begin(session)).clone()
    }

    fn begin(&self, session: SessionId) -> Arc<Feed> {
        let feed = Arc::new(Feed::default());
        self.0.running.send_modify(|running| *running += 1);
        let lasting = Lasting { mirror: self.clone(), session, feed: feed.clone(), outcome: None };
        // A session's bytes move on its runtime. Without one there is nobody to mirror, and dropping says so.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let Inner { addr, options, .. } = &*lasting.mirror.0;
                let outcome = run::run(addr, options, &lasting.feed).await;
                lasting.over(outcome);
            });
        }
        feed
    }

    fn conclude(&self, session: SessionId, outcome: Mirrored) {
        match outcome {
            Mirrored::Same => {}
            Mirrored::Differs { .. } => _ = self.0.differences.fetch_add(1, Relaxed),
            _ => _ = self.0.lost.fetch_add(1, Relaxed),
        }
        self.0.observers.emit(|| Event::Mirror { session, outcome });
        self.0.running.send_modify(|running| *running -= 1);
    }
}

/// The mirroring of one session, for as long as it lasts; also when its runtime goes away, somebody is told.
struct Lasting {
    mirror: Mirror,
    session: SessionId,
    feed: Arc<Feed>,
    outcome: Option<Mirrored>,
}

impl Lasting {
    fn over(mut self, outcome: Mirrored) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.feed.stop();
        self.mirror.conclude(self.session, self.outcome.take().unwrap_or(Mirrored::FellBehind));
    }
}

impl Tap for Mirror {
    fn bytes(&self, _at: Instant, session: SessionId, direction: Direction, bytes: &[u8]) {
        self.feed(session).push(direction, bytes);
    }

    fn end(&self, _at: Instant, session: SessionId, direction: Direction) {
        if let Some(feed) = self.sessions().get(&session) {
            feed.end(direction);
        }
    }

    fn closed(&self, _at: Instant, session: SessionId) {
        let feed = self.sessions().remove(&session);
        if let Some(feed) = feed {
            feed.close();
        }
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mirror({}, {} running)", self.0.addr, *self.0.running.borrow())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{Bus, Interest};

    fn mirror() -> (Arc<Bus>, Mirror) {
        let bus = Bus::new(Interest { data: false, talk: true, lossless: false, frames: false });
        let mirror = Mirror::new(Addr::default_address(), ConnectOptions::default(), Observers::on_bus(&bus));
        (bus, mirror)
    }

    #[test]
    fn where_nobody_can_run_it_the_mirroring_is_lost_and_said() {
        let (bus, mirror) = mirror();
        let now = Instant::now();
        mirror.bytes(now, SessionId(1), Direction::ToServer, b"hello");
        mirror.bytes(now, SessionId(1), Direction::ToServer, b"once more");
        mirror.closed(now, SessionId(1));
        assert_eq!((mirror.differences(), mirror.lost(), *mirror.0.running.borrow()), (0, 1, 0));
        let said = bus.try_next().map(|(_, event)| event);
        assert!(
            matches!(said, Some(Event::Mirror { session: SessionId(1), outcome: Mirrored::FellBehind })),
            "{said:?}"
        );
        assert!(bus.try_next().is_none(), "once");
        assert!(mirror.sessions().is_empty(), "nothing is kept of a session that is closed");
    }

    #[tokio::test]
    async fn a_session_that_moves_no_byte_is_not_mirrored() {
        let (bus, mirror) = mirror();
        let now = Instant::now();
        mirror.end(now, SessionId(1), Direction::ToServer);
        mirror.closed(now, SessionId(1));
        mirror.finished().await;
        assert!(bus.try_next().is_none());
        assert_eq!(mirror.lost(), 0);
    }
}
