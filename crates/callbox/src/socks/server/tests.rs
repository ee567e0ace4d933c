//! Requests and what is answered; the same however they are split.

use proptest::prelude::*;

use super::*;

/// What came of a request: all that was sent, where to or why not, and the bytes that were left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    sent: Vec<u8>,
    end: Option<Result<Addr, (Vec<u8>, String)>>,
    left: Vec<u8>,
}

/// Gives a server `bytes`, of which at most `pieces` more are there each time.
fn talk(login: Option<&str>, bytes: &[u8], mut pieces: impl Iterator<Item = usize>) -> Outcome {
    let mut server = Server::new(login.map(|login| login.parse().expect("good")));
    let (mut sent, mut at, mut there) = (Vec::new(), 0, 0);
    let end = loop {
        match server.step() {
            Step::Needs(needed) => {
                assert!(needed > 0);
                if at == there {
                    if there == bytes.len() {
                        break None;
                    }
                    there = (there + pieces.next().unwrap_or(1).max(1)).min(bytes.len());
                }
                let claimed = server.claims(&bytes[at..there]);
                assert!(claimed > 0 && claimed <= there - at);
                server.push(&bytes[at..at + claimed]);
                at += claimed;
            }
            Step::Send(answer) => sent.extend(answer),
            Step::Asked(addr) => break Some(Ok(addr)),
            Step::Refused { answer, problem } => break Some(Err((answer, problem))),
        }
    };
    Outcome { sent, end, left: bytes[at..].to_vec() }
}

fn whole(login: Option<&str>, bytes: &[u8]) -> Outcome {
    talk(login, bytes, std::iter::once(bytes.len()))
}

const V5: &[u8] = &[5, 1, 0];

fn by_name(name: &str, port: u16) -> Vec<u8> {
    [&[5, 1, 0, 3, name.len() as u8], name.as_bytes(), &port.to_be_bytes()].concat()
}

/// A login that is asked for, a request, where it leads, what is sent before that.
type Request = (Option<&'static str>, Vec<u8>, &'static str, Vec<u8>);

fn requests() -> Vec<Request> {
    let v4 = [5, 1, 0, 1, 192, 0, 2, 1, 0, 80];
    let v6 = [&[5, 1, 0, 4][..], &Ipv6Addr::LOCALHOST.octets(), &[0x1f, 0x90]].concat();
    let login = [&[1, 5][..], b"alice", &[6], b"secret"].concat();
    vec![
        (None, [V5, &v4].concat(), "192.0.2.1:80", vec![5, 0]),
        (None, [V5, &v6].concat(), "[::1]:8080", vec![5, 0]),
        (None, [V5, &by_name("db.example.com", 5432)].concat(), "db.example.com:5432", vec![5, 0]),
        (None, [V5, &by_name("0x7f.1", 80)].concat(), "127.0.0.1:80", vec![5, 0]),
        (None, [V5, &by_name("2130706433", 80)].concat(), "127.0.0.1:80", vec![5, 0]),
        (None, [V5, &by_name("::ffff:127.0.0.1", 80)].concat(), "[::ffff:127.0.0.1]:80", vec![5, 0]),
        (Some("alice:secret"), [&[5, 2, 0, 2][..], &login, &v4].concat(), "192.0.2.1:80", vec![5, 2, 1, 0]),
        (None, [&[5, 1, 2][..], &login, &v4].concat(), "192.0.2.1:80", vec![5, 2, 1, 0]),
        (None, [&[5, 3, 1, 2, 0][..], &v4].concat(), "192.0.2.1:80", vec![5, 0]),
        (None, b"\x04\x01\x00\x50\xc0\x00\x02\x01user\0".to_vec(), "192.0.2.1:80", vec![]),
        (None, b"\x04\x01\x00\x50\xc0\x00\x02\x01\0".to_vec(), "192.0.2.1:80", vec![]),
        (None, b"\x04\x01\x00\x50\x00\x00\x00\x01me\0db.example.com\0".to_vec(), "db.example.com:80", vec![]),
        (None, b"\x04\x01\x00\x50\x00\x00\x00\x00\0".to_vec(), "0.0.0.0:80", vec![]),
    ]
}

#[test]
fn each_request_says_where_to_and_takes_no_byte_of_what_follows() {
    for (login, bytes, to, sent) in requests() {
        let payload = b"\x05\x00GET / HTTP/1.1";
        let outcome = whole(login, &[&bytes[..], payload].concat());
        assert_eq!(outcome, Outcome { sent, end: Some(Ok(to.parse().expect("good"))), left: payload.to_vec() }, "{to}");
    }
}

