//! The active open: every address of a name raced as RFC 8305 says, each failure kept with its own reason.

mod race;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

use crate::addr::{Addr, Host};
use crate::error::{Error, Kind, Result};
use crate::event::Phases;
use crate::net::avoid::Avoid;
use crate::net::proxy::{Bypass, Proxy};
use crate::net::resolve::{Family, alternate, resolve};
use crate::net::socket::Options;
use crate::net::starttls::StartTls;
use crate::net::sys;
use crate::net::tls::ClientTls;
use crate::net::unix::system_path;
use crate::targets::Targets;
use race::{prepared, race, timed_out};

/// Between the starts of two attempts (RFC 8305, section 5: "Connection Attempt Delay").
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// How long connecting may take in all, unless asked otherwise.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Socket options.
    pub socket: Options,
    /// The limit for all addresses together; `None` is no limit of ours.
    pub timeout: Option<Duration>,
    /// Where to come from; a port of 0 is chosen by the kernel.
    pub source: Option<SocketAddr>,
    /// Which addresses of a name are tried.
    pub family: Family,
    /// Where it never leads, whatever a name resolves to. With proxies this holds for the first of them; where a proxy leads is
    /// its own affair.
    pub avoid: Avoid,
    /// Through these, in this order; the timeout covers them too.
    pub proxies: Vec<Proxy>,
    /// Targets that are connected to without them.
    pub bypass: Bypass,
    /// What is said in the clear so that TLS may begin.
    pub starttls: Option<StartTls>,
    /// Speak TLS, by the name of the address unless told another; `None` sends bytes as they are.
    pub tls: Option<ClientTls>,
}

impl ConnectOptions {
    /// Tells whether `target` is reached through the proxies.
    pub fn goes_through(&self, target: &Addr) -> bool {
        !self.proxies.is_empty() && !self.bypass.holds(target)
    }

    /// Returns the proxies on the way to `target`, in one line; nothing where there are none.
    pub fn way(&self, target: &Addr) -> Option<String> {
        let list = || self.proxies.iter().map(Proxy::to_string).collect::<Vec<_>>().join(", ");
        self.goes_through(target).then(list)
    }
}

impl Default for ConnectOptions {
    fn default() -> ConnectOptions {
        ConnectOptions {
            socket: Options::default(),
            timeout: Some(CONNECT_TIMEOUT),
            source: None,
            family: Family::default(),
            avoid: Avoid::default(),
            proxies: Vec::new(),
            bypass: Bypass::default(),
            starttls: None,
            tls: None,
        }
    }
}

/// A connected socket and how it came about.
#[derive(Debug)]
pub struct Connected {
    /// Non-blocking, close-on-exec.
    pub socket: OwnedFd,
    /// The address that answered.
    pub peer: Addr,
    /// How long it took.
    pub phases: Phases,
}

/// Where to connect to: an address whose name is looked up first, or what a lookup has brought before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// To be looked up, where it has a name.
    Named(&'a Addr),
    /// Looked up already, or written in numbers.
    Resolved {
        /// As it was written, for what is said of a failure.
        addr: &'a Addr,
        /// All its addresses, in the resolver's order.
        addrs: &'a [SocketAddr],
    },
    /// What a stranger asks for: to be looked up, and no address is tried that is not allowed.
    Asked {
        /// As it was asked for.
        addr: &'a Addr,
        /// What is allowed.
        targets: &'a Targets,
    },
}

impl<'a> Target<'a> {
    /// Returns it as it was written.
    pub fn addr(self) -> &'a Addr {
        match self {
            Target::Named(addr) | Target::Resolved { addr, .. } | Target::Asked { addr, .. } => addr,
        }
    }
}

/// A connected socket that is registered with the runtime it was connected on.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) socket: AsyncFd<OwnedFd>,
    pub(crate) peer: Addr,
    pub(crate) phases: Phases,
}

/// Connects to `target`. Where only one address is to be tried, nothing is allocated for a race, and the socket is
/// registered once, for good.
///
/// # Errors
///
/// As [`connect`].
///
/// # Cancel safety
///
/// Dropping the future abandons all attempts.
pub(crate) async fn reach(target: Target<'_>, options: &ConnectOptions) -> Result<Registered> {
    let connected = match target {
        Target::Resolved { addrs: [only], .. } => return reach_one(*only, options).await,
        // Boxed, so that the common way stays small: a relay keeps it beside each session while it connects.
        Target::Resolved { addr, addrs } => Box::pin(connect_resolved(addr, addrs, options)).await?,
        Target::Named(addr) => Box::pin(connect(addr, options)).await?,
        Target::Asked { addr, targets } => Box::pin(connect_within(addr, Some(targets), options)).await?,
    };
    let Connected { socket, peer, phases } = connected;
    let socket = sys::register(socket, sys::STREAM).map_err(|error| Error::io("register", error).at(&peer))?;
    Ok(Registered { socket, peer, phases })
}

