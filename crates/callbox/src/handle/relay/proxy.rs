//! A relay whose clients say where they want to go: by which protocol, who may, and where to.

use std::net::SocketAddr;

use super::upstreams::Failures;
use crate::addr::Addr;
use crate::asking::Step;
use crate::error::{Error, Kind, Result};
use crate::http_connect::server::{Server as HttpServer, Status};
use crate::login::Login;
use crate::net::connect::{ConnectOptions, Target};
use crate::net::open::{Opened, open};
use crate::socks::Reply;
use crate::socks::server::Server as SocksServer;
use crate::targets::Targets;

/// By what clients say where they want to go; closed by nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// SOCKS 5, 4 and 4a.
    Socks,
    /// HTTP's CONNECT.
    HttpConnect,
}

/// How a relay is a proxy.
#[derive(Debug)]
pub struct Proxy {
    protocol: Protocol,
    login: Option<Login>,
    targets: Targets,
    failures: Failures,
}

impl Proxy {
    /// Makes one that anybody may use who reaches it, or who knows the login; it leads to `targets`, and nowhere that the
    /// relay's [`avoid`](crate::net::connect::ConnectOptions::avoid) has.
    pub fn new(protocol: Protocol, login: Option<Login>, targets: Targets) -> Proxy {
        Proxy { protocol, login, targets, failures: Failures::default() }
    }

    pub(super) fn dialogue(&self) -> Dialogue {
        let login = self.login.clone();
        match self.protocol {
            Protocol::Socks => Dialogue::Socks(SocksServer::new(login)),
            Protocol::HttpConnect => Dialogue::HttpConnect(HttpServer::new(login)),
        }
    }

    /// Connects to what a client has asked for.
    pub(super) async fn connect(&self, addr: &Addr, options: &ConnectOptions, preface: &[u8]) -> Result<Opened> {
        let opened = open(Target::Asked { addr, targets: &self.targets }, options, preface).await;
        opened.inspect_err(|error| match error.kind() {
            // The one is counted as the session's end, the other is no fault of the target's.
            Kind::PermissionDenied | Kind::Exhausted => {}
            kind => self.failures.note(kind),
        })
    }

    pub(super) fn counters(&self, count: &mut dyn FnMut(&'static str, u64)) {
        self.failures.counters(count);
    }
}

/// What client and proxy say to each other.
pub(super) enum Dialogue {
    Socks(SocksServer),
    HttpConnect(HttpServer),
}

impl Dialogue {
    /// What is being received, for errors.
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Dialogue::Socks(_) => "receive SOCKS request",
            Dialogue::HttpConnect(_) => "receive CONNECT request",
        }
    }

    pub(super) fn step(&mut self) -> Step {
        match self {
            Dialogue::Socks(server) => server.step(),
            Dialogue::HttpConnect(server) => server.step(),
        }
    }

    pub(super) fn claims(&self, seen: &[u8]) -> usize {
        match self {
            Dialogue::Socks(server) => server.claims(seen),
            Dialogue::HttpConnect(server) => server.claims(seen),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            Dialogue::Socks(server) => server.push(bytes),
            Dialogue::HttpConnect(server) => server.push(bytes),
        }
    }

    /// What tells the client that the connection is there.
    pub(super) fn succeeded(&self, bound: Option<SocketAddr>) -> Vec<u8> {
        match self {
            Dialogue::Socks(server) => server.succeeded(bound),
            Dialogue::HttpConnect(server) => server.succeeded(),
        }
    }

    /// What tells the client that there is none.
    pub(super) fn failed(&self, error: &Error) -> Vec<u8> {
        match self {
            Dialogue::Socks(server) => server.failed(reply(error)),
            Dialogue::HttpConnect(server) => server.failed(status(error), &error.to_string()),
        }
    }
}

fn reply(error: &Error) -> Reply {
    match error.kind() {
        Kind::Refused => Reply::Refused,
        Kind::Unreachable if error.raw_os_error() == Some(libc::ENETUNREACH) => Reply::NetworkUnreachable,
        // Whoever does not answer is unreachable: there is no code of its own for that.
        Kind::Unreachable | Kind::NotFound | Kind::TimedOut => Reply::HostUnreachable,
        Kind::PermissionDenied => Reply::NotAllowed,
        _ => Reply::Failed,
    }
}

fn status(error: &Error) -> Status {
    match error.kind() {
        Kind::TimedOut => Status::GatewayTimeout,
        Kind::PermissionDenied => Status::Forbidden,
        _ => Status::BadGateway,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_code_and_its_status() {
        for (kind, told) in [
            (Kind::Refused, (Reply::Refused, Status::BadGateway)),
            (Kind::Unreachable, (Reply::HostUnreachable, Status::BadGateway)),
            (Kind::NotFound, (Reply::HostUnreachable, Status::BadGateway)),
            (Kind::TimedOut, (Reply::HostUnreachable, Status::GatewayTimeout)),
            (Kind::PermissionDenied, (Reply::NotAllowed, Status::Forbidden)),
            (Kind::Exhausted, (Reply::Failed, Status::BadGateway)),
            (Kind::Reset, (Reply::Failed, Status::BadGateway)),
        ] {
            let error = Error::new("connect", kind, "not now");
            assert_eq!((reply(&error), status(&error)), told, "{kind:?}");
        }
        let error = Error::io("connect", std::io::Error::from_raw_os_error(libc::ENETUNREACH));
        assert_eq!(reply(&error), Reply::NetworkUnreachable);
    }
}
