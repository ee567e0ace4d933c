//! Addresses as written by the user; resolving them into socket addresses is somebody else's business.
//!
//! | written | means |
//! |---|---|
//! | `host:port`, `tcp://host:port` | a name or an IPv4 address |
//! | `[v6]:port` | an IPv6 address, `%scope` included |
//! | `:port`, `port` | loopback, both families where present |
//! | `*:port` | every address of this machine, both families |
//! | `unix:/path` | a Unix domain socket; on Linux `unix:@name` is one without a file |
//! | `fd:N` | an inherited listener or stream |
//! | `tls://` before any of them | the same, and TLS is spoken there: an [`Endpoint`] |
//!
//! Invalid: `host` (no port), `::1:80` (needs brackets), `host:70000`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::Invalid;

mod endpoint;
mod parse;
pub(crate) mod range;

pub use endpoint::Endpoint;
pub use range::Range;

/// Where to dial or bind.
///
/// Closed: a new kind breaks whoever matches on it, on purpose, for each has to decide what it means there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Addr {
    /// TCP; port 0 lets the kernel choose where it is bound.
    Tcp {
        /// Which host, or which of this machine's addresses.
        host: Host,
        /// The port.
        port: u16,
    },
    /// A Unix domain socket. The path prints lossily where it is not UTF-8.
    Unix(PathBuf),
    /// A descriptor that this process inherited.
    Fd(u32),
    /// The other end of an in-memory pair; cannot be written by users.
    Memory,
}

/// The host part of a TCP address; closed by nature.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// This machine alone, by `127.0.0.1` and `::1` where present: `:port` or a bare `port`.
    Loopback,
    /// Every address of this machine, both families: `*:port`.
    Any,
    /// One address.
    Ip(IpAddr),
    /// To be resolved: a name, or an IPv6 address with its scope (`fe80::1%eth0`).
    Name(String),
}

impl Addr {
    /// The port where none need be named.
    pub const DEFAULT_PORT: u16 = 8848;

    /// Returns the address of commands that may leave theirs out, `127.0.0.1:8848`.
    pub fn default_address() -> Addr {
        Addr::Tcp { host: Host::Ip(Ipv4Addr::LOCALHOST.into()), port: Addr::DEFAULT_PORT }
    }

    /// Reads an address written in one word.
    ///
    /// # Errors
    ///
    /// What is no address, with the spelling that was probably meant.
    pub fn parse(text: &str) -> Result<Addr, Invalid> {
        parse::one_word(text)
    }

    /// Reads an address written in two words: `::1 8848`, `localhost 80`.
    ///
    /// # Errors
    ///
    /// As [`Addr::parse`]; also where the first word has a port already.
    pub fn from_words(host: &str, port: &str) -> Result<Addr, Invalid> {
        parse::two_words(host, port)
    }

    /// Tells whether only this machine reaches it: loopback addresses, `localhost`, Unix sockets.
    ///
    /// An inherited descriptor may be bound to anything, so it counts as reachable from elsewhere; so do other names.
    pub fn is_loopback(&self) -> bool {
        match self {
            Addr::Tcp { host: Host::Loopback, .. } | Addr::Unix(_) | Addr::Memory => true,
            // `::ffff:127.0.0.1` is loopback by another name.
            Addr::Tcp { host: Host::Ip(ip), .. } => ip.to_canonical().is_loopback(),
            Addr::Tcp { host: Host::Name(name), .. } => name.eq_ignore_ascii_case("localhost"),
            Addr::Tcp { host: Host::Any, .. } | Addr::Fd(_) => false,
        }
    }

    /// Returns the same as a socket address, where it is one: numbers, and no name to look up.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Addr::Tcp { host: Host::Ip(ip), port } => Some(SocketAddr::new(*ip, *port)),
            _ => None,
        }
    }
}

