//! The way through a chain of proxies: a connection to the first, and on it a dialogue with each, in order.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::{Credentials, PROXY_TIMEOUT, Proxy, Scheme};
use crate::addr::{Addr, Host};
use crate::error::{Error, Kind, Result, plain};
use crate::http_connect::client as http;
use crate::net::connect::{ConnectOptions, Registered, Target, addresses, allowed_addresses, reach, within};
use crate::net::exact::{look, receive, send_all, take};
use crate::net::resolve::{Family, alternate};
use crate::socks::Reply;
use crate::socks::client::{self as socks, Version};
use crate::units::show_duration;

/// Connects to `target` through the proxies of `options`, of which there is at least one.
///
/// Where a name is looked up by this machine and has several addresses, the proxy is asked for one after the other, each time on
/// a new connection.
///
/// # Errors
///
/// As [`reach`] for the first proxy, with its operation named `connect to proxy`; [`Kind::Proxy`] for what a proxy refuses, with
/// the proxy that does as its address; [`Kind::TimedOut`] where it does not answer in time.
///
/// # Cancel safety
///
/// Dropping the future abandons the connection.
pub(crate) async fn reach_through(target: Target<'_>, options: &ConnectOptions) -> Result<Registered> {
    let begun = Instant::now();
    let mut way = Way { options, deadline: options.timeout.map(|timeout| begun + timeout), hops: Vec::new() };
    way.plan(target).await?;
    let looked_up = begun.elapsed();
    let mut failures = Vec::new();
    loop {
        let (hop, failure) = match way.attempt().await {
            Ok(mut reached) => {
                reached.phases.resolve += looked_up;
                return Ok(reached);
            }
            Err(Trouble::Anew) => continue,
            Err(Trouble::Over(failure)) => return Err(failure),
            Err(Trouble::Elsewhere(hop, failure)) => (hop, failure),
        };
        failures.push(failure);
        way.hops[hop].at += 1;
        if way.hops[hop].at == way.hops[hop].to.len() {
            return Err(none_reached(way.hops[hop].proxy, failures));
        }
    }
}

/// One error for all: that of the only address, or a list.
fn none_reached(proxy: &Proxy, mut failures: Vec<Error>) -> Error {
    if failures.len() == 1 {
        return failures.remove(0);
    }
    let list: Vec<String> = failures.iter().map(Error::cause).collect();
    let may_pass = failures.iter().any(Error::may_pass);
    let error = Error::new("proxy", Kind::Proxy, list.join("; ")).at(proxy);
    if may_pass { error.that_may_pass() } else { error }
}

struct Way<'a> {
    options: &'a ConnectOptions,
    deadline: Option<Instant>,
    hops: Vec<Hop<'a>>,
}

/// A proxy, and where it is to lead.
struct Hop<'a> {
    proxy: &'a Proxy,
    /// What it is asked for, one after the other.
    to: Vec<Addr>,
    at: usize,
    /// What is known of how an HTTP proxy is signed in to, while it wants to be asked again on a new connection.
    http: Option<http::Client>,
}

enum Trouble {
    /// That address did not work; the next one of that hop may.
    Elsewhere(usize, Error),
    /// The proxy wants to be asked again on a new connection.
    Anew,
    Over(Error),
}

impl<'a> Way<'a> {
    /// Finds out what each proxy is to be asked for.
    async fn plan(&mut self, target: Target<'_>) -> Result<()> {
        let proxies = &self.options.proxies;
        for (index, proxy) in proxies.iter().enumerate() {
            let to = match proxies.get(index + 1) {
                Some(next) => self.destinations(proxy, Target::Named(&next.addr)).await?,
                None => self.destinations(proxy, target).await?,
            };
            self.hops.push(Hop { proxy, to, at: 0, http: None });
        }
        Ok(())
    }

