//! One end of a TCP connection that a test plays by hand, and the listener that waits for one.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{AddressFamily, SocketType, sockopt};

use crate::bytes::excerpt;
use crate::deadline::patience;

/// One end of a connection, played by the test: it sends, expects, ends, resets, or stops reading by not reading.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    log: Vec<String>,
}

impl Peer {
    /// Connects to `address`. A reset that was quicker than the connecting is met with the next thing that is done, as any other.
    #[track_caller]
    pub fn connects(address: SocketAddr) -> Self {
        match TcpStream::connect_timeout(&address, patience()) {
            Ok(stream) => Self::new(stream),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Self::new(reset()),
            Err(error) => panic!("connect {address}: {error}"),
        }
    }

    /// Connects to `address`; `None` where a reset was quicker than the connecting, and took with it what came before.
    #[track_caller]
    pub fn connects_unless_reset(address: SocketAddr) -> Option<Self> {
        match TcpStream::connect_timeout(&address, patience()) {
            Ok(stream) => Some(Self::new(stream)),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("connect {address}: {error}"),
        }
    }

    /// Connects to `address` from `source`, any address of 127.0.0.0/8.
    #[track_caller]
    pub fn connects_from(source: Ipv4Addr, address: SocketAddr) -> Self {
        Self::new(connect_from(source.into(), address).unwrap_or_else(|error| panic!("connect {address}: {error}")))
    }

    /// Connects with a receive buffer of `bytes`, set before the handshake so that the window is small from the start.
    pub fn connects_with_window(address: SocketAddr, bytes: usize) -> Self {
        let socket = unconnected(address).expect("a socket");
        sockopt::set_socket_recv_buffer_size(&socket, bytes).expect("a buffer size");
        rustix::net::connect(&socket, &address).unwrap_or_else(|error| panic!("connect {address}: {error}"));
        Self::new(TcpStream::from(socket))
    }

    /// Connects to `address` and expects to be reset at once, during the handshake or right after it.
    #[track_caller]
    pub fn meets_reset(address: SocketAddr) {
        Self::meets_reset_from(Ipv4Addr::LOCALHOST, address);
    }

    /// Connects to `address` from `source` and expects to be reset at once.
    #[track_caller]
    pub fn meets_reset_from(source: Ipv4Addr, address: SocketAddr) {
        match connect_from(source.into(), address) {
            Ok(stream) => {
                Self::new(stream).expects_reset();
            }
            Err(rustix::io::Errno::CONNRESET) => {}
            Err(error) => panic!("connect {address}: {error}"),
        }
    }

    /// Connects to the Unix socket at `path`.
    #[track_caller]
    pub fn connects_to_path(path: &Path) -> Self {
        Self::of_unix(UnixStream::connect(path).unwrap_or_else(|error| panic!("connect {}: {error}", path.display())))
    }

    /// Wraps a connected stream.
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a TCP stream");
        Self::patient(stream)
    }

    /// Wraps a connected Unix stream; it has no addresses.
    pub fn of_unix(stream: UnixStream) -> Self {
        // The type names a family, its reads, writes and shutdowns know none.
        Self::patient(TcpStream::from(OwnedFd::from(stream)))
    }

    fn patient(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(patience())).expect("a deadline");
        stream.set_write_timeout(Some(patience())).expect("a deadline");
        Self { stream, log: Vec::new() }
    }

    /// Returns this end's address.
    pub fn local(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected stream")
    }

    /// Returns the other end's address.
    pub fn remote(&self) -> SocketAddr {
        self.stream.peer_addr().expect("a connected stream")
    }

    /// Returns the stream itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Returns a second handle, for a thread that reads while another writes.
    pub fn twin(&self) -> Self {
        Self { stream: self.stream.try_clone().expect("a descriptor"), log: self.log.clone() }
    }

    /// Sends bytes.
    #[track_caller]
    pub fn sends(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        if let Err(error) = self.stream.write_all(bytes) {
            self.fail(&format!("send {} bytes: {error}", bytes.len()));
        }
        self.note("sent", bytes);
        self
    }

    /// Expects exactly these bytes next.
    #[track_caller]
    pub fn expects(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let wanted = bytes.as_ref();
        let mut got = vec![0; wanted.len()];
        let mut filled = 0;
        while filled < wanted.len() {
            match self.stream.read(&mut got[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.fail(&expectation(wanted, &got[..filled], &error.to_string())),
            }
        }
        self.note("got", &got[..filled]);
        if got[..filled] != *wanted {
            self.fail(&expectation(wanted, &got[..filled], "something else or the end of stream"));
        }
        self
    }

    /// Expects the end of stream, with nothing before it.
    #[track_caller]
    pub fn expects_end(&mut self) -> &mut Self {
        let mut byte = [0; 256];
        match self.stream.read(&mut byte) {
            Ok(0) => self.log.push("end of stream".to_owned()),
            Ok(count) => self.fail(&format!("expected the end of stream, got \"{}\"", byte[..count].escape_ascii())),
            Err(error) => self.fail(&format!("expected the end of stream: {error}")),
        }
        self
    }

    /// Expects a reset, whatever bytes come before it.
    #[track_caller]
    pub fn expects_reset(&mut self) -> &mut Self {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => self.fail("expected a reset, got the end of stream"),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return self,
                Err(error) => self.fail(&format!("expected a reset: {error}")),
            }
        }
    }

    /// Expects that nothing comes for `duration`, neither bytes nor an end.
    #[track_caller]
    pub fn hears_nothing_for(&mut self, duration: Duration) -> &mut Self {
        if self.readable_within(duration) {
            let mut bytes = [0; 256];
            let got = self.stream.read(&mut bytes).map(|count| bytes[..count].escape_ascii().to_string());
            self.fail(&format!("expected silence, got {got:?}"));
        }
        self
    }

    /// Returns whether bytes, an end or a reset can be read within `duration`.
    pub fn readable_within(&self, duration: Duration) -> bool {
        poll_in(&self.stream, duration)
    }

    /// Reads once: bytes, nothing at the end of stream, or the error.
    ///
    /// # Errors
    ///
    /// Whatever the kernel answers, a reset for example.
    pub fn reads_some(&mut self, most: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        let count = self.stream.read(&mut bytes)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Reads to the end of stream and returns everything.
    #[track_caller]
    pub fn reads_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Err(error) = self.stream.read_to_end(&mut bytes) {
            self.fail(&format!("after {} bytes, before the end of stream: {error}", bytes.len()));
        }
        self.note("got to the end", &bytes);
        bytes
    }

    /// Sends the end of stream (FIN); the other direction stays open.
    #[track_caller]
    pub fn ends(&mut self) -> &mut Self {
        if let Err(error) = self.stream.shutdown(Shutdown::Write) {
            self.fail(&format!("end of stream: {error}"));
        }
        self.log.push("ended".to_owned());
        self
    }

    /// Resets the connection (zero linger, then close).
    pub fn resets(self) {
        sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).expect("a socket option");
    }

    /// Closes the connection.
    pub fn closes(self) {
        drop(self);
    }

    /// Panics with `why` and the conversation so far.
    #[track_caller]
    pub fn fail(&self, why: &str) -> ! {
        panic!("peer {:?}: {why}\n  so far: {}", self.stream.local_addr().ok(), self.log.join("; "))
    }

    fn note(&mut self, what: &str, bytes: &[u8]) {
        let shown = excerpt(&bytes[..bytes.len().min(120)]);
        self.log.push(format!("{what} {} bytes \"{}\"", bytes.len(), shown.escape_debug()));
    }
}

