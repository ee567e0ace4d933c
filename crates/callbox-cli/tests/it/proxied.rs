//! Behind proxies that send the PROXY protocol: our own, and haproxy (rows 27 and 32).

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use callbox::Addr;
use callbox::proxy_header::{Header, Tlv, Version};
use callbox_testkit::{Callbox, Input, Peer, Process, Scratch, Server, quick, requires, skip};

use crate::cli::{callbox, listen, others_were_served, served};

const V1: &str = "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Makes a header of version 2 by hand, with padding that makes it `length` bytes long.
fn v2(length: usize) -> Vec<u8> {
    let addresses = [192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 0x04, 0x01, 0xbb];
    let padding = length - 16 - addresses.len() - 3;
    let behind = u16::try_from(length - 16).expect("short").to_be_bytes();
    let noop = [4, (padding >> 8) as u8, padding as u8];
    [SIGNATURE, &[0x21, 0x11], &behind, &addresses, &noop, &vec![0x0d; padding]].concat()
}

#[test]
fn the_client_is_whom_the_header_names() {
    let (server, address) = served(["--accept-proxy", "--echo", "--json"]);
    let mut peer = Peer::connects(address);
    let proxy = peer.local().to_string();
    peer.sends(format!("{V1}hello")).expects("hello").ends().expects_end();
    let ledger = server.drains().ledger();
    let connected = ledger.balances().the("connected");
    assert_eq!(connected["peer"], "192.0.2.1:56324");
    assert_eq!(connected["via"], proxy.as_str());
    assert_eq!(connected["destination"], "192.0.2.2:443");
    assert_eq!(ledger.bytes("to_server"), b"hello");
}

#[test]
fn the_log_names_the_client_and_its_proxy_and_says_what_is_wrong_with_others() {
    let (server, address) = served(["--accept-proxy", "--echo"]);
    let mut peer = Peer::connects(address);
    let proxy = peer.local();
    peer.sends(V1).ends().expects_end();
    let mut stranger = Peer::connects(address);
    let from = stranger.local();
    stranger.sends("hello").expects_reset();
    let mut prober = Peer::connects(address);
    let probe = prober.local();
    prober.sends([SIGNATURE, &[0x20, 0, 0, 0]].concat()).ends().expects_end();
    server
        .drains()
        .said(&format!("#1 connected from 192.0.2.1:56324 via {proxy}\n"))
        .said(&format!("#2 connected from {probe}\n"))
        .said(&format!(
            "refused a connection: bad_proxy_header from {from}: no PROXY header begins like this at byte 0\n"
        ))
        .said("bad_proxy_header hit 1 time");
}

#[test]
fn what_tcp_did_is_explained_of_the_proxy_s_connection() {
    let (server, address) = served(["--accept-proxy", "--echo", "--explain"]);
    let mut peer = Peer::connects(address);
    let proxy = peer.local();
    peer.sends(V1).ends().expects_end();
    server.drains().said(&format!("at {proxy}")).never_said("at 192.0.2.1:56324");
}

#[test]
fn only_named_proxies_are_believed() {
    let (server, address) = served(["--accept-proxy", "--proxy-from", "127.0.0.2", "--echo", "--json"]);
    Peer::meets_reset(address);
    let mut peer = Peer::connects_from([127, 0, 0, 2].into(), address);
    peer.sends(V1).sends("hello").expects("hello").ends().expects_end();
    let ledger = server.drains().ledger();
    assert_eq!(ledger.balances().the("refused")["reason"], "denied");
    assert_eq!(ledger.summary()["limits"]["denied"], 1);
}

#[test]
fn one_proxy_may_bring_many_clients_where_strangers_may_not() {
    requires!(descriptors(2_000));
    const MORE_THAN_A_STRANGER: usize = 300;
    let server = callbox(["serve", "0.0.0.0:0", "--accept-proxy", "--echo", "--json"]).start();
    let port = server.ready().port();
    let mut clients: Vec<_> =
        (0..MORE_THAN_A_STRANGER).map(|_| Peer::connects(([127, 0, 0, 1], port).into())).collect();
    for client in &mut clients {
        client.sends(V1).sends("hello").expects("hello");
    }
    for client in &mut clients {
        client.ends().expects_end();
    }
    let ledger = server.drains().ledger();
    assert_eq!(ledger.balances().summary()["sessions"], MORE_THAN_A_STRANGER);
}

