//! From the upstreams behind a relay to a connection with one of them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Relay;
use super::proxy::Proxy;
use super::reserve::RESERVE;
use super::upstreams::{Change, InUse, Upstreams};
use crate::addr::Addr;
use crate::direction::Role;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Turn};
use crate::net::connect::ConnectOptions;
use crate::net::edge::Edge;
use crate::net::open::{Opened, open};
use crate::net::retry::Attempts;
use crate::net::socket::local_addr;
use crate::net::stream::Stream;
use crate::observers::Observers;
use crate::proxy_header::Header;
use crate::session::Session;

/// First pause of a session for whose connection the system has no descriptor; doubled each time.
const SHORT_PAUSE_MIN: Duration = Duration::from_millis(10);
/// Longest pause.
const SHORT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long such a session waits where connecting has no limit of its own.
const SHORT_PATIENCE: Duration = Duration::from_secs(5);

/// Where one session is to be connected to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Toward<'a> {
    /// To one of these.
    Upstreams(&'a Upstreams),
    /// To what its client has asked for.
    Asked(&'a Proxy, &'a Addr),
}

impl Relay {
    /// Connects there, trying again as it was told; nothing is read from the client meanwhile.
    pub(super) async fn reach(
        &self,
        toward: Toward<'_>,
        session: &Session,
        client: &Stream,
    ) -> Result<(Opened, Option<InUse>)> {
        // The sweep looks whether the client is still there: it ends the session of one that has reset.
        client.edge().leave_unread(true);
        let reached = match self.preface(client) {
            Ok(preface) => self.try_until_spent(toward, session, &preface).await,
            Err(error) => Err(error),
        };
        client.edge().leave_unread(false);
        reached
    }

    async fn try_until_spent(
        &self,
        toward: Toward<'_>,
        session: &Session,
        preface: &[u8],
    ) -> Result<(Opened, Option<InUse>)> {
        let mut attempts = Attempts::new(self.options.retry);
        let mut short = Short::new(self);
        let options = &self.options.connect;
        loop {
            // Matched at once: what is bound before another wait is part of what each client that waits holds.
            let error = match toward {
                Toward::Upstreams(upstreams) => match reach_any(upstreams, options, preface, session.observers()).await
                {
                    Ok((opened, in_use)) => return Ok((opened, Some(in_use))),
                    Err(error) => error,
                },
                Toward::Asked(proxy, addr) => match Box::pin(proxy.connect(addr, options, preface)).await {
                    Ok(opened) => return Ok((opened, None)),
                    Err(error) => error,
                },
            };
            let pause = match error.kind() {
                Kind::Exhausted => {
                    let pause = short.pause();
                    if RESERVE.give_up_one() {
                        continue;
                    }
                    pause
                }
                _ => {
                    short.is_over();
                    attempts.failed(&error)
                }
            };
            let Some(pause) = pause else {
                return Err(error);
            };
            let (number, error) = (Some(session.id()), Arc::new(error));
            session.observers().emit(|| Event::Retrying { session: number, error, pause });
            sleep(pause).await;
        }
    }

    /// Returns what tells the upstream who the client is, where it is to be told.
    fn preface(&self, client: &Stream) -> Result<Vec<u8>> {
        let Some(version) = self.options.send_proxy else { return Ok(Vec::new()) };
        let peer = client.session().peer().clone();
        let local = client.local().unwrap_or_else(|| peer.clone());
        let header = Header::for_session(&peer, &local).encode(version);
        header.map_err(|invalid| Error::new("send PROXY header", Kind::Proxy, invalid.to_string()))
    }

    /// Makes the upstream's side of the session.
    pub(super) fn far_side(&self, near: &Session, reached: Opened) -> Stream {
        let facts = reached.tls_facts();
        let Opened { io, peer, phases, through } = reached;
        if near.observers().wants_talk() {
            let local =
                io.descriptor().and_then(|socket| local_addr(socket).ok()).map_or_else(|| peer.clone(), Addr::from);
            let (session, role) = (near.id(), Role::Client);
            let (peer, phases) = (peer.clone(), Some(phases));
            near.observers().emit(|| Event::Connected {
                session,
                role,
                peer,
                local,
                phases,
                via: None,
                process: None,
                through,
            });
            if let Some(facts) = facts {
                near.observers().emit(|| Event::Tls { session, role, facts });
            }
        }
        // Where nobody looks at the bytes, both sides are one session: what passes here passes there.
        let plan = self.faults.plan();
        let bent = !plan.faults.is_empty() || plan.rate.is_some();
        let mut edge = if near.is_watched() || self.options.far.wants_data() || bent {
            Edge::new(io, Session::new(near.id(), Role::Client, peer, self.options.far.clone()))
        } else {
            Edge::far_side(io, near.clone())
        };
        if self.keepalive {
            edge.owe_keepalive();
        }
        if self.options.copies {
            edge.never_splice();
        }
        Stream::from_edge(Arc::new(edge))
    }
}

