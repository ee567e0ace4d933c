//! Who may connect, by address: lists of ranges, of which one allows and one denies.
//!
//! ```
//! use callbox::access::AccessList;
//!
//! let list = AccessList::new(Some(vec!["10.0.0.0/8".parse()?]), vec!["10.0.0.7".parse()?]);
//! assert!(list.permits(&"10.1.2.3:50000".parse()?));
//! assert!(!list.permits(&"10.0.0.7:50000".parse()?), "who is denied stays outside, allowed or not");
//! assert!(!list.permits(&"192.0.2.1:50000".parse()?), "where some are allowed, others are not");
//! # Ok::<(), callbox::Invalid>(())
//! ```

mod lines;
mod ranges;

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

pub use crate::addr::Range;
pub use lines::{BadLine, read_ranges};
use ranges::Ranges;

use crate::addr::{Addr, Host};

/// Whom to let in. The default lets everybody in.
///
/// An IPv4 address in IPv6 clothes (`::ffff:10.1.2.3`) is the IPv4 address, on either side; so `::/0` is every IPv6
/// address and no other. Peers without an IP address, which have come by a Unix socket, are let in: its mode says who may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessList {
    /// Nobody else; `None` is everybody.
    allow: Option<Ranges>,
    deny: Ranges,
}

impl AccessList {
    /// Lets in whom `allow` has, or everybody where there is none, but for those whom `deny` has.
    pub fn new(allow: Option<Vec<Range>>, deny: Vec<Range>) -> AccessList {
        AccessList { allow: allow.map(Ranges::from_iter), deny: deny.into_iter().collect() }
    }

    /// Tells whether `peer` may come in.
    pub fn permits(&self, peer: &Addr) -> bool {
        ip(peer).is_none_or(|ip| !self.deny.contains(ip) && self.allow.as_ref().is_none_or(|allow| allow.contains(ip)))
    }
}

/// A handle on the list that counts now; clones share it.
///
/// A list that replaces another counts for connections to come. Sessions that are there stay.
#[derive(Debug, Clone, Default)]
pub struct Access(Arc<RwLock<Arc<AccessList>>>);

impl Access {
    /// Starts with this list.
    pub fn new(list: AccessList) -> Access {
        Access(Arc::new(RwLock::new(Arc::new(list))))
    }

    /// Puts another list in its place, at once and as a whole.
    pub fn replace(&self, list: AccessList) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
    }

    /// Returns the list that counts now.
    pub fn list(&self) -> Arc<AccessList> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells whether `peer` may come in now.
    pub fn permits(&self, peer: &Addr) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).permits(peer)
    }
}

/// Returns the IP address of a peer: IPv4 in IPv6 clothes as IPv4, and without the scope of a link-local one.
pub(crate) fn ip(peer: &Addr) -> Option<IpAddr> {
    match peer {
        Addr::Tcp { host: Host::Ip(ip), .. } => Some(ip.to_canonical()),
        // How an address with its scope is kept.
        Addr::Tcp { host: Host::Name(name), .. } => name.split('%').next()?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
