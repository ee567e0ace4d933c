//! The header of the PROXY protocol, versions 1 and 2: who the client of a proxy is, told before the first byte.
//!
//! Written from HAProxy's specification (`proxy-protocol.txt` of 2020/03/05). Nothing here reads or sends: bytes are
//! handed in, and what is missing is asked for. What follows the header is never touched.
//!
//! | version | header |
//! |---|---|
//! | 1 | `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n`, also `TCP6` and `UNKNOWN`; 107 bytes at most |
//! | 2 | `\r\n\r\n\0\r\nQUIT\n`, command, family, length, addresses, then TLVs; here 16 KiB at most |
//!
//! ```
//! use callbox::proxy_header::{Parsed, parse};
//!
//! let received = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nhello";
//! let Parsed::Complete { header, length } = parse(received)? else { panic!("it is all there") };
//! assert_eq!(header.client().unwrap().to_string(), "192.0.2.1:56324");
//! assert_eq!(&received[length..], b"hello");
//! # Ok::<(), callbox::proxy_header::HeaderError>(())
//! ```

mod addresses;
mod error;
mod tlv;
mod trusted;
mod v1;
mod v2;

pub use addresses::{Addresses, Transport, UnixName};
pub use error::HeaderError;
pub use tlv::Tlv;
pub use trusted::{TrustedProxies, TrustedSource};

use std::fmt;
use std::str::FromStr;

use crate::addr::Addr;
use crate::error::Invalid;

/// The longest header of version 1, its CRLF included, as the specification has it.
pub const MAX_V1_BYTES: usize = 107;
/// The longest header of version 2 that is taken. Its length field would allow 64 KiB; 536 bytes are recommended.
pub const MAX_V2_BYTES: usize = 16 * 1024;
/// The shortest header there is, `PROXY UNKNOWN\r\n`: so many bytes can always be waited for.
const SHORTEST: usize = 15;

/// What a proxy says about a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// On whose behalf the proxy has connected.
    pub command: Command,
    /// From where to where the client has connected, by its own lights; unknown where the proxy connects for itself.
    pub addresses: Addresses,
    /// What else is told, in the order of arrival, padding included. Version 1 has none, nor has a header with unknown
    /// addresses.
    pub tlvs: Vec<Tlv>,
    /// Whether there is a checksum (CRC32c) in it; one that is wrong is an error. Version 1 has none.
    pub crc32c: bool,
}

/// On whose behalf a proxy has connected; closed by nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Its own, as for a health check: the addresses are those of the connection itself.
    Local,
    /// A client's. Version 1 has no other.
    Proxy,
}

/// Which of the two forms of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// What the bytes so far amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// The header goes on.
    Incomplete {
        /// How many bytes it has at least, those handed in included: who reads no further reads nothing behind it.
        needed: usize,
    },
    /// The header is there.
    Complete {
        /// What it says.
        header: Header,
        /// How many bytes it has; what follows belongs to the stream.
        length: usize,
    },
}

/// Reads the header at the beginning of a stream, of either version.
///
/// More bytes never change what is said: an error stays the same error, a header the same header.
///
/// # Errors
///
/// What no header begins with, at its first wrong byte as soon as that is there.
pub fn parse(bytes: &[u8]) -> Result<Parsed, HeaderError> {
    match bytes.first() {
        None => Ok(Parsed::Incomplete { needed: SHORTEST }),
        Some(b'P') => v1::parse(bytes),
        Some(b'\r') => v2::parse(bytes),
        Some(_) => Err(HeaderError::new(0, "no PROXY header begins like this")),
    }
}

impl Header {
    /// Makes the header of a connection that is the proxy's own, such as a health check.
    pub fn local() -> Header {
        Header { command: Command::Local, ..Header::proxied(Addresses::Unknown) }
    }

    /// Makes the header of a client's connection, without anything further.
    pub fn proxied(addresses: Addresses) -> Header {
        Header { command: Command::Proxy, addresses, tlvs: Vec::new(), crc32c: false }
    }

    /// Makes the header that a relay sends to its upstream: `client` has connected to `local`, an address of ours.
    ///
    /// What is not TCP, a Unix socket for example, goes as haproxy has it go: as [`Header::local`], which every receiver
    /// must take. It may refuse unknown addresses, and haproxy refuses those of Unix sockets too.
    pub fn for_session(client: &Addr, local: &Addr) -> Header {
        match Addresses::between(client, local) {
            Addresses::Unknown => Header::local(),
            addresses => Header::proxied(addresses),
        }
    }

    /// Returns the client's address, where the header names one.
    pub fn client(&self) -> Option<Addr> {
        self.addresses.source()
    }

    /// Returns where the client has connected to, where the header names it.
    pub fn destination(&self) -> Option<Addr> {
        self.addresses.destination()
    }

    /// Returns the bytes to send, before all others.
    ///
    /// Version 1 knows TCP over IP alone: anything else goes as `UNKNOWN`, and what else would be told does not go.
    ///
    /// # Errors
    ///
    /// What version 2 cannot carry: more than [`MAX_V2_BYTES`], a TLV where addresses are unknown, and TLVs that
    /// [`parse`] would refuse.
    pub fn encode(&self, version: Version) -> Result<Vec<u8>, Invalid> {
        match version {
            Version::V1 => Ok(v1::encode(self)),
            Version::V2 => v2::encode(self),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::V1 => "v1",
            Version::V2 => "v2",
        })
    }
}

impl FromStr for Version {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Version, Invalid> {
        match text {
            "v1" => Ok(Version::V1),
            "v2" => Ok(Version::V2),
            _ => Err(Invalid::new("version", text, "the PROXY protocol has two").at(0).instead("write v1 or v2")),
        }
    }
}

/// Returns where `bytes` first differ from `beginning`, as far as both go.
fn difference(bytes: &[u8], beginning: &[u8]) -> Option<usize> {
    bytes.iter().zip(beginning).position(|(byte, expected)| byte != expected)
}

#[cfg(test)]
mod tests;
