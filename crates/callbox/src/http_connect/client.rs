//! The client's side of CONNECT: the request, and the head of the answer.
//!
//! A proxy is first asked without a password, so that it is told only to who wants one, and in the best way that it offers:
//! Digest with SHA-256, Digest with MD5, Basic.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;

use super::HEAD_BYTES;
use super::challenge::{self, Challenge};
use super::digest::{self, Algorithm, draw_cnonce};
use crate::addr::Host;
use crate::text::safe;

/// The longest body of a 407 that is read to go on with the same connection, in bytes; else a new one is made. Pages that say
/// "sign in" are smaller.
pub const BODY_BYTES: usize = 64 * 1024;
/// Fields of a head: what servers take, too.
const MOST_FIELDS: usize = 100;
/// Requests to one proxy: one without a password, one with it, one more where a nonce was too old by then.
const MOST_REQUESTS: usize = 3;
/// Characters of a status line that are shown.
const SHOWN_CHARS: usize = 200;

/// One destination, asked for at one proxy, over as many connections as that takes.
pub struct Client {
    authority: String,
    user: Option<(String, String)>,
    /// Of the last 407.
    challenge: Option<Challenge>,
    requests: usize,
    state: State,
    /// Bytes of interim answers, which count as if they were of one head with the real one.
    interim: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// This much of the head is there.
    Head(Vec<u8>),
    /// So many bytes of a 407's body are still to come.
    Body(usize),
}

/// What is to be done next; closed by nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// More is to come.
    Receive,
    /// The proxy has led there: everything from here on is the destination's.
    Done,
    /// [`Client::request`] is to be sent, on the same connection.
    Again,
    /// [`Client::request`] is to be sent on a new connection.
    Anew,
}

/// Why a proxy does not lead there; closed by nature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// What came is no head of HTTP/1.
    NotHttp,
    /// The head is longer than [`HEAD_BYTES`].
    TooLong,
    /// It says no: the status, and its line as it came.
    Status(u16, String),
    /// It takes nobody without a user and a password.
    WantsUser,
    /// It wants to be signed in to in ways that are not known here: these.
    UnknownSchemes(String),
    /// The user or the password is wrong.
    BadUser,
}

impl Client {
    /// Prepares to be led to a host and its port.
    pub fn new((host, port): (&Host, u16), user: Option<(&str, &str)>) -> Client {
        let authority = match host {
            Host::Ip(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
            Host::Ip(ip) => format!("{ip}:{port}"),
            Host::Name(name) if name.contains(':') => format!("[{name}]:{port}"),
            Host::Name(name) => format!("{name}:{port}"),
            // To a proxy this machine is another one; what is meant is its own.
            Host::Loopback | Host::Any => format!("localhost:{port}"),
        };
        let user = user.map(|(user, password)| (user.to_owned(), password.to_owned()));
        Client { authority, user, challenge: None, requests: 0, state: State::Head(Vec::new()), interim: 0 }
    }

    /// Returns what is to be sent; what has come of an earlier answer is forgotten. May hold a password.
    pub fn request(&mut self) -> Vec<u8> {
        self.requests += 1;
        self.interim = 0;
        self.state = State::Head(Vec::new());
        let mut out = format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", self.authority).into_bytes();
        if let Some(answer) = self.answer() {
            out.extend_from_slice(&[b"Proxy-Authorization: ", answer.as_slice(), b"\r\n"].concat());
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    fn answer(&self) -> Option<Vec<u8>> {
        let (challenge, (user, password)) = (self.challenge.as_ref()?, self.user.as_ref()?);
        if challenge.scheme == "basic" {
            return Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))).into_bytes());
        }
        let request = digest::Request { user, password, method: "CONNECT", uri: &self.authority };
        // A nonce is used once here: the next 407 brings another.
        digest::answer(challenge, request, &draw_cnonce(), 1)
    }

    /// Tells whether a 407 was answered with a user and a password before; a proxy that then closes has not said no to them.
    pub fn is_signing_in(&self) -> bool {
        self.challenge.is_some()
    }

    /// Looks at what is there, and returns how much of it is the proxy's; what is beyond belongs to the destination and must be
    /// left where it is.
    ///
    /// # Errors
    ///
    /// Why the proxy does not lead there; the dialogue is over then.
    pub fn push(&mut self, seen: &[u8]) -> Result<(usize, Step), Refused> {
        match &mut self.state {
            State::Body(left) => {
                let taken = seen.len().min(*left);
                *left -= taken;
                Ok((taken, if *left == 0 { Step::Again } else { Step::Receive }))
            }
            State::Head(head) => {
                let before = head.len();
                head.extend_from_slice(seen);
                if !begins_as_http(head) {
                    return Err(Refused::NotHttp);
                }
                // The blank line may have begun in what came before.
                let end = blank_line(head, before.saturating_sub(3));
                if self.interim + end.unwrap_or(head.len()) > HEAD_BYTES {
                    return Err(Refused::TooLong);
                }
                let Some(end) = end else { return Ok((seen.len(), Step::Receive)) };
                head.truncate(end);
                let head = std::mem::take(head);
                Ok((end - before, self.judge(&head)?))
            }
        }
    }

    fn judge(&mut self, head: &[u8]) -> Result<Step, Refused> {
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        match response.parse(head) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {}
            _ => return Err(Refused::NotHttp),
        }
        match response.code.unwrap_or_default() {
            // Interim answers: the real one follows.
            100..=199 => {
                self.interim += head.len();
                Ok(Step::Receive)
            }
            // Whatever its fields say, such an answer has no body (RFC 9110, section 9.3.6).
            200..=299 => Ok(Step::Done),
            407 => {
                let challenges: Vec<Challenge> =
                    values(response.headers, "proxy-authenticate").flat_map(challenge::read).collect();
                self.sign_in(&challenges)?;
                Ok(self.after_407(response.version, response.headers))
            }
            code => Err(Refused::Status(code, first_line(head))),
        }
    }

    /// Chooses how to answer a 407.
    fn sign_in(&mut self, challenges: &[Challenge]) -> Result<(), Refused> {
        if self.user.is_none() {
            return Err(Refused::WantsUser);
        }
        let best = challenges.iter().filter_map(|one| strength(one).map(|strength| (strength, one)));
        // Of equals the first: servers name what they like best first.
        let best = best.rev().max_by_key(|(strength, _)| *strength).map(|(_, challenge)| challenge);
        let Some(best) = best else {
            let schemes: Vec<&str> = challenges.iter().map(|challenge| challenge.scheme.as_str()).collect();
            return Err(Refused::UnknownSchemes(schemes.join(", ")));
        };
        let is_stale = best.param("stale").is_some_and(|stale| stale.eq_ignore_ascii_case(b"true"));
        if self.requests >= MOST_REQUESTS || self.challenge.is_some() && !is_stale {
            return Err(Refused::BadUser);
        }
        self.challenge = Some(best.clone());
        Ok(())
    }

    /// Says where the next request goes: on this connection where it stays open and the body has a known, small end.
    fn after_407(&mut self, version: Option<u8>, fields: &[httparse::Header<'_>]) -> Step {
        let says = |word: &[u8]| {
            let all = values(fields, "connection").chain(values(fields, "proxy-connection"));
            all.flat_map(|value| value.split(|byte| *byte == b','))
                .any(|one| one.trim_ascii().eq_ignore_ascii_case(word))
        };
        let stays = !says(b"close") && (version == Some(1) || says(b"keep-alive"));
        let coded = values(fields, "transfer-encoding").next().is_some();
        let mut lengths = values(fields, "content-length").map(decimal);
        let length = match (lengths.next(), lengths.next()) {
            (Some(Some(length)), None) if !coded && length <= BODY_BYTES => length,
            _ => return Step::Anew,
        };
        match (stays, length) {
            (false, _) => Step::Anew,
            (true, 0) => Step::Again,
            (true, length) => {
                self.state = State::Body(length);
                Step::Receive
            }
        }
    }
}

