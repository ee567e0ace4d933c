//! How TLS is spoken, by clients and by servers.

mod client;
mod server;
mod trust;
mod upstream;

use std::path::PathBuf;
use std::time::Duration;

use callbox::net::tls::{TlsVersion, Versions};

use super::values::duration;
use crate::exit::Failure;

pub use client::ClientTlsArgs;
pub use server::ServerTlsArgs;
pub use trust::TrustArgs;
pub use upstream::UpstreamTlsArgs;

/// What holds for both roles; on a relay, for both sides.
#[derive(Debug, Clone, clap::Args)]
pub struct TlsArgs {
    /// The oldest version of TLS that is spoken: 1.2 or 1.3 [default: 1.2]
    #[arg(long, value_name = "VERSION", help_heading = "TLS")]
    pub tls_min: Option<TlsVersion>,
    /// The newest version of TLS that is spoken [default: 1.3]
    #[arg(long, value_name = "VERSION", help_heading = "TLS")]
    pub tls_max: Option<TlsVersion>,
    /// Append the secrets of each connection to this file, by which Wireshark reads it; without FILE to the one that SSLKEYLOGFILE names; put ADDR before it
    #[arg(long, value_name = "FILE", num_args = 0..=1, help_heading = "TLS")]
    pub tls_keylog: Option<Option<PathBuf>>,
    /// Warn of certificates, the other side's and our own, that expire within this time, as 14d
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "TLS")]
    pub tls_expiry_warn: Option<Duration>,
    /// How long a handshake may take, however its bytes arrive [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = some_time, help_heading = "TLS")]
    pub tls_handshake_timeout: Option<Duration>,
}

impl TlsArgs {
    /// Returns which versions are spoken.
    pub fn versions(&self) -> Result<Versions, Failure> {
        let default = Versions::default();
        let (min, max) = (self.tls_min.unwrap_or(default.min), self.tls_max.unwrap_or(default.max));
        if min > max {
            return Err(Failure::usage(format!("--tls-min {min} is newer than --tls-max {max}")));
        }
        Ok(Versions { min, max })
    }

    /// Returns how long a handshake may take.
    pub fn handshake_timeout(&self) -> Duration {
        self.tls_handshake_timeout.unwrap_or(callbox::net::tls::HANDSHAKE_TIMEOUT)
    }

    /// Refuses those that are given and mean nothing, where TLS is not asked for.
    pub fn check(&self, asked: bool) -> Result<(), Failure> {
        match self.given() {
            Some(flag) if !asked => Err(without_tls(flag, "--tls, or tls:// before the address")),
            _ => Ok(()),
        }
    }

    /// Returns one that is given and means nothing without TLS.
    fn given(&self) -> Option<&'static str> {
        first(&[
            ("--tls-min", self.tls_min.is_some()),
            ("--tls-max", self.tls_max.is_some()),
            ("--tls-keylog", self.tls_keylog.is_some()),
            ("--tls-expiry-warn", self.tls_expiry_warn.is_some()),
            ("--tls-handshake-timeout", self.tls_handshake_timeout.is_some()),
        ])
    }
}

/// Returns the first flag that is given.
fn first(flags: &[(&'static str, bool)]) -> Option<&'static str> {
    flags.iter().find(|(_, given)| *given).map(|(flag, _)| *flag)
}

/// A flag that means nothing, for nobody has asked for TLS.
fn without_tls(flag: &str, how: &str) -> Failure {
    Failure::usage(format!("{flag} is given, and TLS is not asked for")).hint(format!("add {how}"))
}

/// Names of protocols with commas between them (ALPN).
fn protocols(text: &str) -> Result<String, String> {
    match text.split(',').find(|name| !(1..=255).contains(&name.len())) {
        Some(_) => Err(format!("{text:?}: each protocol's name has 1 to 255 bytes, as in h2,http/1.1")),
        None => Ok(text.to_owned()),
    }
}

/// Returns the names in it.
fn split(alpn: Option<&str>) -> Vec<String> {
    alpn.map(|names| names.split(',').map(str::to_owned).collect()).unwrap_or_default()
}

fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text) {
        Ok(time) if time.is_zero() => Err("a handshake takes longer than nothing".into()),
        Ok(time) => Ok(time),
        Err(invalid) => Err(invalid.to_string()),
    }
}
