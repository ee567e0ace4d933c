//! Answers each chunk or frame by itself, and sends what somebody at a desk says.
//!
//! It is what a server with frames, templates or a console talks with; [`Reply`](super::reply::Reply) and
//! [`Echo`](super::echo::Echo) are its fast and silent relatives.

mod desk;

pub use desk::{Desk, Order, Refused, SEAT_ORDERS, SeatSnapshot};

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::error::{Error, Kind, Result};
use crate::frame::{FrameKind, Framing};
use crate::handle::Handler;
use crate::net::framed::FrameReader;
use crate::net::stream::{Reader, Stream, Writer};
use crate::rng::Rng;
use crate::session::Session;
use crate::termination::Termination;
use crate::text::Template;
use crate::text::template::Facts;
use desk::Seat;

/// A client that has ended its stream while somebody sits at the desk may still be answered for this long after the last
/// byte to it: nobody can see whether it only half-closed or is gone.
pub const HALF_CLOSED: Duration = Duration::from_secs(60);

/// What is answered without anybody saying so.
#[derive(Debug, Clone)]
pub enum What {
    /// Nothing: the desk talks.
    Nothing,
    /// What came, as it came.
    Echo,
    /// A text for each chunk or, with a framer, each whole frame.
    Text {
        /// The text.
        template: Template,
        /// Whence its randomness comes; each session draws a sequence of its own.
        seed: u64,
    },
}

/// Answers, and obeys a desk where it has one.
#[derive(Debug, Clone)]
pub struct Answer {
    what: What,
    framing: Framing,
    desk: Option<Arc<Desk>>,
}

impl Answer {
    /// Answers each chunk.
    pub fn new(what: What) -> Answer {
        Answer { what, framing: Framing::none(), desk: None }
    }

    /// Answers each frame, in a frame.
    #[must_use]
    pub fn with_framing(self, framing: Framing) -> Answer {
        Answer { framing, ..self }
    }

    /// Has every session take a seat at `desk`.
    #[must_use]
    pub fn with_desk(self, desk: Arc<Desk>) -> Answer {
        Answer { desk: Some(desk), ..self }
    }
}

impl Handler for Answer {
    async fn handle(&self, session: Session, stream: Stream) -> Result<()> {
        let (reader, writer) = stream.split();
        let (seat, orders) = match &self.desk {
            Some(desk) => desk.take_seat(&session),
            None => Seat::alone(),
        };
        // Asked for after the seat was taken: a rule that is chosen meanwhile comes as an order.
        let framing = self.desk.as_ref().and_then(|desk| desk.framing()).unwrap_or_else(|| self.framing.clone());
        let incoming = match self.what {
            // Where no frame is answered, none is cut here: whoever watches does, by a rule that may change.
            What::Nothing | What::Echo => Incoming::Chunks(reader),
            What::Text { .. } if self.desk.is_none() && framing.is_none() => Incoming::Chunks(reader),
            What::Text { .. } => Incoming::Frames(Box::new(FrameReader::new(reader, &framing))),
        };
        let rng = match &self.what {
            What::Text { seed, .. } => Rng::new(seed ^ session.id().0),
            _ => Rng::new(0),
        };
        let mut talk =
            Talk { answer: self, framing, session: &session, writer, incoming, orders, seat, rng, answers: 0 };
        // Boxed: with thousands of idle sessions their size is most of their memory.
        let result = Box::pin(talk.run()).await;
        if let Err(error) = &result {
            match error.kind() {
                Kind::FrameTooLarge => session.stop(Termination::FrameTooLarge),
                Kind::FrameMalformed => session.stop(Termination::FrameMalformed),
                _ => {}
            }
        }
        result
    }
}

/// One session's conversation.
struct Talk<'a> {
    answer: &'a Answer,
    framing: Framing,
    session: &'a Session,
    writer: Writer,
    incoming: Incoming,
    orders: Option<mpsc::Receiver<Order>>,
    seat: Seat,
    rng: Rng,
    answers: u64,
}

enum Incoming {
    Chunks(Reader),
    Frames(Box<FrameReader>),
}

impl Talk<'_> {
    async fn run(&mut self) -> Result<()> {
        let (mut paused, mut finished, mut ended) = (false, false, None);
        loop {
            if ended.is_some() && finished {
                return Ok(());
            }
            if ended.is_some() && !matches!(self.answer.what, What::Nothing) {
                return self.last_orders().await;
            }
            let orders = async {
                match &mut self.orders {
                    Some(orders) => orders.recv().await,
                    None => std::future::pending().await,
                }
            };
            let patience = async {
                match ended {
                    Some(last) => {
                        tokio::select! {
                            () = sleep_until(last + HALF_CLOSED) => {}
                            () = self.seat.dismissed() => {}
                        }
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                order = orders => match order {
                    // Somebody was quicker than the desk's own look.
                    Some(Order::Send(_)) if finished => {}
                    Some(Order::Send(bytes)) => {
                        self.writer.write_all(&bytes).await?;
                        ended = ended.map(|_| Instant::now());
                    }
                    Some(Order::Frame(framing)) => {
                        self.incoming.recut(&framing);
                        self.framing = framing;
                    }
                    Some(Order::Pause) => paused = true,
                    Some(Order::Resume) => paused = false,
                    Some(Order::End) => {
                        finished = true;
                        self.writer.shutdown().await?;
                    }
                    Some(Order::Close) => return Ok(()),
                    // The seat keeps the queue open.
                    None => return Ok(()),
                },
                received = self.incoming.next(), if !paused && ended.is_none() => match received? {
                    Some((bytes, answerable)) => {
                        self.seat.received(&bytes);
                        if answerable && !finished && let Some(answer) = self.answer(bytes)? {
                            self.writer.write_all(&answer).await?;
                        }
                    }
                    None => {
                        self.seat.ended();
                        ended = Some(Instant::now());
                    }
                },
                () = patience => return self.last_orders().await,
            }
        }
    }

    /// Sends what is still queued, and ends.
    async fn last_orders(&mut self) -> Result<()> {
        while let Some(Ok(order)) = self.orders.as_mut().map(mpsc::Receiver::try_recv) {
            if let Order::Send(bytes) = order {
                self.writer.write_all(&bytes).await?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, received: Bytes) -> Result<Option<Bytes>> {
        let (template, framing) = match &self.answer.what {
            What::Nothing => return Ok(None),
            What::Echo => return Ok(Some(received)),
            What::Text { template, .. } => (template, &self.framing),
        };
        self.answers += 1;
        let peer = self.session.peer().to_string();
        let facts = Facts { n: self.answers, time: SystemTime::now(), session: self.session.id().0, peer: &peer };
        let text = template.render(&facts, &mut self.rng);
        let text = text.map_err(|error| Error::new("reply", Kind::Io, error.to_string()))?;
        Ok(Some(framing.encode(&text)?.into()))
    }
}

impl Incoming {
    fn recut(&mut self, framing: &Framing) {
        if let Incoming::Frames(frames) = self {
            frames.recut(framing);
        }
    }

    /// Returns the next bytes, and whether they are something to answer.
    async fn next(&mut self) -> Result<Option<(Bytes, bool)>> {
        match self {
            Incoming::Chunks(reader) => Ok(reader.chunk().await?.map(|chunk| (chunk, true))),
            Incoming::Frames(frames) => {
                Ok(frames.next().await?.map(|frame| (frame.payload, frame.kind != FrameKind::Partial)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
