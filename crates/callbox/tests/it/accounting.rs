//! Totals are what the clients counted.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

use callbox::bus::{Bus, Interest};
use callbox::event::Event;
use callbox::observers::Observers;
use callbox::server::{Running, ServerOptions};
use callbox::workers::Workers;
use callbox::{Server, Session, Stream};
use proptest::prelude::*;

use crate::ends::{beside, connect, read_to_end, within};

/// Fixes every choice; a failure is repeated with it.
const SEED: u64 = 8848;
const SESSIONS: u64 = 200;
const CLIENTS: u64 = 8;

/// A linear congruential generator (Knuth's constants): enough for sizes.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Answers each chunk with as many bytes as its first byte says, and what comes after the end with a thousand.
async fn answer(_session: Session, mut stream: Stream) -> callbox::Result<()> {
    while let Some(chunk) = stream.chunk().await? {
        stream.write_all(&vec![2; usize::from(chunk[0])]).await?;
    }
    stream.write_all(&[3; 1000]).await
}

/// Has one session and returns the bytes it sent and received.
fn session(addr: SocketAddr, random: &mut Random) -> std::io::Result<(u64, u64)> {
    let mut stream = connect(addr);
    let mut sent = 0;
    for _ in 0..random.below(8) {
        // Mostly small, sometimes far beyond the buffers.
        let limit = if random.below(20) == 0 { 1 << 20 } else { 2000 };
        let chunk = vec![random.below(256) as u8; 1 + random.below(limit) as usize];
        stream.write_all(&chunk)?;
        sent += chunk.len() as u64;
    }
    stream.shutdown(Shutdown::Write)?;
    let mut received = Vec::new();
    stream.read_to_end(&mut received)?;
    Ok((sent, received.len() as u64))
}

async fn start(observers: Observers) -> (Running, SocketAddr) {
    let workers = Some(Workers::beside(1).expect("starts"));
    let options = ServerOptions { workers, ..ServerOptions::default() };
    let server = Server::bind_with("127.0.0.1:0", options, observers).await.expect("binds");
    let addr = server.local_addrs()[0].socket_addr().expect("numbers");
    (server.spawn(answer), addr)
}

#[tokio::test]
async fn totals_and_reports_are_what_the_clients_counted() {
    let bus = Bus::new(Interest { data: true, talk: true, lossless: true, frames: false });
    let counting = tokio::spawn(count_events(bus.clone()));
    let (running, addr) = start(Observers::on_bus(&bus)).await;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            beside("all sessions of a client", move || {
                let mut random = Random(SEED + client);
                let sessions = (0..SESSIONS / CLIENTS).map(|_| session(addr, &mut random).expect("not reset"));
                sessions.fold((0, 0), |(sent, received), session| (sent + session.0, received + session.1))
            })
        })
        .map(tokio::spawn)
        .collect();
    let (mut sent, mut received) = (0, 0);
    for client in clients {
        let (more_sent, more_received) = client.await.expect("no panic");
        sent += more_sent;
        received += more_received;
    }
    let report = within("drains", running.drain()).await.expect("drains");
    assert_eq!(report.sessions, SESSIONS);
    assert_eq!((report.to_server_bytes, report.to_client_bytes), (sent, received), "seed {SEED}");
    drop(running);
    bus.close();
    let events = within("all events are read", counting).await.expect("no panic");
    assert_eq!(events, Counted { sessions: SESSIONS, closed: sent + received, data: sent + received });
    assert_eq!(report.lost_events, 0);
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    sessions: u64,
    /// Bytes in the reports of sessions that are over.
    closed: u64,
    /// Bytes that taps saw.
    data: u64,
}

async fn count_events(bus: Arc<Bus>) -> Counted {
    let mut counted = Counted::default();
    while let Some((_, event)) = bus.next().await {
        match event {
            Event::Closed(report) => {
                counted.sessions += 1;
                counted.closed += report.to_server_bytes + report.to_client_bytes;
            }
            Event::Data { bytes, .. } => counted.data += bytes.len() as u64,
            _ => {}
        }
    }
    counted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_sent_arrives_in_order_and_is_counted(
        to_server in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..20),
        to_client in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("builds");
        let (at_server, at_client, meters) = runtime.block_on(exchange(&to_server, &to_client));
        prop_assert_eq!(at_server, to_server.concat());
        prop_assert_eq!(at_client, to_client.concat());
        let sent = [to_server.concat().len() as u64, to_client.concat().len() as u64];
        prop_assert_eq!(meters, [sent, sent]);
    }
}

/// Sends both ways at once through an in-memory pair; returns what arrived and what the two meters say.
async fn exchange(to_server: &[Vec<u8>], to_client: &[Vec<u8>]) -> (Vec<u8>, Vec<u8>, [[u64; 2]; 2]) {
    use callbox::direction::Direction::{ToClient, ToServer};
    let (client, server) = Stream::pair();
    let meters = [client.session().clone(), server.session().clone()];
    let (at_client, at_server) = tokio::join!(converse(client, to_server), converse(server, to_client));
    let meters = meters.map(|session| [ToServer, ToClient].map(|direction| session.meter().bytes(direction)));
    (at_server, at_client, meters)
}

async fn converse(mut stream: Stream, chunks: &[Vec<u8>]) -> Vec<u8> {
    // 60,000 bytes at most, which the pair holds: nobody has to read meanwhile.
    for chunk in chunks {
        stream.write_all(chunk).await.expect("writes");
    }
    stream.shutdown().await.expect("ends");
    read_to_end(&mut stream).await.expect("the end of stream")
}
