//! A bridge whose bytes go through pipes, where faults bend them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use super::half::{BEGIN_BYTES, COPY_BYTES, End, Half};
use super::{Passage, over};
use crate::direction::Direction;
use crate::event::Event;
use crate::net::edge::Edge;
use crate::net::stream::TURN_BYTES;
use crate::pipe::plan::Plan;
use crate::pipe::{Next, Pipe};
use crate::session::Session;

/// What is received at once for a pipe, at most: it holds [`HELD_BYTES`](crate::pipe::HELD_BYTES).
pub const BENT_BYTES: usize = 128 * 1024;

/// What one write costs of a turn at least, in bytes: a call for a single byte takes nearly as long as one for a thousand.
const WRITE_COST: usize = 1024;

/// Both directions, each with its pipe, and the timer that they share.
pub(super) struct Bent {
    up: Lane,
    down: Lane,
    timer: Option<Pin<Box<Sleep>>>,
}

/// One direction with its pipe.
struct Lane {
    pipe: Pipe,
    direction: Direction,
    source: Source,
    /// No fault concerns it, so what comes goes around the pipe.
    idle: bool,
    /// Bytes go through the pipe; else they go straight.
    bends: bool,
    /// What had passed, as the session counts it, when bytes began to go around the pipe.
    around: u64,
    /// Faults that the pipe is still to be told of, once it knows how many bytes went around it.
    news: Option<Arc<Plan>>,
    /// How much is received at once.
    most: usize,
    end: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Open,
    Ended,
    Broken,
}

/// What a lane came to.
enum LaneEnd {
    End(End),
    Close,
    Reset,
}

impl Bent {
    /// Makes both lanes; `begins` says that these faults were there from the first.
    pub(super) fn new(plan: &Arc<Plan>, session: &Session, begins: bool) -> Bent {
        let number = session.id().0;
        let none = Plan { seed: plan.seed, framing: plan.framing.clone(), faults: Vec::new(), rate: None };
        let lane = |direction| {
            let at_once = begins && session.meter().bytes(direction) == 0;
            let known: &Plan = if at_once { plan } else { &none };
            Lane {
                pipe: Pipe::new(known, number, direction, session.started()),
                direction,
                source: Source::Open,
                idle: plan.is_idle_for(number, direction),
                bends: false,
                around: 0,
                news: (!at_once).then(|| plan.clone()),
                most: BEGIN_BYTES,
                end: None,
            }
        };
        Bent { up: lane(Direction::ToServer), down: lane(Direction::ToClient), timer: None }
    }

