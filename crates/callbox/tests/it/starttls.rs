//! What is said in the clear so that TLS may begin: each protocol against a server that a test plays.

use std::time::Duration;

use callbox::error::{Error, Kind};
use callbox::net::connect::ConnectOptions;
use callbox::net::starttls::StartTls;
use callbox::{Client, Stream};
use callbox_testkit::{Peer, Script};

use crate::ends::within;

async fn ask(protocol: StartTls, address: std::net::SocketAddr) -> Result<Stream, Error> {
    let options = ConnectOptions { starttls: Some(protocol), ..ConnectOptions::default() };
    let client = Client::new(callbox::Addr::from(address)).expect("an address").with_options(options);
    within("asks", client.connect()).await
}

/// One line of a dialogue, or several: what the client says, and what the server then says.
type Turn = (&'static [u8], Vec<u8>);

fn turn(says: &'static (impl AsRef<[u8]> + ?Sized), answer: impl AsRef<[u8]>) -> Turn {
    (says.as_ref(), answer.as_ref().to_vec())
}

/// MySQL's handshake with these capabilities.
fn mysql(capabilities: u16) -> Vec<u8> {
    let body = [b"\x0a8.0.1\0", &[7; 4][..], b"12345678\0", &capabilities.to_le_bytes(), &[45, 2, 0, 0, 0, 0]].concat();
    [&[body.len() as u8, 0, 0, 0], body.as_slice()].concat()
}

const MYSQL_ASKS: &[u8] = b"\x20\0\0\x01\0\x8a\0\0\0\0\0\x01\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const LDAP_ASKS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const STREAM: &[u8] = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' to='127.0.0.1' version='1.0'>";
const XMPP_ASKS: &[u8] = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

fn xmpp(features: &str) -> String {
    format!("<?xml version='1.0'?>\n<stream:stream id='1' version='1.0'><stream:features>{features}</stream:features>")
}

/// Dialogues that go well, up to the go-ahead.
fn good() -> Vec<(StartTls, Vec<Turn>)> {
    let starttls = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls><mechanisms/>";
    vec![
        (
            StartTls::Smtp,
            vec![
                turn("", "220-mail.example\r\n220 ready\r\n"),
                turn("EHLO localhost\r\n", "250-mail.example\r\n250-SIZE 1000\r\n250-starttls\r\n250 HELP\r\n"),
                turn("STARTTLS\r\n", "220 go ahead\r\n"),
            ],
        ),
        (
            StartTls::Imap,
            vec![
                turn("", "* OK [CAPABILITY IMAP4rev1] ready\r\n"),
                turn("a1 STARTTLS\r\n", "* CAPABILITY IMAP4rev1\r\na1 OK begin\r\n"),
            ],
        ),
        (StartTls::Pop3, vec![turn("", "+OK ready <1@x>\r\n"), turn("STLS\r\n", "+OK begin\r\n")]),
        (
            StartTls::Ftp,
            vec![turn("", "220-Hello\r\n 220 not yet\r\nat all\r\n220 now\r\n"), turn("AUTH TLS\r\n", "234 go\r\n")],
        ),
        (StartTls::Xmpp, vec![turn(STREAM, xmpp(starttls)), turn(XMPP_ASKS, "<proceed xmlns='x'/>")]),
        (StartTls::Xmpp, vec![turn(STREAM, xmpp("<starttls/>")), turn(XMPP_ASKS, "<proceed xmlns='x'></proceed>")]),
        (StartTls::Postgres, vec![turn(b"\0\0\0\x08\x04\xd2\x16\x2f", "S")]),
        (StartTls::Mysql, vec![turn("", mysql(0x8a00)), turn(MYSQL_ASKS, "")]),
        (StartTls::Ldap, vec![turn(LDAP_ASKS, b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0")]),
        (
            StartTls::Ldap,
            vec![turn(LDAP_ASKS, b"\x30\x84\0\0\0\x10\x02\x01\x01\x78\x84\0\0\0\x07\x0a\x01\0\x04\0\x04\0")],
        ),
    ]
}

fn play(peer: &mut Peer, turns: &[Turn]) {
    for (says, answer) in turns {
        peer.expects(says).sends(answer);
    }
}

#[tokio::test]
async fn every_protocol_gets_to_where_tls_begins_and_takes_nothing_of_it() {
    for (protocol, turns) in good() {
        let (address, server) = Script::serves(move |mut peer| {
            play(&mut peer, &turns);
            // The server's first bytes of TLS come after the client's.
            peer.expects("\x16\x03\x01").sends("\x16\x03\x03").ends();
        });
        let mut stream = ask(protocol, address).await.unwrap_or_else(|error| panic!("{error}"));
        stream.write_all(b"\x16\x03\x01").await.expect("sends");
        let first = within("receives", stream.chunk()).await.expect("receives");
        assert_eq!(first.as_deref(), Some(&b"\x16\x03\x03"[..]), "{protocol}");
        server.joins();
    }
}

#[tokio::test]
async fn answers_that_come_byte_by_byte_are_the_same() {
    for (protocol, turns) in good() {
        let (address, server) = Script::serves(move |mut peer| {
            for (says, answer) in turns {
                peer.expects(says);
                for byte in answer {
                    peer.sends([byte]);
                }
            }
            peer.expects("\x16").ends();
        });
        let mut stream = ask(protocol, address).await.unwrap_or_else(|error| panic!("{error}"));
        stream.write_all(b"\x16").await.expect("sends");
        server.joins();
    }
}

#[tokio::test]
async fn what_comes_in_the_clear_behind_the_go_ahead_is_an_error() {
    for (protocol, mut turns) in good() {
        // MySQL's go-ahead is its handshake, before the client has said anything.
        let Some((_, go_ahead)) = turns.iter_mut().rfind(|(_, answer)| !answer.is_empty()) else { unreachable!() };
        go_ahead.extend_from_slice(b"injected\r\n");
        let (address, _server) = Script::serves(move |mut peer| {
            play(&mut peer, &turns);
            let _ = peer.reads_some(1);
        });
        let error = ask(protocol, address).await.expect_err("somebody has put words in the server's mouth");
        assert_eq!(error.kind(), Kind::Tls);
        let due = "the server went on in the clear behind its go-ahead, where somebody else may have put that";
        assert_eq!(error.to_string(), format!("starttls {address}: {protocol}: {due}"));
    }
}

#[tokio::test]
async fn a_server_that_says_no_is_quoted() {
    let table: Vec<(StartTls, Vec<Turn>, &str)> = vec![
        (StartTls::Smtp, vec![turn("", "554 not \x1byou\r\n")], "the server refused: 554 not \\x1byou"),
        (
            StartTls::Smtp,
            vec![turn("", "220 x\r\n"), turn("EHLO localhost\r\n", "250-STARTTLS\r\n250 HELP\r\n")],
            "the server does not offer STARTTLS",
        ),
        (
            StartTls::Smtp,
            vec![turn("", "SSH-2.0-x\x1b\r\n")],
            "a reply with a code was due, and the server said: SSH-2.0-x\\x1b",
        ),
        (StartTls::Imap, vec![turn("", "* PREAUTH in\r\n")], "the server refused: * PREAUTH in"),
        (
            StartTls::Imap,
            vec![turn("", "* OK\r\n"), turn("a1 STARTTLS\r\n", "a1 BAD no\r\n")],
            "the server refused: BAD no",
        ),
        (StartTls::Pop3, vec![turn("", "+OK\r\n"), turn("STLS\r\n", "-ERR no\r\n")], "the server refused: -ERR no"),
        (StartTls::Ftp, vec![turn("", "220 x\r\n"), turn("AUTH TLS\r\n", "530 no\r\n")], "the server refused: 530 no"),
        (StartTls::Xmpp, vec![turn(STREAM, xmpp("<bind/>"))], "the server does not offer starttls"),
        (
            StartTls::Xmpp,
            vec![turn(STREAM, xmpp("<starttls/>")), turn(XMPP_ASKS, "<failure xmlns='x'/>")],
            "the server refused: <failure xmlns='x'/>",
        ),
        (StartTls::Postgres, vec![turn(b"\0\0\0\x08\x04\xd2\x16\x2f", "N")], "the server does not offer TLS"),
        (
            StartTls::Postgres,
            vec![turn(b"\0\0\0\x08\x04\xd2\x16\x2f", "Eanything")],
            "the server answered with an error",
        ),
        (StartTls::Mysql, vec![turn("", mysql(0x8200))], "the server does not offer TLS"),
        (StartTls::Mysql, vec![turn("", b"\x07\0\0\0\xff\x6a\x04Host")], "the server refused: Host"),
        (StartTls::Mysql, vec![turn("", "220 ready")], "more than 65536 bytes, and nothing of TLS"),
        (
            StartTls::Ldap,
            vec![turn(LDAP_ASKS, b"\x30\x0e\x02\x01\x01\x78\x09\x0a\x01\x34\x04\0\x04\x02no")],
            "the server refused: unavailable: no",
        ),
    ];
    for (protocol, turns, due) in table {
        let (address, _server) = Script::serves(move |mut peer| {
            play(&mut peer, &turns);
            let _ = peer.reads_some(1);
        });
        let error = ask(protocol, address).await.expect_err(due);
        assert_eq!(error.to_string(), format!("starttls {address}: {protocol}: {due}"));
        assert_eq!(error.kind(), Kind::Tls);
    }
}

#[tokio::test]
async fn servers_that_end_babble_or_are_silent_end_the_dialogue() {
    let (address, _server) = Script::serves(|mut peer| {
        peer.sends("220-x\r\n").ends();
    });
    let error = ask(StartTls::Smtp, address).await.expect_err("ended");
    assert_eq!(error.to_string(), format!("starttls {address}: smtp: the stream ended before TLS could begin"));
    let (address, _server) = Script::serves(|mut peer| {
        peer.sends("220-x\r\n".repeat(10_000));
        let _ = peer.reads_some(1);
    });
    let error = ask(StartTls::Smtp, address).await.expect_err("babbles");
    assert!(error.to_string().ends_with("more than 65536 bytes, and nothing of TLS"), "{error}");
    let (address, _server) = Script::serves(|mut peer| {
        let _ = peer.reads_some(1);
    });
    let timeout = Some(Duration::from_millis(100));
    let options = ConnectOptions { timeout, starttls: Some(StartTls::Pop3), ..ConnectOptions::default() };
    let client = Client::new(callbox::Addr::from(address)).expect("an address").with_options(options);
    let error = within("waits", client.connect()).await.expect_err("silent");
    assert!(error.is_timed_out(), "{error}");
}
