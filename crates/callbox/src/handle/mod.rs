//! What talks on a stream.
//!
//! A handler never knows whether its stream was dialled or accepted, and none of them imports another.

pub mod discard;
pub mod echo;
pub mod exec;
pub mod generate;
pub mod reply;
pub mod talk;

use crate::error::Result;
use crate::net::stream::Stream;
use crate::session::Session;

/// Async code that talks on a stream. Closures `|session, stream| async move { ... }` are handlers too.
///
/// When the future is done, the opener closes the stream without destroying what was sent: our end of stream, then
/// what the peer still sends is discarded within limits, then close. The stream does not outlive the future.
pub trait Handler: Send + Sync + 'static {
    /// Talks on `stream` until the conversation is over.
    ///
    /// # Errors
    ///
    /// An error ends this session alone; the opener reports it. A peer that vanished is not worth one: return it with
    /// `?` and the session's termination says `client_reset`.
    ///
    /// # Cancel safety
    ///
    /// The opener drops the future when the session is told to end (idle timeout, drain, abort).
    fn handle(&self, session: Session, stream: Stream) -> impl Future<Output = Result<()>> + Send;
}

impl<F, Fut> Handler for F
where
    F: Fn(Session, Stream) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send,
{
    fn handle(&self, session: Session, stream: Stream) -> impl Future<Output = Result<()>> + Send {
        self(session, stream)
    }
}
