//! A relay's sessions: what client and server see, and what the report says of it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use callbox::bus::{Bus, Interest};
use callbox::direction::{Direction, Role};
use callbox::event::Event;
use callbox::handle::relay::upstreams::{Balance, Upstreams};
use callbox::handle::relay::{Relay, RelayOptions};
use callbox::net::sys::unacknowledged_bytes;
use callbox::observers::Observers;
use callbox::pipe::plan::Faults;
use callbox::report::{SessionId, SessionReport};
use callbox::server::{Running, ServerOptions};
use callbox::tap::Tap;
use callbox::termination::Termination;
use callbox::{Client, Kind, Server, Stream};
use tokio::time::{Instant, sleep};

use super::bridged::{Kind as Sort, address};
use crate::ends::{pattern, read_to_end, until, within};

const MUCH: usize = 3 << 20;

/// Whether somebody looks at the bytes: where nobody does, both sides are one session, and bytes may be spliced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    Nobody,
    Taps,
}

/// Counts what it is shown.
#[derive(Default)]
struct Counting([AtomicU64; 2]);

impl Tap for Counting {
    fn bytes(&self, _at: Instant, _session: SessionId, direction: Direction, bytes: &[u8]) {
        self.0[usize::from(direction == Direction::ToClient)].fetch_add(bytes.len() as u64, Relaxed);
    }
}

/// A client and a server with a relay in between.
struct Relayed {
    client: Option<Stream>,
    server: Option<Stream>,
    bus: Arc<Bus>,
    /// At the client's side and at the server's.
    taps: Option<[Arc<Counting>; 2]>,
    _running: [Running; 2],
}

async fn relayed(looks: Looks) -> Relayed {
    relayed_between(looks, Sort::Tcp, Sort::Tcp).await
}

async fn relayed_between(looks: Looks, near: Sort, far: Sort) -> Relayed {
    let upstream_options = ServerOptions { tls: far.server_tls(), ..ServerOptions::default() };
    let upstream = Server::bind_with(address(far), upstream_options, Observers::none()).await.expect("binds");
    let (sort, connect) = (near, far.client_options());
    let addr = upstream.local_addrs()[0].clone();
    let accepted = Arc::new(Mutex::new(None));
    let accepting = accepted.clone();
    let upstream = upstream.spawn(move |_session, stream: Stream| {
        *accepting.lock().expect("no panic") = Some(stream);
        // The stream lives as long as its handler.
        std::future::pending()
    });
    let bus = Bus::new(Interest { data: false, talk: true, lossless: true, frames: false });
    let taps = (looks == Looks::Taps).then(|| [(); 2].map(|()| Arc::new(Counting::default())));
    let (mut near, mut far) = (Observers::on_bus(&bus), Observers::none());
    if let Some([at_client, at_server]) = &taps {
        (near, far) = (near.with_tap(at_client.clone()), far.with_tap(at_server.clone()));
    }
    let options = RelayOptions { far, connect, ..RelayOptions::default() };
    let relay = Relay::new(Upstreams::new(vec![addr], Balance::First), options, Faults::none());
    let options = ServerOptions {
        half_close_timeout: Some(HALF_CLOSE),
        idle_timeout: None,
        tls: sort.server_tls(),
        ..ServerOptions::default()
    };
    let server = Server::bind_with(address(sort), options, near).await.expect("binds");
    let addr = server.local_addrs()[0].clone();
    let running = server.spawn(relay);
    let client = Client::new(addr).expect("good").with_options(sort.client_options());
    let client = client.connect().await.expect("connects");
    let mut server = None;
    until("the upstream is reached", || {
        server = accepted.lock().expect("no panic").take();
        server.is_some()
    })
    .await;
    Relayed { client: Some(client), server, bus, taps, _running: [running, upstream] }
}

const HALF_CLOSE: Duration = Duration::from_secs(60);

