//! From whom a header is believed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::access::{Range, ip};
use crate::addr::Addr;
use crate::error::Invalid;

/// The proxies whose headers are believed: whoever could send one could call itself anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies(Vec<TrustedSource>);

/// Some proxies: a range of addresses, or whoever connects by a Unix socket.
///
/// Valid: `127.0.0.0/8`, `10.1.2.3` (that one), `fd00::/8`, `unix`. Invalid: `10.1.2.3/8` (it names one address and
/// means a range), `10.0.0.0/33`, `proxy.example.com`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedSource(Source);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Range(Range),
    Unix,
}

const ADVICE: &str = "write a range like 10.0.0.0/8, one address, or unix";

impl TrustedProxies {
    /// Believes these and nobody else.
    pub fn new(sources: impl IntoIterator<Item = TrustedSource>) -> TrustedProxies {
        TrustedProxies(sources.into_iter().collect())
    }

    /// Tells whether a connection from `peer`, the address of the socket, comes from one of them.
    pub fn trusts(&self, peer: &Addr) -> bool {
        self.0.iter().any(|source| source.has(peer))
    }
}

impl Default for TrustedProxies {
    /// This machine alone: loopback addresses and Unix sockets.
    fn default() -> TrustedProxies {
        let range = |ip: IpAddr, prefix| Source::Range(Range::of(ip, prefix));
        let sources =
            [range(Ipv4Addr::new(127, 0, 0, 0).into(), 8), range(Ipv6Addr::LOCALHOST.into(), 128), Source::Unix];
        TrustedProxies::new(sources.map(TrustedSource))
    }
}

impl TrustedSource {
    fn has(&self, peer: &Addr) -> bool {
        match (self.0, peer) {
            (Source::Range(range), Addr::Tcp { .. }) => ip(peer).is_some_and(|ip| range.contains(ip)),
            // A peer without an IP address at an inherited listener has come by a Unix socket.
            (Source::Unix, Addr::Unix(_) | Addr::Fd(_)) => true,
            _ => false,
        }
    }
}

impl FromStr for TrustedSource {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<TrustedSource, Invalid> {
        if text == "unix" {
            return Ok(TrustedSource(Source::Unix));
        }
        Range::read("proxy", text, ADVICE).map(|range| TrustedSource(Source::Range(range)))
    }
}

impl fmt::Display for TrustedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Source::Range(range) => range.fmt(f),
            Source::Unix => f.write_str("unix"),
        }
    }
}
