//! One session from its handler to its close, whoever opened it.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

use crate::error::{Error, Kind, Result};
use crate::event::Event;
use crate::handle::Handler;
use crate::net::closing::{Closing, close_gracefully};
use crate::net::edge::Edge;
use crate::net::stream::{Stream, is_peer_gone};
use crate::report::SessionReport;
use crate::session::Session;
use crate::termination::Termination;

/// How long a session that was told to end waits, after our end of stream, for the peer's; then it is reset.
const FAREWELL: Duration = Duration::from_secs(2);

/// Runs the handler and closes the stream without destroying what was sent. The edge's last holder is the caller.
pub(crate) async fn conduct<H: Handler>(edge: &Arc<Edge>, handler: &H, closing: Closing) -> SessionReport {
    let session = edge.session().clone();
    match handled(handler, &session, Stream::from_edge(edge.clone())).await {
        Some(Err(error)) if !is_peer_gone(&error) => {
            session.observers().emit(|| Event::Failed { session: Some(session.id()), error: Arc::new(error) });
        }
        _ => {}
    }
    part(edge, &session, closing).await;
    if Arc::strong_count(edge) > 1 {
        // Some half of the stream has outlived its handler: nothing moves on it any more.
        edge.close_for_all();
    }
    edge.report()
}

/// Polls the handler until it is done or the session is told to end (`None`). A panic ends this session alone.
async fn handled<H: Handler>(handler: &H, session: &Session, stream: Stream) -> Option<Result<()>> {
    let panicked = |panic: Box<dyn Any + Send>| {
        session.stop(Termination::Aborted);
        let message = format!("panicked: {}", words(&*panic));
        Some(Err(Error::new("handle", Kind::Io, message)))
    };
    // A closure runs as far as its `async` block before there is a future.
    let future = match catch_unwind(AssertUnwindSafe(|| handler.handle(session.clone(), stream))) {
        Ok(future) => future,
        Err(panic) => return panicked(panic),
    };
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| {
        session.wake_on_stop(cx);
        if session.stopped().is_some() {
            return Poll::Ready(None);
        }
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(panic) => Poll::Ready(panicked(panic)),
        }
    })
    .await
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".into())
}

async fn part(edge: &Edge, session: &Session, closing: Closing) {
    if session.stopped().is_none() {
        // A session that is told to end while it closes changes over to the shorter farewell.
        let mut graceful = std::pin::pin!(close_gracefully(edge, closing));
        poll_fn(|cx| {
            session.wake_on_stop(cx);
            if session.stopped().is_some() { Poll::Ready(()) } else { graceful.as_mut().poll(cx) }
        })
        .await;
    }
    match session.stopped() {
        None => {}
        // The peer takes nothing, so an end of stream would not get through either.
        Some(Termination::WriteStall | Termination::Aborted) => edge.reset_on_close(),
        Some(_) => {
            let farewell = Closing { idle: FAREWELL, total: FAREWELL, bytes: u64::MAX };
            let _ = timeout(FAREWELL, close_gracefully(edge, farewell)).await;
            if !edge.is_read_ended() {
                edge.reset_on_close();
            }
        }
    }
}
