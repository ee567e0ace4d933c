//! One rule for targets, as written.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;

use super::spelling;
use crate::addr::range::Misfit;
use crate::addr::{Host, Range};
use crate::error::Invalid;

/// Some targets: a host, all names with an ending, or a range of addresses, each at every port or at some.
///
/// Valid: `db.example.com`, `*.example.com` (not `example.com` itself), `10.0.0.0/8`, `10.1.2.3`, `fd00::/8`, `*`; with ports
/// `db.example.com:5432`, `10.0.0.0/8:80-90`, `[fd00::/8]:443`, `*:25`. Invalid: `10.1.2.3/8` (it names one address and means
/// a range), `host:0`, `host:90-80`, `ex*mple.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRule {
    host: Which,
    ports: RangeInclusive<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    Any,
    /// In lower case, without the dot of the root.
    Name(String),
    /// The same, with the dot in front.
    Ending(String),
    Range(Range),
}

const ADVICE: &str = "write a host, *.example.com, 10.0.0.0/8 or *, and :PORT or :PORT-PORT behind it";

impl TargetRule {
    /// Tells whether it is about this name.
    pub(super) fn matches_name(&self, name: &str, port: u16) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        self.ports.contains(&port)
            && match &self.host {
                Which::Any => true,
                Which::Name(own) => own.eq_ignore_ascii_case(name),
                // Names are ASCII here, so every cut is between characters.
                Which::Ending(ending) => name
                    .len()
                    .checked_sub(ending.len())
                    .filter(|at| *at > 0)
                    .and_then(|at| name.get(at..))
                    .is_some_and(|tail| tail.eq_ignore_ascii_case(ending)),
                Which::Range(_) => false,
            }
    }

    /// Tells whether it is about this address.
    pub(super) fn matches_ip(&self, ip: IpAddr, port: u16) -> bool {
        self.ports.contains(&port)
            && match &self.host {
                Which::Any => true,
                // By its own family: what is spelled otherwise is asked for by itself.
                Which::Range(range) => range.net().contains(&ip),
                Which::Name(_) | Which::Ending(_) => false,
            }
    }

    /// Tells whether some address at this port could be meant.
    pub(super) fn may_match_some_address(&self, port: u16) -> bool {
        self.ports.contains(&port) && matches!(self.host, Which::Any | Which::Range(_))
    }

    /// Tells whether all that it is about is in `range`.
    pub(super) fn is_within(&self, range: &IpNet) -> bool {
        matches!(&self.host, Which::Range(own) if range.contains(&own.net()))
    }
}

impl FromStr for TargetRule {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<TargetRule, Invalid> {
        let invalid = |at: usize, problem: &str| Invalid::new("target", text, problem).at(at).instead(ADVICE);
        let (host, ports) = if let Some(rest) = text.strip_prefix('[') {
            let (host, behind) = rest.split_once(']').ok_or_else(|| invalid(0, "the bracket is not closed"))?;
            match behind.strip_prefix(':') {
                Some(ports) => (host, Some(ports)),
                None if behind.is_empty() => (host, None),
                None => return Err(invalid(text.len() - behind.len(), "not a port")),
            }
        } else {
            match text.split_once(':') {
                // More than one colon: IPv6 without a port.
                Some((_, rest)) if rest.contains(':') => (text, None),
                Some((host, ports)) => (host, Some(ports)),
                None => (text, None),
            }
        };
        let ports = match ports {
            None => 0..=u16::MAX,
            Some(ports) => read_ports(ports).ok_or_else(|| invalid(text.len() - ports.len(), "not a port"))?,
        };
        Ok(TargetRule { host: read_host(text, host)?, ports })
    }
}

fn read_ports(text: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|port| digits && *port > 0)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some(first..=last)
}

