//! The built binary, as every test starts it.

use std::net::SocketAddr;
use std::path::PathBuf;

use callbox_testkit::{Callbox, Input, Peer, Process, Script};

/// Returns the binary under test: cargo's own, or the one `CALLBOX_TEST_BINARY` names.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("CALLBOX_TEST_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_callbox").into(), PathBuf::from)
}

/// Prepares `callbox WORDS`.
pub(crate) fn callbox<'a>(words: impl IntoIterator<Item = &'a str>) -> Callbox {
    Callbox::new(binary()).args(words)
}

/// Prepares `callbox serve 127.0.0.1:0 WORDS`.
pub(crate) fn serve<'a>(words: impl IntoIterator<Item = &'a str>) -> Callbox {
    callbox(["serve", "127.0.0.1:0"]).args(words)
}

/// Prepares `callbox connect ADDRESS WORDS`.
pub(crate) fn connect<'a>(address: SocketAddr, words: impl IntoIterator<Item = &'a str>) -> Callbox {
    callbox(["connect", &address.to_string()]).args(words)
}

/// Prepares `callbox listen 127.0.0.1:0 WORDS`.
pub(crate) fn listen<'a>(words: impl IntoIterator<Item = &'a str>) -> Callbox {
    callbox(["listen", "127.0.0.1:0"]).args(words)
}

/// Starts a server and returns it with its address.
pub(crate) fn served<'a>(words: impl IntoIterator<Item = &'a str>) -> (Process, SocketAddr) {
    let server = serve(words).start();
    let address = server.ready();
    (server, address)
}

/// Starts `connect` against `part`, played by the test; standard input is a pipe.
pub(crate) fn connected<'a, T: Send + 'static>(
    words: impl IntoIterator<Item = &'a str>,
    part: impl FnOnce(Peer) -> T + Send + 'static,
) -> (Process, Script<T>) {
    let (address, peer) = Script::serves(part);
    (connect(address, words).input(Input::Piped).start(), peer)
}

/// Talks to an echo server once, to show that it is alive and serves.
#[track_caller]
pub(crate) fn echoes(address: SocketAddr) {
    Peer::connects(address).sends("still there?").expects("still there?").ends().expects_end();
}
