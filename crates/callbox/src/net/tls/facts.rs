//! What a connection agreed on, and what certificates say.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls::{Connection, HandshakeKind, ProtocolVersion};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::{CertificateFacts, TlsFacts, TlsVersion, Trust};

/// Names of a certificate that are told: some have thousands, and a session is kept with its facts.
pub(super) const MOST_NAMES: usize = 256;
/// Certificates of a chain that are told.
const MOST_CERTIFICATES: usize = 16;

/// Returns what there is to say about a connection whose handshake is done.
pub(super) fn tls_facts(connection: &Connection, asked: Option<&str>, trust: Trust) -> TlsFacts {
    let server_name = match connection {
        Connection::Client(_) => asked.map(str::to_string),
        Connection::Server(server) => server.server_name().map(str::to_string),
    };
    let peer_chain: Vec<_> = connection.peer_certificates().unwrap_or_default().iter().collect();
    TlsFacts {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
            _ => TlsVersion::Tls13,
        },
        suite: connection.negotiated_cipher_suite().map_or_else(String::new, |suite| {
            // IANA's names have no version in them.
            format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
        }),
        group: connection.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name())),
        alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
        server_name,
        trust: if peer_chain.is_empty() { Trust::Nothing } else { trust },
        peer_chain: peer_chain.iter().take(MOST_CERTIFICATES).filter_map(|der| certificate_facts(der)).collect(),
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
    }
}

/// Returns what a certificate says; `None` where it is none.
pub(super) fn certificate_facts(der: &[u8]) -> Option<CertificateFacts> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let validity = certificate.validity();
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|extension| &extension.value.general_names);
    Some(CertificateFacts {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        names: names.filter_map(name).take(MOST_NAMES).collect(),
        not_before: system_time(&validity.not_before),
        not_after: system_time(&validity.not_after),
        sha256: sha256(der),
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_string()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            _ => None,
        },
        _ => None,
    }
}

fn system_time(time: &ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let moved = match seconds >= 0 {
        true => SystemTime::UNIX_EPOCH.checked_add(distance),
        false => SystemTime::UNIX_EPOCH.checked_sub(distance),
    };
    moved.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Hashes with what the provider has anyway.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let suite = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let mut hash = [0; 32];
    if let Some(suite) = suite.tls13() {
        hash.copy_from_slice(suite.common.hash_provider.hash(bytes).as_ref());
    }
    hash
}
