//! A conversation between an input, an output and a stream: what `connect` and `listen` do.
//!
//! Both directions are independent: neither ever waits for the other. The input's end becomes our end of stream, the
//! peer's end of stream ends the output, and the conversation is over when both have ended, or when what was waited
//! for has been seen.

mod counting;

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

use crate::error::Error;
use crate::frame::Framing;
use crate::net::closing::{Closing, close_gracefully};
use crate::net::stream::{Reader, Stream, Writer};
use crate::pattern::Expect;
use crate::session::Session;
use crate::termination::Termination;
use counting::Counting;

/// Where received bytes go.
pub trait Output: Send {
    /// Takes a chunk; waits while what lies behind is full.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when nobody takes bytes any more, anything else when bytes were lost.
    ///
    /// # Cancel safety
    ///
    /// Need not be cancel safe.
    fn write(&mut self, chunk: Bytes) -> impl Future<Output = io::Result<()>> + Send;

    /// The peer has finished sending.
    ///
    /// # Errors
    ///
    /// As [`Output::write`].
    ///
    /// # Cancel safety
    ///
    /// Need not be cancel safe.
    fn end(&mut self) -> impl Future<Output = io::Result<()>> + Send;

    /// Waits until the output has failed or nobody takes bytes any more, as far as that can be seen, and says why.
    ///
    /// # Cancel safety
    ///
    /// Must be cancel safe.
    fn gone(&self) -> impl Future<Output = io::Error> + Send {
        std::future::pending()
    }
}

/// What decides when a conversation is over.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Keep our direction open when the input has ended.
    pub no_shutdown: bool,
    /// Leave this long after our end of stream even if the peer stays.
    pub linger: Option<Duration>,
    /// Leave at the peer's end of stream, whatever the input still has: somebody sits at a terminal.
    pub end_with_peer: bool,
    /// Leave when these have been seen.
    pub expect: Option<Expect>,
    /// Leave after this many received chunks or, with a framer, frames.
    pub count: Option<u64>,
    /// What a frame is, for counting; without a rule chunks are counted.
    pub framing: Framing,
    /// Close at once where we are the first to leave; with zero linger that is a reset.
    pub abrupt: bool,
    /// Leave when no byte went either way for this long.
    pub idle_timeout: Option<Duration>,
    /// Leave when somebody says so: what the input still has is sent, then our end of stream, then close. Whoever says
    /// so ends the input; it is not waited for longer than something moves.
    pub leave: Option<Arc<Notify>>,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            no_shutdown: false,
            linger: None,
            end_with_peer: false,
            expect: None,
            count: None,
            framing: Framing::none(),
            abrupt: false,
            idle_timeout: None,
            leave: None,
        }
    }
}

/// How a conversation ended.
#[derive(Debug)]
pub struct Outcome {
    /// What ended it.
    pub ending: Ending,
    /// The patterns, with how far they were met.
    pub expect: Option<Expect>,
    /// What was received of what is counted: chunks or frames.
    pub counted: u64,
}

/// What ended a conversation.
#[derive(Debug)]
pub enum Ending {
    /// Both directions have ended.
    BothEnded,
    /// The peer ended its direction and we left with it.
    PeerEnded,
    /// Every pattern was seen.
    ExpectMet,
    /// The number of chunks was reached.
    CountReached,
    /// The time after our end of stream ran out.
    LingerOver,
    /// Somebody said so.
    Left,
    /// Nobody takes the output any more.
    OutputClosed,
    /// The session was told to stop.
    Stopped(Termination),
    /// The connection failed; what came before has been delivered.
    Lost(Error),
    /// The input could not be read.
    InputFailed(io::Error),
    /// The output could not be written: received bytes were lost.
    OutputFailed(io::Error),
}

/// How long a conversation that ends by our own decision waits for the peer, so that what we sent is not destroyed by
/// the reset that closing with unread bytes causes.
const PARTING: Duration = Duration::from_secs(1);

