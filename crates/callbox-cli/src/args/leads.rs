//! Where a relay leads, as written: to servers, or wherever clients ask for.

use std::fmt;
use std::str::FromStr;

use callbox::addr::{Endpoint, Host};
use callbox::handle::relay::Destination;
use callbox::handle::relay::proxy::{Protocol, Proxy};
use callbox::handle::relay::upstreams::{Balance, Resolve, Upstreams};
use callbox::login::Login;
use callbox::net::resolve::Family;
use callbox::targets::Targets;
use callbox::{Addr, Error, Invalid};

/// Where a relay leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leads {
    /// To one of these; not empty.
    Servers(Vec<Addr>),
    /// Wherever clients ask for.
    Asked(AsProxy),
}

/// One word of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// `host:port` and the like.
    Server(Endpoint),
    /// `socks5:`, `http-connect:`.
    Asked(AsProxy),
}

/// How a relay is a proxy. It prints without its login.
///
/// Valid: `socks5:`, `socks5:user:password`, `socks5:@file` (the login is the file's first line), `http-connect:` likewise.
/// Invalid: `socks5:user`, `socks5:1080`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsProxy {
    protocol: Protocol,
    login: Option<Login>,
}

/// Which server a session goes to, and when names are looked up.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// Which of several.
    pub balance: Balance,
    /// When.
    pub resolve: Resolve,
    /// Which of its addresses.
    pub family: Family,
}

const SOCKS: &str = "socks5:";
const HTTP_CONNECT: &str = "http-connect:";

impl Leads {
    /// Puts the words together.
    ///
    /// # Errors
    ///
    /// A proxy beside something else, in a line.
    pub fn of(words: Vec<Upstream>) -> Result<Leads, String> {
        let mut servers = Vec::new();
        let alone = words.len() == 1;
        for word in words {
            match word {
                Upstream::Server(to) => servers.push(to.addr),
                Upstream::Asked(proxy) if alone => return Ok(Leads::Asked(proxy)),
                Upstream::Asked(proxy) => {
                    return Err(format!("{proxy} leads wherever clients ask for, so it is the only upstream"));
                }
            }
        }
        Ok(Leads::Servers(servers))
    }

    /// Makes the library's of it; clients who say where they want to go may go to `targets`.
    ///
    /// # Errors
    ///
    /// A name that is to be looked up now and has no address.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but the lookup.
    pub async fn destination(&self, choice: Choice, targets: Targets) -> Result<Destination, Error> {
        let servers = match self {
            Leads::Servers(servers) => servers,
            Leads::Asked(as_proxy) => return Ok(Destination::Asked(as_proxy.proxy(targets))),
        };
        let upstreams = Upstreams::new(servers.clone(), choice.balance);
        Ok(Destination::Upstreams(match choice.resolve {
            Resolve::Each => upstreams,
            Resolve::Once => upstreams.resolve_once(choice.family).await?,
        }))
    }

    /// Returns the servers; none where clients say where they want to go.
    pub fn servers(&self) -> &[Addr] {
        match self {
            Leads::Servers(addrs) => addrs,
            Leads::Asked(_) => &[],
        }
    }
}

impl AsProxy {
    fn proxy(&self, targets: Targets) -> Proxy {
        Proxy::new(self.protocol, self.login.clone(), targets)
    }

    /// Says aloud that strangers may use it, where `bound` lets them and nothing keeps them out.
    pub fn warning(&self, bound: &[Addr]) -> Option<String> {
        let exposed = bound.iter().find(|addr| !addr.is_loopback())?;
        self.login.is_none().then(|| {
            format!(
                "warning: whoever reaches {exposed} can connect through it as this machine, to its loopback addresses too; \
                 {self}USER:PASSWORD asks who they are, --allow-target says where to"
            )
        })
    }
}

