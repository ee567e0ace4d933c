//! Where a proxy of ours leads, whatever its clients ask for: what is allowed, what is denied, and what is out of bounds
//! unless it is named.

mod rule;
mod spelling;

pub use rule::TargetRule;
pub use spelling::host;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use spelling::{meant, spellings};

/// Which targets clients may name. By default every one but those that are out of bounds; a denial wins.
///
/// Out of bounds are link-local addresses and those where clouds tell a machine its secrets: `169.254.0.0/16`, `fe80::/10`,
/// `fd00:ec2::254`, `fd20:ce::254`, `100.100.100.200`. A rule that allows one of them alone, or a part of such a range, opens
/// it; one that happens to reach over it does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Targets {
    allow: Vec<TargetRule>,
    deny: Vec<TargetRule>,
}

/// Nobody is led there unless it is named.
fn out_of_bounds() -> [IpNet; 5] {
    let range = |ip: IpAddr, prefix| IpNet::new_assert(ip, prefix);
    let v6 = |segments: [u16; 8]| IpAddr::V6(Ipv6Addr::from(segments));
    [
        range(Ipv4Addr::new(169, 254, 0, 0).into(), 16),
        range(Ipv4Addr::new(100, 100, 100, 200).into(), 32),
        range(v6([0xfe80, 0, 0, 0, 0, 0, 0, 0]), 10),
        range(v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]), 128),
        range(v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]), 128),
    ]
}

const DENIED: &str = "the rules for targets deny it";
const NOT_ALLOWED: &str = "no rule for targets allows it";
const OUT_OF_BOUNDS: &str = "nobody is led to link-local and metadata addresses";

impl Targets {
    /// Allows what one of `allow` matches, everything where there are none, but for what one of `deny` matches.
    pub fn new(allow: Vec<TargetRule>, deny: Vec<TargetRule>) -> Targets {
        Targets { allow, deny }
    }

