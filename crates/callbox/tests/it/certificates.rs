//! Certificates for tests, made on the spot.

use std::sync::LazyLock;

use callbox::net::tls::{Certificate, ClientTls, ClientTlsOptions, Identity, Roots, ServerTls, ServerTlsOptions};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// One who signs others.
pub(crate) struct Authority {
    certificate: Certificate,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// The one that most tests share: making keys takes time.
pub(crate) static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::named("a test's authority"));
/// Whom it knows as `localhost` and by loopback's addresses.
static LOCAL: LazyLock<Identity> = LazyLock::new(|| AUTHORITY.issue(&["localhost", "127.0.0.1", "::1"], |_| {}));

impl Authority {
    pub(crate) fn named(name: &str) -> Authority {
        let key = KeyPair::generate().expect("makes a key");
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.self_signed(&key).expect("signs");
        let pem = certificate.pem();
        let certificate = Certificate::from_der(certificate.der().to_vec()).expect("a certificate");
        Authority { certificate, pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn certificate(&self) -> Certificate {
        self.certificate.clone()
    }

    /// Makes a certificate for names and addresses; `change` may change what it says.
    pub(crate) fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().expect("makes a key");
        let certificate = params(names, change).signed_by(&key, &self.issuer).expect("signs");
        identity(&certificate, &key)
    }
}

impl Authority {
    /// Makes a certificate, and gives it and its key as files have them.
    pub(crate) fn issue_pem(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().expect("makes a key");
        let certificate = params(names, |_| {}).signed_by(&key, &self.issuer).expect("signs");
        (certificate.pem(), key.serialize_pem())
    }

    /// Returns its own certificate as files have it.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }
}

/// Makes a certificate that is signed by itself.
pub(crate) fn self_signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
    let key = KeyPair::generate().expect("makes a key");
    let certificate = params(names, change).self_signed(&key).expect("signs");
    identity(&certificate, &key)
}

fn params(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_string()).collect();
    let mut params = CertificateParams::new(names).expect("good names");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "a test");
    change(&mut params);
    params
}

fn identity(certificate: &rcgen::Certificate, key: &KeyPair) -> Identity {
    Identity::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).expect("both are good")
}

/// Options of a client that believes the shared authority.
pub(crate) fn trusting() -> ClientTlsOptions {
    ClientTlsOptions { roots: Roots::Only(vec![AUTHORITY.certificate()]), ..ClientTlsOptions::default() }
}

/// A client that believes the shared authority.
pub(crate) fn client() -> ClientTls {
    ClientTls::new(&trusting()).expect("good")
}

/// Options of a server on loopback that such a client believes.
pub(crate) fn local() -> ServerTlsOptions {
    ServerTlsOptions::new(LOCAL.clone())
}

/// A server on loopback that such a client believes.
pub(crate) fn server() -> ServerTls {
    ServerTls::new(&local()).expect("good")
}
