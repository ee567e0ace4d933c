//! Certificates for tests of TLS: a CA, and what it signs, good or wrong in one respect.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::Scratch;

const DAY: u64 = 24 * 3600;

/// Files with certificates; they last as long as this.
#[derive(Debug)]
pub struct Certificates {
    scratch: Scratch,
    ca_file: PathBuf,
    ca: CertifiedIssuer<'static, KeyPair>,
}

/// What a certificate is like; the default is for `localhost` and 127.0.0.1, for servers, valid now.
#[derive(Debug, Clone)]
pub struct Leaf<'a> {
    /// The name in its subject.
    pub subject: &'a str,
    /// The names and addresses that it is for.
    pub names: &'a [&'a str],
    /// Days from now until it is valid; may be below 0.
    pub from_days: i64,
    /// Days from now until it has expired; may be below 0.
    pub until_days: i64,
    /// Which side it is for.
    pub usage: ExtendedKeyUsagePurpose,
    /// Signed by itself and not by the CA.
    pub self_signed: bool,
}

/// A certificate and its key, each in a file (PEM).
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Default for Leaf<'_> {
    fn default() -> Self {
        Leaf {
            subject: "server",
            names: &["localhost", "127.0.0.1"],
            from_days: -1,
            until_days: 90,
            usage: ExtendedKeyUsagePurpose::ServerAuth,
            self_signed: false,
        }
    }
}

impl Leaf<'static> {
    /// One that has expired yesterday.
    pub fn expired() -> Self {
        Leaf { from_days: -10, until_days: -1, ..Leaf::default() }
    }

    /// One that is valid from tomorrow.
    pub fn not_yet_valid() -> Self {
        Leaf { from_days: 1, ..Leaf::default() }
    }

    /// One for another name.
    pub fn of_another_name() -> Self {
        Leaf { names: &["other.test"], ..Leaf::default() }
    }

    /// One signed by itself.
    pub fn self_signed() -> Self {
        Leaf { self_signed: true, ..Leaf::default() }
    }

    /// One that is not for servers.
    pub fn of_wrong_usage() -> Self {
        Leaf { usage: ExtendedKeyUsagePurpose::ClientAuth, ..Leaf::default() }
    }

    /// One for clients.
    pub fn client() -> Self {
        Leaf {
            subject: "client",
            names: &["client.test"],
            usage: ExtendedKeyUsagePurpose::ClientAuth,
            ..Leaf::default()
        }
    }
}

impl Certificates {
    /// Makes a CA called `name`.
    pub fn of(name: &str) -> Self {
        let mut params = params(name, &[], (-1, 3650));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let ca = CertifiedIssuer::self_signed(params, key).expect("a CA");
        let scratch = Scratch::new();
        let ca_file = scratch.file("ca.pem", ca.pem());
        Self { scratch, ca_file, ca }
    }

    /// Returns the file with the CA's certificate.
    pub fn ca(&self) -> &Path {
        &self.ca_file
    }

    /// Returns a path in the same folder.
    pub fn join(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// Makes a certificate, in files whose names begin with `file`; they are replaced where they are there.
    pub fn make(&self, file: &str, leaf: &Leaf<'_>) -> Pair {
        let (certificate, key) = self.sign(leaf);
        Pair {
            cert: self.scratch.file(&format!("{file}.pem"), certificate.pem()),
            key: self.scratch.file(&format!("{file}.key"), key.serialize_pem()),
        }
    }

    fn sign(&self, leaf: &Leaf<'_>) -> (Certificate, KeyPair) {
        let mut params = params(leaf.subject, leaf.names, (leaf.from_days, leaf.until_days));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![leaf.usage.clone()];
        let key = KeyPair::generate().expect("a key");
        let certificate = match leaf.self_signed {
            true => params.self_signed(&key),
            false => params.signed_by(&key, &self.ca),
        };
        (certificate.expect("a certificate"), key)
    }
}

fn params(subject: &str, names: &[&str], (from, until): (i64, i64)) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("good names");
    params.distinguished_name.push(DnType::CommonName, subject);
    params.not_before = date_time_ymd(1970, 1, 1) + days_from_now(from);
    params.not_after = date_time_ymd(1970, 1, 1) + days_from_now(until);
    params
}

/// From 1970 to so many days from now.
fn days_from_now(days: i64) -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock that is right");
    Duration::from_secs(now.as_secs().saturating_add_signed(days * DAY as i64))
}
