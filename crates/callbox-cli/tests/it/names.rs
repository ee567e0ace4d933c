//! Names with several addresses, dead addresses, name servers that hang or lie (rows 49 to 53).

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use callbox_testkit::{
    DeadEnd, Netns, Scratch, Script, Server, Signal, Terminal, deadline, quick, requires, scaled, skip,
};

use crate::cli::callbox;

/// A namespace whose `/etc/hosts` gives `many.test` these addresses, in this order.
fn namespace_with(addresses: &[&str], scratch: &Scratch) -> Netns {
    let hosts: String = addresses.iter().map(|address| format!("{address} many.test\n")).collect();
    Netns::new().expect("just made one").with_hosts(&scratch.file("hosts", hosts))
}

#[test]
fn row_49_the_next_address_is_tried_after_250_ms() {
    requires!(netns());
    let scratch = Scratch::new();
    let namespace = namespace_with(&["127.0.0.2", "127.0.0.3"], &scratch);
    let (dead, alive) = namespace.inside(|| {
        let dead = DeadEnd::binds_at("127.0.0.2:0");
        let alive = Server::binds_at(&format!("127.0.0.3:{}", dead.address().port()));
        (dead, alive)
    });
    let port = dead.address().port().to_string();
    let start = Instant::now();
    let client = callbox(["connect", "many.test", &port, "--send", "hello"]).within(&namespace).start();
    let mut peer = alive.accepts();
    let took = start.elapsed();
    peer.expects("hello").expects_end().ends();
    client.exits(0);
    // The resolver may put either first; only with the dead one first is there a wait to see, and it is 250 ms.
    assert!(took < scaled(Duration::from_secs(1)), "connected after {took:?}");
}

#[test]
fn row_50_when_all_addresses_are_dead_each_is_listed_with_its_reason() {
    requires!(netns());
    let scratch = Scratch::new();
    let namespace = namespace_with(&["127.0.0.2", "127.0.0.3"], &scratch);
    let dead = namespace.inside(|| {
        let first = DeadEnd::binds_at("127.0.0.2:0");
        let second = DeadEnd::binds_at(&format!("127.0.0.3:{}", first.address().port()));
        [first, second]
    });
    let port = dead[0].address().port().to_string();
    let start = Instant::now();
    let words = ["connect", "many.test", &port, "--connect-timeout", "1s"];
    let outcome = callbox(words).within(&namespace).run().exited(124);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(950) && took < scaled(Duration::from_millis(1900)), "{took:?}");
    outcome.said("127.0.0.2").said("127.0.0.3").said("no answer within");
}

#[test]
fn row_50_one_refusal_among_the_dead_is_no_timeout() {
    requires!(netns());
    let scratch = Scratch::new();
    let namespace = namespace_with(&["127.0.0.2", "127.0.0.3"], &scratch);
    let dead = namespace.inside(|| DeadEnd::binds_at("127.0.0.2:0"));
    let port = dead.address().port().to_string();
    let words = ["connect", "many.test", &port, "--connect-timeout", "1s"];
    let outcome = callbox(words).within(&namespace).run().exited(3);
    outcome.said("127.0.0.2").said("no answer within").said("127.0.0.3").said("refused");
}

#[test]
fn row_51_a_closed_first_family_falls_back_at_once() {
    requires!(ipv6());
    let server = Server::binds();
    let port = server.address().port().to_string();
    let start = Instant::now();
    let client = callbox(["connect", "localhost", &port, "--send", "hello"]).start();
    let mut peer = server.accepts();
    let took = start.elapsed();
    assert!(took < scaled(Duration::from_millis(300)), "fell back after {took:?}");
    peer.expects("hello").expects_end().ends();
    client.exits(0);
}

