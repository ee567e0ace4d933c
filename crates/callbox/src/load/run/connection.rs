//! What happens in one seat: a connection, what is said on it, the next connection.

use std::future::poll_fn;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Run;
use super::bulk::{Bulk, ended};
use super::seat::{Seat, Watch};
use crate::addr::{Addr, Host};
use crate::conduct::panicked;
use crate::direction::Role;
use crate::error::{Error, Kind, Result};
use crate::handle::Handler;
use crate::handle::exchange::{Done, Exchange, Outcome, Turn};
use crate::load::plan::Work;
use crate::load::report::Whom;
use crate::net::edge::Edge;
use crate::net::io::Io;
use crate::net::open::{Opened, open};
use crate::net::socket::local_addr;
use crate::net::stream::Stream;
use crate::observers::Observers;
use crate::report::SessionId;
use crate::session::Session;

/// Between attempts to connect that fail: the first pause, and the longest that doubling makes of it.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Has connections in a seat until the run is over; `first` is told how the first attempt went.
pub(super) async fn occupy(run: Arc<Run>, seat: Seat, first: impl FnOnce(Result<()>) + Send) {
    let mut first = Some(first);
    let mut pause = PAUSE_MIN;
    let mut opens_ahead = run.opens_ahead;
    loop {
        // A connection of its own belongs to its exchange, opening included.
        let turn = if opens_ahead {
            None
        } else {
            match seat.turn_for_connection(&run).await {
                Wanted::Connection(turn) => turn,
                Wanted::Nothing => return,
            }
        };
        if turn.is_none() && seat.lane.is_ending() {
            return;
        }
        let attempt = run.attempts.begin();
        // Boxed: it is by far the largest part of what a seat holds, and over soon.
        let opened = tokio::select! {
            biased;
            opened = caught(Box::pin(run.open(&seat))) => opened,
            () = seat.over(), if turn.is_none() => return,
        };
        let result = opened.as_ref().map(drop).map_err(Clone::clone);
        if let Some(first) = first.take() {
            first(result);
        }
        match opened {
            Err(error) => {
                attempt.failed();
                seat.lane.failed(seat.index, &error);
                // An exchange that none can be had for does not begin: others may have one.
                opens_ahead = !matches!(run.plan.work, Work::Connect);
                let over = tokio::select! {
                    biased;
                    () = seat.over() => true,
                    () = sleep(pause) => false,
                };
                if over {
                    return;
                }
                pause = (pause * 2).min(PAUSE_MAX);
            }
            Ok((edge, opening)) => {
                pause = PAUSE_MIN;
                attempt.succeeded();
                let opened_for = turn.map(|turn| turn.number);
                let result = caught(run.talk(&seat, &edge, turn.map(|turn| (turn, opening)))).await;
                run.attempts.alive();
                let was_in_vain = seat.lane.closed(seat.index, opened_for);
                let is_silent = edge.session().meter().total_bytes() == 0;
                let error = result.err().or_else(|| was_in_vain.then(|| not_begun(&edge)));
                match &error {
                    // Else it would be had on the next connection, and the next, as long as the server ends them all.
                    Some(error) if was_in_vain => seat.lane.failed(seat.index, error),
                    Some(error) => seat.lane.error(error),
                    None => {}
                }
                seat.lane.settled(seat.index);
                close(&edge).await;
                opens_ahead = error.is_some() && !matches!(run.plan.work, Work::Connect);
                // A server that ends each connection at once is not to be asked without a pause.
                if error.is_some() && (is_silent || matches!(run.plan.work, Work::Idle)) {
                    sleep(PAUSE_MIN).await;
                }
            }
        }
    }
}

/// Waits for the future; a panic in it is an error of this connection, and ends nothing else.
async fn caught<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.unwrap_or_else(|panic| Poll::Ready(Err(panicked(&*panic))))
    })
    .await
}

/// What a seat is to do next.
enum Wanted {
    /// A connection; for this exchange, where there is one.
    Connection(Option<Turn>),
    /// Nothing: the run is over.
    Nothing,
}

impl Seat {
    async fn turn_for_connection(&self, run: &Run) -> Wanted {
        match run.plan.work {
            Work::Exchange(_) | Work::Handler(_) | Work::Connect => match self.turn().await {
                Some(turn) => Wanted::Connection(Some(turn)),
                None => Wanted::Nothing,
            },
            _ if self.lane.is_ending() => Wanted::Nothing,
            _ => Wanted::Connection(None),
        }
    }
}

