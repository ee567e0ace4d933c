//! What can go wrong, in two types: [`Error`] for what happened on the network, [`Invalid`] for what a user wrote.
//!
//! Normal endings are not errors; they are a [`Termination`](crate::termination::Termination).

use std::fmt;
use std::io;

/// Shorthand for results of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure an [`Error`] is; callers branch on this, never on texts.
///
/// More kinds may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Nobody listens there (`ECONNREFUSED`).
    Refused,
    /// No answer within the time allowed.
    TimedOut,
    /// No route to the host or network.
    Unreachable,
    /// The name has no address, or the path does not exist.
    NotFound,
    /// The peer aborted the connection (RST).
    Reset,
    /// The stream ended where more was due.
    Ended,
    /// Somebody else holds the local address.
    AddressInUse,
    /// The local address is not one of this machine's.
    AddressNotAvailable,
    /// The system forbids it.
    PermissionDenied,
    /// A limit of this process or of the system: descriptors, memory, children.
    Exhausted,
    /// The session was told to end while the operation was waiting.
    Stopped,
    /// A frame, or the length it declared, is over the maximum.
    FrameTooLarge,
    /// What came can be no frame by the framer's rule.
    FrameMalformed,
    /// A proxy did not say what it must (PROXY protocol), or does not lead where it is asked to.
    Proxy,
    /// TLS could not be agreed on, or the other side broke its rules or ended it by an alert.
    Tls,
    /// A value that cannot be read, such as an address.
    Invalid,
    /// Anything else the system reports.
    Io,
}

impl Kind {
    /// Returns the name used in JSON events and in documentation.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Refused => "refused",
            Kind::TimedOut => "timed_out",
            Kind::Unreachable => "unreachable",
            Kind::NotFound => "not_found",
            Kind::Reset => "reset",
            Kind::Ended => "ended",
            Kind::AddressInUse => "address_in_use",
            Kind::AddressNotAvailable => "address_not_available",
            Kind::PermissionDenied => "permission_denied",
            Kind::Exhausted => "exhausted",
            Kind::Stopped => "stopped",
            Kind::FrameTooLarge => "frame_too_large",
            Kind::FrameMalformed => "frame_malformed",
            Kind::Proxy => "proxy",
            Kind::Tls => "tls",
            Kind::Invalid => "invalid",
            Kind::Io => "io",
        }
    }

    /// Sorts an error of the system; `ErrorKind` first, errno where that is too coarse.
    pub fn of(error: &io::Error) -> Kind {
        use io::ErrorKind as E;
        if error.get_ref().is_some_and(|inner| inner.is::<TlsFailure>()) {
            return Kind::Tls;
        }
        match error.kind() {
            E::ConnectionRefused => Kind::Refused,
            E::TimedOut => Kind::TimedOut,
            E::HostUnreachable | E::NetworkUnreachable | E::NetworkDown => Kind::Unreachable,
            E::NotFound => Kind::NotFound,
            E::ConnectionReset | E::ConnectionAborted | E::BrokenPipe => Kind::Reset,
            E::UnexpectedEof => Kind::Ended,
            E::AddrInUse => Kind::AddressInUse,
            E::AddrNotAvailable => Kind::AddressNotAvailable,
            E::PermissionDenied => Kind::PermissionDenied,
            E::OutOfMemory | E::QuotaExceeded => Kind::Exhausted,
            _ => match error.raw_os_error() {
                // EMFILE, ENFILE and ENOBUFS have no `ErrorKind` of their own.
                #[cfg(unix)]
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS) => Kind::Exhausted,
                #[cfg(unix)]
                Some(libc::EHOSTDOWN) => Kind::Unreachable,
                _ => Kind::Io,
            },
        }
    }
}

/// What a running TLS connection failed by, inside an [`io::Error`].
#[derive(Debug, Clone)]
pub(crate) struct TlsFailure(pub(crate) std::sync::Arc<str>);

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsFailure {}

/// A failed operation: what was tried, where, what sort of failure, and the system's own error below it.
///
/// Prints as a fragment that reads after a colon: `connect 127.0.0.1:9: connection refused`.
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    operation: &'static str,
    address: Option<String>,
    kind: Kind,
    /// Replaces the source's text where ours says more.
    message: Option<String>,
    source: Option<io::Error>,
    attempts: Vec<Error>,
    /// Trying again may help, though the kind does not say so.
    may_pass: bool,
}

impl Error {
    /// Wraps an error of the system; the kind follows from it.
    pub fn io(operation: &'static str, source: io::Error) -> Error {
        let kind = Kind::of(&source);
        Error(Box::new(Inner {
            operation,
            address: None,
            kind,
            message: None,
            source: Some(source),
            attempts: Vec::new(),
            may_pass: false,
        }))
    }

    /// Makes an error in our own words.
    pub fn new(operation: &'static str, kind: Kind, message: impl Into<String>) -> Error {
        let message = Some(message.into());
        let attempts = Vec::new();
        Error(Box::new(Inner { operation, address: None, kind, message, source: None, attempts, may_pass: false }))
    }

    /// Adds where it happened, as printed.
    #[must_use]
    pub fn at(mut self, address: impl fmt::Display) -> Error {
        self.0.address = Some(address.to_string());
        self
    }

    /// Adds the failures of the single addresses that together make this one.
    #[must_use]
    pub fn with_attempts(mut self, attempts: Vec<Error>) -> Error {
        self.0.attempts = attempts;
        self
    }

    /// Names the operation anew: the same system call means another thing to who has asked for it.
    pub(crate) fn during(mut self, operation: &'static str) -> Error {
        self.0.operation = operation;
        self
    }

