//! Thousands of clients at once, some of them hostile: everybody else is answered, memory stays within the documented
//! bound, and the end resets nobody.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use callbox_testkit::{Peer, Process, Script, deadline, quick, requires};

use crate::cli::served;

/// The documented bound on resident memory, in KiB.
fn memory_bound_kib(connections: usize) -> u64 {
    connections as u64 * 4 + 64 * 1024
}

/// Connects from several addresses, so that no single one runs out of ports.
fn crowd(address: SocketAddr, count: usize) -> Vec<Peer> {
    (0..count).map(|number| Peer::connects_from(Ipv4Addr::new(127, 0, 10, 1 + (number % 16) as u8), address)).collect()
}

/// One client that takes what it is sent a byte a second, until told that the others are done.
fn byte_a_second(address: SocketAddr) -> (Script, std::sync::mpsc::Sender<()>) {
    let (done, over) = std::sync::mpsc::channel();
    let slow = Script::runs(move || {
        let mut client = Peer::connects(address);
        while over.recv_timeout(Duration::from_secs(1)).is_err_and(|e| e == std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            client.sends("s").expects("thank you !");
        }
        client.ends().expects_end();
    });
    (slow, done)
}

fn never_reads(address: SocketAddr) -> Peer {
    use std::io::Write;
    let client = Peer::connects_with_window(address, 4096);
    client.stream().set_nonblocking(true).expect("a socket option");
    let mut stream = client.stream();
    // Asks for answers it will not read, until the server takes no more.
    while stream.write(b"answer me").is_ok() {}
    client
}

fn answered(clients: &mut [Peer], round: &str) {
    let start = Instant::now();
    for client in clients.iter_mut() {
        client.sends(round);
    }
    for client in clients.iter_mut() {
        client.expects("thank you !");
    }
    println!("{} clients answered in {:?} ({round})", clients.len(), start.elapsed());
}

fn within_bound(server: &Process, connections: usize) {
    let (peak, bound) = (server.reading().peak_kib(), memory_bound_kib(connections));
    println!("peak memory {peak} KiB of at most {bound} KiB for {connections} connections");
    assert!(peak <= bound, "{peak} KiB resident for {connections} connections, the bound is {bound} KiB");
}

#[test]
fn thousands_at_once_are_all_answered_whatever_a_few_of_them_do() {
    let count = if quick() { 500 } else { 5_000 };
    requires!(descriptors(count as u64 + 1_000));
    let (server, address) = served(["-q", "--write-stall-timeout", "120s", "--drain", "15s"]);
    let (slow, slow_may_end) = byte_a_second(address);
    let deaf = never_reads(address);
    let mut clients = crowd(address, count);
    answered(&mut clients, "hello");
    let mut reset = Peer::connects(address);
    reset.sends("and away");
    reset.resets();
    answered(&mut clients, "hello again");
    within_bound(&server, count + 3);

    // Asked to end with more clients in the queue: these are served, none is reset.
    server.stops();
    let mut queued = crowd(address, if quick() { 100 } else { 500 });
    for client in &mut queued {
        client.sends("queued");
    }
    server.signal(callbox_testkit::Signal::TERM).goes_on();
    for mut client in queued {
        client.expects("thank you !").ends().expects_end();
    }
    for mut client in clients {
        client.ends().expects_end();
    }
    slow_may_end.send(()).expect("the slow client is there");
    slow.joins();
    deaf.resets();
    server.exits(0);
}

#[test]
fn a_crowd_that_leaves_gives_its_descriptors_and_most_memory_back() {
    let count = if quick() { 200 } else { 1_000 };
    requires!(descriptors(count as u64 + 1_000));
    let (server, address) = served(["-q", "--echo"]);
    let baseline = crate::limits::baseline(&server, address);
    let mut peaks = Vec::new();
    for _ in 0..3 {
        let mut clients = crowd(address, count);
        for client in &mut clients {
            client.sends("x").expects("x");
        }
        drop(clients);
        crate::limits::descriptors_return(&server, baseline);
        peaks.push(server.reading().peak_kib());
    }
    assert!(peaks[2] <= peaks[0] + peaks[0] / 20 + 512, "the third crowd needs no more than the first: {peaks:?}");
    server.drains();
}

/// An idle server with a crowd of idle clients costs nothing.
#[test]
fn an_idle_crowd_costs_no_processor_time() {
    let count = if quick() { 200 } else { 1_000 };
    requires!(descriptors(count as u64 + 1_000));
    let (server, address) = served(["-q", "--echo"]);
    let mut clients = crowd(address, count);
    for client in &mut clients {
        client.sends("x").expects("x");
    }
    deadline::let_pass(Duration::from_millis(100));
    let cpu = server.reading().cpu_percent_over(Duration::from_secs(2));
    assert!(cpu < 5.0, "{cpu:.1} % of a core for {count} idle clients");
    drop(clients);
    server.drains();
}
