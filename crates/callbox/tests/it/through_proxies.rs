//! Through proxies that a test plays: SOCKS and CONNECT, alone and in a chain, and how each says no.

use std::time::Duration;

use callbox::error::{Error, Kind};
use callbox::net::connect::ConnectOptions;
use callbox::net::proxy::{Bypass, Proxy};
use callbox::{Addr, Client, Stream};
use callbox_testkit::{Peer, Script, Server, free_address};

use crate::ends::within;

const BOUND: [u8; 10] = [5, 0, 0, 1, 127, 0, 0, 1, 0, 80];

fn proxies<const N: usize>(urls: [String; N]) -> ConnectOptions {
    let proxies = urls.iter().map(|url| url.parse::<Proxy>().unwrap_or_else(|invalid| panic!("{invalid}"))).collect();
    ConnectOptions { proxies, ..ConnectOptions::default() }
}

async fn connect(target: &str, options: ConnectOptions) -> Result<Stream, Error> {
    let client = Client::new(target).expect("an address").with_options(options);
    within("connects", client.connect()).await
}

async fn refused(target: &str, options: ConnectOptions) -> Error {
    match connect(target, options).await {
        Ok(_) => panic!("it leads to {target}"),
        Err(error) => error,
    }
}

/// Receives to the end of stream.
async fn rest(stream: &mut Stream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(chunk) = within("receives", stream.chunk()).await.expect("receives") {
        all.extend_from_slice(&chunk);
    }
    all
}

/// A head of CONNECT, up to its blank line.
fn head(peer: &mut Peer) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(peer.reads_some(1).expect("a head"));
        assert!(head.len() < 4096, "{}", head.escape_ascii());
    }
    String::from_utf8(head).expect("text")
}

/// Waits until the client has left, whether it had read everything or not.
fn gone(peer: &mut Peer) {
    let left = peer.reads_some(1);
    assert!(left.as_ref().map_or(true, Vec::is_empty), "{left:?}");
}

#[tokio::test]
async fn a_banner_in_the_segment_of_the_reply_is_not_lost() {
    let replies: [(&str, &[u8], &[u8]); 3] = [
        ("socks5h://anna:pw@", &[5, 2], &BOUND),
        ("socks5h://", &[5, 0], &[5, 0, 0, 3, 2, b'h', b'i', 0, 80]),
        ("socks4a://", &[], &[0, 90, 0, 0, 0, 0, 0, 0]),
    ];
    for (scheme, method, reply) in replies {
        let (address, proxy) = Script::serves(move |mut peer| {
            match method {
                [] => peer.expects(b"\x04\x01\0\x50\0\0\0\x01\0example.com\0"),
                [_, 0] => peer.expects([5, 1, 0]).sends(method),
                _ => peer.expects([5, 2, 0, 2]).sends(method).expects(b"\x01\x04anna\x02pw").sends([1, 0]),
            };
            if !method.is_empty() {
                peer.expects(b"\x05\x01\0\x03\x0bexample.com\0\x50");
            }
            peer.sends([reply, b"220 early\r\n"].concat()).expects("hello").sends("late").ends();
        });
        let mut stream = connect("example.com:80", proxies([format!("{scheme}{address}")])).await.expect(scheme);
        assert_eq!(stream.session().peer().to_string(), "example.com:80");
        stream.write_all(b"hello").await.expect("sends");
        assert_eq!(rest(&mut stream).await, b"220 early\r\nlate", "{scheme}");
        proxy.joins();
    }
}

#[tokio::test]
async fn bytes_behind_the_head_of_connect_are_not_lost_wherever_it_is_split() {
    let answer = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 x\r\n\r\n\r\n\r\nSSH-2.0-x\r\n\r\n";
    for split in 0..answer.len() {
        let (address, proxy) = Script::serves(move |mut peer| {
            assert_eq!(head(&mut peer), "CONNECT [2001:db8::1]:22 HTTP/1.1\r\nHost: [2001:db8::1]:22\r\n\r\n");
            peer.sends(&answer[..split]).sends(&answer[split..]).ends();
        });
        let mut stream =
            connect("[2001:db8::1]:22", proxies([format!("http://{address}")])).await.expect("leads there");
        assert_eq!(rest(&mut stream).await, b"\r\n\r\nSSH-2.0-x\r\n\r\n", "split at {split}");
        proxy.joins();
    }
}

#[tokio::test]
async fn a_chain_is_gone_through_in_its_order() {
    let (address, chain) = Script::serves(|mut peer| {
        peer.expects([5, 1, 0]).sends([5, 0]).expects(b"\x05\x01\0\x03\x06second\x0c\x38").sends(BOUND);
        assert!(head(&mut peer).starts_with("CONNECT third.example:1080 HTTP/1.1\r\n"));
        peer.sends("HTTP/1.1 200 OK\r\n\r\n")
            .expects(b"\x04\x01\x01\xbb\x7f\0\0\x01\0")
            .sends([0, 90, 0, 0, 0, 0, 0, 0]);
        peer.sends("here").ends();
    });
    let way = ["http://second:3128", "socks4://third.example"];
    let options = proxies([format!("socks5h://{address}"), way[0].to_owned(), way[1].to_owned()]);
    let target: Addr = "127.0.0.1:443".parse().expect("an address");
    assert_eq!(options.way(&target), Some(format!("socks5h://{address}, {}, {}:1080", way[0], way[1])));
    let mut stream = connect("127.0.0.1:443", options).await.expect("leads there");
    assert_eq!(rest(&mut stream).await, b"here");
    chain.joins();
}

