//! What is asked on a connection, and what is heard.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::error::{Error, Invalid, Kind, Result};
use crate::handle::exchange::{Answer, Until};
use crate::net::stream::Stream;
use crate::text::escape;
use crate::units::show_duration;

/// How much of an answer that is not the one awaited is shown.
pub const HEARD_BYTES: usize = 128;

/// What is sent, if anything, and where the answer ends.
///
/// Where the answer ends with the stream (`end`), our own end of stream follows what is sent.
#[derive(Debug, Clone)]
pub struct Question {
    request: Bytes,
    until: Until,
}

impl Question {
    /// Makes one; without a request the server is expected to speak first.
    ///
    /// # Errors
    ///
    /// `frame`: nothing here cuts frames. `as-sent` where nothing is sent.
    pub fn new(request: impl Into<Bytes>, until: Until) -> Result<Question, Invalid> {
        if matches!(until, Until::Frame) {
            let invalid = Invalid::new("until", "frame", "nothing cuts frames here");
            return Err(invalid.instead("write what the answer ends with, or bytes:16"));
        }
        let request = request.into();
        let until = match until {
            Until::AsSent if request.is_empty() => {
                let invalid = Invalid::new("until", "as-sent", "nothing is sent");
                return Err(invalid.instead("say what is sent, or bytes:16"));
            }
            Until::AsSent => Until::Bytes(request.len() as u64),
            until => until,
        };
        Ok(Question { request, until })
    }

    /// Returns what is sent.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Returns where the answer ends.
    pub fn until(&self) -> &Until {
        &self.until
    }

    /// Asks it. Sending and receiving do not wait for each other; an answer may end before everything is sent. What was heard
    /// stays in `heard` also when the future is dropped.
    pub(super) async fn ask(&self, stream: &Stream, heard: &mut Heard) -> Result<()> {
        let begun = Instant::now();
        let mut answer = Answer::awaiting(&self.until);
        let mut sending = Sending { unsent: &self.request, ends: matches!(self.until, Until::End), failure: None };
        let ended = poll_fn(|cx| {
            sending.go_on(stream, cx);
            loop {
                let taken = ready!(stream.poll_chunk_with(cx, |_, bytes| heard.take(bytes, &mut answer)))?;
                match taken {
                    Some(Whole(true)) => return Poll::Ready(Ok::<bool, Error>(false)),
                    Some(Whole(false)) => {}
                    None => return Poll::Ready(Ok(true)),
                }
            }
        });
        let ended = ended.await?;
        heard.over = Some(Instant::now());
        if !ended || matches!(self.until, Until::End) {
            return Ok(());
        }
        let after = show_duration(begun.elapsed());
        let message = match heard.bytes {
            0 => format!("closed after {after}, and said nothing"),
            _ => format!("closed after {after}, and {}", self.not_answered(heard)),
        };
        Err(sending.failure.unwrap_or_else(|| Error::new("ask", Kind::Ended, message).at(stream.session().peer())))
    }

    /// The error of an answer that did not come whole within a time.
    pub(super) fn too_late(&self, heard: &Heard, within: Duration) -> Error {
        let within = show_duration(within);
        let message = match heard.bytes {
            0 => format!("accepted, but said nothing within {within}"),
            _ => format!("accepted, and within {within} {}", self.not_answered(heard)),
        };
        Error::new("ask", Kind::TimedOut, message)
    }

    /// Says what was heard instead.
    fn not_answered(&self, heard: &Heard) -> String {
        let shown = escape(&heard.head);
        let rest = heard.bytes - heard.head.len() as u64;
        let more = if rest > 0 { format!(" and {rest} more bytes") } else { String::new() };
        match &self.until {
            Until::Pattern(pattern) => format!("said \"{shown}\"{more}, but not \"{pattern}\""),
            Until::Bytes(due) => format!("said {} of {due} bytes, \"{shown}\"{more}", heard.bytes),
            Until::End => format!("said \"{shown}\"{more}, but did not end its stream"),
            Until::Any | Until::Frame | Until::AsSent => format!("said \"{shown}\"{more}"),
        }
    }
}

/// What is still to be sent.
struct Sending<'a> {
    unsent: &'a [u8],
    /// Our end of stream follows.
    ends: bool,
    /// Why it cannot be sent. What comes may still be the answer.
    failure: Option<Error>,
}

