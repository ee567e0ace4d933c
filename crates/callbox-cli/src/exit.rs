//! Exit codes, and errors as people read them.

use callbox::error::{Error, Kind};
use callbox::text::safe;

/// Done.
pub const DONE: u8 = 0;
/// An expectation did not hold.
pub const UNMET: u8 = 1;
/// Bad flag, address, escape or file syntax.
pub const USAGE: u8 = 2;
/// Name not found, refused, unreachable, cannot bind.
pub const NO_CONNECTION: u8 = 3;
/// A proxy did not say what it must, or does not lead there; TLS could not be agreed on.
pub const HANDSHAKE: u8 = 4;
/// Reset, or ended where more was due.
pub const LOST: u8 = 5;
/// Local input or output failed.
pub const LOCAL: u8 = 6;
/// Timed out.
pub const TIMED_OUT: u8 = 124;

/// Returns the operation and the kind that a JSON event names for a failure of our own.
pub fn names(code: u8) -> (&'static str, &'static str) {
    match code {
        UNMET => ("expect", "unmet"),
        TIMED_OUT => ("run", "timed_out"),
        LOST => ("receive", "ended"),
        LOCAL => ("local", "io"),
        USAGE => ("read", "invalid"),
        _ => ("run", "io"),
    }
}

/// Why a command did not end with 0, in a line, and what may help.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// Reads after `callbox: `.
    pub message: String,
    /// Each reads after `hint: `.
    pub hints: Vec<String>,
    /// Whom it concerns, where the library's error does not say, for the JSON event.
    pub address: Option<String>,
    /// The library's error below, for the JSON event.
    pub source: Option<Error>,
}

impl Failure {
    /// Makes one without hints.
    pub fn new(code: u8, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), hints: Vec::new(), address: None, source: None }
    }

    /// A wrong argument.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(USAGE, message)
    }

    /// Local input or output that failed.
    pub fn local(what: &str, error: &std::io::Error) -> Failure {
        Failure::new(LOCAL, format!("{what}: {}", callbox::error::plain(error)))
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// Prints the lines, on the error output. Peers and resolvers have a say in them, so they are escaped.
    pub fn print(&self) {
        let mut text = format!("callbox: {}\n", escaped(&self.message));
        for hint in &self.hints {
            text.push_str(&format!("hint: {}\n", escaped(hint)));
        }
        crate::ui::complain(&text);
    }
}

/// Escapes what could move a cursor, and leaves backslashes: these lines are talk, not a faithful view of bytes.
fn escaped(text: &str) -> String {
    text.split('\\').map(safe).collect::<Vec<_>>().join("\\")
}

