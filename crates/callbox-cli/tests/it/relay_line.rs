//! Relays between the two ends that a test plays.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixListener;

use callbox_testkit::{Outcome, Peer, Process, Scratch, Server, patience};

use crate::cli::{callbox, started};

/// Starts a relay from a port of the kernel's choice to `upstream` and returns it with its address.
pub(crate) fn relayed<'a>(upstream: SocketAddr, words: impl IntoIterator<Item = &'a str>) -> (Process, SocketAddr) {
    relayed_to([upstream.to_string().as_str()], words)
}

/// Starts a relay to several upstreams, as written, and returns it with its address.
pub(crate) fn relayed_to<'a, 'b>(
    upstreams: impl IntoIterator<Item = &'b str>,
    words: impl IntoIterator<Item = &'a str>,
) -> (Process, SocketAddr) {
    let scratch = Scratch::new();
    let path = scratch.join("ready");
    let relay = callbox(["relay", "127.0.0.1:0"]).args(upstreams).arg("--ready-file").arg(&path).args(words);
    started(relay, &path)
}

/// Connects to a relay that may turn it away at once: `None` if the reset was there before `connect` had returned.
#[track_caller]
pub(crate) fn knocks(relay: SocketAddr) -> Option<Peer> {
    match TcpStream::connect_timeout(&relay, patience()) {
        Ok(stream) => Some(Peer::new(stream)),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
        Err(error) => panic!("connect {relay}: {error}"),
    }
}

/// Connects through a relay: the client's end and the server's.
#[track_caller]
pub(crate) fn pair(relay: SocketAddr, upstream: &Server) -> (Peer, Peer) {
    let client = Peer::connects(relay);
    (client, upstream.accepts())
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Tcp,
    Unix,
}

/// A relay between sockets of two kinds.
pub(crate) struct Line {
    relay: Process,
    front: Front,
    back: Back,
    _scratch: Scratch,
}

enum Front {
    Tcp(SocketAddr),
    Unix(std::path::PathBuf),
}

enum Back {
    Tcp(Server),
    Unix(UnixListener),
}

impl Line {
    pub(crate) fn new(front: Kind, back: Kind, words: &[&str]) -> Self {
        let scratch = Scratch::new();
        let (near, far) = (scratch.join("near"), scratch.join("far"));
        let (back, upstream) = match back {
            Kind::Tcp => {
                let server = Server::binds();
                let upstream = server.address().to_string();
                (Back::Tcp(server), upstream)
            }
            Kind::Unix => {
                let listener = UnixListener::bind(&far).expect("a path of the test's own");
                (Back::Unix(listener), format!("unix:{}", far.display()))
            }
        };
        let listen = match front {
            Kind::Tcp => "127.0.0.1:0".to_owned(),
            Kind::Unix => format!("unix:{}", near.display()),
        };
        let ready = scratch.join("ready");
        let relay = callbox(["relay", &listen, &upstream, "--ready-file"]).arg(&ready).args(words).start();
        let text = callbox_testkit::eventually("the ready file", patience(), || {
            std::fs::read_to_string(&ready).map_err(|error| error.to_string())
        });
        let front = match front {
            Kind::Tcp => Front::Tcp(text.trim().parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))),
            Kind::Unix => Front::Unix(near),
        };
        Self { relay, front, back, _scratch: scratch }
    }

    /// Returns the relay.
    pub(crate) fn relay(&self) -> &Process {
        &self.relay
    }

    /// Ends it by SIGTERM, with nobody left to serve.
    #[track_caller]
    pub(crate) fn drains(self) -> Outcome {
        self.relay.drains()
    }

    /// Connects through it: the client's end and the server's.
    #[track_caller]
    pub(crate) fn pair(&self) -> (Peer, Peer) {
        let client = match &self.front {
            Front::Tcp(address) => Peer::connects(*address),
            Front::Unix(path) => Peer::connects_to_path(path),
        };
        let server = match &self.back {
            Back::Tcp(server) => server.accepts(),
            Back::Unix(listener) => Server::accepts_unix(listener),
        };
        (client, server)
    }
}