#[tokio::test]
async fn who_says_no_in_a_chain_is_named() {
    let (address, chain) = Script::serves(|mut peer| {
        peer.expects([5, 1, 0]).sends([5, 0]).expects(b"\x05\x01\0\x03\x06second\x0c\x38").sends(BOUND);
        head(&mut peer);
        peer.sends("HTTP/1.1 403 Not you\r\n\r\n");
        gone(&mut peer);
    });
    let options = proxies([format!("socks5h://{address}"), "http://bert:secret@second:3128".to_owned()]);
    let error = refused("example.com:80", options).await;
    assert_eq!(error.kind(), Kind::Proxy);
    let due = "proxy http://second:3128: connect example.com:80: HTTP/1.1 403 Not you";
    assert_eq!(error.to_string(), due);
    chain.joins();
}

#[tokio::test]
async fn every_refusal_is_in_its_own_words() {
    let table: [(&str, &[u8], &[u8], &str); 6] = [
        ("socks5h://", &[5, 1, 0], &[5, 0xff], "wants a user and password"),
        ("socks5h://a:b@", &[5, 2, 0, 2], &[5, 0xff], "takes no user with a password, and nobody without"),
        ("socks5h://", &[5, 1, 0], b"HTTP/1.0 400 Bad Request\r\n", "answers in HTTP, not in SOCKS"),
        ("socks5h://", &[5, 1, 0], &[], "the stream ended before it had answered"),
        ("socks4a://", b"\x04\x01", &[0, 91, 0, 0, 0, 0, 0, 0], "connect example.com:80: rejected or failed"),
        ("http://", b"CONNECT", b"\x05\x00", "its answer is not HTTP"),
    ];
    for (scheme, expects, answers, due) in table {
        let (address, proxy) = Script::serves(move |mut peer: Peer| {
            peer.expects(expects).sends(answers).ends();
        });
        let error = refused("example.com:80", proxies([format!("{scheme}{address}")])).await;
        let shown = scheme.replace("a:b@", "");
        assert_eq!(error.to_string(), format!("proxy {shown}{address}: {due}"));
        assert_eq!(error.kind(), Kind::Proxy);
        proxy.joins();
    }
}

#[tokio::test]
async fn a_name_looked_up_here_is_tried_by_all_its_addresses() {
    let listener = Server::binds();
    let address = listener.address();
    let proxy = Script::runs(move || {
        let mut first = listener.accepts();
        first.expects([5, 1, 0]).sends([5, 0]).expects([&[5, 1, 0, 4][..], &[0; 15], &[1, 0, 80]].concat());
        gone(first.sends([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]));
        let mut second = listener.accepts();
        second.expects([5, 1, 0]).sends([5, 0]).expects([5, 1, 0, 1, 127, 0, 0, 1, 0, 80]).sends(BOUND).ends();
        let mut third = listener.accepts();
        third.expects([5, 1, 0]).sends([5, 0]).expects([&[5, 1, 0, 4][..], &[0; 15], &[1, 0, 80]].concat());
        gone(third.sends([5, 4, 0, 1, 0, 0, 0, 0, 0, 0]));
        let mut fourth = listener.accepts();
        fourth.expects([5, 1, 0]).sends([5, 0]).expects([5, 1, 0, 1, 127, 0, 0, 1, 0, 80]);
        gone(fourth.sends([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]));
    });
    let options = proxies([format!("socks5://{address}")]);
    let stream = connect("localhost:80", options.clone()).await.expect("the second address answers");
    assert_eq!(stream.session().peer().to_string(), "127.0.0.1:80");
    drop(stream);
    let error = refused("localhost:80", options).await;
    let due = "connect [::1]:80: host unreachable; connect 127.0.0.1:80: connection refused";
    assert_eq!(error.to_string(), format!("proxy socks5://{address}: {due}"));
    proxy.joins();
}

const BASIC: &str = "HTTP/1.1 407 Sign in\r\nProxy-Authenticate: Basic realm=\"x\"\r\n";