/// Talks until it is over, then ends our direction and parts from the peer.
///
/// # Cancel safety
///
/// Not cancel safe: to end it early, [`Session::stop`] the session.
pub async fn talk<O: Output>(
    stream: Stream,
    input: mpsc::Receiver<io::Result<Bytes>>,
    output: &mut O,
    terms: Terms,
) -> Outcome {
    let session = stream.session().clone();
    let edge = stream.edge().clone();
    let (reader, writer) = stream.split();
    let counting = Counting::new(terms.count, &terms.framing);
    let mut receiving = Receiving { expect: terms.expect, counting, underway: None };
    let ending = {
        let sending = send(writer, input, terms.no_shutdown, terms.linger);
        let receive = receiving.run(reader, output);
        let idle = idle(&session, terms.idle_timeout);
        let leave = told(terms.leave.as_deref());
        converse(&session, (sending, receive), (idle, leave), terms.end_with_peer).await
    };
    if let Some(chunk) = receiving.underway.take()
        && !matches!(ending, Ending::OutputClosed | Ending::OutputFailed(_))
    {
        // What has come is written first, whatever ended the conversation; a failure shows when the output is flushed.
        let _ = output.write(chunk).await;
    }
    let reason = match &ending {
        Ending::ExpectMet => Some(Termination::ExpectMet),
        Ending::CountReached => Some(Termination::CountReached),
        Ending::LingerOver => Some(Termination::LingerOver),
        _ => None,
    };
    if let Some(reason) = reason {
        session.stop(reason);
    }
    if matches!(ending, Ending::Stopped(Termination::Aborted)) {
        edge.reset_on_close();
        return Outcome { ending, expect: receiving.expect, counted: receiving.counting.counted };
    }
    let hurry = matches!(ending, Ending::Stopped(Termination::Signal | Termination::Timeout));
    if !matches!(ending, Ending::Lost(_)) && !hurry {
        let limits = Closing { idle: PARTING, total: PARTING, bytes: u64::MAX, abrupt: terms.abrupt };
        close_gracefully(&edge, limits).await;
    }
    Outcome { ending, expect: receiving.expect, counted: receiving.counting.counted }
}

/// How one direction came to its end.
enum Side {
    Done,
    Over(Ending),
}

/// Polls both directions in one task; whichever decides ends the conversation.
async fn converse(
    session: &Session,
    (sending, receiving): (impl Future<Output = Side>, impl Future<Output = Side>),
    (idle, leave): (impl Future<Output = ()>, impl Future<Output = ()>),
    end_with_peer: bool,
) -> Ending {
    let stalled = stalled(session);
    tokio::pin!(sending, receiving, idle, leave, stalled);
    let (mut sent, mut received, mut leaving) = (false, false, false);
    // A failed write waits for the other direction: what the peer sent before its reset is still to be delivered.
    let mut lost = None;
    let mut known = None;
    poll_fn(|cx| {
        session.wake_on_stop(cx, &mut known);
        let stopped = session.stopped();
        if let Some(reason) = stopped
            && (reason != Termination::Fault || received)
        {
            return Poll::Ready(Ending::Stopped(reason));
        }
        if !received && let Poll::Ready(side) = receiving.as_mut().poll(cx) {
            match side {
                Side::Done | Side::Over(Ending::Lost(_)) if stopped.is_some() => {
                    return Poll::Ready(Ending::Stopped(Termination::Fault));
                }
                Side::Over(ending) => return Poll::Ready(ending),
                Side::Done if lost.is_some() => return Poll::Ready(Ending::Lost(lost.take().expect("just seen"))),
                Side::Done if end_with_peer && !sent => return Poll::Ready(Ending::PeerEnded),
                Side::Done => received = true,
            }
        }
        if stopped.is_some() {
            // What the fault let through is on its way to us, and the end behind it.
            return Poll::Pending;
        }
        if !sent && let Poll::Ready(side) = sending.as_mut().poll(cx) {
            match side {
                Side::Over(Ending::Lost(error)) if !received => {
                    sent = true;
                    lost = Some(error);
                }
                Side::Over(ending) => return Poll::Ready(ending),
                Side::Done => sent = true,
            }
        }
        if sent && received {
            return Poll::Ready(lost.take().map_or(Ending::BothEnded, Ending::Lost));
        }
        leaving = leaving || leave.as_mut().poll(cx).is_ready();
        if leaving && (sent || stalled.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(lost.take().map_or(Ending::Left, Ending::Lost));
        }
        if idle.as_mut().poll(cx).is_ready() {
            session.stop(Termination::IdleTimeout);
            return Poll::Ready(Ending::Stopped(Termination::IdleTimeout));
        }
        Poll::Pending
    })
    .await
}