fn strength(challenge: &Challenge) -> Option<u8> {
    match digest::algorithm(challenge) {
        Some(Algorithm::Sha256) => Some(2),
        Some(Algorithm::Md5) => Some(1),
        None => (challenge.scheme == "basic").then_some(0),
    }
}

fn values<'a>(fields: &'a [httparse::Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

fn decimal(value: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(value.trim_ascii()).ok()?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

/// Tells whether bytes are the beginning of an answer in HTTP/1, so that nobody waits for the rest of something else.
fn begins_as_http(head: &[u8]) -> bool {
    const BEGINNING: &[u8] = b"HTTP/1.";
    let length = head.len().min(BEGINNING.len());
    head[..length] == BEGINNING[..length]
}

/// Returns where the head ends: behind its blank line, which may lack its carriage returns.
fn blank_line(head: &[u8], from: usize) -> Option<usize> {
    let end = |needle: &[u8]| memmem::find(&head[from..], needle).map(|at| from + at + needle.len());
    [end(b"\n\r\n"), end(b"\n\n")].into_iter().flatten().min()
}

/// Returns the status line, made safe to show.
fn first_line(head: &[u8]) -> String {
    let line = head.split(|byte| b"\r\n".contains(byte)).next().unwrap_or_default();
    let text: String = String::from_utf8_lossy(line).chars().take(SHOWN_CHARS).collect();
    safe(text.trim_end()).into_owned()
}

impl fmt::Debug for Client {
    /// Without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("authority", &self.authority).field("state", &self.state).finish_non_exhaustive()
    }
}

impl fmt::Display for Refused {
    /// Prints a fragment that reads after a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NotHttp => f.write_str("its answer is not HTTP"),
            Refused::TooLong => write!(f, "the head of its answer is longer than {HEAD_BYTES} bytes"),
            Refused::Status(_, line) => f.write_str(line),
            Refused::WantsUser => f.write_str("wants a user and password"),
            Refused::UnknownSchemes(schemes) if schemes.is_empty() => {
                f.write_str("wants a user and password, and does not say in which way")
            }
            Refused::UnknownSchemes(schemes) => {
                write!(f, "wants to be signed in to in a way that is not known here: {}", safe(schemes))
            }
            Refused::BadUser => f.write_str("refused the user and password"),
        }
    }
}

#[cfg(test)]
mod tests;