fn read_host(text: &str, host: &str) -> Result<Which, Invalid> {
    let at = text.find(host).unwrap_or(0);
    let invalid = |problem: &str| Invalid::new("target", text, problem).at(at).instead(ADVICE);
    if host == "*" {
        return Ok(Which::Any);
    }
    if let Some((address, prefix)) = host.split_once('/') {
        let ip: IpAddr = address.parse().map_err(|_| invalid("no IP address before the slash"))?;
        let prefix = prefix.parse().map_err(|_| invalid("no length behind the slash"))?;
        return Range::exact(ip, prefix).map(Which::Range).map_err(|misfit| match misfit {
            Misfit::Longer => invalid("no such length of a prefix"),
            Misfit::Bits(whole) => {
                let advice = format!("write {whole} for the range, {ip} for the address");
                Invalid { instead: Some(advice), ..invalid("it names one address and means a range") }
            }
        });
    }
    let name = |text: &str| match spelling::host(text) {
        Some(Host::Name(name)) if !name.contains(':') => {
            Ok(name.strip_suffix('.').unwrap_or(&name).to_ascii_lowercase())
        }
        _ => Err(invalid("no name of a host")),
    };
    if let Some(ending) = host.strip_prefix("*.") {
        return Ok(Which::Ending(format!(".{}", name(ending)?)));
    }
    match spelling::host(host) {
        Some(Host::Ip(ip)) => Ok(Which::Range(ip.into())),
        _ => name(host).map(Which::Name),
    }
}

impl fmt::Display for TargetRule {
    /// Prints it as it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_everywhere = self.ports == (0..=u16::MAX);
        let is_one = |range: &IpNet| range.prefix_len() == range.max_prefix_len();
        match &self.host {
            Which::Any => f.write_str("*")?,
            Which::Name(name) => f.write_str(name)?,
            Which::Ending(ending) => write!(f, "*{ending}")?,
            Which::Range(range) => {
                let range = &range.net();
                let text = if is_one(range) { range.addr().to_string() } else { range.to_string() };
                let bracketed = range.addr().is_ipv6() && !is_everywhere;
                if bracketed { write!(f, "[{text}]")? } else { f.write_str(&text)? }
            }
        }
        match (self.ports.start(), self.ports.end()) {
            _ if is_everywhere => Ok(()),
            (first, last) if first == last => write!(f, ":{first}"),
            (first, last) => write!(f, ":{first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_prints_as_it_is_read() {
        for (text, printed) in [
            ("db.example.com", "db.example.com"),
            ("DB.example.com.:5432", "db.example.com:5432"),
            ("*.Example.com", "*.example.com"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.0/8:80-90", "10.0.0.0/8:80-90"),
            ("10.1.2.3/32", "10.1.2.3"),
            ("0x7f.1:80", "127.0.0.1:80"),
            ("fd00::/8", "fd00::/8"),
            ("[fd00::/8]:443", "[fd00::/8]:443"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("[::1]:80-80", "[::1]:80"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("*", "*"),
            ("*:25", "*:25"),
        ] {
            let rule: TargetRule = text.parse().expect(text);
            assert_eq!(rule.to_string(), printed, "{text}");
            assert_eq!(printed.parse(), Ok(rule), "{printed}");
        }
    }

    #[test]
    fn what_is_no_rule_says_what_to_write() {
        for (text, said) in [
            ("10.1.2.3/8", "write 10.0.0.0/8 for the range"),
            ("10.0.0.0/33", "no such length"),
            ("host:0", "not a port at byte 5"),
            ("host:90-80", "not a port"),
            ("host:+80", "not a port"),
            ("host:", "not a port"),
            ("ex*mple.com", "no name"),
            ("*.", "no name"),
            ("*.10.0.0.1", "no name"),
            ("", "no name"),
            ("[::1", "not closed"),
            ("[::1]80", "not a port"),
            ("1.2.3.4.5", "no name"),
            ("a b", "no name"),
        ] {
            let invalid = text.parse::<TargetRule>().expect_err(text).to_string();
            assert!(invalid.contains(said), "{invalid}");
        }
    }

    #[test]
    fn the_unspecified_address_of_a_rule_is_as_wide_as_written() {
        let all: TargetRule = "::/0".parse().expect("good");
        assert!(all.matches_ip("::1".parse().expect("good"), 1));
        assert!(!all.matches_ip("127.0.0.1".parse().expect("good"), 1), "a range is of one family");
    }
}
