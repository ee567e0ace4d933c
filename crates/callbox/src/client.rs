//! The active open: one connection, with retries.
//!
//! ```no_run
//! use callbox::Client;
//!
//! # async fn example() -> callbox::Result<()> {
//! let mut stream = Client::new("127.0.0.1:8848")?.connect().await?;
//! stream.write_all(b"hello").await?;
//! stream.shutdown().await?;
//! while let Some(data) = stream.chunk().await? {
//!     println!("received {data:?}");
//! }
//! # Ok(())
//! # }
//! ```

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::sleep;

use crate::addr::{Addr, Endpoint};
use crate::conduct::conduct;
use crate::direction::Role;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::handle::Handler;
use crate::net::closing::Closing;
use crate::net::connect::{ConnectOptions, Target};
use crate::net::edge::Edge;
use crate::net::open::{Opened, open};
use crate::net::retry::Attempts;
use crate::net::stream::{Stream, is_peer_gone};
use crate::net::tls::ClientTls;
use crate::observers::Observers;
use crate::report::{SessionId, SessionReport};
use crate::session::Session;

pub use crate::net::retry::{RETRY_PAUSE_MAX, RETRY_PAUSE_MIN, Retry};

/// Connects to one address.
#[derive(Debug, Clone)]
pub struct Client {
    addr: Addr,
    options: ConnectOptions,
    /// TLS, where the address asks for it and no options do.
    tls: Option<ClientTls>,
    retry: Retry,
    observers: Observers,
}

impl Client {
    /// Prepares to connect to `addr`, with the default options and unwatched. With `tls://host:port` it speaks TLS, by the
    /// default options of a [`ClientTls`] unless it is given others.
    ///
    /// # Errors
    ///
    /// An address that cannot be read.
    pub fn new<A>(addr: A) -> Result<Client>
    where
        A: TryInto<Endpoint>,
        Error: From<A::Error>,
    {
        let Endpoint { addr, tls } = addr.try_into()?;
        let tls = if tls { Some(ClientTls::by_default()?) } else { None };
        let (options, retry) = (ConnectOptions { tls: tls.clone(), ..ConnectOptions::default() }, Retry::default());
        Ok(Client { addr, options, tls, retry, observers: Observers::none() })
    }

    /// Replaces the options; an address that asks for TLS still has it.
    #[must_use]
    pub fn with_options(self, options: ConnectOptions) -> Client {
        let tls = options.tls.or_else(|| self.tls.clone());
        Client { options: ConnectOptions { tls, ..options }, ..self }
    }

    /// Replaces how often to try.
    #[must_use]
    pub fn with_retry(self, retry: Retry) -> Client {
        Client { retry, ..self }
    }

    /// Replaces who watches.
    #[must_use]
    pub fn with_observers(self, observers: Observers) -> Client {
        Client { observers, ..self }
    }

    /// Connects and returns the stream. Dropping it closes at once; what is unread by then makes that a reset.
    ///
    /// # Errors
    ///
    /// When every attempt failed: the last one's error. With several addresses, [`Error::attempts`] has each reason.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons all attempts.
    pub async fn connect(&self) -> Result<Stream> {
        let Opened { io, peer, phases, through } = self.try_until_spent().await?;
        let edge = Edge::new(io, Session::new(SessionId(1), Role::Client, peer, self.observers.clone()));
        self.observers.emit(|| Event::Connected {
            via: None,
            process: None,
            through,
            session: SessionId(1),
            role: Role::Client,
            peer: edge.session().peer().clone(),
            local: edge.local().unwrap_or_else(|| edge.session().peer().clone()),
            phases: Some(phases),
        });
        edge.announce_tls();
        Ok(Stream::from_edge(Arc::new(edge)))
    }