#[test]
fn a_list_of_proxies_means_nothing_without_the_flag_and_is_read_with_care() {
    let words = ["serve", "127.0.0.1:0", "--proxy-from", "10.0.0.0/8"];
    callbox(words).run().exited(2).said("--accept-proxy");
    let words = ["serve", "127.0.0.1:0", "--accept-proxy", "--proxy-from", "10.0.0.1/8"];
    callbox(words).run().exited(2).said("write 10.0.0.0/8 for the range");
}

#[test]
fn listen_takes_the_client_that_the_header_names() {
    let server = listen(["--accept-proxy", "--json"]).start();
    let address = server.event("listening", |_| true)["address"].as_str().expect("text").parse().expect("numbers");
    Peer::connects(address).sends(v2(100)).sends("hello").ends().expects_end();
    let ledger = server.exits(0).ledger();
    assert_eq!(ledger.the("connected")["peer"], "192.0.2.1:56324");
    assert_eq!(ledger.bytes("to_server"), b"hello");
}

#[test]
fn listen_without_a_good_header_is_exit_4() {
    let server = listen(["--accept-proxy"]).start();
    Peer::connects(server.ready()).sends("hello").expects_reset();
    server.exits(4).said("no PROXY header begins like this at byte 0").said("hint: ").wrote("");
}

#[test]
fn row_27_slow_headers_end_at_their_deadline_and_others_are_served() {
    requires!(descriptors(1_000));
    let (server, address) = served(["--accept-proxy", "--echo", "-q", "--json"]);
    let begun = Instant::now();
    let mut slow: Vec<Peer> = (0..if quick() { 50 } else { 500 }).map(|_| Peer::connects(address)).collect();
    for peer in &mut slow {
        peer.sends("P");
    }
    let (count, last) = (slow.len(), slow.last().expect("many").twin());
    let mut answers = Vec::new();
    // From first to last, those with a header are served.
    while !last.readable_within(Duration::from_millis(20)) {
        let asked = Instant::now();
        Peer::connects(address).sends(V1).sends("hello").expects("hello").ends().expects_end();
        answers.push(asked.elapsed());
    }
    for peer in &mut slow {
        peer.expects_reset();
    }
    others_were_served(begun.elapsed(), Duration::from_millis(4_900)..Duration::from_secs(8), answers);
    let ledger = server.drains().ledger();
    assert_eq!(ledger.balances().summary()["limits"]["handshake_timeout"], count);
}

#[test]
fn row_32_no_byte_behind_a_header_is_lost_wherever_it_is_split() {
    let (server, address) = served(["--accept-proxy", "--echo", "-q", "--json"]);
    let payload = b"\r\n\r\n\0 the payload, which looks like a header\r\n";
    let step = if quick() { 7 } else { 1 };
    let mut sessions = 0;
    for header in [V1.as_bytes().to_vec(), v2(536)] {
        let all = [&header[..], payload].concat();
        for at in (0..all.len().min(600)).step_by(step) {
            let mut peer = Peer::connects(address);
            peer.stream().set_nodelay(true).expect("sets");
            let (first, second) = all.split_at(at);
            peer.sends(first).sends(second).expects(payload).ends().expects_end();
            sessions += 1;
        }
    }
    let ledger = server.drains().ledger();
    let summary = ledger.balances().summary();
    assert_eq!((&summary["sessions"], &summary["refused"]), (&sessions.into(), &0.into()));
    assert_eq!(summary["to_server_bytes"], sessions * payload.len());
}

/// Starts haproxy before `server`, and returns it with where it listens. It inherits the listener as its input, so that
/// its port is known and nobody else's.
fn haproxy(scratch: &Scratch, bind: &str, server: &str) -> (Process, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback binds");
    let address = listener.local_addr().expect("bound");
    let config = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
         listen all\n bind fd@0 {bind}\n server callbox {server}\n"
    );
    let config = scratch.file("haproxy.cfg", config);
    let program = callbox_testkit::skip::find_tool("haproxy").expect("required");
    let started = Callbox::new(program).args(["-db", "-f"]).arg(config).input(Input::From(listener.into())).start();
    (started, address)
}

fn served_behind_haproxy(option: &str) {
    let (server, address) = served(["--accept-proxy", "--echo", "--json"]);
    let scratch = Scratch::new();
    let (proxy, front) = haproxy(&scratch, "", &format!("{address} {option}"));
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut peer = Peer::connects(front);
        clients.push(peer.local().to_string());
        peer.sends("hello").expects("hello").ends().expects_end();
    }
    let ledger = server.drains().ledger();
    drop(proxy);
    let connected = ledger.balances().named("connected");
    let mut named: Vec<_> = connected.iter().map(|event| event["peer"].as_str().expect("text").to_owned()).collect();
    named.sort();
    clients.sort();
    assert_eq!(named, clients, "the clients of haproxy, by their own addresses");
    for event in connected {
        assert_eq!(event["destination"], front.to_string());
        assert!(event["via"] != event["peer"], "{event}");
    }
    assert_eq!(ledger.summary()["to_server_bytes"], 20 * 5);
}

