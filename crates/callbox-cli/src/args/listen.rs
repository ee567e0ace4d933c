//! Where to listen: at an address, or at sockets that were passed.

use std::str::FromStr;

use callbox::addr::Endpoint;
use callbox::{Addr, Invalid};

use crate::exit::{Failure, NO_CONNECTION};
use crate::started::Passed;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// At an address of our own, or at a descriptor by its number.
    At(Addr),
    /// At the sockets passed by this name (`fd:NAME`), or at all (`fd:`).
    Passed(Option<String>),
}

/// Where to listen, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// Where.
    pub at: Listen,
    /// TLS is spoken there: `tls://` stood before it.
    pub tls: bool,
}

impl FromStr for Listening {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Listening, Invalid> {
        let (tls, text) = Endpoint::split(text);
        Ok(Listening { at: text.parse()?, tls })
    }
}

impl Listen {
    /// Returns the addresses to bind.
    ///
    /// # Errors
    ///
    /// No socket was passed, none by that name, or no descriptor by that number.
    pub fn addrs(&self, passed: &Passed) -> Result<Vec<Addr>, Failure> {
        match self {
            Listen::At(addr @ Addr::Fd(number)) if !is_open(*number) => {
                let message = format!("inherit {addr}: no such descriptor was passed");
                Err(Failure::new(NO_CONNECTION, message))
            }
            Listen::At(addr) => Ok(vec![addr.clone()]),
            Listen::Passed(name) => passed.find(name.as_deref()),
        }
    }

    /// Tells whether only this machine reaches it; of what was passed that is not known.
    pub fn is_loopback(&self) -> bool {
        matches!(self, Listen::At(addr) if addr.is_loopback())
    }

    /// Returns the address that stands for it where limits depend on that.
    pub fn addr(&self) -> Addr {
        match self {
            Listen::At(addr) => addr.clone(),
            Listen::Passed(_) => Addr::Fd(crate::started::FIRST_PASSED),
        }
    }
}

/// Tells whether a descriptor is open, where that can be told. It is asked before callbox opens any of its own, which would
/// have the number then.
fn is_open(number: u32) -> bool {
    let all = std::path::Path::new("/dev/fd");
    !all.exists() || all.join(number.to_string()).symlink_metadata().is_ok()
}

impl FromStr for Listen {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Listen, Invalid> {
        match text.strip_prefix("fd:") {
            Some("") => Ok(Listen::Passed(None)),
            Some(name) if !name.bytes().all(|byte| byte.is_ascii_digit()) => {
                // What systemd allows in FileDescriptorName=.
                let stray = name.char_indices().find(|(_, c)| c.is_control() || *c == ':' || !c.is_ascii());
                match stray {
                    None => Ok(Listen::Passed(Some(name.to_owned()))),
                    Some((at, _)) => {
                        let invalid = Invalid::new("address", text, "no name of a passed socket").at(3 + at);
                        Err(invalid
                            .instead("write fd:NAME with the name that FileDescriptorName= has, fd:3, or fd: for all"))
                    }
                }
            }
            _ => text.parse().map(Listen::At),
        }
    }
}