impl From<callbox::Invalid> for Failure {
    fn from(invalid: callbox::Invalid) -> Failure {
        Failure::usage(invalid.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let hints = hints(&error);
        Failure { code: code(&error), message: error.to_string(), hints, address: None, source: Some(error) }
    }
}

/// Returns the exit code of an error of the library.
pub fn code(error: &Error) -> u8 {
    match error.kind() {
        Kind::TimedOut if matches!(error.operation(), "read" | "write" | "shutdown") => LOST,
        Kind::TimedOut => TIMED_OUT,
        Kind::Reset | Kind::Ended => LOST,
        Kind::Invalid => USAGE,
        Kind::Proxy | Kind::Tls => HANDSHAKE,
        _ if matches!(error.operation(), "read certificate" | "read key" | "reload") => LOCAL,
        _ if matches!(error.operation(), "read" | "write" | "shutdown") => LOST,
        _ => NO_CONNECTION,
    }
}

/// What may help where TLS came to nothing.
fn tls_hints(cause: &str) -> Vec<String> {
    // Whose certificate was not believed, the cause says last.
    let pin = cause.split_once("; its pin is ").map(|(_, pin)| pin);
    let mut hints = Vec::new();
    if cause.contains("does not speak TLS") {
        hints.push("to talk to it without TLS, leave --tls and tls:// out".to_owned());
    }
    if cause.contains("not trusted") || cause.contains("not among those trusted") {
        hints.push(
            "--ca FILE believes what the CA in that file has signed, and a self-signed certificate itself".into(),
        );
    }
    let for_other_use = cause.contains("(extended key usage)");
    if cause.contains("certificate is not for ") && !for_other_use && pin.is_some() {
        hints.push("--sni NAME asks for another name and verifies that".into());
    }
    if cause.contains("no name to verify") {
        hints.push("--sni NAME says it; or --pin sha256:HEX says which certificate it is".into());
    }
    if cause.contains("certificate required") {
        hints.push("--cert FILE --key FILE shows ours".into());
    }
    if let Some(pin) = pin {
        hints.push(format!("--pin {pin} believes this one, if it is the one that you expect"));
    }
    hints
}

fn hints(error: &Error) -> Vec<String> {
    if error.kind() == Kind::Tls {
        return tls_hints(&error.cause());
    }
    let address = error.address().unwrap_or("ADDR");
    let port = address.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok());
    let hint = match (error.operation(), error.kind()) {
        ("connect", Kind::Refused) => {
            format!(
                "nobody listens there; start a server with `callbox serve {address}`, or wait for one with --retry-for 30s"
            )
        }
        ("connect", Kind::TimedOut) => {
            "a firewall may drop it silently; --connect-timeout changes how long to wait".into()
        }
        ("resolve", Kind::NotFound) => "check the spelling, or give the address in numbers".into(),
        ("bind", Kind::AddressInUse) if address.starts_with("unix:") => {
            "choose another path, or remove what is there if nobody needs it".into()
        }
        ("bind", Kind::PermissionDenied) if address.starts_with("unix:") => {
            "a socket is made in a folder that you may write in".into()
        }
        ("bind" | "listen", Kind::AddressInUse) => match port {
            Some(port) => format!("`ss -ltnp 'sport = :{port}'` shows who holds it; port 0 takes a free one"),
            None => "somebody else holds it".into(),
        },
        ("bind" | "listen", Kind::AddressNotAvailable) => {
            "`ip addr` lists this machine's addresses; `*:PORT` binds them all".into()
        }
        ("bind" | "listen", Kind::PermissionDenied) => {
            "ports below 1024 need root or CAP_NET_BIND_SERVICE; choose a higher one".into()
        }
        ("receive PROXY header", Kind::Proxy) => {
            "with --accept-proxy each connection begins with a PROXY protocol header; leave it out where no proxy sends one"
                .into()
        }
        ("connect to proxy", Kind::Refused | Kind::TimedOut) => {
            "it is the proxy that does not answer there; --proxy names it, or ALL_PROXY with --proxy env".into()
        }
        ("proxy", Kind::Proxy) => match through_proxy(&error.cause(), address) {
            Some(hint) => hint,
            None => return Vec::new(),
        },
        ("starttls", Kind::TimedOut | Kind::Ended) => {
            "where TLS begins at once, as on the ports 465, 636, 993 and 995, leave --starttls out".into()
        }
        (_, Kind::Exhausted) => "`ulimit -n` shows the limit of open descriptors".into(),
        _ => return Vec::new(),
    };
    vec![hint]
}

/// Says what may help with a proxy that does not lead there.
fn through_proxy(cause: &str, proxy: &str) -> Option<String> {
    let place = proxy.split_once("://").map_or(proxy, |(_, place)| place);
    let hint = match cause {
        "wants a user and password" => {
            let scheme = proxy.split("://").next().unwrap_or("http");
            format!("give it one: --proxy {scheme}://USER:PASSWORD@{place}, or the same in ALL_PROXY and --proxy env")
        }
        "refused the user and password" => "in a URL, write @ as %40, : as %3A, / as %2F and % as %25".into(),
        "answers in HTTP, not in SOCKS" => format!("that is an HTTP proxy: --proxy http://{place}"),
        "its answer is not HTTP" => format!("where it speaks SOCKS, write --proxy socks5h://{place}"),
        cause if cause.starts_with("connect ") => {
            "the proxy was reached and answered; it is the proxy that does not lead there".into()
        }
        _ => return None,
    };
    Some(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_become_the_documented_codes() {
        let error = |operation, kind| code(&Error::new(operation, kind, "x"));
        assert_eq!(error("connect", Kind::Refused), NO_CONNECTION);
        assert_eq!(error("connect", Kind::TimedOut), TIMED_OUT);
        assert_eq!(error("read", Kind::TimedOut), LOST, "keepalive found the peer gone");
        assert_eq!(error("read", Kind::Reset), LOST);
        assert_eq!(error("bind", Kind::AddressInUse), NO_CONNECTION);
        assert_eq!(error("read", Kind::Invalid), USAGE);
        assert_eq!(error("receive PROXY header", Kind::Proxy), HANDSHAKE);
        assert_eq!(error("TLS handshake", Kind::Tls), HANDSHAKE);
        assert_eq!(error("read", Kind::Tls), HANDSHAKE, "TLS 1.3 refuses a client after its handshake");
        assert_eq!(error("read certificate", Kind::NotFound), LOCAL);
        assert_eq!(error("read certificate", Kind::Invalid), USAGE);
        assert_eq!(error("reload", Kind::Io), LOCAL);
    }

    #[test]
    fn what_a_resolver_says_cannot_move_the_cursor() {
        assert_eq!(escaped("a\\b\u{1b}[2Jc"), "a\\b\\x1b[2Jc");
    }
}