#[test]
fn haproxy_sends_version_1() {
    requires!(tool("haproxy"));
    served_behind_haproxy("send-proxy");
}

#[test]
fn haproxy_sends_version_2() {
    requires!(tool("haproxy"));
    served_behind_haproxy("send-proxy-v2");
}

#[test]
fn haproxy_sends_version_2_with_a_checksum_and_an_id() {
    requires!(tool("haproxy"));
    served_behind_haproxy("send-proxy-v2 proxy-v2-options crc32c,unique-id");
}

#[test]
fn health_checks_of_haproxy_are_its_own_connections() {
    requires!(tool("haproxy"));
    let (server, address) = served(["--accept-proxy", "--echo", "--json"]);
    let scratch = Scratch::new();
    let (proxy, _) = haproxy(&scratch, "", &format!("{address} send-proxy-v2 check check-send-proxy inter 50ms"));
    let probe = server.event("connected", |_| true);
    assert_eq!(probe["via"], probe["peer"], "LOCAL: {probe}");
    drop(proxy);
    assert_eq!(server.drains().ledger().summary()["refused"], 0);
}

#[test]
fn haproxy_takes_the_headers_that_we_write() {
    requires!(tool("haproxy"), ipv6());
    let addr = |text| Addr::parse(text).expect("good");
    let told = |client, local| Header::for_session(&addr(client), &addr(local));
    let v4 = told("192.0.2.1:56324", "192.0.2.2:443");
    let v6 = told("[2001:db8::1]:56324", "[2001:db8::2]:443");
    let id = vec![Tlv::new(Tlv::UNIQUE_ID, *b"seven"), Tlv::new(Tlv::NOOP, [0; 100])];
    let checked = Header { crc32c: true, tlvs: id, ..v4.clone() };
    let local = Header::local();
    let server = Server::binds();
    let scratch = Scratch::new();
    let (_proxy, front) = haproxy(&scratch, "accept-proxy", &format!("{} send-proxy", server.address()));
    for (header, version) in [
        (&v4, Version::V1),
        (&v4, Version::V2),
        (&v6, Version::V1),
        (&v6, Version::V2),
        (&checked, Version::V2),
        (&local, Version::V2),
        (&told("unix:/a", "unix:/b"), Version::V1),
        (&told("name:1", "name:2"), Version::V2),
    ] {
        let mut client = Peer::connects(front);
        client.sends([&header.encode(version).expect("fits")[..], b"hello"].concat());
        // What haproxy has understood, it tells the server behind it; unknown addresses are the connection's own.
        let mut behind = server.accepts();
        let (from, to) = match (header.client(), header.destination()) {
            (Some(from), Some(to)) if matches!(from, Addr::Tcp { .. }) => {
                (from.socket_addr().expect("numbers"), to.socket_addr().expect("numbers"))
            }
            _ => (client.local(), client.remote()),
        };
        let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!("PROXY {family} {} {} {} {}\r\n", from.ip(), to.ip(), from.port(), to.port());
        behind.expects(line).expects("hello").sends("thank you !").ends();
        client.expects("thank you !").expects_end().ends();
        behind.expects_end();
    }
}

#[test]
fn haproxy_takes_the_header_that_a_relay_sends() {
    requires!(tool("haproxy"));
    let help = callbox(["relay", "--help"]).run();
    if !String::from_utf8_lossy(&help.stdout).contains("--send-proxy") {
        skip!("needs relay --send-proxy, which this version does not have");
    }
    for version in ["v1", "v2"] {
        // What haproxy has understood, it tells the server behind it.
        let server = Server::binds();
        let scratch = Scratch::new();
        let (_proxy, front) = haproxy(&scratch, "accept-proxy", &format!("{} send-proxy", server.address()));
        let relay = callbox(["relay", "127.0.0.1:0", &front.to_string(), "--send-proxy", version]).start();
        let mut client = Peer::connects(relay.ready());
        let (from, to) = (client.local(), client.remote());
        client.sends("hello");
        let mut behind = server.accepts();
        let line = format!("PROXY TCP4 {} {} {} {}\r\n", from.ip(), to.ip(), from.port(), to.port());
        behind.expects(line).expects("hello").sends("thank you !").ends();
        client.expects("thank you !").expects_end().ends();
        behind.expects_end();
        relay.drains();
    }
}
