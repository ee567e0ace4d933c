//! How long a server takes to be reached and to answer.
//!
//! Each attempt is a connection of its own, and each of its phases is timed. Attempts begin at intended times, an interval
//! apart from the first on. One that lasts longer than the interval delays the next, which then begins at once; none is left
//! out. Times count from when an attempt really begins: a ping asks how long it takes, not how much a server can take.
//!
//! ```no_run
//! use callbox::probe::Question;
//! use callbox::probe::ping::Ping;
//!
//! # async fn example() -> callbox::Result<()> {
//! let question = Question::new("PING\r\n", "+PONG".parse()?)?;
//! let ping = Ping { question: Some(question), count: Some(10), ..Ping::new("127.0.0.1:6379".parse()?) };
//! let mut pinging = ping.start();
//! while let Some(pong) = pinging.next().await {
//!     println!("{}: {:?}", pong.number, pong.lasted);
//! }
//! # Ok(())
//! # }
//! ```

mod statistics;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::question::{Heard, Question};
use super::{part, stream_of, until};
use crate::addr::Addr;
use crate::error::{Error, Kind, Result};
use crate::event;
use crate::net::connect::{ConnectOptions, Target};
use crate::net::open::open;
use crate::report::TcpFacts;
use crate::report::tls::TlsFacts;

pub use statistics::Statistics;

/// Between the beginnings of two attempts, unless asked otherwise.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// How long an attempt may take, unless asked otherwise.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Whom to ask, what and how often.
#[derive(Debug, Clone)]
pub struct Ping {
    /// The server.
    pub addr: Addr,
    /// How to connect.
    pub options: ConnectOptions,
    /// What is asked on each connection; without a question an attempt is over when it could be.
    pub question: Option<Question>,
    /// Between the intended beginnings of two attempts; zero is one after the other.
    pub interval: Duration,
    /// How many attempts; `None` goes on for ever.
    pub count: Option<u64>,
    /// How long an attempt may take, its answer included; `None` is no limit but that for connecting.
    pub attempt_timeout: Option<Duration>,
}

impl Ping {
    /// Makes one with the defaults: how long it takes to connect, once a second, without an end.
    pub fn new(addr: Addr) -> Ping {
        Ping {
            addr,
            options: ConnectOptions::default(),
            question: None,
            interval: INTERVAL,
            count: None,
            attempt_timeout: Some(ATTEMPT_TIMEOUT),
        }
    }

    /// Begins with it. The first attempt is intended for now.
    pub fn start(self) -> Pinging {
        Pinging { ping: Arc::new(self), begun: Instant::now(), made: 0, under_way: None }
    }
}

/// Attempts, one after the other. Dropping it abandons the one under way.
pub struct Pinging {
    ping: Arc<Ping>,
    begun: Instant,
    /// Attempts that have begun.
    made: u64,
    under_way: Option<Pin<Box<dyn Future<Output = Pong> + Send>>>,
}

impl Pinging {
    /// Waits for the next attempt and for how it ends; `None` once there were as many as asked for.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped: the next call goes on with the attempt that is under way. Until then it
    /// stands still.
    pub async fn next(&mut self) -> Option<Pong> {
        if self.under_way.is_none() {
            if self.ping.count.is_some_and(|count| self.made >= count) {
                return None;
            }
            let since = self.ping.interval.saturating_mul(u32::try_from(self.made).unwrap_or(u32::MAX));
            let intended = self.begun.checked_add(since)?;
            self.made += 1;
            self.under_way = Some(Box::pin(attempt(self.ping.clone(), self.made, intended)));
        }
        let pong = self.under_way.as_mut().expect("put there above").await;
        self.under_way = None;
        Some(pong)
    }
}

impl std::fmt::Debug for Pinging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pinging").field("ping", &self.ping).field("made", &self.made).finish_non_exhaustive()
    }
}

/// A part of an attempt; open to additions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// Looking up the name.
    Resolve,
    /// From the first SYN to the connection.
    Connect,
    /// Through the proxies in between.
    Proxy,
    /// TLS's handshake, and what had to be said before it.
    Tls,
    /// From the connection being ready to the first byte of the answer.
    FirstByte,
    /// From there to the whole answer.
    Rest,
}

