//! Bound, listening sockets: binding before anything runs, accepting, and closing without resetting who is queued.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::addr::{Addr, Host};
use crate::error::{Error, Kind, Result};
use crate::net::resolve::{Family, resolve};
use crate::net::socket::{Options, Socket, local_addr};
use crate::net::sys;
use crate::net::unix::{self, SocketPath};

/// How long a closing listener goes on accepting handshakes that were under way, beyond this machine: a long
/// round trip on one continent. On loopback a handshake is over before the call returns.
const HANDSHAKE_GRACE: Duration = Duration::from_millis(100);
const HANDSHAKE_GRACE_LOOPBACK: Duration = Duration::from_millis(5);

/// How often port 0 is drawn anew until it is free in both families.
const PORT_DRAWS: usize = 16;

/// One bound address. `:port` gives two of these.
#[derive(Debug)]
pub struct Listener {
    socket: AsyncFd<OwnedFd>,
    addr: Arc<Addr>,
    /// Whether every connection's local address is `addr`.
    specific: bool,
    /// Whether others may hold the same socket: it must be left as it was found.
    inherited: bool,
    /// The path to remove when the listener closes.
    _path: Option<SocketPath>,
}

/// What binding brought: the listeners, and what the user should know about them.
#[derive(Debug)]
pub struct Bound {
    /// One for each address.
    pub listeners: Vec<Listener>,
    /// Such as: IPv6 is not there.
    pub notices: Vec<String>,
}