    async fn destinations(&self, proxy: &Proxy, target: Target<'_>) -> Result<Vec<Addr>> {
        let addr = target.addr();
        let Addr::Tcp { host, port } = addr else {
            return Err(
                Error::new("connect", Kind::Invalid, "a proxy leads to a host and a port, not to this").at(addr)
            );
        };
        // Where a stranger wants to go is looked at here: a proxy would not know what we forbid.
        let asked = matches!(target, Target::Asked { .. });
        if !asked && !proxy.scheme.looks_up_here() {
            return Ok(vec![told(addr, host, *port)?]);
        }
        let found = match target {
            Target::Resolved { addrs, .. } => addrs.to_vec(),
            Target::Asked { targets, .. } => {
                match within(self.deadline, allowed_addresses(addr, (host, *port), targets, self.options)).await {
                    Some(found) => found?,
                    None => return Err(self.late("connect", None).at(addr)),
                }
            }
            Target::Named(_) => match within(self.deadline, addresses(host, *port, self.options.family)).await {
                Some(found) => found?,
                None => return Err(self.late("connect", None).at(addr)),
            },
        };
        let (family, v4_alone) = (self.options.family, proxy.scheme == Scheme::Socks4);
        let wanted = |one: &std::net::SocketAddr| family.admits(one) && (!v4_alone || Family::V4.admits(one));
        let to: Vec<Addr> = alternate(found.into_iter().filter(wanted).collect()).into_iter().map(Addr::from).collect();
        match (to.is_empty(), v4_alone) {
            (false, _) => Ok(to),
            (true, true) => {
                Err(Error::new("resolve", Kind::NotFound, "no IPv4 address, and SOCKS 4 knows no others").at(addr))
            }
            (true, false) => Err(Error::new("resolve", Kind::NotFound, family.lack()).at(addr)),
        }
    }

    /// Connects to the first proxy and talks with each.
    async fn attempt(&mut self) -> Result<Registered, Trouble> {
        let first = &self.hops[0].proxy.addr;
        let mut reached = match within(self.deadline, reach(Target::Named(first), self.options)).await {
            Some(Ok(reached)) => reached,
            Some(Err(error)) => return Err(Trouble::Over(named(error))),
            None => return Err(Trouble::Over(self.late("connect to proxy", None).at(first))),
        };
        let begun = Instant::now();
        for index in 0..self.hops.len() {
            match self.hops[index].proxy.scheme {
                Scheme::Http => self.http(&reached.socket, index).await?,
                _ => self.socks(&reached.socket, index).await?,
            }
        }
        reached.phases.proxy = begun.elapsed();
        if let Some(last) = self.hops.last() {
            reached.peer = last.to[last.at].clone();
        }
        Ok(reached)
    }

    async fn socks(&self, socket: &AsyncFd<OwnedFd>, index: usize) -> Result<(), Trouble> {
        let hop = &self.hops[index];
        let to = &hop.to[hop.at];
        let Addr::Tcp { host, port } = to else { unreachable!("destinations are TCP") };
        let version = match hop.proxy.scheme {
            Scheme::Socks4 => Version::V4,
            Scheme::Socks4a => Version::V4a,
            _ => Version::V5,
        };
        let made = socks::Client::new(version, (host, *port), user(hop.proxy));
        let (mut client, first) = made.map_err(|invalid| Trouble::Over(said(hop.proxy, Kind::Invalid, invalid)))?;
        let patience = Instant::now() + PROXY_TIMEOUT;
        let mut say = Some(first);
        loop {
            let own = (!client.is_led()).then_some(patience);
            let exchange = async {
                if let Some(bytes) = say.take() {
                    send_all(socket, &bytes).await?;
                }
                receive(socket, client.needed()).await
            };
            let received =
                self.in_time(hop, own, exchange).await?.map_err(|error| Trouble::Over(broken(hop, &error)))?;
            match client.push(&received) {
                Ok(socks::Step::Receive) => {}
                Ok(socks::Step::Send(bytes)) => say = Some(bytes),
                Ok(socks::Step::Done) => return Ok(()),
                Err(refused) => return Err(not_led(index, hop, &refused)),
            }
        }
    }

    async fn http(&mut self, socket: &AsyncFd<OwnedFd>, index: usize) -> Result<(), Trouble> {
        let hop = &mut self.hops[index];
        let Addr::Tcp { host, port } = &hop.to[hop.at] else { unreachable!("destinations are TCP") };
        let known = hop.http.take();
        let mut client = known.unwrap_or_else(|| http::Client::new((host, *port), user(hop.proxy)));
        let outcome = self.ask(socket, &mut client, index).await;
        // Only for the same question: a nonce is good for one, and what comes after it may begin anew for reasons of its own.
        self.hops[index].http = matches!(outcome, Err(Trouble::Anew)).then_some(client);
        outcome
    }

