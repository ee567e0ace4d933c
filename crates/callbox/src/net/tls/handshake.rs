//! From a connected socket to one on which TLS is spoken, within a time that no byte moves.

use std::fmt;
use std::future::poll_fn;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use rustls::Connection;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout, timeout_at};

use super::Trust;
use super::facts::tls_facts;
use super::stream::{Engine, Tls};
use crate::error::plain;
use crate::event::Refusal;
use crate::net::wire::poll_recv;
use crate::text::escape;
use crate::units::show_duration;

/// Received at once while the two agree: most flights are smaller.
const PIECE_BYTES: usize = 4096;
/// What is told of plain text that came instead.
const SHOWN_BYTES: usize = 40;
/// How long a side that was told why it is not wanted may go on sending, so that closing does not overtake what it is told.
const PARTING: Duration = Duration::from_secs(1);
/// How much it may send meanwhile.
const PARTING_BYTES: usize = 64 * 1024;
/// The types of records (RFC 8446, section 5.1), all that a connection can begin with.
const RECORD_TYPES: std::ops::RangeInclusive<u8> = 20..=23;

/// What a handshake needs to know besides the connection.
pub(super) struct Shake {
    /// The name that a client asks for.
    pub(super) asked: Option<String>,
    pub(super) trust: Trust,
    pub(super) deadline: Instant,
    /// How long that is in all, for what is said when it is over; `None` where connecting has to be done earlier.
    pub(super) allowed: Option<Duration>,
}

/// A handshake that came to nothing.
pub(crate) struct Unmet {
    socket: AsyncFd<OwnedFd>,
    /// Why such a connection is turned away.
    pub(crate) reason: Refusal,
    /// In a line, safe to show.
    pub(crate) message: String,
}

/// What went wrong.
enum Wrong {
    /// The other side broke rules, or ours say no; it has been told.
    Rules,
    /// It does not speak TLS.
    Plain(String),
    /// The stream ended.
    Ended,
    Failed(std::io::Error),
}

/// Speaks until both sides agree, and until all that we have to say for it has gone.
pub(super) async fn handshake(socket: AsyncFd<OwnedFd>, connection: Connection, shake: Shake) -> Result<Tls, Unmet> {
    let mut engine = Engine::new(connection);
    let mut heard = Vec::new();
    let met = poll_fn(|cx| poll_shake(&socket, &mut engine, &mut heard, cx));
    let (reason, message) = match timeout_at(shake.deadline, met).await {
        Ok(Ok(())) => {
            let facts = tls_facts(&engine.connection, shake.asked.as_deref(), shake.trust);
            return Ok(Tls::new(socket, engine, facts));
        }
        Ok(Err(Wrong::Rules)) => (Refusal::Tls, engine.failed().unwrap_or_default()),
        Ok(Err(Wrong::Plain(message))) => (Refusal::NotTls, message),
        Ok(Err(Wrong::Ended)) if heard.is_empty() => (Refusal::Tls, "the other side ended the stream at once".into()),
        Ok(Err(Wrong::Ended)) => (Refusal::Tls, "the other side ended the stream in the middle of it".into()),
        Ok(Err(Wrong::Failed(error))) => (Refusal::Tls, plain(&error)),
        Err(_late) => {
            let message = match shake.allowed {
                Some(allowed) => format!("not done within {}", show_duration(allowed)),
                None => "not done before the time to connect was over".into(),
            };
            (Refusal::HandshakeTimeout, message)
        }
    };
    Err(Unmet { socket, reason, message })
}

/// Goes on as far as it can now. `heard` gets the first bytes of the other side.
fn poll_shake(
    socket: &AsyncFd<OwnedFd>,
    engine: &mut Engine,
    heard: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Wrong>> {
    loop {
        // Who is gone may have said why before.
        let broken = ready!(engine.poll_flush(socket, cx)).err();
        if !engine.connection.is_handshaking() && broken.is_none() {
            return Poll::Ready(Ok(()));
        }
        let mut piece = [0; PIECE_BYTES];
        let read = match (ready!(poll_recv(socket, cx, &mut piece)), broken) {
            (Ok(read), None) => read,
            (Ok(read), Some(_)) if read > 0 => read,
            (Err(error), _) | (Ok(_), Some(error)) => return Poll::Ready(Err(Wrong::Failed(error))),
        };
        if read == 0 {
            return Poll::Ready(Err(Wrong::Ended));
        }
        let first = heard.is_empty();
        heard.extend(piece[..read].iter().take(SHOWN_BYTES.saturating_sub(heard.len())));
        if first && !RECORD_TYPES.contains(&piece[0]) {
            // With enough for a record's head, it finds out for itself and has an alert for whoever understands it.
            let _ = engine.understand(&piece[..read.max(LONGEST_HEAD)], &mut []);
            engine.flush_now(socket);
            return Poll::Ready(Err(Wrong::Plain(no_tls(heard, &engine.connection))));
        }
        if engine.understand(&piece[..read], &mut []).is_err() || engine.failed().is_some() {
            engine.flush_now(socket);
            return Poll::Ready(Err(Wrong::Rules));
        }
    }
}

/// A record's head (RFC 8446, section 5.1).
const LONGEST_HEAD: usize = 5;

/// Says that plain text came, and what.
fn no_tls(heard: &[u8], connection: &Connection) -> String {
    let line = heard.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let more = if line.len() < heard.len() || heard.len() == SHOWN_BYTES { "..." } else { "" };
    let who = match connection {
        Connection::Client(_) => "the server does not speak TLS here",
        Connection::Server(_) => "the client does not speak TLS",
    };
    format!("{who}: it sent \"{}\"{more}", escape(line))
}

impl Unmet {
    /// One that came to nothing before it began.
    pub(super) fn unprepared(socket: AsyncFd<OwnedFd>, error: rustls::Error) -> Unmet {
        Unmet { socket, reason: Refusal::Tls, message: error.to_string() }
    }

    /// Tells whether the other side has been told why, or has gone.
    fn is_told(&self) -> bool {
        self.reason != Refusal::HandshakeTimeout
    }

    /// Closes so that what the other side was told can arrive: our end of stream first, and what it has sent is not left
    /// unread. Who was only slow is reset.
    pub(crate) async fn part(self) {
        if !self.is_told() {
            let _ = socket2::SockRef::from(self.socket.get_ref()).set_linger(Some(Duration::ZERO));
            return;
        }
        let _ = shutdown(self.socket.get_ref().as_fd(), Shutdown::Write);
        let mut discarded = 0;
        let discard = poll_fn(|cx| {
            let mut piece = [0; PIECE_BYTES];
            while discarded < PARTING_BYTES {
                match ready!(poll_recv(&self.socket, cx, &mut piece)) {
                    Ok(read) if read > 0 => discarded += read,
                    _ => break,
                }
            }
            Poll::Ready(())
        });
        let _ = timeout(PARTING, discard).await;
    }

    /// The same, as far as it goes without waiting.
    pub(super) fn part_now(&self) {
        let fd = self.socket.get_ref().as_fd();
        let _ = shutdown(fd, Shutdown::Write);
        let mut piece = [0; PIECE_BYTES];
        let mut discarded = 0;
        while discarded < PARTING_BYTES {
            match recv(fd, &mut piece, RecvFlags::DONTWAIT) {
                Ok((read, _)) if read > 0 => discarded += read,
                _ => return,
            }
        }
    }
}

impl fmt::Debug for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unmet({:?}, {})", self.reason, self.message)
    }
}
