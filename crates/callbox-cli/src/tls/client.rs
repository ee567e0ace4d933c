//! TLS of a client, made ready before anybody is connected to.

use std::path::Path;
use std::time::Duration;

use callbox::net::tls::{Certificate, ClientTls, ClientTlsOptions, Identity, Roots};
use callbox::text::safe;

use super::{expiry, keylog, unready};
use crate::app::App;
use crate::args::{TlsArgs, TrustArgs};
use crate::exit::Failure;

/// What the flags say.
pub struct Plan<'a> {
    /// Whom to believe.
    pub trust: &'a TrustArgs,
    /// Protocols to offer.
    pub alpn: Vec<String>,
    /// Our certificate, and its key.
    pub identity: Option<(&'a Path, &'a Path)>,
    /// What servers have too.
    pub both: &'a TlsArgs,
}

/// TLS that is ready, and what the user should know of it.
#[derive(Clone)]
pub struct Ready {
    /// For the library.
    pub tls: ClientTls,
    /// Warn of certificates that expire within this time.
    pub expiry_warn: Option<Duration>,
    warnings: Vec<String>,
    /// Where secrets go.
    secrets: Option<String>,
    /// Whose signatures are believed, where those of this machine are not there.
    roots: Option<String>,
}

/// Reads the files and puts everything together.
///
/// # Errors
///
/// Files that cannot be read, and what in them or in the flags is no good.
pub fn ready(plan: &Plan<'_>) -> Result<Ready, Failure> {
    let Plan { trust, both, .. } = plan;
    let mut warnings = Vec::new();
    if trust.insecure {
        warnings.push("--insecure: any server is believed, anybody on the way can read and change everything".into());
    }
    let mut authorities = Vec::new();
    for path in &trust.ca {
        authorities.extend(Certificate::read(path).map_err(|error| named(unready(error), "--ca"))?);
    }
    let identity = match plan.identity {
        Some((cert, key)) => Some(Identity::read(cert, key).map_err(unready)?),
        None => None,
    };
    if let Some(identity) = &identity {
        warnings.extend(expiry::of_ours(identity.chain(), both.tls_expiry_warn));
    }
    let keylog = keylog::open(both.tls_keylog.as_ref())?;
    let secrets = keylog.as_ref().map(keylog::Keylog::notice);
    let options = ClientTlsOptions {
        roots: if trust.ca.is_empty() { Roots::Platform } else { Roots::Only(authorities) },
        pins: trust.pin.clone(),
        server_name: trust.sni.clone(),
        alpn: plan.alpn.clone(),
        identity,
        insecure: trust.insecure,
        versions: both.versions()?,
        keylog: keylog.map(|keylog| keylog.log),
        handshake_timeout: both.handshake_timeout(),
    };
    let tls = ClientTls::new(&options).map_err(|error| match error.operation() {
        "read server name" => Failure::usage(format!("--sni: {}", error.cause())),
        _ => unready(error),
    })?;
    let roots = tls.notice().map(str::to_owned);
    Ok(Ready { tls, expiry_warn: both.tls_expiry_warn, warnings, secrets, roots })
}

impl Ready {
    /// Says what the user should know.
    pub fn say(&self, app: &App) {
        self.say_whom(app);
        self.secrets.iter().for_each(|secrets| app.say(secrets.clone()));
    }

    /// The same without where secrets go, which somebody else has said.
    pub fn say_whom(&self, app: &App) {
        self.warnings.iter().for_each(|warning| app.warn(warning));
        self.roots.iter().for_each(|roots| app.say(roots.clone()));
    }
}

impl Ready {
    /// Says what the user should know where there are no events: warnings in any case, the rest where talk is wanted.
    pub fn say_plainly(&self, talk: bool) {
        self.warnings.iter().for_each(|warning| expiry::warn(warning));
        let rest = self.roots.iter().chain(&self.secrets).filter(|_| talk);
        rest.for_each(|text| crate::ui::complain(&format!("{}\n", safe(text))));
    }
}

/// Says which flag has named the file.
fn named(failure: Failure, flag: &str) -> Failure {
    Failure { message: format!("{flag}: {}", failure.message), ..failure }
}
