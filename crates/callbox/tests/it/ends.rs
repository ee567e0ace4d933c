//! What the tests share: a deadline that says what was missing, and plain clients.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use callbox::server::{Running, ServerOptions};
use callbox::{Addr, Handler, Server};

/// Far beyond what any step here takes, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for `future`, or fails and says what did not happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("not within {DEADLINE:?}: {what}"),
    }
}

/// Gives the others on this thread their turn until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    within(what, async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Runs blocking code beside the runtime.
pub(crate) async fn beside<T: Send + 'static>(what: &str, talk: impl FnOnce() -> T + Send + 'static) -> T {
    within(what, tokio::task::spawn_blocking(talk)).await.expect("no panic")
}

/// Starts a server on a port of its own.
pub(crate) async fn serve(options: ServerOptions, handler: impl Handler) -> (Running, SocketAddr) {
    let loopback = Addr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = Server::bind_with(loopback, options, Default::default()).await.expect("binds");
    let addr = server.local_addrs()[0].to_string().parse().expect("numbers");
    (server.spawn(handler), addr)
}

/// Connects a client that gives up on its own after the deadline.
pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("connects");
    stream.set_read_timeout(Some(DEADLINE)).expect("sets");
    stream.set_write_timeout(Some(DEADLINE)).expect("sets");
    stream
}

/// Says "hello" and returns the eleven bytes of the answer.
pub(crate) fn hello(stream: &mut TcpStream) -> std::io::Result<String> {
    stream.write_all(b"hello")?;
    let mut answer = [0; 11];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
