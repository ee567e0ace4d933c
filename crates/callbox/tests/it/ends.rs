//! What the tests share: a deadline that says what was missing, servers and clients, and both ends of a connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use callbox::net::connect::ConnectOptions;
use callbox::net::tls::{ClientTls, ServerTls};
use callbox::server::{Running, ServerOptions};
use callbox::{Addr, Client, Handler, Result, Server, Stream};

use crate::certificates;

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
    let addr = server.local_addrs()[0].socket_addr().expect("numbers");
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

/// Both ends of one connection.
pub(crate) struct Ends {
    pub(crate) client: Stream,
    pub(crate) server: Stream,
    /// The server that accepted, as long as the streams are in use.
    pub(crate) running: Option<Running>,
}

impl Ends {
    pub(crate) async fn tcp() -> Ends {
        Ends::through(Addr::from(SocketAddr::from(([127, 0, 0, 1], 0)))).await
    }

    /// A connection on which TLS 1.3 is spoken.
    pub(crate) async fn tls() -> Ends {
        let loopback = Addr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
        Ends::speaking(loopback, Some(certificates::server()), Some(certificates::client())).await
    }

    pub(crate) async fn unix() -> Ends {
        /// Tests run in one process at the same time.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let name = format!("callbox-it-{}-{number}", std::process::id());
        Ends::through(Addr::Unix(std::env::temp_dir().join(name))).await
    }

    pub(crate) async fn memory() -> Ends {
        let (client, server) = Stream::pair();
        Ends { client, server, running: None }
    }

    async fn through(addr: Addr) -> Ends {
        Ends::speaking(addr, None, None).await
    }

    /// A connection on which both speak TLS, or neither does.
    pub(crate) async fn speaking(addr: Addr, server: Option<ServerTls>, client: Option<ClientTls>) -> Ends {
        let options = ServerOptions { tls: server, ..ServerOptions::default() };
        let server = Server::bind_with(addr, options, Default::default()).await.expect("binds");
        let addr = server.local_addrs()[0].clone();
        let (accepted, mut accepting) = tokio::sync::mpsc::unbounded_channel();
        let running = server.spawn(move |_session, stream: Stream| {
            accepted.send(stream).expect("the test waits for it");
            // The stream lives as long as its handler.
            std::future::pending()
        });
        let options = ConnectOptions { tls: client, ..ConnectOptions::default() };
        let client = Client::new(addr).expect("good").with_options(options).connect().await.expect("connects");
        let server = within("accepted", accepting.recv()).await.expect("one stream");
        Ends { client, server, running: Some(running) }
    }
}

/// Receives until the end of stream.
pub(crate) async fn read_to_end(stream: &mut Stream) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = within("a chunk or the end of stream", stream.chunk()).await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Bytes that show when some are missing, doubled or out of order.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8 ^ (n / 65_536) as u8).collect()
}
