//! What a server may be told.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::access::Access;
use crate::net::closing::Closing;
use crate::net::resolve::Family;
use crate::net::socket::Options;
use crate::net::tls::ServerTls;
use crate::pipe::plan::Faults;
use crate::proxy_header::TrustedProxies;
use crate::workers::Workers;

/// Connections the kernel may queue before they are accepted; it caps this at `somaxconn`.
pub const BACKLOG: u32 = 1024;
/// Descriptors kept back from connections: standard streams, listeners, event queues, files, name lookups.
pub const RESERVED_DESCRIPTORS: u64 = 64;

/// From accept until the header of the PROXY protocol must be there, however it arrives. The specification wants three
/// seconds at least, for one segment that is sent again.
pub const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// How a server behaves. Every limit that is hit has a counter in the [`Report`](super::Report).
#[derive(Clone)]
pub struct ServerOptions {
    /// Options of every connection's socket.
    pub socket: Options,
    /// Which of an address's families are bound.
    pub family: Family,
    /// Connections the kernel may queue before they are accepted.
    pub backlog: u32,
    /// Connections open at once; `None` computes it from the descriptor limit.
    pub max_connections: Option<usize>,
    /// Descriptors that one connection needs, for that computation.
    pub descriptors_per_connection: u64,
    /// What happens to connections beyond that.
    pub when_full: WhenFull,
    /// Connections open at once from one address; `None` is no limit. Behind proxies these are the clients' addresses, as
    /// soon as a header has told them.
    pub max_per_ip: Option<usize>,
    /// Who may connect; the list may be replaced while the server runs, for connections to come. Others are reset. Behind
    /// proxies it holds for the client that the header names, and for the proxy itself where it names none.
    pub access: Access,
    /// Connections that become sessions in a second, by all listeners together; as many at once as one second brings, or one.
    /// What happens to those beyond says `when_full`. `None` is no limit.
    pub accept_rate: Option<f64>,
    /// Only proxies may connect, and each connection begins with a header of the PROXY protocol that names the client;
    /// `None` takes connections as they are. It is never guessed.
    pub accept_proxy: Option<AcceptProxy>,
    /// Speak TLS, after that header where there is one; who does not is turned away. `None` takes bytes as they are.
    pub tls: Option<ServerTls>,
    /// Accept no more after this many sessions; `None` goes on.
    pub sessions: Option<u64>,
    /// End a session when no byte went either way for this long; `None` never.
    pub idle_timeout: Option<Duration>,
    /// Abort a session whose peer takes nothing for this long; `None` never.
    pub write_stall_timeout: Option<Duration>,
    /// End a relay's session when one direction has ended and nothing came in the other for this long; `None` never.
    pub half_close_timeout: Option<Duration>,
    /// How long a draining server waits for its sessions.
    pub drain: Duration,
    /// How a session that ends listens to a peer that goes on sending.
    pub closing: Closing,
    /// Where sessions' numbers come from; `None` counts from 1. Servers whose events go the same way share one.
    pub numbers: Option<Arc<AtomicU64>>,
    /// Where sessions run; `None` is the caller's runtime.
    pub workers: Option<Workers>,
    /// Faults at the listeners; they may be changed while the server runs. Those on bytes are the handler's.
    pub faults: Option<Faults>,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            socket: Options::default(),
            family: Family::Any,
            backlog: BACKLOG,
            max_connections: None,
            descriptors_per_connection: 1,
            when_full: WhenFull::Wait,
            max_per_ip: None,
            access: Access::default(),
            accept_rate: None,
            accept_proxy: None,
            tls: None,
            sessions: None,
            idle_timeout: Some(Duration::from_secs(600)),
            write_stall_timeout: Some(Duration::from_secs(60)),
            half_close_timeout: None,
            drain: Duration::from_secs(10),
            closing: Closing::default(),
            numbers: None,
            workers: None,
            faults: None,
        }
    }
}

impl ServerOptions {
    /// Returns how many connections may be open at once: as asked for, else what the descriptor limit leaves room for.
    pub fn connection_limit(&self) -> usize {
        self.max_connections.unwrap_or_else(|| {
            let nofile = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
            let room = nofile.saturating_sub(RESERVED_DESCRIPTORS) / self.descriptors_per_connection.max(1);
            usize::try_from(room).unwrap_or(usize::MAX).max(1)
        })
    }
}

/// Which proxies a server takes connections from, and how long their header may take.
///
/// Sessions are told the client's address, and who may connect and how often is judged by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptProxy {
    /// Whose headers are believed; anybody else is refused.
    pub from: TrustedProxies,
    /// How long after accept the header must be there.
    pub timeout: Duration,
}

impl Default for AcceptProxy {
    fn default() -> AcceptProxy {
        AcceptProxy { from: TrustedProxies::default(), timeout: PROXY_HEADER_TIMEOUT }
    }
}

/// What happens to a connection when as many as allowed are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// It waits in the kernel's queue until another ends.
    #[default]
    Wait,
    /// It is reset at once.
    Refuse,
}