#[test]
fn what_is_refused_is_told_by_its_code() {
    let v5 = |code: u8| vec![5, code, 0, 1, 0, 0, 0, 0, 0, 0];
    let v4 = vec![0, 0x5b, 0, 0, 0, 0, 0, 0];
    let wrong = [&[5, 1, 2, 1, 5][..], b"alice", &[5], b"wrong"].concat();
    let long = [b"\x04\x01\x00\x50\x01\x02\x03\x04", &[b'u'; 256][..]].concat();
    for (login, bytes, answer, said) in [
        (None, b"GET / HTTP/1.1\r\n".to_vec(), vec![], "looks like HTTP"),
        (None, vec![0x16, 3], vec![], "looks like TLS"),
        (None, vec![6, 3], vec![], "byte 0x06"),
        (None, vec![5, 1, 1], vec![5, 0xff], "no method"),
        (None, vec![5, 0], vec![5, 0xff], "no method"),
        (Some("a:b"), vec![5, 1, 0], vec![5, 0xff], "no user name and password"),
        (Some("alice:secret"), wrong, vec![1, 1], "wrong user name or password"),
        (Some("a:b"), vec![5, 1, 2, 5, 1, b'a', 1, b'b'], vec![1, 1], "version 5 of logging in"),
        (None, [V5, &[5, 2, 0, 1, 1, 2, 3, 4, 0, 80]].concat(), v5(7), "BIND"),
        (None, [V5, &[5, 3, 0, 1, 1, 2, 3, 4, 0, 80]].concat(), v5(7), "UDP ASSOCIATE"),
        (None, [V5, &[5, 9, 0, 1, 1, 2, 3, 4, 0, 80]].concat(), v5(7), "command is 9"),
        (None, [V5, &[5, 1, 0, 2]].concat(), v5(8), "address type 2"),
        (None, [V5, &[4, 1, 0, 1, 1, 2, 3, 4, 0, 80]].concat(), v5(1), "version 4"),
        (None, [V5, &[5, 1, 0, 1, 1, 2, 3, 4, 0, 0]].concat(), v5(1), "port 0"),
        (None, [V5, &by_name("", 80)].concat(), v5(1), "no host"),
        (None, [V5, &by_name("a b\x1b", 80)].concat(), v5(1), "a b\\x1b is no host"),
        (None, b"\x04\x02\x00\x50\x01\x02\x03\x04\0".to_vec(), v4.clone(), "BIND"),
        (Some("a:b"), b"\x04\x01\x00\x50\x01\x02\x03\x04\0".to_vec(), v4.clone(), "no passwords"),
        (None, b"\x04\x01\x00\x50\x00\x00\x00\x01\0\0".to_vec(), v4.clone(), "no host"),
        (None, long, v4, "more than 255"),
    ] {
        let Some(Err((answered, problem))) = whole(login, &bytes).end else { panic!("{said}: not refused") };
        assert_eq!(answered, answer, "{said}");
        assert!(problem.contains(said), "{problem}");
    }
}

#[test]
fn the_end_that_is_ours_is_told() {
    let mut server = Server::new(None);
    server.push(V5);
    assert_eq!(server.step(), Step::Send(vec![5, 0]));
    let bound = "192.0.2.7:4242".parse().expect("good");
    assert_eq!(server.succeeded(Some(bound)), [5, 0, 0, 1, 192, 0, 2, 7, 0x10, 0x92]);
    assert_eq!(server.succeeded(Some("[::1]:1".parse().expect("good"))).len(), 22);
    assert_eq!(server.failed(Reply::Refused), [5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
    let mut server = Server::new(None);
    server.push(&[4]);
    let _ = server.step();
    assert_eq!(server.succeeded(Some(bound)), [0, 0x5a, 0x10, 0x92, 192, 0, 2, 7]);
    assert_eq!(server.failed(Reply::Refused), [0, 0x5b, 0, 0, 0, 0, 0, 0]);
}

proptest! {
    #[test]
    fn any_split_says_the_same(which in 0..13usize, pieces in prop::collection::vec(1..9usize, 0..40)) {
        let (login, bytes, ..) = requests().swap_remove(which);
        let all = [&bytes[..], b"payload\0"].concat();
        prop_assert_eq!(talk(login, &all, pieces.into_iter()), whole(login, &all));
    }

    #[test]
    fn any_bytes_in_any_split_say_the_same(
        first in prop::sample::select(vec![4u8, 5]),
        bytes in prop::collection::vec(prop_oneof![0..6u8, any::<u8>()], 0..60),
        pieces in prop::collection::vec(1..9usize, 0..40),
        asks in any::<bool>(),
    ) {
        let login = asks.then_some("a:b");
        let all = [&[first][..], &bytes].concat();
        prop_assert_eq!(talk(login, &all, pieces.into_iter()), whole(login, &all));
    }
}