impl Listener {
    /// Binds `addr` and listens: a loopback or wildcard address on both families where both are there, a name on
    /// each of its addresses, all on the same port.
    ///
    /// # Errors
    ///
    /// Names the address and the reason: in use, not ours, forbidden, not found.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was bound.
    pub async fn bind(addr: &Addr, options: &Options, backlog: u32, family: Family) -> Result<Bound> {
        let (mut addrs, optional_v6) = match addr {
            Addr::Tcp { host: Host::Loopback, port } => (both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST, *port), true),
            Addr::Tcp { host: Host::Any, port } => (both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED, *port), true),
            Addr::Tcp { host: Host::Ip(ip), port } => (vec![SocketAddr::new(*ip, *port)], false),
            Addr::Tcp { host: Host::Name(name), port } => {
                let mut addrs = resolve(name, *port, family).await?;
                // IPv4 first, so that a missing IPv6 is what gives way.
                addrs.sort_by_key(SocketAddr::is_ipv6);
                (addrs, name == "localhost")
            }
            Addr::Unix(path) => return Ok(one(Listener::bind_unix(path, options, backlog).await?)),
            Addr::Fd(number) => return Ok(one(Listener::adopt(*number)?)),
            Addr::Memory => return Err(Error::new("bind", Kind::AddressNotAvailable, "memory is no address")),
        };
        addrs.retain(|addr| family.admits(addr));
        if addrs.is_empty() {
            return Err(Error::new("bind", Kind::AddressNotAvailable, "the address is not of that family").at(addr));
        }
        let mut last = None;
        for _ in 0..PORT_DRAWS {
            match bind_all(&addrs, optional_v6, options, backlog) {
                Err(error) if error.kind() == Kind::AddressInUse && addrs[0].port() == 0 => last = Some(error),
                result => return result,
            }
        }
        Err(last.expect("a draw failed, since none returned"))
    }

    fn bind_tcp(addr: SocketAddr, options: &Options, backlog: u32) -> Result<Listener> {
        let socket = Socket::new(&addr).map_err(|error| error.at(addr))?;
        socket.configure(options)?;
        socket.bind(addr)?;
        let bound = socket.local_addr()?;
        Listener::register(socket.listen(backlog)?, bound.into(), !bound.ip().is_unspecified())
    }

    async fn bind_unix(path: &Path, options: &Options, backlog: u32) -> Result<Listener> {
        let addr = Addr::Unix(path.to_path_buf());
        let bound = unix::bind(path, backlog, options.unix_mode).await;
        let (socket, path) = bound.map_err(|error| Error::io("bind", error).at(&addr))?;
        Ok(Listener { _path: path, ..Listener::register(socket, addr, true)? })
    }

    fn adopt(number: u32) -> Result<Listener> {
        let failed = |error| Error::io("inherit", error).at(Addr::Fd(number));
        let socket = sys::adopt(number).map_err(|error| match error.raw_os_error() {
            Some(libc::EBADF) => Error::new("inherit", Kind::Io, "no such descriptor was passed").at(Addr::Fd(number)),
            _ => failed(error),
        })?;
        let problem = match SockRef::from(&socket).is_listener() {
            Ok(true) => None,
            Ok(false) => Some("not a listening socket"),
            Err(error) if error.raw_os_error() == Some(libc::ENOTSOCK) => Some("not a socket"),
            Err(error) => return Err(failed(error)),
        };
        if let Some(problem) = problem {
            // It is somebody else's after all: of this very process, if nothing was passed.
            let _ = socket.into_raw_fd();
            return Err(Error::new("inherit", Kind::Io, problem).at(Addr::Fd(number)));
        }
        SockRef::from(&socket).set_nonblocking(true).map_err(failed)?;
        let (addr, specific) = match local_addr(socket.as_fd()) {
            Ok(addr) => (addr.into(), !addr.ip().is_unspecified()),
            Err(_) => {
                let path = SockRef::from(&socket).local_addr().ok().and_then(|name| unix::bound_path(&name));
                (path.map_or(Addr::Fd(number), Addr::Unix), true)
            }
        };
        let listener = Listener::register(socket, addr, specific)?;
        Ok(Listener { inherited: true, ..listener })
    }

    fn register(socket: OwnedFd, addr: Addr, specific: bool) -> Result<Listener> {
        let socket = sys::register(socket, Interest::READABLE).map_err(|error| Error::io("listen", error).at(&addr))?;
        Ok(Listener { socket, addr: Arc::new(addr), specific, inherited: false, _path: None })
    }

    /// Returns the bound address, with the real port.
    pub fn addr(&self) -> &Addr {
        &self.addr
    }

    /// Returns the local address that every accepted connection has, unless that differs from one to the next.
    pub fn shared_local(&self) -> Option<&Arc<Addr>> {
        self.specific.then_some(&self.addr)
    }

    /// Tells whether this process inherited it (`fd:N`), so that it cannot be bound again.
    pub fn is_inherited(&self) -> bool {
        self.inherited
    }

    /// Returns the listening socket.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }

    /// Accepts one connection, non-blocking and close-on-exec, with the peer's address as `accept` reports it (a
    /// client that has already reset has none to ask for).
    ///
    /// # Errors
    ///
    /// As [`Listener::accept`].
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(OwnedFd, Addr)>> {
        loop {
            let mut guard = ready!(self.socket.poll_read_ready(cx))?;
            if let Ok(result) = guard.try_io(|fd| self.accept_now(fd.get_ref())) {
                return Poll::Ready(result);
            }
        }
    }

    /// Accepts one connection.
    ///
    /// # Errors
    ///
    /// Whatever `accept` reports; most of it concerns one connection or passes.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost when the future is dropped.
    pub async fn accept(&self) -> io::Result<(OwnedFd, Addr)> {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn accept_now(&self, fd: &OwnedFd) -> io::Result<(OwnedFd, Addr)> {
        #[cfg(target_os = "linux")]
        let (socket, peer) = {
            use rustix::net::SocketFlags;
            rustix::net::acceptfrom_with(fd, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?
        };
        #[cfg(not(target_os = "linux"))]
        let (socket, peer) = {
            let (socket, peer) = rustix::net::acceptfrom(fd)?;
            rustix::io::ioctl_fionbio(&socket, true)?;
            rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
            (socket, peer)
        };
        let peer = match peer.and_then(|peer| SocketAddr::try_from(peer).ok()) {
            Some(peer) => Addr::from(peer),
            None => Addr::clone(&self.addr),
        };
        Ok((socket, peer))
    }

    /// Closes without resetting anybody who got in: new handshakes are dropped first, then whoever is queued goes to
    /// `take`, and only then does the listener close.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes at once; who is still queued is reset.
    pub async fn close(self, mut take: impl FnMut(OwnedFd, Addr)) {
        // Whoever else holds an inherited listener would never be connected to again.
        if matches!(*self.addr, Addr::Tcp { .. }) && !self.inherited {
            // Without the filter (forbidden in some sandboxes) closing is as good as it was before: a small window stays.
            let _ = drop_new_handshakes(self.socket.get_ref());
        }
        self.accept_queued(&mut take);
        if !matches!(*self.addr, Addr::Unix(_)) {
            let grace = if self.addr.is_loopback() { HANDSHAKE_GRACE_LOOPBACK } else { HANDSHAKE_GRACE };
            tokio::time::sleep(grace).await;
            self.accept_queued(&mut take);
        }
    }

    /// Has new handshakes go unanswered, until [`Listener::answer`]; who is queued stays queued. A Unix socket has no
    /// handshakes: there whoever connects waits once the queue, now of one, is full.
    ///
    /// # Errors
    ///
    /// An inherited listener is left as it is, for others may hold it; and some sandboxes forbid filters. Then new
    /// connections are queued.
    pub(crate) fn ignore(&self) -> io::Result<()> {
        match (&*self.addr, self.inherited) {
            (_, true) => Err(io::Error::new(io::ErrorKind::Unsupported, "others may hold the listener")),
            (Addr::Unix(_), _) => Ok(rustix::net::listen(self.socket.get_ref(), 0)?),
            _ => drop_new_handshakes(self.socket.get_ref()),
        }
    }

    /// Answers handshakes again, after [`Listener::ignore`] has worked.
    pub(crate) fn answer(&self, backlog: u32) -> io::Result<()> {
        match &*self.addr {
            Addr::Unix(_) => {
                Ok(rustix::net::listen(self.socket.get_ref(), i32::try_from(backlog).unwrap_or(i32::MAX))?)
            }
            #[cfg(target_os = "linux")]
            _ => SockRef::from(self.socket.get_ref()).detach_filter(),
            #[cfg(not(target_os = "linux"))]
            _ => Ok(()),
        }
    }

    fn accept_queued(&self, take: &mut impl FnMut(OwnedFd, Addr)) {
        /// More failures in a row than any queue is long: the listener itself is at fault.
        const FAILURES: usize = 65_536;
        for _ in 0..FAILURES {
            match self.accept_now(self.socket.get_ref()) {
                Ok((socket, peer)) => take(socket, peer),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

fn one(listener: Listener) -> Bound {
    Bound { listeners: vec![listener], notices: Vec::new() }
}

fn both(v4: Ipv4Addr, v6: Ipv6Addr, port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::new(IpAddr::V4(v4), port), SocketAddr::new(IpAddr::V6(v6), port)]
}

/// Binds every address on the port of the first, which may be drawn.
fn bind_all(addrs: &[SocketAddr], optional_v6: bool, options: &Options, backlog: u32) -> Result<Bound> {
    let mut bound = Bound { listeners: Vec::new(), notices: Vec::new() };
    let mut port = addrs[0].port();
    for addr in addrs {
        match Listener::bind_tcp(SocketAddr::new(addr.ip(), port), options, backlog) {
            Ok(listener) => {
                if let Addr::Tcp { port: drawn, .. } = *listener.addr {
                    port = drawn;
                }
                bound.listeners.push(listener);
            }
            Err(error) if optional_v6 && addr.is_ipv6() && !bound.listeners.is_empty() && lacks_family(&error) => {
                bound.notices.push(format!("IPv6 is not available ({}): listening on IPv4 only", error.cause()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(bound)
}

fn lacks_family(error: &Error) -> bool {
    error.kind() == Kind::AddressNotAvailable || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

/// Has the kernel drop SYNs, and nothing else, that arrive at a listener.
fn drop_new_handshakes(listener: &OwnedFd) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use socket2::SockFilter;
        /// The flags are the byte at 13 of a TCP header (RFC 9293, section 3.1), where a filter on a TCP socket starts.
        const FLAGS: u32 = 13;
        const SYN: u32 = 0x02;
        const ACK: u32 = 0x10;
        let filter = [
            SockFilter::new(0x30, 0, 0, FLAGS),     // load the byte
            SockFilter::new(0x54, 0, 0, SYN | ACK), // keep two flags
            SockFilter::new(0x15, 0, 1, SYN),       // SYN without ACK?
            SockFilter::new(0x06, 0, 0, 0),         // then drop
            SockFilter::new(0x06, 0, 0, u32::MAX),  // else keep whole
        ];
        SockRef::from(listener).attach_filter(&filter)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = listener;
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    async fn bind(addr: &str) -> Bound {
        let addr = Addr::parse(addr).expect("a good address");
        Listener::bind(&addr, &Options::default(), 128, Family::Any).await.expect("binds")
    }

    #[tokio::test]
    async fn loopback_without_a_host_binds_both_families_on_one_port() {
        let bound = bind(":0").await;
        let ports: Vec<u16> = bound
            .listeners
            .iter()
            .map(|listener| match listener.addr() {
                Addr::Tcp { port, .. } => *port,
                other => panic!("{other} is not TCP"),
            })
            .collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0), "{ports:?}");
        assert_eq!(bound.listeners.len() + bound.notices.len(), 2);
    }

    #[tokio::test]
    async fn a_closing_listener_hands_over_who_is_queued_and_resets_nobody() {
        let listener = bind("127.0.0.1:0").await.listeners.remove(0);
        let addr = listener.addr().to_string();
        let mut clients: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&addr).expect("queued")).collect();
        let mut taken = Vec::new();
        listener.close(|socket, _| taken.push(TcpStream::from(socket))).await;
        assert_eq!(taken.len(), 20);
        for (server, client) in taken.iter_mut().zip(&mut clients) {
            server.set_nonblocking(false).expect("sets");
            server.write_all(b"served").expect("writes");
            let mut answer = [0; 6];
            client.read_exact(&mut answer).expect("no reset");
        }
        assert!(TcpStream::connect(&addr).is_err(), "closed");
    }

    #[tokio::test]
    async fn a_dead_unix_socket_makes_room_and_a_live_one_does_not() {
        let folder = std::env::temp_dir().join(format!("callbox-listener-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("creates");
        let path = folder.join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
        let addr = Addr::Unix(path.clone());
        let live = Listener::bind(&addr, &Options::default(), 1, Family::Any).await.expect("the dead one is removed");
        let error = Listener::bind(&addr, &Options::default(), 1, Family::Any).await.expect_err("somebody listens");
        assert_eq!(error.kind(), Kind::AddressInUse);
        drop(live);
        assert!(!path.exists(), "removed with the listener");
        std::fs::write(&path, "a file").expect("writes");
        Listener::bind(&addr, &Options::default(), 1, Family::Any).await.expect_err("not a socket");
        assert!(path.exists(), "a file is never removed");
        std::fs::remove_dir_all(&folder).expect("cleans up");
    }
}