/// A session without a descriptor for its upstream. It waits, for others end and give theirs back, and no more are
/// accepted meanwhile: a client that is let in is not turned away for that.
struct Short<'a> {
    relay: &'a Relay,
    since: Option<Instant>,
    pause: Duration,
}

impl<'a> Short<'a> {
    fn new(relay: &'a Relay) -> Short<'a> {
        Short { relay, since: None, pause: SHORT_PAUSE_MIN }
    }

    /// Returns how long to wait, or `None` when it has waited for as long as connecting may take.
    fn pause(&mut self) -> Option<Duration> {
        let since = *self.since.get_or_insert_with(|| {
            self.relay.short.fetch_add(1, Relaxed);
            Instant::now()
        });
        let pause = self.pause;
        self.pause = (pause * 2).min(SHORT_PAUSE_MAX);
        (since.elapsed() < self.relay.options.connect.timeout.unwrap_or(SHORT_PATIENCE)).then_some(pause)
    }
}

impl Short<'_> {
    /// It had a descriptor, whatever came of it: others may be accepted again.
    fn is_over(&mut self) {
        if self.since.take().is_some() {
            self.relay.short.fetch_sub(1, Relaxed);
        }
        self.pause = SHORT_PAUSE_MIN;
    }
}

impl Drop for Short<'_> {
    fn drop(&mut self) {
        self.is_over();
    }
}

/// Connects to the first of the session's candidates that answers.
///
/// # Errors
///
/// When none does: that of the only one, else each with its own reason, as in [`Error::attempts`].
///
/// # Cancel safety
///
/// Dropping the future abandons the attempt that is under way, and nothing is held against that upstream.
pub(crate) async fn reach_any(
    upstreams: &Upstreams,
    options: &ConnectOptions,
    preface: &[u8],
    observers: &Observers,
) -> Result<(Opened, InUse)> {
    let mut candidates = upstreams.candidates();
    let mut failures = Vec::new();
    while let Some(index) = candidates.next(Instant::now()) {
        let address = || upstreams.addr(index).clone();
        match open(upstreams.target(index), options, preface).await {
            Ok(reached) => {
                let (in_use, change) = upstreams.connected(index);
                if change == Change::Up {
                    observers.emit(|| Event::Upstream { address: address(), turn: Turn::Up });
                }
                return Ok((reached, in_use));
            }
            // What this machine lacks is no fault of the upstream's.
            Err(error) if matches!(error.kind(), Kind::Exhausted | Kind::AddressNotAvailable) => failures.push(error),
            Err(error) => {
                let change = upstreams.failed(index, error.kind(), Instant::now());
                if let Change::Down { rest } = change {
                    let turn = || Turn::Down { error: Arc::new(error.clone()), rest };
                    observers.emit(|| Event::Upstream { address: address(), turn: turn() });
                }
                failures.push(error);
            }
        }
    }
    Err(none_answered(failures))
}