async fn told(leave: Option<&Notify>) {
    match leave {
        Some(leave) => leave.notified().await,
        None => std::future::pending().await,
    }
}

/// Waits until nothing has been sent for as long as parting may take; the time begins with the first poll.
async fn stalled(session: &Session) {
    let sent = || session.meter().bytes(session.role().outbound());
    loop {
        let before = sent();
        sleep(PARTING).await;
        if sent() == before {
            return;
        }
    }
}

/// Sends the input, then our end of stream, then lingers if asked to.
async fn send(
    mut writer: Writer,
    mut input: mpsc::Receiver<io::Result<Bytes>>,
    no_shutdown: bool,
    linger: Option<Duration>,
) -> Side {
    while let Some(chunk) = input.recv().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => return Side::Over(Ending::InputFailed(error)),
        };
        if let Err(error) = writer.write_all(&chunk).await {
            return Side::Over(Ending::Lost(error));
        }
    }
    if !no_shutdown && let Err(error) = writer.shutdown().await {
        return Side::Over(Ending::Lost(error));
    }
    if let Some(linger) = linger {
        sleep(linger).await;
        return Side::Over(Ending::LingerOver);
    }
    Side::Done
}

struct Receiving {
    expect: Option<Expect>,
    counting: Counting,
    /// Received and counted, but not yet taken by the output.
    underway: Option<Bytes>,
}

impl Receiving {
    async fn run(&mut self, mut reader: Reader, output: &mut impl Output) -> Side {
        loop {
            let chunk = tokio::select! {
                biased;
                chunk = reader.chunk() => chunk,
                error = output.gone() => return Side::Over(output_ending(error)),
                () = self.counting.silence() => match self.counting.expire() {
                    true => return Side::Over(Ending::CountReached),
                    false => continue,
                },
            };
            let mut chunk = match chunk {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => return Side::Over(Ending::Lost(error)),
            };
            let enough = self.counting.count(&mut chunk);
            let met = self.expect.as_mut().is_some_and(|expect| expect.feed(&chunk));
            self.underway = Some(chunk.clone());
            if let Err(error) = output.write(chunk).await {
                return Side::Over(output_ending(error));
            }
            self.underway = None;
            if met {
                return Side::Over(Ending::ExpectMet);
            }
            if enough {
                return Side::Over(Ending::CountReached);
            }
        }
        self.counting.end();
        match output.end().await {
            Err(error) => Side::Over(output_ending(error)),
            Ok(()) => Side::Done,
        }
    }
}

fn output_ending(error: io::Error) -> Ending {
    if error.kind() == io::ErrorKind::BrokenPipe { Ending::OutputClosed } else { Ending::OutputFailed(error) }
}

/// Waits until no byte has gone either way for `limit`.
async fn idle(session: &Session, limit: Option<Duration>) {
    let Some(limit) = limit else {
        return std::future::pending().await;
    };
    let mut seen = session.meter().total_bytes();
    loop {
        // Looks twice per period and so is late by half of it at most, without touching the bytes' path.
        let before = Instant::now();
        sleep_until(before + limit / 2).await;
        let total = session.meter().total_bytes();
        if total == seen {
            sleep_until(before + limit).await;
            if session.meter().total_bytes() == seen {
                return;
            }
        }
        seen = session.meter().total_bytes();
    }
}

#[cfg(test)]
mod tests;
