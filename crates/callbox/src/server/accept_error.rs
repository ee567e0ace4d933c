//! What an error of `accept` concerns; none of them ends a server by accident.

use std::io;

/// What an accept error concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AcceptError {
    /// The one connection that is lost; accept(2) lists the network errors among these.
    ThisConnection,
    /// The system is out of descriptors or memory.
    OutOfResources,
    /// The listener itself.
    ListenerGone,
}

pub(super) fn sort(error: &io::Error) -> AcceptError {
    match error.raw_os_error() {
        Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EFAULT) => AcceptError::ListenerGone,
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => AcceptError::OutOfResources,
        Some(
            libc::ECONNABORTED
            | libc::EINTR
            | libc::EPROTO
            | libc::EPERM
            | libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::ENOPROTOOPT
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::EOPNOTSUPP
            | libc::ECONNRESET
            | libc::ETIMEDOUT,
        ) => AcceptError::ThisConnection,
        // What nobody has thought of must neither end the server nor spin.
        _ => AcceptError::OutOfResources,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_errors_are_sorted_and_the_unknown_one_pauses() {
        let sorted = |errno| sort(&io::Error::from_raw_os_error(errno));
        for errno in [libc::ECONNABORTED, libc::EPROTO, libc::EPERM, libc::EINTR, libc::ENETDOWN] {
            assert_eq!(sorted(errno), AcceptError::ThisConnection, "{errno}");
        }
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EIO] {
            assert_eq!(sorted(errno), AcceptError::OutOfResources, "{errno}");
        }
        assert_eq!(sorted(libc::EBADF), AcceptError::ListenerGone);
    }
}
