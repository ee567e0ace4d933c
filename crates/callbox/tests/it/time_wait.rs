//! On whose side `TIME_WAIT` stays, as the report tells it and as the kernel's own table has it.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;

use callbox::bus::{Bus, Interest};
use callbox::direction::Role;
use callbox::event::Event;
use callbox::net::sys::{tcp_state, unread_bytes};
use callbox::observers::Observers;
use callbox::report::{SessionReport, TimeWait};
use callbox::{Client, Stream};
use socket2::{SockFilter, SockRef};

use crate::ends::{until, within};

const FIN_WAIT1: u8 = 4;
const CLOSING: u8 = 11;

/// Both ends of a connection: ours, watched, and a peer that is not callbox.
struct Ends {
    ours: Stream,
    peer: TcpStream,
    bus: Arc<Bus>,
    at: (SocketAddr, SocketAddr),
}

async fn ends() -> Ends {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let bus = Bus::new(Interest { data: false, talk: true, lossless: true, frames: false });
    let client = Client::new(listener.local_addr().expect("bound")).expect("good");
    let ours = client.with_observers(Observers::on_bus(&bus)).connect().await.expect("connects");
    let (peer, local) = listener.accept().expect("accepts");
    let at = (local, peer.local_addr().expect("connected"));
    Ends { ours, peer, bus, at }
}

/// What the bus says when the stream is gone.
async fn closed(bus: &Bus) -> SessionReport {
    loop {
        if let Event::Closed(report) = within("the report", bus.next()).await.expect("open").1 {
            return *report;
        }
    }
}

/// The state of the socket at `from` that is connected to `to`, as the kernel's table has it.
fn listed(from: SocketAddr, to: SocketAddr) -> Option<u8> {
    let word = |addr: SocketAddr| match addr {
        SocketAddr::V4(v4) => format!("{:08X}:{:04X}", u32::from_ne_bytes(v4.ip().octets()), v4.port()),
        SocketAddr::V6(_) => panic!("the test has none"),
    };
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("Linux has it");
    let row = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    let mut row = row.filter(|row| row.get(1) == Some(&word(from).as_str()) && row.get(2) == Some(&word(to).as_str()));
    row.next().and_then(|row| u8::from_str_radix(row[3], 16).ok())
}

/// Waits until the table has what the report says, after both ends have closed.
async fn holds(report: &SessionReport, (ours, theirs): (SocketAddr, SocketAddr)) {
    const TIME_WAIT: Option<u8> = Some(6);
    let wanted = match report.time_wait.expect("TCP, and watched") {
        TimeWait::Ours => (TIME_WAIT, None),
        TimeWait::Theirs => (None, TIME_WAIT),
        TimeWait::Both => (TIME_WAIT, TIME_WAIT),
        TimeWait::Nobody => (None, None),
    };
    let seen = || (listed(ours, theirs), listed(theirs, ours));
    until(&format!("{wanted:?} in the table, for {report:?}"), || seen() == wanted).await;
}

async fn end_of_stream(stream: &mut Stream) {
    assert_eq!(within("the end of stream", stream.chunk()).await.expect("reads"), None);
}

#[tokio::test]
async fn whoever_ends_first_keeps_it() {
    let Ends { mut ours, mut peer, bus, at } = ends().await;
    ours.shutdown().await.expect("ends");
    assert_eq!(peer.read(&mut [0]).expect("reads"), 0);
    drop(peer);
    end_of_stream(&mut ours).await;
    drop(ours);
    let report = closed(&bus).await;
    assert_eq!(report.time_wait, Some(TimeWait::Ours));
    holds(&report, at).await;

    let Ends { mut ours, peer, bus, at } = ends().await;
    peer.shutdown(Shutdown::Write).expect("ends");
    end_of_stream(&mut ours).await;
    ours.shutdown().await.expect("ends");
    drop(ours);
    drop(peer);
    let report = closed(&bus).await;
    assert_eq!(report.time_wait, Some(TimeWait::Theirs));
    holds(&report, at).await;
}

#[tokio::test]
async fn a_close_alone_is_a_first_or_a_second_end() {
    let Ends { ours, peer, bus, at } = ends().await;
    drop(ours);
    drop(peer);
    let report = closed(&bus).await;
    assert_eq!((report.time_wait, report.first_end), (Some(TimeWait::Ours), None));
    holds(&report, at).await;

    let Ends { mut ours, peer, bus, at } = ends().await;
    drop(peer);
    end_of_stream(&mut ours).await;
    drop(ours);
    let report = closed(&bus).await;
    assert_eq!(report.time_wait, Some(TimeWait::Theirs));
    holds(&report, at).await;
}

#[tokio::test]
async fn a_half_close_that_the_peer_answers_later_is_ours() {
    let Ends { mut ours, mut peer, bus, at } = ends().await;
    ours.shutdown().await.expect("ends");
    drop(ours);
    let report = closed(&bus).await;
    assert_eq!(report.time_wait, Some(TimeWait::Ours));
    assert!(report.to_server_ended && !report.to_client_ended, "{report:?}");
    assert_eq!(peer.read(&mut [0]).expect("reads"), 0);
    drop(peer);
    holds(&report, at).await;
}

