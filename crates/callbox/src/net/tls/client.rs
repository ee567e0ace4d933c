//! The side that connects.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::handshake::{Shake, handshake};
use super::verify::ServerCheck;
use super::{ClientTlsOptions, Roots, Tls, Trust, roots};
use crate::addr::{Addr, Host};
use crate::error::{Error, Kind, Result};

/// How a client speaks TLS, made ready; cheap to clone. Connections that share one take up each other's sessions again,
/// where the server offers that.
#[derive(Clone)]
pub struct ClientTls(Arc<Inner>);

struct Inner {
    config: Arc<ClientConfig>,
    /// The name to ask for and to verify, where it is not the address's.
    server_name: Option<ServerName<'static>>,
    notice: Option<String>,
    trust: Trust,
    timeout: std::time::Duration,
}

impl ClientTls {
    /// Makes one ready. The platform's roots are read from files, at once, without giving way to others.
    ///
    /// # Errors
    ///
    /// When the options go against each other, or when a certificate or a key is no good. Of kind
    /// [`Invalid`](Kind::Invalid).
    pub fn new(options: &ClientTlsOptions) -> Result<ClientTls> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = options.versions.spoken()?;
        let (check, trust, notice) = if options.insecure {
            (ServerCheck::Anybody { provider: provider.clone() }, Trust::Nothing, None)
        } else if !options.pins.is_empty() {
            let pins = options.pins.clone();
            (ServerCheck::Pins { pins, provider: provider.clone() }, Trust::Pin, None)
        } else {
            let loaded = roots::load(&options.roots)?;
            let themselves = match &options.roots {
                Roots::Only(certificates) => certificates.clone(),
                Roots::Platform => Vec::new(),
            };
            let check = ServerCheck::by_roots(loaded.store, themselves, provider.clone());
            (check.map_err(invalid)?, Trust::Roots, loaded.notice)
        };
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions);
        let builder = builder.map_err(invalid)?.dangerous().with_custom_certificate_verifier(Arc::new(check));
        let mut config = match &options.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.for_rustls();
                builder.with_client_auth_cert(chain, key).map_err(unfit)?
            }
        };
        config.alpn_protocols = protocols(&options.alpn)?;
        if let Some(keylog) = &options.keylog {
            config.key_log = Arc::new(keylog.clone());
        }
        let server_name = options.server_name.as_deref().map(named).transpose()?;
        let (config, timeout) = (Arc::new(config), options.handshake_timeout);
        Ok(ClientTls(Arc::new(Inner { config, server_name, notice, trust, timeout })))
    }

    /// Makes one with the default options.
    pub(crate) fn by_default() -> Result<ClientTls> {
        ClientTls::new(&ClientTlsOptions::default())
    }

    /// Returns what the user should know in a line: the machine has no roots, so that others are used.
    pub fn notice(&self) -> Option<&str> {
        self.0.notice.as_deref()
    }

    /// Speaks TLS on a connection to `addr`; until `deadline`, or its own, whichever is first.
    pub(crate) async fn connect(
        &self,
        socket: AsyncFd<OwnedFd>,
        addr: &Addr,
        deadline: Option<Instant>,
    ) -> Result<Tls> {
        let failed = |problem: String| Error::new("TLS handshake", Kind::Tls, problem).at(addr);
        let inner = &*self.0;
        let name = match &inner.server_name {
            Some(name) => name.clone(),
            None => self.name_of(addr)?,
        };
        let asked = match &name {
            ServerName::DnsName(name) => Some(name.as_ref().to_string()),
            _ => None,
        };
        let connection = ClientConnection::new(inner.config.clone(), name);
        let connection = connection.map_err(|error| failed(error.to_string()))?;
        let own = Instant::now() + inner.timeout;
        let earlier = deadline.filter(|deadline| *deadline < own);
        let allowed = earlier.is_none().then_some(inner.timeout);
        let shake = Shake { asked, trust: inner.trust, deadline: earlier.unwrap_or(own), allowed };
        match handshake(socket, Connection::Client(connection), shake).await {
            Ok(tls) => Ok(tls),
            Err(unmet) => {
                unmet.part_now();
                Err(failed(unmet.message))
            }
        }
    }

    /// Returns the name that is typed to get there.
    fn name_of(&self, addr: &Addr) -> Result<ServerName<'static>> {
        match addr {
            Addr::Tcp { host: Host::Name(name), .. } => match name.split_once('%') {
                // An IPv6 address with its scope, which certificates know nothing of.
                Some((address, _)) => named(address),
                None => named(name),
            },
            Addr::Tcp { host: Host::Ip(ip), .. } => Ok(ServerName::from(*ip)),
            Addr::Tcp { host: Host::Loopback | Host::Any, .. } => named("localhost"),
            // Nobody verifies it.
            _ if self.0.trust != Trust::Roots => named("localhost"),
            _ => {
                let problem = "there is no name to verify in this address; say which the server's certificate has";
                Err(Error::new("TLS handshake", Kind::Tls, problem).at(addr))
            }
        }
    }
}

/// Reads a name to ask for and to verify.
fn named(name: &str) -> Result<ServerName<'static>> {
    ServerName::try_from(name.to_string()).map_err(|_| {
        let problem = format!("\"{}\" is neither a DNS name nor an address", crate::text::safe(name));
        Error::new("read server name", Kind::Invalid, problem)
    })
}

/// Reads the names of protocols (RFC 7301, section 3.1).
pub(super) fn protocols(names: &[String]) -> Result<Vec<Vec<u8>>> {
    if let Some(bad) = names.iter().find(|name| !(1..=255).contains(&name.len())) {
        let problem = format!("\"{bad}\" is no protocol's name: 1 to 255 bytes");
        return Err(Error::new("read ALPN", Kind::Invalid, problem));
    }
    Ok(names.iter().map(|name| name.clone().into_bytes()).collect())
}

/// An error about what the user gave.
pub(super) fn invalid(error: impl fmt::Display) -> Error {
    Error::new("prepare TLS", Kind::Invalid, error.to_string())
}

/// An error about a key and the certificates that should go with it.
pub(super) fn unfit(error: rustls::Error) -> Error {
    let problem = match error {
        rustls::Error::InconsistentKeys(_) => "the key is not that of the certificate".to_string(),
        rustls::Error::InvalidCertificate(_) => "the certificate cannot be read".to_string(),
        other => format!("the key cannot be used: {other}"),
    };
    Error::new("prepare TLS", Kind::Invalid, problem)
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientTls({:?})", self.0.trust)
    }
}
