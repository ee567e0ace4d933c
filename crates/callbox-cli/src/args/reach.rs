//! How servers are reached, alike on the commands that look at them.

use std::net::SocketAddr;

use callbox::addr::Endpoint;
use callbox::net::connect::ConnectOptions;
use callbox::net::starttls::StartTls;

use super::{ClientTlsArgs, FamilyArgs, ThroughArgs, source};
use crate::exit::Failure;
use crate::tls::client::Ready;

/// Families, proxies and TLS.
#[derive(Debug, Clone, clap::Args)]
pub struct ReachArgs {
    #[command(flatten)]
    pub family: FamilyArgs,
    /// Connect from this local address
    #[arg(long, value_name = "ADDR[:PORT]", value_parser = source, help_heading = "Connecting")]
    pub source: Option<SocketAddr>,
    /// Ask for TLS first, in the clear, as this protocol does it: smtp, imap, pop3, ftp, xmpp, postgres, mysql or ldap; implies --tls
    #[arg(long, value_name = "PROTOCOL", help_heading = "Connecting")]
    pub starttls: Option<StartTls>,
    #[command(flatten)]
    pub through: ThroughArgs,
    #[command(flatten)]
    pub tls: ClientTlsArgs,
}

/// How each of some servers is reached.
pub struct Ways {
    plain: ConnectOptions,
    /// TLS, where one of them speaks it.
    pub tls: Option<Ready>,
    /// All of them do.
    everywhere: bool,
}

impl ReachArgs {
    /// Makes everything ready that these servers need.
    ///
    /// # Errors
    ///
    /// Files of TLS that cannot be used, flags that mean nothing together, servers that no proxy leads to.
    pub fn ready(&self, servers: &[Endpoint]) -> Result<Ways, Failure> {
        let everywhere = self.tls.tls || self.starttls.is_some();
        let tls = self.tls.ready(everywhere || servers.iter().any(|server| server.tls))?;
        let plain = ConnectOptions {
            // Each attempt has a limit of its own.
            timeout: None,
            source: self.source,
            family: self.family.family(),
            starttls: self.starttls,
            ..ConnectOptions::default()
        };
        let addrs: Vec<_> = servers.iter().map(|server| server.addr.clone()).collect();
        Ok(Ways { plain: self.through.through(plain, &addrs)?, tls, everywhere })
    }
}

impl Ways {
    /// Returns how to connect to one of them.
    pub fn to(&self, server: &Endpoint) -> ConnectOptions {
        let tls = self.tls.as_ref().filter(|_| self.everywhere || server.tls).map(|ready| ready.tls.clone());
        ConnectOptions { tls, ..self.plain.clone() }
    }
}