    async fn ask(&self, socket: &AsyncFd<OwnedFd>, client: &mut http::Client, index: usize) -> Result<(), Trouble> {
        let hop = &self.hops[index];
        let (mut say, mut again) = (Some(client.request()), false);
        loop {
            let exchange = async {
                if let Some(bytes) = say.take() {
                    send_all(socket, &bytes).await?;
                }
                look(socket).await
            };
            let seen = match self.in_time(hop, None, exchange).await? {
                Ok(seen) => seen,
                // It has closed behind its 407, which is its right: what it asked for it gets on a new connection.
                Err(_) if again => return Err(Trouble::Anew),
                Err(error) => return Err(Trouble::Over(broken(hop, &error))),
            };
            again = false;
            let (taken, step) = client.push(&seen).map_err(|refused| Trouble::Over(refused_by(hop, &refused)))?;
            take(socket, taken).await.map_err(|error| Trouble::Over(broken(hop, &error)))?;
            match step {
                http::Step::Receive => {}
                http::Step::Done => return Ok(()),
                http::Step::Anew => return Err(Trouble::Anew),
                http::Step::Again => (say, again) = (Some(client.request()), true),
            }
        }
    }

    /// Waits for a part of a dialogue: until `own`, where the proxy can answer by itself, and never beyond the deadline of all.
    async fn in_time<T>(
        &self,
        hop: &Hop<'_>,
        own: Option<Instant>,
        part: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        let until = [own, self.deadline].into_iter().flatten().min();
        let late = || match own.filter(|own| until == Some(*own)) {
            Some(_) => self.late("proxy", Some(PROXY_TIMEOUT)),
            None => self.late("proxy", None),
        };
        within(until, part).await.ok_or_else(|| Trouble::Over(late().at(hop.proxy)))
    }

    fn late(&self, operation: &'static str, limit: Option<std::time::Duration>) -> Error {
        let limit = show_duration(limit.or(self.options.timeout).unwrap_or_default());
        Error::new(operation, Kind::TimedOut, format!("timed out: no answer within {limit}"))
    }
}

/// Returns what a proxy that looks names up itself is told; this machine is another one to it, so its own is meant.
fn told(addr: &Addr, host: &Host, port: u16) -> Result<Addr> {
    let host = match host {
        Host::Loopback | Host::Any => Host::Name("localhost".into()),
        Host::Name(name) if name.chars().any(|c| c.is_control() || c.is_whitespace()) => {
            return Err(
                Error::new("connect", Kind::Invalid, "a host name has neither spaces nor control characters").at(addr)
            );
        }
        host => host.clone(),
    };
    Ok(Addr::Tcp { host, port })
}

fn user(proxy: &Proxy) -> Option<(&str, &str)> {
    proxy.credentials.as_ref().map(|Credentials { user, password }| (user.as_str(), password.as_str()))
}

/// Says of a failed connect that it was to a proxy.
fn named(error: Error) -> Error {
    match error.operation() {
        "connect" => error.during("connect to proxy"),
        "resolve" => error.during("resolve proxy"),
        _ => error,
    }
}

fn said(proxy: &Proxy, kind: Kind, words: impl std::fmt::Display) -> Error {
    Error::new("proxy", kind, words.to_string()).at(proxy)
}

fn broken(hop: &Hop<'_>, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => said(hop.proxy, Kind::Proxy, "the stream ended before it had answered"),
        io::ErrorKind::ConnectionReset => said(hop.proxy, Kind::Proxy, "connection reset before it had answered"),
        _ => said(hop.proxy, Kind::Proxy, plain(error)),
    }
}

fn not_led(index: usize, hop: &Hop<'_>, refused: &socks::Refused) -> Trouble {
    let to = &hop.to[hop.at];
    match refused {
        // What it says of this address need not hold for the next one, and may be otherwise a moment later.
        socks::Refused::Reply(
            Reply::Failed
            | Reply::NetworkUnreachable
            | Reply::HostUnreachable
            | Reply::Refused
            | Reply::TtlExpired
            | Reply::AddressTypeNotSupported,
        )
        | socks::Refused::Reply4(91) => {
            let error = said(hop.proxy, Kind::Proxy, format!("connect {to}: {refused}"));
            Trouble::Elsewhere(index, error.that_may_pass())
        }
        socks::Refused::Reply(_) | socks::Refused::Reply4(_) => {
            Trouble::Over(said(hop.proxy, Kind::Proxy, format!("connect {to}: {refused}")))
        }
        _ => Trouble::Over(said(hop.proxy, Kind::Proxy, refused)),
    }
}

fn refused_by(hop: &Hop<'_>, refused: &http::Refused) -> Error {
    let to = &hop.to[hop.at];
    match refused {
        // Bad gateway, unavailable, gateway timeout: what is behind it is not there, and may be later.
        http::Refused::Status(502..=504, _) => {
            said(hop.proxy, Kind::Proxy, format!("connect {to}: {refused}")).that_may_pass()
        }
        http::Refused::Status(..) => said(hop.proxy, Kind::Proxy, format!("connect {to}: {refused}")),
        _ => said(hop.proxy, Kind::Proxy, refused),
    }
}