impl Sending<'_> {
    fn go_on(&mut self, stream: &Stream, cx: &mut Context<'_>) {
        while !self.unsent.is_empty() && self.failure.is_none() {
            match stream.poll_send(cx, self.unsent) {
                Poll::Ready(Ok(sent)) => self.unsent = &self.unsent[sent..],
                Poll::Ready(Err(error)) => self.failure = Some(error),
                Poll::Pending => return,
            }
        }
        if self.ends && self.failure.is_none() {
            match stream.edge().poll_shutdown(cx) {
                Poll::Ready(Ok(())) => self.ends = false,
                Poll::Ready(Err(error)) => self.failure = Some(stream.edge().failed("shutdown", error)),
                Poll::Pending => {}
            }
        }
    }
}

/// Whether the answer is whole.
struct Whole(bool);

/// What came of an answer.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// When the first byte came.
    pub(super) first_byte: Option<Instant>,
    /// When it was whole, or the stream ended.
    pub(super) over: Option<Instant>,
    bytes: u64,
    /// The first of them.
    head: Vec<u8>,
}

impl Heard {
    fn take(&mut self, bytes: &[u8], answer: &mut Answer) -> Whole {
        self.first_byte.get_or_insert_with(Instant::now);
        self.bytes += bytes.len() as u64;
        let room = HEARD_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Whole(answer.feed(bytes).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(request: &'static str, until: &str) -> Question {
        Question::new(request, until.parse().expect("good")).expect("no frames")
    }

    #[tokio::test]
    async fn an_answer_may_come_in_pieces() {
        let (client, mut server) = Stream::pair();
        let asking = tokio::spawn(async move {
            let mut heard = Heard::default();
            question("PING\r\n", "+PONG").ask(&client, &mut heard).await.map(|()| heard)
        });
        assert_eq!(server.chunk().await.expect("reads").as_deref(), Some(&b"PING\r\n"[..]));
        server.write_all(b"+PO").await.expect("writes");
        server.write_all(b"NG\r\n").await.expect("writes");
        let heard = asking.await.expect("no panic").expect("is answered");
        assert!(heard.first_byte <= heard.over);
    }

    #[tokio::test]
    async fn a_request_larger_than_all_buffers_is_answered_while_it_is_sent() {
        let (client, mut server) = Stream::pair();
        let size = 4 * crate::net::stream::PAIR_BYTES;
        let echo = tokio::spawn(async move {
            while let Some(chunk) = server.chunk().await.expect("reads") {
                server.write_all(&chunk).await.expect("writes");
            }
        });
        let question = Question::new(vec![b'x'; size], Until::Bytes(size as u64)).expect("no frames");
        question.ask(&client, &mut Heard::default()).await.expect("all of it comes back");
        drop(client);
        echo.await.expect("no panic");
    }

    #[tokio::test]
    async fn until_the_end_our_own_end_follows_the_request() {
        let (client, mut server) = Stream::pair();
        let answering = tokio::spawn(async move {
            assert_eq!(server.chunk().await.expect("reads").as_deref(), Some(&b"GET"[..]));
            assert_eq!(server.chunk().await.expect("reads"), None);
            server.write_all(b"all of it").await.expect("writes");
            server.shutdown().await.expect("ends");
        });
        question("GET", "end").ask(&client, &mut Heard::default()).await.expect("the end is the answer's");
        answering.await.expect("no panic");
    }

    #[tokio::test]
    async fn what_came_instead_is_said() {
        let said = async |bytes: &[u8], until| {
            let (client, mut server) = Stream::pair();
            server.write_all(bytes).await.expect("writes");
            server.shutdown().await.expect("ends");
            let error = question("", until).ask(&client, &mut Heard::default()).await.expect_err("not the answer");
            assert_eq!(error.kind(), Kind::Ended);
            let cause = error.cause();
            cause.split_once(", and ").expect("two parts").1.to_owned()
        };
        assert_eq!(said(b"", "220 ").await, "said nothing");
        assert_eq!(said(b"554 \x1bno\r\n", "220 ").await, "said \"554 \\x1bno\\r\\n\", but not \"220 \"");
        assert_eq!(said(b"abc", "bytes:5").await, "said 3 of 5 bytes, \"abc\"");
        let long = said(&[b'x'; 200], "y").await;
        assert!(long.contains("\" and 72 more bytes, but not"), "{long}");
    }

    #[test]
    fn frames_are_refused() {
        let refused = Question::new("x", Until::Frame).expect_err("nothing cuts them");
        assert!(refused.to_string().contains("nothing cuts frames here"), "{refused}");
    }
}
