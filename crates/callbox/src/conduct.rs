//! One session from its handler to its close, whoever opened it.
//!
//! The future is written by hand: with thousands of idle sessions its size is most of their memory, and what only
//! closing needs is allocated when it comes to that.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::timeout;

use crate::direction::Role;
use crate::error::{Error, Kind, Result};
use crate::event::Event;
use crate::handle::Handler;
use crate::net::closing::{Closing, close_gracefully};
use crate::net::edge::Edge;
use crate::net::stream::{Stream, is_peer_gone};
use crate::report::SessionReport;
use crate::termination::Termination;

/// How long a session that was told to end waits, after our end of stream, for the peer's; then it is reset.
const FAREWELL: Duration = Duration::from_secs(2);

pin_project! {
    /// Runs the handler, then closes the stream without destroying what was sent.
    pub(crate) struct Conduct<F> {
        edge: Arc<Edge>,
        // The task that the session wakes when it is told to end.
        known: Option<Waker>,
        #[pin]
        talk: Option<F>,
        parting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    }
}

/// Prepares a session; the returned future gives the report, and closes the socket when it is dropped.
pub(crate) fn conduct<H: Handler>(
    edge: Arc<Edge>,
    handler: Arc<H>,
) -> Conduct<impl Future<Output = Result<()>> + Send> {
    let (session, stream) = (edge.session().clone(), Stream::from_edge(edge.clone()));
    let talk = async move { handler.handle(session, stream).await };
    Conduct { edge, known: None, talk: Some(talk), parting: None }
}

impl<F: Future<Output = Result<()>>> Conduct<F> {
    /// Polls until the session is over; `closing` limits how long it listens to a peer that goes on sending.
    pub(crate) fn poll_until_over(self: Pin<&mut Self>, cx: &mut Context<'_>, closing: Closing) -> Poll<SessionReport> {
        let mut this = self.project();
        let session = this.edge.session();
        session.wake_on_stop(cx, this.known);
        if let Some(talk) = this.talk.as_mut().as_pin_mut() {
            if session.stopped().is_none() {
                ready!(poll_caught(talk, cx, this.edge));
            }
            // Held beyond the handler, so that the other side of a relay parts as gracefully.
            let far = this.edge.far();
            this.talk.set(None);
            if session.stopped().is_some() || !this.edge.needs_no_parting() {
                *this.parting = Some(Box::pin(part(this.edge.clone(), far, closing)));
            }
        }
        if let Some(parting) = this.parting {
            ready!(parting.as_mut().poll(cx));
            *this.parting = None;
        }
        if Arc::strong_count(this.edge) > 1 {
            // Some half of the stream has outlived its handler: nothing moves on it any more.
            this.edge.close_for_all();
        }
        Poll::Ready(match session.role() {
            Role::Client => this.edge.report(),
            // A server adds it to its totals; watchers get the rest of it with the close, from a kernel asked once.
            Role::Server => this.edge.tally(),
        })
    }
}

/// Polls the handler; a failure is reported, and a panic ends this session alone.
fn poll_caught(talk: Pin<&mut impl Future<Output = Result<()>>>, cx: &mut Context<'_>, edge: &Edge) -> Poll<()> {
    let session = edge.session();
    let error = match catch_unwind(AssertUnwindSafe(|| talk.poll(cx))) {
        Ok(Poll::Pending) => return Poll::Pending,
        Ok(Poll::Ready(Ok(()))) => return Poll::Ready(()),
        Ok(Poll::Ready(Err(error))) if is_peer_gone(&error) => return Poll::Ready(()),
        Ok(Poll::Ready(Err(error))) => error,
        Err(panic) => {
            session.stop(Termination::Aborted);
            panicked(&*panic)
        }
    };
    session.observers().emit(|| Event::Failed { session: Some(session.id()), error: Arc::new(error) });
    Poll::Ready(())
}

/// Returns the error that a panic of a handler is.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::new("handle", Kind::Io, format!("panicked: {}", text.as_deref().unwrap_or("without a message")))
}

async fn part(edge: Arc<Edge>, far: Option<Arc<Edge>>, closing: Closing) {
    let session = edge.session();
    if session.stopped().is_none() {
        // A session that is told to end while it closes changes over to the shorter farewell.
        let mut graceful = std::pin::pin!(close_gracefully(&edge, closing));
        poll_fn(|cx| if session.stopped().is_some() { Poll::Ready(()) } else { graceful.as_mut().poll(cx) }).await;
    }
    match session.stopped() {
        None => {}
        Some(reason) if is_abrupt(reason) => {
            edge.reset_on_close();
            if let Some(far) = far {
                far.reset_on_close();
            }
        }
        Some(_) => match far {
            Some(far) => drop(tokio::join!(bid_farewell(&edge, closing), bid_farewell(&far, closing))),
            None => bid_farewell(&edge, closing).await,
        },
    }
}

/// Tells whether an end of stream would not get through or be no true word.
fn is_abrupt(reason: Termination) -> bool {
    matches!(
        reason,
        // The peer takes nothing.
        Termination::WriteStall
            | Termination::Aborted
            // As the upstream itself would have refused.
            | Termination::UpstreamRefused
            | Termination::UpstreamTimeout
            | Termination::UpstreamUnreachable
            | Termination::UpstreamNotFound
            | Termination::UpstreamFailed
            // What there was to say has been said.
            | Termination::TargetDenied
            | Termination::HandshakeTimeout
            | Termination::HandshakeFailed
            | Termination::ServerReset
    )
}

async fn bid_farewell(edge: &Edge, closing: Closing) {
    if !closing.abrupt && !edge.is_over() {
        // Not by the close, which may wait for the other side's farewell.
        let _ = timeout(FAREWELL, poll_fn(|cx| edge.poll_shutdown(cx))).await;
    }
    let farewell = Closing { idle: FAREWELL, total: FAREWELL, bytes: u64::MAX, abrupt: closing.abrupt };
    let _ = timeout(FAREWELL, close_gracefully(edge, farewell)).await;
    if !edge.is_read_ended() {
        edge.reset_on_close();
    }
}
