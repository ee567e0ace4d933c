//! A bare socket and its options: the steps of the tutorial one by one, and what every command may set.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::{Error, Result};
use crate::net::sys;
use crate::report::state;

/// Socket options as every command takes them. `None` leaves the system's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Send small chunks at once (`TCP_NODELAY`); on unless asked otherwise.
    pub nodelay: bool,
    /// Probe a silent peer after this time, then every 10 s, six times (`SO_KEEPALIVE`); `None` is off.
    pub keepalive: Option<Duration>,
    /// Give up when sent bytes stay unacknowledged for this long (`TCP_USER_TIMEOUT`).
    pub user_timeout: Option<Duration>,
    /// `SO_SNDBUF` in bytes; the kernel doubles it.
    pub send_buffer: Option<usize>,
    /// `SO_RCVBUF` in bytes; the kernel doubles it.
    pub receive_buffer: Option<usize>,
    /// Let several listeners share the address (`SO_REUSEPORT`).
    pub reuse_port: bool,
    /// `IP_TTL` or `IPV6_UNICAST_HOPS`.
    pub ttl: Option<u8>,
    /// `IP_TOS` or `IPV6_TCLASS`.
    pub tos: Option<u8>,
    /// Close with a reset instead of FIN (`SO_LINGER` 0).
    pub zero_linger: bool,
    /// Urgent bytes come where they were sent, as any other (`SO_OOBINLINE`); else they are left out.
    pub urgent_inline: bool,
    /// The mode of a Unix socket's file, whatever the umask: who may write there may connect.
    pub unix_mode: u32,
}

/// Only the user that listens may connect to a Unix socket.
pub const UNIX_MODE: u32 = 0o600;

/// Silence before the first keepalive probe.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// Between probes: six of them give a dead peer two minutes in all.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Unanswered probes before the connection counts as dead.
pub const KEEPALIVE_PROBES: u32 = 6;

impl Default for Options {
    fn default() -> Options {
        Options {
            nodelay: true,
            keepalive: Some(KEEPALIVE_IDLE),
            user_timeout: None,
            send_buffer: None,
            receive_buffer: None,
            reuse_port: false,
            ttl: None,
            tos: None,
            zero_linger: false,
            urgent_inline: false,
            unix_mode: UNIX_MODE,
        }
    }
}

impl Options {
    /// Applies the options to a TCP socket, before it connects or listens. On Linux an accepted socket inherits
    /// every one of them from its listener, so accepting costs no further call.
    ///
    /// # Errors
    ///
    /// Names the option that the system refused.
    pub fn apply(&self, socket: BorrowedFd<'_>, ipv6: bool) -> Result<()> {
        let fd = SockRef::from(&socket);
        let named = |name, result: io::Result<()>| result.map_err(|error| Error::io(name, error));
        named("set nodelay", fd.set_tcp_nodelay(self.nodelay))?;
        if let Some(idle) = self.keepalive {
            named("set keepalive", keep_alive(&fd, idle))?;
        }
        if self.user_timeout.is_some() {
            #[cfg(target_os = "linux")]
            named("set user timeout", fd.set_tcp_user_timeout(self.user_timeout))?;
        }
        if let Some(bytes) = self.send_buffer {
            named("set send buffer", fd.set_send_buffer_size(bytes))?;
        }
        if let Some(bytes) = self.receive_buffer {
            named("set receive buffer", fd.set_recv_buffer_size(bytes))?;
        }
        if self.reuse_port {
            named("set reuse port", fd.set_reuse_port(true))?;
        }
        if let Some(ttl) = self.ttl.map(u32::from) {
            named("set ttl", if ipv6 { fd.set_unicast_hops_v6(ttl) } else { fd.set_ttl_v4(ttl) })?;
        }
        if let Some(tos) = self.tos.map(u32::from) {
            named("set tos", if ipv6 { fd.set_tclass_v6(tos) } else { fd.set_tos_v4(tos) })?;
        }
        if self.urgent_inline {
            named("set urgent inline", fd.set_out_of_band_inline(true))?;
        }
        if self.zero_linger {
            named("set linger", fd.set_linger(Some(Duration::ZERO)))?;
        }
        Ok(())
    }
}

/// Has a silent peer probed after `idle`.
pub(crate) fn keep_alive(socket: &SockRef<'_>, idle: Duration) -> io::Result<()> {
    let interval = KEEPALIVE_INTERVAL.min(idle);
    let keepalive = socket2::TcpKeepalive::new().with_time(idle).with_interval(interval);
    socket.set_tcp_keepalive(&keepalive.with_retries(KEEPALIVE_PROBES))
}

