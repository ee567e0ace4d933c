//! What every server is told, whatever it does with its clients.

use std::path::PathBuf;
use std::time::Duration;

use callbox::Addr;
use callbox::frame::Framing;
use callbox::net::closing::Closing;
use callbox::net::resolve::Family;
use callbox::net::socket::Options;
use callbox::pipe::plan::{Faults, Plan};
use callbox::pipe::rate::SessionRate;
use callbox::server::{Server, ServerOptions, WhenFull};
use callbox::workers::Workers;

use super::access::AccessArgs;
use super::bound::BoundArgs;
use super::proxy::ProxyArgs;
use super::socket::SocketArgs;
use super::values::{bytes_rate, duration, events_rate, optional};

/// Connections open at once from one address, where other machines can connect.
const MAX_PER_IP_EXPOSED: usize = 256;

/// Limits, and how it is known that it listens.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// Serve one session, then exit
    #[arg(long, conflicts_with = "sessions", help_heading = "Limits")]
    pub once: bool,
    /// Serve this many sessions, then exit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Limits")]
    pub sessions: Option<u64>,
    /// Connections the kernel may queue before they are accepted
    #[arg(long, value_name = "N", default_value_t = callbox::server::BACKLOG, help_heading = "Limits")]
    pub backlog: u32,
    /// Connections open at once [default: from the descriptor limit; 64 with --exec]
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Limits")]
    pub max_connections: Option<usize>,
    /// Connections open at once from one address [default: no limit on loopback or with --accept-proxy, 256 elsewhere]
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Limits")]
    pub max_per_ip: Option<usize>,
    /// Connections taken a second, as 100/s, with as many at once as one second brings
    #[arg(long, value_name = "RATE", value_parser = events_rate, help_heading = "Limits")]
    pub accept_rate: Option<f64>,
    /// Bytes a second in each direction of each session, as 1MB/s or 10Mbit/s
    #[arg(long, value_name = "RATE", value_parser = bytes_rate, help_heading = "Limits")]
    pub session_rate: Option<u64>,
    /// What happens to connections beyond --max-connections or --accept-rate
    #[arg(long, value_name = "WHAT", value_enum, default_value_t, help_heading = "Limits")]
    pub when_full: WhenFullArg,
    /// End a session when no byte went either way for this long; 0 is never [default: 10m; relay: 1h]
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Limits")]
    pub idle_timeout: Option<Duration>,
    /// Abort a session whose peer takes nothing for this long; 0 is never
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s", help_heading = "Limits")]
    pub write_stall_timeout: Duration,
    /// At the end, how long to wait for open sessions; 0 ends them at once
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10s", help_heading = "Limits")]
    pub drain: Duration,
    #[command(flatten)]
    pub access: AccessArgs,
    #[command(flatten)]
    pub bound: BoundArgs,
    #[command(flatten)]
    pub proxy: ProxyArgs,
    /// Write the bound addresses to this file once they are bound, one a line
    #[arg(long, value_name = "PATH", help_heading = "Listening")]
    pub ready_file: Option<PathBuf>,
}

/// What happens to connections beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum WhenFullArg {
    /// They wait in the kernel's queue
    #[default]
    Wait,
    /// They are reset at once
    Refuse,
}

impl ServerArgs {
    /// Returns the options as the library takes them.
    pub fn options(&self, addr: &Addr, socket: &SocketArgs, family: Family, workers: Workers) -> ServerOptions {
        // Of a few trusted proxies each brings many clients.
        let strangers = !addr.is_loopback() && !self.proxy.accept_proxy;
        let defaults = ServerOptions::default();
        ServerOptions {
            socket: Options { unix_mode: self.bound.unix_mode, ..socket.options() },
            family,
            backlog: self.backlog,
            max_connections: self.max_connections,
            when_full: match self.when_full {
                WhenFullArg::Wait => WhenFull::Wait,
                WhenFullArg::Refuse => WhenFull::Refuse,
            },
            max_per_ip: self.max_per_ip.or(strangers.then_some(MAX_PER_IP_EXPOSED)),
            accept_rate: self.accept_rate,
            accept_proxy: self.proxy.accept(),
            sessions: if self.once { Some(1) } else { self.sessions },
            idle_timeout: self.idle_timeout.map_or(defaults.idle_timeout, optional),
            write_stall_timeout: optional(self.write_stall_timeout),
            drain: self.drain,
            workers: Some(workers),
            closing: Closing { abrupt: socket.zero_linger, ..Closing::default() },
            ..defaults
        }
    }
}

impl ServerArgs {
    /// Takes the limit for strangers away where only this machine reaches what was passed: that is known once it is bound.
    pub fn known(&self, server: Server) -> Server {
        let strangers = server.local_addrs().iter().any(|addr| !addr.is_loopback());
        if strangers || self.max_per_ip.is_some() { server } else { server.with_max_per_ip(None) }
    }

    /// Adds the rate of each session to the faults on its way, or makes it the only thing there.
    pub fn with_rate(&self, faults: Option<Faults>, framing: &Framing) -> Option<Faults> {
        let rate = self.session_rate.map(SessionRate::new);
        if rate.is_none() {
            return faults;
        }
        let nothing = || Faults::new(Plan { seed: 0, framing: framing.clone(), faults: Vec::new(), rate: None });
        let faults = faults.unwrap_or_else(nothing);
        faults.change(|plan| plan.rate = rate);
        Some(faults)
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("{text:?} is no number above 0")),
        Ok(number) => Ok(number),
    }
}
