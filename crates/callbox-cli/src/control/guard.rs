//! Who may not steer: whatever a web page in a browser can send is refused before anybody reads what it asks for.
//!
//! The port has no password, for toxiproxy's clients know of none; so a page that the user looks at must not reach it. A
//! browser says who it is: by `Origin`, `Referer`, `Sec-Fetch-*` and `User-Agent`, and by a `Host` that is not ours
//! when a name was bent to point here.

use std::net::SocketAddr;

use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER, USER_AGENT};
use hyper::http::uri::Authority;
use hyper::{Uri, Version};

use super::reply::Reply;

/// Hosts that are ours, as requests write them.
#[derive(Debug, Clone)]
pub struct Guard {
    hosts: Vec<String>,
}

impl Guard {
    /// Knows the addresses that are bound, and the names of this machine.
    pub fn new(bound: &[SocketAddr]) -> Guard {
        let mut hosts = Vec::new();
        for addr in bound {
            hosts.push(addr.to_string());
            for name in ["localhost", "127.0.0.1", "[::1]"] {
                hosts.push(format!("{name}:{}", addr.port()));
                // A port that goes without saying is not said.
                if addr.port() == 80 {
                    hosts.push(name.to_owned());
                }
            }
        }
        Guard { hosts }
    }

    /// Returns what somebody is told who may not ask; `None` lets the request pass.
    pub fn refuse(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Option<Reply> {
        let said = |what: &str| Some(Reply::plain(403, format!("{what} not allowed\n")));
        for (name, value) in headers {
            if name.as_str().starts_with("sec-fetch-") || [ORIGIN, REFERER].contains(name) {
                return said(name.as_str());
            }
            if is_browser(name, value) {
                return said("User agent");
            }
        }
        let mut hosts = headers.get_all(HOST).iter();
        let (host, second) = (hosts.next(), hosts.next());
        if second.is_some() || (host.is_none() && version > Version::HTTP_10) {
            return Some(Reply::empty(400));
        }
        let asked = host.map(HeaderValue::as_bytes).into_iter();
        let mut asked = asked.chain(uri.authority().map(Authority::as_str).map(str::as_bytes));
        let is_ours = |asked: &[u8]| self.hosts.iter().any(|host| host.as_bytes().eq_ignore_ascii_case(asked));
        (!asked.all(is_ours)).then(|| Reply::empty(421))
    }
}

/// Every browser begins like that, and toxiproxy looks at nothing else.
fn is_browser(name: &HeaderName, value: &HeaderValue) -> bool {
    const NAME: &[u8] = b"mozilla/";
    name == USER_AGENT && value.as_bytes().to_ascii_lowercase().windows(NAME.len()).any(|words| words == NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(version: Version, uri: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let guard = Guard::new(&["127.0.0.1:8474".parse().expect("good"), "[::1]:8474".parse().expect("good")]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).expect("good"), HeaderValue::from_str(value).expect("good"));
        }
        guard.refuse(version, &uri.parse().expect("good"), &map).map(|reply| reply.status)
    }

    #[test]
    fn our_own_hosts_are_let_through() {
        for host in ["127.0.0.1:8474", "localhost:8474", "LOCALHOST:8474", "[::1]:8474"] {
            assert_eq!(answer(Version::HTTP_11, "/proxies", &[("host", host)]), None, "{host}");
        }
        assert_eq!(answer(Version::HTTP_10, "/proxies", &[]), None);
        assert_eq!(answer(Version::HTTP_11, "/", &[("host", "localhost:8474"), ("user-agent", "axios/1.7")]), None);
    }

    #[test]
    fn foreign_hosts_are_misdirected() {
        let foreign = [
            "localhost.attacker.com:8474",
            "localhost:8475",
            "localhost",
            "127.0.0.1",
            "127.0.0.1:84740",
            "attacker.com",
            "localhost.:8474",
            "0.0.0.0:8474",
            "",
        ];
        for host in foreign {
            assert_eq!(answer(Version::HTTP_11, "/proxies", &[("host", host)]), Some(421), "{host}");
        }
        let ours = [("host", "localhost:8474")];
        assert_eq!(answer(Version::HTTP_11, "http://attacker.com/proxies", &ours), Some(421));
        assert_eq!(answer(Version::HTTP_11, "/", &[]), Some(400));
        assert_eq!(answer(Version::HTTP_11, "/", &[ours[0], ours[0]]), Some(400));
    }

    #[test]
    fn browsers_are_forbidden_whatever_they_ask_for() {
        let browsers = [
            ("origin", "null"),
            ("origin", "http://localhost:8474"),
            ("referer", "http://localhost:8474/"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "cors"),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
            ("user-agent", "x mozilla/5.0"),
        ];
        for browser in browsers {
            assert_eq!(
                answer(Version::HTTP_11, "/reset", &[("host", "localhost:8474"), browser]),
                Some(403),
                "{browser:?}"
            );
        }
    }
}
