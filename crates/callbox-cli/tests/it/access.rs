//! Who may connect, how many and how fast: `--allow`, `--deny`, `--max-per-ip`, `--accept-rate`, `--session-rate`.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use callbox_testkit::{Peer, Process, Scratch, Server, Signal, Terminal, eventually, patience, requires, scaled};

use crate::cli::{callbox, echoes, listen, serve, served};
use crate::limits::{baseline, descriptors_return};

const US: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Replaces a file as an editor does, and has the server read it.
fn reloads(server: &Process, path: &Path, text: &str, said: &str) {
    std::fs::write(path, text).expect("own file");
    server.signal(Signal::HUP).says(said);
}

#[test]
fn denied_ones_get_a_reset_and_leak_nothing() {
    let (server, address) =
        served(["--generate", "1k", "--json", "--deny", "127.0.0.2", "--max-per-ip", "1", "--accept-rate", "1000/s"]);
    Peer::connects_from(US, address).ends().reads_to_end();
    let before = callbox_testkit::deadline::settled("descriptors", Duration::from_millis(100), || {
        server.reading().descriptors()
    });
    for _ in 0..50 {
        Peer::meets_reset_from(OTHER, address);
    }
    descriptors_return(&server, before);
    let ledger = server.drains().ledger();
    assert_eq!(ledger.named("connected").len(), 1);
    let refused = ledger.named("refused");
    assert!(refused.len() == 50 && refused.iter().all(|event| event["reason"] == "denied"), "{refused:?}");
    let limits = &ledger.summary()["limits"];
    assert_eq!(limits["denied"], 50);
    assert_eq!(limits.get("per_ip"), None, "who is denied takes no place of its address");
    assert_eq!(ledger.summary()["sessions"], 1);
}

#[test]
fn where_some_are_allowed_nobody_else_is_and_deny_wins() {
    let (server, address) = served(["--echo", "--allow", "127.0.0.0/29", "--allow", "::1", "--deny", "127.0.0.2"]);
    echoes(address);
    Peer::meets_reset_from(OTHER, address);
    Peer::meets_reset_from(Ipv4Addr::new(127, 0, 0, 8), address);
    server.drains().said("denied hit 2 times");
}

#[test]
fn an_ipv4_client_of_an_ipv6_listener_is_the_ipv4_client() {
    requires!(ipv6());
    // A listener on `::` alone takes both where the system maps them, which is passed to us here.
    let listener = std::net::TcpListener::bind("[::]:0").expect("binds");
    let port = listener.local_addr().expect("bound").port();
    let server = callbox(["serve", "fd:3", "--echo", "--deny", "127.0.0.2", "--max-per-ip", "1"]);
    let server = crate::started::passing(server, listener.into(), "").start();
    server.says("listening on");
    let address = SocketAddr::from((US, port));
    Peer::meets_reset_from(OTHER, address);
    let mut first = Peer::connects_from(US, address);
    first.sends("x").expects("x");
    Peer::meets_reset_from(US, address);
    first.ends().expects_end();
    server.drains().said("denied hit 1 time").said("per_ip hit 1 time");
}

#[test]
fn listen_and_relay_know_the_lists_too() {
    let upstream = Server::binds();
    let listener = listen(["--deny", "127.0.0.2", "--json"]).start();
    let address = listener.event("listening", |_| true)["address"].as_str().expect("text").parse().expect("numbers");
    Peer::meets_reset_from(OTHER, address);
    Peer::connects_from(US, address).sends("the first who may").ends();
    let ledger = listener.exits(0).ledger();
    assert_eq!(ledger.bytes("to_server"), b"the first who may");
    assert_eq!((&ledger.summary()["refused"], &ledger.summary()["limits"]["denied"]), (&1.into(), &1.into()));
    let relay = callbox(["relay", "127.0.0.1:0", &upstream.address().to_string(), "--allow", "127.0.0.1"]).start();
    let address = relay.ready();
    Peer::meets_reset_from(OTHER, address);
    let mut client = Peer::connects_from(US, address);
    client.sends("x");
    upstream.accepts().expects("x").ends();
    client.ends().expects_end();
    relay.drains().said("denied hit 1 time");
    assert!(!upstream.has_client_within(Duration::from_millis(50)), "nobody was connected for who is denied");
}

