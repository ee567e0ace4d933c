//! A certificate that is made for one run of a server.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use callbox::net::tls::Identity;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, date_time_ymd};

use super::ca::{self, Ca, since_epoch};
use crate::exit::Failure;

/// How long the certificate of a server is valid.
const VALID: Duration = Duration::from_secs(90 * 24 * 3600);

/// A certificate, and where the CA is that has signed it.
pub struct Leaf {
    /// The certificate, with that of the CA, and its key.
    pub identity: Identity,
    /// The CA's certificate, for clients.
    pub ca: PathBuf,
    /// Whether the CA was made just now.
    pub ca_is_new: bool,
}

/// Makes a certificate for these names.
///
/// # Errors
///
/// What is wrong with the CA.
pub fn make(names: Vec<String>) -> Result<Leaf, Failure> {
    let ca = Ca::open()?;
    let broken = |error: rcgen::Error| Failure::new(crate::exit::LOCAL, format!("make a certificate: {error}"));
    let now = SystemTime::now();
    let mut params = CertificateParams::new(names).map_err(broken)?;
    params.distinguished_name = ca::name("callbox");
    params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(now - ca::SLACK);
    // Nobody believes one that outlives its CA.
    params.not_after = date_time_ymd(1970, 1, 1) + since_epoch((now + VALID).min(ca.not_after()));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().map_err(broken)?;
    let certificate = params.signed_by(&key, ca.issuer()).map_err(broken)?;
    let chain = format!("{}{}", certificate.pem(), ca.pem());
    let identity = Identity::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes())?;
    Ok(Leaf { identity, ca: ca.path(), ca_is_new: ca.is_new() })
}