    /// Connects, lets `handler` talk, and closes without destroying what was sent.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`]; and what the handler returned, unless that is only the peer's reset or end, which the
    /// report's termination names. A handler that panics makes the termination `aborted`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn run(&self, handler: impl Handler) -> Result<SessionReport> {
        let stream = self.connect().await?;
        let edge = stream.edge().clone();
        drop(stream);
        let failure = Arc::new(Mutex::new(None));
        let handler = Witnessed { handler, failure: failure.clone() };
        let mut session = std::pin::pin!(conduct(edge, Arc::new(handler)));
        let report = poll_fn(|cx| session.as_mut().poll_until_over(cx, Closing::default())).await;
        let failure = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(report), Err)
    }

    async fn try_until_spent(&self) -> Result<Opened> {
        let mut attempts = Attempts::new(self.retry);
        loop {
            let error = match open(Target::Named(&self.addr), &self.options, &[]).await {
                Ok(opened) => return Ok(opened),
                Err(error) => error,
            };
            let Some(pause) = attempts.failed(&error) else {
                return Err(error);
            };
            let error = Arc::new(error);
            self.observers.emit(|| Event::Retrying { session: None, error, pause });
            sleep(pause).await;
        }
    }
}

/// A handler whose failure is kept: a client has one session, and its caller wants to know.
struct Witnessed<H> {
    handler: H,
    failure: Arc<Mutex<Option<Error>>>,
}

impl<H: Handler> Handler for Witnessed<H> {
    async fn handle(&self, session: Session, stream: Stream) -> Result<()> {
        let result = self.handler.handle(session, stream).await;
        if let Err(error) = &result
            && !is_peer_gone(error)
        {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use std::net::{SocketAddr, TcpListener};

    #[tokio::test]
    async fn retrying_meets_a_server_that_starts_late() {
        // Bound but not listening until the first refusal has been seen.
        let socket = crate::net::socket::Socket::new(&SocketAddr::from(([127, 0, 0, 1], 0))).expect("IPv4 is there");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("binds");
        let addr = socket.local_addr().expect("bound");
        let bus =
            crate::bus::Bus::new(crate::bus::Interest { data: false, talk: true, lossless: false, frames: false });
        let client = Client::new(Addr::from(addr))
            .expect("good")
            .with_retry(Retry::Times(20))
            .with_observers(Observers::on_bus(&bus));
        let connecting = tokio::spawn(async move { client.connect().await });
        let (_, event) = bus.next().await.expect("open");
        assert!(matches!(event, Event::Retrying { .. }), "{event:?}");
        let _listener = TcpListener::from(socket.listen(1).expect("listens"));
        let stream = connecting.await.expect("no panic").expect("the server is there now");
        assert_eq!(stream.session().peer(), &Addr::from(addr));
    }

    #[tokio::test]
    async fn what_the_handler_met_is_returned_and_a_reset_is_a_termination() {
        let server = crate::fixture::Server::echo();
        let client = Client::new(server.addr()).expect("good");
        let error = client
            .run(|_, _stream| async { Err(Error::new("judge", Kind::Io, "not as expected")) })
            .await
            .expect_err("the handler failed");
        assert_eq!(error.to_string(), "judge: not as expected");
        // Not before the connection is there: a reset on its way would be one of connecting.
        let peer = crate::fixture::Peer::listen().expects("hello").resets().start();
        let report = Client::new(peer.addr())
            .expect("good")
            .run(|_, mut stream: Stream| async move {
                stream.write_all(b"hello").await?;
                stream.chunk().await.map(drop)
            })
            .await
            .expect("a reset is an ending");
        assert_eq!(report.termination, crate::termination::Termination::ServerReset);
        peer.join();
    }

    #[tokio::test]
    async fn when_the_attempts_are_spent_the_last_error_is_returned() {
        let socket = crate::net::socket::Socket::new(&SocketAddr::from(([127, 0, 0, 1], 0))).expect("IPv4 is there");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("binds");
        let addr = Addr::from(socket.local_addr().expect("bound"));
        let client = Client::new(addr).expect("good").with_retry(Retry::Times(1));
        assert!(client.connect().await.expect_err("nobody listens").is_refused());
    }

    #[cfg(feature = "tls")]
    #[test]
    fn an_address_that_asks_for_tls_has_it_whatever_the_options() {
        let client = Client::new("tls://localhost:443").expect("good");
        assert!(client.options.tls.is_some());
        let client = client.with_options(ConnectOptions::default());
        assert!(client.options.tls.is_some());
        assert!(Client::new("localhost:443").expect("good").options.tls.is_none());
    }
}
