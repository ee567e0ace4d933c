//! Faults in front of any handler, or of a stream of one's own.
//!
//! What talks gets one end of an in-memory pair; a bridge carries between the other end and the connection, and bends the
//! bytes on the way. So faults need nothing of whom they are for.

use std::sync::Arc;

use crate::bridge::{Passage, bridge};
use crate::direction::Role;
use crate::error::Result;
use crate::handle::Handler;
use crate::net::closing::{Closing, close_gracefully};
use crate::net::stream::Stream;
use crate::pipe::plan::Faults;
use crate::session::Session;
use crate::termination::Termination;

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
            // Then the inner end is gone: nobody takes what still comes.
            result = &mut talking => {
                carrying.await;
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
    let carrying = async move {
        carry(&session, &stream, far, &faults).await;
        close_gracefully(stream.edge(), Closing::default()).await;
    };
    (near, carrying)
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
