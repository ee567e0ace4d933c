//! The proxy's side of HTTP's CONNECT: HTTP/1.0 and 1.1, with Basic authentication (RFC 7617).

use super::HEAD_BYTES;
use super::basic;
use crate::addr::{Addr, Host};
use crate::asking::Step;
use crate::login::Login;
use crate::targets;
use crate::text::safe;

/// Fields of a head: as many as common servers take.
const MOST_FIELDS: usize = 100;
/// Bytes of a method; the longest that is registered has 17.
const METHOD_BYTES: usize = 32;
/// What is answered when the connection is there.
const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// One client's request, as it comes.
///
/// [`step`](Server::step) says what is next; what has been received is [`push`](Server::push)ed. When it has said
/// [`Step::Asked`], the client is told by [`succeeded`](Server::succeeded) or [`failed`](Server::failed).
#[derive(Debug)]
pub struct Server {
    login: Option<Login>,
    received: Vec<u8>,
    /// Up to here there is no end of the head.
    looked: usize,
}

/// Why a client is not led anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// What came is no request, or not one for CONNECT.
    BadRequest,
    /// The rules forbid it.
    Forbidden,
    /// Another method.
    MethodNotAllowed,
    /// It did not say who it is, or not rightly.
    LoginRequired,
    /// Its head is too long.
    HeadTooLarge,
    /// The target could not be connected to.
    BadGateway,
    /// The target did not answer in time.
    GatewayTimeout,
}

impl Status {
    /// Returns the code and its words.
    fn line(self) -> &'static str {
        match self {
            Status::BadRequest => "400 Bad Request",
            Status::Forbidden => "403 Forbidden",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::LoginRequired => "407 Proxy Authentication Required",
            Status::HeadTooLarge => "431 Request Header Fields Too Large",
            Status::BadGateway => "502 Bad Gateway",
            Status::GatewayTimeout => "504 Gateway Timeout",
        }
    }

    /// Returns the field that goes with it.
    fn field(self) -> &'static str {
        match self {
            Status::MethodNotAllowed => "Allow: CONNECT\r\n",
            Status::LoginRequired => "Proxy-Authenticate: Basic realm=\"callbox\", charset=\"UTF-8\"\r\n",
            _ => "",
        }
    }
}

impl Server {
    /// Waits for a client; `login` is what it must know.
    pub fn new(login: Option<Login>) -> Server {
        Server { login, received: Vec::new(), looked: 0 }
    }

    /// Takes what has been received: never more than the last step [needed](Step::Needs) or the request
    /// [claims](Server::claims).
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Returns how many of `seen`, which come next, belong to the head; at least one where there is any, after a step that
    /// [needs](Step::Needs) some.
    pub fn claims(&self, seen: &[u8]) -> usize {
        let tail = &self.received[self.received.len().saturating_sub(2)..];
        let most = match end_of_head(&[tail, seen].concat()) {
            Some(end) => end - tail.len(),
            None => seen.len(),
        };
        most.min((HEAD_BYTES + 1).saturating_sub(self.received.len()))
    }

    /// Returns what is next.
    pub fn step(&mut self) -> Step {
        if let Some(byte) = no_method(&self.received) {
            let problem = format!("no request begins with byte 0x{byte:02x}{}", looks_like(byte));
            return refused(Status::BadRequest, problem);
        }
        // What was looked at ends with at most two bytes of the end.
        let from = self.looked.saturating_sub(2);
        let Some(end) = end_of_head(&self.received[from..]).map(|end| from + end) else {
            self.looked = self.received.len();
            if self.looked > HEAD_BYTES {
                return refused(Status::HeadTooLarge, format!("the head has more than {HEAD_BYTES} bytes"));
            }
            return Step::Needs(match self.received.as_slice() {
                [.., b'\n'] | [.., b'\n', b'\r'] => 1,
                _ => 2.min(HEAD_BYTES + 1 - self.looked),
            });
        };
        self.received.truncate(end);
        match self.read() {
            Ok(addr) => Step::Asked(addr),
            Err((status, problem)) => refused(status, problem),
        }
    }

