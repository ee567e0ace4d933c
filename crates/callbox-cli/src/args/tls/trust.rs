//! Whom a client believes. Only clients have these, so that on a relay they mean its upstreams.

use std::path::PathBuf;

use callbox::net::tls::Pin;

use super::first;

/// Whom a client believes, and by which name.
#[derive(Debug, Clone, clap::Args)]
pub struct TrustArgs {
    /// Believe servers whose certificates those in this file (PEM) have signed, or that are in it, instead of those this system trusts; repeatable
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub ca: Vec<PathBuf>,
    /// Believe the server that shows this certificate, sha256:HEX, or has this key, spki-sha256:HEX, whoever signed it, whatever its names and dates; repeatable
    #[arg(long, value_name = "HASH", conflicts_with = "ca", help_heading = "TLS")]
    pub pin: Vec<Pin>,
    /// The name to ask the server for and to find in its certificate [default: the host of the address]
    #[arg(long, value_name = "NAME", help_heading = "TLS")]
    pub sni: Option<String>,
    /// Believe any server: anybody on the way can read and change everything
    #[arg(long, conflicts_with_all = ["ca", "pin"], help_heading = "TLS")]
    pub insecure: bool,
}

impl TrustArgs {
    pub(super) fn given(&self) -> Option<&'static str> {
        first(&[
            ("--ca", !self.ca.is_empty()),
            ("--pin", !self.pin.is_empty()),
            ("--sni", self.sni.is_some()),
            ("--insecure", self.insecure),
        ])
    }
}
