//! Where to connect or listen.

use callbox::addr::Endpoint;
use callbox::net::resolve::Family;
use callbox::{Addr, Invalid};

use super::listen::{Listen, Listening};

/// Which address family.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct FamilyArgs {
    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long)]
    pub ipv6: bool,
}

impl FamilyArgs {
    /// Returns what was asked for.
    pub fn family(self) -> Family {
        match (self.ipv4, self.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        }
    }
}

/// An address in one word or two, or none.
#[derive(Debug, Clone, clap::Args)]
pub struct AddressArgs {
    /// `host:port`, `host port`, `[v6]:port`, `:port` (loopback), `*:port` (every address), `unix:/path`, `unix:@name` or, to listen, `fd:N` (a descriptor), `fd:NAME` or `fd:` (sockets passed by a service manager); with `tls://` before it TLS is spoken there [default: 127.0.0.1:8848]
    #[arg(value_name = "ADDR", num_args = 0..=2)]
    pub words: Vec<String>,
}

impl AddressArgs {
    /// Reads where to listen, and whether TLS is asked for by it.
    pub fn listen(&self) -> Result<Listening, Invalid> {
        match self.words.as_slice() {
            [word] => word.parse(),
            _ => self.endpoint().map(|Endpoint { addr, tls }| Listening { at: Listen::At(addr), tls }),
        }
    }

    /// Reads the address, and whether TLS is asked for by it.
    pub fn endpoint(&self) -> Result<Endpoint, Invalid> {
        match self.words.as_slice() {
            [] => Ok(Addr::default_address().into()),
            [word] => Endpoint::parse(word),
            [host, port, ..] => Endpoint::from_words(host, port),
        }
    }
}