impl From<SocketAddr> for Addr {
    fn from(addr: SocketAddr) -> Addr {
        let host = match addr {
            // Without its scope, a link-local address names no interface.
            SocketAddr::V6(v6) if v6.scope_id() != 0 => Host::Name(format!("{}%{}", v6.ip(), v6.scope_id())),
            _ => Host::Ip(addr.ip()),
        };
        Addr::Tcp { host, port: addr.port() }
    }
}

impl From<&Addr> for Addr {
    fn from(addr: &Addr) -> Addr {
        addr.clone()
    }
}

impl TryFrom<&str> for Addr {
    type Error = Invalid;

    fn try_from(text: &str) -> Result<Addr, Invalid> {
        Addr::parse(text)
    }
}

impl TryFrom<String> for Addr {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Addr, Invalid> {
        Addr::parse(&text)
    }
}

impl FromStr for Addr {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Addr, Invalid> {
        Addr::parse(text)
    }
}

impl fmt::Display for Addr {
    /// Prints the canonical spelling, which reads back as the same address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Addr::Unix(path) => write!(f, "unix:{}", path.display()),
            Addr::Fd(number) => write!(f, "fd:{number}"),
            Addr::Memory => f.write_str("memory"),
            Addr::Tcp { host, port } => match host {
                Host::Loopback => write!(f, ":{port}"),
                Host::Any => write!(f, "*:{port}"),
                Host::Ip(ip) => SocketAddr::new(*ip, *port).fmt(f),
                Host::Name(name) if name.contains(':') => write!(f, "[{name}]:{port}"),
                // Hosts of these names would read back as another kind of address.
                Host::Name(name) if name == "unix" || name == "fd" => write!(f, "tcp://{name}:{port}"),
                Host::Name(name) => write!(f, "{name}:{port}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tcp(host: Host) -> impl Strategy<Value = Addr> {
        any::<u16>().prop_map(move |port| Addr::Tcp { host: host.clone(), port })
    }

    fn addresses() -> impl Strategy<Value = Addr> {
        let host = prop_oneof![
            Just(Host::Loopback),
            Just(Host::Any),
            any::<IpAddr>().prop_map(Host::Ip),
            "[a-z_][a-z0-9.-]{0,20}".prop_map(Host::Name),
            "fe80::[1-9a-f]%[a-z]{1,4}[0-9]?".prop_map(Host::Name),
            prop::sample::select(vec!["unix", "fd", "tls", "tcp", "localhost"])
                .prop_map(|name| Host::Name(name.into())),
        ];
        prop_oneof![
            5 => host.prop_flat_map(tcp),
            1 => "[^\0]{1,20}".prop_map(|path| Addr::Unix(path.into())),
            1 => (0..=i32::MAX as u32).prop_map(Addr::Fd),
        ]
    }

    proptest! {
        #[test]
        fn a_printed_address_reads_back(addr in addresses()) {
            prop_assert_eq!(Addr::parse(&addr.to_string()), Ok(addr));
        }

        #[test]
        fn what_is_read_prints_and_reads_back(text in r"[\]\[:*%./a-z0-9-]{0,20}|.{0,10}") {
            if let Ok(addr) = Addr::parse(&text) {
                prop_assert_eq!(Addr::parse(&addr.to_string()), Ok(addr));
            }
        }
    }

    #[test]
    fn socket_addresses_keep_their_scope() {
        let scoped = std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 80, 0, 3);
        assert_eq!(Addr::from(SocketAddr::V6(scoped)).to_string(), "[fe80::1%3]:80");
        assert_eq!(Addr::from(SocketAddr::from(([127, 0, 0, 1], 8848))), Addr::default_address());
    }

    #[test]
    fn loopback_means_this_machine_alone() {
        for text in
            [":80", "127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "LocalHost:80", "unix:/s"]
        {
            assert!(Addr::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in ["*:80", "0.0.0.0:80", "[::]:80", "10.0.0.1:80", "localhost.example.com:80", "fd:3"] {
            assert!(!Addr::parse(text).unwrap().is_loopback(), "{text}");
        }
    }
}
