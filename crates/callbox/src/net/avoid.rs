//! Addresses that are never connected to, whatever leads there: a relay's own, and those from which callbox is steered.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, PoisonError, RwLock};

/// Listening addresses that are not connected to; clones share the list.
#[derive(Debug, Clone, Default)]
pub struct Avoid(Arc<RwLock<Vec<SocketAddr>>>);

impl Avoid {
    /// Starts with these.
    pub fn new(bound: Vec<SocketAddr>) -> Avoid {
        Avoid(Arc::new(RwLock::new(bound)))
    }

    /// Adds one.
    pub fn add(&self, bound: SocketAddr) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(bound);
    }

    /// Returns them.
    pub fn list(&self) -> Vec<SocketAddr> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the one that connecting to `target` would reach.
    pub fn reached(&self, target: SocketAddr) -> Option<SocketAddr> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().copied().find(|bound| reaches(target, *bound))
    }
}

/// Tells whether connecting to `target` arrives at a listener bound to `bound`, in any spelling of either: mapped into
/// IPv6, or unspecified, which means this machine when it is connected to and all of its addresses when it is bound.
pub fn reaches(target: SocketAddr, bound: SocketAddr) -> bool {
    let (to, at) = (target.ip().to_canonical(), bound.ip().to_canonical());
    target.port() == bound.port()
        && match (to.is_unspecified(), at.is_unspecified()) {
            (false, false) => to == at,
            (true, false) => at.is_loopback(),
            (true, true) => true,
            (false, true) => is_of_this_machine(to),
        }
}

/// Tells whether an address is one of this machine's: only those can be bound.
fn is_of_this_machine(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().expect("good")
    }

    #[test]
    fn every_spelling_of_a_bound_address_is_known() {
        let reaching = [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80"),
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "127.0.0.1:80"),
            ("[::ffff:0.0.0.0]:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("0.0.0.0:80", "[::1]:80"),
            ("127.0.0.1:80", "0.0.0.0:80"),
            ("127.9.9.9:80", "0.0.0.0:80"),
            ("127.0.0.1:80", "[::]:80"),
            ("[::]:80", "0.0.0.0:80"),
        ];
        for (target, bound) in reaching {
            assert!(reaches(addr(target), addr(bound)), "{target} {bound}");
        }
    }

    #[test]
    fn other_addresses_are_not_mistaken_for_it() {
        let other = [
            ("127.0.0.1:81", "127.0.0.1:80"),
            ("127.0.0.2:80", "127.0.0.1:80"),
            ("[::1]:80", "127.0.0.1:80"),
            ("0.0.0.0:80", "192.0.2.1:80"),
            ("192.0.2.1:80", "0.0.0.0:80"),
        ];
        for (target, bound) in other {
            assert!(!reaches(addr(target), addr(bound)), "{target} {bound}");
        }
    }

    #[test]
    fn a_clone_learns_what_is_added() {
        let avoid = Avoid::default();
        let clone = avoid.clone();
        avoid.add(addr("127.0.0.1:80"));
        assert_eq!(clone.reached(addr("0.0.0.0:80")), Some(addr("127.0.0.1:80")));
        assert_eq!(clone.reached(addr("0.0.0.0:81")), None);
        assert_eq!(clone.list(), [addr("127.0.0.1:80")]);
    }
}
