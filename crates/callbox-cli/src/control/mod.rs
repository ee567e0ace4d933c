//! Steering relays while they run, over HTTP on loopback: toxiproxy's API, and `/v1/` for what it has no words for.
//!
//! ```text
//! http -> guard -> route -> toxiproxy::{proxies toxics metrics} -> fleet::member -> callbox::server::Running
//!                        -> v1                                                   -> callbox::pipe::plan::Faults
//! ```
//!
//! HTTP has a thread and a runtime of its own, so that no flood of requests and no slow body touches a session. What it
//! refuses to do: to listen beyond loopback, to talk with browsers, to lead a relay to itself.

mod decode;
pub mod fleet;
mod guard;
mod http;
mod reply;
mod route;
mod toxic;
mod toxiproxy;
mod v1;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::thread::JoinHandle;

use callbox::Addr;
use callbox::addr::Host;
use tokio::sync::oneshot;

use crate::exit::Failure;
use fleet::Fleet;

/// How often port 0 is drawn anew until it is free in both families.
const PORT_DRAWS: usize = 16;

/// The control API, served; dropping it closes every connection and joins its thread. Relays stay.
pub struct Control {
    addrs: Vec<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Binds the address of `--control`: loopback alone, `localhost` and `:port` on both families where both are there.
pub fn bind(addr: &Addr) -> Result<Vec<TcpListener>, Failure> {
    let beyond = || Failure::usage(format!("--control {addr}: only on loopback, for whoever reaches it steers"));
    let Addr::Tcp { host, port } = addr else { return Err(beyond()) };
    let (first, second) = match host {
        Host::Ip(ip) if ip.to_canonical().is_loopback() => (*ip, None),
        Host::Loopback => (IpAddr::V4(Ipv4Addr::LOCALHOST), Some(IpAddr::V6(Ipv6Addr::LOCALHOST))),
        Host::Name(name) if name.eq_ignore_ascii_case("localhost") => {
            (IpAddr::V4(Ipv4Addr::LOCALHOST), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)))
        }
        _ => return Err(beyond()),
    };
    let mut draws = 0;
    loop {
        draws += 1;
        match bind_both(first, second, *port) {
            // The port drawn for one family is somebody else's in the other.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && *port == 0 && draws < PORT_DRAWS => {}
            bound => return bound.map_err(|error| Failure::from(callbox::Error::io("bind", error).at(addr))),
        }
    }
}

/// Binds the same port on both; without IPv6 the first is enough.
fn bind_both(first: IpAddr, second: Option<IpAddr>, port: u16) -> io::Result<Vec<TcpListener>> {
    let listener = TcpListener::bind((first, port))?;
    let port = listener.local_addr()?.port();
    let mut listeners = vec![listener];
    match second.map(|second| TcpListener::bind((second, port))) {
        Some(Ok(listener)) => listeners.push(listener),
        Some(Err(error)) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
        // No such family here.
        Some(Err(_)) | None => {}
    }
    Ok(listeners)
}

/// Serves the control API of a fleet on a thread of its own.
///
/// # Errors
///
/// A listener beyond loopback, one that the fleet's relays may lead to, or a system that has no more of something.
pub fn start(listeners: Vec<TcpListener>, fleet: Fleet) -> io::Result<Control> {
    let addrs: Vec<SocketAddr> = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
    if let Some(addr) = addrs.iter().find(|addr| !addr.ip().to_canonical().is_loopback() || !fleet.avoids(**addr)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{addr} is no address for steering")));
    }
    for listener in &listeners {
        listener.set_nonblocking(true)?;
    }
    let desk = http::Desk::new(fleet, guard::Guard::new(&addrs));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serve = move || {
        runtime.block_on(async move {
            let mut serving = tokio::task::JoinSet::new();
            for listener in listeners {
                serving.spawn(http::serve(listener, desk.clone()));
            }
            // Dropped is as good as told.
            let _ = stopped.await;
        });
    };
    let thread = std::thread::Builder::new().name("callbox-control".into()).spawn(serve)?;
    Ok(Control { addrs, stop: Some(stop), thread: Some(thread) })
}

impl Control {
    /// Returns where it listens.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
