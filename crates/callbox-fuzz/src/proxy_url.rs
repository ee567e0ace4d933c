//! URLs of proxies, and lists of what needs none: what is read prints and reads back, and nothing that is printed has a password
//! in it.

use callbox::Addr;
use callbox::net::proxy::{Bypass, Proxy};

use crate::refusal;

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<Proxy>() {
        Ok(proxy) => {
            let shown = proxy.to_string();
            let back: Proxy = shown.parse().unwrap_or_else(|invalid| panic!("{invalid}"));
            assert_eq!((back.scheme, &back.addr, back.credentials), (proxy.scheme, &proxy.addr, None), "{shown}");
            let _ = Bypass::read(text).holds(&proxy.addr);
        }
        Err(invalid) => {
            refusal::check_words(&invalid);
            assert!(invalid.at.is_some_and(|at| invalid.input.is_char_boundary(at)), "{invalid}");
            let shown = invalid.input.split_once("://").map_or(invalid.input.as_str(), |(_, rest)| rest);
            assert!(!shown.contains('@') || shown.starts_with("***@"), "{invalid}");
        }
    }
    let everything = Bypass::read(&format!("{text},*"));
    assert!(everything.holds(&Addr::default_address()), "whatever comes before");
}
