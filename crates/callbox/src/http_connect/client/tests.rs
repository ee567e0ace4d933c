//! Answers of proxies, any split of them, and how they are signed in to.

use proptest::prelude::*;

use super::*;

const USER: Option<(&str, &str)> = Some(("Aladdin", "open sesame"));

fn client(user: Option<(&str, &str)>) -> Client {
    let mut client = Client::new((&Host::Name("example.com".into()), 443), user);
    client.request();
    client
}

/// Shows a client what is there, in pieces; returns how much it took and what it said last.
fn play(client: &mut Client, answers: &[u8], sizes: &[usize]) -> Result<(usize, Step), Refused> {
    let (mut taken, mut sizes) = (0, sizes.iter().cycle());
    while taken < answers.len() {
        let size = (*sizes.next().expect("endless")).min(answers.len() - taken);
        let (more, step) = client.push(&answers[taken..taken + size])?;
        taken += more;
        if step != Step::Receive {
            return Ok((taken, step));
        }
        assert!(more > 0, "nobody would get on");
    }
    Ok((taken, Step::Receive))
}

fn answered(user: Option<(&str, &str)>, answer: &str) -> Result<(usize, Step), Refused> {
    play(&mut client(user), answer.as_bytes(), &[usize::MAX])
}

fn challenged(fields: &str) -> String {
    format!("HTTP/1.1 407 Proxy Authentication Required\r\n{fields}\r\n")
}

#[test]
fn hosts_are_named_as_the_request_line_has_them() {
    for (host, due) in [
        (Host::Name("b\u{fc}cher.example".into()), "b\u{fc}cher.example:80"),
        (Host::Ip("192.0.2.1".parse().expect("good")), "192.0.2.1:80"),
        (Host::Ip("2001:db8::1".parse().expect("good")), "[2001:db8::1]:80"),
        (Host::Loopback, "localhost:80"),
    ] {
        let request = Client::new((&host, 80), None).request();
        assert_eq!(request, format!("CONNECT {due} HTTP/1.1\r\nHost: {due}\r\n\r\n").into_bytes());
    }
}

#[test]
fn what_comes_behind_the_head_is_the_destination_s() {
    for head in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 299 odd\n\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nVia: x\r\n\r\n",
    ] {
        let (taken, step) = match play(&mut client(None), format!("{head}SSH-2.0-x\r\n\r\n").as_bytes(), &[1]) {
            Ok(said) => said,
            Err(refused) => panic!("{head:?}: {refused}"),
        };
        assert_eq!((taken, step), (head.len(), Step::Done), "{head:?}");
    }
}

#[test]
fn refusals_are_in_the_proxy_s_own_words_and_harmless() {
    let said = |answer: &str| answered(None, answer).expect_err("no").to_string();
    assert_eq!(said("HTTP/1.1 403 Forbidden\r\n\r\n"), "HTTP/1.1 403 Forbidden");
    assert_eq!(said("HTTP/1.1 502 b\u{e4}d\r\n\r\n"), "HTTP/1.1 502 b\u{e4}d");
    assert_eq!(said("SSH-2.0-OpenSSH\r\n"), "its answer is not HTTP");
    assert_eq!(said("HTTP/1.1 huh\r\n\r\n"), "its answer is not HTTP");
    assert_eq!(said(&challenged("Proxy-Authenticate: Basic realm=x\r\n")), "wants a user and password");
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_BYTES));
    assert_eq!(said(&endless), "the head of its answer is longer than 16384 bytes");
    let said = answered(USER, &challenged("Proxy-Authenticate: NTLM\r\n")).expect_err("unknown").to_string();
    assert_eq!(said, "wants to be signed in to in a way that is not known here: ntlm");
    let line = first_line(b"HTTP/1.1 500 \x1b[2J\xff\r\n\r\n");
    assert!(line.is_ascii() || !line.contains('\u{1b}'), "{line}");
    assert!(!line.contains('\u{1b}'), "{line}");
}

