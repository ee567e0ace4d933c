//! Where to connect or listen.

use callbox::net::resolve::Family;
use callbox::{Addr, Invalid};

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
    /// `host:port`, `host port`, `[v6]:port`, `:port` (loopback), `*:port` (every address), `unix:/path` or `fd:N` [default: 127.0.0.1:8848]
    #[arg(value_name = "ADDR", num_args = 0..=2)]
    pub words: Vec<String>,
}

impl AddressArgs {
    /// Reads the address.
    pub fn addr(&self) -> Result<Addr, Invalid> {
        match self.words.as_slice() {
            [] => Ok(Addr::default_address()),
            [word] => Addr::parse(word),
            [host, port, ..] => Addr::from_words(host, port),
        }
    }
}