#[tokio::test]
async fn a_407_is_answered_on_the_same_connection_or_on_a_new_one() {
    // What a proxy says, and whether it closes then.
    for (fields, closes) in [
        ("Content-Length: 4\r\n\r\nno!\n", false),
        ("Content-Length: 4\r\n\r\nno!\n", true),
        ("Connection: close\r\n\r\nno!\n", true),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nno!\n\r\n0\r\n\r\n", false),
    ] {
        let anew = closes || fields.starts_with("Transfer");
        let listener = Server::binds();
        let address = listener.address();
        let proxy = Script::runs(move || {
            let mut peer = listener.accepts();
            assert!(!head(&mut peer).contains("Proxy-Authorization"), "nobody has asked yet");
            peer.sends(format!("{BASIC}{fields}"));
            if closes {
                peer.ends();
            }
            let mut kept = None;
            if anew {
                kept = Some(std::mem::replace(&mut peer, listener.accepts()));
            }
            assert!(head(&mut peer).contains("\r\nProxy-Authorization: Basic YW5uYTpwdw==\r\n"));
            peer.sends("HTTP/1.1 200 OK\r\n\r\nearly").ends();
            drop(kept);
        });
        let mut stream = connect("a.example:1", proxies([format!("http://anna:pw@{address}")])).await.expect(fields);
        assert_eq!(rest(&mut stream).await, b"early", "{fields}");
        proxy.joins();
    }
}

#[tokio::test]
async fn each_way_through_a_chain_is_signed_in_to_from_the_start() {
    let listener = Server::binds();
    let address = listener.address();
    let chain = Script::runs(move || {
        for reply in [5, 0] {
            let mut stranger = listener.accepts();
            assert!(!head(&mut stranger).contains("Proxy-Authorization"));
            stranger.sends(format!("{BASIC}\r\n")).ends();
            let mut peer = listener.accepts();
            assert!(head(&mut peer).contains("\r\nProxy-Authorization: Basic YW5uYTpwdw==\r\n"));
            peer.sends("HTTP/1.1 200 OK\r\n\r\n").expects([5, 1, 0]).sends([5, 0]);
            match reply {
                0 => peer.expects([5, 1, 0, 1, 127, 0, 0, 1, 0, 80]).sends(BOUND).sends("here").ends(),
                _ => peer.expects([&[5, 1, 0, 4][..], &[0; 15], &[1, 0, 80]].concat()).sends([5, reply, 0, 1]),
            };
            gone(&mut peer);
        }
    });
    let options = proxies([format!("http://anna:pw@{address}"), "socks5://second".to_owned()]);
    let mut stream = connect("localhost:80", options).await.expect("the second address answers");
    assert_eq!(rest(&mut stream).await, b"here");
    drop(stream);
    chain.joins();
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_again_and_again() {
    let (address, proxy) = Script::serves(|mut peer| {
        for _ in 0..2 {
            head(&mut peer);
            peer.sends(format!("{BASIC}Content-Length: 0\r\n\r\n"));
        }
        gone(&mut peer);
    });
    let error = refused("a.example:1", proxies([format!("http://anna:secret@{address}")])).await;
    assert_eq!(error.to_string(), format!("proxy http://{address}: refused the user and password"));
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    proxy.joins();
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_called_one() {
    let address = free_address();
    let error = refused("example.com:80", proxies([format!("socks5h://{address}")])).await;
    assert_eq!(error.to_string(), format!("connect to proxy {address}: connection refused"));
    assert!(error.is_refused());
}

#[tokio::test]
async fn a_silent_proxy_is_late_and_bytes_move_no_deadline() {
    let (address, _proxy) = Script::serves(|mut peer| {
        peer.expects([5, 1, 0]).sends([5]).expects_end();
    });
    let timeout = Some(Duration::from_millis(200));
    let error = refused("a.example:1", ConnectOptions { timeout, ..proxies([format!("socks5h://{address}")]) }).await;
    assert_eq!(error.to_string(), format!("proxy socks5h://{address}: timed out: no answer within 200 ms"));
    assert!(error.is_timed_out());
}

#[tokio::test]
async fn what_proxies_cannot_lead_to_is_said_before_anything_is_sent() {
    let address = free_address();
    for (scheme, target, due) in [
        ("socks5", "unix:/run/x", "a proxy leads to a host and a port"),
        ("socks4", "[::1]:80", "no IPv4 address, and SOCKS 4 knows no others"),
    ] {
        let error = refused(target, proxies([format!("{scheme}://{address}")])).await;
        assert!(error.to_string().contains(due), "{error}");
    }
}

#[tokio::test]
async fn targets_on_the_list_are_connected_to_directly_and_the_first_proxy_is_never_ourselves() {
    let (target, server) = Script::serves(|mut peer| {
        peer.sends("direct").ends();
    });
    let nowhere = format!("socks5://{}", free_address());
    let bypass = Bypass::read("127.0.0.0/8");
    let options = ConnectOptions { bypass, ..proxies([nowhere]) };
    let mut stream = connect(&target.to_string(), options).await.expect("directly");
    assert_eq!(rest(&mut stream).await, b"direct");
    server.joins();
    let own = Server::binds();
    let options = proxies([format!("socks5://{}", own.address())]);
    options.avoid.add(own.address());
    let error = refused("192.0.2.1:80", options).await;
    assert_eq!(error.kind(), Kind::PermissionDenied, "{error}");
}
