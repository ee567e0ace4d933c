//! The stalling server answers at once, except while it says that it was frozen.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bench_reference::server::Server;
use bench_reference::stall::{self, Plan};

/// A log in memory, where it never keeps the server waiting.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Returns the numbers of its first line.
    fn first(&self) -> Vec<u64> {
        let text = String::from_utf8(self.0.lock().expect("no panic").clone()).expect("it is text");
        let line = text.lines().next().expect("something was noted");
        line.split(' ').map(|word| word.parse().expect("a number")).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_is_answered_in_a_freeze_and_the_log_has_it() {
    let addr = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, listener.local_addr().expect("it is bound").port())
    };
    let (freezes, arrivals) = (Log::default(), Log::default());
    let server = Server::bind(addr, false, None, true).expect("the address is free");
    let freeze = Duration::from_millis(300);
    let plan = Plan { freeze, freezes: Some(freezes.clone()), arrivals: Some(arrivals.clone()) };
    let started = Instant::now();
    thread::spawn(move || stall::run(server, plan));
    let mut client = TcpStream::connect(addr).expect("it listens");
    let mut answers = Vec::new();
    while answers.last().is_none_or(|at| *at < Duration::from_millis(1200)) {
        client.write_all(b"x").expect("it is open");
        client.read_exact(&mut [0]).expect("it answers");
        answers.push(started.elapsed());
    }
    let [begin, end] = freezes.first()[..] else { panic!("a freeze has a begin and an end") };
    assert!(begin >= 700_000_000 && end >= 1_000_000_000, "{begin} {end}");
    let pause = answers.windows(2).map(|pair| pair[1] - pair[0]).max().expect("several answers");
    // The client may have been late to read the last answer before it, on a busy machine.
    assert!(pause >= Duration::from_nanos(end - begin) / 2, "{pause:?} for {begin} to {end}");
    assert!(arrivals.first()[0] < begin);
}
