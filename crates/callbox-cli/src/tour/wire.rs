//! The sockets the tour plays with: the library's bare steps, with every wait bounded and every answer kept.
//!
//! Everything stays on 127.0.0.1. Whoever else connects to one of our ports in the meantime is let go: a fact must not
//! depend on who is about.

use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use callbox::Error;
use callbox::net::socket::Socket;
use callbox::net::sys::unread_bytes;
use tokio::net::{TcpListener, TcpStream};

use super::answer::{Errno, Outcome, errno};
use crate::lang::{Both, both};

/// The longest the tour waits for one answer. Loopback answers within a millisecond; a machine under load gets its time.
const DEADLINE: Duration = Duration::from_secs(5);

/// The backlog the tutorial asks for.
pub(crate) const BACKLOG: u32 = 128;

/// Any free port of loopback.
pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Why a fact could not be performed to its end.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// This call got no answer in time.
    Late(&'static str),
    /// A step failed that the fact is not about.
    Failed(Error),
}

impl Trouble {
    /// Says it in both languages.
    pub(crate) fn text(&self) -> Both {
        let seconds = DEADLINE.as_secs();
        match self {
            Trouble::Late(call) => both!("no answer to {call} within {seconds} s", "{call} 等了 {seconds} 秒没有结果"),
            Trouble::Failed(error) => error.to_string().into(),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Failed(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Failed(Error::io("ask", error))
    }
}

/// Takes the value of a call that the fact needs; what the kernel said instead is trouble.
pub(crate) fn needed<T>(call: &'static str, outcome: Outcome<T>) -> Result<T, Trouble> {
    outcome.map_err(|errno| Trouble::Failed(Error::io(call, errno.into())))
}

/// Waits for `future`, but not for ever.
pub(crate) async fn within<F: Future>(call: &'static str, future: F) -> Result<F::Output, Trouble> {
    within_limit(DEADLINE, call, future).await
}

async fn within_limit<F: Future>(limit: Duration, call: &'static str, future: F) -> Result<F::Output, Trouble> {
    tokio::time::timeout(limit, future).await.map_err(|_| Trouble::Late(call))
}

/// Waits until `met`, looking whenever there is nothing else to do.
pub(crate) async fn until(call: &'static str, mut met: impl FnMut() -> bool) -> Result<(), Trouble> {
    within(call, async {
        while !met() {
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// Keeps the error number of a library call as its outcome; an error without one is trouble.
fn outcome<T>(result: callbox::Result<T>) -> Result<Outcome<T>, Trouble> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => match error.raw_os_error() {
            Some(number) => Ok(Err(Errno::from_raw_os_error(number))),
            None => Err(error.into()),
        },
    }
}

/// Creates a socket.
pub(crate) fn socket() -> Result<Socket, Trouble> {
    Ok(Socket::new(&loopback())?)
}

/// Binds, and keeps what the kernel answered.
pub(crate) fn bind(socket: &Socket, addr: SocketAddr) -> Result<Outcome<()>, Trouble> {
    outcome(socket.bind(addr))
}

/// Makes the socket passive.
pub(crate) fn listen(socket: Socket) -> Result<Passive, Trouble> {
    Ok(Passive { listener: TcpListener::from_std(socket.listen(BACKLOG)?.into())? })
}

/// Connects, and keeps what the kernel answered.
pub(crate) async fn connect(socket: Socket, addr: SocketAddr) -> Result<Outcome<Active>, Trouble> {
    match outcome(within("connect", socket.connect(addr)).await?)? {
        Ok(fd) => Ok(Ok(Active { stream: TcpStream::from_std(fd.into())? })),
        Err(errno) => Ok(Err(errno)),
    }
}

/// Returns a server that listens on a free port: the first three steps at once.
pub(crate) fn server() -> Result<Passive, Trouble> {
    let socket = socket()?;
    socket.bind(loopback())?;
    listen(socket)
}

/// Returns a connected client: its first two steps at once.
pub(crate) async fn client(addr: SocketAddr) -> Result<Active, Trouble> {
    needed("connect", connect(socket()?, addr).await?)
}

/// Returns a connected client and the socket that `accept` returned for it.
pub(crate) async fn pair(server: &Passive) -> Result<(Active, Active), Trouble> {
    let client = client(server.addr()?).await?;
    let accepted = server.accept(client.local()?).await?;
    Ok((client, accepted))
}

/// A listening socket.
pub(crate) struct Passive {
    listener: TcpListener,
}

impl Passive {
    /// Accepts the client that has this address.
    pub(crate) async fn accept(&self, client: SocketAddr) -> Result<Active, Trouble> {
        loop {
            let (stream, peer) = within("accept", self.listener.accept()).await??;
            if peer == client {
                return Ok(Active { stream });
            }
        }
    }

    /// Returns its address.
    pub(crate) fn addr(&self) -> Result<SocketAddr, Trouble> {
        Ok(self.listener.local_addr()?)
    }
}

impl AsFd for Passive {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// A connected socket, whichever side made it.
pub(crate) struct Active {
    stream: TcpStream,
}

impl Active {
    /// Sends once, and keeps what the kernel answered.
    pub(crate) async fn send(&self, bytes: &[u8]) -> Result<Outcome<usize>, Trouble> {
        loop {
            within("send", self.stream.writable()).await??;
            match self.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Ok(result.map_err(|error| errno(&error))),
            }
        }
    }

    /// Receives once, at most `max` bytes, and keeps what the kernel answered.
    pub(crate) async fn recv(&self, max: usize) -> Result<Outcome<Vec<u8>>, Trouble> {
        let mut buffer = vec![0; max];
        loop {
            within("recv", self.stream.readable()).await??;
            match self.stream.try_read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Ok(Err(errno(&error))),
                Ok(count) => {
                    buffer.truncate(count);
                    return Ok(Ok(buffer));
                }
            }
        }
    }

    /// Waits until at least `count` bytes have arrived that nobody has read, and returns how many have.
    pub(crate) async fn arrived(&self, count: usize) -> Result<usize, Trouble> {
        let mut unread = 0;
        until("recv", || {
            unread = unread_bytes(self.as_fd()).unwrap_or(0);
            unread >= count
        })
        .await?;
        Ok(unread)
    }

    /// Returns our end's address.
    pub(crate) fn local(&self) -> Result<SocketAddr, Trouble> {
        Ok(self.stream.local_addr()?)
    }

    /// Returns the other end's address.
    pub(crate) fn peer(&self) -> Result<SocketAddr, Trouble> {
        Ok(self.stream.peer_addr()?)
    }
}

impl AsFd for Active {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Returns the descriptor's number.
pub(crate) fn number(socket: impl AsFd) -> i32 {
    socket.as_fd().as_raw_fd()
}

/// Calls `send` on any socket, whatever its state, and returns at once.
pub(crate) fn send_now(socket: impl AsFd, bytes: &[u8]) -> Result<Outcome<usize>, Trouble> {
    // A second descriptor of the same socket, closed on return.
    let mut stream = std::net::TcpStream::from(socket.as_fd().try_clone_to_owned()?);
    Ok(stream.write(bytes).map_err(|error| errno(&error)))
}

/// Calls `recv` on any socket, whatever its state, and returns at once.
pub(crate) fn recv_now(socket: impl AsFd) -> Result<Outcome<Vec<u8>>, Trouble> {
    let mut stream = std::net::TcpStream::from(socket.as_fd().try_clone_to_owned()?);
    let mut buffer = [0; 1024];
    Ok(stream.read(&mut buffer).map(|count| buffer[..count].to_vec()).map_err(|error| errno(&error)))
}

/// Calls `accept` on any socket, whatever its state, and returns at once.
pub(crate) fn accept_now(socket: impl AsFd) -> Result<Outcome<()>, Trouble> {
    let listener = std::net::TcpListener::from(socket.as_fd().try_clone_to_owned()?);
    Ok(listener.accept().map(|_| ()).map_err(|error| errno(&error)))
}

/// Calls `getpeername` on any socket, whatever its state.
pub(crate) fn peer_now(socket: impl AsFd) -> Result<Outcome<SocketAddr>, Trouble> {
    let stream = std::net::TcpStream::from(socket.as_fd().try_clone_to_owned()?);
    Ok(stream.peer_addr().map_err(|error| errno(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_nobody_expected_is_let_go() {
        let server = server().expect("listens");
        let stranger = client(server.addr().expect("bound")).await.expect("connects");
        let (_client, accepted) = pair(&server).await.expect("the stranger is passed over");
        assert_ne!(accepted.peer().expect("connected"), stranger.local().expect("connected"));
        assert_eq!(stranger.recv(1).await.expect("in time"), Ok(Vec::new()));
    }

    #[tokio::test]
    async fn a_call_without_an_answer_is_late() {
        let waiting = within_limit(Duration::from_millis(1), "accept", std::future::pending::<()>()).await;
        let trouble = waiting.expect_err("nothing answers");
        assert!(matches!(trouble, Trouble::Late("accept")));
        assert_eq!(trouble.text().zh, "accept 等了 5 秒没有结果");
    }

    #[tokio::test]
    async fn an_error_number_is_an_outcome_and_not_trouble() {
        let holder = socket().expect("IPv4 is there");
        assert_eq!(bind(&holder, loopback()).expect("an outcome"), Ok(()));
        let addr = holder.local_addr().expect("bound");
        let refused = connect(socket().expect("IPv4 is there"), addr).await.expect("an outcome");
        assert_eq!(refused.err(), Some(Errno::CONNREFUSED));
    }
}