    /// Returns why `name` is not even looked up; `None` where its addresses decide.
    pub fn refusal_of_name(&self, name: &str, port: u16) -> Option<&'static str> {
        if self.deny.iter().any(|rule| rule.matches_name(name, port)) {
            return Some(DENIED);
        }
        let may = |rule: &TargetRule| rule.matches_name(name, port) || rule.may_match_some_address(port);
        (!self.allow.is_empty() && !self.allow.iter().any(may)).then_some(NOT_ALLOWED)
    }

    /// Returns why nobody is led to `addr`, asked for by `name` where it is the address of one; `None` where it may be.
    pub fn refusal(&self, name: Option<&str>, addr: SocketAddr) -> Option<&'static str> {
        let port = addr.port();
        let named = |rule: &TargetRule| name.is_some_and(|name| rule.matches_name(name, port));
        let all = spellings(addr.ip());
        let denies = |rule: &TargetRule| named(rule) || all.iter().any(|ip| rule.matches_ip(*ip, port));
        if self.deny.iter().any(denies) {
            return Some(DENIED);
        }
        let meant = meant(addr.ip());
        let bounds = out_of_bounds();
        let is_inside = |range: &IpNet| all.iter().any(|ip| range.contains(ip));
        if bounds.iter().any(is_inside) {
            let opens =
                |rule: &TargetRule| rule.matches_ip(meant, port) && bounds.iter().any(|range| rule.is_within(range));
            return (!self.allow.iter().any(opens)).then_some(OUT_OF_BOUNDS);
        }
        let allows = |rule: &TargetRule| named(rule) || rule.matches_ip(meant, port);
        (!self.allow.is_empty() && !self.allow.iter().any(allows)).then_some(NOT_ALLOWED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(allow: &[&str], deny: &[&str]) -> Targets {
        let rules = |texts: &[&str]| texts.iter().map(|text| text.parse().expect(text)).collect();
        Targets::new(rules(allow), rules(deny))
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().expect(text)
    }

    /// Secrets and neighbours, in every spelling that a network may lead there by.
    const BEYOND: [&str; 18] = [
        "169.254.169.254:80",
        "169.254.0.1:1",
        "169.254.255.255:65535",
        "100.100.100.200:80",
        "[fe80::1]:80",
        "[febf:ffff::1]:80",
        "[fd00:ec2::254]:80",
        "[fd20:ce::254]:80",
        "[::ffff:169.254.169.254]:80",
        "[::ffff:100.100.100.200]:80",
        "[::ffff:0:169.254.169.254]:80",
        "[::169.254.169.254]:80",
        "[64:ff9b::169.254.169.254]:80",
        "[64:ff9b::100.100.100.200]:80",
        "[64:ff9b:1::169.254.169.254]:80",
        "[64:ff9b:1:a9fe:a9:fe00::]:80",
        "[2002:a9fe:a9fe::1]:80",
        "[2002:6464:64c8::]:80",
    ];

    #[test]
    fn by_default_all_is_allowed_but_what_is_out_of_bounds() {
        let targets = Targets::default();
        for text in BEYOND {
            assert_eq!(targets.refusal(None, addr(text)), Some(OUT_OF_BOUNDS), "{text}");
            assert_eq!(targets.refusal(Some("metadata.example.com"), addr(text)), Some(OUT_OF_BOUNDS), "{text}");
        }
        for text in [
            "127.0.0.1:80",
            "[::1]:80",
            "0.0.0.0:80",
            "[::]:80",
            "169.253.169.254:80",
            "100.100.100.201:80",
            "[fec0::1]:80",
            "[fd00:ec2::253]:80",
            "[2001:db8::1]:443",
            "[2002:7f00:1::1]:80",
        ] {
            assert_eq!(targets.refusal(None, addr(text)), None, "{text}");
        }
    }

    #[test]
    fn only_a_rule_that_names_what_is_out_of_bounds_opens_it() {
        let metadata = addr("169.254.169.254:80");
        for wide in ["0.0.0.0/0", "169.0.0.0/8", "*", "metadata.example.com", "*.example.com"] {
            let refusal = targets(&[wide], &[]).refusal(Some("metadata.example.com"), metadata);
            assert_eq!(refusal, Some(OUT_OF_BOUNDS), "{wide}");
        }
        for named in ["169.254.169.254", "169.254.169.254:80", "169.254.0.0/16", "169.254.169.0/24:1-100"] {
            assert_eq!(targets(&[named], &[]).refusal(None, metadata), None, "{named}");
            assert_eq!(targets(&[named], &[]).refusal(None, addr("[::ffff:169.254.169.254]:80")), None, "{named}");
            // No other spelling is opened with it.
            assert!(targets(&[named], &[]).refusal(None, addr("[64:ff9b::169.254.169.254]:80")).is_some(), "{named}");
        }
        assert!(targets(&["169.254.169.254:81"], &[]).refusal(None, metadata).is_some(), "another port");
        assert!(targets(&["169.254.169.254"], &["169.254.0.0/16"]).refusal(None, metadata).is_some(), "denial wins");
        assert_eq!(targets(&["fe80::/10"], &[]).refusal(None, addr("[fe80::1]:80")), None);
    }

    #[test]
    fn a_denial_wins_in_every_spelling() {
        for (deny, addrs) in [
            ("127.0.0.0/8", &["127.0.0.1:80", "[::ffff:127.0.0.1]:80", "0.0.0.0:80", "[::ffff:0.0.0.0]:80"][..]),
            ("::1", &["[::1]:80", "[::]:80"][..]),
            (
                "10.0.0.0/8:80",
                &["10.1.2.3:80", "[::ffff:10.1.2.3]:80", "[64:ff9b::10.1.2.3]:80", "[2002:a01:203::]:80"],
            ),
            ("[2001:db8::/32]:80-90", &["[2001:db8::1]:80", "[2001:db8::1]:90"][..]),
            ("*:25", &["192.0.2.1:25", "[2001:db8::1]:25"][..]),
            ("2130706433", &["127.0.0.1:80"][..]),
        ] {
            for text in addrs {
                let refusal = targets(&["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"], &[deny]).refusal(None, addr(text));
                assert_eq!(refusal, Some(DENIED), "{deny} {text}");
            }
        }
        let some = targets(&[], &["10.0.0.0/8:80", "*:25"]);
        for text in ["10.1.2.3:81", "11.1.2.3:80", "192.0.2.1:26"] {
            assert_eq!(some.refusal(None, addr(text)), None, "{text}");
        }
    }

    #[test]
    fn where_something_is_allowed_nothing_else_is() {
        let some = targets(&["10.0.0.0/8", "db.example.com:5432", "*.test:80-81"], &["10.0.0.1"]);
        let any = addr("192.0.2.1:5432");
        for (name, addr, refusal) in [
            (None, addr("10.0.0.2:1"), None),
            (None, addr("10.0.0.1:1"), Some(DENIED)),
            (None, any, Some(NOT_ALLOWED)),
            (Some("db.example.com"), any, None),
            (Some("DB.Example.COM."), any, None),
            (Some("db.example.com"), addr("192.0.2.1:5433"), Some(NOT_ALLOWED)),
            (Some("xdb.example.com"), any, Some(NOT_ALLOWED)),
            (Some("a.test"), addr("192.0.2.1:81"), None),
            (Some("a.b.test."), addr("192.0.2.1:80"), None),
            (Some("test"), addr("192.0.2.1:80"), Some(NOT_ALLOWED)),
            (Some("atest"), addr("192.0.2.1:80"), Some(NOT_ALLOWED)),
            // A name that leads into an allowed range.
            (Some("elsewhere"), addr("10.9.9.9:1"), None),
            // And one that leads out of bounds.
            (Some("db.example.com"), addr("169.254.169.254:5432"), Some(OUT_OF_BOUNDS)),
        ] {
            assert_eq!(some.refusal(name, addr), refusal, "{name:?} {addr}");
        }
    }

    #[test]
    fn a_name_that_can_only_be_refused_is_not_looked_up() {
        let named = targets(&["db.example.com", "*.test:80"], &["bad.test"]);
        assert_eq!(named.refusal_of_name("db.example.com", 1), None);
        assert_eq!(named.refusal_of_name("a.test", 80), None);
        assert_eq!(named.refusal_of_name("a.test", 81), Some(NOT_ALLOWED));
        assert_eq!(named.refusal_of_name("bad.test.", 80), Some(DENIED));
        assert_eq!(named.refusal_of_name("other", 80), Some(NOT_ALLOWED));
        let ranged = targets(&["10.0.0.0/8:80"], &[]);
        assert_eq!(ranged.refusal_of_name("other", 80), None, "its addresses decide");
        assert_eq!(ranged.refusal_of_name("other", 81), Some(NOT_ALLOWED));
        assert_eq!(Targets::default().refusal_of_name("other", 81), None);
    }
}
