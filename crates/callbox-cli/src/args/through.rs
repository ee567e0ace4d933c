//! Through which proxies, alike on all commands that connect.

use std::env::VarError;
use std::str::FromStr;

use callbox::net::connect::ConnectOptions;
use callbox::net::proxy::{Bypass, Proxy};
use callbox::{Addr, Invalid};

use crate::exit::Failure;

/// Where a proxy for everything is named, the first that is set and not empty; lower case first, as curl has it.
const PROXY_VARIABLES: [&str; 4] = ["all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"];
/// Where the targets are named that need none.
const NO_PROXY_VARIABLES: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The proxies between us and the server.
#[derive(Debug, Clone, clap::Args)]
pub struct ThroughArgs {
    /// Connect through this proxy: socks5://, socks5h:// (the proxy looks names up), socks4://, socks4a:// or http:// (CONNECT), each with [USER:PASSWORD@]HOST:PORT; repeatable, gone through in this order; env takes the one of ALL_PROXY or HTTPS_PROXY, but for what NO_PROXY lists
    #[arg(long, value_name = "URL", value_parser = word, help_heading = "Proxies")]
    pub proxy: Vec<ProxyWord>,
}

/// What `--proxy` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyWord {
    /// What the environment says.
    Environment,
    /// This one.
    Url(Proxy),
}

impl ThroughArgs {
    /// Adds the proxies to how `targets` are connected to.
    pub fn through(&self, options: ConnectOptions, targets: &[Addr]) -> Result<ConnectOptions, Failure> {
        let variable = |name: &str| match std::env::var(name) {
            Ok(text) => Ok(Some(text).filter(|text| !text.trim().is_empty())),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(Failure::usage(format!("{name}: not in UTF-8"))),
        };
        let (proxies, bypass) = self.read(variable)?;
        let options = ConnectOptions { proxies, bypass, ..options };
        let by_no_proxy = |target: &&Addr| !matches!(target, Addr::Tcp { .. }) && options.goes_through(target);
        if let Some(target) = targets.iter().find(by_no_proxy) {
            let failure = Failure::usage(format!("{target}: no proxy leads there"));
            return Err(failure.hint("a proxy leads to host:port; leave --proxy out to connect directly"));
        }
        Ok(options)
    }

    fn read(
        &self,
        variable: impl Fn(&str) -> Result<Option<String>, Failure>,
    ) -> Result<(Vec<Proxy>, Bypass), Failure> {
        if !self.proxy.contains(&ProxyWord::Environment) {
            let url = |word: &ProxyWord| match word {
                ProxyWord::Url(proxy) => Some(proxy.clone()),
                ProxyWord::Environment => None,
            };
            return Ok((self.proxy.iter().filter_map(url).collect(), Bypass::default()));
        }
        if self.proxy.len() > 1 {
            let failure = Failure::usage("--proxy env: the environment names the only proxy, and others are given too");
            return Err(failure.hint("write all of a chain as URLs, in order"));
        }
        let first = |names: &[&'static str]| -> Result<Option<(&'static str, String)>, Failure> {
            for name in names {
                if let Some(text) = variable(name)? {
                    return Ok(Some((name, text)));
                }
            }
            Ok(None)
        };
        let bypass = first(&NO_PROXY_VARIABLES)?.map(|(_, list)| Bypass::read(&list));
        let Some((name, text)) = first(&PROXY_VARIABLES)? else { return Ok((Vec::new(), Bypass::default())) };
        let text = text.trim();
        // Without a scheme it is HTTP's, as everybody has it.
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let proxy = Proxy::from_str(&url).map_err(|invalid| Failure::usage(format!("{name}: {invalid}")))?;
        // What no proxy leads to is on every list that was read, the empty one too.
        Ok((vec![proxy], bypass.unwrap_or_else(|| Bypass::read(""))))
    }
}

/// Reads one word of `--proxy`; what it says of a wrong one has no password in it.
fn word(text: &str) -> Result<ProxyWord, Invalid> {
    if text == "env" {
        return Ok(ProxyWord::Environment);
    }
    text.parse().map(ProxyWord::Url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], variables: &[(&str, &str)]) -> Result<(Vec<String>, Bypass), String> {
        let proxy = words.iter().map(|text| word(text).expect("good")).collect();
        let variable = |name: &str| {
            Ok(variables
                .iter()
                .find(|(one, value)| *one == name && !value.is_empty())
                .map(|(_, text)| text.to_string()))
        };
        let (proxies, bypass) = ThroughArgs { proxy }.read(variable).map_err(|failure| failure.message)?;
        Ok((proxies.iter().map(Proxy::to_string).collect(), bypass))
    }

    #[test]
    fn the_environment_is_asked_only_by_env() {
        let variables = [("ALL_PROXY", "socks5h://a:b@h:1"), ("NO_PROXY", "x")];
        let urls = ["http://one:1", "socks5://two"];
        let due = ["http://one:1", "socks5://two:1080"].map(str::to_owned).to_vec();
        assert_eq!(read(&urls, &variables), Ok((due, Bypass::default())));
        assert_eq!(read(&["env"], &variables), Ok((vec!["socks5h://h:1".into()], Bypass::read("x"))));
        assert!(read(&["env", "http://one:1"], &variables).is_err());
    }

    #[test]
    fn the_first_variable_that_is_set_counts() {
        let chosen = |variables: &[(&str, &str)]| read(&["env"], variables).map(|(proxies, _)| proxies);
        let https = ("HTTPS_PROXY", "proxy:3128/");
        assert_eq!(chosen(&[https]), Ok(vec!["http://proxy:3128".into()]));
        assert_eq!(chosen(&[https, ("all_proxy", "socks4://h")]), Ok(vec!["socks4://h:1080".into()]));
        assert_eq!(chosen(&[https, ("ALL_PROXY", "")]), Ok(vec!["http://proxy:3128".into()]));
        assert_eq!(chosen(&[("http_proxy", "http://h:1")]), Ok(vec![]), "that one is for HTTP alone");
        let said = chosen(&[("ALL_PROXY", "ftp://a:secret@h:1")]).expect_err("unknown");
        assert!(said.starts_with("ALL_PROXY: invalid proxy") && !said.contains("secret"), "{said}");
    }
}