    /// Reads a head that is whole.
    fn read(&self) -> Result<Addr, (Status, String)> {
        let bad = |problem: String| (Status::BadRequest, problem);
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(&self.received) {
            Ok(httparse::Status::Complete(length)) if length == self.received.len() => {}
            Ok(_) => return Err(bad("the head is no request".into())),
            Err(error) => return Err(bad(format!("the head is no request: {error}").to_lowercase())),
        }
        let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
        if method != "CONNECT" {
            let problem = format!("the method is {}, and there is CONNECT alone", safe(method));
            return Err((Status::MethodNotAllowed, problem));
        }
        let fields = || request.headers.iter();
        if let Some(login) = &self.login {
            let mut given = fields().filter(|field| field.name.eq_ignore_ascii_case("proxy-authorization"));
            match (given.next(), given.next()) {
                (None, _) => return Err((Status::LoginRequired, "no user name and password".into())),
                (Some(field), None) if basic::admits(login, field.value) => {}
                _ => return Err((Status::LoginRequired, "wrong user name or password".into())),
            }
        }
        // What follows the head is for the target. Who announces a body here thinks otherwise (RFC 9110, section 9.3.6).
        let announces = |field: &&httparse::Header<'_>| {
            field.name.eq_ignore_ascii_case("transfer-encoding")
                || field.name.eq_ignore_ascii_case("content-length") && field.value.trim_ascii() != b"0"
        };
        if let Some(field) = fields().find(announces) {
            return Err(bad(format!("{}: a request for CONNECT has no body", safe(field.name))));
        }
        authority(target).ok_or_else(|| bad(format!("{} is not host:port", safe(target))))
    }

    /// Returns what tells the client that the connection is there.
    pub fn succeeded(&self) -> Vec<u8> {
        ESTABLISHED.to_vec()
    }

    /// Returns what tells the client that there is none, and why, in words that are safe to print.
    pub fn failed(&self, status: Status, problem: &str) -> Vec<u8> {
        answer(status, problem)
    }
}

fn refused(status: Status, problem: String) -> Step {
    Step::Refused { answer: answer(status, &problem), problem }
}

fn answer(status: Status, problem: &str) -> Vec<u8> {
    let (line, field) = (status.line(), status.field());
    let hint = match status {
        Status::MethodNotAllowed => "callbox: have the client ask for CONNECT, as curl -p does\n",
        _ => "",
    };
    let body = format!("callbox: {problem}\n{hint}");
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {line}\r\n{field}Content-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    [head, body].concat().into_bytes()
}

/// Finds where a head ends: behind an empty line, its end written with or without CR.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find_map(|at| match &bytes[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// Finds the first byte that cannot be in a method, which is what a request begins with, after an empty line perhaps
/// (RFC 9112, section 2.2): whoever speaks another protocol need not be waited for.
fn no_method(bytes: &[u8]) -> Option<u8> {
    let begun = bytes.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(bytes.len());
    for (index, byte) in bytes[begun..].iter().enumerate() {
        match byte {
            b' ' if index > 0 => return None,
            byte if index < METHOD_BYTES && is_token(*byte) => {}
            byte => return Some(*byte),
        }
    }
    None
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn looks_like(byte: u8) -> &'static str {
    match byte {
        4 | 5 => "; it looks like SOCKS",
        0x16 => "; it looks like TLS",
        _ => "",
    }
}

/// Reads `host:port` or `[v6]:port`.
fn authority(target: &str) -> Option<Addr> {
    let (host, port) = target.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(rest) => targets::host(rest.strip_suffix(']')?).filter(|_| rest.contains(':'))?,
        None if host.contains(':') => return None,
        None => targets::host(host)?,
    };
    let digits = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    let port: u16 = port.parse().ok().filter(|port| digits && *port > 0)?;
    debug_assert!(matches!(host, Host::Ip(_) | Host::Name(_)));
    Some(Addr::Tcp { host, port })
}

#[cfg(test)]
mod tests;
