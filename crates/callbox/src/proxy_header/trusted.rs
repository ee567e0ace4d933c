//! From whom a header is believed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use super::addresses::ip;
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
    Range(IpNet),
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
        let range = |ip: IpAddr, prefix| Source::Range(IpNet::new_assert(ip, prefix));
        let sources =
            [range(Ipv4Addr::new(127, 0, 0, 0).into(), 8), range(Ipv6Addr::LOCALHOST.into(), 128), Source::Unix];
        TrustedProxies::new(sources.map(TrustedSource))
    }
}

impl TrustedSource {
    fn has(&self, peer: &Addr) -> bool {
        match (self.0, peer) {
            (Source::Range(range), Addr::Tcp { host, .. }) => {
                ip(host).is_some_and(|ip| range.contains(&ip.to_canonical()))
            }
            // A peer without an IP address at an inherited listener has come by a Unix socket.
            (Source::Unix, Addr::Unix(_) | Addr::Fd(_)) => true,
            _ => false,
        }
    }
}

impl FromStr for TrustedSource {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<TrustedSource, Invalid> {
        let invalid = |at, problem: &str| Invalid::new("proxy", text, problem).at(at).instead(ADVICE);
        if text == "unix" {
            return Ok(TrustedSource(Source::Unix));
        }
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let ip: IpAddr = address.parse().map_err(|_| invalid(0, "no IP address"))?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(prefix) => {
                let number = prefix.parse().ok().filter(|number| *number <= most);
                let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
                number.filter(|_| digits).ok_or_else(|| invalid(address.len() + 1, "no length of a prefix"))?
            }
        };
        let range = IpNet::new_assert(ip, prefix);
        if range.trunc() != range {
            let advice = format!("write {} for the range, {ip} for the one address", range.trunc());
            return Err(Invalid::new("proxy", text, "the address has bits beyond its prefix").at(0).instead(advice));
        }
        Ok(TrustedSource(Source::Range(canonical(range))))
    }
}

/// Returns a range of IPv4 addresses in IPv6 clothes as what it is.
fn canonical(range: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    match range {
        IpNet::V6(v6) if v6.prefix_len() >= MAPPED => match v6.addr().to_ipv4_mapped() {
            Some(v4) => IpNet::V4(Ipv4Net::new_assert(v4, v6.prefix_len() - MAPPED)),
            None => range,
        },
        _ => range,
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