impl Phase {
    /// All of them, in the order in which they are gone through.
    pub const ALL: [Phase; 6] =
        [Phase::Resolve, Phase::Connect, Phase::Proxy, Phase::Tls, Phase::FirstByte, Phase::Rest];

    /// Returns its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Resolve => "resolve",
            Phase::Connect => "connect",
            Phase::Proxy => "proxy",
            Phase::Tls => "tls",
            Phase::FirstByte => "first_byte",
            Phase::Rest => "rest",
        }
    }
}

/// How an attempt went.
#[derive(Debug, Clone)]
pub struct Pong {
    /// Which one, from 1.
    pub number: u64,
    /// The address that answered, once there was a connection.
    pub peer: Option<Addr>,
    /// From its beginning to its end, as good or bad as that was.
    pub lasted: Duration,
    /// The phases that it went through, in their order. An attempt that failed while it connected has none.
    pub phases: Vec<(Phase, Duration)>,
    /// What the kernel knew of the connection at the end, where it is TCP's.
    pub tcp: Option<TcpFacts>,
    /// What TLS agreed on, where it is spoken.
    pub tls: Option<Arc<TlsFacts>>,
    /// What went wrong, if anything did.
    pub error: Option<Error>,
}

async fn attempt(ping: Arc<Ping>, number: u64, intended: Instant) -> Pong {
    sleep_until(intended).await;
    let begun = Instant::now();
    let mut pong =
        Pong { number, peer: None, lasted: Duration::ZERO, phases: Vec::new(), tcp: None, tls: None, error: None };
    match look(&ping, begun, &mut pong).await {
        Ok(over) => pong.lasted = over - begun,
        Err(error) => {
            pong.lasted = begun.elapsed();
            pong.error = Some(error);
        }
    }
    pong
}

/// Connects and asks; returns when it was over.
async fn look(ping: &Ping, begun: Instant, pong: &mut Pong) -> Result<Instant> {
    let deadline = ping.attempt_timeout.map(|limit| begun + limit);
    let options = until(&ping.options, deadline);
    let opening = open(Target::Named(&ping.addr), &options, &[]);
    let opened = match within(deadline, opening).await {
        Some(opened) => opened?,
        None => return Err(too_late(ping, "connect")),
    };
    let connected = Instant::now();
    pong.phases = phases(&opened.phases);
    pong.peer = Some(opened.peer.clone());
    pong.tls = opened.tls_facts();
    let stream = stream_of(opened);
    let Some(question) = &ping.question else {
        pong.tcp = stream.probe().tcp();
        part(stream).await;
        return Ok(connected);
    };
    let mut heard = Heard::default();
    let asked = within(deadline, question.ask(&stream, &mut heard)).await;
    pong.tcp = stream.probe().tcp();
    if let Some(first_byte) = heard.first_byte {
        pong.phases.push((Phase::FirstByte, first_byte - connected));
        if let Some(over) = heard.over {
            pong.phases.push((Phase::Rest, over - first_byte));
        }
    }
    match asked {
        Some(asked) => asked?,
        None => {
            let limit = ping.attempt_timeout.unwrap_or_default();
            return Err(question.too_late(&heard, limit).at(stream.session().peer()));
        }
    }
    let over = heard.over.unwrap_or_else(Instant::now);
    part(stream).await;
    Ok(over)
}

fn too_late(ping: &Ping, operation: &'static str) -> Error {
    let limit = crate::units::show_duration(ping.attempt_timeout.unwrap_or_default());
    Error::new(operation, Kind::TimedOut, format!("timed out: no answer within {limit}")).at(&ping.addr)
}

/// Those that were gone through.
fn phases(phases: &event::Phases) -> Vec<(Phase, Duration)> {
    let all = [
        (Phase::Resolve, phases.resolve),
        (Phase::Connect, phases.connect),
        (Phase::Proxy, phases.proxy),
        (Phase::Tls, phases.tls),
    ];
    all.into_iter().filter(|(phase, time)| *phase == Phase::Connect || !time.is_zero()).collect()
}

async fn within<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

#[cfg(test)]
mod tests;
