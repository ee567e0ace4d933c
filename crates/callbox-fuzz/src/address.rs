//! Addresses: what is read prints and reads back, what is not is refused at its place.

use callbox::Addr;
use callbox::addr::Endpoint;

use crate::refusal;

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    check(Addr::parse(text), text);
    if let Ok(endpoint) = Endpoint::parse(text) {
        assert_eq!(Endpoint::parse(&endpoint.to_string()).as_ref(), Ok(&endpoint), "{endpoint}");
    }
    if let Some((host, port)) = text.split_once(' ') {
        check(Addr::from_words(host, port), text);
    }
}

fn check(read: Result<Addr, callbox::Invalid>, text: &str) {
    match read {
        Ok(addr) => {
            let shown = addr.to_string();
            assert_eq!(Addr::parse(&shown).as_ref(), Ok(&addr), "{shown}");
            let _ = (addr.is_loopback(), addr.socket_addr());
        }
        Err(invalid) => {
            refusal::check_words(&invalid);
            assert!(invalid.at.is_none_or(|at| invalid.input.is_char_boundary(at)), "{invalid}");
            assert_eq!(invalid.input, text);
        }
    }
}
