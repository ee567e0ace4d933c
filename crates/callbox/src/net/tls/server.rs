//! The side that accepts.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::{Connection, ServerConfig, ServerConnection};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::client::{invalid, protocols, unfit};
use super::handshake::{Shake, Unmet, handshake};
use super::verify::ClientCheck;
use super::{ServerTlsOptions, Tls, Trust, roots};
use crate::error::Result;

/// How a server speaks TLS, made ready; cheap to clone, and all clones are one: [`replace`](ServerTls::replace) changes
/// what new connections get while a server runs.
#[derive(Clone)]
pub struct ServerTls(Arc<RwLock<Ready>>);

#[derive(Clone)]
struct Ready {
    config: Arc<ServerConfig>,
    trust: Trust,
    timeout: Duration,
}

impl ServerTls {
    /// Makes one ready.
    ///
    /// # Errors
    ///
    /// When the options go against each other, or when a certificate or a key is no good. Of kind
    /// [`Invalid`](crate::Kind::Invalid).
    pub fn new(options: &ServerTlsOptions) -> Result<ServerTls> {
        Ok(ServerTls(Arc::new(RwLock::new(Ready::new(options)?))))
    }

    /// Replaces the options: connections that are accepted from now on get these; those that are there keep what they
    /// have.
    ///
    /// # Errors
    ///
    /// As [`ServerTls::new`]; the old ones then stay.
    pub fn replace(&self, options: &ServerTlsOptions) -> Result<()> {
        let ready = Ready::new(options)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ready;
        Ok(())
    }

    /// Speaks TLS on a connection that was accepted, until the handshake is done or its time is over.
    pub(crate) async fn accept(&self, socket: AsyncFd<OwnedFd>) -> std::result::Result<Tls, Unmet> {
        let Ready { config, trust, timeout } = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let connection = match ServerConnection::new(config) {
            Ok(connection) => connection,
            Err(error) => return Err(Unmet::unprepared(socket, error)),
        };
        let shake = Shake { asked: None, trust, deadline: Instant::now() + timeout, allowed: Some(timeout) };
        handshake(socket, Connection::Server(connection), shake).await
    }
}

impl Ready {
    fn new(options: &ServerTlsOptions) -> Result<Ready> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = options.versions.spoken()?;
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions);
        let builder = builder.map_err(invalid)?;
        let builder = match &options.client_ca {
            None => builder.with_no_client_auth(),
            Some(certificates) => {
                let store = roots::store_of(certificates)?;
                let check = ClientCheck::by_roots(store, certificates.clone(), provider).map_err(invalid)?;
                builder.with_client_cert_verifier(Arc::new(check))
            }
        };
        let (chain, key) = options.identity.for_rustls();
        let mut config = builder.with_single_cert(chain, key).map_err(unfit)?;
        config.alpn_protocols = protocols(&options.alpn)?;
        if let Some(keylog) = &options.keylog {
            config.key_log = Arc::new(keylog.clone());
        }
        let trust = if options.client_ca.is_some() { Trust::Roots } else { Trust::Nothing };
        Ok(Ready { config: Arc::new(config), trust, timeout: options.handshake_timeout })
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}