/// What a socket's options really are, asked of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// `TCP_NODELAY`
    pub nodelay: bool,
    /// `SO_KEEPALIVE` with `TCP_KEEPIDLE`; `None` is off.
    pub keepalive: Option<Duration>,
    /// `TCP_USER_TIMEOUT`; `None` is off.
    pub user_timeout: Option<Duration>,
    /// `SO_SNDBUF` in bytes.
    pub send_buffer: usize,
    /// `SO_RCVBUF` in bytes.
    pub receive_buffer: usize,
    /// `SO_REUSEPORT`
    pub reuse_port: bool,
    /// `IP_TTL` or `IPV6_UNICAST_HOPS`
    pub ttl: u32,
    /// `IP_TOS` or `IPV6_TCLASS`
    pub tos: u32,
    /// Whether closing resets (`SO_LINGER` 0).
    pub zero_linger: bool,
}

impl Effective {
    /// Asks the kernel.
    ///
    /// # Errors
    ///
    /// When it is no TCP socket.
    pub fn of(socket: BorrowedFd<'_>) -> io::Result<Effective> {
        let fd = SockRef::from(&socket);
        let ipv6 = fd.local_addr()?.is_ipv6();
        Ok(Effective {
            nodelay: fd.tcp_nodelay()?,
            keepalive: if fd.keepalive()? { Some(fd.tcp_keepalive_time()?) } else { None },
            #[cfg(target_os = "linux")]
            user_timeout: fd.tcp_user_timeout()?,
            #[cfg(not(target_os = "linux"))]
            user_timeout: None,
            send_buffer: fd.send_buffer_size()?,
            receive_buffer: fd.recv_buffer_size()?,
            reuse_port: fd.reuse_port()?,
            ttl: if ipv6 { fd.unicast_hops_v6()? } else { fd.ttl_v4()? },
            tos: if ipv6 { fd.tclass_v6()? } else { fd.tos_v4()? },
            zero_linger: fd.linger()? == Some(Duration::ZERO),
        })
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |flag| if flag { "on" } else { "off" };
        let time = |value: Option<Duration>| value.map_or("off".into(), |value| format!("{value:?}"));
        write!(
            f,
            "nodelay {}, keepalive {}, user timeout {}, send buffer {} B, receive buffer {} B, reuse port {}, ttl {}, \
             tos {}, zero linger {}",
            on(self.nodelay),
            time(self.keepalive),
            time(self.user_timeout),
            self.send_buffer,
            self.receive_buffer,
            on(self.reuse_port),
            self.ttl,
            self.tos,
            on(self.zero_linger),
        )
    }
}

/// A TCP socket that is not connected and does not listen yet: the tutorial's first step.
#[derive(Debug)]
pub struct Socket {
    fd: socket2::Socket,
    ipv6: bool,
}

impl Socket {
    /// Creates a socket of the address family that `addr` has.
    ///
    /// # Errors
    ///
    /// When the family is not there, or descriptors have run out.
    pub fn new(addr: &SocketAddr) -> Result<Socket> {
        let kind = Type::STREAM.nonblocking().cloexec();
        let fd = socket2::Socket::new(Domain::for_address(*addr), kind, Some(Protocol::TCP))
            .map_err(|error| Error::io("socket", error))?;
        Ok(Socket { fd, ipv6: addr.is_ipv6() })
    }

    /// Applies options.
    ///
    /// # Errors
    ///
    /// Names the option that the system refused.
    pub fn configure(&self, options: &Options) -> Result<()> {
        options.apply(self.fd.as_fd(), self.ipv6)
    }

    /// Binds to a local address, as a server does: also while old connections of it are in TIME_WAIT, and an IPv6
    /// wildcard for IPv6 alone.
    ///
    /// # Errors
    ///
    /// Says whether the address is in use, not ours, or forbidden.
    pub fn bind(&self, addr: SocketAddr) -> Result<()> {
        let reserve = || {
            self.fd.set_reuse_address(true)?;
            if self.ipv6 {
                self.fd.set_only_v6(true)?;
            }
            self.fd.bind(&SockAddr::from(addr))
        };
        reserve().map_err(|error| Error::io("bind", error).at(addr))
    }

    /// Binds the source of a connection; a port of 0 is chosen by the kernel.
    ///
    /// # Errors
    ///
    /// As [`Socket::bind`].
    pub fn bind_source(&self, addr: SocketAddr) -> Result<()> {
        let reserve = || {
            if addr.port() == 0 {
                sys::bind_without_port(self.fd.as_fd())?;
            } else {
                self.fd.set_reuse_address(true)?;
            }
            self.fd.bind(&SockAddr::from(addr))
        };
        reserve().map_err(|error| Error::io("bind", error).at(addr))
    }

    /// Makes the socket passive; the kernel queues up to `backlog` connections (capped by `somaxconn`).
    ///
    /// # Errors
    ///
    /// When another listener has the address (it can be bound but not listened on).
    pub fn listen(self, backlog: u32) -> Result<OwnedFd> {
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        match self.fd.listen(backlog) {
            Ok(()) => Ok(self.fd.into()),
            Err(error) => Err(match self.local_addr() {
                Ok(addr) => Error::io("listen", error).at(addr),
                Err(_) => Error::io("listen", error),
            }),
        }
    }

