//! What went wrong with TLS, in a line that says what to do.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Connection, Error, PeerIncompatible};

use super::CertificateFacts;
use crate::text::safe;
use crate::text::template::time::rfc3339;

/// Names of a certificate that a line has room for.
const SHOWN_NAMES: usize = 8;

/// Explains an error; `shown` is the certificate that was not believed, where it was that.
pub(super) fn explain(error: &Error, connection: &Connection, shown: Option<CertificateFacts>) -> String {
    let client = matches!(connection, Connection::Client(_));
    match error {
        Error::InvalidCertificate(problem) => certificate(problem, client, shown.as_ref()),
        Error::AlertReceived(alert) => alert_received(*alert, client),
        Error::NoCertificatesPresented if client => "the server has shown no certificate".into(),
        Error::NoCertificatesPresented => "the client has shown no certificate, though it must".into(),
        Error::PeerIncompatible(problem) => incompatible(problem, client),
        Error::NoApplicationProtocol => "none of the protocols that the client offers is spoken here (ALPN)".into(),
        Error::InvalidMessage(_) => "what came is no TLS, or was damaged on its way".into(),
        Error::DecryptError => "a record was damaged on its way, or forged".into(),
        Error::PeerMisbehaved(what) => format!("the other side broke the rules of TLS: {}", words(what)),
        other => other.to_string(),
    }
}

fn certificate(problem: &CertificateError, client: bool, shown: Option<&CertificateFacts>) -> String {
    let whose = if client { "the server's" } else { "the client's" };
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            let when = match (problem, shown) {
                // That of the chain which it was.
                (CertificateError::ExpiredContext { not_after, .. }, _) => format!(" on {}", date(*not_after)),
                (_, Some(shown)) => format!(" on {}", day(shown.not_after)),
                _ => String::new(),
            };
            format!("{whose} certificate has expired{when}{}", pin(client, shown))
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            let when = match (problem, shown) {
                (CertificateError::NotValidYetContext { not_before, .. }, _) => {
                    format!(" before {}", date(*not_before))
                }
                (_, Some(shown)) => format!(" before {}", day(shown.not_before)),
                _ => String::new(),
            };
            format!("{whose} certificate is not valid{when}, if the clock is right{}", pin(client, shown))
        }
        CertificateError::NotValidForName => format!("{whose} certificate is for another name"),
        CertificateError::NotValidForNameContext { expected, .. } => {
            let names = shown.map_or_else(String::new, names_of);
            format!("{whose} certificate is not for {}{names}{}", expected.to_str(), pin(client, shown))
        }
        CertificateError::UnknownIssuer => unknown_issuer(whose, client, shown),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            let side = if client { "servers" } else { "clients" };
            format!("{whose} certificate is not for {side} (extended key usage){}", pin(client, shown))
        }
        CertificateError::Revoked => format!("{whose} certificate has been revoked"),
        CertificateError::BadSignature => {
            let issuer = shown.map_or_else(String::new, |shown| format!(" ({})", safe(&shown.issuer)));
            let why = "whoever is trusted by the name of its issuer has not signed it";
            format!(
                "{whose} certificate is not believed: {why}{issuer}, perhaps another by that name{}",
                pin(client, shown)
            )
        }
        CertificateError::BadEncoding => format!("{whose} certificate cannot be read"),
        CertificateError::ApplicationVerificationFailure => {
            let shown = shown.map_or_else(String::new, |shown| format!(", but sha256:{}", hex(&shown.sha256)));
            format!("{whose} certificate is none of those that are pinned{shown}")
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            let hint = "it is one that signs others, and is believed only where it is given as a CA itself";
            format!("{whose} certificate is not for this use: {hint}{}", pin(client, shown))
        }
        CertificateError::Other(other) => {
            let why = match other.to_string() {
                why if why.contains("PathDepth") => "more certificates stand behind it than are followed".into(),
                why => words(&format_args!("{why}")),
            };
            format!("{whose} certificate is not believed: {why}{}", pin(client, shown))
        }
        other => format!("{whose} certificate is not believed: {}{}", safe(&other.to_string()), pin(client, shown)),
    }
}

