//! Addresses that are never connected to, whatever leads there: a relay's own, and those from which callbox is steered.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::addr::Addr;

/// Listening addresses that are not connected to; clones share the list.
#[derive(Debug, Clone, Default)]
pub struct Avoid(Arc<RwLock<Bound>>);

#[derive(Debug, Default)]
struct Bound {
    addrs: Vec<SocketAddr>,
    /// Unix sockets.
    paths: Vec<PathBuf>,
    /// Whether what serves a machine's own network alone is avoided too.
    link_local: bool,
}

impl Avoid {
    /// Starts with these.
    pub fn new(bound: Vec<SocketAddr>) -> Avoid {
        Avoid(Arc::new(RwLock::new(Bound { addrs: bound, ..Bound::default() })))
    }

    /// Adds one.
    pub fn add(&self, bound: SocketAddr) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).addrs.push(bound);
    }

    /// Adds all that a listener is bound to, Unix sockets too.
    pub fn add_all(&self, bound: &[Addr]) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for addr in bound {
            match addr {
                Addr::Unix(path) => all.paths.push(path.clone()),
                addr => all.addrs.extend(addr.socket_addr()),
            }
        }
    }

    /// Avoids link-local addresses too, and where clouds tell a machine its secrets: for targets that a stranger names.
    pub fn add_link_local(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).link_local = true;
    }

    /// Returns why `target` is not connected to; `None` where it may be.
    pub fn refusal(&self, target: SocketAddr) -> Option<&'static str> {
        if self.reached(target).is_some() {
            return Some("callbox itself listens there");
        }
        let forbidden = self.bound().link_local && is_link_local(target.ip().to_canonical());
        forbidden.then_some("nobody is led to link-local addresses")
    }

    /// Returns them, but for Unix sockets.
    pub fn list(&self) -> Vec<SocketAddr> {
        self.bound().addrs.clone()
    }

    /// Returns the one that connecting to `target` would reach.
    pub fn reached(&self, target: SocketAddr) -> Option<SocketAddr> {
        self.bound().addrs.iter().copied().find(|bound| reaches(target, *bound))
    }

    /// Tells whether connecting to the Unix socket `target` would reach one of them.
    pub fn reached_path(&self, target: &Path) -> bool {
        self.bound().paths.iter().any(|bound| bound == target || is_same_file(target, bound))
    }

    fn bound(&self) -> RwLockReadGuard<'_, Bound> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whether two paths lead to one file, over links or not.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| path.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((file(one), file(other)), (Ok(one), Ok(other)) if one == other)
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
            (false, true) => is_of_this_machine(to, target),
        }
}

/// Tells whether an address is link-local, or the one of a cloud's metadata in IPv6.
fn is_link_local(ip: IpAddr) -> bool {
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip == METADATA,
    }
}

/// Tells whether an address is one of this machine's: only those can be bound.
fn is_of_this_machine(ip: IpAddr, mut target: SocketAddr) -> bool {
    // With the scope that it has: without it a link-local one cannot be bound.
    target.set_ip(ip);
    target.set_port(0);
    ip.is_loopback() || UdpSocket::bind(target).is_ok()
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

    #[cfg(target_os = "linux")]
    #[test]
    fn each_address_of_this_machine_is_one_also_a_link_local_one_with_its_scope() {
        let mut known = 0;
        for line in std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default().lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let ip = u128::from_str_radix(fields[0], 16).expect("an address");
            let scope = u32::from_str_radix(fields[1], 16).expect("an interface");
            // Duplicate address detection is still under way, or has found one.
            let flags = u32::from_str_radix(fields[4], 16).expect("flags");
            if flags & 0x48 != 0 {
                continue;
            }
            let ip = Ipv6Addr::from_bits(ip);
            let scope = if ip.is_unicast_link_local() { scope } else { 0 };
            let target = std::net::SocketAddrV6::new(ip, 80, 0, scope);
            assert!(reaches(target.into(), addr("[::]:80")), "{target}");
            known += 1;
        }
        println!("{known} addresses of IPv6");
    }

    #[test]
    fn a_unix_socket_is_known_by_any_path() {
        let folder = std::env::temp_dir().join(format!("callbox-avoid-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (own, link, other) = (folder.join("own"), folder.join("link"), folder.join("other"));
        let _own = std::os::unix::net::UnixListener::bind(&own).expect("binds");
        let _other = std::os::unix::net::UnixListener::bind(&other).expect("binds");
        std::os::unix::fs::symlink(&own, &link).expect("a link");
        let avoid = Avoid::default();
        avoid.add_all(&[Addr::Unix(own.clone())]);
        let reached = [&own, &link, &folder.join(".").join("own"), &other, &folder.join("none")];
        assert_eq!(reached.map(|path| avoid.reached_path(path)), [true, true, true, false, false]);
        std::fs::remove_dir_all(&folder).expect("is ours");
    }

    #[test]
    fn link_local_addresses_are_avoided_where_asked_for() {
        let avoid = Avoid::default();
        let link_local =
            ["169.254.169.254:80", "[::ffff:169.254.1.1]:80", "[fe80::1]:80", "[febf::1]:80", "[fd00:ec2::254]:80"];
        let other = ["169.253.169.254:80", "10.0.0.1:80", "[fd00:ec2::253]:80", "[fec0::1]:80", "127.0.0.1:80"];
        let refused = |target: &&str| avoid.refusal(addr(target)).is_some();
        assert!(!link_local.iter().chain(&other).any(refused));
        avoid.add_link_local();
        assert!(link_local.iter().all(refused) && !other.iter().any(refused));
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
