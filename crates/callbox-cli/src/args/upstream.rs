//! How a relay gets to its upstreams.

use std::time::Duration;

use callbox::Addr;
use callbox::client::Retry;
use callbox::handle::relay::upstreams::{Balance, Resolve};
use callbox::net::connect::ConnectOptions;
use callbox::net::resolve::Family;
use callbox::proxy_header::Version;
use callbox::targets::{TargetRule, Targets};

use super::leads::Leads;
use super::socket::SocketArgs;
use super::through::ThroughArgs;
use super::values::{duration, optional};
use crate::exit::Failure;

/// Which upstream, and how it is connected to.
#[derive(Debug, Clone, clap::Args)]
pub struct UpstreamArgs {
    /// Which of several upstreams a session goes to: round-robin, least (the one with the fewest sessions) or first (the first that works)
    #[arg(long, value_name = "HOW", default_value = "round-robin", help_heading = "Upstream")]
    pub balance: Balance,
    /// When an upstream's name is looked up: once, at the start, or for each session
    #[arg(long, value_name = "WHEN", default_value = "each", help_heading = "Upstream")]
    pub resolve: Resolve,
    /// Tell the upstream who the client is, in a header before its bytes: the PROXY protocol, v1 or v2
    #[arg(long, value_name = "VERSION", help_heading = "Upstream")]
    pub send_proxy: Option<Version>,
    /// With socks5: and http-connect:, where clients may go, and nowhere else then: a host, *.example.com, 10.0.0.0/8 or *, each with :PORT or :PORT-PORT or without; repeatable [default: everywhere but link-local and metadata addresses, which have to be named]
    #[arg(long, value_name = "TARGET", value_parser = target, help_heading = "Upstream")]
    pub allow_target: Vec<TargetRule>,
    /// With socks5: and http-connect:, where clients may not go, whatever is allowed; written likewise, checked on every address that a name has; repeatable
    #[arg(long, value_name = "TARGET", value_parser = target, help_heading = "Upstream")]
    pub deny_target: Vec<TargetRule>,
    /// The limit for connecting to one upstream; 0 is no limit
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5s", help_heading = "Upstream")]
    pub connect_timeout: Duration,
    /// Go through the upstreams again this many times while none accepts; the client waits
    #[arg(long, value_name = "N", conflicts_with = "retry_for", help_heading = "Upstream")]
    pub retry: Option<u32>,
    /// Go through the upstreams again for this long while none accepts; the client waits
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Upstream")]
    pub retry_for: Option<Duration>,
    #[command(flatten)]
    pub through: ThroughArgs,
}

impl UpstreamArgs {
    /// Returns how to connect to `upstreams`.
    pub fn connect(&self, socket: &SocketArgs, family: Family, upstreams: &[Addr]) -> Result<ConnectOptions, Failure> {
        let direct = ConnectOptions {
            socket: socket.options(),
            timeout: optional(self.connect_timeout),
            source: None,
            family,
            ..ConnectOptions::default()
        };
        self.through.through(direct, upstreams)
    }

    /// Returns where clients may go who say it themselves.
    pub fn targets(&self) -> Targets {
        Targets::new(self.allow_target.clone(), self.deny_target.clone())
    }

    /// Refuses what means nothing for where a relay leads.
    ///
    /// # Errors
    ///
    /// Balancing where there are no servers to choose from, and rules for targets where there are.
    pub fn check(&self, leads: &[&Leads]) -> Result<(), Failure> {
        let asked = leads.iter().any(|leads| matches!(leads, Leads::Asked(_)));
        let servers = leads.iter().any(|leads| matches!(leads, Leads::Servers(_)));
        if asked && !servers && (self.balance != Balance::default() || self.resolve != Resolve::default()) {
            return Err(Failure::usage(
                "--balance and --resolve choose among upstreams, and here clients say where to",
            ));
        }
        let rules = self.allow_target.len() + self.deny_target.len();
        if !asked && rules > 0 {
            let failure = Failure::usage("--allow-target and --deny-target: no client says here where it wants to go");
            return Err(failure.hint("callbox relay LISTEN socks5: and callbox relay LISTEN http-connect: let them"));
        }
        Ok(())
    }

    /// Returns how often to try.
    pub fn retries(&self) -> Retry {
        retry_of(self.retry, self.retry_for)
    }
}

fn target(text: &str) -> Result<TargetRule, callbox::Invalid> {
    text.parse()
}

/// Reads `--retry` and `--retry-for`, of which there is one at most.
pub fn retry_of(times: Option<u32>, limit: Option<Duration>) -> Retry {
    match (times, limit) {
        (Some(times), _) => Retry::Times(times),
        (_, Some(limit)) => Retry::For(limit),
        _ => Retry::Never,
    }
}