async fn reach_one(addr: SocketAddr, options: &ConnectOptions) -> Result<Registered> {
    if !options.family.admits(&addr) {
        return Err(none_of(options.family, &addr.into()));
    }
    let begun = Instant::now();
    let socket = prepared(addr, options)?;
    let deadline = options.timeout.map(|timeout| begun + timeout);
    let socket = match within(deadline, socket.connect_registered(addr)).await {
        Some(socket) => socket?,
        None => return Err(timed_out(options.timeout).at(addr)),
    };
    let phases = Phases { connect: begun.elapsed(), attempts: 1, ..Phases::default() };
    Ok(Registered { socket, peer: addr.into(), phases })
}

/// What a lookup says too when there is no address of the wanted family.
fn none_of(family: Family, addr: &Addr) -> Error {
    Error::new("resolve", Kind::NotFound, family.lack()).at(addr)
}

/// Races the addresses that a lookup has brought before.
async fn connect_resolved(addr: &Addr, addrs: &[SocketAddr], options: &ConnectOptions) -> Result<Connected> {
    let begun = Instant::now();
    let deadline = options.timeout.map(|timeout| begun + timeout);
    let admitted: Vec<_> = addrs.iter().copied().filter(|one| options.family.admits(one)).collect();
    if admitted.is_empty() {
        return Err(none_of(options.family, addr));
    }
    let mut phases = Phases::default();
    let (socket, peer) = race(addr, &alternate(admitted), options, deadline, &mut phases).await?;
    phases.connect = begun.elapsed();
    Ok(Connected { socket, peer: peer.into(), phases })
}

/// Looks the addresses of `addr` up, for connecting more than once; `None` where there is nothing to look up.
///
/// # Errors
///
/// As [`resolve`], and when the lookup does not end before the timeout.
///
/// # Cancel safety
///
/// Dropping the future abandons the lookup.
pub(crate) async fn lookup(addr: &Addr, options: &ConnectOptions) -> Result<Option<Vec<SocketAddr>>> {
    let Addr::Tcp { host, port } = addr else { return Ok(None) };
    let deadline = options.timeout.map(|timeout| Instant::now() + timeout);
    match within(deadline, addresses(host, *port, options.family)).await {
        Some(addrs) => addrs.map(Some),
        None => Err(timed_out(options.timeout).at(addr)),
    }
}

/// Connects to `addr`, trying every address it has.
///
/// # Errors
///
/// When all addresses fail, [`Error::attempts`] has each with its own reason; the kind is "timed out" only if all did.
///
/// # Cancel safety
///
/// Dropping the future abandons all attempts.
pub async fn connect(addr: &Addr, options: &ConnectOptions) -> Result<Connected> {
    connect_within(addr, None, options).await
}

/// Connects to `addr`, trying every address it has that is allowed.
async fn connect_within(addr: &Addr, targets: Option<&Targets>, options: &ConnectOptions) -> Result<Connected> {
    let begun = Instant::now();
    let deadline = options.timeout.map(|timeout| begun + timeout);
    let (host, port) = match addr {
        Addr::Tcp { host, port } => (host, *port),
        Addr::Unix(path) if options.avoid.reached_path(path) => {
            return Err(Error::new("connect", Kind::PermissionDenied, "callbox itself listens there").at(addr));
        }
        Addr::Unix(path) => return connect_unix(addr, path).await,
        Addr::Fd(_) | Addr::Memory => {
            return Err(Error::new("connect", Kind::AddressNotAvailable, "this address is only for listening").at(addr));
        }
    };
    let found = async {
        match targets {
            Some(targets) => allowed_addresses(addr, (host, port), targets, options).await,
            None => addresses(host, port, options.family).await,
        }
    };
    let addrs = match within(deadline, found).await {
        Some(addrs) => alternate(addrs?),
        None => return Err(timed_out(options.timeout).at(addr)),
    };
    let resolved = Instant::now();
    let mut phases = Phases { resolve: resolved - begun, ..Phases::default() };
    if matches!(host, Host::Ip(_) | Host::Loopback | Host::Any) {
        phases.resolve = Duration::ZERO;
    }
    let (socket, peer) = race(addr, &addrs, options, deadline, &mut phases).await?;
    phases.connect = resolved.elapsed();
    Ok(Connected { socket, peer: peer.into(), phases })
}

/// Looks up those addresses of a host that a stranger may be led to.
pub(super) async fn allowed_addresses(
    addr: &Addr,
    (host, port): (&Host, u16),
    targets: &Targets,
    options: &ConnectOptions,
) -> Result<Vec<SocketAddr>> {
    if let Host::Name(name) = host
        && let Some(refusal) = targets.refusal_of_name(name, port)
    {
        return Err(Error::new("connect", Kind::PermissionDenied, refusal).at(addr));
    }
    allowed(addr, addresses(host, port, options.family).await?, targets, &options.avoid)
}

