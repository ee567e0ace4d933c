//! A CA of callbox's own, by which the certificates of servers are signed that are given none:
//! `$XDG_STATE_HOME/callbox/ca`, with `cert.pem` and `key.pem`.
//!
//! It is made the first time that it is needed, in a folder of another name, which is then renamed: so two processes that
//! make it at once end with the same one, and nobody sees half of it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use callbox::net::tls::{Certificate, Identity, ServerTls, ServerTlsOptions};
use etcetera::base_strategy::{BaseStrategy, Xdg};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use super::expiry::day;
use super::unready;
use crate::exit::{self, Failure};

/// Certificates are valid from a little before they are made, for machines whose clocks are late.
pub const SLACK: Duration = Duration::from_secs(3600);
/// How long the CA is valid.
const VALID: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Its certificate, within the folder.
const CERTIFICATE: &str = "cert.pem";
/// Its key, within the folder.
const KEY: &str = "key.pem";

/// The CA.
pub struct Ca {
    folder: PathBuf,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    not_after: SystemTime,
    is_new: bool,
}

impl Ca {
    /// Reads it, and makes it before where there is none.
    ///
    /// # Errors
    ///
    /// There is no place for it, or what is there cannot be used.
    pub fn open() -> Result<Ca, Failure> {
        let Some(state) = Xdg::new().ok().and_then(|xdg| xdg.state_dir()) else {
            let failure = Failure::new(exit::LOCAL, "TLS without --cert: there is no home folder to keep a CA in");
            return Err(failure.hint("give a certificate: --cert FILE --key FILE"));
        };
        Ca::in_folder(state.join("callbox").join("ca"))
    }

    fn in_folder(folder: PathBuf) -> Result<Ca, Failure> {
        if let Some(ca) = Ca::read(&folder, false)? {
            return Ok(ca);
        }
        make(&folder)?;
        Ca::read(&folder, true)?.ok_or_else(|| {
            let problem = format!("read {}: it is gone again", folder.join(CERTIFICATE).display());
            advised(Failure::new(exit::LOCAL, problem), &folder)
        })
    }

    /// Reads it; `None` where there is none.
    fn read(folder: &Path, is_new: bool) -> Result<Option<Ca>, Failure> {
        let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
        let read = |path: &Path| {
            let failed = |error: &io::Error| Failure::local(&format!("read the CA in {}", path.display()), error);
            fs::read_to_string(path).map_err(|error| (error.kind(), advised(failed(&error), folder)))
        };
        let pem = match read(&certificate) {
            Ok(pem) => pem,
            Err((ErrorKind::NotFound, _)) if is_free(folder) => return Ok(None),
            // Somebody else may have made it in between.
            Err((ErrorKind::NotFound, _)) => read(&certificate).map_err(|(_, failure)| failure)?,
            Err((_, failure)) => return Err(failure),
        };
        let key_pem = read(&key).map_err(|(_, failure)| failure)?;
        let ca = Ca::of(folder, (pem, &key_pem), is_new);
        ca.map(Some).map_err(|failure| advised(failure, folder))
    }

    fn of(folder: &Path, (pem, key_pem): (String, &str), is_new: bool) -> Result<Ca, Failure> {
        let at = |path: &str| folder.join(path).display().to_string();
        let broken = |path: &str, problem: &str| Failure::usage(format!("the CA in {}: {problem}", at(path)));
        let certificates =
            Certificate::from_pem(pem.as_bytes()).map_err(|error| broken(CERTIFICATE, &error.cause()))?;
        let Some(facts) = certificates.first().map(Certificate::facts) else {
            return Err(broken(CERTIFICATE, "there is no certificate in it"));
        };
        if facts.not_after <= SystemTime::now() {
            return Err(broken(CERTIFICATE, &format!("it has expired on {}", day(facts.not_after))));
        }
        let identity =
            Identity::from_pem(pem.as_bytes(), key_pem.as_bytes()).map_err(|error| broken(KEY, &error.cause()))?;
        // Finds out whether the two belong together.
        ServerTls::new(&ServerTlsOptions::new(identity)).map_err(|error| broken(KEY, &error.cause()))?;
        let pair = KeyPair::from_pem(key_pem).map_err(|error| broken(KEY, &error.to_string()))?;
        let issuer = Issuer::from_ca_cert_pem(&pem, pair).map_err(|error| broken(CERTIFICATE, &error.to_string()))?;
        Ok(Ca { folder: folder.to_owned(), pem, issuer, not_after: facts.not_after, is_new })
    }

    /// Returns who signs.
    pub fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// Returns its certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns until when it is valid.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Returns the file that clients are given.
    pub fn path(&self) -> PathBuf {
        self.folder.join(CERTIFICATE)
    }

    /// Tells whether it was made just now.
    pub fn is_new(&self) -> bool {
        self.is_new
    }
}

/// Tells whether nothing is in the way of a new one.
fn is_free(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

fn advised(failure: Failure, folder: &Path) -> Failure {
    let hint = format!("where {} is removed, a new CA is made, of which clients have to be told", folder.display());
    failure.hint(hint)
}

/// Makes one, unless somebody else does so at the same time.
fn make(folder: &Path) -> Result<(), Failure> {
    let broken = |error: rcgen::Error| Failure::new(exit::LOCAL, format!("make a CA: {error}"));
    let now = SystemTime::now();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut params = CertificateParams::default();
    // With the time in its name, an old one and a new one are not taken for each other.
    params.distinguished_name = name(&format!("callbox CA of {host}, {}", day(now)));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(now - SLACK);
    params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(now + VALID);
    let key = KeyPair::generate().map_err(broken)?;
    let certificate = params.self_signed(&key).map_err(broken)?;
    let draft = folder.with_file_name(format!("ca.{}.tmp", std::process::id()));
    let place = || {
        if let Some(parent) = folder.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        // One that a process of the same number has left behind.
        let _ = fs::remove_dir_all(&draft);
        DirBuilder::new().mode(0o700).create(&draft)?;
        write(&draft.join(KEY), 0o600, &key.serialize_pem())?;
        write(&draft.join(CERTIFICATE), 0o644, &certificate.pem())?;
        fs::rename(&draft, folder)
    };
    let placed = place();
    if placed.is_err() {
        let _ = fs::remove_dir_all(&draft);
    }
    match placed {
        Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => Ok(()),
        Err(error) => Err(unready(callbox::Error::io("make a CA in", error).at(folder.display()))),
        Ok(()) => Ok(()),
    }
}

fn write(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A name with a common name alone.
pub fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// How long after 1970 began it is, as certificates have it: in whole seconds.
pub fn since_epoch(time: SystemTime) -> Duration {
    Duration::from_secs(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs())
}