#[tokio::test]
async fn an_end_that_came_before_ours_and_was_not_read_is_still_the_first() {
    let Ends { mut ours, mut peer, bus, at } = ends().await;
    peer.write_all(b"hello").expect("writes");
    peer.shutdown(Shutdown::Write).expect("ends");
    let socket = ours.descriptor().expect("TCP");
    until("the peer's FIN is here", || tcp_state(socket) == 8).await;
    ours.shutdown().await.expect("ends");
    within("the bytes", ours.chunk()).await.expect("reads");
    end_of_stream(&mut ours).await;
    drop(ours);
    drop(peer);
    let report = closed(&bus).await;
    assert_eq!(report.time_wait, Some(TimeWait::Theirs));
    holds(&report, at).await;
}

#[tokio::test]
async fn a_reset_leaves_none_whoever_sends_it() {
    let Ends { ours, peer, bus, at } = ends().await;
    ours.reset();
    let report = closed(&bus).await;
    assert_eq!((report.time_wait, report.reset_by), (Some(TimeWait::Nobody), Some(Role::Client)));
    drop(peer);
    holds(&report, at).await;

    let Ends { mut ours, peer, bus, at } = ends().await;
    SockRef::from(&peer).set_linger(Some(std::time::Duration::ZERO)).expect("sets");
    drop(peer);
    within("the reset", ours.chunk()).await.expect_err("a reset is no end of stream");
    drop(ours);
    let report = closed(&bus).await;
    assert_eq!((report.time_wait, report.reset_by), (Some(TimeWait::Nobody), Some(Role::Server)));
    holds(&report, at).await;
}

#[tokio::test]
async fn a_reset_that_nobody_read_leaves_none_either() {
    let Ends { ours, peer, bus, at } = ends().await;
    SockRef::from(&peer).set_linger(Some(std::time::Duration::ZERO)).expect("sets");
    drop(peer);
    let socket = ours.descriptor().expect("TCP");
    until("the reset is here", || tcp_state(socket) == 7).await;
    drop(ours);
    let report = closed(&bus).await;
    assert_eq!((report.time_wait, report.reset_by), (Some(TimeWait::Nobody), Some(Role::Server)));
    holds(&report, at).await;
}

#[tokio::test]
async fn unread_bytes_make_the_close_a_reset() {
    // With the peer still there, and after it has ended.
    for ended in [false, true] {
        let Ends { ours, mut peer, bus, at } = ends().await;
        peer.write_all(b"hello").expect("writes");
        if ended {
            peer.shutdown(Shutdown::Write).expect("ends");
        }
        let socket = ours.descriptor().expect("TCP");
        let state = if ended { 8 } else { 1 };
        until("the bytes are here", || unread_bytes(socket).is_ok_and(|n| n == 5) && tcp_state(socket) == state).await;
        drop(ours);
        let report = closed(&bus).await;
        assert_eq!(report.tcp.expect("TCP").unread_bytes, 5);
        assert_eq!((report.time_wait, report.reset_by), (Some(TimeWait::Nobody), Some(Role::Client)), "{ended}");
        assert_eq!((report.to_client_ended, report.to_server_ended), (ended, false));
        drop(peer);
        holds(&report, at).await;
    }
}

#[tokio::test]
async fn what_the_peer_has_not_acknowledged_is_told_without_our_end_of_stream() {
    let Ends { mut ours, peer, bus, .. } = ends().await;
    deafen(&peer, true);
    ours.write_all(b"hello").await.expect("writes");
    ours.shutdown().await.expect("ends");
    ours.reset();
    let report = closed(&bus).await;
    assert_eq!(report.tcp.expect("TCP").unacknowledged_bytes, 5);
}

/// Has the kernel discard what comes to a socket, or no longer.
fn deafen(socket: &TcpStream, deaf: bool) {
    let filter = [SockFilter::new(0x06, 0, 0, 0)];
    let socket = SockRef::from(socket);
    match deaf {
        true => socket.attach_filter(&filter).expect("attaches"),
        false => socket.detach_filter().expect("detaches"),
    }
}

/// Both send their FIN while neither hears the other's; then ours is the first to hear one.
#[tokio::test]
async fn ends_that_cross_leave_it_on_both_sides() {
    let Ends { mut ours, peer, bus, at } = ends().await;
    let twin = TcpStream::from(ours.descriptor().expect("TCP").try_clone_to_owned().expect("a descriptor"));
    deafen(&twin, true);
    deafen(&peer, true);
    ours.shutdown().await.expect("ends");
    peer.shutdown(Shutdown::Write).expect("ends");
    assert_eq!((tcp_state(twin.as_fd()), tcp_state(peer.as_fd())), (FIN_WAIT1, FIN_WAIT1), "neither is acknowledged");
    deafen(&twin, false);
    until("the peer's FIN is sent again", || tcp_state(twin.as_fd()) == CLOSING).await;
    drop(ours);
    let report = closed(&bus).await;
    assert_eq!(report.time_wait, Some(TimeWait::Both));
    deafen(&peer, false);
    drop(twin);
    drop(peer);
    holds(&report, at).await;
}
