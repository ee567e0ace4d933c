//! Whether the other side is who it should be.
//!
//! webpki decides about chains; on top of it come pins, certificates that are trusted as themselves, and a memory of
//! whom it was that was not believed, for what is said then.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::facts::certificate_facts;
use super::{Certificate, CertificateFacts, Pin};

thread_local! {
    /// Whom the thread's last check did not believe: it runs inside rustls, whose errors do not say that.
    static DISBELIEVED: RefCell<Option<CertificateFacts>> = const { RefCell::new(None) };
}

/// Takes whom the thread's last check did not believe.
pub(super) fn take_disbelieved() -> Option<CertificateFacts> {
    DISBELIEVED.take()
}

fn disbelieve(end_entity: &CertificateDer<'_>, error: Error) -> Error {
    DISBELIEVED.set(certificate_facts(end_entity));
    error
}

/// Checks servers.
pub(super) enum ServerCheck {
    /// By a chain to a root; or the certificate is one of these, which are trusted as themselves.
    Roots { chains: Arc<WebPkiServerVerifier>, themselves: Vec<Certificate>, provider: Arc<CryptoProvider> },
    /// By pins alone.
    Pins { pins: Vec<Pin>, provider: Arc<CryptoProvider> },
    /// Anybody who has the key of the certificate that is shown.
    Anybody { provider: Arc<CryptoProvider> },
}

impl ServerCheck {
    pub(super) fn by_roots(
        store: RootCertStore,
        themselves: Vec<Certificate>,
        provider: Arc<CryptoProvider>,
    ) -> Result<ServerCheck, rustls::server::VerifierBuilderError> {
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone()).build()?;
        Ok(ServerCheck::Roots { chains, themselves, provider })
    }

    fn provider(&self) -> &CryptoProvider {
        match self {
            ServerCheck::Roots { provider, .. }
            | ServerCheck::Pins { provider, .. }
            | ServerCheck::Anybody { provider } => provider,
        }
    }
}

impl ServerCertVerifier for ServerCheck {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let checked = match self {
            ServerCheck::Anybody { .. } => Ok(()),
            ServerCheck::Pins { pins, .. } => {
                let shown = Certificate::from_der(end_entity.to_vec());
                match shown.is_ok_and(|shown| pins.iter().any(|pin| pin.fits(&shown))) {
                    true => Ok(()),
                    false => Err(CertificateError::ApplicationVerificationFailure.into()),
                }
            }
            ServerCheck::Roots { themselves, .. } if is_one_of(end_entity, themselves) => itself(end_entity, now)
                .and_then(|()| {
                    rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)
                }),
            ServerCheck::Roots { chains, .. } => {
                chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now).map(drop)
            }
        };
        match checked {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(error) => Err(disbelieve(end_entity, error)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider().signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for ServerCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ServerCheck::Roots { .. } => "ServerCheck::Roots",
            ServerCheck::Pins { .. } => "ServerCheck::Pins",
            ServerCheck::Anybody { .. } => "ServerCheck::Anybody",
        })
    }
}

/// Checks clients: by a chain to a root, or the certificate is one of these.
pub(super) struct ClientCheck {
    chains: Arc<dyn ClientCertVerifier>,
    themselves: Vec<Certificate>,
}

impl ClientCheck {
    pub(super) fn by_roots(
        store: RootCertStore,
        themselves: Vec<Certificate>,
        provider: Arc<CryptoProvider>,
    ) -> Result<ClientCheck, rustls::server::VerifierBuilderError> {
        let chains = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider).build()?;
        Ok(ClientCheck { chains, themselves })
    }
}

impl ClientCertVerifier for ClientCheck {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let checked = match is_one_of(end_entity, &self.themselves) {
            true => itself(end_entity, now),
            false => self.chains.verify_client_cert(end_entity, intermediates, now).map(drop),
        };
        match checked {
            Ok(()) => Ok(ClientCertVerified::assertion()),
            Err(error) => Err(disbelieve(end_entity, error)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

impl fmt::Debug for ClientCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCheck")
    }
}

fn is_one_of(end_entity: &CertificateDer<'_>, themselves: &[Certificate]) -> bool {
    themselves.iter().any(|one| one.der() == end_entity.as_ref())
}

/// Checks the dates of a certificate that is trusted as itself. webpki would not have it where it is marked as one that
/// may sign others, as most self-signed ones are.
fn itself(end_entity: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let facts = certificate_facts(end_entity).ok_or(CertificateError::BadEncoding)?;
    let unix = |time: std::time::SystemTime| {
        let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH);
        UnixTime::since_unix_epoch(since.unwrap_or(Duration::ZERO))
    };
    let (not_before, not_after) = (unix(facts.not_before), unix(facts.not_after));
    if now > not_after {
        return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
    }
    if now < not_before {
        return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
    }
    Ok(())
}
