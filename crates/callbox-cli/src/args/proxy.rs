//! Proxies before a server, alike on all commands that accept.

use callbox::proxy_header::{TrustedProxies, TrustedSource};
use callbox::server::AcceptProxy;

/// Whether a header of the PROXY protocol comes first, and from whom.
#[derive(Debug, Clone, clap::Args)]
pub struct ProxyArgs {
    /// Take connections from proxies alone, which name the client first (PROXY protocol v1 or v2); reset those without a header
    #[arg(long, help_heading = "Listening")]
    pub accept_proxy: bool,
    /// Proxies to believe: a range like 10.0.0.0/8, one address, or unix for Unix sockets; repeatable [default: loopback and unix]
    #[arg(
        long,
        value_name = "CIDR",
        value_parser = source,
        requires = "accept_proxy",
        help_heading = "Listening"
    )]
    pub proxy_from: Vec<TrustedSource>,
}

impl ProxyArgs {
    /// Returns what was asked for, as the library takes it.
    pub fn accept(&self) -> Option<AcceptProxy> {
        let from = match self.proxy_from.as_slice() {
            [] => TrustedProxies::default(),
            sources => TrustedProxies::new(sources.iter().copied()),
        };
        self.accept_proxy.then(|| AcceptProxy { from, ..AcceptProxy::default() })
    }
}

fn source(text: &str) -> Result<TrustedSource, callbox::Invalid> {
    text.parse()
}
