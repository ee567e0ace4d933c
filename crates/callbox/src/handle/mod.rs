//! What talks on a stream.
//!
//! A handler never knows whether its stream was dialled or accepted, and none of them imports another.

pub mod answer;
pub mod discard;
pub mod echo;
pub mod erased;
pub mod exchange;
pub mod exec;
pub mod faulty;
pub mod generate;
pub mod relay;
pub mod reply;
pub mod talk;

use crate::error::Result;
use crate::net::stream::Stream;
use crate::session::Session;

/// Async code that talks on a stream: a function, a closure, or a type of your own.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
///
/// use callbox::{Handler, Result, Session, Stream};
///
/// // A function.
/// async fn greet(session: Session, mut stream: Stream) -> Result<()> {
///     stream.write_all(format!("hello {}", session.peer()).as_bytes()).await
/// }
///
/// // A closure. What it keeps between sessions is cloned for each of them.
/// let greeted = Arc::new(AtomicU64::new(0));
/// let count = greeted.clone();
/// let counting = move |_session, mut stream: Stream| {
///     let count = count.clone();
///     async move {
///         count.fetch_add(1, Relaxed);
///         stream.write_all(b"hello").await
///     }
/// };
///
/// // A type, which all sessions share.
/// struct File(std::path::PathBuf);
///
/// impl Handler for File {
///     async fn handle(&self, _session: Session, mut stream: Stream) -> Result<()> {
///         // Errors of the system become errors of this library.
///         stream.write_all(&std::fs::read(&self.0)?).await
///     }
/// }
///
/// # use callbox::fixture::Server;
/// # let ask = |server: &Server| {
/// #     std::io::read_to_string(std::net::TcpStream::connect(server.addr()).unwrap()).unwrap()
/// # };
/// # assert!(ask(&Server::start(greet)).starts_with("hello 127.0.0.1:"));
/// # assert_eq!(ask(&Server::start(counting)), "hello");
/// # assert_eq!(greeted.load(Relaxed), 1);
/// # let missing = Server::start(File("/nowhere".into()));
/// # assert_eq!(ask(&missing), "");
/// # assert_eq!(missing.failures()[0].kind(), callbox::Kind::NotFound);
/// ```
///
/// An `async move |session, stream|` closure works too as long as it captures nothing: its future would borrow from
/// the closure, which no stable bound can describe as `Send`.
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

    /// Gives `count` what the handler has counted over all sessions, by names; a server's report has it among its limits.
    /// Whoever wraps a handler passes this on.
    fn counters(&self, _count: &mut dyn FnMut(&'static str, u64)) {}

    /// Tells whether sessions that are there wait for something the system has run out of, so that it is no time to accept
    /// more. Whoever wraps a handler passes this on.
    fn is_short(&self) -> bool {
        false
    }
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