impl Run {
    /// Opens a connection for a seat; returns since when: waiting until fewer are being opened is no time that the server took.
    async fn open(&self, seat: &Seat) -> Result<(Arc<Edge>, Instant)> {
        if let Some(dial) = &self.plan.dial {
            let opening = Instant::now();
            let edge = dial.stream().edge().clone();
            seat.lane.opened(seat.index, edge.session().clone(), None);
            return Ok((edge, opening));
        }
        let _permit = self.opening.acquire().await;
        let opening = Instant::now();
        let number = self.number.fetch_add(1, Relaxed) + 1;
        let options = &self.options[number as usize % self.options.len()];
        let opened = open(self.target(), options, &[]).await?;
        if let Io::Socket(socket) = &opened.io
            && is_itself(socket.get_ref().as_fd(), &opened.peer)
        {
            // The port that the kernel chose was the one that nobody listened on any more (RFC 9293, 3.5: simultaneous open).
            return Err(Error::new("connect", Kind::Refused, "connection refused: it led to itself").at(&opened.peer));
        }
        self.whom.get_or_init(|| whom(&opened));
        let Opened { io, peer, phases, .. } = opened;
        let session = Session::new(SessionId(number), Role::Client, peer, Observers::none());
        seat.lane.opened(seat.index, session.clone(), Some(&phases));
        Ok((Arc::new(Edge::new(io, session)), opening))
    }

    /// Does on a connection what the plan says.
    async fn talk(&self, seat: &Seat, edge: &Arc<Edge>, turn: Option<(Turn, Instant)>) -> Result<()> {
        match &self.plan.work {
            Work::Connect => {
                let over = Instant::now();
                if let Some((turn, opening)) = turn {
                    let outcome = Outcome::Answered;
                    seat.lane.done(seat.index, &Done { turn, sent: opening, first_byte: None, over, outcome });
                }
                Box::pin(part(edge)).await;
                Ok(())
            }
            Work::Idle => self.hold(seat, edge).await,
            Work::Send(size) => Bulk { seat, edge, bytes: &self.bytes, size: *size, receives: false }.run().await,
            Work::Receive(size) => Bulk { seat, edge, bytes: &[], size: *size, receives: true }.run().await,
            Work::Both(size) => Bulk { seat, edge, bytes: &self.bytes, size: *size, receives: true }.run().await,
            Work::Exchange(dialogue) => {
                self.keep(seat, turn);
                let stopwatch = Arc::new(Watch::new(seat));
                let exchange = Exchange { dialogue: dialogue.clone(), stopwatch, seed: self.plan.seed };
                // Boxed, as those of other works are: connections that are only held need no place for it.
                Box::pin(exchange.handle(edge.session().clone(), Stream::from_edge(edge.clone()))).await
            }
            Work::Handler(play) => {
                self.keep(seat, turn);
                let stream = Stream::from_edge(edge.clone());
                play.play(Arc::new(Watch::new(seat)), edge.session().clone(), stream).await
            }
        }
    }

    fn keep(&self, seat: &Seat, turn: Option<(Turn, Instant)>) {
        if let Some((turn, opening)) = turn {
            seat.lane.keep(seat.index, turn, opening);
        }
    }

    /// Holds a connection until the run is over or the server ends it.
    async fn hold(&self, seat: &Seat, edge: &Edge) -> Result<()> {
        poll_fn(|cx| {
            if seat.lane.poll_over(seat.index, cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            while let Poll::Ready(read) = edge.poll_chunk_with(cx, |_, bytes| bytes.len()) {
                match read {
                    Ok(Some(length)) => seat.lane.unasked(length),
                    Ok(None) => return Poll::Ready(Err(ended(edge))),
                    Err(error) => return Poll::Ready(Err(edge.failed("read", error))),
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Tells whether a connection over loopback leads to itself.
fn is_itself(socket: BorrowedFd<'_>, peer: &Addr) -> bool {
    let Addr::Tcp { host: Host::Ip(ip), .. } = peer else { return false };
    ip.is_loopback() && local_addr(socket).is_ok_and(|local| Addr::from(local) == *peer)
}

/// The connection of an exchange was over before that began.
fn not_begun(edge: &Edge) -> Error {
    Error::new("read", Kind::Ended, "the connection was over before its exchange began").at(edge.session().peer())
}

fn whom(opened: &Opened) -> Whom {
    Whom { peer: opened.peer.clone(), through: opened.through.as_deref().map(str::to_owned), tls: opened.tls_facts() }
}

/// How long a server may take to end its stream too.
const PARTING: Duration = Duration::from_millis(50);

/// Ends a connection and waits a moment for the server to do so: else connections would be opened faster than it takes them from
/// its listener's queue, and what is measured is how that overflows.
async fn part(edge: &Edge) {
    let parting = async {
        if poll_fn(|cx| edge.poll_shutdown(cx)).await.is_ok() {
            while let Ok(Some(_)) = poll_fn(|cx| edge.poll_chunk_with(cx, |_, bytes| bytes.len())).await {}
        }
    };
    let _ = tokio::time::timeout(PARTING, parting).await;
}

/// Ends a connection: TLS says so; of TCP dropping the socket is enough.
async fn close(edge: &Edge) {
    if edge.is_tls() && !edge.is_over() {
        let closing = poll_fn(|cx| edge.poll_shutdown(cx));
        let _ = Box::pin(tokio::time::timeout(PAUSE_MAX, closing)).await;
    }
}