    /// Says that trying again may help, though the kind alone does not: a proxy reports that its destination is not there yet.
    pub(crate) fn that_may_pass(mut self) -> Error {
        self.0.may_pass = true;
        self
    }

    /// Tells whether trying again may help: nobody listens yet, or nobody answers, or the name is not there yet.
    pub(crate) fn may_pass(&self) -> bool {
        use Kind::{Exhausted, NotFound, Refused, Reset, TimedOut, Unreachable};
        self.0.may_pass || matches!(self.kind(), Refused | TimedOut | Unreachable | NotFound | Reset | Exhausted)
    }

    /// Returns the verb of what was tried: `connect`, `bind`, `read`, ...
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// Returns where it was tried, as printed.
    pub fn address(&self) -> Option<&str> {
        self.0.address.as_deref()
    }

    /// Returns the sort of failure.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Returns each address with its own reason, where several were tried.
    pub fn attempts(&self) -> &[Error] {
        &self.0.attempts
    }

    /// Returns the system's error number, where there is one.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.source.as_ref().and_then(io::Error::raw_os_error)
    }

    /// Tells whether nobody listened at the address.
    pub fn is_refused(&self) -> bool {
        self.kind() == Kind::Refused
    }

    /// Tells whether the time allowed ran out.
    pub fn is_timed_out(&self) -> bool {
        self.kind() == Kind::TimedOut
    }

    /// Tells whether the peer aborted the connection.
    pub fn is_reset(&self) -> bool {
        self.kind() == Kind::Reset
    }

    /// Returns the cause alone, without operation and address.
    pub fn cause(&self) -> String {
        if let Some(message) = &self.0.message {
            return message.clone();
        }
        match (&self.0.source, self.kind()) {
            (_, Kind::Refused) => "connection refused".into(),
            (_, Kind::Reset) => "connection reset by peer".into(),
            (Some(source), _) => plain(source),
            (None, kind) => kind.name().replace('_', " "),
        }
    }
}

/// Prints a system error as a fragment: lower case, without `(os error N)`.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    match chars.next() {
        // "Address already in use", but not "EOF" or "RST": a second capital means an abbreviation.
        Some(first) if !chars.clone().next().is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_string(),
    }
}

impl Clone for Error {
    /// The copy's [`source`](std::error::Error::source) keeps the system's error number.
    fn clone(&self) -> Error {
        let inner = &*self.0;
        Error(Box::new(Inner {
            operation: inner.operation,
            address: inner.address.clone(),
            kind: inner.kind,
            message: Some(self.cause()),
            source: inner.source.as_ref().and_then(io::Error::raw_os_error).map(io::Error::from_raw_os_error),
            attempts: inner.attempts.clone(),
            may_pass: inner.may_pass,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.operation)?;
        if let Some(address) = &self.0.address {
            write!(f, " {address}")?;
        }
        write!(f, ": {}", self.cause())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self}; {:?})", self.0)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

impl From<io::Error> for Error {
    /// For handlers that use `?` on plain IO; library code names its operation with [`Error::io`].
    fn from(source: io::Error) -> Error {
        Error::io("io", source)
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Error {
        Error::new("read", Kind::Invalid, invalid.to_string())
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Error {
        match never {}
    }
}

/// A value that a user wrote and that cannot be read: what it should be, where it goes wrong, and what to write instead.
///
/// Prints as one line: `invalid escape in "ab\q": unknown escape \q at byte 2; write \\ for a backslash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// What the value should have been: `address`, `duration`, `escape`, ...
    pub what: &'static str,
    /// The value as written.
    pub input: String,
    /// The byte offset in `input` where it goes wrong, where one place can be named.
    pub at: Option<usize>,
    /// What is wrong there.
    pub problem: String,
    /// What to write instead.
    pub instead: Option<String>,
}

impl Invalid {
    /// Makes one without a place and without advice.
    pub fn new(what: &'static str, input: impl Into<String>, problem: impl Into<String>) -> Invalid {
        Invalid { what, input: input.into(), at: None, problem: problem.into(), instead: None }
    }

    /// Adds the byte offset where it goes wrong.
    #[must_use]
    pub fn at(mut self, offset: usize) -> Invalid {
        self.at = Some(offset);
        self
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn instead(mut self, advice: impl Into<String>) -> Invalid {
        self.instead = Some(advice.into());
        self
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The user's own words come back as typed, backslashes included; only what would move the cursor is escaped.
        let shown: String = self
            .input
            .chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
            .collect();
        write!(f, "invalid {} \"{shown}\": {}", self.what, self.problem)?;
        if let Some(at) = self.at {
            write!(f, " at byte {at}")?;
        }
        if let Some(instead) = &self.instead {
            write!(f, "; {instead}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_after_a_colon() {
        let error = Error::io("connect", io::Error::from_raw_os_error(libc::ECONNREFUSED)).at("127.0.0.1:9");
        assert_eq!(error.to_string(), "connect 127.0.0.1:9: connection refused");
        assert!(error.is_refused());
    }

    #[test]
    fn running_out_of_descriptors_is_exhaustion() {
        let error = Error::io("accept", io::Error::from_raw_os_error(libc::EMFILE));
        assert_eq!(error.kind(), Kind::Exhausted);
        assert_eq!(error.to_string(), "accept: too many open files");
    }

    #[test]
    fn invalid_points_and_advises() {
        let invalid = Invalid::new("escape", r"ab\q", r"unknown escape \q").at(2).instead(r"write \\ for a backslash");
        assert_eq!(
            invalid.to_string(),
            r#"invalid escape "ab\q": unknown escape \q at byte 2; write \\ for a backslash"#
        );
    }
}