/// Leaves out what nobody is led to; where that is all there is, the last reason is the error's.
fn allowed(addr: &Addr, addrs: Vec<SocketAddr>, targets: &Targets, avoid: &Avoid) -> Result<Vec<SocketAddr>> {
    let name = match addr {
        Addr::Tcp { host: Host::Name(name), .. } => Some(name.as_str()),
        _ => None,
    };
    let mut refusal = None;
    let is_allowed = |one: &SocketAddr| {
        let found = avoid.refusal(*one).or_else(|| targets.refusal(name, *one));
        refusal = found.or(refusal);
        found.is_none()
    };
    let left: Vec<SocketAddr> = addrs.into_iter().filter(is_allowed).collect();
    match refusal {
        Some(refusal) if left.is_empty() => Err(Error::new("connect", Kind::PermissionDenied, refusal).at(addr)),
        _ => Ok(left),
    }
}

/// Looks up all addresses of a host.
pub(super) async fn addresses(host: &Host, port: u16, family: Family) -> Result<Vec<SocketAddr>> {
    let both = |v4: Ipv4Addr, v6: Ipv6Addr| {
        let addrs = [SocketAddr::new(IpAddr::V6(v6), port), SocketAddr::new(IpAddr::V4(v4), port)];
        addrs.into_iter().filter(|addr| family.admits(addr)).collect()
    };
    match host {
        // Connecting to "every address" means this machine, as the kernel has it too.
        Host::Loopback | Host::Any => Ok(both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST)),
        Host::Ip(ip) => resolve(&ip.to_string(), port, family).await,
        Host::Name(name) => resolve(name, port, family).await,
    }
}

async fn connect_unix(addr: &Addr, path: &std::path::Path) -> Result<Connected> {
    let begun = Instant::now();
    let failed = |error| Error::io("connect", error).at(addr);
    let stream = tokio::net::UnixStream::connect(system_path(path).map_err(failed)?).await.map_err(failed)?;
    let socket = stream.into_std().map_err(failed)?.into();
    let phases = Phases { connect: begun.elapsed(), attempts: 1, ..Phases::default() };
    Ok(Connected { socket, peer: addr.clone(), phases })
}

