//! SOCKS: version 5 (RFC 1928, with user names and passwords by RFC 1929), 4 and 4a. Sans-IO: each side is a value that is
//! pushed what has come and says what to send and how much more it needs.

pub mod client;
pub mod server;

use std::fmt;

/// What a SOCKS 5 server says of a request (RFC 1928, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The connection is there.
    Succeeded,
    /// Something that has no code of its own.
    Failed,
    /// The server's rules forbid it.
    NotAllowed,
    /// No route to the network.
    NetworkUnreachable,
    /// No route to the host, or its name has no address.
    HostUnreachable,
    /// Nobody listens there.
    Refused,
    /// The TTL expired on the way.
    TtlExpired,
    /// Neither binding nor UDP.
    CommandNotSupported,
    /// An address of an unknown type.
    AddressTypeNotSupported,
    /// A code that the standard leaves open.
    Unassigned(u8),
}

impl Reply {
    /// Returns the code on the wire.
    pub fn code(self) -> u8 {
        match self {
            Reply::Succeeded => 0,
            Reply::Failed => 1,
            Reply::NotAllowed => 2,
            Reply::NetworkUnreachable => 3,
            Reply::HostUnreachable => 4,
            Reply::Refused => 5,
            Reply::TtlExpired => 6,
            Reply::CommandNotSupported => 7,
            Reply::AddressTypeNotSupported => 8,
            Reply::Unassigned(code) => code,
        }
    }

    /// Reads a code from the wire.
    pub fn from_code(code: u8) -> Reply {
        match code {
            0 => Reply::Succeeded,
            1 => Reply::Failed,
            2 => Reply::NotAllowed,
            3 => Reply::NetworkUnreachable,
            4 => Reply::HostUnreachable,
            5 => Reply::Refused,
            6 => Reply::TtlExpired,
            7 => Reply::CommandNotSupported,
            8 => Reply::AddressTypeNotSupported,
            code => Reply::Unassigned(code),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Reply::Succeeded => "succeeded",
            Reply::Failed => "general failure",
            Reply::NotAllowed => "not allowed by its rules",
            Reply::NetworkUnreachable => "network unreachable",
            Reply::HostUnreachable => "host unreachable",
            Reply::Refused => "connection refused",
            Reply::TtlExpired => "time to live expired",
            Reply::CommandNotSupported => "command not supported",
            Reply::AddressTypeNotSupported => "address type not supported",
            Reply::Unassigned(code) => return write!(f, "unassigned reply {code}"),
        };
        f.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_written() {
        for code in 0..=u8::MAX {
            assert_eq!(Reply::from_code(code).code(), code);
        }
    }
}