#[test]
fn the_lists_hold_for_the_client_that_a_proxy_names() {
    let (server, address) = served(["--accept-proxy", "--echo", "--deny", "192.0.2.0/24", "--max-per-ip", "1"]);
    let header = |client: &str| format!("PROXY TCP4 {client} 198.51.100.1 1000 2000\r\n");
    Peer::connects(address).sends(header("192.0.2.7")).expects_reset();
    let mut first = Peer::connects(address);
    first.sends(header("203.0.113.1")).sends("x").expects("x");
    Peer::connects(address).sends(header("203.0.113.1")).expects_reset();
    Peer::connects(address).sends(header("203.0.113.2")).sends("y").expects("y").ends().expects_end();
    first.ends().expects_end();
    server.drains().said("refused a connection: denied from 192.0.2.7:1000").said("per_ip hit 1 time");
}

#[test]
fn a_hangup_reads_the_files_again_and_sessions_stay() {
    let scratch = Scratch::new();
    let path = scratch.file("allow", "127.0.0.1 # us\n");
    let server = serve(["--echo", "--allow"]).arg(&path).start();
    let address = server.ready();
    let mut stays = Peer::connects_from(US, address);
    stays.sends("x").expects("x");
    Peer::meets_reset_from(OTHER, address);
    reloads(&server, &path, "127.0.0.2\n", "read again who may connect");
    Peer::meets_reset_from(US, address);
    stays.sends("still").expects("still");
    reloads(&server, &path, "127.0.0.2\n127.0.0.1\n127.0.0.256\n", "allow:3: invalid range of addresses");
    Peer::meets_reset_from(US, address);
    Peer::connects_from(OTHER, address).sends("y").expects("y").ends().expects_end();
    std::fs::remove_file(&path).expect("own file");
    server.signal(Signal::HUP).says("no such file or directory; what was read before stays");
    Peer::connects_from(OTHER, address).sends("y").expects("y").ends().expects_end();
    stays.ends().expects_end();
    server.drains();
}

#[test]
fn a_terminal_that_hangs_up_ends_a_server_that_could_reload() {
    let scratch = Scratch::new();
    let path = scratch.file("deny", "192.0.2.1\n");
    let mut terminal = Terminal::opens();
    let server = serve(["--echo", "--deny"]).arg(&path).controlled_by(&terminal).start();
    let address = server.ready();
    reloads(&server, &path, "192.0.2.2\n", "read again who may connect");
    echoes(address);
    terminal.hangs_up();
    server.ends_with_input_open().exited(0);
}

#[test]
fn bad_lists_are_told_before_anything_is_bound() {
    let scratch = Scratch::new();
    let path = scratch.file("list", "10.0.0.0/8\n10.1.2.3/8\n");
    let bad = path.display().to_string();
    let table = [
        ("10.1.2.3/8", 2, "bits beyond its prefix"),
        ("10.0.0.0/33", 2, "no length of a prefix"),
        ("/nowhere/at/all", 6, "read /nowhere/at/all: no such file or directory"),
        ("localhost", 6, "names are not looked up"),
        (&bad, 2, "list:2: invalid range of addresses \"10.1.2.3/8\""),
    ];
    for (value, code, said) in table {
        callbox(["serve", "127.0.0.1:0", "--allow", value]).run().exited(code).said(said).never_said("listening");
    }
}

/// Connects so often at once, and returns how many were answered within a time.
fn answered(address: SocketAddr, count: usize, within: Duration) -> (usize, Vec<TcpStream>) {
    use std::io::{Read, Write};
    let mut clients: Vec<TcpStream> = (0..count).map(|_| TcpStream::connect(address).expect("queued")).collect();
    let until = Instant::now() + within;
    for client in &mut clients {
        let _ = client.write_all(b"x");
        client.set_nonblocking(true).expect("sets");
    }
    let mut left: Vec<usize> = (0..count).collect();
    while !left.is_empty() && Instant::now() < until {
        left.retain(|index| !matches!(clients[*index].read(&mut [0]), Ok(1)));
        callbox_testkit::deadline::let_pass(Duration::from_millis(5));
    }
    (count - left.len(), clients)
}

