//! An address, and whether TLS is spoken there.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use super::Addr;
use crate::error::Invalid;

/// What stands before an address where TLS is spoken.
const SCHEME: &str = "tls://";

/// An address, and whether TLS is spoken there, as written: `tls://host:port`, or any [`Addr`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The address.
    pub addr: Addr,
    /// TLS is spoken there.
    pub tls: bool,
}

impl Endpoint {
    /// Reads one that is written in one word.
    ///
    /// # Errors
    ///
    /// As [`Addr::parse`].
    pub fn parse(text: &str) -> Result<Endpoint, Invalid> {
        let (tls, rest) = Endpoint::split(text);
        Ok(Endpoint { addr: Addr::parse(rest).map_err(|invalid| whole(invalid, text, tls))?, tls })
    }

    /// Reads one that is written in two words: `tls://localhost 443`.
    ///
    /// # Errors
    ///
    /// As [`Addr::from_words`].
    pub fn from_words(host: &str, port: &str) -> Result<Endpoint, Invalid> {
        let (tls, rest) = Endpoint::split(host);
        let addr = Addr::from_words(rest, port).map_err(|invalid| whole(invalid, &format!("{host} {port}"), tls))?;
        Ok(Endpoint { addr, tls })
    }

    /// Takes `tls://` off the beginning; tells whether it was there, and what is behind.
    pub fn split(text: &str) -> (bool, &str) {
        match text.strip_prefix(SCHEME) {
            Some(rest) => (true, rest),
            None => (false, text),
        }
    }
}

/// Says of all that was written what is wrong with the address in it. Of schemes there is one more than addresses have.
fn whole(invalid: Invalid, text: &str, tls: bool) -> Invalid {
    let begins = if tls { SCHEME.len() } else { 0 };
    let scheme = text[begins..].split_once("://").map(|(scheme, _)| scheme);
    let instead = match scheme {
        Some("tls") if tls => Some("write tls:// once".into()),
        Some(scheme) if scheme != "tcp" => {
            Some("write host:port, tls://host:port where TLS is spoken, or unix:/path".into())
        }
        _ => invalid.instead,
    };
    Invalid { input: text.into(), at: invalid.at.map(|at| at + begins), instead, ..invalid }
}

impl From<Addr> for Endpoint {
    fn from(addr: Addr) -> Endpoint {
        Endpoint { addr, tls: false }
    }
}

impl From<&Addr> for Endpoint {
    fn from(addr: &Addr) -> Endpoint {
        addr.clone().into()
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(addr: SocketAddr) -> Endpoint {
        Addr::from(addr).into()
    }
}

impl TryFrom<&str> for Endpoint {
    type Error = Invalid;

    fn try_from(text: &str) -> Result<Endpoint, Invalid> {
        Endpoint::parse(text)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Endpoint, Invalid> {
        Endpoint::parse(&text)
    }
}

impl FromStr for Endpoint {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Endpoint, Invalid> {
        Endpoint::parse(text)
    }
}

impl fmt::Display for Endpoint {
    /// Prints the canonical spelling, which reads back as the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { SCHEME } else { "" };
        write!(f, "{scheme}{}", self.addr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_says_that_tls_is_spoken() {
        for (text, tls, addr) in [
            ("tls://db:443", true, "db:443"),
            ("tls://[::1]:443", true, "[::1]:443"),
            ("tls://:443", true, ":443"),
            ("tls://unix:/run/s", true, "unix:/run/s"),
            ("tcp://db:443", false, "db:443"),
            ("db:443", false, "db:443"),
        ] {
            let endpoint = Endpoint::parse(text).expect(text);
            assert_eq!(endpoint, Endpoint { addr: Addr::parse(addr).expect(addr), tls }, "{text}");
            assert_eq!(Endpoint::parse(&endpoint.to_string()), Ok(endpoint), "{text}");
        }
        let words = Endpoint::from_words("tls://localhost", "443").expect("two words");
        assert_eq!(words.to_string(), "tls://localhost:443");
        assert!(Endpoint::parse("tls://db").is_err(), "no port");
        assert!(Endpoint::parse("tls://tls://db:443").is_err(), "twice");
    }

    #[test]
    fn a_bad_one_is_shown_whole_with_what_is_meant() {
        for (text, said) in [
            ("tls://", "\"tls://\": empty"),
            ("https://db:443", "write host:port, tls://host:port"),
            ("tls://tls://db:443", "write tls:// once"),
            ("tls://db", "write db:8848"),
        ] {
            let shown = Endpoint::parse(text).unwrap_err().to_string();
            assert!(shown.contains(said), "{shown}");
        }
    }
}
