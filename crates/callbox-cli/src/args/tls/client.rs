//! TLS as a client.

use std::path::PathBuf;

use super::{TlsArgs, TrustArgs, first, protocols, split, without_tls};
use crate::exit::Failure;
use crate::tls::client::{self, Ready};

/// TLS as `connect` speaks it.
#[derive(Debug, Clone, clap::Args)]
pub struct ClientTlsArgs {
    /// Speak TLS, as tls:// before the address says too
    #[arg(long, help_heading = "TLS")]
    pub tls: bool,
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Protocols to offer, the preferred first (ALPN): h2,http/1.1
    #[arg(long, value_name = "P[,P]", value_parser = protocols, help_heading = "TLS")]
    pub alpn: Option<String>,
    /// Our own certificate and those behind it (PEM), for servers that ask for one
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub cert: Option<PathBuf>,
    /// The key of --cert (PEM) [default: in the same file]
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    pub key: Option<PathBuf>,
    #[command(flatten)]
    pub both: TlsArgs,
}

impl ClientTlsArgs {
    /// Makes TLS ready; `None` where it is not asked for. `scheme` is whether the address asks.
    ///
    /// # Errors
    ///
    /// Files that cannot be read or used, and flags that mean nothing without TLS.
    pub fn ready(&self, scheme: bool) -> Result<Option<Ready>, Failure> {
        if !self.tls && !scheme {
            return self.given().map_or(Ok(None), |flag| Err(without_tls(flag, "--tls, or tls:// before the address")));
        }
        let plan = client::Plan {
            trust: &self.trust,
            alpn: split(self.alpn.as_deref()),
            identity: self.cert.as_deref().map(|cert| (cert, self.key.as_deref().unwrap_or(cert))),
            both: &self.both,
        };
        client::ready(&plan).map(Some)
    }

    fn given(&self) -> Option<&'static str> {
        let own = first(&[("--alpn", self.alpn.is_some()), ("--cert", self.cert.is_some())]);
        self.trust.given().or(own).or_else(|| self.both.given())
    }
}
