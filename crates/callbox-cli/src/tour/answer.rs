//! What the kernel answers: counts, error numbers, TCP states, and how each is shown.

use std::io;
use std::os::fd::AsFd;

use callbox::net::sys::tcp_state;
use callbox::text::escape;
pub(crate) use rustix::io::Errno;

use crate::lang::{Both, both};

/// What a system call answered: a value, or an error number.
pub(crate) type Outcome<T> = Result<T, Errno>;

/// A TCP state by the kernel's number, as `TCP_INFO` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(u8);

impl State {
    /// The system does not tell.
    pub(crate) const UNKNOWN: State = State(0);
    /// Both ends may send.
    pub(crate) const ESTABLISHED: State = State(1);
    /// Neither connected nor listening.
    pub(crate) const CLOSED: State = State(7);
    /// The peer's end of stream has come, ours has not been sent.
    pub(crate) const CLOSE_WAIT: State = State(8);
    /// Takes in clients.
    pub(crate) const LISTEN: State = State(10);

    /// Asks the kernel.
    pub(crate) fn of(socket: impl AsFd) -> State {
        State(tcp_state(socket.as_fd()))
    }

    /// Returns the name RFC 9293 gives it, spelled as the kernel spells such names.
    pub(crate) fn name(self) -> &'static str {
        const NAMES: [&str; 12] = [
            "UNKNOWN",
            "ESTABLISHED",
            "SYN_SENT",
            "SYN_RECEIVED",
            "FIN_WAIT_1",
            "FIN_WAIT_2",
            "TIME_WAIT",
            "CLOSED",
            "CLOSE_WAIT",
            "LAST_ACK",
            "LISTEN",
            "CLOSING",
        ];
        NAMES.get(usize::from(self.0)).copied().unwrap_or("UNKNOWN")
    }
}

/// Returns the error number of a failed call; one without a number counts as EIO.
pub(crate) fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Returns an error number's name: `ECONNREFUSED`.
pub(crate) fn errno_name(errno: Errno) -> String {
    let name = match errno {
        Errno::CONNREFUSED => "ECONNREFUSED",
        Errno::CONNRESET => "ECONNRESET",
        Errno::NOTCONN => "ENOTCONN",
        Errno::PIPE => "EPIPE",
        Errno::INVAL => "EINVAL",
        Errno::AGAIN => "EAGAIN",
        Errno::ADDRINUSE => "EADDRINUSE",
        Errno::ADDRNOTAVAIL => "EADDRNOTAVAIL",
        Errno::ACCESS => "EACCES",
        Errno::PERM => "EPERM",
        Errno::MFILE => "EMFILE",
        Errno::NFILE => "ENFILE",
        Errno::OPNOTSUPP => "EOPNOTSUPP",
        Errno::TIMEDOUT => "ETIMEDOUT",
        Errno::NETUNREACH => "ENETUNREACH",
        Errno::CONNABORTED => "ECONNABORTED",
        Errno::IO => "EIO",
        other => return format!("errno {}", other.raw_os_error()),
    };
    name.into()
}

/// Shows an error number with what it means here.
fn refusal(errno: Errno) -> Both {
    let name = errno_name(errno);
    match errno {
        Errno::CONNREFUSED => both!("{name}: nobody listens there", "{name}：该地址无人监听"),
        Errno::NOTCONN => both!("{name}: not connected", "{name}：尚未连接"),
        Errno::PIPE => both!("{name}: no connection to send on", "{name}：没有可用的连接"),
        Errno::INVAL => both!("{name}: it does not listen", "{name}：该套接字未在监听"),
        Errno::AGAIN => both!("{name}: nothing has come yet", "{name}：还没有数据到达"),
        Errno::ADDRINUSE => both!("{name}: the address is taken", "{name}：地址已被占用"),
        _ => name.into(),
    }
}

/// Shows what a call answered that returns 0 or fails.
pub(crate) fn done(outcome: &Outcome<()>) -> Both {
    outcome.map_or_else(refusal, |()| "0".into())
}

/// Shows how many bytes `send` took.
pub(crate) fn sent(outcome: &Outcome<usize>) -> Both {
    outcome.map_or_else(refusal, |count| both!("{count} bytes taken", "发出 {count} 字节"))
}

/// Shows what `recv` brought.
pub(crate) fn received(outcome: &Outcome<Vec<u8>>) -> Both {
    match outcome {
        Err(errno) => refusal(*errno),
        Ok(bytes) if bytes.is_empty() => both!("0: end of stream", "0：对方已停止发送"),
        Ok(bytes) => {
            let (count, text) = (bytes.len(), escape(bytes));
            both!("{count} bytes: \"{text}\"", "{count} 字节：\"{text}\"")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_names_of_their_numbers() {
        assert_eq!(State(1).name(), "ESTABLISHED");
        assert_eq!(State::CLOSE_WAIT.name(), "CLOSE_WAIT");
        assert_eq!(State::LISTEN.name(), "LISTEN");
        assert_eq!(State(200).name(), "UNKNOWN");
    }

    #[test]
    fn error_numbers_are_shown_by_name_or_by_number() {
        assert_eq!(errno_name(Errno::CONNREFUSED), "ECONNREFUSED");
        assert_eq!(errno_name(Errno::from_raw_os_error(4000)), "errno 4000");
        assert_eq!(errno(&io::Error::other("no number")), Errno::IO);
    }

    #[test]
    fn no_bytes_are_an_end_of_stream() {
        assert_eq!(received(&Ok(Vec::new())).en, "0: end of stream");
        assert_eq!(received(&Ok(b"a\x1b".to_vec())).en, "2 bytes: \"a\\x1b\"");
    }
}
