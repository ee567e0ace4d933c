//! For which names a certificate is made.

use std::net::IpAddr;

use callbox::Addr;
use callbox::addr::Host;

use crate::exit::Failure;

/// The longest name that DNS carries, in bytes (RFC 1035).
const NAME_BYTES: usize = 253;
/// The longest part of a name between dots, in bytes (RFC 1035).
const LABEL_BYTES: usize = 63;

/// Returns the names: those of this machine alone, that of `listen`, the machine's own, and those asked for.
///
/// # Errors
///
/// One that is asked for and is neither a DNS name nor an address.
pub fn names(listen: &Addr, asked: &[String]) -> Result<Vec<String>, Failure> {
    if let Some(bad) = asked.iter().find(|name| !is_address(name) && !is_dns(name)) {
        return Err(Failure::usage(format!("--tls-name: \"{bad}\" is neither a DNS name nor an address")));
    }
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let bound = match listen {
        Addr::Tcp { host: Host::Ip(ip), .. } if !ip.is_unspecified() => Some(ip.to_string()),
        Addr::Tcp { host: Host::Name(name), .. } => Some(name.clone()).filter(|name| is_dns(name)),
        _ => None,
    };
    let host = rustix::system::uname();
    let host = host.nodename().to_str().ok().filter(|name| is_dns(name)).map(str::to_owned);
    for name in bound.into_iter().chain(host).chain(asked.iter().cloned()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

/// Tells whether it is a DNS name as certificates have them, with `*` for its first part at most.
fn is_dns(name: &str) -> bool {
    let rest = name.strip_prefix("*.").unwrap_or(name);
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=LABEL_BYTES).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= NAME_BYTES && rest.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_comes_last_and_nothing_twice() {
        let listen = Addr::parse("192.0.2.1:443").expect("good");
        let asked = ["db.test", "localhost", "*.test", "192.0.2.7"].map(str::to_owned);
        let names = names(&listen, &asked).expect("good ones");
        assert_eq!(names[..4], ["localhost", "127.0.0.1", "::1", "192.0.2.1"]);
        assert_eq!(names[names.len() - 3..], ["db.test", "*.test", "192.0.2.7"]);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in ["", "a b", "-a", "a..b", "ä.test", "a.*", "*"] {
            assert!(names(&Addr::default_address(), &[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
