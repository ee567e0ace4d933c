//! The load client believes no server: what is wrong is counted as wrong, what is lost as lost.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use bench_reference::load::{cycle, echo, hold};

/// Gets a chunk and its number, returns what is sent; `None` closes.
type Answer = fn(&[u8], usize) -> Option<Vec<u8>>;

/// Serves on a port of its own for as long as the test runs.
fn serve(answer: Answer) -> SocketAddrV4 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || talk(stream, answer));
        }
    });
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

fn talk(mut stream: TcpStream, answer: Answer) {
    let mut buffer = [0; 4096];
    for count in 0.. {
        let Ok(received @ 1..) = stream.read(&mut buffer) else { return };
        let Some(bytes) = answer(&buffer[..received], count) else { return };
        if stream.write_all(&bytes).is_err() {
            return;
        }
    }
}

fn same(chunk: &[u8], _: usize) -> Option<Vec<u8>> {
    Some(chunk.to_vec())
}

fn last_byte_wrong(chunk: &[u8], _: usize) -> Option<Vec<u8>> {
    let mut bytes = chunk.to_vec();
    *bytes.last_mut()? ^= 1;
    Some(bytes)
}

fn ends_after_two(chunk: &[u8], count: usize) -> Option<Vec<u8>> {
    (count < 2).then(|| chunk.to_vec())
}

fn echo_plan(addr: SocketAddrV4) -> echo::Plan {
    let (warm_up, window) = (Duration::ZERO, Duration::from_millis(200));
    echo::Plan { addr, connections: 3, size_bytes: 64, warm_up, window, server_pid: 0 }
}

#[test]
fn right_answers_are_counted() {
    let report = echo::run(echo_plan(serve(same))).expect("it connects");
    assert!(report.answered > 0);
    assert_eq!((report.wrong, report.lost, report.connections_answered, report.connections_silent), (0, 0, 3, 0));
    assert_eq!(report.times.count(), report.answered);
}

#[test]
fn a_single_wrong_byte_is_noticed() {
    let report = echo::run(echo_plan(serve(last_byte_wrong))).expect("it connects");
    assert_eq!(report.answered, 0);
    assert!(report.wrong > 0);
}

#[test]
fn connections_that_end_are_lost() {
    let report = echo::run(echo_plan(serve(ends_after_two))).expect("it connects");
    assert_eq!(report.lost, 3);
}

#[test]
fn the_reply_of_a_cycle_is_compared() {
    let run = |reply: &str| {
        let reply = reply.as_bytes().to_vec();
        let window = Duration::from_millis(200);
        let (addr, question, warm_up) = (serve(same), b"hello".to_vec(), Duration::ZERO);
        let plan = cycle::Plan { addr, workers: 2, question, reply, warm_up, window, server_pid: 0 };
        cycle::run(plan).expect("sockets can be made")
    };
    let right = run("hello");
    assert!(right.answered > 0 && right.wrong == 0 && right.lost == 0, "{right:?}");
    let wrong = run("hullo");
    assert!(wrong.wrong > 0 && wrong.answered == 0, "{wrong:?}");
}

#[test]
fn held_connections_echo_on_demand() {
    let mut says = Vec::new();
    hold::run(serve(same), 5, &b"echo\n"[..], &mut says).expect("it connects");
    assert_eq!(String::from_utf8(says).expect("it is text"), "connected 5\nechoed 5\n");
    let mut says = Vec::new();
    hold::run(serve(|_, _| Some(vec![0; 64])), 5, &b"echo\n"[..], &mut says).expect("it connects");
    assert_eq!(String::from_utf8(says).expect("it is text"), "connected 5\nechoed 0\n");
}
