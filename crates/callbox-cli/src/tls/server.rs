//! TLS of a server: made ready before it binds, and read again while it runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use callbox::net::tls::{Certificate, Identity, ServerTls, ServerTlsOptions};
use callbox::{Addr, Error};

use super::leaf::{self, Leaf};
use super::{expiry, keylog, names, unready};
use crate::app::App;
use crate::args::TlsArgs;
use crate::exit::Failure;

/// What the flags say.
#[derive(Clone)]
pub struct Plan {
    /// The file with the certificate; without one it is made.
    pub cert: Option<PathBuf>,
    /// The file with its key; without one it is in the same.
    pub key: Option<PathBuf>,
    /// The file with those who sign the certificates of clients.
    pub client_ca: Option<PathBuf>,
    /// Protocols that are spoken.
    pub alpn: Vec<String>,
    /// More names for a certificate that is made.
    pub names: Vec<String>,
    /// Where it listens.
    pub listen: Addr,
}

/// TLS that is ready, and whence it came.
pub struct Serving {
    tls: ServerTls,
    /// As they were read first; those of the next time differ in what files say.
    options: ServerTlsOptions,
    plan: Plan,
    made: Option<Leaf>,
    expiry_warn: Option<Duration>,
    secrets: Option<String>,
}

impl Serving {
    /// Reads the files, or makes a certificate, and puts everything together.
    ///
    /// # Errors
    ///
    /// Files that cannot be read or made, and what in them or in the flags is no good.
    pub fn start(plan: Plan, both: &TlsArgs) -> Result<Serving, Failure> {
        let versions = both.versions()?;
        let made = match plan.cert {
            None => Some(leaf::make(names::names(&plan.listen, &plan.names)?)?),
            Some(_) => None,
        };
        let identity = match &made {
            Some(leaf) => leaf.identity.clone(),
            None => plan.identity().map_err(unready)?,
        };
        let keylog = keylog::open(both.tls_keylog.as_ref())?;
        let secrets = keylog.as_ref().map(keylog::Keylog::notice);
        let options = ServerTlsOptions {
            client_ca: plan.client_ca().map_err(unready)?,
            alpn: plan.alpn.clone(),
            versions,
            keylog: keylog.map(|keylog| keylog.log),
            handshake_timeout: both.handshake_timeout(),
            ..ServerTlsOptions::new(identity)
        };
        let tls = ServerTls::new(&options).map_err(|error| unready(plan.whose(error)))?;
        Ok(Serving { tls, options, plan, made, expiry_warn: both.tls_expiry_warn, secrets })
    }

    /// Returns it for the library.
    pub fn tls(&self) -> ServerTls {
        self.tls.clone()
    }

    /// Returns within which time the expiry of a certificate is warned of.
    pub fn expiry_warn(&self) -> Option<Duration> {
        self.expiry_warn
    }

    /// Says what the user should know: whose certificate it is, and how clients come to believe it.
    pub fn say(&self, app: &App) {
        for warning in expiry::of_ours(self.options.identity.chain(), self.expiry_warn) {
            app.warn(&warning);
        }
        if let Some(secrets) = &self.secrets {
            app.say(secrets.clone());
        }
        let (Some(leaf), Some(certificate)) = (&self.made, self.options.identity.chain().first()) else { return };
        let facts = certificate.facts();
        if leaf.ca_is_new {
            app.say(format!("made a CA of callbox's own: {}", leaf.ca.display()));
        }
        let (names, until) = (facts.names.join(", "), expiry::day(facts.not_after));
        app.say(format!("TLS with a certificate made now for {names}, until {until}"));
        // Programs have to know it too.
        app.tell(format!("clients believe it by --ca {}, or by --pin {}", leaf.ca.display(), pin(certificate)));
    }

    /// Returns the flags by which a client on this machine gets in.
    pub fn client_flags(&self, address: &Addr) -> String {
        let own = self.options.identity.chain().first().map(pin).unwrap_or_default();
        let trust = match &self.made {
            Some(leaf) if matches!(address, Addr::Tcp { .. }) => format!("--ca {}", quoted(&leaf.ca)),
            _ => format!("--pin {own}"),
        };
        let cert = if self.plan.client_ca.is_some() { " --cert FILE --key FILE" } else { "" };
        format!("--tls {trust}{cert}")
    }

    /// Returns what reads the files again, where there are any: for connections from then on.
    pub fn reload(&self) -> Option<impl Fn() -> Result<String, Failure> + Send + Sync + use<>> {
        let files = self.plan.cert.is_some() || self.plan.client_ca.is_some();
        let (tls, plan, options, within) = (self.tls(), self.plan.clone(), self.options.clone(), self.expiry_warn);
        files.then_some(move || {
            let identity = match plan.cert {
                Some(_) => plan.identity().map_err(unready)?,
                None => options.identity.clone(),
            };
            let options =
                ServerTlsOptions { identity, client_ca: plan.client_ca().map_err(unready)?, ..options.clone() };
            tls.replace(&options).map_err(|error| unready(plan.whose(error)))?;
            let chain = options.identity.chain();
            expiry::of_ours(chain, within).iter().for_each(|line| expiry::warn(line));
            let facts = chain.first().map(Certificate::facts);
            let whose = facts.map(|facts| format!(": {}, until {}", facts.subject, expiry::day(facts.not_after)));
            Ok(format!("read again the certificates{}", whose.unwrap_or_default()))
        })
    }
}

impl Plan {
    fn identity(&self) -> Result<Identity, Error> {
        let cert = self.cert.as_deref().unwrap_or(Path::new(""));
        Identity::read(cert, self.key.as_deref().unwrap_or(cert))
    }

    fn client_ca(&self) -> Result<Option<Vec<Certificate>>, Error> {
        self.client_ca.as_deref().map(Certificate::read).transpose()
    }

    /// Says which files do not go together.
    fn whose(&self, error: Error) -> Error {
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => error.at(format!("with {} and {}", cert.display(), key.display())),
            (Some(cert), None) => error.at(format!("with {}", cert.display())),
            _ => error,
        }
    }
}

fn pin(certificate: &Certificate) -> String {
    callbox::net::tls::Pin::Certificate(certificate.sha256()).to_string()
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}
