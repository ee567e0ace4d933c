//! Certificates and keys as users have them: files in PEM, or bytes in DER.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::facts::{certificate_facts, sha256};
use super::{CertificateFacts, roots};
use crate::error::{Error, Kind, Result};

/// A certificate (X.509), as DER; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Certificate(Arc<[u8]>);

impl Certificate {
    /// Takes one in DER.
    ///
    /// # Errors
    ///
    /// When it cannot be read as a certificate.
    pub fn from_der(der: impl Into<Vec<u8>>) -> Result<Certificate> {
        let der = der.into();
        if certificate_facts(&der).is_none() {
            return Err(Error::new("read certificate", Kind::Invalid, "this is no certificate"));
        }
        Ok(Certificate(der.into()))
    }

    /// Takes all that a text in PEM has, in its order; everything else in it is left out.
    ///
    /// # Errors
    ///
    /// When there is none, or one that cannot be read.
    pub fn from_pem(text: &[u8]) -> Result<Vec<Certificate>> {
        let failed = |problem: String| Error::new("read certificate", Kind::Invalid, problem);
        let mut found = Vec::new();
        for der in CertificateDer::pem_slice_iter(text) {
            let der = der.map_err(|error| failed(format!("the PEM text is damaged: {error}")))?;
            let number = found.len() + 1;
            let certificate = Certificate::from_der(der.to_vec());
            found.push(certificate.map_err(|_| failed(format!("block {number} is no certificate")))?);
        }
        if found.is_empty() {
            return Err(failed("there is no \"-----BEGIN CERTIFICATE-----\" in it".into()));
        }
        Ok(found)
    }

    /// Reads all certificates of a file in PEM. The file is read at once, without giving way to others.
    ///
    /// # Errors
    ///
    /// When the file cannot be read; and as [`Certificate::from_pem`].
    pub fn read(path: impl AsRef<Path>) -> Result<Vec<Certificate>> {
        let path = path.as_ref();
        let text = read("read certificate", path)?;
        Certificate::from_pem(&text).map_err(|error| error.at(path.display()))
    }

    /// Returns the DER encoding.
    pub fn der(&self) -> &[u8] {
        &self.0
    }

    /// Returns what it says.
    pub fn facts(&self) -> CertificateFacts {
        // Every way to one of these has read it before.
        certificate_facts(&self.0).unwrap_or_else(|| CertificateFacts {
            subject: String::new(),
            issuer: String::new(),
            names: Vec::new(),
            not_before: std::time::SystemTime::UNIX_EPOCH,
            not_after: std::time::SystemTime::UNIX_EPOCH,
            sha256: self.sha256(),
        })
    }

    /// Returns the SHA-256 of the DER encoding.
    pub fn sha256(&self) -> [u8; 32] {
        sha256(&self.0)
    }

    /// Returns the SHA-256 of the public key (`SubjectPublicKeyInfo`); `None` where it cannot be found.
    pub fn key_sha256(&self) -> Option<[u8; 32]> {
        roots::public_key(&self.0).map(|key| sha256(&key))
    }

    pub(super) fn as_rustls(&self) -> CertificateDer<'_> {
        CertificateDer::from(&*self.0)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.facts().subject)
    }
}

/// Who a side is: its certificates, its own first, and the key to it.
#[derive(Clone)]
pub struct Identity {
    chain: Vec<Certificate>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl Identity {
    /// Takes a chain and a key, both in PEM; they may be the same text. That they belong together is found out where they
    /// are used.
    ///
    /// # Errors
    ///
    /// When there is no certificate, no key (PKCS #8, PKCS #1 or SEC 1, not encrypted), or one that cannot be read.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Identity> {
        let chain = Certificate::from_pem(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
            let encrypted = memchr::memmem::find(key, b"ENCRYPTED").is_some();
            let problem = match (encrypted, error) {
                (true, _) => "the key is encrypted; decrypt it with: openssl pkey -in FILE -out NEW".to_string(),
                (_, rustls::pki_types::pem::Error::NoItemsFound) => {
                    "there is no \"-----BEGIN PRIVATE KEY-----\" in it".to_string()
                }
                (_, error) => format!("the PEM text is damaged: {error}"),
            };
            Error::new("read key", Kind::Invalid, problem)
        })?;
        Ok(Identity { chain, key: Arc::new(key) })
    }

    /// Reads a file with the chain and one with the key; they may be the same. The files are read at once, without giving
    /// way to others.
    ///
    /// # Errors
    ///
    /// When a file cannot be read; and as [`Identity::from_pem`].
    pub fn read(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Identity> {
        let (chain, key) = (chain.as_ref(), key.as_ref());
        let (chain_text, key_text) = (read("read certificate", chain)?, read("read key", key)?);
        Identity::from_pem(&chain_text, &key_text).map_err(|error| {
            let path = if error.operation() == "read key" { key } else { chain };
            error.at(path.display())
        })
    }

    /// Returns the certificates, its own first.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    pub(super) fn for_rustls(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = self.chain.iter().map(|certificate| certificate.as_rustls().into_owned()).collect();
        (chain, self.key.clone_key())
    }
}

impl fmt::Debug for Identity {
    /// Never shows the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("chain", &self.chain).finish_non_exhaustive()
    }
}

fn read(operation: &'static str, path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::io(operation, error).at(path.display()))
}
