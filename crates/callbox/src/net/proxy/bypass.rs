//! Which targets are connected to without a proxy, as `NO_PROXY` lists them.
//!
//! Items have commas or spaces between them: a name and all below it (`example.com`, `.example.com`), an address, a range
//! (`10.0.0.0/8`), each with or without a port (`example.com:443`), or `*` for all. A target is compared as it is written: no
//! name is looked up for this.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::addr::{Addr, Host, Range};

/// A list of targets; the default one is of nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bypass {
    items: Vec<Item>,
    /// What no proxy leads to, such as Unix sockets, is on it too: who takes proxies from the environment has not asked for them
    /// here.
    others: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    what: What,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    All,
    Range(Range),
    /// In lower case, without dots around.
    Name(String),
}

impl Bypass {
    /// Reads a list. Nothing in it is wrong: what is neither an address nor a range is a name, as other programs have it.
    pub fn read(text: &str) -> Bypass {
        let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
        Bypass { items: words.map(item).collect(), others: true }
    }

    /// Tells whether `target` is on the list; Unix sockets are on every list that was read.
    pub fn holds(&self, target: &Addr) -> bool {
        let Addr::Tcp { host, port } = target else { return self.others };
        let on_list = |item: &Item| item.port.is_none_or(|one| one == *port) && item.what.holds(host);
        self.items.iter().any(on_list)
    }
}

impl What {
    fn holds(&self, host: &Host) -> bool {
        match (self, host) {
            (What::All, _) => true,
            (What::Range(range), Host::Ip(ip)) => range.contains(*ip),
            (What::Range(range), Host::Loopback | Host::Any) => {
                range.contains(Ipv4Addr::LOCALHOST.into()) || range.contains(Ipv6Addr::LOCALHOST.into())
            }
            (What::Name(name), Host::Loopback | Host::Any) => name == "localhost",
            (What::Name(name), Host::Name(host)) => {
                let host = host.trim_end_matches('.').to_lowercase();
                host.strip_suffix(name.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }
            (What::Range(_), Host::Name(_)) | (What::Name(_), Host::Ip(_)) => false,
        }
    }
}

fn item(word: &str) -> Item {
    if let Some(what) = numbers(word) {
        return Item { what, port: None };
    }
    let (host, port) = match word.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) => (host, Some(port)),
        _ => (word, None),
    };
    let what = numbers(host).unwrap_or_else(|| match host {
        "*" => What::All,
        name => What::Name(name.trim_start_matches("*.").trim_matches('.').to_lowercase()),
    });
    Item { what, port }
}

/// Reads an address, with or without brackets, or a range.
fn numbers(word: &str) -> Option<What> {
    let bare = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).unwrap_or(word);
    let range = match bare.parse::<IpAddr>() {
        Ok(ip) => ip.into(),
        // Bits beyond the prefix are no mistake here.
        Err(_) => bare.parse::<IpNet>().map(|range| Range::of(range.addr(), range.prefix_len())).ok()?,
    };
    Some(What::Range(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(list: &str, targets: &[&str]) -> Vec<bool> {
        let list = Bypass::read(list);
        targets.iter().map(|target| list.holds(&Addr::parse(target).expect("good"))).collect()
    }

    #[test]
    fn names_hold_all_below_them() {
        let targets = ["example.com:80", "WWW.Example.Com.:80", "notexample.com:80", "com:80", "10.0.0.1:80"];
        let due = [true, true, false, false, false];
        for list in ["example.com", ".example.com", "x, example.com,", "*.example.com y", "EXAMPLE.com."] {
            assert_eq!(held(list, &targets), due, "{list}");
        }
        assert_eq!(held("example.com:443", &["example.com:80", "example.com:443"]), [false, true]);
    }

    #[test]
    fn numbers_hold_addresses_in_any_spelling() {
        let targets = ["10.1.2.3:80", "[::ffff:10.1.2.3]:80", "11.0.0.1:80", "[2001:db8::1]:80", "ten.example:80"];
        assert_eq!(held("10.0.0.0/8", &targets), [true, true, false, false, false]);
        assert_eq!(held("2001:db8::/32,11.0.0.1", &targets), [false, false, true, true, false]);
        assert_eq!(held("[2001:db8::1]:80", &targets), [false, false, false, true, false]);
        assert_eq!(held("*", &targets), [true; 5]);
        assert_eq!(held("", &targets), [false; 5]);
    }

    #[test]
    fn this_machine_is_on_the_list_only_where_it_says_so() {
        let targets = [":80", "localhost:80", "127.0.0.1:80", "unix:/s"];
        assert_eq!(held("example.com", &targets), [false, false, false, true]);
        assert_eq!(held("localhost,127.0.0.1", &targets), [true; 4]);
        assert_eq!(held("::1", &targets), [true, false, false, true]);
    }
}
