//! What a TLS handshake came to, as plain data.

use std::fmt;
use std::time::SystemTime;

use crate::error::Invalid;

/// A version of TLS. Older ones than these are not spoken (RFC 8996).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl fmt::Display for TlsVersion {
    /// As people write it: `1.3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsVersion::Tls12 => "1.2",
            TlsVersion::Tls13 => "1.3",
        })
    }
}

impl std::str::FromStr for TlsVersion {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<TlsVersion, Invalid> {
        match text {
            "1.2" => Ok(TlsVersion::Tls12),
            "1.3" => Ok(TlsVersion::Tls13),
            _ => Err(Invalid::new("TLS version", text, "it is not spoken here").instead("write 1.2 or 1.3")),
        }
    }
}

/// What the two sides of a TLS connection agreed on, and who the peer says it is.
///
/// Names, subjects and issuers are the peer's words: print them escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFacts {
    /// The version.
    pub version: TlsVersion,
    /// The cipher suite by IANA's name: `TLS_AES_128_GCM_SHA256`.
    pub suite: String,
    /// The group of the key exchange: `X25519`; `None` where a session was resumed without one.
    pub group: Option<String>,
    /// The protocol that both chose (ALPN, RFC 7301).
    pub alpn: Option<Vec<u8>>,
    /// The server's name as the client asked for it (SNI, RFC 6066); `None` where it asked for an address or nothing.
    pub server_name: Option<String>,
    /// The peer's certificates, its own first; empty where it has shown none.
    pub peer_chain: Vec<CertificateFacts>,
    /// An earlier session was taken up again, so that the peer showed its certificates then and not now.
    pub resumed: bool,
    /// What the trust in the peer rests on.
    pub trust: Trust,
}

/// What the trust in a peer rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trust {
    /// A chain to a root that is trusted, or a certificate that is trusted itself.
    Roots,
    /// A pin.
    Pin,
    /// Nothing: the peer was not asked who it is, or any answer was good enough.
    Nothing,
}

impl Trust {
    /// Returns the name used in events.
    pub fn name(self) -> &'static str {
        match self {
            Trust::Roots => "roots",
            Trust::Pin => "pin",
            Trust::Nothing => "nothing",
        }
    }
}

/// What a certificate says (RFC 5280). All of it is its maker's words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateFacts {
    /// Whose it is: `CN=example.com, O=Example`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The names and addresses that it is for: DNS names and IP addresses, the first few hundred.
    pub names: Vec<String>,
    /// From when on it is valid.
    pub not_before: SystemTime,
    /// Until when it is valid.
    pub not_after: SystemTime,
    /// The SHA-256 of its DER encoding: what [`Pin`](crate::net::tls::Pin)s name.
    pub sha256: [u8; 32],
}
