//! From where to where, as a header has it.

use std::ffi::OsStr;
use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::addr::{Addr, Host};

/// From where to where a client has connected; closed by nature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addresses {
    /// Not told: `UNKNOWN`, or `AF_UNSPEC` in version 2. The connection's own are what there is.
    Unknown,
    /// IPv4.
    V4 {
        /// TCP or UDP.
        transport: Transport,
        /// The client's.
        source: SocketAddrV4,
        /// Where it has connected to.
        destination: SocketAddrV4,
    },
    /// IPv6, of which flow and scope are not told.
    V6 {
        /// TCP or UDP.
        transport: Transport,
        /// The client's.
        source: SocketAddrV6,
        /// Where it has connected to.
        destination: SocketAddrV6,
    },
    /// Unix sockets; in version 2 alone.
    Unix {
        /// Stream or datagram.
        transport: Transport,
        /// The client's, most often without a name.
        source: UnixName,
        /// Where it has connected to.
        destination: UnixName,
    },
}

/// What carries the client's bytes; closed by nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP, or a Unix socket of that type. Version 1 has no other.
    Stream,
    /// UDP, or a Unix socket of that type.
    Datagram,
}

/// The name of a Unix socket: at most [`UnixName::MAX_BYTES`] bytes, without the zeros that fill the field. An abstract
/// one begins with a zero.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UnixName(Box<[u8]>);

impl UnixName {
    /// The size of the field in a header.
    pub const MAX_BYTES: usize = 108;

    /// Takes a name; `None` where it does not fit. Zeros at its end are not part of it.
    pub fn new(name: &[u8]) -> Option<UnixName> {
        let end = name.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        (end <= UnixName::MAX_BYTES).then(|| UnixName(name[..end].into()))
    }

    /// Returns the name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the name as a path; `None` for one that is empty, abstract, no UTF-8, or that a terminal would obey.
    fn addr(&self) -> Option<Addr> {
        let name =
            std::str::from_utf8(&self.0).ok().filter(|name| !name.is_empty() && crate::text::safe(name) == *name)?;
        Some(Addr::Unix(name.into()))
    }
}

impl fmt::Debug for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Path::new(OsStr::from_bytes(&self.0)).fmt(f)
    }
}

impl Addresses {
    /// Returns the addresses of a client that has connected to `local` by TCP. IPv4 addresses in IPv6 clothes are IPv4; of
    /// two families the other one is dressed.
    pub(super) fn between(client: &Addr, local: &Addr) -> Addresses {
        let transport = Transport::Stream;
        match (socket_addr(client), socket_addr(local)) {
            (Some(SocketAddr::V4(source)), Some(SocketAddr::V4(destination))) => {
                Addresses::V4 { transport, source, destination }
            }
            (Some(source), Some(destination)) => {
                Addresses::V6 { transport, source: dressed(source), destination: dressed(destination) }
            }
            _ => Addresses::Unknown,
        }
    }

    /// Returns the client's address, where one is told that can be shown.
    pub fn source(&self) -> Option<Addr> {
        match self {
            Addresses::Unknown => None,
            Addresses::V4 { source, .. } => Some(SocketAddr::V4(*source).into()),
            Addresses::V6 { source, .. } => Some(SocketAddr::V6(*source).into()),
            Addresses::Unix { source, .. } => source.addr(),
        }
    }

    /// Returns where the client has connected to, where that is told and can be shown.
    pub fn destination(&self) -> Option<Addr> {
        match self {
            Addresses::Unknown => None,
            Addresses::V4 { destination, .. } => Some(SocketAddr::V4(*destination).into()),
            Addresses::V6 { destination, .. } => Some(SocketAddr::V6(*destination).into()),
            Addresses::Unix { destination, .. } => destination.addr(),
        }
    }
}

/// Returns an address in numbers, without a scope, which means nothing elsewhere.
fn socket_addr(addr: &Addr) -> Option<SocketAddr> {
    let Addr::Tcp { host, port } = addr else { return None };
    Some(SocketAddr::new(ip(host)?.to_canonical(), *port))
}

/// Returns the address that a host is in numbers; one with a scope (`fe80::1%3`) without it.
pub(super) fn ip(host: &Host) -> Option<IpAddr> {
    match host {
        Host::Ip(ip) => Some(*ip),
        Host::Name(name) => name.split_once('%').and_then(|(ip, _)| ip.parse().ok()),
        Host::Loopback | Host::Any => None,
    }
}

fn dressed(addr: SocketAddr) -> SocketAddrV6 {
    let ip = match addr.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    SocketAddrV6::new(ip, addr.port(), 0, 0)
}
