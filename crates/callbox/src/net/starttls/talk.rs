//! The words of a dialogue in the clear: lines, replies with a code, exact numbers of bytes, each with a bound.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

use crate::net::exact::{look, receive_all, send_all, take};
use crate::text::safe;

/// The longest dialogue that is listened to, in bytes: servers say some hundred.
pub(super) const DIALOGUE_BYTES: usize = 64 * 1024;
/// Characters of a server's words that are shown.
const SHOWN_CHARS: usize = 200;

/// Why TLS does not begin.
#[derive(Debug)]
pub(super) enum Failed {
    /// The connection failed, or ended.
    Io(io::Error),
    /// The server says no, or something else than the protocol has; as shown.
    Said(String),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::Io(error)
    }
}

/// A dialogue.
pub(super) struct Talk<'a> {
    socket: &'a AsyncFd<OwnedFd>,
    heard: usize,
}

/// A reply of SMTP and FTP: lines with one code.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// Without codes and line ends.
    pub(super) lines: Vec<String>,
}

impl<'a> Talk<'a> {
    pub(super) fn new(socket: &'a AsyncFd<OwnedFd>) -> Talk<'a> {
        Talk { socket, heard: 0 }
    }

    pub(super) async fn say(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Failed> {
        Ok(send_all(self.socket, bytes.as_ref()).await?)
    }

    /// Receives exactly so many bytes.
    pub(super) async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Failed> {
        self.note(count)?;
        Ok(receive_all(self.socket, count).await?)
    }

    /// Receives up to and including the next `end`.
    pub(super) async fn until(&mut self, end: u8) -> Result<Vec<u8>, Failed> {
        let mut received = Vec::new();
        loop {
            let seen = look(self.socket).await?;
            let found = memchr::memchr(end, &seen).map(|at| at + 1);
            let count = found.unwrap_or(seen.len());
            self.note(count)?;
            take(self.socket, count).await?;
            received.extend_from_slice(&seen[..count]);
            if found.is_some() {
                return Ok(received);
            }
        }
    }

    /// Receives a line and returns it without its end.
    pub(super) async fn line(&mut self) -> Result<String, Failed> {
        let line = self.until(b'\n').await?;
        Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Receives a reply of one line or several: `250-first`, `250 last`.
    pub(super) async fn reply(&mut self) -> Result<Reply, Failed> {
        let mut lines = Vec::new();
        let mut first: Option<u16> = None;
        loop {
            let line = self.line().await?;
            let code = line.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
            let code = code.and_then(|code| code.parse().ok());
            match (first, code, line.as_bytes().get(3)) {
                (None, Some(code), Some(b'-')) => first = Some(code),
                (None, Some(code), Some(b' ') | None) => {
                    lines.push(rest(&line));
                    return Ok(Reply { code, lines });
                }
                (Some(due), Some(code), Some(b' ') | None) if due == code => {
                    lines.push(rest(&line));
                    return Ok(Reply { code, lines });
                }
                // In FTP what is between the first and the last line may be anything.
                (Some(_), _, _) => {}
                (None, _, _) => return Err(unexpected("a reply with a code", &line)),
            }
            lines.push(rest(&line));
        }
    }

    fn note(&mut self, count: usize) -> Result<(), Failed> {
        self.heard += count;
        if self.heard > DIALOGUE_BYTES {
            return Err(Failed::Said(format!("more than {DIALOGUE_BYTES} bytes, and nothing of TLS")));
        }
        Ok(())
    }
}

impl Reply {
    /// Returns its code and its last line, as they came.
    pub(super) fn text(&self) -> String {
        format!("{} {}", self.code, self.lines.last().map_or("", String::as_str)).trim_end().to_owned()
    }
}

/// Returns a reply's line without its code.
fn rest(line: &str) -> String {
    line.get(4..).unwrap_or_default().to_owned()
}

/// Makes words of a server fit to be shown.
pub(super) fn shown(words: &str) -> String {
    safe(&words.chars().take(SHOWN_CHARS).collect::<String>()).into_owned()
}

/// Says what came where something else was due.
pub(super) fn unexpected(due: &str, line: &str) -> Failed {
    Failed::Said(format!("{due} was due, and the server said: {}", shown(line)))
}

/// Says that the server refused.
pub(super) fn refused(words: &str) -> Failed {
    Failed::Said(format!("the server refused: {}", shown(words)))
}

/// Says that the server does not offer it.
pub(super) fn not_offered(what: &str) -> Failed {
    Failed::Said(format!("the server does not offer {what}"))
}
