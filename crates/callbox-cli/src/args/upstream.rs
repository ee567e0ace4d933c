//! How a relay gets to its upstreams.

use std::time::Duration;

use callbox::client::Retry;
use callbox::handle::relay::upstreams::{Balance, Resolve};
use callbox::net::connect::ConnectOptions;
use callbox::net::resolve::Family;
use callbox::proxy_header::Version;

use super::socket::SocketArgs;
use super::values::{duration, optional};

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
    /// The limit for connecting to one upstream; 0 is no limit
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5s", help_heading = "Upstream")]
    pub connect_timeout: Duration,
    /// Go through the upstreams again this many times while none accepts; the client waits
    #[arg(long, value_name = "N", conflicts_with = "retry_for", help_heading = "Upstream")]
    pub retry: Option<u32>,
    /// Go through the upstreams again for this long while none accepts; the client waits
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Upstream")]
    pub retry_for: Option<Duration>,
}

impl UpstreamArgs {
    /// Returns how to connect.
    pub fn connect(&self, socket: &SocketArgs, family: Family) -> ConnectOptions {
        ConnectOptions {
            socket: socket.options(),
            timeout: optional(self.connect_timeout),
            source: None,
            family,
            ..ConnectOptions::default()
        }
    }

    /// Returns how often to try.
    pub fn retries(&self) -> Retry {
        retry_of(self.retry, self.retry_for)
    }
}

/// Reads `--retry` and `--retry-for`, of which there is one at most.
pub fn retry_of(times: Option<u32>, limit: Option<Duration>) -> Retry {
    match (times, limit) {
        (Some(times), _) => Retry::Times(times),
        (_, Some(limit)) => Retry::For(limit),
        _ => Retry::Never,
    }
}
