//! The proxy's side of SOCKS: version 5 with CONNECT, versions 4 and 4a likewise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Reply;
use crate::addr::{Addr, Host};
use crate::asking::Step;
use crate::login::Login;
use crate::targets;
use crate::text::safe;

/// The longest user name and the longest host of a version 4 request, in bytes: they end with a zero, which may never come.
pub const V4_TEXT_BYTES: usize = 255;

/// The methods of version 5 that there are here (RFC 1928, section 3).
const NO_LOGIN: u8 = 0;
const BY_LOGIN: u8 = 2;
const NO_METHOD: u8 = 0xff;

const CONNECT: u8 = 1;
/// What version 4 says instead of a reply code.
const V4_GRANTED: u8 = 0x5a;
const V4_REJECTED: u8 = 0x5b;

/// One client's request, as it comes.
///
/// [`step`](Server::step) says what is next; what has been received is [`push`](Server::push)ed. When it has said
/// [`Step::Asked`], the client is told by [`succeeded`](Server::succeeded) or [`failed`](Server::failed). Version 4 has no
/// passwords, so where one is asked for it is refused.
#[derive(Debug)]
pub struct Server {
    login: Option<Login>,
    received: Vec<u8>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting,
    Login,
    Request,
    /// Version 4, all of it.
    V4,
}

impl Server {
    /// Waits for a client; `login` is what it must know.
    pub fn new(login: Option<Login>) -> Server {
        Server { login, received: Vec::new(), phase: Phase::Greeting }
    }

    /// Takes what has been received: never more than the last step [needed](Step::Needs) or the request
    /// [claims](Server::claims).
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Returns how many of `seen`, which come next, belong to the request; at least one where there is any, after a step
    /// that [needs](Step::Needs) some.
    pub fn claims(&self, seen: &[u8]) -> usize {
        let most = match needs(&self.received, self.phase) {
            // Up to the zero.
            1 if self.phase == Phase::V4 => seen.iter().position(|byte| *byte == 0).map_or(V4_TEXT_BYTES, |at| at + 1),
            needed => needed,
        };
        most.min(seen.len())
    }

    /// Returns what is next.
    pub fn step(&mut self) -> Step {
        match (self.phase, self.received.first()) {
            (Phase::Greeting, Some(4)) => self.phase = Phase::V4,
            (Phase::Greeting, Some(other)) if *other != 5 => return refused(&[], wrong_version(*other)),
            _ => {}
        }
        match needs(&self.received, self.phase) {
            0 => {}
            needed => return too_long(&self.received, self.phase).unwrap_or(Step::Needs(needed)),
        }
        let received = std::mem::take(&mut self.received);
        match self.phase {
            Phase::Greeting => self.greeted(&received[2..]),
            Phase::Login => self.logged_in(&received),
            Phase::Request => self.asked(&received),
            Phase::V4 => self.asked_by_v4(&received),
        }
    }

    /// Chooses among the methods that the client offers.
    fn greeted(&mut self, offered: &[u8]) -> Step {
        let has = |method| offered.contains(&method);
        let method = match &self.login {
            Some(_) if has(BY_LOGIN) => BY_LOGIN,
            Some(_) => return refused(&[5, NO_METHOD], "the client has no user name and password to offer".into()),
            None if has(NO_LOGIN) => NO_LOGIN,
            // Who insists on saying who it is may do so.
            None if has(BY_LOGIN) => BY_LOGIN,
            None => {
                return refused(&[5, NO_METHOD], "the client offers no method of logging in that is known here".into());
            }
        };
        self.phase = if method == BY_LOGIN { Phase::Login } else { Phase::Request };
        Step::Send(vec![5, method])
    }

    /// RFC 1929.
    fn logged_in(&mut self, received: &[u8]) -> Step {
        let (user, rest) = received[2..].split_at(usize::from(received[1]));
        let is_right = self.login.as_ref().is_none_or(|login| login.admits(user, &rest[1..]));
        match (received[0], is_right) {
            (1, true) => {
                self.phase = Phase::Request;
                Step::Send(vec![1, 0])
            }
            (1, false) => refused(&[1, 1], "wrong user name or password".into()),
            (version, _) => refused(&[1, 1], format!("version {version} of logging in is not known")),
        }
    }

    /// RFC 1928, section 4.
    fn asked(&mut self, received: &[u8]) -> Step {
        let fails = |reply: Reply, problem: String| Step::Refused { answer: v5(reply, None), problem };
        let (head, rest) = received.split_at(4);
        if head[0] != 5 {
            return fails(Reply::Failed, format!("the request is of version {}", head[0]));
        }
        let (address, port) = rest.split_at(rest.len().saturating_sub(2));
        let host = match (head[3], address) {
            (1, address) => <[u8; 4]>::try_from(address).ok().map(|ip| Host::Ip(Ipv4Addr::from(ip).into())),
            (4, address) => <[u8; 16]>::try_from(address).ok().map(|ip| Host::Ip(Ipv6Addr::from(ip).into())),
            (3, [_, name @ ..]) => std::str::from_utf8(name).ok().and_then(targets::host),
            (kind, _) => return fails(Reply::AddressTypeNotSupported, format!("address type {kind} is not known")),
        };
        if head[1] != CONNECT {
            return fails(Reply::CommandNotSupported, unknown_command(head[1]));
        }
        match (host, port_of(port)) {
            (Some(host), Some(port)) => Step::Asked(Addr::Tcp { host, port }),
            (None, _) => fails(Reply::Failed, no_host(address.get(1..).unwrap_or_default())),
            (_, None) => fails(Reply::Failed, "port 0 is none".into()),
        }
    }