fn unknown_issuer(whose: &str, client: bool, shown: Option<&CertificateFacts>) -> String {
    let advice = pin(client, shown);
    match shown {
        Some(shown) if shown.subject == shown.issuer => {
            format!("{whose} certificate is self-signed ({}) and not among those trusted{advice}", safe(&shown.subject))
        }
        Some(shown) => {
            format!("{whose} certificate is signed by somebody who is not trusted ({}){advice}", safe(&shown.issuer))
        }
        None => format!("{whose} certificate is signed by somebody who is not trusted{advice}"),
    }
}

/// How to trust this one all the same.
fn pin(client: bool, shown: Option<&CertificateFacts>) -> String {
    match shown {
        Some(shown) if client => format!("; its pin is sha256:{}", hex(&shown.sha256)),
        _ => String::new(),
    }
}

fn names_of(shown: &CertificateFacts) -> String {
    if shown.names.is_empty() {
        return format!(": it has no names, only the subject {}", safe(&shown.subject));
    }
    let names: Vec<_> = shown.names.iter().take(SHOWN_NAMES).map(|name| safe(name)).collect();
    let more = shown.names.len().saturating_sub(SHOWN_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(", but for {}{more}", names.join(", "))
}

fn alert_received(alert: AlertDescription, client: bool) -> String {
    use AlertDescription as A;
    let who = if client { "the server" } else { "the client" };
    let meaning = match alert {
        A::CertificateRequired => "it wants a certificate of ours",
        A::BadCertificate | A::CertificateUnknown | A::UnsupportedCertificate => "it does not like our certificate",
        A::CertificateExpired => "our certificate has expired, it says",
        A::CertificateRevoked => "our certificate has been revoked, it says",
        A::UnknownCA => "it does not trust who signed our certificate",
        A::ProtocolVersion => "it speaks none of the versions of TLS that we do",
        A::HandshakeFailure => "it found nothing that both speak, or wants a certificate of ours",
        A::NoApplicationProtocol => "it speaks none of the protocols that we offer (ALPN)",
        A::UnrecognisedName => "it knows no server of that name (SNI)",
        A::DecodeError | A::UnexpectedMessage => "it does not understand what we sent",
        A::AccessDenied => "it does not let us in",
        _ => return format!("{who} ended TLS with the alert {}", words(&alert)),
    };
    format!("{who} ended TLS with the alert {}: {meaning}", words(&alert))
}

fn incompatible(problem: &PeerIncompatible, client: bool) -> String {
    let who = if client { "the server" } else { "the client" };
    match problem {
        PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon
        | PeerIncompatible::NoSignatureSchemesInCommon => {
            format!("{who} and we have no signature in common")
        }
        PeerIncompatible::NoCipherSuitesInCommon => format!("{who} and we have no cipher suite in common"),
        PeerIncompatible::NoKxGroupsInCommon => format!("{who} and we have no key exchange in common"),
        PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => {
            "the server speaks none of the versions of TLS that we do".into()
        }
        PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::Tls13RequiredForQuic => {
            format!("{who} speaks none of the versions of TLS that are allowed")
        }
        other => format!("{who} speaks TLS in a way that we do not: {}", words(other)),
    }
}

/// Makes words of a name in a program: `HandshakeFailure` is `handshake failure`.
fn words(name: &impl Debug) -> String {
    let mut out = String::new();
    let name = format!("{name:?}");
    for (at, c) in name.chars().enumerate() {
        if c.is_uppercase() && at > 0 && name.as_bytes().get(at - 1).is_some_and(u8::is_ascii_lowercase) {
            out.push(' ');
        }
        out.extend(c.to_lowercase());
    }
    safe(&out).into_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn date(time: UnixTime) -> String {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs())).map_or_else(String::new, day)
}

/// The day alone, of UTC: `2026-11-25`.
fn day(time: SystemTime) -> String {
    let whole = rfc3339(time);
    whole.split('T').next().unwrap_or_default().to_string()
}
