//! The exchanges of one connection, one after the other: waits for a turn, sends, receives, and again.
//!
//! Whatever it waits for, it reads: a peer that goes away is noticed between exchanges, and one that answers before it has read
//! the request makes nobody wait for ever. No exchange allocates anything, unless its request is made for it.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use tokio::time::{Instant, Sleep, sleep_until};

use super::incoming::{Came, Incoming};
use super::verify::Asked;
use super::{Dialogue, Done, Exchange, Outcome, Stopwatch, Turn};
use crate::error::{Error, Kind, Result};
use crate::frame::FrameError;
use crate::net::stream::{Stream, TURN_BYTES};
use crate::rng::Rng;
use crate::session::Session;
use crate::termination::Termination;
use crate::text::Facts;
use crate::units::show_duration;

/// How many exchanges without waiting there may be before the others on the thread get their turn.
const TURN_EXCHANGES: u32 = 64;

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Go,
    /// The session is over.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// For a turn.
    Waiting,
    /// The request, and our end of stream where that follows it.
    Sending,
    /// The answer, with the request sent.
    Receiving,
}

/// An exchange that has begun.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    turn: Turn,
    sent: Instant,
    first_byte: Option<Instant>,
}

/// The exchanges of one connection.
pub(super) struct Turns<'a> {
    dialogue: &'a Dialogue,
    stopwatch: &'a dyn Stopwatch,
    session: &'a Session,
    stream: &'a Stream,
    /// The peer's address as printed, where requests may hold it.
    peer: String,
    rng: Rng,
    state: State,
    request: Cow<'a, [u8]>,
    /// Whether other exchanges send something else by the same template.
    varies: bool,
    /// How much of the request is sent.
    sent: usize,
    incoming: Incoming<'a>,
    under_way: Option<UnderWay>,
    /// The peer has ended its stream.
    has_ended: bool,
    /// By what the request could not be sent; what the peer had said before is still there to be read.
    failed: Option<Error>,
    /// When an answer is late, or earlier: it is moved only when it is over, not for each exchange.
    alarm: Option<Pin<Box<Sleep>>>,
    /// When silence completes a frame.
    silence: Option<Pin<Box<Sleep>>>,
    /// Bytes and exchanges since it has last waited.
    moved: usize,
    had: u32,
}