/// One error for all: that of the only upstream, or a list.
fn none_answered(mut failures: Vec<Error>) -> Error {
    if failures.len() == 1 {
        return failures.remove(0);
    }
    let kinds = || failures.iter().map(Error::kind);
    // What this machine lacks for a moment comes first: with it one of them might have answered.
    let short = kinds().find(|kind| *kind == Kind::Exhausted);
    let kind = short.or_else(|| kinds().find(|kind| *kind != Kind::TimedOut)).unwrap_or(Kind::TimedOut);
    let list: Vec<String> = failures.iter().map(Error::to_string).collect();
    let may_pass = failures.iter().any(Error::may_pass);
    let error =
        Error::new("connect", kind, format!("no upstream answered ({})", list.join("; "))).with_attempts(failures);
    if may_pass { error.that_may_pass() } else { error }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::time::Duration;

    use super::*;
    use crate::addr::Addr;
    use crate::bus::{Bus, Interest};
    use crate::error::Kind;
    use crate::handle::Handler;
    use crate::handle::relay::RelayOptions;
    use crate::handle::relay::upstreams::{Balance, REST_MIN};
    use crate::net::socket::Socket;
    use crate::pipe::plan::Faults;

    /// Bound but not listening: the port is ours, so nobody else can answer.
    fn refusing() -> (Socket, Addr) {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = Socket::new(&any).expect("IPv4 is there");
        socket.bind(any).expect("binds");
        let addr = socket.local_addr().expect("bound").into();
        (socket, addr)
    }

    fn listening() -> (TcpListener, Addr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let addr = listener.local_addr().expect("bound").into();
        (listener, addr)
    }

    fn watched() -> (Arc<Bus>, Observers) {
        let bus = Bus::new(Interest { data: false, talk: true, lossless: false, frames: false });
        let observers = Observers::on_bus(&bus);
        (bus, observers)
    }

    #[tokio::test]
    async fn an_upstream_that_refuses_gives_way_and_is_said_once_until_it_works_again() {
        let ((down, first), (_up, second)) = (refusing(), listening());
        let upstreams = Upstreams::new(vec![first.clone(), second.clone()], Balance::First);
        let (options, (bus, observers)) = (ConnectOptions::default(), watched());
        for _ in 0..3 {
            let (reached, _in_use) =
                reach_any(&upstreams, &options, &[], &observers).await.expect("the second answers");
            assert_eq!(reached.peer, second);
        }
        assert_eq!(upstreams.states()[0].failures, 1, "it rests and is not asked again");
        assert!(matches!(
            bus.try_next(),
            Some((_, Event::Upstream { address, turn: Turn::Down { error, rest } }))
                if address == first && error.is_refused() && rest == REST_MIN
        ));
        assert!(bus.try_next().is_none());
        let _listens = down.listen(1).expect("listens");
        tokio::time::pause();
        tokio::time::advance(REST_MIN).await;
        let (reached, _in_use) = reach_any(&upstreams, &options, &[], &observers).await.expect("both answer");
        assert_eq!(reached.peer, first);
        assert!(matches!(bus.try_next(), Some((_, Event::Upstream { turn: Turn::Up, .. }))));
    }

    #[tokio::test]
    async fn when_none_answers_each_has_its_reason() {
        let ((_one, first), (_other, second)) = (refusing(), refusing());
        let upstreams = Upstreams::new(vec![first.clone(), second], Balance::First);
        let (options, observers) = (ConnectOptions::default(), Observers::none());
        let error = reach_any(&upstreams, &options, &[], &observers).await.expect_err("nobody listens");
        assert_eq!((error.kind(), error.attempts().len()), (Kind::Refused, 2), "{error}");
        let alone = Upstreams::new(vec![first.clone()], Balance::First);
        let error = reach_any(&alone, &options, &[], &observers).await.expect_err("nobody listens");
        assert_eq!(error.to_string(), format!("connect {first}: connection refused"));
    }

    #[test]
    fn what_this_machine_lacks_comes_before_what_upstreams_say() {
        let failures =
            [Kind::TimedOut, Kind::Refused, Kind::Exhausted].map(|kind| Error::new("connect", kind, "not now"));
        assert_eq!(none_answered(failures.to_vec()).kind(), Kind::Exhausted);
        assert_eq!(none_answered(failures[..2].to_vec()).kind(), Kind::Refused);
    }

    #[test]
    fn who_has_had_a_descriptor_keeps_nobody_from_being_accepted() {
        let upstreams = Upstreams::new(vec![Addr::default_address()], Balance::First);
        let relay = Relay::new(upstreams, RelayOptions::default(), Faults::none());
        let mut short = Short::new(&relay);
        for _ in 0..2 {
            assert_eq!(short.pause(), Some(SHORT_PAUSE_MIN));
            assert_eq!(short.pause(), Some(SHORT_PAUSE_MIN * 2));
            assert!(relay.is_short());
            short.is_over();
            assert!(!relay.is_short());
        }
        let _ = short.pause();
        drop(short);
        assert!(!relay.is_short());
    }

    #[tokio::test]
    async fn a_session_that_is_connected_holds_nothing_of_what_connecting_needs() {
        let upstreams = Upstreams::new(vec![Addr::default_address()], Balance::First);
        let relay = Relay::new(upstreams, RelayOptions::default(), Faults::none());
        let (_client, stream) = Stream::pair();
        let session = stream.session().clone();
        let talk = relay.handle(session, stream);
        assert!(size_of_val(&talk) <= 160, "{} bytes in each idle session", size_of_val(&talk));
    }

    #[tokio::test]
    async fn an_upstream_whose_queue_is_full_costs_the_connect_timeout_and_no_descriptor() {
        // A queue of one that nobody serves: the kernel completes two handshakes and then drops what comes.
        let (full, addr) = refusing();
        let _full = full.listen(0).expect("listens");
        let std_addr = addr.socket_addr().expect("is TCP");
        let _queued = std::net::TcpStream::connect(std_addr).expect("the first is queued");
        let upstreams = Upstreams::new(vec![addr], Balance::First);
        let timeout = Some(Duration::from_millis(50));
        let options = ConnectOptions { timeout, ..ConnectOptions::default() };
        let begun = Instant::now();
        let error = reach_any(&upstreams, &options, &[], &Observers::none()).await.expect_err("nobody answers");
        assert!(error.is_timed_out(), "{error}");
        assert!(begun.elapsed() >= Duration::from_millis(50));
        let mut counted = Vec::new();
        upstreams.counters(&mut |name, times| counted.push((name, times)));
        assert_eq!(counted, [("upstream_timeout", 1)]);
    }
}
