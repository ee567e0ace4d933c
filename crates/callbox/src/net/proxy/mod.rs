//! Proxies in between: which they are, as written, and how they are led through.
//!
//! | written | what the proxy speaks | who looks names up |
//! |---|---|---|
//! | `socks5://host:port` | SOCKS 5 | this machine |
//! | `socks5h://host:port` | SOCKS 5 | the proxy |
//! | `socks4://host:port` | SOCKS 4: IPv4 alone | this machine |
//! | `socks4a://host:port` | SOCKS 4a: IPv4 alone | the proxy |
//! | `http://host:port` | HTTP's CONNECT | the proxy |
//!
//! `user:password@` before the host signs in; what is special in a URL is written as `%40`. A port that is missing is 1080 with
//! SOCKS. Invalid: `https://host:443` (TLS to a proxy is not in this version), `host:1080` (which protocol?).
//!
//! What is printed never has user or password in it.

mod bypass;
mod parse;
pub(crate) mod run;

pub use bypass::Bypass;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::addr::Addr;
use crate::error::Invalid;

/// How long a proxy may take for what it can answer by itself, which is how it is signed in to, however it arrives. What comes
/// after that, the way to the destination, has the time that is allowed for connecting.
pub const PROXY_TIMEOUT: Duration = Duration::from_secs(5);

/// A proxy, and who we are to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// What it speaks.
    pub scheme: Scheme,
    /// Where it listens: a host, or one of this machine's own addresses, with a port.
    pub addr: Addr,
    /// Who we are, where it asks.
    pub credentials: Option<Credentials>,
}

/// What a proxy speaks; closed by nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// SOCKS 4: addresses alone.
    Socks4,
    /// SOCKS 4a: names too.
    Socks4a,
    /// SOCKS 5, told addresses.
    Socks5,
    /// SOCKS 5, told names.
    Socks5h,
    /// HTTP's CONNECT.
    Http,
}

/// A user and a password; prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub user: String,
    /// What proves it; may be empty.
    pub password: String,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Scheme; 5] = [Scheme::Socks5, Scheme::Socks5h, Scheme::Socks4, Scheme::Socks4a, Scheme::Http];

    /// Returns the name, as written.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Socks4 => "socks4",
            Scheme::Socks4a => "socks4a",
            Scheme::Socks5 => "socks5",
            Scheme::Socks5h => "socks5h",
            Scheme::Http => "http",
        }
    }

    /// Tells whether names of destinations are looked up by this machine, so that the proxy is told an address.
    pub fn looks_up_here(self) -> bool {
        matches!(self, Scheme::Socks4 | Scheme::Socks5)
    }

    /// Tells whether it knows no IPv6.
    fn is_v4_alone(self) -> bool {
        matches!(self, Scheme::Socks4 | Scheme::Socks4a)
    }
}

impl FromStr for Proxy {
    type Err = Invalid;

    /// Reads a URL.
    ///
    /// What is wrong is said with user and password blotted out, and at its place in that.
    fn from_str(text: &str) -> Result<Proxy, Invalid> {
        parse::read(text)
    }
}

impl fmt::Display for Proxy {
    /// Prints it without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.addr.to_string().trim_start_matches("tcp://"))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Credentials {
    /// Blotted out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