impl<'a> Turns<'a> {
    pub(super) fn new(exchange: &'a Exchange, session: &'a Session, stream: &'a Stream) -> Turns<'a> {
        let dialogue = &*exchange.dialogue;
        let constant = dialogue.requests.are_constant();
        Turns {
            dialogue,
            stopwatch: &*exchange.stopwatch,
            session,
            stream,
            peer: if constant { String::new() } else { session.peer().to_string() },
            rng: Rng::new(exchange.seed.wrapping_add(session.id().0)),
            state: State::Waiting,
            request: Cow::Borrowed(&[]),
            varies: false,
            sent: 0,
            incoming: Incoming::new(dialogue),
            under_way: None,
            has_ended: false,
            failed: None,
            alarm: None,
            silence: None,
            moved: 0,
            had: 0,
        }
    }

    /// Goes on until it has to wait, or the session is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        (self.moved, self.had) = (0, 0);
        loop {
            if self.moved >= TURN_BYTES || self.had >= TURN_EXCHANGES {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let next = match self.state {
                State::Waiting => ready!(self.poll_begin(cx))?,
                State::Sending => ready!(self.poll_send(cx))?,
                State::Receiving => ready!(self.poll_answer(cx))?,
            };
            if next == Next::End {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Waits for the next turn, and reads what comes meanwhile.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next>> {
        // What comes without a request is the answer, however early.
        if !self.dialogue.requests.is_empty() {
            match self.poll_receive(cx)? {
                Poll::Ready(Some(_)) => return Poll::Ready(Ok(Next::Go)),
                Poll::Ready(None) => return Poll::Ready(Ok(Next::End)),
                Poll::Pending => {}
            }
        }
        match ready!(self.stopwatch.poll_turn(cx)) {
            Some(turn) => Poll::Ready(self.begin(turn).map(|()| Next::Go)),
            None => Poll::Ready(Ok(Next::End)),
        }
    }

    fn begin(&mut self, turn: Turn) -> Result<()> {
        let unasked = self.incoming.begin();
        self.unasked(unasked);
        self.state = State::Receiving;
        let requests = &self.dialogue.requests;
        if !requests.is_empty() {
            let index = requests.choose(&mut self.rng);
            self.varies = !requests.is_constant(index);
            let time = if self.varies { SystemTime::now() } else { SystemTime::UNIX_EPOCH };
            let facts = Facts { n: turn.number, time, session: self.session.id().0, peer: &self.peer };
            match requests.bytes(index, &facts, &mut self.rng) {
                Ok(request) => {
                    self.incoming.is_to(&self.dialogue.until, request.len());
                    (self.request, self.sent, self.state) = (request, 0, State::Sending);
                }
                Err(error) => {
                    self.under_way = Some(UnderWay { turn, sent: Instant::now(), first_byte: None });
                    return Err(self.lose(error));
                }
            }
        }
        self.under_way = Some(UnderWay { turn, sent: Instant::now(), first_byte: None });
        Ok(())
    }

    /// Sends what is left of the request, and reads while the peer takes nothing.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next>> {
        let rest = &self.request[self.sent..];
        let sending = if !rest.is_empty() {
            self.stream.poll_send(cx, rest).map_ok(|sent| {
                self.sent += sent;
                self.moved += sent;
                self.sent < self.request.len() || self.dialogue.finish
            })
        } else if self.dialogue.finish {
            let edge = self.stream.edge();
            edge.poll_shutdown(cx).map(|ended| ended.map(|()| false).map_err(|error| edge.failed("shutdown", error)))
        } else {
            Poll::Ready(Ok(false))
        };
        match sending {
            Poll::Ready(Ok(true)) => Poll::Ready(Ok(Next::Go)),
            Poll::Ready(Ok(false)) if self.incoming.is_complete() => Poll::Ready(self.finish(Instant::now())),
            Poll::Ready(Ok(false)) => {
                self.state = State::Receiving;
                Poll::Ready(Ok(Next::Go))
            }
            Poll::Ready(Err(error)) => {
                self.failed = Some(error);
                if self.incoming.is_complete() {
                    return Poll::Ready(self.finish(Instant::now()));
                }
                self.state = State::Receiving;
                Poll::Ready(Ok(Next::Go))
            }
            Poll::Pending => self.poll_answer(cx),
        }
    }

    /// Receives, and finishes the exchange when its answer is complete and its request sent.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next>> {
        if !self.has_ended {
            match self.poll_receive(cx) {
                Poll::Ready(Ok(Some(at))) => return Poll::Ready(self.advance(at)),
                Poll::Ready(Ok(None)) => {
                    if self.incoming.is_complete() {
                        return Poll::Ready(self.advance(Instant::now()));
                    }
                    let ended = Error::new("read", Kind::Ended, "the stream ended where an answer was due");
                    let error = self.failed.take().unwrap_or_else(|| ended.at(self.session.peer()));
                    return Poll::Ready(Err(self.lose(error)));
                }
                Poll::Ready(Err(error)) => {
                    let error = self.failed.take().unwrap_or(error);
                    if self.incoming.is_complete() {
                        self.failed = Some(error);
                        return Poll::Ready(self.finish(Instant::now()));
                    }
                    return Poll::Ready(Err(self.lose(error)));
                }
                Poll::Pending => {}
            }
        }
        if let Poll::Ready(last) = self.poll_silence(cx) {
            return Poll::Ready(self.advance(last));
        }
        ready!(self.poll_alarm(cx));
        let timeout = self.dialogue.answer_timeout.unwrap_or_default();
        let error = Error::new("read", Kind::TimedOut, format!("no answer within {}", show_duration(timeout)));
        self.end(Instant::now(), Outcome::TimedOut);
        Poll::Ready(Err(error.at(self.session.peer())))
    }

    /// Finishes the exchange if that is all there was to wait for.
    fn advance(&mut self, at: Instant) -> Result<Next> {
        match self.state {
            State::Receiving if self.incoming.is_complete() => self.finish(at),
            _ => Ok(Next::Go),
        }
    }

    /// Receives a chunk; returns when it came, or none at the end of stream.
    #[inline]
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Instant>>> {
        let stream = self.stream;
        let mut came = Came::default();
        let received = stream.poll_chunk_with(cx, |_, bytes| {
            let now = Instant::now();
            self.moved += bytes.len();
            let asked = asked(&self.request, self.varies, self.under_way.as_ref());
            came = self.incoming.take(now, &asked, bytes);
            now
        });
        let Some(now) = ready!(received)? else {
            self.has_ended = true;
            let asked = asked(&self.request, self.varies, self.under_way.as_ref());
            let unasked = self.incoming.end(&asked);
            self.unasked(unasked);
            return Poll::Ready(Ok(None));
        };
        if let Some(under_way) = &mut self.under_way
            && came.answered
        {
            under_way.first_byte.get_or_insert(now);
        }
        self.unasked(came.unasked);
        match came.failed {
            Some(error) => Poll::Ready(Err(self.unframed(&error))),
            None => Poll::Ready(Ok(Some(now))),
        }
    }

    /// Waits until silence completes a frame; returns when its last byte came.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let Some(due) = self.incoming.due() else { return Poll::Pending };
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if silence.deadline() != due {
            silence.as_mut().reset(due);
        }
        ready!(silence.as_mut().poll(cx));
        let asked = asked(&self.request, self.varies, self.under_way.as_ref());
        let (came, last) = self.incoming.expire(&asked);
        self.unasked(came.unasked);
        Poll::Ready(last)
    }

    /// Waits until the answer is late.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let sent = self.under_way.as_ref().map(|under_way| under_way.sent);
        let late = self.dialogue.answer_timeout.and_then(|timeout| sent?.checked_add(timeout));
        let Some(late) = late else { return Poll::Pending };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(late)));
        while alarm.as_mut().poll(cx).is_ready() {
            if late <= Instant::now() {
                return Poll::Ready(());
            }
            // It was set for an exchange before.
            alarm.as_mut().reset(late);
        }
        Poll::Pending
    }

    /// Finishes an exchange whose answer has come.
    fn finish(&mut self, over: Instant) -> Result<Next> {
        let asked = asked(&self.request, self.varies, self.under_way.as_ref());
        let outcome = self.incoming.outcome(&asked, || self.stopwatch.highest());
        self.end(over, outcome);
        self.had += 1;
        self.state = State::Waiting;
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let single = self.dialogue.requests.is_empty() || self.dialogue.finish;
        Ok(if single || self.has_ended { Next::End } else { Next::Go })
    }

    /// Says that no answer will come, where one is due.
    fn lose(&mut self, error: Error) -> Error {
        self.end(Instant::now(), Outcome::Lost(error.kind()));
        error
    }

    fn end(&mut self, over: Instant, outcome: Outcome) {
        if let Some(UnderWay { turn, sent, first_byte }) = self.under_way.take() {
            self.stopwatch.done(&Done { turn, sent, first_byte, over, outcome });
        }
    }

    fn unasked(&self, bytes: usize) {
        if bytes > 0 {
            self.stopwatch.unasked(bytes);
        }
    }

    /// Says why nothing more can be cut.
    fn unframed(&self, error: &FrameError) -> Error {
        let (kind, termination) = match error {
            FrameError::TooLarge { .. } => (Kind::FrameTooLarge, Termination::FrameTooLarge),
            FrameError::Malformed { .. } => (Kind::FrameMalformed, Termination::FrameMalformed),
        };
        self.session.stop(termination);
        Error::new("read", kind, error.to_string()).at(self.session.peer())
    }
}

impl Drop for Turns<'_> {
    /// A session that is told to end leaves no turn without its end.
    fn drop(&mut self) {
        self.end(Instant::now(), Outcome::Lost(Kind::Stopped));
    }
}

fn asked<'r>(request: &'r [u8], varies: bool, under_way: Option<&UnderWay>) -> Asked<'r> {
    Asked { request, varies, number: under_way.map_or(0, |under_way| under_way.turn.number) }
}
