//! The client's side of SOCKS: what is said to a proxy so that it leads to a destination, and what it answers.
//!
//! Each answer says how long it is, so [`Client::needed`] is always known, and nothing that follows the last answer is asked
//! for: the first bytes of whoever is behind the proxy may come in the same segment.

use std::fmt;
use std::net::IpAddr;

use super::Reply;
use crate::addr::Host;
use crate::error::Invalid;

/// The longest user name, password and host name, in bytes: their length is one byte on the wire (RFC 1928, RFC 1929).
pub const FIELD_BYTES: usize = 255;

/// Which SOCKS a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Version 4: IPv4 addresses alone.
    V4,
    /// Version 4a: names too, which the proxy looks up.
    V4a,
    /// Version 5 (RFC 1928).
    V5,
}

/// What is to be done next.
#[derive(Clone, PartialEq, Eq)]
pub enum Step {
    /// [`Client::needed`] more bytes are to come.
    Receive,
    /// These are to be sent, then as before. May hold a password.
    Send(Vec<u8>),
    /// The proxy has led there: everything from here on is the destination's.
    Done,
}

/// One dialogue with a proxy.
pub struct Client {
    version: Version,
    awaits: Awaits,
    /// Sent once the proxy knows who we are.
    request: Vec<u8>,
    /// The sub-negotiation of RFC 1929, where there is a user.
    sign_in: Option<Vec<u8>>,
    /// Of the answer under way.
    received: Vec<u8>,
    /// How long that is, as far as it is known.
    length: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaits {
    /// How to sign in.
    Method,
    /// Whether that was right.
    SignIn,
    /// Whether the destination was reached.
    Reply,
    Nothing,
}

/// Why a proxy does not lead there; closed by nature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// What came is no answer of this protocol: its first byte.
    NotSocks(u8),
    /// It takes nobody without a user and a password.
    WantsUser,
    /// It takes neither strangers nor users with a password.
    NoMethod,
    /// It chose a way to sign in that was not offered.
    StrayMethod(u8),
    /// The user or the password is wrong.
    BadUser,
    /// Version 5: it did not get there.
    Reply(Reply),
    /// Version 4: it did not get there, or will not; this code.
    Reply4(u8),
    /// Its answer has an address of an unknown type.
    StrayAddress(u8),
}

impl Client {
    /// Prepares to be led to `host`; returns what is to be sent first, too.
    ///
    /// Version 4 has a user, and no passwords; an empty one is none.
    ///
    /// # Errors
    ///
    /// What does not fit into the protocol: long names, IPv6 in version 4, a name in version 4 without `a`.
    pub fn new(
        version: Version,
        (host, port): (&Host, u16),
        user: Option<(&str, &str)>,
    ) -> Result<(Client, Vec<u8>), Invalid> {
        let request = match version {
            Version::V5 => request5(host, port)?,
            Version::V4 | Version::V4a => request4(version, host, port, user)?,
        };
        let sign_in = match (version, user) {
            (Version::V5, Some((user, password))) => Some(sign_in(user, password)?),
            _ => None,
        };
        let (awaits, first, length) = match (version, &sign_in) {
            (Version::V5, None) => (Awaits::Method, vec![5, 1, NO_SIGN_IN], 2),
            (Version::V5, Some(_)) => (Awaits::Method, vec![5, 2, NO_SIGN_IN, PASSWORD], 2),
            _ => (Awaits::Reply, request.clone(), 8),
        };
        Ok((Client { version, awaits, request, sign_in, received: Vec::new(), length }, first))
    }

    /// Returns how many more bytes are to be pushed at most; 0 when it is done.
    pub fn needed(&self) -> usize {
        self.length - self.received.len()
    }

    /// Tells whether the proxy is on its way to the destination: until then its answers are its own affair and come at once.
    pub fn is_led(&self) -> bool {
        self.awaits == Awaits::Reply
    }

