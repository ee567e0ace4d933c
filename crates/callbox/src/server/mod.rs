//! The passive open: accepts many connections and hands each to a handler.
//!
//! ```no_run
//! use callbox::{Server, Stream};
//!
//! # async fn example() -> callbox::Result<()> {
//! let server = Server::bind("127.0.0.1:8848").await?;
//! println!("listening on {}", server.local_addrs()[0]);
//! let reply = |_session, mut stream: Stream| async move {
//!     while let Some(data) = stream.chunk().await? {
//!         println!("received {data:?}");
//!         stream.write_all(b"thank you !").await?;
//!     }
//!     Ok(())
//! };
//! server.run(reply, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```

mod accept;
mod accept_error;
mod arrival;
mod arriving;
mod bending;
mod first;
mod options;
mod rate;
mod running;
mod seated;
mod shared;
mod sweep;
mod totals;

pub use options::{AcceptProxy, BACKLOG, PROXY_HEADER_TIMEOUT, RESERVED_DESCRIPTORS, ServerOptions, WhenFull};
pub use running::Running;
pub use totals::{Report, SessionSnapshot, Snapshot, TurnedAway};

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crate::addr::Addr;
use crate::error::{Error, Kind, Result};
use crate::event::Event;
use crate::handle::Handler;
use crate::net::listener::Listener;
use crate::observers::Observers;

/// A bound server that has not accepted anything yet.
pub struct Server {
    listeners: Vec<Listener>,
    addrs: Vec<Addr>,
    options: ServerOptions,
    observers: Observers,
    turned_away: TurnedAway,
}

impl Server {
    /// Binds `addr` with the default options: bound and known before anything runs. `:port` binds both families.
    ///
    /// # Errors
    ///
    /// An address that cannot be read, is in use, is not this machine's, or is forbidden.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was bound.
    pub async fn bind<A>(addr: A) -> Result<Server>
    where
        A: TryInto<Addr>,
        Error: From<A::Error>,
    {
        Server::bind_with(addr, ServerOptions::default(), Observers::none()).await
    }

    /// Binds `addr` with options, watched by `observers`.
    ///
    /// # Errors
    ///
    /// As [`Server::bind`]; also a socket option that the system refuses.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was bound.
    pub async fn bind_with<A>(addr: A, options: ServerOptions, observers: Observers) -> Result<Server>
    where
        A: TryInto<Addr>,
        Error: From<A::Error>,
    {
        Server::bind_all(&[addr.try_into()?], options, observers).await
    }

    /// Binds several addresses, for one server with one set of limits.
    ///
    /// # Errors
    ///
    /// As [`Server::bind_with`], of the first address that cannot be bound; also where there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was bound.
    pub async fn bind_all(addrs: &[Addr], options: ServerOptions, observers: Observers) -> Result<Server> {
        if addrs.is_empty() {
            return Err(Error::new("bind", Kind::AddressNotAvailable, "no address"));
        }
        let mut listeners = Vec::new();
        for addr in addrs {
            let bound = Listener::bind(addr, &options.socket, options.backlog, options.family).await?;
            for message in bound.notices {
                observers.emit(|| Event::Notice { message });
            }
            listeners.extend(bound.listeners);
        }
        let addrs = listeners.iter().map(|listener| listener.addr().clone()).collect();
        Ok(Server { listeners, addrs, options, observers, turned_away: TurnedAway::default() })
    }

    /// Limits the connections open at once from one address, where that hangs on what was bound; `None` is no limit.
    #[must_use]
    pub fn with_max_per_ip(mut self, max: Option<usize>) -> Server {
        self.options.max_per_ip = max;
        self
    }

    /// Returns the bound addresses, with the real ports.
    pub fn local_addrs(&self) -> &[Addr] {
        &self.addrs
    }

    /// Returns the count of those that [`Server::accept_first`] will turn away.
    pub fn turned_away(&self) -> TurnedAway {
        self.turned_away.clone()
    }

    /// Returns the listening sockets, for asking the kernel about them.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.listeners.iter().map(Listener::descriptor)
    }

    /// Accepts and serves until `shutdown` is ready or the sessions asked for are done; then drains: whoever is
    /// connected or queued is served, the rest gets our end of stream at the drain deadline and a reset two seconds
    /// later.
    ///
    /// # Errors
    ///
    /// When the listener itself fails. Failures of single sessions end those sessions alone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listeners and aborts all sessions.
    pub async fn run(self, handler: impl Handler, shutdown: impl Future<Output = ()>) -> Result<Report> {
        let running = self.spawn(handler);
        tokio::select! {
            biased;
            () = shutdown => {}
            result = running.finished() => return result,
        }
        running.drain().await
    }

    /// Starts accepting and serving, and returns the means to steer it.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn spawn(self, handler: impl Handler) -> Running {
        let handler = Arc::new(handler);
        let counting = handler.clone();
        let counters: shared::Counters = Box::new(move |count| counting.counters(count));
        let shared = shared::Shared::new(self.options, self.observers, counters);
        running::start(Arc::new(shared), handler, self.listeners, self.addrs)
    }
}

#[cfg(test)]
mod tests;
