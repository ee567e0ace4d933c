//! Both ends of a conversation with a bridge in between.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use callbox::bridge::{COPY_BYTES, Passage, bridge};
use callbox::direction::{Direction, Role};
use callbox::net::connect::ConnectOptions;
use callbox::net::tls::ServerTls;
use callbox::server::{Running, ServerOptions};
use callbox::{Addr, Client, Server, Session, Stream};
use tokio::sync::oneshot;

use crate::certificates;
use crate::ends::{Ends, within};

/// What a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tcp,
    Unix,
    Memory,
    /// TLS 1.3 on TCP.
    Tls,
}

impl Kind {
    /// What a server needs to speak it.
    pub(crate) fn server_tls(self) -> Option<ServerTls> {
        (self == Kind::Tls).then(certificates::server)
    }

    /// What a client needs to speak it.
    pub(crate) fn client_options(self) -> ConnectOptions {
        ConnectOptions { tls: (self == Kind::Tls).then(certificates::client), ..ConnectOptions::default() }
    }
}

/// A client and a server who talk through a bridge.
pub(crate) struct Bridged {
    client: Stream,
    server: Stream,
    pub(crate) watch: Watch,
}

/// What there is to know of the bridge while the ends are in use.
pub(crate) struct Watch {
    /// The bridge's own streams' sessions: towards the client, and towards the server.
    near: Session,
    far: Session,
    over: oneshot::Receiver<Passage>,
    /// They keep the streams they accepted alive.
    _running: [Option<Running>; 2],
}

impl Bridged {
    /// Starts one between streams of these kinds.
    pub(crate) async fn between(near: Kind, far: Kind) -> Bridged {
        let Ends { client: far, server, running } = match far {
            Kind::Tcp => Ends::tcp().await,
            Kind::Unix => Ends::unix().await,
            Kind::Memory => Ends::memory().await,
            Kind::Tls => Ends::tls().await,
        };
        let far_session = far.session().clone();
        let (known, knowing) = oneshot::channel();
        let (report, over) = oneshot::channel();
        let carry = async move |near: Stream| {
            let session = near.session().clone();
            let _ = known.send(session.clone());
            let passage = bridge(&session, &near, &far, None).await;
            // Both streams are let go of, and only then the test is told.
            drop((near, far));
            let _ = report.send(passage);
        };
        let (client, accepting) = match near {
            Kind::Memory => {
                let (client, near) = Stream::pair();
                tokio::spawn(carry(near));
                (client, None)
            }
            socket => {
                let options = ServerOptions { tls: socket.server_tls(), ..ServerOptions::default() };
                let server = Server::bind_with(address(socket), options, Default::default()).await.expect("binds");
                let addr = server.local_addrs()[0].clone();
                let carry = Mutex::new(Some(carry));
                let accepting = server.spawn(move |_session, stream: Stream| {
                    let carry = carry.lock().unwrap_or_else(PoisonError::into_inner).take();
                    let carrying = carry.expect("one client")(stream);
                    async move {
                        carrying.await;
                        Ok(())
                    }
                });
                (
                    Client::new(addr)
                        .expect("good")
                        .with_options(socket.client_options())
                        .connect()
                        .await
                        .expect("connects"),
                    Some(accepting),
                )
            }
        };
        let near = within("the bridge", knowing).await.expect("no panic");
        Bridged { client, server, watch: Watch { near, far: far_session, over, _running: [accepting, running] } }
    }

    /// Gives the ends, that of `first` first.
    pub(crate) fn beginning_with(self, first: Role) -> (Stream, Stream, Watch) {
        match first {
            Role::Client => (self.client, self.server, self.watch),
            Role::Server => (self.server, self.client, self.watch),
        }
    }
}

/// Returns an address to bind, of a kind that has one.
pub(crate) fn address(kind: Kind) -> Addr {
    /// Tests run in one process at the same time.
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    match kind {
        Kind::Unix => {
            let number = NUMBER.fetch_add(1, Relaxed);
            let name = format!("callbox-bridge-{}-{number}", std::process::id());
            Addr::Unix(std::env::temp_dir().join(name))
        }
        _ => Addr::from(SocketAddr::from(([127, 0, 0, 1], 0))),
    }
}

impl Watch {
    /// Waits until the bridge is over.
    pub(crate) async fn passage(&mut self) -> Passage {
        within("the bridge is over", &mut self.over).await.expect("no panic")
    }

    /// Returns how many bytes the bridge has read and has written, of what `sender` sent.
    pub(crate) fn carried(&self, sender: Role) -> (u64, u64) {
        let (direction, from, to) = match sender {
            Role::Client => (Direction::ToServer, &self.near, &self.far),
            Role::Server => (Direction::ToClient, &self.far, &self.near),
        };
        // Written first: what is read in between is no loss.
        let written = to.meter().bytes(direction);
        (from.meter().bytes(direction), written)
    }

    /// Fails when the bridge holds more than a chunk of what `sender` sent; returns what it has read.
    pub(crate) fn holds_little(&self, sender: Role) -> u64 {
        let (read, written) = self.carried(sender);
        assert!(read >= written && read - written <= COPY_BYTES as u64, "read {read}, written {written}");
        read
    }

    /// Waits for an end without a reset, and checks that all that was read was written.
    pub(crate) async fn ends_having_carried(&mut self, sender: Role, sent: usize, answered: usize) {
        assert_eq!(self.passage().await, Passage::Ended);
        assert_eq!(self.carried(sender), (sent as u64, sent as u64));
        assert_eq!(self.carried(sender.other()), (answered as u64, answered as u64));
    }
}