    /// Connects: the active open. Returns the connected socket.
    ///
    /// # Errors
    ///
    /// Refused, timed out (the kernel's own two minutes; callers set a shorter limit), unreachable.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt; nothing is left behind.
    pub async fn connect(self, addr: SocketAddr) -> Result<OwnedFd> {
        self.connect_as(addr, Interest::WRITABLE).await.map(AsyncFd::into_inner)
    }

    /// Connects, and leaves the socket registered for reading and writing.
    pub(crate) async fn connect_registered(self, addr: SocketAddr) -> Result<AsyncFd<OwnedFd>> {
        self.connect_as(addr, sys::STREAM).await
    }

    async fn connect_as(self, addr: SocketAddr, interest: Interest) -> Result<AsyncFd<OwnedFd>> {
        let failed = |error| Error::io("connect", error).at(addr);
        let in_progress = |error: &io::Error| error.raw_os_error() == Some(libc::EINPROGRESS);
        match self.fd.connect(&SockAddr::from(addr)) {
            Ok(()) => return sys::register(OwnedFd::from(self.fd), interest).map_err(failed),
            Err(error) if in_progress(&error) || error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(failed(error)),
        }
        let socket = sys::register(OwnedFd::from(self.fd), interest).map_err(failed)?;
        // On one machine the handshake is most often over by now: looking costs less than being woken.
        if sys::tcp_state(socket.get_ref().as_fd()) == state::ESTABLISHED {
            return Ok(socket);
        }
        let _writable = socket.writable().await.map_err(failed)?;
        if let Some(error) = SockRef::from(socket.get_ref()).take_error().map_err(failed)? {
            return Err(failed(error));
        }
        Ok(socket)
    }

    /// Returns the local address, as far as one is known.
    ///
    /// # Errors
    ///
    /// Whatever `getsockname` reports.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        local_addr(self.as_fd()).map_err(|error| Error::io("getsockname", error))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Returns the local address of any TCP socket.
///
/// # Errors
///
/// When it is no TCP socket.
pub fn local_addr(socket: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    SockRef::from(&socket).local_addr()?.as_socket().ok_or_else(|| io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn options_are_what_the_kernel_then_reports() {
        let socket = Socket::new(&any()).expect("IPv4 is there");
        let options = Options {
            nodelay: false,
            keepalive: Some(Duration::from_secs(7)),
            user_timeout: Some(Duration::from_millis(1500)),
            send_buffer: Some(32 * 1024),
            receive_buffer: Some(16 * 1024),
            reuse_port: true,
            ttl: Some(9),
            tos: Some(0x10),
            zero_linger: true,
            urgent_inline: false,
            unix_mode: UNIX_MODE,
        };
        socket.configure(&options).expect("all are known");
        let effective = Effective::of(socket.as_fd()).expect("asks");
        assert_eq!(
            effective,
            Effective {
                nodelay: false,
                keepalive: Some(Duration::from_secs(7)),
                user_timeout: Some(Duration::from_millis(1500)),
                send_buffer: 64 * 1024,
                receive_buffer: 32 * 1024,
                reuse_port: true,
                ttl: 9,
                tos: 0x10,
                zero_linger: true,
            }
        );
    }

    #[test]
    fn accepted_sockets_inherit_the_options_of_the_listener() {
        let socket = Socket::new(&any()).expect("IPv4 is there");
        let options = Options { user_timeout: Some(Duration::from_secs(3)), ttl: Some(9), ..Options::default() };
        socket.configure(&options).expect("sets");
        socket.bind(any()).expect("binds");
        let addr = socket.local_addr().expect("bound");
        let listener = std::net::TcpListener::from(socket.listen(1).expect("listens"));
        listener.set_nonblocking(false).expect("sets");
        let _client = std::net::TcpStream::connect(addr).expect("connects");
        let (accepted, _) = listener.accept().expect("accepts");
        let effective = Effective::of(accepted.as_fd()).expect("asks");
        assert!(effective.nodelay);
        assert_eq!(effective.keepalive, Some(KEEPALIVE_IDLE));
        assert_eq!(effective.user_timeout, Some(Duration::from_secs(3)));
        assert_eq!(effective.ttl, 9);
    }

    #[tokio::test]
    async fn connecting_where_nobody_listens_is_refused() {
        let holder = Socket::new(&any()).expect("IPv4 is there");
        holder.bind(any()).expect("binds");
        let addr = holder.local_addr().expect("bound, not listening");
        let error = Socket::new(&addr).expect("IPv4 is there").connect(addr).await.expect_err("nobody listens");
        assert!(error.is_refused(), "{error}");
        assert_eq!(error.to_string(), format!("connect {addr}: connection refused"));
    }
}
