//! Faults in front of any handler, or of a stream of one's own.
//!
//! What talks gets one end of an in-memory pair; a bridge carries between the other end and the connection, and bends the
//! bytes on the way. So faults need nothing of whom they are for.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;

use crate::bridge::{Passage, bridge};
use crate::direction::Role;
use crate::error::Result;
use crate::handle::Handler;
use crate::net::closing::{Closing, close_gracefully};
use crate::net::edge::Edge;
use crate::net::stream::Stream;
use crate::pipe::plan::Faults;
use crate::session::Session;
use crate::termination::Termination;

/// Between two looks whether whoever talks has left.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How whoever has bent its own stream closes: it talks no more, so the peer is listened to for a moment alone.
const CLOSING: Closing =
    Closing { idle: Duration::from_secs(1), total: Duration::from_secs(30), bytes: 16 << 20, abrupt: false };

/// A handler behind faults.
///
/// ```
/// use callbox::handle::echo::Echo;
/// use callbox::handle::faulty::Faulty;
/// use callbox::pipe::plan::Faults;
///
/// let faulty = Faulty::new(Echo, Faults::none());
/// # let _ = faulty;
/// ```
#[derive(Debug)]
pub struct Faulty<H> {
    handler: Arc<H>,
    faults: Faults,
}

impl<H: Handler> Faulty<H> {
    /// Puts `faults` between `handler` and its clients.
    pub fn new(handler: H, faults: Faults) -> Faulty<H> {
        Faulty { handler: Arc::new(handler), faults }
    }
}

impl<H: Handler> Handler for Faulty<H> {
    async fn handle(&self, session: Session, stream: Stream) -> Result<()> {
        let (near, far) = Stream::inside(&session);
        let (inner, handler, talked) = (near.edge().clone(), self.handler.clone(), session.clone());
        let talking = async move {
            let result = handler.handle(talked, near).await;
            // As the opener does it with a connection: the answer is not destroyed by what the peer still sends.
            close_gracefully(&inner, Closing::default()).await;
            result
        };
        // What talks sees how it ended by the inner end that goes, and may have something to say of it.
        let carrying = async { carry(&session, &stream, far, &self.faults).await };
        tokio::pin!(talking, carrying);
        tokio::select! {
            biased;
            () = &mut carrying => talking.await,
            result = &mut talking => {
                carry_out(carrying, stream.edge()).await;
                result
            }
        }
    }

    fn counters(&self, count: &mut dyn FnMut(&'static str, u64)) {
        self.handler.counters(count);
    }

    fn is_short(&self) -> bool {
        self.handler.is_short()
    }
}

/// Puts faults between a stream and whoever talks on it: returns the stream to talk on, and what carries, which has to run
/// beside it until it is done: dropped, it closes the connection, and what faults held is lost.
///
/// # Cancel safety
///
/// Not cancel safe.
pub fn bend(stream: Stream, faults: Faults) -> (Stream, impl Future<Output = ()> + Send + 'static) {
    let session = stream.session().clone();
    let (near, far) = Stream::inside(&session);
    let inner = Arc::downgrade(near.edge());
    let carrying = async move {
        let mut carrying = pin!(carry(&session, &stream, far, &faults));
        let left = async {
            while inner.strong_count() > 0 {
                sleep(LOOK_AGAIN).await;
            }
        };
        let has_left = tokio::select! {
            biased;
            () = &mut carrying => false,
            () = left => true,
        };
        if has_left {
            carry_out(carrying, stream.edge()).await;
        }
        close_gracefully(stream.edge(), CLOSING).await;
    };
    (near, carrying)
}

/// Carries on when whoever talked has left, until all it has said is passed on and our end of stream behind it: nobody
/// takes what still comes.
async fn carry_out(mut carrying: Pin<&mut impl Future<Output = ()>>, outer: &Edge) {
    poll_fn(|cx| match carrying.as_mut().poll(cx) {
        Poll::Pending if !outer.is_write_ended() => Poll::Pending,
        _ => Poll::Ready(()),
    })
    .await;
}

/// Carries between the connection and the inner end until it is over.
async fn carry(session: &Session, stream: &Stream, far: Stream, faults: &Faults) {
    let passage = match session.role() {
        Role::Server => bridge(session, stream, &far, Some(faults)).await,
        Role::Client => bridge(session, &far, stream, Some(faults)).await,
    };
    if passage == Passage::Closed {
        session.stop(Termination::Fault);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// What a client waits for who stays though it was told the end.
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_is_done_waits_for_no_client_that_stays() {
        let (mut client, server) = Stream::pair();
        let session = server.session().clone();
        let faulty =
            Faulty::new(|_session, mut stream: Stream| async move { stream.write_all(b"bye").await }, Faults::none());
        let handling = tokio::spawn(async move { timeout(LONG, faulty.handle(session, server)).await });
        assert_eq!(client.chunk().await.expect("reads").as_deref(), Some(&b"bye"[..]));
        assert_eq!(client.chunk().await.expect("the end of stream"), None);
        handling.await.expect("no panic").expect("long before").expect("is no failure");
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_a_bent_stream_waits_for_no_peer_that_stays() {
        for ends in [false, true] {
            let (stream, mut peer) = Stream::pair();
            let (mut near, carrying) = bend(stream, Faults::none());
            let carrying = tokio::spawn(async move { timeout(LONG, carrying).await });
            near.write_all(b"bye").await.expect("writes");
            assert_eq!(peer.chunk().await.expect("reads").as_deref(), Some(&b"bye"[..]));
            if ends {
                near.shutdown().await.expect("ends");
                assert_eq!(peer.chunk().await.expect("the end of stream"), None);
            }
            drop(near);
            carrying.await.expect("no panic").expect("long before");
            if !ends {
                assert_eq!(peer.chunk().await.expect("the end of stream"), None);
            }
        }
    }
}
