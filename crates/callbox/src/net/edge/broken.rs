//! How a connection has broken, as one number: errno, or what TLS alone knows.

use std::io;
use std::sync::atomic::Ordering::Relaxed;

use super::{Edge, peer_reset};
use crate::direction::Role;
use crate::error::{Kind, TlsFailure};
use crate::termination::Termination;

/// TLS's stream ended without its word. No errno is negative.
pub(super) const TRUNCATED: i32 = -1;
/// TLS's rules were broken, or an alert came.
const TLS: i32 = -2;

/// Returns the number of an error, never 0.
pub(super) fn code(error: &io::Error) -> i32 {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            libc::ECONNRESET
        }
        _ if Kind::of(error) == Kind::Tls => TLS,
        io::ErrorKind::UnexpectedEof => TRUNCATED,
        _ => error.raw_os_error().unwrap_or(libc::EIO),
    }
}

/// Returns the error that a number stands for, for whoever was not there when it came.
pub(super) fn error(code: i32) -> io::Error {
    match code {
        TRUNCATED => io::ErrorKind::UnexpectedEof.into(),
        TLS => io::Error::new(io::ErrorKind::InvalidData, TlsFailure("the connection has failed before".into())),
        errno => io::Error::from_raw_os_error(errno),
    }
}

/// Returns what a number means for the session, `side` being who sat at the other end; `None` where nothing has broken.
pub(super) fn termination(code: i32, side: Role) -> Option<Termination> {
    match code {
        0 => None,
        libc::ECONNRESET => Some(peer_reset(side.other())),
        libc::ETIMEDOUT | libc::EHOSTUNREACH | libc::ENETUNREACH => Some(Termination::PeerTimeout),
        TRUNCATED => Some(Termination::TlsTruncated),
        TLS => Some(Termination::TlsFailed),
        _ => Some(Termination::IoError),
    }
}

impl Edge {
    /// Returns how a broken connection ended for the session it was a side of, `side` being who sat at the other end.
    pub(crate) fn broken_end(&self, side: Role) -> Option<Termination> {
        termination(self.broken.load(Relaxed), side)
    }
}