impl Relayed {
    fn ends(&mut self, first: Role) -> (Stream, Stream) {
        let (client, server) = (self.client.take().expect("once"), self.server.take().expect("once"));
        if first == Role::Client { (client, server) } else { (server, client) }
    }

    /// Waits for the report, and checks its totals and what the taps have seen: bytes to the server, to the client.
    async fn report(&self, bytes: [usize; 2]) -> SessionReport {
        let report = loop {
            if let Event::Closed(report) = within("the report", self.bus.next()).await.expect("open").1 {
                break report;
            }
        };
        let bytes = bytes.map(|bytes| bytes as u64);
        assert_eq!([report.to_server_bytes, report.to_client_bytes], bytes, "{report:?}");
        for tap in self.taps.iter().flatten() {
            assert_eq!(tap.0.each_ref().map(|count| count.load(Relaxed)), bytes);
        }
        *report
    }
}

/// Puts what `first` and the other have sent in the order of directions.
fn by_direction(first: Role, sent: usize, answered: usize) -> [usize; 2] {
    if first == Role::Client { [sent, answered] } else { [answered, sent] }
}

macro_rules! each_way {
    ($($case:ident),*) => { $(
        mod $case {
            use super::*;

            #[tokio::test]
            async fn by_the_client() {
                super::$case(Role::Client, Looks::Nobody).await;
            }

            #[tokio::test]
            async fn by_the_server() {
                super::$case(Role::Server, Looks::Nobody).await;
            }

            #[tokio::test]
            async fn by_the_client_while_somebody_looks() {
                super::$case(Role::Client, Looks::Taps).await;
            }

            #[tokio::test]
            async fn by_the_server_while_somebody_looks() {
                super::$case(Role::Server, Looks::Taps).await;
            }
        }
    )* };
}

each_way!(
    the_first_end_of_stream_names_the_ending,
    a_reset_names_the_ending_and_comes_after_the_bytes,
    a_reset_after_half_a_conversation_is_passed_on
);

async fn the_first_end_of_stream_names_the_ending(first: Role, looks: Looks) {
    ends_by_an_end_of_stream(relayed(looks).await, first).await;
}

#[tokio::test]
async fn unix_sockets_on_either_side_make_no_difference() {
    for (near, far) in [(Sort::Unix, Sort::Unix), (Sort::Tcp, Sort::Unix), (Sort::Unix, Sort::Tcp)] {
        for first in [Role::Client, Role::Server] {
            for looks in [Looks::Nobody, Looks::Taps] {
                ends_by_an_end_of_stream(relayed_between(looks, near, far).await, first).await;
            }
        }
    }
}

#[tokio::test]
async fn tls_on_either_side_makes_no_difference() {
    for (near, far) in [(Sort::Tls, Sort::Tls), (Sort::Tcp, Sort::Tls), (Sort::Tls, Sort::Tcp)] {
        for first in [Role::Client, Role::Server] {
            for looks in [Looks::Nobody, Looks::Taps] {
                ends_by_an_end_of_stream(relayed_between(looks, near, far).await, first).await;
                resets_after_bytes(relayed_between(looks, near, far).await, first).await;
            }
        }
    }
}

async fn ends_by_an_end_of_stream(mut relayed: Relayed, first: Role) {
    let (mut one, mut other) = relayed.ends(first);
    let late = pattern(MUCH);
    one.write_all(b"question").await.expect("writes");
    one.shutdown().await.expect("ends");
    assert_eq!(read_to_end(&mut other).await.expect("the end of stream"), b"question");
    let answering = async {
        other.write_all(&late).await.expect("the other direction is open");
        other.shutdown().await.expect("ends");
    };
    let (received, ()) = tokio::join!(read_to_end(&mut one), answering);
    assert!(received.expect("the end of stream") == late);
    let report = relayed.report(by_direction(first, 8, MUCH)).await;
    let termination = match first {
        Role::Client => Termination::ClientClosed,
        Role::Server => Termination::ServerClosed,
    };
    assert_eq!((report.termination, report.first_end), (termination, Some(termination)));
    assert!(report.to_server_ended && report.to_client_ended, "{report:?}");
    assert_eq!(report.reset_by, None);
}