/// A listener that a test plays by hand.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens on a port of the kernel's choice on 127.0.0.1.
    pub fn binds() -> Self {
        Self::binds_at("127.0.0.1:0")
    }

    /// Listens on `address`.
    pub fn binds_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("bind {address}: {error}"));
        let address = listener.local_addr().expect("a bound listener");
        Self { listener, address }
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for a client of a Unix listener.
    #[track_caller]
    pub fn accepts_unix(listener: &UnixListener) -> Peer {
        assert!(poll_in(listener, patience()), "no client came to {listener:?}");
        Peer::of_unix(listener.accept().expect("a client is waiting").0)
    }

    /// Waits for a client.
    #[track_caller]
    pub fn accepts(&self) -> Peer {
        assert!(poll_in(&self.listener, patience()), "no client came to {}", self.address);
        Peer::new(self.listener.accept().expect("a client is waiting").0)
    }

    /// Returns whether a client comes within `duration`.
    pub fn has_client_within(&self, duration: Duration) -> bool {
        poll_in(&self.listener, duration)
    }
}

/// Returns an address on loopback where nobody listens.
///
/// Each call has a host address of its own, so that no other test's port 0 can land there in the meantime.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let host = Ipv4Addr::new(127, 100 + (std::process::id() % 100) as u8, (number >> 8) as u8, number as u8);
    Server::binds_at(&format!("{host}:0")).address()
}

fn poll_in(descriptor: &impl std::os::fd::AsFd, within: Duration) -> bool {
    let timeout = Timespec::try_from(within).expect("a deadline of a test");
    let mut polled = [PollFd::new(descriptor, PollFlags::IN)];
    loop {
        match rustix::event::poll(&mut polled, Some(&timeout)) {
            Ok(count) => return count == 1,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}

fn unconnected(address: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    rustix::net::socket_with(family, SocketType::STREAM, rustix::net::SocketFlags::CLOEXEC, None)
}

fn connect_from(source: IpAddr, address: SocketAddr) -> rustix::io::Result<TcpStream> {
    let socket = unconnected(address)?;
    rustix::net::bind(&socket, &SocketAddr::new(source, 0))?;
    rustix::net::connect(&socket, &address)?;
    Ok(TcpStream::from(socket))
}

fn expectation(wanted: &[u8], got: &[u8], why: &str) -> String {
    let show = |bytes: &[u8]| excerpt(bytes).escape_debug().to_string();
    format!("expected \"{}\", got \"{}\": {why}", show(wanted), show(got))
}

/// An address where nothing answers: its listener's queue is full, so the kernel loses every further SYN in silence.
#[derive(Debug)]
pub struct DeadEnd {
    listener: Server,
    _queued: Vec<TcpStream>,
}

impl DeadEnd {
    /// Makes one at `address`.
    pub fn binds_at(address: &str) -> Self {
        let listener = Server::binds_at(address);
        // Listening again shortens the queue to one.
        rustix::net::listen(&listener.listener, 0).expect("a bound listener");
        let mut queued = Vec::new();
        // One fits by the book; the handshakes the kernel lets through beyond it fill the rest.
        while let Ok(stream) = TcpStream::connect_timeout(&listener.address, Duration::from_millis(100)) {
            queued.push(stream);
            assert!(queued.len() < 16, "the queue of {} never fills", listener.address);
        }
        Self { listener, _queued: queued }
    }

    /// Returns the address.
    pub fn address(&self) -> SocketAddr {
        self.listener.address
    }
}

/// Makes a stream that has been reset, as one is whose socket the system no longer shows.
fn reset() -> TcpStream {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let stream = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
    let (other, _) = listener.accept().expect("accepts");
    sockopt::set_socket_linger(&other, Some(std::time::Duration::ZERO)).expect("a linger time");
    stream
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_that_was_quicker_than_connecting_is_met_as_any_other() {
        Peer::new(reset()).expects_reset();
    }
}
