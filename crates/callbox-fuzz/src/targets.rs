//! Rules for targets: what is read prints and reads back, a denial wins whatever is allowed, and a host in any spelling is one
//! that reads back.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use callbox::addr::{Addr, Host};
use callbox::targets::{TargetRule, Targets, host};

use crate::input::Input;
use crate::refusal;

/// Holds for any bytes: a rule in a line, a host in a second one, then a port and an address.
pub fn body(data: &[u8]) {
    let mut input = Input::new(data);
    let (rule, name) = (input.line(), input.line());
    let (Ok(rule), Ok(name)) = (std::str::from_utf8(rule), std::str::from_utf8(name)) else { return };
    let rule: TargetRule = match rule.parse() {
        Ok(rule) => rule,
        Err(invalid) => return refusal::check_words(&invalid),
    };
    let shown = rule.to_string();
    assert_eq!(shown.parse().as_ref(), Ok(&rule), "{shown}");
    let port = u16::from_be_bytes([input.byte(), input.byte()]).max(1);
    let mut octets = [0; 16];
    octets.fill_with(|| input.byte());
    let asked = host(name);
    let ip = match &asked {
        Some(Host::Ip(ip)) => *ip,
        _ => IpAddr::V6(Ipv6Addr::from(octets)),
    };
    let (addr, name) = (
        SocketAddr::new(ip, port),
        match &asked {
            Some(Host::Name(name)) => Some(name.as_str()),
            _ => None,
        },
    );
    if let Some(host) = asked.clone() {
        let text = Addr::Tcp { host, port }.to_string();
        assert!(text.parse::<Addr>().is_ok(), "{text}");
    }
    let everywhere = || "*".parse::<TargetRule>().expect("good");
    let denies = Targets::new(vec![rule.clone(), everywhere()], vec![rule.clone()]);
    let allows = Targets::new(vec![rule.clone()], Vec::new());
    // What is allowed by a rule alone is denied by it too, whatever else is allowed.
    if allows.refusal(name, addr).is_none() {
        assert!(denies.refusal(name, addr).is_some(), "{rule} {addr}");
        // And a rule for it was reason enough to look the name up.
        assert!(name.is_none_or(|name| allows.refusal_of_name(name, port).is_none()), "{rule} {name:?}");
    }
    // A rule never makes the mapped spelling another place.
    if let IpAddr::V4(v4) = ip {
        let mapped = SocketAddr::new(v4.to_ipv6_mapped().into(), port);
        for targets in [&denies, &allows] {
            assert_eq!(targets.refusal(name, addr).is_some(), targets.refusal(name, mapped).is_some(), "{rule} {addr}");
        }
    }
    assert!(Targets::new(Vec::new(), vec![everywhere()]).refusal(name, addr).is_some());
}