#[test]
fn beyond_the_accept_rate_clients_wait_and_all_are_served() {
    let (server, address) = served(["--echo", "--accept-rate", "20/s", "--drain", "1s", "--json"]);
    let begun = Instant::now();
    let (count, clients) = answered(address, 50, patience());
    let took = begun.elapsed();
    assert_eq!(count, 50, "nobody is lost");
    // Twenty at once, and thirty more at twenty a second.
    assert!(took > Duration::from_millis(1400), "{took:?}");
    assert!(took < scaled(Duration::from_secs(10)), "{took:?}");
    drop(clients);
    let ledger = server.drains().ledger();
    assert!(ledger.summary()["limits"]["rate"].as_u64() >= Some(20), "{}", ledger.summary());
    assert_eq!(ledger.summary()["refused"], 0);
}

#[test]
fn beyond_the_accept_rate_clients_are_reset_where_that_is_asked_for() {
    let (server, address) = served(["--echo", "--accept-rate", "5/s", "--when-full", "refuse", "--json"]);
    let (answered, clients) = answered(address, 40, scaled(Duration::from_millis(500)));
    drop(clients);
    let ledger = server.drains().ledger();
    let (sessions, refused) = (ledger.summary()["sessions"].as_u64().expect("a number"), ledger.named("refused"));
    assert_eq!(sessions + refused.len() as u64, 40);
    assert!(sessions >= 5 && answered as u64 <= sessions && refused.len() >= 10, "{sessions} and {refused:?}");
    assert!(refused.iter().all(|event| event["reason"] == "rate"), "{refused:?}");
    assert_eq!(ledger.summary()["limits"]["rate"], refused.len());
}

/// Receives so many bytes, and returns how long that took.
fn receives(mut client: Peer, bytes: usize) -> Duration {
    let begun = Instant::now();
    let mut got = 0;
    while got < bytes {
        got += client.reads_some(65_536).expect("goes on").len();
    }
    begun.elapsed()
}

#[test]
fn each_session_has_its_rate_and_is_told_of_no_fault() {
    let (server, address) = served(["--generate", "200k", "--session-rate", "200kB/s", "--json", "-v"]);
    let two: Vec<_> = (0..2).map(|_| std::thread::spawn(move || receives(Peer::connects(address), 200_000))).collect();
    for took in two.into_iter().map(|thread| thread.join().expect("receives")) {
        assert!(took > Duration::from_millis(900) && took < scaled(Duration::from_secs(5)), "{took:?}");
    }
    let outcome = server.drains();
    let ledger = outcome.ledger();
    assert_eq!(ledger.named("fault").len(), 0);
    assert_eq!(ledger.summary()["limits"]["session_rate"], 2);
    outcome.never_said("fault").never_said("seed");
}

#[test]
fn a_relay_slows_each_direction_down_and_loses_nothing() {
    let upstream = Server::binds();
    let to = upstream.address().to_string();
    let relay = callbox(["relay", "127.0.0.1:0", &to, "--session-rate", "1MB/s", "--json"]).start();
    let address: SocketAddr =
        relay.event("listening", |_| true)["address"].as_str().expect("an address").parse().expect("numbers");
    let data: Vec<u8> = (0..1_000_000u32).map(|number| (number % 251) as u8).collect();
    let (mut client, sent) = (Peer::connects(address), data.clone());
    let mut server = upstream.accepts();
    let begun = Instant::now();
    let mut sender = client.twin();
    let sending = std::thread::spawn(move || {
        sender.sends(&sent).ends();
    });
    assert!(server.reads_to_end() == data, "every byte, in order");
    let took = begun.elapsed();
    sending.join().expect("sends");
    assert!(took > Duration::from_millis(900) && took < scaled(Duration::from_secs(5)), "{took:?}");
    server.ends();
    client.expects_end();
    let ledger = relay.drains().ledger();
    assert_eq!((ledger.named("fault").len(), &ledger.summary()["limits"]["session_rate"]), (0, &1.into()));
}

#[test]
fn a_slowed_server_is_back_where_it_was() {
    let (server, address) = served(["--echo", "--session-rate", "10MB/s", "-q"]);
    let before = baseline(&server, address);
    for _ in 0..20 {
        echoes(address);
    }
    descriptors_return(&server, before);
    eventually("still serves", patience(), || {
        echoes(address);
        Ok(())
    });
    server.drains();
}