fn reset_by(side: Role) -> Termination {
    match side {
        Role::Client => Termination::ClientReset,
        Role::Server => Termination::ServerReset,
    }
}

async fn a_reset_names_the_ending_and_comes_after_the_bytes(first: Role, looks: Looks) {
    resets_after_bytes(relayed(looks).await, first).await;
}

async fn resets_after_bytes(mut relayed: Relayed, first: Role) {
    let (mut one, mut other) = relayed.ends(first);
    let sent = pattern(MUCH + 1);
    let sending = async {
        one.write_all(&sent).await.expect("is read");
        let waiting = || one.descriptor().map(|fd| unacknowledged_bytes(fd).expect("tells"));
        until("all is acknowledged", || waiting() == Some(0)).await;
        one.reset();
    };
    let receiving = async {
        let mut received = Vec::new();
        loop {
            match within("a chunk or the reset", other.chunk()).await {
                Ok(Some(chunk)) => received.extend_from_slice(&chunk),
                Ok(None) => panic!("an end of stream after {} bytes, where a reset was", received.len()),
                Err(error) => break (received, error.kind()),
            }
        }
    };
    let ((), (received, kind)) = tokio::join!(sending, receiving);
    assert!(received == sent, "{} of {} bytes came before the reset", received.len(), sent.len());
    assert_eq!(kind, Kind::Reset);
    let report = relayed.report(by_direction(first, sent.len(), 0)).await;
    assert_eq!(report.termination, reset_by(first), "{report:?}");
}

async fn a_reset_after_half_a_conversation_is_passed_on(first: Role, looks: Looks) {
    let mut relayed = relayed(looks).await;
    let (mut one, mut other) = relayed.ends(first);
    for (stream, bytes) in [(&mut one, &b"hello"[..]), (&mut other, b"thank you !")] {
        stream.write_all(bytes).await.expect("writes");
    }
    for (stream, count) in [(&mut one, 11), (&mut other, 5)] {
        let chunk = within("the bytes", stream.chunk()).await.expect("reads").expect("no end of stream");
        assert_eq!(chunk.len(), count);
    }
    one.reset();
    assert_eq!(within("the reset", other.chunk()).await.expect_err("no end of stream").kind(), Kind::Reset);
    let report = relayed.report(by_direction(first, 5, 11)).await;
    assert_eq!(report.termination, reset_by(first), "{report:?}");
}

/// Nobody waits for these minutes: the clock is paused, and goes on when all else is done.
#[tokio::test(start_paused = true)]
async fn half_closed_and_silent_it_ends_after_its_time_and_not_while_bytes_come() {
    for (first, looks) in [(Role::Client, Looks::Nobody), (Role::Server, Looks::Nobody), (Role::Client, Looks::Taps)] {
        let mut relayed = relayed(looks).await;
        let (mut one, mut other) = relayed.ends(first);
        one.shutdown().await.expect("ends");
        assert_eq!(other.chunk().await.expect("reads"), None);
        let started = Instant::now();
        for n in 0..18 {
            sleep(HALF_CLOSE / 6).await;
            other.write_all(&[n]).await.expect("still open");
            assert_eq!(one.chunk().await.expect("still open").as_deref(), Some(&[n][..]));
        }
        let silent = Instant::now();
        assert!(silent - started >= HALF_CLOSE * 3);
        assert_eq!(one.chunk().await.expect("an end of stream"), None, "{first:?} {looks:?}");
        let waited = silent.elapsed();
        assert!(waited >= HALF_CLOSE - HALF_CLOSE / 6 && waited < HALF_CLOSE * 5 / 4, "{waited:?}");
        let report = relayed.report(by_direction(first, 0, 18)).await;
        assert_eq!(report.termination, Termination::HalfCloseTimeout);
    }
}
