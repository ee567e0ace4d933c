//! What a side of TLS may be told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Certificate, Identity, Pin, TlsVersion};
use crate::error::Invalid;

/// From the first byte of a TLS handshake until it must be done; no byte that arrives moves it.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a client speaks TLS. The default verifies by the platform's roots and by the name that is connected to.
#[derive(Debug, Clone)]
pub struct ClientTlsOptions {
    /// Whose signatures are believed.
    pub roots: Roots,
    /// Certificates or keys that are believed by themselves. Where there are any, they alone decide, and no root does, nor
    /// a name, nor a date.
    pub pins: Vec<Pin>,
    /// The name to ask for and to verify, where it is not that of the address: a DNS name or an IP address.
    pub server_name: Option<String>,
    /// Protocols to offer, the preferred first (ALPN): `h2`, `http/1.1`.
    pub alpn: Vec<String>,
    /// Who we are, for servers that ask.
    pub identity: Option<Identity>,
    /// Believe anybody. That who answers holds the key of the certificate that it shows is still checked.
    pub insecure: bool,
    /// Which versions are spoken.
    pub versions: Versions,
    /// Who is told the secrets of each connection.
    pub keylog: Option<KeyLog>,
    /// How long a handshake may take, however its bytes arrive.
    pub handshake_timeout: Duration,
}

impl Default for ClientTlsOptions {
    fn default() -> ClientTlsOptions {
        ClientTlsOptions {
            roots: Roots::Platform,
            pins: Vec::new(),
            server_name: None,
            alpn: Vec::new(),
            identity: None,
            insecure: false,
            versions: Versions::default(),
            keylog: None,
            handshake_timeout: HANDSHAKE_TIMEOUT,
        }
    }
}

/// How a server speaks TLS.
#[derive(Debug, Clone)]
pub struct ServerTlsOptions {
    /// Who it is.
    pub identity: Identity,
    /// Whose clients may connect: each must show a certificate signed by one of these, or one of these itself. `None`
    /// asks for none.
    pub client_ca: Option<Vec<Certificate>>,
    /// Protocols that it speaks, the preferred first (ALPN); a client that offers others alone is refused.
    pub alpn: Vec<String>,
    /// Which versions are spoken.
    pub versions: Versions,
    /// Who is told the secrets of each connection.
    pub keylog: Option<KeyLog>,
    /// How long a handshake may take, however its bytes arrive.
    pub handshake_timeout: Duration,
}

impl ServerTlsOptions {
    /// Makes the options of a server that asks its clients for nothing.
    pub fn new(identity: Identity) -> ServerTlsOptions {
        ServerTlsOptions {
            identity,
            client_ca: None,
            alpn: Vec::new(),
            versions: Versions::default(),
            keylog: None,
            handshake_timeout: HANDSHAKE_TIMEOUT,
        }
    }
}

/// Whose signatures a client believes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Roots {
    /// Those of this machine; where it has none, Mozilla's, and [`ClientTls::notice`](super::ClientTls::notice) says so.
    ///
    /// Where they are, `SSL_CERT_FILE` and `SSL_CERT_DIR` tell, as they tell OpenSSL.
    #[default]
    Platform,
    /// These alone. A certificate that the server itself shows is believed too, whether it may sign others or not.
    Only(Vec<Certificate>),
}

/// Which versions of TLS are spoken, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// The oldest.
    pub min: TlsVersion,
    /// The newest.
    pub max: TlsVersion,
}

impl Default for Versions {
    fn default() -> Versions {
        Versions { min: TlsVersion::Tls12, max: TlsVersion::Tls13 }
    }
}

impl Versions {
    /// Returns those versions for rustls, the newest first.
    pub(super) fn spoken(self) -> Result<Vec<&'static rustls::SupportedProtocolVersion>, Invalid> {
        let all = [(TlsVersion::Tls13, &rustls::version::TLS13), (TlsVersion::Tls12, &rustls::version::TLS12)];
        let spoken: Vec<_> = all.into_iter().filter(|(one, _)| (self.min..=self.max).contains(one)).collect();
        if spoken.is_empty() {
            let range = format!("{} to {}", self.min, self.max);
            return Err(Invalid::new("TLS versions", range, "the oldest is newer than the newest"));
        }
        Ok(spoken.into_iter().map(|(_, version)| version).collect())
    }
}

/// Who is told the secrets of connections, a line at a time, in the format that Wireshark reads (`SSLKEYLOGFILE`):
/// `CLIENT_RANDOM 52340c... 3a1b...`, without a line ending. Whoever has them can read everything.
#[derive(Clone)]
pub struct KeyLog(Arc<dyn Fn(&str) + Send + Sync>);

impl KeyLog {
    /// Makes one of a function, which is called on the connections' threads and should be quick.
    pub fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> KeyLog {
        KeyLog(Arc::new(tell))
    }
}

impl rustls::KeyLog for KeyLog {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        use std::fmt::Write;
        let mut line = String::with_capacity(label.len() + 2 + 2 * (client_random.len() + secret.len()));
        line += label;
        for bytes in [client_random, secret] {
            line.push(' ');
            // Writing to a string cannot fail.
            for byte in bytes {
                let _ = write!(line, "{byte:02x}");
            }
        }
        (self.0)(&line);
    }
}

impl fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLog")
    }
}