    fn asked_by_v4(&mut self, received: &[u8]) -> Step {
        let fails = |problem: String| refused(&v4(V4_REJECTED, None), problem);
        if received[1] != CONNECT {
            return fails(unknown_command(received[1]));
        }
        if self.login.is_some() {
            return fails("SOCKS 4 has no passwords, and one is asked for here".into());
        }
        let ip = Ipv4Addr::new(received[4], received[5], received[6], received[7]);
        let host = match names_its_host(received) {
            false => Some(Host::Ip(ip.into())),
            true => std::str::from_utf8(v4_name(received)).ok().and_then(targets::host),
        };
        match (host, port_of(&received[2..4])) {
            (Some(host), Some(port)) => Step::Asked(Addr::Tcp { host, port }),
            (None, _) => fails(no_host(v4_name(received))),
            (_, None) => fails("port 0 is none".into()),
        }
    }

    /// Returns what tells the client that the connection is there; `bound` is our end of it.
    pub fn succeeded(&self, bound: Option<SocketAddr>) -> Vec<u8> {
        match self.phase {
            Phase::V4 => v4(V4_GRANTED, bound),
            _ => v5(Reply::Succeeded, bound),
        }
    }

    /// Returns what tells the client that there is none.
    pub fn failed(&self, reply: Reply) -> Vec<u8> {
        match self.phase {
            Phase::V4 => v4(V4_REJECTED, None),
            _ => v5(reply, None),
        }
    }
}

/// How many bytes are certainly missing; 0 where all are there.
fn needs(received: &[u8], phase: Phase) -> usize {
    let byte = |at: usize| received.get(at).copied().map(usize::from);
    let whole = match phase {
        Phase::Greeting => 2 + byte(1).unwrap_or(0),
        Phase::Login => match byte(1) {
            None => 2,
            Some(user) => 2 + user + 1 + byte(2 + user).unwrap_or(0),
        },
        Phase::Request => match byte(3) {
            None => 4,
            Some(1) => 4 + 4 + 2,
            Some(3) => 4 + 1 + byte(4).map_or(0, |name| name + 2),
            Some(4) => 4 + 16 + 2,
            // It has no length that is known; it is refused as it is.
            Some(_) => 4,
        },
        Phase::V4 => match received.len() {
            0..8 => 8,
            _ => {
                let texts = if names_its_host(received) { 2 } else { 1 };
                let ended = received[8..].iter().filter(|byte| **byte == 0).count();
                received.len() + usize::from(ended < texts)
            }
        },
    };
    whole.saturating_sub(received.len())
}

/// Refuses a version 4 request whose texts do not end.
fn too_long(received: &[u8], phase: Phase) -> Option<Step> {
    let texts = received.get(8..).filter(|_| phase == Phase::V4)?;
    let open = texts.rsplit(|byte| *byte == 0).next()?;
    let problem = || format!("a text of more than {V4_TEXT_BYTES} bytes");
    (open.len() > V4_TEXT_BYTES).then(|| refused(&v4(V4_REJECTED, None), problem()))
}

/// Tells whether a version 4 request names its host, which version 4a does by an address that nobody has.
fn names_its_host(received: &[u8]) -> bool {
    received[4..7] == [0, 0, 0] && received[7] != 0
}

/// The host of a version 4a request that is whole.
fn v4_name(received: &[u8]) -> &[u8] {
    received[8..].split(|byte| *byte == 0).nth(1).unwrap_or_default()
}

fn port_of(bytes: &[u8]) -> Option<u16> {
    let port = u16::from_be_bytes(bytes.try_into().ok()?);
    (port > 0).then_some(port)
}

fn refused(answer: &[u8], problem: String) -> Step {
    Step::Refused { answer: answer.to_vec(), problem }
}

fn wrong_version(byte: u8) -> String {
    let looks = match byte {
        b'A'..=b'Z' => "; it looks like HTTP",
        0x16 => "; it looks like TLS",
        _ => "",
    };
    format!("byte 0x{byte:02x} is no version of SOCKS{looks}")
}

fn unknown_command(command: u8) -> String {
    match command {
        2 => "the command is BIND, and there is CONNECT alone".into(),
        3 => "the command is UDP ASSOCIATE, and there is CONNECT alone".into(),
        other => format!("the command is {other}, and there is CONNECT alone"),
    }
}

fn no_host(name: &[u8]) -> String {
    format!("{} is no host", safe(&String::from_utf8_lossy(name)))
}

fn v5(reply: Reply, bound: Option<SocketAddr>) -> Vec<u8> {
    let bound = bound.unwrap_or(SocketAddr::from(([0; 4], 0)));
    let mut bytes = vec![5, reply.code(), 0];
    match bound.ip().to_canonical() {
        IpAddr::V4(ip) => {
            bytes.push(1);
            bytes.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            bytes.push(4);
            bytes.extend(ip.octets());
        }
    }
    bytes.extend(bound.port().to_be_bytes());
    bytes
}

/// Version 4 knows no other addresses, so one of IPv6 is left out.
fn v4(code: u8, bound: Option<SocketAddr>) -> Vec<u8> {
    let (ip, port) = match bound.map(|bound| (bound.ip().to_canonical(), bound.port())) {
        Some((IpAddr::V4(ip), port)) => (ip, port),
        Some((IpAddr::V6(_), port)) => (Ipv4Addr::UNSPECIFIED, port),
        None => (Ipv4Addr::UNSPECIFIED, 0),
    };
    let [high, low] = port.to_be_bytes();
    let [a, b, c, d] = ip.octets();
    vec![0, code, high, low, a, b, c, d]
}

#[cfg(test)]
mod tests;
