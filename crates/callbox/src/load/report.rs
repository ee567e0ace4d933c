//! What a load run found, as plain data.

use std::sync::Arc;
use std::time::Duration;

use super::distribution::Distribution;
use crate::addr::Addr;
use crate::report::tls::TlsFacts;

/// What a run found. All counts are of what began within the measured time, warm-up apart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// The address that was put load on, as written.
    pub address: String,
    /// What was done: `exchange`, `send`, `receive`, `both`, `connect` or `idle`.
    pub mode: &'static str,
    /// How the schedule is called: `closed`, `constant`, `poisson`, `ramp` or `steps`.
    pub schedule: &'static str,
    /// How many exchanges a second were asked for, where a rate was: of a ramp or steps the mean of the measured time.
    pub rate_asked: Option<f64>,
    /// How many connections were asked for.
    pub connections: u64,
    /// From what all that is random was drawn.
    pub seed: u64,
    /// The measured time, warm-up apart.
    pub duration: Duration,
    /// The time before that whose exchanges are not counted.
    pub warm_up: Duration,

    /// Exchanges that were begun. In mode `connect` each connection is one.
    pub requests: u64,
    /// Those of them that were answered, and as they should be.
    pub answered: u64,
    /// Those whose answer was not what was to be verified.
    pub wrong: u64,
    /// Those of the wrong ones whose answer belonged to another exchange.
    pub mixed_up: u64,
    /// Those that no answer came to: the connection ended, the answer timeout passed, or the run was over.
    pub lost: u64,
    /// Exchanges that the schedule wanted and that were never begun: no connection was free until the end.
    pub missed: u64,
    /// What went wrong, by kind, the most frequent first.
    pub errors: Vec<ErrorCount>,
    /// Bytes that came where no answer was due, or behind its end.
    pub unasked_bytes: u64,

    /// Payload bytes sent within the measured time.
    pub to_server_bytes: u64,
    /// Payload bytes received within the measured time.
    pub to_client_bytes: u64,

    /// From the intended start of an exchange to the end of its answer. Without a rate that is the service time.
    pub response: Distribution,
    /// From the send to the end of the answer. In mode `connect` it is the time to the connection.
    pub service: Distribution,
    /// From the intended start to the send where a connection was free: how late the generator itself was. Empty without a rate.
    pub lateness: Distribution,
    /// The phases of opening connections.
    pub phases: PhaseTimes,

    /// Connections that were opened, warm-up included.
    pub opened: u64,
    /// The most that were open at once.
    pub most_open: u64,
    /// The most memory of this process that was resident, in bytes, as far as the system tells.
    pub resident_bytes: Option<u64>,
    /// Processor time that this process used within the measured time.
    pub processor_time: Duration,

    /// What kept the generator, not the server, from more.
    pub limits: Vec<Limit>,
    /// The run in slices of time.
    pub series: Series,
    /// Why it ended.
    pub ending: Ending,
}

/// How often something went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCount {
    /// The kind, by the names of the contract: `refused`, `reset`, `ended`, `timed_out`, `no_ports`, `no_descriptors`, ...
    pub kind: &'static str,
    /// How often.
    pub count: u64,
    /// The first of them in words.
    pub example: String,
}

/// How long the phases of opening a connection took; those that were not gone through are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhaseTimes {
    /// From the SYN to the connection.
    pub connect: Distribution,
    /// Through proxies.
    pub proxy: Distribution,
    /// TLS's handshake.
    pub tls: Distribution,
    /// From the first send on a connection to the first byte that came back.
    pub first_byte: Distribution,
}

/// What limited the generator; open to additions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Limit {
    /// All its threads were busy nearly all the time.
    Processor,
    /// No local port was left for a connection.
    Ports,
    /// No descriptor was left for a connection.
    Descriptors,
    /// Every connection was waiting for an answer when the next exchange was due: more connections would have been needed, or a
    /// faster server.
    Connections,
}

/// The run in slices of equal length; bounded, so that a long run has longer ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// How long each is; the last may be shorter.
    pub slice: Duration,
    /// In order, from the begin of the measured time.
    pub slices: Vec<Slice>,
}

/// One slice of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slice {
    /// Answers that came in it.
    pub answered: u64,
    /// Exchanges that went wrong in it: wrong answers, lost ones, connections that could not be opened.
    pub failed: u64,
    /// Bytes sent in it.
    pub to_server_bytes: u64,
    /// Bytes received in it.
    pub to_client_bytes: u64,
    /// Connections open at its end.
    pub open: u64,
    /// The response times of those answers, to two significant digits.
    pub response: Distribution,
}

/// Why a run ended; open to additions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Ending {
    /// It has not yet.
    #[default]
    Running,
    /// Its time was over.
    Duration,
    /// Its number of exchanges was reached.
    Count,
    /// Somebody stopped it.
    Stopped,
    /// No connection was left and none could be opened any more.
    ServerGone,
    /// Not one connection could ever be opened.
    NeverConnected,
}

impl Report {
    /// Returns how many exchanges a second were answered.
    pub fn rate_reached(&self) -> f64 {
        per_second(self.answered, self.duration)
    }

    /// Returns bytes a second, sent and received.
    pub fn throughput(&self) -> (f64, f64) {
        (per_second(self.to_server_bytes, self.duration), per_second(self.to_client_bytes, self.duration))
    }

    /// Tells whether the rate that was asked for was out of reach: more than one exchange in a hundred that the schedule wanted
    /// was never begun.
    pub fn is_saturated(&self) -> bool {
        self.rate_asked.is_some() && self.missed.saturating_mul(100) > self.requests.saturating_add(self.missed)
    }

    /// Tells whether exchanges were begun and no answer came to any, right or wrong.
    pub fn is_unanswered(&self) -> bool {
        self.requests > 0 && self.answered == 0 && self.wrong == 0
    }

    /// Returns how often anything went wrong, of all kinds.
    pub fn errors_total(&self) -> u64 {
        self.errors.iter().fold(0, |sum, error| sum.saturating_add(error.count))
    }
}

impl Limit {
    /// Returns its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Processor => "processor",
            Limit::Ports => "ports",
            Limit::Descriptors => "descriptors",
            Limit::Connections => "connections",
        }
    }
}

impl Ending {
    /// Returns its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Ending::Running => "running",
            Ending::Duration => "duration",
            Ending::Count => "count",
            Ending::Stopped => "stopped",
            Ending::ServerGone => "server_gone",
            Ending::NeverConnected => "never_connected",
        }
    }
}

/// Whom a connection of a run leads to.
#[derive(Debug, Clone)]
pub struct Whom {
    /// The address that answered, of those that the name has.
    pub peer: Addr,
    /// The proxies that it was reached through, in one line.
    pub through: Option<String>,
    /// What was agreed on, where TLS is spoken.
    pub tls: Option<Arc<TlsFacts>>,
}

/// What a run has found so far, for a screen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Since the begin, warm-up included.
    pub elapsed: Duration,
    /// How long it is still to run, where that is known.
    pub remaining: Option<Duration>,
    /// Exchanges are not counted yet.
    pub is_warming_up: bool,
    /// Connections that are open.
    pub open: u64,
    /// Exchanges that wait for their answer.
    pub waiting: u64,
    /// Exchanges that the schedule wants by now and that no connection was free for.
    pub behind: u64,
    /// What was found until now.
    pub report: Report,
}

fn per_second(count: u64, duration: Duration) -> f64 {
    if duration.is_zero() { 0.0 } else { count as f64 / duration.as_secs_f64() }
}
