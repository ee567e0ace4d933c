//! What a load run is to do.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::run::{self, Running};
use super::schedule::Schedule;
use super::stop::Stop;
use crate::addr::Addr;
use crate::error::Result;
use crate::handle::exchange::{Dialogue, Stopwatch};
use crate::net::connect::ConnectOptions;
use crate::net::stream::Stream;
use crate::session::Session;
use crate::workers::Workers;

/// What is done on the connections.
#[derive(Debug, Clone)]
pub enum Work {
    /// Requests and their answers.
    Exchange(Arc<Dialogue>),
    /// Exchanges of another kind.
    Handler(Arc<dyn Play>),
    /// Bytes to the server, as fast as it takes them, so many in a write.
    Send(usize),
    /// Bytes from the server, as fast as they come, so many in a read.
    Receive(usize),
    /// Both at once.
    Both(usize),
    /// Connections, opened and closed.
    Connect,
    /// Connections, opened and held.
    Idle,
}

/// A load run, ready to be started.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whom it is put on.
    pub addr: Addr,
    /// How to connect.
    pub options: ConnectOptions,
    /// Where to come from, in turn; empty leaves it to the options. More of them are more ports.
    pub sources: Vec<IpAddr>,
    /// What is done.
    pub work: Work,
    /// When.
    pub schedule: Schedule,
    /// Until when.
    pub stop: Stop,
    /// How many connections at once; at least 1.
    pub connections: usize,
    /// A new connection after so many exchanges; `None` keeps them as long as the server does.
    pub renew_after: Option<u64>,
    /// Between an answer and the next exchange of a closed workload.
    pub think: Duration,
    /// How long exchanges are done before they count.
    pub warm_up: Duration,
    /// How long none of the connections that are tried may come about, with none there, before the server is taken for gone;
    /// `None` never gives up.
    pub give_up: Option<Duration>,
    /// From what all that is random is drawn.
    pub seed: u64,
    /// How exactly exchanges begin when they are to.
    pub precision: Precision,
    /// Where connections come from instead of the network.
    pub dial: Option<Dial>,
}

/// How long a run goes on without any connection, unless asked otherwise: longer than a restart of most servers takes.
pub const GIVE_UP: Duration = Duration::from_secs(2);
/// How many connections there are unless asked otherwise.
pub const CONNECTIONS: usize = 64;

impl Plan {
    /// Makes one with the defaults: closed, 64 connections, no end.
    pub fn new(addr: Addr, work: Work) -> Plan {
        Plan {
            addr,
            options: ConnectOptions::default(),
            sources: Vec::new(),
            work,
            schedule: Schedule::Closed,
            stop: Stop::default(),
            connections: CONNECTIONS,
            renew_after: None,
            think: Duration::ZERO,
            warm_up: Duration::ZERO,
            give_up: Some(GIVE_UP),
            seed: 1,
            precision: Precision::Precise,
            dial: None,
        }
    }

    /// Starts it on these workers: connects, and starts the clock.
    ///
    /// # Errors
    ///
    /// A name that is not found, a first connection that cannot be opened, a schedule that needs a length where there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends it.
    pub async fn start(self, workers: &Workers) -> Result<Running> {
        run::start(self, workers).await
    }
}

impl Work {
    /// Tells whether there are requests with their answers, so that a rate means something.
    pub(super) fn has_exchanges(&self) -> bool {
        matches!(self, Work::Exchange(_) | Work::Handler(_) | Work::Connect)
    }

    /// Tells whether bytes are all that is counted.
    pub(super) fn moves_bulk(&self) -> bool {
        matches!(self, Work::Send(_) | Work::Receive(_) | Work::Both(_))
    }

    /// Returns its name for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Work::Exchange(_) | Work::Handler(_) => "exchange",
            Work::Send(_) => "send",
            Work::Receive(_) => "receive",
            Work::Both(_) => "both",
            Work::Connect => "connect",
            Work::Idle => "idle",
        }
    }
}

/// A way of having exchanges that is not requests and answers: it asks the stopwatch for each, and tells it how each ended.
pub trait Play: Send + Sync + 'static {
    /// Has exchanges on a stream until the stopwatch has no more.
    fn play(&self, stopwatch: Arc<dyn Stopwatch>, session: Session, stream: Stream) -> Playing;
}

/// The future of a [`Play`].
pub type Playing = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Where streams come from instead of the network.
#[derive(Clone)]
pub struct Dial(Arc<dyn Fn() -> Stream + Send + Sync>);

impl Dial {
    /// Takes them from a function: one end of an in-memory pair, say.
    pub fn new(dial: impl Fn() -> Stream + Send + Sync + 'static) -> Dial {
        Dial(Arc::new(dial))
    }

    pub(super) fn stream(&self) -> Stream {
        (self.0)()
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dial")
    }
}

impl fmt::Debug for dyn Play {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Play")
    }
}

/// How exactly exchanges begin when they are to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// To some tens of microseconds, by the kernel's timers.
    #[default]
    Precise,
    /// To a millisecond, by the runtime's, which follow a paused clock.
    Coarse,
}