#[test]
fn a_connect_to_one_dead_address_is_exit_124() {
    let dead = DeadEnd::binds_at("127.0.0.1:0");
    let address = dead.address().to_string();
    let start = Instant::now();
    let outcome = callbox(["connect", &address, "--connect-timeout", "500ms"]).run().exited(124);
    assert!(start.elapsed() < scaled(Duration::from_millis(1500)), "{:?}", start.elapsed());
    outcome.said(&address).said("no answer within");
}

fn namespace_without_answers(scratch: &Scratch) -> Netns {
    let resolver = scratch.file("resolv.conf", "nameserver 192.0.2.1\n");
    Netns::new().expect("just made one").with_black_hole("192.0.2.0/24").with_resolver(&resolver)
}

#[test]
fn row_52_a_hanging_resolver_obeys_the_deadline() {
    requires!(netns());
    let scratch = Scratch::new();
    let namespace = namespace_without_answers(&scratch);
    let start = Instant::now();
    let words = ["connect", "name.test:80", "--connect-timeout", "1s"];
    let outcome = callbox(words).within(&namespace).run().exited(124).said("name.test");
    assert!(start.elapsed() < scaled(Duration::from_secs(2)), "{:?}: {}", start.elapsed(), outcome.stderr);
}

#[test]
fn row_52_control_c_ends_a_hanging_resolver_at_once() {
    requires!(netns());
    let scratch = Scratch::new();
    let namespace = namespace_without_answers(&scratch);
    let terminal = Terminal::opens();
    let client = callbox(["connect", "name.test:80"]).within(&namespace).on_terminal(&terminal).start();
    // Long enough to be inside the resolver; nothing announces that.
    deadline::let_pass(Duration::from_millis(300));
    let start = Instant::now();
    client.signal(Signal::INT);
    client.ends_with_input_open().exited(130);
    assert!(start.elapsed() < scaled(Duration::from_millis(200)), "{:?}", start.elapsed());
}

/// A name server of the test's own; joined when dropped.
struct NameServer {
    stop: Arc<AtomicBool>,
    _udp: Script,
    _tcp: Script,
}

impl NameServer {
    /// Answers every question for IPv4 addresses over TCP with `records`, all others with none, and UDP with "use TCP".
    fn runs(namespace: &Netns, records: Vec<Vec<u8>>) -> Self {
        let (udp, tcp) = namespace
            .inside(|| (UdpSocket::bind("127.0.0.1:53").expect("own namespace"), Server::binds_at("127.0.0.1:53")));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = [Arc::clone(&stop), Arc::clone(&stop)];
        let [by_udp, by_tcp] = stopped.map(|stop| move || stop.load(Ordering::Relaxed));
        udp.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket option");
        let udp = Script::runs(move || {
            let mut question = [0; 512];
            while !by_udp() {
                if let Ok((length, client)) = udp.recv_from(&mut question) {
                    let _ = udp.send_to(&answer(&question[..length], &[], true), client);
                }
            }
        });
        let tcp = Script::runs(move || {
            // The resolver comes again when the answer was more than it had room for.
            while !by_tcp() {
                if tcp.has_client_within(Duration::from_millis(50)) {
                    answers(tcp.accepts().stream(), &records);
                }
            }
        });
        Self { stop, _udp: udp, _tcp: tcp }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn answers(mut stream: &TcpStream, records: &[Vec<u8>]) {
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut question = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut question).expect("the question");
        let reply = answer(&question, if asks(&question, 1) { records } else { &[] }, false);
        let length = u16::try_from(reply.len()).expect("fits a TCP answer");
        let _ = stream.write_all(&[&length.to_be_bytes()[..], &reply].concat());
    }
}

/// Returns the end of the first question of a message.
fn question_end(message: &[u8]) -> usize {
    let mut at = 12;
    while message[at] != 0 {
        at += 1 + usize::from(message[at]);
    }
    at + 5
}

fn asks(message: &[u8], kind: u8) -> bool {
    message[question_end(message) - 3] == kind
}

