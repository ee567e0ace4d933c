//! One host, many spellings: numbers as C reads them, the dot of the root, IPv4 inside of IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::addr::Host;

/// The longest name that DNS carries, and the longest part of one, in bytes (RFC 1035).
const NAME_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;

/// Reads the host that a client asks for; `None` for what can be none.
///
/// What a resolver would take for an IPv4 address is one: `127.1`, `2130706433`, `0x7f.1`, `017700000001`, each with or
/// without a dot behind it. A name whose last part is a number and that is no such address is no name either (URL standard,
/// "ends in a number").
pub fn host(text: &str) -> Option<Host> {
    if text.contains(':') {
        let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
        let ip: Ipv6Addr = address.parse().ok()?;
        return match zone {
            None => Some(Host::Ip(ip.into())),
            Some(zone) => is_zone(zone).then(|| Host::Name(text.to_owned())),
        };
    }
    let bare = text.strip_suffix('.').unwrap_or(text);
    let labels: Vec<&str> = bare.split('.').collect();
    let is_label = |label: &&str| {
        (1..=LABEL_BYTES).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if bare.len() > NAME_BYTES || !labels.iter().all(is_label) {
        return None;
    }
    if labels.last().is_some_and(|last| is_number(last)) {
        return numbers(&labels).map(|ip| Host::Ip(ip.into()));
    }
    let name = if bare.eq_ignore_ascii_case("localhost") { bare } else { text };
    Some(Host::Name(name.to_owned()))
}

fn is_zone(zone: &str) -> bool {
    (1..=LABEL_BYTES).contains(&zone.len())
        && zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn is_number(label: &str) -> bool {
    label.bytes().all(|byte| byte.is_ascii_digit()) || number(label).is_some()
}

/// One part of an IPv4 address: decimal, octal behind a 0, hexadecimal behind 0x.
fn number(label: &str) -> Option<u64> {
    let (digits, radix) = match label.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&label[2..], 16),
        [b'0', _, ..] => (&label[1..], 8),
        _ => (label, 10),
    };
    // "0x" alone is a zero to some.
    let digits = if digits.is_empty() && radix == 16 { "0" } else { digits };
    // A sign is no digit, though parsing takes one.
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, radix).ok().filter(|_| is_plain)
}

/// An address in one to four numbers, of which the last fills what is left.
fn numbers(labels: &[&str]) -> Option<Ipv4Addr> {
    let (last, first) = labels.split_last()?;
    let bytes = 4usize.checked_sub(first.len()).filter(|bytes| *bytes > 0)?;
    let last = number(last).filter(|last| *last < 1 << (8 * bytes))?;
    let mut ip = last;
    for (index, label) in first.iter().enumerate() {
        let part = number(label).filter(|part| *part < 256)?;
        ip |= part << (8 * (3 - index));
    }
    u32::try_from(ip).ok().map(Ipv4Addr::from)
}

/// The address that connecting to `ip` means: IPv4 is IPv4 also when it is mapped into IPv6, and no address is this machine.
pub(super) fn meant(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// All addresses that a network may lead to by `ip`: itself as it is meant, and what is translated out of it: IPv4-compatible,
/// SIIT, 6to4 (RFC 3056), NAT64 with its own prefix (RFC 6052) and with the local one (RFC 8215), whose length is not known.
pub(super) fn spellings(ip: IpAddr) -> Vec<IpAddr> {
    let meant = meant(ip);
    let mut all = vec![meant];
    let IpAddr::V6(v6) = meant else { return all };
    let octets = v6.octets();
    let mut add = |at: [usize; 4]| all.push(Ipv4Addr::from(at.map(|at| octets[at])).into());
    match v6.segments() {
        // ::1 is loopback, and nothing else.
        [0, 0, 0, 0, 0, 0, high, low] if (high, low) != (0, 1) => add([12, 13, 14, 15]),
        [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => add([12, 13, 14, 15]),
        [0x64, 0xff9b, 1, ..] => {
            for at in [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]] {
                add(at);
            }
        }
        [0x2002, ..] => add([2, 3, 4, 5]),
        _ => {}
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_of_a_number_is_the_address() {
        for text in [
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "127.0.1",
            "2130706433",
            "2130706433.",
            "0x7f000001",
            "0X7F.1",
            "0x7f.0x0.0x0.0x1",
            "017700000001",
            "0177.0.0.01",
            "127.0.0.0x1",
        ] {
            assert_eq!(host(text), Some(Host::Ip(Ipv4Addr::LOCALHOST.into())), "{text}");
        }
        assert_eq!(host("0"), Some(Host::Ip(Ipv4Addr::UNSPECIFIED.into())));
        assert_eq!(host("0x"), Some(Host::Ip(Ipv4Addr::UNSPECIFIED.into())));
        assert_eq!(host("::ffff:127.0.0.1"), Some(Host::Ip("::ffff:127.0.0.1".parse().expect("good"))));
    }

    #[test]
    fn names_are_names() {
        for text in ["example.com", "example.com.", "a_b-c", "10.example", "xn--bcher-kva.example", "0xg", "1.2.3.x"] {
            assert_eq!(host(text), Some(Host::Name(text.to_owned())), "{text}");
        }
        assert_eq!(host("LOCALHOST."), Some(Host::Name("LOCALHOST".to_owned())));
        assert_eq!(host("fe80::1%eth0"), Some(Host::Name("fe80::1%eth0".to_owned())));
        let long = "a".repeat(64);
        for text in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a b",
            "a\nb",
            "a/b",
            "a@b",
            "bücher",
            "256.1.1.1",
            "1.2.3.4.5",
            "4294967296",
            "08.1.1.1",
            "a.1",
            "1.2.3.09",
            "::1::",
            "[::1]",
            "fe80::1%",
            "fe80::1%a b",
            "::1%\n",
            "99999999999999999999999",
            "-1.+1",
            &long,
        ] {
            assert_eq!(host(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_the_resolver_reads_as_an_address_is_read_as_the_same(
            text in r"(0x[0-9a-f]{1,8}|0[0-7]{0,4}|[1-9][0-9]{0,9}|[0-9]{1,3})(\.(0x[0-9a-f]{1,2}|0[0-7]{0,3}|[0-9]{1,3})){0,4}"
        ) {
            use std::net::ToSocketAddrs;
            match host(&text) {
                // What is an address is never asked of anybody, so this stays on the machine.
                Some(Host::Ip(ip)) => {
                    let found = format!("{text}:0").to_socket_addrs().ok().and_then(|mut found| found.next());
                    prop_assert_eq!(found.map(|found| found.ip()), Some(ip));
                }
                Some(other) => prop_assert!(false, "{:?}", other),
                None => {}
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            if let Some(Host::Name(name)) = host(&text) {
                prop_assert!(name.is_ascii() && !name.contains(' '));
            }
        }
    }
}