/// Waits for `future`, but not beyond `deadline`.
pub(super) async fn within<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    let Some(deadline) = deadline else {
        return Some(future.await);
    };
    tokio::select! {
        biased;
        value = future => Some(value),
        () = sleep_until(deadline) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::socket::Socket;

    async fn listener() -> (std::net::TcpListener, u16) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        let port = listener.local_addr().expect("bound").port();
        (listener, port)
    }

    #[tokio::test]
    async fn a_refused_address_gives_way_to_the_next_at_once() {
        let (_listener, port) = listener().await;
        let addr = Addr::from_words("localhost", &port.to_string()).expect("good");
        let connected = connect(&addr, &ConnectOptions::default()).await.expect("IPv4 listens");
        assert_eq!(connected.peer.to_string(), format!("127.0.0.1:{port}"));
        assert!(connected.phases.connect < ATTEMPT_DELAY, "{:?}", connected.phases);
    }

    #[tokio::test]
    async fn an_avoided_address_is_not_connected_to_by_any_name() {
        let (listener, port) = listener().await;
        let bound = listener.local_addr().expect("bound");
        let options = ConnectOptions { avoid: Avoid::new(vec![bound]), ..ConnectOptions::default() };
        for host in ["127.0.0.1", "0.0.0.0", "::ffff:127.0.0.1"] {
            let addr = Addr::from_words(host, &port.to_string()).expect("good");
            let error = connect(&addr, &options).await.expect_err("it is avoided");
            assert_eq!(error.kind(), Kind::PermissionDenied, "{host}: {error}");
        }
        listener.set_nonblocking(true).expect("a socket");
        assert!(listener.accept().is_err(), "nobody has knocked");
    }

    #[tokio::test]
    async fn of_a_name_that_is_asked_for_only_the_allowed_addresses_are_tried() {
        let (listener, port) = listener().await;
        let addr = Addr::from_words("localhost", &port.to_string()).expect("good");
        let rules = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("good")).collect();
        let options = ConnectOptions::default();
        let targets = Targets::new(Vec::new(), rules(&["::1"]));
        let reached = reach(Target::Asked { addr: &addr, targets: &targets }, &options).await.expect("IPv4 is left");
        assert_eq!((reached.peer.to_string(), reached.phases.attempts), (format!("127.0.0.1:{port}"), 1));
        listener.accept().expect("is there");
        let own = Avoid::new(vec![listener.local_addr().expect("bound")]);
        let nowhere = [
            (
                Targets::new(Vec::new(), rules(&["::1", "127.0.0.0/8"])),
                Avoid::default(),
                "the rules for targets deny it",
            ),
            (Targets::new(Vec::new(), rules(&["localhost"])), Avoid::default(), "the rules for targets deny it"),
            (Targets::new(rules(&["192.0.2.0/24"]), Vec::new()), Avoid::default(), "no rule for targets allows it"),
            (targets, own, "callbox itself listens there"),
        ];
        for (targets, avoid, refusal) in nowhere {
            let options = ConnectOptions { avoid, ..ConnectOptions::default() };
            let target = Target::Asked { addr: &addr, targets: &targets };
            let error = reach(target, &options).await.expect_err("nobody is led there");
            assert_eq!((error.kind(), error.cause().as_str()), (Kind::PermissionDenied, refusal));
        }
        listener.set_nonblocking(true).expect("a socket");
        assert!(listener.accept().is_err(), "nobody else has knocked");
    }

    #[tokio::test]
    async fn when_all_refuse_each_address_has_its_reason() {
        // Bound but not listening: the port is ours, so nobody else can answer.
        let holder = Socket::new(&SocketAddr::from(([127, 0, 0, 1], 0))).expect("IPv4 is there");
        holder.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("binds");
        let port = holder.local_addr().expect("bound").port();
        let addr = Addr::from_words("localhost", &port.to_string()).expect("good");
        let error = connect(&addr, &ConnectOptions::default()).await.expect_err("nobody listens");
        assert_eq!(error.attempts().len(), 2, "{error}");
        assert!(error.is_refused());
        assert!(error.to_string().contains("[::1]:"), "{error}");
    }

    #[tokio::test]
    async fn one_resolved_address_is_connected_and_registered_at_once() {
        let (listener, port) = listener().await;
        let only = SocketAddr::from(([127, 0, 0, 1], port));
        let addr = Addr::from(only);
        let target = Target::Resolved { addr: &addr, addrs: &[only] };
        let reached = reach(target, &ConnectOptions::default()).await.expect("somebody listens");
        let (_, client) = listener.accept().expect("is there");
        let local = crate::net::socket::local_addr(std::os::fd::AsFd::as_fd(reached.socket.get_ref())).expect("TCP");
        assert_eq!((reached.peer, local), (addr, client));
        assert_eq!(reached.phases.attempts, 1);
    }

    #[tokio::test]
    async fn one_resolved_address_that_refuses_says_so() {
        let holder = Socket::new(&SocketAddr::from(([127, 0, 0, 1], 0))).expect("IPv4 is there");
        holder.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("binds");
        let only = holder.local_addr().expect("bound");
        let addr = Addr::from(only);
        let target = Target::Resolved { addr: &addr, addrs: &[only] };
        let error = reach(target, &ConnectOptions::default()).await.expect_err("nobody listens");
        assert!(error.is_refused(), "{error}");
        let family = Family::V6;
        let options = ConnectOptions { family, ..ConnectOptions::default() };
        let error = reach(target, &options).await.expect_err("is IPv4");
        let looked_up = reach(Target::Named(&addr), &options).await.expect_err("is IPv4");
        assert_eq!((error.kind(), error.cause()), (looked_up.kind(), looked_up.cause()), "the same as by a lookup");
        let error = reach(Target::Resolved { addr: &addr, addrs: &[only, only] }, &options).await.expect_err("is IPv4");
        assert_eq!(error.kind(), Kind::NotFound, "{error}");
    }

    #[tokio::test]
    async fn resolved_addresses_are_raced_without_a_lookup() {
        let (_listener, port) = listener().await;
        // A name that no resolver knows: it is not asked.
        let addr = Addr::from_words("nobody.invalid", &port.to_string()).expect("good");
        let addrs = ["[::1]:0", "127.0.0.1:0"].map(|text| {
            let mut addr: SocketAddr = text.parse().expect("good");
            addr.set_port(port);
            addr
        });
        let target = Target::Resolved { addr: &addr, addrs: &addrs };
        let reached = reach(target, &ConnectOptions::default()).await.expect("IPv4 listens");
        assert_eq!(reached.peer, Addr::from(addrs[1]));
    }

    #[tokio::test]
    async fn the_source_must_be_of_the_same_family() {
        let (_listener, port) = listener().await;
        let addr = Addr::from(SocketAddr::from(([127, 0, 0, 1], port)));
        let source = Some("[::1]:0".parse().expect("good"));
        let error = connect(&addr, &ConnectOptions { source, ..ConnectOptions::default() }).await.expect_err("mixed");
        assert_eq!(error.kind(), Kind::AddressNotAvailable, "{error}");
    }
}
