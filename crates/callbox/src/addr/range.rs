//! A range of addresses, as written: `10.0.0.0/8`, `fd00::/8`, or one address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use crate::error::Invalid;

/// A range of addresses.
///
/// Valid: `127.0.0.0/8`, `10.1.2.3` (that one), `fd00::/8`, `::ffff:10.0.0.0/104` (which is `10.0.0.0/8`). Invalid:
/// `10.1.2.3/8` (it names one address and means a range), `10.0.0.0/33`, `example.com`, `fe80::1%eth0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range(IpNet);

/// Why an address and the length of a prefix are no range.
pub(crate) enum Misfit {
    /// The prefix is longer than the address.
    Longer,
    /// The address has bits beyond it; this is the range that has none.
    Bits(IpNet),
}

const ADVICE: &str = "write a range like 10.0.0.0/8, or one address";

impl Range {
    /// Reads a range; `what` is what it should have been, for the error.
    pub(crate) fn read(what: &'static str, text: &str, advice: &str) -> Result<Range, Invalid> {
        let invalid = |at, problem: &str| Invalid::new(what, text, problem).at(at).instead(advice);
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let ip: IpAddr = address.parse().map_err(|_| invalid(0, "no IP address"))?;
        let Some(prefix) = prefix else { return Ok(ip.into()) };
        let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
        let number = prefix.parse().ok().filter(|_| digits);
        let prefix = number.ok_or_else(|| invalid(address.len() + 1, "no length of a prefix"))?;
        Range::exact(ip, prefix).map_err(|misfit| match misfit {
            Misfit::Longer => invalid(address.len() + 1, "no length of a prefix"),
            Misfit::Bits(whole) => {
                let advice = format!("write {whole} for the range, {ip} for the one address");
                Invalid::new(what, text, "the address has bits beyond its prefix").at(0).instead(advice)
            }
        })
    }

    /// All that have the first `prefix` bits of `ip`, which has no others.
    pub(crate) fn exact(ip: IpAddr, prefix: u8) -> Result<Range, Misfit> {
        let range = IpNet::new(ip, prefix).map_err(|_| Misfit::Longer)?;
        if range.trunc() == range { Ok(Range(canonical(range))) } else { Err(Misfit::Bits(range.trunc())) }
    }

    /// All of them from `ip` on that have its first `prefix` bits; what is behind those is left out.
    ///
    /// # Panics
    ///
    /// On a prefix longer than the address.
    pub(crate) fn of(ip: IpAddr, prefix: u8) -> Range {
        Range(canonical(IpNet::new_assert(ip, prefix).trunc()))
    }

    /// Tells whether an address is in it: an IPv4 address in IPv6 clothes counts as what it is.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.contains(&ip.to_canonical())
    }

    /// Returns it for arithmetic.
    pub(crate) fn net(&self) -> IpNet {
        self.0
    }
}

impl From<IpAddr> for Range {
    /// Makes the range of that address alone.
    fn from(ip: IpAddr) -> Range {
        Range(canonical(ip.into()))
    }
}

impl FromStr for Range {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Range, Invalid> {
        Range::read("range of addresses", text, ADVICE)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