fn answer(message: &[u8], records: &[Vec<u8>], truncated: bool) -> Vec<u8> {
    let mut reply = message[..2].to_vec();
    reply.extend([0x81 | if truncated { 2 } else { 0 }, 0x80, 0, 1]);
    reply.extend((records.len() as u16).to_be_bytes());
    reply.extend([0, 0, 0, 0]);
    reply.extend(&message[12..question_end(message)]);
    records.iter().for_each(|record| reply.extend(record));
    reply
}

/// A record for the name asked for (a pointer to the question), of `kind`, one minute.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16).to_be_bytes();
    [&[0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60], &length[..], content].concat()
}

fn namespace_with_own_resolver(scratch: &Scratch) -> Netns {
    let resolver = scratch.file("resolv.conf", "nameserver 127.0.0.1\noptions timeout:2 attempts:1\n");
    Netns::new().expect("just made one").with_resolver(&resolver)
}

#[test]
fn row_53_of_a_thousand_addresses_64_at_most_are_used() {
    requires!(netns());
    let scratch = Scratch::new();
    let namespace = namespace_with_own_resolver(&scratch);
    let records = (0..1000u16).map(|number| record(1, &[127, 1, (number >> 8) as u8, number as u8])).collect();
    let _server = NameServer::runs(&namespace, records);
    let outcome = callbox(["connect", "-4", "crowd.test:9"]).within(&namespace).run().exited(3);
    let tried = outcome.stderr.matches("127.1.").count();
    if tried == 0 {
        outcome.fail("the addresses are listed");
    }
    assert!(tried <= 64, "{tried} addresses of a hostile answer were used");
}

#[test]
fn row_53_a_name_that_is_its_own_alias_is_not_found() {
    requires!(netns());
    let scratch = Scratch::new();
    let namespace = namespace_with_own_resolver(&scratch);
    let _server = NameServer::runs(&namespace, vec![record(5, &[0xc0, 12])]);
    let outcome = callbox(["connect", "-4", "loop.test:9", "--timeout", "15s"]).within(&namespace).run().exited(3);
    outcome.said("loop.test");
}

#[test]
fn row_53_a_name_with_escapes_is_shown_escaped() {
    for name in ["a\x1b[31mb.invalid", "\u{9b}31m.invalid", "x\u{202e}y.invalid"] {
        let terminal = Terminal::opens().without_processing();
        let outcome = callbox(["connect", name, "80", "--timeout", "15s"]).on_terminal(&terminal).env("NO_COLOR", "1");
        let code = outcome.start().ends_with_input_open().status.code();
        assert!(code == Some(2) || code == Some(3), "{name:?}: {code:?}");
        terminal.shows("invalid");
        let screen = terminal.screen().bytes();
        let text = String::from_utf8_lossy(&screen).into_owned();
        assert!(!screen.contains(&0x1b) && !text.contains(['\u{9b}', '\u{202e}']), "{text:?}");
    }
}

#[test]
fn a_machine_without_names_still_connects_by_number() {
    requires!(netns());
    let scratch = Scratch::new();
    let namespace = namespace_without_answers(&scratch);
    let server = namespace.inside(Server::binds);
    let words = ["connect".to_owned(), server.address().to_string(), "--send".to_owned(), "hello".to_owned()];
    let client = callbox(words.iter().map(String::as_str)).within(&namespace).start();
    server.accepts().expects("hello").expects_end().ends();
    client.exits(0);
}

#[test]
fn a_name_may_take_ten_seconds_and_no_longer() {
    requires!(netns());
    if quick() {
        skip!("takes ten seconds, not in a quick run");
    }
    let scratch = Scratch::new();
    let namespace = namespace_without_answers(&scratch);
    let start = Instant::now();
    callbox(["connect", "name.test:80"]).within(&namespace).run().exited(124);
    let took = start.elapsed();
    assert!(took > Duration::from_secs(8) && took < scaled(Duration::from_secs(13)), "a name may take 10 s: {took:?}");
}