#[test]
fn the_password_is_told_only_to_who_asks_and_in_the_best_way() {
    let fields = "Proxy-Authenticate: Basic realm=x\r\nProxy-Authenticate: Digest realm=x, nonce=one, qop=auth, \
                  Digest realm=x, nonce=two, algorithm=SHA-256, qop=auth\r\nContent-Length: 3\r\n";
    let mut client = Client::new((&Host::Name("example.com".into()), 443), USER);
    assert!(!client.request().windows(19).any(|part| part == b"Proxy-Authorization"));
    let answer = format!("{}no!", challenged(fields));
    assert_eq!(play(&mut client, answer.as_bytes(), &[7]), Ok((answer.len(), Step::Again)));
    let request = String::from_utf8(client.request()).expect("text");
    assert!(request.contains("\r\nProxy-Authorization: Digest username=\"Aladdin\""), "{request}");
    assert!(request.contains("nonce=\"two\"") && request.contains("uri=\"example.com:443\""), "{request}");
    // RFC 7617, section 2.
    let (mut client, basic) = (self::client(USER), challenged("Proxy-Authenticate: Basic\r\nContent-Length: 0\r\n"));
    assert_eq!(play(&mut client, basic.as_bytes(), &[1]), Ok((basic.len(), Step::Again)));
    let request = String::from_utf8(client.request()).expect("text");
    assert!(request.contains("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), "{request}");
    assert_eq!(play(&mut client, basic.as_bytes(), &[1]), Err(Refused::BadUser));
}

#[test]
fn a_nonce_that_was_too_old_is_renewed_once() {
    let challenge = |stale: &str| challenged(&format!("Proxy-Authenticate: Digest nonce=n, stale={stale}\r\n"));
    let mut client = client(USER);
    for (stale, due) in [("false", Ok(Step::Anew)), ("true", Ok(Step::Anew)), ("true", Err(Refused::BadUser))] {
        let answer = challenge(stale);
        assert_eq!(play(&mut client, answer.as_bytes(), &[9]).map(|(_, step)| step), due);
        if due.is_ok() {
            client.request();
        }
    }
}

#[test]
fn a_connection_goes_on_only_where_it_is_sure_to() {
    let step = |version: &str, fields: &str| {
        let answer = format!("HTTP/{version} 407 No\r\nProxy-Authenticate: Basic\r\n{fields}\r\n");
        answered(USER, &answer).map(|(_, step)| step)
    };
    assert_eq!(step("1.1", "Content-Length: 0\r\n"), Ok(Step::Again));
    assert_eq!(step("1.1", "Content-Length: 9\r\n"), Ok(Step::Receive));
    assert_eq!(step("1.0", "Content-Length: 0\r\n"), Ok(Step::Anew));
    assert_eq!(step("1.0", "Content-Length: 0\r\nProxy-Connection: Keep-Alive\r\n"), Ok(Step::Again));
    for fields in [
        "",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\nConnection: x, Close\r\n",
        "Content-Length: 999999999\r\n",
        "Content-Length: 99999999999999999999999999\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: +1\r\n",
    ] {
        assert_eq!(step("1.1", fields), Ok(Step::Anew), "{fields}");
    }
}

#[test]
fn neither_user_nor_password_is_in_what_is_printed() {
    let shown = format!("{:?}", client(USER));
    assert!(!shown.contains("sesame") && !shown.contains("Aladdin"), "{shown}");
}

proptest! {
    #[test]
    fn any_split_says_the_same(
        answers in "(HTTP/1\\.[01] (200|407|100|403) [a-z]{0,4}(\r\n|\n)|Content-Length: [0-9]{1,2}\r\n|\r\n|\n|Proxy-Authenticate: (Basic|Digest nonce=n)\r\n|[a-z\r\n]{1,3}){0,12}",
        sizes in prop::collection::vec(1usize..20, 1..9),
    ) {
        let (mut one, mut other) = (client(USER), client(USER));
        let (whole, split) = (play(&mut one, answers.as_bytes(), &[usize::MAX]), play(&mut other, answers.as_bytes(), &sizes));
        prop_assert_eq!(whole, split);
    }
}
