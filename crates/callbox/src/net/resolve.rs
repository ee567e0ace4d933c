//! From a name to addresses, with a limit on everything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::error::{Error, Kind, Result};

/// How long one lookup may take: the resolver's own default is two tries of five seconds.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// How many addresses of one name are used: more than any honest name has.
pub const MAX_ADDRESSES: usize = 64;
/// Lookups at once: each holds a thread for as long as the resolver hangs.
const PARALLEL_LOOKUPS: usize = 32;

static LOOKUPS: Semaphore = Semaphore::const_new(PARALLEL_LOOKUPS);

/// Which addresses are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    /// Both, in the resolver's order.
    #[default]
    Any,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

impl Family {
    /// Tells whether an address is wanted.
    pub fn admits(self, addr: &SocketAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => addr.is_ipv4(),
            Family::V6 => addr.is_ipv6(),
        }
    }

    /// Says that there is no such address.
    pub(crate) fn lack(self) -> &'static str {
        match self {
            Family::Any => "the name has no address",
            Family::V4 => "no IPv4 address",
            Family::V6 => "no IPv6 address",
        }
    }
}

/// Looks a name up; numbers and `localhost` are answered without asking anybody.
///
/// # Errors
///
/// [`Kind::NotFound`] when there is no address of the wanted family, [`Kind::TimedOut`] when the resolver hangs.
///
/// # Cancel safety
///
/// Dropping the future abandons the lookup; its thread goes on until the resolver gives up.
pub async fn resolve(name: &str, port: u16, family: Family) -> Result<Vec<SocketAddr>> {
    let found = match name.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) if name.eq_ignore_ascii_case("localhost") => {
            vec![SocketAddr::from((Ipv6Addr::LOCALHOST, port)), SocketAddr::from((Ipv4Addr::LOCALHOST, port))]
        }
        Err(_) => lookup(name, port).await?,
    };
    let mut addrs: Vec<SocketAddr> = Vec::new();
    for addr in found {
        if family.admits(&addr) && !addrs.contains(&addr) && addrs.len() < MAX_ADDRESSES {
            addrs.push(addr);
        }
    }
    if addrs.is_empty() {
        return Err(Error::new("resolve", Kind::NotFound, family.lack()).at(name));
    }
    Ok(addrs)
}

async fn lookup(name: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let answer = async {
        let _permit = LOOKUPS.acquire().await.expect("never closed");
        tokio::net::lookup_host((name, port)).await.map(|addrs| addrs.take(4 * MAX_ADDRESSES).collect())
    };
    match tokio::time::timeout(LOOKUP_TIMEOUT, answer).await {
        Ok(Ok(addrs)) => Ok(addrs),
        Ok(Err(error)) => {
            let text = error.to_string();
            let reason = text.rsplit(": ").next().unwrap_or(&text).to_lowercase();
            Err(Error::new("resolve", Kind::NotFound, reason).at(name))
        }
        Err(_) => {
            let message = format!("no answer from the resolver within {} s", LOOKUP_TIMEOUT.as_secs());
            Err(Error::new("resolve", Kind::TimedOut, message).at(name))
        }
    }
}

/// Orders addresses so that the families alternate, beginning with that of the first (RFC 8305, section 4).
pub fn alternate(addrs: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addrs.first().map(SocketAddr::is_ipv6) else {
        return addrs;
    };
    let total = addrs.len();
    let (same, other): (Vec<_>, Vec<_>) = addrs.into_iter().partition(|addr| addr.is_ipv6() == first);
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    let mut ordered = Vec::with_capacity(total);
    while ordered.len() < total {
        ordered.extend(same.next());
        ordered.extend(other.next());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_and_each_keeps_its_order() {
        let addr = |text: &str| text.parse::<SocketAddr>().expect("good");
        let ordered = alternate(vec![addr("[::1]:1"), addr("[::2]:1"), addr("[::3]:1"), addr("1.1.1.1:1")]);
        assert_eq!(ordered, [addr("[::1]:1"), addr("1.1.1.1:1"), addr("[::2]:1"), addr("[::3]:1")]);
    }

    #[tokio::test]
    async fn localhost_needs_no_resolver_and_families_are_filtered() {
        let addrs = resolve("localhost", 80, Family::V6).await.expect("is known");
        assert_eq!(addrs, [SocketAddr::from((Ipv6Addr::LOCALHOST, 80))]);
        let error = resolve("127.0.0.1", 80, Family::V6).await.expect_err("is IPv4");
        assert_eq!(error.kind(), Kind::NotFound);
    }
}
