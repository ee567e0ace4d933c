//! TLS as a server.

use std::path::PathBuf;

use callbox::Addr;

use super::{TlsArgs, first, protocols, split, without_tls};
use crate::exit::Failure;
use crate::tls::server::{Plan, Serving};

/// TLS as `serve`, `listen` and `relay` speak it with clients.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerTlsArgs {
    /// Speak TLS with clients, as tls:// before the address to listen on says too; without --cert by a certificate made now and signed by a CA of callbox's own
    #[arg(long, help_heading = "TLS")]
    pub tls: bool,
    /// The server's certificate and those behind it (PEM); SIGHUP has it read again
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub cert: Option<PathBuf>,
    /// The key of --cert (PEM) [default: in the same file]
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    pub key: Option<PathBuf>,
    /// Ask clients for a certificate, and take those alone whose certificates those in this file (PEM) have signed, or that are in it; SIGHUP has it read again
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub client_ca: Option<PathBuf>,
    /// Protocols that are spoken, the preferred first (ALPN): h2,http/1.1; a client that offers others alone is refused
    #[arg(long, value_name = "P[,P]", value_parser = protocols, help_heading = "TLS")]
    pub alpn: Option<String>,
    /// One more name or address for the certificate that is made where --cert gives none; repeatable
    #[arg(long, value_name = "NAME", conflicts_with = "cert", help_heading = "TLS")]
    pub tls_name: Vec<String>,
}

impl ServerTlsArgs {
    /// Makes TLS ready to be spoken on `listen`; `None` where it is not asked for. `scheme` is whether the address asks.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, made or used, and flags that mean nothing without TLS.
    pub fn ready(&self, both: &TlsArgs, listen: &Addr, scheme: bool) -> Result<Option<Serving>, Failure> {
        if !self.tls && !scheme {
            let how = "--tls, or tls:// before the address to listen on";
            return self.given().map_or(Ok(None), |flag| Err(without_tls(flag, how)));
        }
        let plan = Plan {
            cert: self.cert.clone(),
            key: self.key.clone(),
            client_ca: self.client_ca.clone(),
            alpn: split(self.alpn.as_deref()),
            names: self.tls_name.clone(),
            listen: listen.clone(),
        };
        Serving::start(plan, both).map(Some)
    }

    fn given(&self) -> Option<&'static str> {
        first(&[
            ("--cert", self.cert.is_some()),
            ("--client-ca", self.client_ca.is_some()),
            ("--alpn", self.alpn.is_some()),
            ("--tls-name", !self.tls_name.is_empty()),
        ])
    }
}