    /// Goes over to other faults; what a removed one held goes on at once.
    pub(super) fn update(&mut self, plan: &Arc<Plan>, session: &Session) {
        let now = Instant::now();
        for lane in [&mut self.up, &mut self.down] {
            if lane.bends {
                lane.pipe.update(now, plan);
            } else {
                lane.news = Some(plan.clone());
            }
            lane.idle = plan.is_idle_for(session.id().0, lane.direction);
        }
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
        (up, down): (&mut Half, &mut Half),
        (client, server): (&Arc<Edge>, &Arc<Edge>),
    ) -> Poll<Passage> {
        let now = Instant::now();
        let to_server = self.up.poll(cx, now, (session, up), (client, server));
        let to_client = self.down.poll(cx, now, (session, down), (server, client));
        self.tell(session);
        match (to_server, to_client) {
            (Poll::Ready(LaneEnd::Reset), _) | (_, Poll::Ready(LaneEnd::Reset)) => {
                return Poll::Ready(Passage::Reset);
            }
            (Poll::Ready(LaneEnd::Close), _) | (_, Poll::Ready(LaneEnd::Close)) => {
                return Poll::Ready(Passage::Closed);
            }
            (to_server, to_client) => {
                if let Some(passage) = over(end(to_server), end(to_client)) {
                    return Poll::Ready(passage);
                }
            }
        }
        let due = [&self.up, &self.down].into_iter().filter_map(Lane::due).min();
        if self.wait(cx, due) {
            // Time has passed meanwhile. The others have their turn first.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Tells whether the session ends by time, and not behind a byte: then nobody waits for what was written.
    pub(super) fn is_over(&self) -> bool {
        self.up.pipe.is_over() || self.down.pipe.is_over()
    }

    /// Tells whether that time has come.
    fn wait(&mut self, cx: &mut Context<'_>, due: Option<Instant>) -> bool {
        let Some(due) = due else {
            self.timer = None;
            return false;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        timer.as_mut().poll(cx).is_ready()
    }

    /// Tells observers what faults did.
    fn tell(&mut self, session: &Session) {
        for pipe in [&mut self.up.pipe, &mut self.down.pipe] {
            for decision in pipe.decisions() {
                session.observers().emit(|| Event::Fault { session: session.id(), decision: Box::new(decision) });
            }
        }
    }
}

fn end(end: Poll<LaneEnd>) -> Poll<End> {
    match end {
        Poll::Ready(LaneEnd::End(end)) => Poll::Ready(end),
        _ => Poll::Pending,
    }
}

impl Lane {
    /// Returns when to look again though nothing else happens.
    fn due(&self) -> Option<Instant> {
        if self.bends && self.end.is_none() { self.pipe.due() } else { None }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        (session, half): (&Session, &mut Half),
        (source, sink): (&Edge, &Edge),
    ) -> Poll<LaneEnd> {
        if let Some(end) = self.end {
            return Poll::Ready(LaneEnd::End(end));
        }
        if self.bends && self.idle && self.source == Source::Open && self.pipe.is_idle() {
            self.bends = false;
            self.around = session.meter().bytes(self.direction);
        }
        if !self.bends && self.idle {
            let splice = source.can_splice() && sink.can_splice();
            let end = ready!(half.poll(cx, source, sink, splice));
            return self.ended(end);
        }
        if !self.bends
            && let Err(end) = ready!(self.take_over(cx, now, (session, half), sink))
        {
            return self.ended(end);
        }
        self.carry(cx, now, source, sink)
    }

    /// Begins to bend: what is held on the straight way goes into the pipe, and the pipe learns what went around it.
    fn take_over(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        (session, half): (&Session, &mut Half),
        sink: &Edge,
    ) -> Poll<Result<(), End>> {
        let (mut rest, ending) = match ready!(half.poll_over(cx, sink)) {
            Ok(held) => held,
            Err(end) => return Poll::Ready(Err(end)),
        };
        let mut passed = session.meter().bytes(self.direction).saturating_sub(self.around);
        if self.direction == session.role().inbound() {
            // Counted when it was received, and still to go through. (Behind faults in front of these, more may come than that.)
            passed = passed.saturating_sub(rest.as_ref().map_or(0, Bytes::len) as u64);
        }
        self.pipe.went_around(passed);
        // What TLS has taken goes, so it comes before all faults.
        if let Some(rest) = &mut rest {
            self.pipe.push(now, rest.split_to(sink.is_sending().min(rest.len())));
        }
        if let Some(plan) = self.news.take() {
            self.pipe.update(now, &plan);
        }
        if let Some(rest) = rest {
            self.pipe.push(now, rest);
        }
        if ending {
            self.source = Source::Ended;
            self.pipe.end(now);
        }
        self.bends = true;
        Poll::Ready(Ok(()))
    }

    fn carry(&mut self, cx: &mut Context<'_>, now: Instant, source: &Edge, sink: &Edge) -> Poll<LaneEnd> {
        let mut turn = 0;
        loop {
            if let Some(end) = self.write(cx, now, sink, &mut turn) {
                return match end {
                    LaneEnd::End(end) => self.ended(end),
                    end => Poll::Ready(end),
                };
            }
            if turn >= TURN_BYTES {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.source != Source::Open || !self.pipe.has_room() {
                // Where time does not change that either, somebody has to look whether the sender is still there.
                source.leave_unread(self.pipe.due().is_none());
                return Poll::Pending;
            }
            source.leave_unread(false);
            let received = match self.pipe.clear_for() {
                0 => self.receive(cx, now, source),
                clear => self.pass(cx, now, (source, sink), clear),
            };
            match received {
                Poll::Ready(Ok(Some(read))) => turn += read,
                Poll::Ready(Ok(None)) => return self.ended(End::SinkBroken),
                Poll::Ready(Err(())) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Receives a chunk for the pipe, or how the source has ended; tells how much it was.
    fn receive(&mut self, cx: &mut Context<'_>, now: Instant, source: &Edge) -> Poll<Result<Option<usize>, ()>> {
        let most = self.most.min(BENT_BYTES);
        let received = ready!(source.poll_chunk(cx, most));
        Poll::Ready(self.judge(now, received.map(|bytes| bytes.map(|bytes| (bytes.len(), Some(bytes)))), most))
    }

    /// Receives a chunk that no fault concerns and sends it while it is in the thread's buffer; what the receiver does not
    /// take goes into the pipe. `None` when the receiver is gone.
    fn pass(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        (source, sink): (&Edge, &Edge),
        clear: u64,
    ) -> Poll<Result<Option<usize>, ()>> {
        let most = self.most.min(usize::try_from(clear).unwrap_or(usize::MAX));
        let mut gone = false;
        let received = ready!(source.poll_at_most_with(cx, most, |cx, bytes| {
            let sent = match sink.poll_write(cx, bytes) {
                Poll::Ready(Ok(sent)) => sent,
                Poll::Ready(Err(_)) => {
                    gone = true;
                    0
                }
                Poll::Pending => 0,
            };
            self.pipe.skip(sent as u64);
            (bytes.len(), (sent < bytes.len()).then(|| Bytes::copy_from_slice(&bytes[sent..])))
        }));
        if gone {
            return Poll::Ready(Ok(None));
        }
        Poll::Ready(self.judge(now, received, most))
    }

    /// Hands on what was received: bytes into the pipe, an end of stream, a failure.
    fn judge(
        &mut self,
        now: Instant,
        received: std::io::Result<Option<(usize, Option<Bytes>)>>,
        most: usize,
    ) -> Result<Option<usize>, ()> {
        match received {
            Ok(Some((read, rest))) => {
                self.most = if read == most { (self.most * 2).min(COPY_BYTES) } else { BEGIN_BYTES };
                if let Some(rest) = rest {
                    self.pipe.push(now, rest);
                }
                Ok(Some(read))
            }
            Ok(None) => {
                self.source = Source::Ended;
                self.pipe.end(now);
                Err(())
            }
            Err(_) => {
                self.source = Source::Broken;
                Err(())
            }
        }
    }

    /// Writes what is due; returns how the direction has ended, once it has.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant, sink: &Edge, turn: &mut usize) -> Option<LaneEnd> {
        while *turn < TURN_BYTES {
            match self.pipe.next(now) {
                Next::Write(bytes) => match sink.poll_write(cx, bytes) {
                    Poll::Ready(Ok(written)) => {
                        *turn += written.max(WRITE_COST);
                        self.pipe.advance(written);
                    }
                    Poll::Ready(Err(_)) => return Some(LaneEnd::End(End::SinkBroken)),
                    Poll::Pending => return None,
                },
                Next::End => match sink.poll_shutdown(cx) {
                    Poll::Ready(Ok(())) => self.pipe.ended(),
                    Poll::Ready(Err(_)) => return Some(LaneEnd::End(End::SinkBroken)),
                    Poll::Pending => return None,
                },
                Next::Close => return Some(LaneEnd::Close),
                Next::Reset => return Some(LaneEnd::Reset),
                Next::Wait(due) => {
                    // What is held for ever, and a fault that is only due some day, keep no reset back.
                    let all = self.source == Source::Broken && (due.is_none() || self.pipe.ledger().held == 0);
                    return all.then_some(LaneEnd::End(End::SourceBroken));
                }
                Next::Done => {
                    return match self.source {
                        Source::Ended => Some(LaneEnd::End(End::Ended)),
                        Source::Broken => Some(LaneEnd::End(End::SourceBroken)),
                        // A fault has ended the direction early; what still comes is dropped.
                        Source::Open => None,
                    };
                }
            }
        }
        None
    }

    fn ended(&mut self, end: End) -> Poll<LaneEnd> {
        self.end = Some(end);
        Poll::Ready(LaneEnd::End(end))
    }
}
