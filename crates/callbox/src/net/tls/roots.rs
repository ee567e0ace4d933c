//! Whose signatures are believed: the platform's roots, Mozilla's where there are none, or those that a user names.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;

use super::{Certificate, Roots};
use crate::error::{Error, Kind, Result};

/// The roots, and what the user should know of where they came from.
pub(super) struct Loaded {
    pub(super) store: RootCertStore,
    pub(super) notice: Option<String>,
}

/// Loads the roots; those of the platform are read from files, at once.
pub(super) fn load(roots: &Roots) -> Result<Loaded> {
    match roots {
        Roots::Only(certificates) => Ok(Loaded { store: store_of(certificates)?, notice: None }),
        Roots::Platform => Ok(platform()),
    }
}

/// Makes a store of certificates that a user named.
pub(super) fn store_of(certificates: &[Certificate]) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store.add(certificate.as_rustls().into_owned()).map_err(|error| {
            let subject = certificate.facts().subject;
            let subject = crate::text::safe(&subject);
            Error::new("read certificate", Kind::Invalid, format!("{subject} cannot be a root: {error}"))
        })?;
    }
    Ok(store)
}

fn platform() -> Loaded {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // Some systems have roots that are no longer well formed; nobody needs those.
    store.add_parsable_certificates(found.certs);
    if !store.is_empty() {
        return Loaded { store, notice: None };
    }
    let reason = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
    let notice = format!("this machine has no root certificates{reason}: Mozilla's list, built in, is used instead");
    store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Loaded { store, notice: Some(notice) }
}

/// Returns the public key of a certificate (`SubjectPublicKeyInfo`, DER).
pub(super) fn public_key(der: &[u8]) -> Option<Vec<u8>> {
    let der = CertificateDer::from(der);
    let parsed = ParsedCertificate::try_from(&der).ok()?;
    Some(parsed.subject_public_key_info().to_vec())
}
