//! The engine alone, with another one in memory.

use std::io::{Read, Write};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use super::stream::Engine;
use super::verify::ServerCheck;
use super::{Certificate, Pin};

/// Both sides of a connection whose handshake is done: ours, and the other.
fn met() -> (Engine, Connection) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = KeyPair::generate().expect("makes a key");
    let params = CertificateParams::new(vec!["localhost".to_string()]).expect("a good name");
    let certificate = params.self_signed(&key).expect("signs");
    let shown = Certificate::from_der(certificate.der().to_vec()).expect("a certificate");
    let check = ServerCheck::Pins { pins: vec![Pin::Certificate(shown.sha256())], provider: provider.clone() };
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("spoken")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(check))
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("spoken")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        )
        .expect("they go together");
    let name = "localhost".try_into().expect("a good name");
    let client = ClientConnection::new(Arc::new(client), name).expect("good");
    let mut other = Connection::Server(ServerConnection::new(Arc::new(server)).expect("good"));
    let mut ours = Engine::new(Connection::Client(client));
    while ours.connection.is_handshaking() || other.is_handshaking() || other.wants_write() {
        let mut records = Vec::new();
        while ours.connection.wants_write() {
            ours.connection.write_tls(&mut records).expect("memory");
        }
        feed(&mut other, &records);
        ours.understand(&said(&mut other), &mut []).expect("all is well");
    }
    (ours, other)
}

fn feed(connection: &mut Connection, mut records: &[u8]) {
    while !records.is_empty() {
        connection.read_tls(&mut records).expect("memory");
        connection.process_new_packets().expect("all is well");
    }
}

/// Returns the records that a side has to send.
fn said(connection: &mut Connection) -> Vec<u8> {
    let mut records = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut records).expect("memory");
    }
    records
}

#[test]
fn records_wait_for_room_and_nothing_is_lost() {
    for (piece, room) in [(1, 7), (5000, 1), (100_000, 3000), (4096, 100_000)] {
        let (mut ours, mut other) = met();
        let bytes: Vec<u8> = (0..60_000u32).map(|n| (n % 251) as u8).collect();
        other.writer().write_all(&bytes).expect("memory");
        let records = said(&mut other);
        let mut received = Vec::new();
        for piece in records.chunks(piece) {
            let mut more = piece.to_vec();
            loop {
                let mut buffer = vec![0; room];
                let filled = ours.understand(&more, &mut buffer).expect("all is well");
                received.extend_from_slice(&buffer[..filled]);
                more = ours.take_incoming();
                let taken = ours.connection.reader().read(&mut buffer).unwrap_or(0);
                received.extend_from_slice(&buffer[..taken]);
                if filled + taken == 0 && more.is_empty() {
                    break;
                }
            }
        }
        assert!(received == bytes, "{} of {} bytes, by {piece} into {room}", received.len(), bytes.len());
    }
}

#[test]
fn new_keys_pass_unnoticed_and_a_flood_of_them_is_an_error() {
    let (mut ours, mut other) = met();
    other.refresh_traffic_keys().expect("TLS 1.3 has them");
    other.writer().write_all(b"hello").expect("memory");
    let mut buffer = [0; 100];
    assert_eq!(ours.understand(&said(&mut other), &mut buffer).expect("all is well"), 5);
    ours.connection.writer().write_all(b"answer").expect("memory");
    let mut records = Vec::new();
    ours.connection.write_tls(&mut records).expect("memory");
    feed(&mut other, &records);
    let mut answer = [0; 6];
    other.reader().read_exact(&mut answer).expect("it is there");
    assert_eq!(&answer, b"answer");
    let mut failed = false;
    for _ in 0..100 {
        other.refresh_traffic_keys().expect("TLS 1.3 has them");
        failed |= ours.understand(&said(&mut other), &mut buffer).is_err();
        if failed {
            break;
        }
    }
    assert!(failed, "a hundred are too many");
    assert!(ours.failed().expect("it says so").contains("too many key update"), "{:?}", ours.failed());
}

#[test]
fn what_follows_the_end_of_stream_is_not_held() {
    let (mut ours, mut other) = met();
    other.writer().write_all(b"bye").expect("memory");
    other.send_close_notify();
    let mut records = said(&mut other);
    records.extend_from_slice(&[0; 100]);
    let mut buffer = [0; 100];
    assert_eq!(ours.understand(&records, &mut buffer).expect("all is well"), 3);
    let rest = ours.take_incoming();
    assert_eq!(ours.understand(&rest, &mut buffer).expect("nobody looks at it"), 0);
    assert!(ours.take_incoming().is_empty());
    assert_eq!(ours.connection.reader().read(&mut buffer).expect("the end of stream"), 0);
}

#[test]
fn a_flood_without_content_is_an_error() {
    let (mut ours, mut other) = met();
    other.writer().write_all(&[7; 16_000]).expect("memory");
    let record = said(&mut other);
    // Behind an end of stream that came, whatever follows is thrown away, but not for ever.
    other.send_close_notify();
    let mut buffer = [0; 20_000];
    assert_eq!(ours.understand(&record, &mut buffer).expect("all is well"), 16_000);
    ours.understand(&said(&mut other), &mut buffer).expect("all is well");
    for _ in 0..20 {
        assert_eq!(ours.understand(&record, &mut buffer).expect("nobody looks at it"), 0);
    }
    assert_eq!(ours.failed().as_deref(), Some("a flood of records without content"));
}