    /// Takes what has come.
    ///
    /// # Errors
    ///
    /// Why the proxy does not lead there; the dialogue is over then.
    ///
    /// # Panics
    ///
    /// When more is pushed than [`Client::needed`]: that would be somebody else's.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Step, Refused> {
        assert!(bytes.len() <= self.needed(), "more than was asked for");
        self.received.extend_from_slice(bytes);
        self.check_first()?;
        if self.awaits == Awaits::Reply && self.version == Version::V5 && self.received.len() >= 5 {
            self.length = reply5_length(&self.received)?;
        }
        if self.needed() > 0 {
            return Ok(Step::Receive);
        }
        let received = std::mem::take(&mut self.received);
        match self.awaits {
            Awaits::Method => self.chosen(received[1]),
            Awaits::SignIn if received[1] == 0 => Ok(self.ask()),
            Awaits::SignIn => Err(Refused::BadUser),
            Awaits::Reply if self.version == Version::V5 => self.done(),
            Awaits::Reply if received[1] == GRANTED4 => self.done(),
            Awaits::Reply => Err(Refused::Reply4(received[1])),
            Awaits::Nothing => self.done(),
        }
    }

    /// What is no answer of the protocol shows in its first byte, and a refusal in its second: nobody waits for the rest of it.
    fn check_first(&self) -> Result<(), Refused> {
        let due = match (self.awaits, self.version) {
            (Awaits::Nothing, _) => return Ok(()),
            (Awaits::SignIn, _) => 1,
            (_, Version::V5) => 5,
            (_, Version::V4 | Version::V4a) => 0,
        };
        match self.received.as_slice() {
            [first, ..] if *first != due => Err(Refused::NotSocks(*first)),
            [_, code, ..] if self.awaits == Awaits::Reply && self.version == Version::V5 && *code != 0 => {
                Err(Refused::Reply(Reply::from_code(*code)))
            }
            _ => Ok(()),
        }
    }

    fn chosen(&mut self, method: u8) -> Result<Step, Refused> {
        match (method, &self.sign_in) {
            (NO_SIGN_IN, _) => Ok(self.ask()),
            (PASSWORD, Some(sign_in)) => {
                let bytes = sign_in.clone();
                (self.awaits, self.length) = (Awaits::SignIn, 2);
                Ok(Step::Send(bytes))
            }
            // What it would take instead it does not say; nearly always it is this.
            (PASSWORD | NONE_OF_THEM, None) => Err(Refused::WantsUser),
            (NONE_OF_THEM, Some(_)) => Err(Refused::NoMethod),
            (method, _) => Err(Refused::StrayMethod(method)),
        }
    }

    fn ask(&mut self) -> Step {
        // Up to the byte that says how long the address behind it is.
        (self.awaits, self.length) = (Awaits::Reply, 5);
        Step::Send(self.request.clone())
    }

    fn done(&mut self) -> Result<Step, Refused> {
        (self.awaits, self.length) = (Awaits::Nothing, 0);
        Ok(Step::Done)
    }
}

const NO_SIGN_IN: u8 = 0;
const PASSWORD: u8 = 2;
const NONE_OF_THEM: u8 = 0xff;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;
const GRANTED4: u8 = 90;

/// Returns the length of an answer of which five bytes or more are there.
fn reply5_length(received: &[u8]) -> Result<usize, Refused> {
    match received[3] {
        IPV4 => Ok(4 + 4 + 2),
        IPV6 => Ok(4 + 16 + 2),
        NAME => Ok(4 + 1 + usize::from(received[4]) + 2),
        other => Err(Refused::StrayAddress(other)),
    }
}

fn request5(host: &Host, port: u16) -> Result<Vec<u8>, Invalid> {
    let mut bytes = vec![5, CONNECT, 0];
    match host {
        Host::Ip(IpAddr::V4(ip)) => {
            bytes.push(IPV4);
            bytes.extend_from_slice(&ip.octets());
        }
        Host::Ip(IpAddr::V6(ip)) => {
            bytes.push(IPV6);
            bytes.extend_from_slice(&ip.octets());
        }
        Host::Name(_) | Host::Loopback | Host::Any => {
            bytes.push(NAME);
            bytes.extend_from_slice(&field("host name", name(host))?);
        }
    }
    bytes.extend_from_slice(&port.to_be_bytes());
    Ok(bytes)
}

