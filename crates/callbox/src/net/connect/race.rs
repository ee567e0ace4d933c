//! All addresses of a name, tried as RFC 8305 says: the first that answers wins.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::{ATTEMPT_DELAY, ConnectOptions, within};
use crate::addr::Addr;
use crate::error::{Error, Kind, Result};
use crate::event::Phases;
use crate::net::socket::Socket;

type Attempt<'a> = Pin<Box<dyn Future<Output = Result<OwnedFd>> + Send + 'a>>;

/// Starts an attempt every [`ATTEMPT_DELAY`], at once when one fails; the first connection wins and the rest is dropped.
pub(super) async fn race(
    addr: &Addr,
    addrs: &[SocketAddr],
    options: &ConnectOptions,
    deadline: Option<Instant>,
    phases: &mut Phases,
) -> Result<(OwnedFd, SocketAddr)> {
    let mut waiting = addrs.iter().copied();
    let mut running: Vec<(SocketAddr, Attempt<'_>)> = Vec::new();
    let mut failures: Vec<(SocketAddr, Error)> = Vec::new();
    loop {
        let next = waiting.next();
        if let Some(next) = next {
            phases.attempts += 1;
            running.push((next, Box::pin(attempt(next, options))));
        }
        if running.is_empty() {
            return Err(all_failed(addr, failures));
        }
        let pause = if waiting.len() > 0 { Some(Instant::now() + ATTEMPT_DELAY) } else { None };
        let until = [pause, deadline].into_iter().flatten().min();
        let first = poll_fn(|cx| {
            for index in 0..running.len() {
                if let Poll::Ready(result) = running[index].1.as_mut().poll(cx) {
                    let (peer, _) = running.swap_remove(index);
                    return Poll::Ready((peer, result));
                }
            }
            Poll::Pending
        });
        match within(until, first).await {
            Some((peer, Ok(socket))) => return Ok((socket, peer)),
            Some((peer, Err(error))) => failures.push((peer, error)),
            None if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                let late = running.drain(..).map(|(peer, _)| (peer, timed_out(options.timeout).at(peer)));
                failures.extend(late);
                return Err(all_failed(addr, failures));
            }
            None => {}
        }
    }
}

async fn attempt(addr: SocketAddr, options: &ConnectOptions) -> Result<OwnedFd> {
    prepared(addr, options)?.connect(addr).await
}

/// Makes a socket that is ready to connect to `addr`.
pub(super) fn prepared(addr: SocketAddr, options: &ConnectOptions) -> Result<Socket> {
    if let Some(refusal) = options.avoid.refusal(addr) {
        return Err(Error::new("connect", Kind::PermissionDenied, refusal).at(addr));
    }
    let socket = Socket::new(&addr).map_err(|error| error.at(addr))?;
    socket.configure(&options.socket)?;
    if let Some(source) = options.source {
        if source.is_ipv6() != addr.is_ipv6() {
            let message = format!("the source {} is of the other address family", source.ip());
            return Err(Error::new("connect", Kind::AddressNotAvailable, message).at(addr));
        }
        socket.bind_source(source)?;
    }
    Ok(socket)
}

pub(super) fn timed_out(limit: Option<Duration>) -> Error {
    let limit = crate::units::show_duration(limit.unwrap_or_default());
    Error::new("connect", Kind::TimedOut, format!("timed out: no answer within {limit}"))
}

/// One error for all: that of the only address, or a list.
fn all_failed(addr: &Addr, mut failures: Vec<(SocketAddr, Error)>) -> Error {
    if failures.len() == 1 {
        return failures.remove(0).1;
    }
    failures.sort_by_key(|(peer, _)| peer.is_ipv4());
    let kind = failures.iter().map(|(_, error)| error.kind()).find(|kind| *kind != Kind::TimedOut);
    let list: Vec<String> = failures.iter().map(|(peer, error)| format!("{peer}: {}", error.cause())).collect();
    let message = format!("no address answered ({})", list.join("; "));
    let attempts = failures.into_iter().map(|(_, error)| error).collect();
    Error::new("connect", kind.unwrap_or(Kind::TimedOut), message).at(addr).with_attempts(attempts)
}
