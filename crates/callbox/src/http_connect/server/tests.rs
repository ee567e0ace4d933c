//! Heads and what is answered; the same however they are split.

use proptest::prelude::*;

use super::*;

/// Where to or why not, and the bytes that were left alone.
type Outcome = (Option<Result<Addr, (String, String)>>, Vec<u8>);

/// Gives a server `bytes`, of which at most `pieces` more are there each time; `exact` takes only what is needed.
fn talk(login: Option<&str>, bytes: &[u8], mut pieces: impl Iterator<Item = usize>, exact: bool) -> Outcome {
    let mut server = Server::new(login.map(|login| login.parse().expect("good")));
    let (mut at, mut there) = (0, 0);
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
                let taken = if exact { claimed.min(needed) } else { claimed };
                server.push(&bytes[at..at + taken]);
                at += taken;
            }
            Step::Asked(addr) => break Some(Ok(addr)),
            Step::Refused { answer, problem } => {
                // Where it was noticed does not matter: nothing follows.
                at = bytes.len();
                break Some(Err((String::from_utf8(answer).expect("text"), problem)));
            }
            Step::Send(_) => panic!("there is nothing to say before the end"),
        }
    };
    (end, bytes[at..].to_vec())
}

fn whole(login: Option<&str>, bytes: &[u8]) -> Outcome {
    talk(login, bytes, std::iter::once(bytes.len()), false)
}

const HEADS: [(&str, &str); 10] = [
    ("CONNECT db.example.com:5432 HTTP/1.1\r\nHost: db.example.com:5432\r\n\r\n", "db.example.com:5432"),
    ("CONNECT db.example.com:5432 HTTP/1.0\r\n\r\n", "db.example.com:5432"),
    ("CONNECT 192.0.2.1:80 HTTP/1.1\nHost: x\n\n", "192.0.2.1:80"),
    ("CONNECT 192.0.2.1:80 HTTP/1.1\r\nHost: x\r\n\n", "192.0.2.1:80"),
    ("\r\nCONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n", "[::1]:443"),
    ("CONNECT [::ffff:127.0.0.1]:443 HTTP/1.1\r\n\r\n", "[::ffff:127.0.0.1]:443"),
    ("CONNECT 0x7f.1:80 HTTP/1.1\r\nA: b\r\n\r\n", "127.0.0.1:80"),
    ("CONNECT 017700000001.:80 HTTP/1.1\r\n\r\n", "127.0.0.1:80"),
    ("CONNECT a:80 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "a:80"),
    ("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n", "a:80"),
];

#[test]
fn each_head_says_where_to_and_takes_no_byte_of_what_follows() {
    for (head, to) in HEADS {
        for payload in ["\r\n\r\nearly", "\nearly", "", "GET / HTTP/1.1\r\n\r\n"] {
            let all = [head, payload].concat();
            let expected = (Some(Ok(to.parse().expect("good"))), payload.as_bytes().to_vec());
            assert_eq!(whole(None, all.as_bytes()), expected, "{head}");
            assert_eq!(talk(None, all.as_bytes(), std::iter::repeat(1), true), expected, "{head}");
        }
    }
}

#[test]
fn what_is_refused_is_told_by_its_status_and_in_words() {
    let long = format!("CONNECT a:80 HTTP/1.1\r\nA: {}", "b".repeat(HEAD_BYTES));
    for (head, status, said) in [
        ("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "405", "the method is GET"),
        ("connect a:80 HTTP/1.1\r\n\r\n", "405", "the method is connect"),
        ("CONNECT a HTTP/1.1\r\n\r\n", "400", "a is not host:port"),
        ("CONNECT a:0 HTTP/1.1\r\n\r\n", "400", "not host:port"),
        ("CONNECT a:65536 HTTP/1.1\r\n\r\n", "400", "not host:port"),
        ("CONNECT a:+80 HTTP/1.1\r\n\r\n", "400", "not host:port"),
        ("CONNECT u@a:80 HTTP/1.1\r\n\r\n", "400", "not host:port"),
        ("CONNECT ::1:80 HTTP/1.1\r\n\r\n", "400", "not host:port"),
        ("CONNECT [127.0.0.1]:80 HTTP/1.1\r\n\r\n", "400", "not host:port"),
        ("CONNECT http://a:80 HTTP/1.1\r\n\r\n", "400", "not host:port"),
        ("CONNECT a:80 HTTP/2.0\r\n\r\n", "400", "no request: invalid http version"),
        ("CONNECT a:80\r\n\r\n", "400", "no request"),
        ("CONNECT a:80 HTTP/1.1\r\n bad\r\n\r\n", "400", "no request"),
        ("CONNECT a:80 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "400", "no body"),
        ("CONNECT a:80 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "400", "no body"),
        ("\x05\x01\0", "400", "looks like SOCKS"),
        ("\x16\x03\x01", "400", "looks like TLS"),
        (" CONNECT", "400", "byte 0x20"),
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "400", "byte 0x41"),
        ("\r\n\r\nCONNECT a:80 HTTP/1.1\r\n\r\n", "400", "no request"),
        (&long, "431", "more than 16384"),
    ] {
        let (Some(Err((answer, problem))), _) = whole(None, head.as_bytes()) else { panic!("{head:?}: not refused") };
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(problem.contains(said), "{problem}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        assert!(body.contains(&problem), "{body}");
    }
}

#[test]
fn a_login_is_asked_for_and_checked() {
    let head = |field: &str| format!("CONNECT a:80 HTTP/1.1\r\n{field}\r\n");
    let right = "proxy-authorization: basic YWxpY2U6c2VjcmV0\r\n";
    assert!(matches!(whole(Some("alice:secret"), head(right).as_bytes()).0, Some(Ok(_))));
    for field in [
        "",
        "Proxy-Authorization: Basic YWxpY2U6c2VjcmV1\r\n",
        "Proxy-Authorization: Bearer YWxpY2U6c2VjcmV0\r\n",
        "Authorization: Basic YWxpY2U6c2VjcmV0\r\n",
        &format!("{right}{right}"),
    ] {
        let (Some(Err((answer, _))), _) = whole(Some("alice:secret"), head(field).as_bytes()) else {
            panic!("{field}: not refused")
        };
        assert!(answer.starts_with("HTTP/1.1 407 "), "{answer}");
        assert!(answer.contains("\r\nProxy-Authenticate: Basic realm="), "{answer}");
    }
}

proptest! {
    #[test]
    fn any_split_says_the_same(
        which in 0..HEADS.len(),
        pieces in prop::collection::vec(1..30usize, 0..40),
        exact in any::<bool>(),
    ) {
        let all = [HEADS[which].0, "\r\npayload"].concat();
        prop_assert_eq!(talk(None, all.as_bytes(), pieces.into_iter(), exact), whole(None, all.as_bytes()));
    }

    #[test]
    fn any_bytes_in_any_split_say_the_same(
        text in r"(CONNECT |C|)[\r\n a:0-9HTP/.]{0,30}(HTTP/1\.1\r\n|)([a-b:]{0,3}\r?\n){0,3}.{0,5}",
        pieces in prop::collection::vec(1..9usize, 0..40),
        exact in any::<bool>(),
    ) {
        prop_assert_eq!(talk(None, text.as_bytes(), pieces.into_iter(), exact), whole(None, text.as_bytes()));
    }
}