fn request4(version: Version, host: &Host, port: u16, user: Option<(&str, &str)>) -> Result<Vec<u8>, Invalid> {
    let user = user.map_or("", |(user, _)| user);
    let mut bytes = vec![4, CONNECT];
    bytes.extend_from_slice(&port.to_be_bytes());
    let named = match host {
        Host::Ip(IpAddr::V4(ip)) => {
            bytes.extend_from_slice(&ip.octets());
            None
        }
        Host::Ip(IpAddr::V6(ip)) => {
            let problem = "SOCKS 4 knows no IPv6 addresses";
            return Err(Invalid::new("destination", ip.to_string(), problem).instead("use socks5"));
        }
        _ if version == Version::V4 => {
            let problem = "SOCKS 4 knows no names";
            return Err(Invalid::new("destination", name(host), problem).instead("use socks4a or socks5h"));
        }
        // An address that nobody has says that a name follows.
        _ => {
            bytes.extend_from_slice(&[0, 0, 0, 1]);
            Some(name(host))
        }
    };
    for text in [Some(user), named].into_iter().flatten() {
        let text = bounded("name", text)?;
        if text.contains('\0') {
            return Err(Invalid::new("name", text, "SOCKS 4 ends names with a NUL").instead("use socks5"));
        }
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    Ok(bytes)
}

fn sign_in(user: &str, password: &str) -> Result<Vec<u8>, Invalid> {
    // The password itself is not to be seen in an error.
    if password.len() > FIELD_BYTES {
        let problem = format!("{} bytes, {FIELD_BYTES} is the most", password.len());
        return Err(Invalid::new("password", "***", problem).instead("use a shorter one"));
    }
    Ok([&[1], field("user", user)?.as_slice(), &[password.len() as u8], password.as_bytes()].concat())
}

/// Returns a text behind its length.
fn field(what: &'static str, text: &str) -> Result<Vec<u8>, Invalid> {
    let text = bounded(what, text)?;
    Ok([&[text.len() as u8], text.as_bytes()].concat())
}

fn bounded<'a>(what: &'static str, text: &'a str) -> Result<&'a str, Invalid> {
    if text.len() > FIELD_BYTES {
        let problem = format!("{} bytes, {FIELD_BYTES} is the most", text.len());
        return Err(Invalid::new(what, text, problem).instead("use a shorter one"));
    }
    Ok(text)
}

/// Returns a host that is no number as it is told to a proxy, for whom this machine is another one.
fn name(host: &Host) -> &str {
    match host {
        Host::Name(name) => name,
        _ => "localhost",
    }
}

impl fmt::Debug for Client {
    /// Without what may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("version", &self.version).field("awaits", &self.awaits).finish_non_exhaustive()
    }
}

impl fmt::Debug for Step {
    /// Without the bytes, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Receive => f.write_str("Receive"),
            Step::Send(bytes) => write!(f, "Send({} bytes)", bytes.len()),
            Step::Done => f.write_str("Done"),
        }
    }
}

impl fmt::Display for Refused {
    /// Prints a fragment that reads after a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NotSocks(b'H') => f.write_str("answers in HTTP, not in SOCKS"),
            Refused::NotSocks(first) => {
                write!(f, "its answer begins with {first:#04x}, which is not SOCKS of this version")
            }
            Refused::WantsUser => f.write_str("wants a user and password"),
            Refused::NoMethod => f.write_str("takes no user with a password, and nobody without"),
            Refused::StrayMethod(method) => {
                write!(f, "wants to be signed in to in the way {method}, which was not offered")
            }
            Refused::BadUser => f.write_str("refused the user and password"),
            Refused::Reply(reply) => reply.fmt(f),
            Refused::Reply4(91) => f.write_str("rejected or failed"),
            Refused::Reply4(92) => f.write_str("rejected, for it cannot ask identd on this machine who we are"),
            Refused::Reply4(93) => f.write_str("rejected, for identd on this machine names another user"),
            Refused::Reply4(code) => write!(f, "unassigned reply {code}"),
            Refused::StrayAddress(kind) => write!(f, "its answer has an address of the unknown type {kind}"),
        }
    }
}

#[cfg(test)]
mod tests;
