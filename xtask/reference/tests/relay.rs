//! The yardsticks of relays are relays: nothing is lost, and each direction ends by itself.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use bench_reference::load::bulk::{self, Ends};
use bench_reference::relay::{Mode, Relay};

/// More than all sockets and pipes in between hold, so that every wait and every partial write occurs.
const BYTES: usize = 48 * 1024 * 1024;

/// Returns an address that was free just now.
fn free() -> SocketAddrV4 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, listener.local_addr().expect("it is bound").port())
}

fn relay(mode: Mode, upstream: SocketAddrV4) -> SocketAddrV4 {
    let addr = free();
    let relay = Relay::bind(addr, upstream, mode, false).expect("the address is free");
    thread::spawn(move || relay.run());
    addr
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 31 + n / 251) as u8).collect()
}

/// The server reads to the end and only then answers: a relay that ends both directions at once has no answer.
fn an_answer_follows_the_end(mode: Mode) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let upstream = SocketAddrV4::new(Ipv4Addr::LOCALHOST, listener.local_addr().expect("it is bound").port());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the relay connects");
        let mut received = Vec::new();
        stream.read_to_end(&mut received).expect("no reset");
        stream.write_all(&received).expect("the client is there");
    });
    let mut client = TcpStream::connect(relay(mode, upstream)).expect("the relay listens");
    let sent = pattern(BYTES);
    client.write_all(&sent).expect("the relay takes it");
    client.shutdown(Shutdown::Write).expect("it is open");
    let mut received = Vec::new();
    client.read_to_end(&mut received).expect("no reset");
    assert!(received == sent, "{} bytes of {}, or others", received.len(), sent.len());
    server.join().expect("the server saw what it should");
}

#[test]
fn an_answer_follows_the_end_by_copying() {
    an_answer_follows_the_end(Mode::Copy);
}

#[test]
fn an_answer_follows_the_end_by_splicing() {
    an_answer_follows_the_end(Mode::Splice);
}

#[test]
fn a_refused_upstream_closes_the_client() {
    let mut client = TcpStream::connect(relay(Mode::Copy, free())).expect("the relay listens");
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn streams_arrive_whole_between_ends_of_both_kinds() {
    for (mode, ends) in [(Mode::Copy, Ends::Copy), (Mode::Splice, Ends::Zero)] {
        let upstream = free();
        let (warm_up, window) = (Duration::from_millis(20), Duration::from_millis(200));
        let addr = relay(mode, upstream);
        let report = bulk::run(bulk::Plan { addr, upstream, streams: 3, ends, warm_up, window, server_pid: 0 });
        let report = report.expect("the relay relays");
        assert!(report.bytes > 0 && report.slowest > 0.0, "{report:?}");
        assert_eq!(report.missing, 0, "{mode:?}");
    }
}

#[test]
fn bytes_that_do_not_arrive_are_missing() {
    let upstream = free();
    let addr = free();
    let listener = TcpListener::bind(addr).expect("it was free");
    // Drops a byte in a hundred chunks.
    thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("the source connects");
        let mut server = TcpStream::connect(upstream).expect("the sink listens");
        let mut buffer = [0; 4096];
        for count in 0.. {
            let Ok(received @ 1..) = client.read(&mut buffer) else { return };
            let dropped = usize::from(count % 100 == 0);
            server.write_all(&buffer[dropped..received]).expect("the sink reads");
        }
    });
    let (warm_up, window) = (Duration::ZERO, Duration::from_millis(100));
    let plan = bulk::Plan { addr, upstream, streams: 1, ends: Ends::Copy, warm_up, window, server_pid: 0 };
    assert!(bulk::run(plan).expect("bytes arrive").missing > 0);
}
