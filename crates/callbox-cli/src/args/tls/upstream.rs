//! TLS as a relay speaks it with its upstreams.

use std::path::PathBuf;

use super::{TlsArgs, TrustArgs, first, protocols, split, without_tls};
use crate::exit::Failure;
use crate::tls::client::{self, Ready};

/// TLS with upstreams. What both a client and a server have begins with `--upstream-`; what only a client has is named as on
/// `connect`.
#[derive(Debug, Clone, clap::Args)]
pub struct UpstreamTlsArgs {
    /// Speak TLS with upstreams and with --mirror, as tls:// before their addresses says too; --ca, --pin, --sni and --insecure say whom to believe
    #[arg(long, help_heading = "TLS")]
    pub tls_upstream: bool,
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Protocols to offer upstreams, the preferred first (ALPN)
    #[arg(long, value_name = "P[,P]", value_parser = protocols, help_heading = "TLS")]
    pub upstream_alpn: Option<String>,
    /// Our certificate for upstreams that ask for one, and those behind it (PEM)
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub upstream_cert: Option<PathBuf>,
    /// The key of --upstream-cert (PEM) [default: in the same file]
    #[arg(long, value_name = "FILE", requires = "upstream_cert", help_heading = "TLS")]
    pub upstream_key: Option<PathBuf>,
}

impl UpstreamTlsArgs {
    /// Makes TLS ready; `None` where it is not asked for. `scheme` is whether the addresses ask.
    ///
    /// # Errors
    ///
    /// Files that cannot be read or used, and flags that mean nothing without TLS.
    pub fn ready(&self, both: &TlsArgs, scheme: bool) -> Result<Option<Ready>, Failure> {
        if !self.tls_upstream && !scheme {
            let how = "--tls-upstream, or tls:// before the upstream's address";
            return self.given().map_or(Ok(None), |flag| Err(without_tls(flag, how)));
        }
        let plan = client::Plan {
            trust: &self.trust,
            alpn: split(self.upstream_alpn.as_deref()),
            identity: self.upstream_cert.as_deref().map(|cert| (cert, self.upstream_key.as_deref().unwrap_or(cert))),
            both,
        };
        client::ready(&plan).map(Some)
    }

    fn given(&self) -> Option<&'static str> {
        let own =
            [("--upstream-alpn", self.upstream_alpn.is_some()), ("--upstream-cert", self.upstream_cert.is_some())];
        self.trust.given().or_else(|| first(&own))
    }
}
