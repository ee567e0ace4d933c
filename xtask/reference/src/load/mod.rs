//! The client side of `cargo xtask bench`: one thread, epoll, every byte compared with what is due (in [`bulk`]: threads,
//! and bytes are counted).
//!
//! - [`bulk`]: streams as fast as they go through a relay, both ends here.
//! - [`echo`]: a number of connections, each with one message under way, for a time.
//! - [`cycle`]: connect, a question, reply, close, over and over.
//! - [`hold`]: connections that stay idle while somebody looks at the server's memory.
//! - [`tls`]: handshakes over and over, and streams over TLS.

pub mod bulk;
pub mod cycle;
pub mod echo;
pub mod hold;
pub mod message;
pub mod tls;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::io::Result;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

/// Connections that share a source address: few enough that ports never run out, TIME_WAIT of earlier runs included.
const CONNECTIONS_PER_SOURCE: usize = 1000;

/// Connects blocking, then makes the socket non-blocking; connection number `index` decides the source address.
fn connect(addr: SocketAddrV4, index: usize) -> Result<OwnedFd> {
    let stream = net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_tcp_nodelay(&stream, true)?;
    net::bind(&stream, &SocketAddrV4::new(source(index), 0))?;
    net::connect(&stream, &addr)?;
    rustix::io::ioctl_fionbio(&stream, true)?;
    Ok(stream)
}

/// Spreads runs (by process id) and connections over 127.0.0.0/8.
fn source(index: usize) -> Ipv4Addr {
    let run = std::process::id();
    Ipv4Addr::new(127, 10 + (run % 200) as u8, (run / 200 % 200) as u8, 1 + (index / CONNECTIONS_PER_SOURCE) as u8)
}