impl FromStr for Upstream {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Upstream, Invalid> {
        let (protocol, name, rest) = if let Some(rest) = text.strip_prefix(SOCKS) {
            (Protocol::Socks, SOCKS, rest)
        } else if let Some(rest) = text.strip_prefix(HTTP_CONNECT) {
            (Protocol::HttpConnect, HTTP_CONNECT, rest)
        } else {
            return text.parse().map(Upstream::Server);
        };
        let login = match rest.strip_prefix('@') {
            _ if rest.is_empty() => None,
            Some(path) => Some(login_of_file(text, path)?),
            None => Some(rest.parse().map_err(|invalid: Invalid| {
                let host = name.trim_end_matches(':');
                let advice =
                    format!("write {name}USER:PASSWORD, {name} for none, tcp://{host}:PORT for a host of that name");
                // What is written may be half of a login.
                Invalid::new("upstream", format!("{name}..."), invalid.problem).instead(advice)
            })?),
        };
        Ok(Upstream::Asked(AsProxy { protocol, login }))
    }
}

/// Reads `user:password` from the first line of a file, which no list of processes shows.
fn login_of_file(text: &str, path: &str) -> Result<Login, Invalid> {
    let invalid = |problem: String| Invalid::new("upstream", text, problem);
    let read = std::fs::read_to_string(path).map_err(|error| invalid(callbox::error::plain(&error)))?;
    let line = read.lines().next().unwrap_or_default();
    line.parse().map_err(|problem: Invalid| invalid(problem.problem).instead("the first line is USER:PASSWORD"))
}

impl Upstream {
    /// Returns the server that it is, if it is one.
    pub fn server(&self) -> Option<&Endpoint> {
        match self {
            Upstream::Server(to) => Some(to),
            Upstream::Asked(_) => None,
        }
    }

    /// Tells whether nobody can be connected to there: it is for listening alone.
    pub fn leads_nowhere(&self) -> bool {
        match self {
            Upstream::Server(Endpoint { addr: Addr::Tcp { host, port }, .. }) => {
                *port == 0 || matches!(host, Host::Any)
            }
            Upstream::Server(to) => matches!(to.addr, Addr::Fd(_)),
            Upstream::Asked(_) => false,
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Upstream::Server(to) => to.fmt(f),
            Upstream::Asked(proxy) => proxy.fmt(f),
        }
    }
}

impl fmt::Display for AsProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.protocol {
            Protocol::Socks => SOCKS,
            Protocol::HttpConnect => HTTP_CONNECT,
        })
    }
}

impl fmt::Display for Leads {
    /// Reads after "relaying to".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leads::Servers(addrs) => f.write_str(&addrs.iter().map(Addr::to_string).collect::<Vec<_>>().join(", ")),
            Leads::Asked(AsProxy { protocol: Protocol::Socks, .. }) => {
                f.write_str("where clients ask for (SOCKS 5, 4, 4a)")
            }
            Leads::Asked(AsProxy { protocol: Protocol::HttpConnect, .. }) => {
                f.write_str("where clients ask for (HTTP CONNECT)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_written_by_its_name_with_or_without_a_login() {
        for (text, printed) in [
            ("socks5:", "socks5:"),
            ("socks5:alice:secret", "socks5:"),
            ("http-connect:", "http-connect:"),
            ("http-connect:alice:secret:too", "http-connect:"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("tcp://socks5:1080", "socks5:1080"),
        ] {
            assert_eq!(text.parse::<Upstream>().expect(text).to_string(), printed, "{text}");
        }
        let with: Upstream = "socks5:alice:secret".parse().expect("good");
        assert!(!format!("{with:?}").contains("secret"));
        for text in ["socks5:1080", "socks5:alice", "socks5::secret", "http-connect:x:", "socks5:@/nowhere/to/be/found"]
        {
            let invalid = text.parse::<Upstream>().expect_err(text).to_string();
            assert!(!invalid.contains("secret"), "{invalid}");
        }
    }

    #[test]
    fn a_proxy_is_the_only_upstream() {
        let words = |texts: &[&str]| Leads::of(texts.iter().map(|text| text.parse().expect(text)).collect());
        assert_eq!(words(&["a:1", "b:2"]).expect("good").servers().len(), 2);
        assert!(matches!(words(&["socks5:"]), Ok(Leads::Asked(_))));
        for texts in [["socks5:", "a:1"], ["a:1", "http-connect:"], ["socks5:", "socks5:"]] {
            assert!(words(&texts).expect_err("two").contains("the only upstream"));
        }
    }
}
