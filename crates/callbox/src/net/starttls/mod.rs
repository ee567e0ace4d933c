//! STARTTLS: what a protocol says in the clear before TLS begins, up to where the ClientHello goes.
//!
//! One file a protocol. Each reads exactly what the server says. Once the server has agreed, it must be silent until TLS has
//! begun: what comes in the clear behind its go-ahead could be taken for something said inside TLS, where anybody on the way may
//! have put it (CVE-2011-0411), so it is an error.

mod ftp;
mod imap;
mod ldap;
mod mysql;
mod pop3;
mod postgres;
mod smtp;
mod talk;
mod xmpp;

use std::fmt;
use std::os::fd::OwnedFd;
use std::str::FromStr;
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout_at};

use crate::addr::{Addr, Host};
use crate::error::{Error, Invalid, Kind, Result, plain};
use crate::net::exact::has_unread;
use crate::text::nearest;
use crate::units::show_duration;
use talk::{Failed, Talk};

/// How long the server may take from its connection until it is ready for TLS, however it says so.
pub const STARTTLS_TIMEOUT: Duration = Duration::from_secs(10);

/// Which protocol asks for TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartTls {
    /// Mail, submitted and relayed (RFC 3207).
    Smtp,
    /// Mail, read where it is (RFC 9051).
    Imap,
    /// Mail, fetched (RFC 2595).
    Pop3,
    /// The control connection of FTP (RFC 4217).
    Ftp,
    /// XMPP of clients (RFC 6120).
    Xmpp,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// LDAP (RFC 4511).
    Ldap,
}

impl StartTls {
    /// All of them.
    pub const ALL: [StartTls; 8] = [
        StartTls::Smtp,
        StartTls::Imap,
        StartTls::Pop3,
        StartTls::Ftp,
        StartTls::Xmpp,
        StartTls::Postgres,
        StartTls::Mysql,
        StartTls::Ldap,
    ];

    /// Returns the name, as written.
    pub fn name(self) -> &'static str {
        match self {
            StartTls::Smtp => "smtp",
            StartTls::Imap => "imap",
            StartTls::Pop3 => "pop3",
            StartTls::Ftp => "ftp",
            StartTls::Xmpp => "xmpp",
            StartTls::Postgres => "postgres",
            StartTls::Mysql => "mysql",
            StartTls::Ldap => "ldap",
        }
    }
}

impl FromStr for StartTls {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<StartTls, Invalid> {
        let lower = text.to_ascii_lowercase();
        if let Some(known) = StartTls::ALL.into_iter().find(|one| one.name() == lower) {
            return Ok(known);
        }
        let names = StartTls::ALL.map(StartTls::name);
        let near = match lower.as_str() {
            "postgresql" | "pgsql" => Some("postgres"),
            "mariadb" => Some("mysql"),
            "submission" => Some("smtp"),
            other => nearest(other, names),
        };
        let instead = near.map_or_else(|| format!("write one of {}", names.join(", ")), |near| format!("write {near}"));
        Err(Invalid::new("protocol", text, "none that asks for TLS in a known way").at(0).instead(instead))
    }
}

impl fmt::Display for StartTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Talks until the server waits for TLS; `target` is whom it is to take itself for.
///
/// # Errors
///
/// [`Kind::Ended`] and [`Kind::Reset`] where the connection did, [`Kind::TimedOut`] after [`STARTTLS_TIMEOUT`] or at the
/// deadline, and [`Kind::Tls`] for a server that says no, or something else.
///
/// # Cancel safety
///
/// Dropping the future leaves the dialogue half way: the connection is of no use then.
pub(crate) async fn ask(
    protocol: StartTls,
    socket: &AsyncFd<OwnedFd>,
    target: &Addr,
    deadline: Option<Instant>,
) -> Result<()> {
    let patience = Instant::now() + STARTTLS_TIMEOUT;
    let until = deadline.map_or(patience, |deadline| deadline.min(patience));
    let begun = Instant::now();
    let mut talk = Talk::new(socket);
    let dialogue = async {
        match protocol {
            StartTls::Smtp => smtp::ask(&mut talk).await,
            StartTls::Imap => imap::ask(&mut talk).await,
            StartTls::Pop3 => pop3::ask(&mut talk).await,
            StartTls::Ftp => ftp::ask(&mut talk).await,
            StartTls::Xmpp => xmpp::ask(&mut talk, &host(target)).await,
            StartTls::Postgres => postgres::ask(&mut talk).await,
            StartTls::Mysql => mysql::ask(&mut talk).await,
            StartTls::Ldap => ldap::ask(&mut talk).await,
        }
    };
    let failed = |kind, words: String| Error::new("starttls", kind, format!("{protocol}: {words}")).at(target);
    match timeout_at(until, dialogue).await {
        Ok(Ok(())) if has_unread(socket) => {
            let words = "the server went on in the clear behind its go-ahead, where somebody else may have put that";
            Err(failed(Kind::Tls, words.into()))
        }
        Ok(Ok(())) => Ok(()),
        Ok(Err(Failed::Said(words))) => Err(failed(Kind::Tls, words)),
        Ok(Err(Failed::Io(error))) => match Kind::of(&error) {
            Kind::Ended => Err(failed(Kind::Ended, "the stream ended before TLS could begin".into())),
            kind => Err(failed(kind, plain(&error))),
        },
        Err(_) => {
            let waited = show_duration(until - begun);
            Err(failed(Kind::TimedOut, format!("timed out: the server was not ready for TLS within {waited}")))
        }
    }
}

/// Returns the name of whom we talk to.
fn host(target: &Addr) -> String {
    match target {
        Addr::Tcp { host: Host::Name(name), .. } => name.clone(),
        Addr::Tcp { host: Host::Ip(ip), .. } => ip.to_string(),
        _ => "localhost".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_printed_and_others_find_theirs() {
        for one in StartTls::ALL {
            assert_eq!(one.to_string().to_uppercase().parse(), Ok(one));
        }
        for (text, due) in [("postgresql", "write postgres"), ("imaps", "write imap"), ("http", "write one of smtp, ")]
        {
            let said = text.parse::<StartTls>().expect_err(text).to_string();
            assert!(said.contains(due), "{said}");
        }
    }
}
