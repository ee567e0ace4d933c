//! The built binary, as every test starts it.

use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use callbox_testkit::{Callbox, Input, Peer, Process, Scratch, Script, Signal, eventually, patience, scaled};

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
    served_through([], words)
}

/// Starts a server through a wrapper and returns it with its address, read from its ready file: `-q` says no ready
/// line.
pub(crate) fn served_through<'a, 'b>(
    wrapper: impl IntoIterator<Item = &'b str>,
    words: impl IntoIterator<Item = &'a str>,
) -> (Process, SocketAddr) {
    let scratch = Scratch::new();
    let path = scratch.join("ready");
    let server = callbox(["serve", "127.0.0.1:0", "--ready-file"]).arg(&path).args(words).through(wrapper);
    started(server, &path)
}

/// Starts a server that writes its address to `path` and returns it with its address.
pub(crate) fn started(server: Callbox, path: &Path) -> (Process, SocketAddr) {
    let mut server = server.start();
    let text = eventually("the ready file", patience(), || {
        server.still_runs();
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    });
    (server, text.trim().parse().unwrap_or_else(|error| panic!("one address in {text:?}: {error}")))
}

/// Starts `connect` against `part`, played by the test; standard input is a pipe.
pub(crate) fn connected<'a, T: Send + 'static>(
    words: impl IntoIterator<Item = &'a str>,
    part: impl FnOnce(Peer) -> T + Send + 'static,
) -> (Process, Script<T>) {
    let (address, peer) = Script::serves(part);
    (connect(address, words).input(Input::Piped).start(), peer)
}

/// Returns an address where nobody listens, for as long as its socket is held.
pub(crate) fn nobody() -> (OwnedFd, String) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
    let held = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&held, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("binds");
    let address = SocketAddr::try_from(getsockname(&held).expect("bound")).expect("IPv4");
    (held, address.to_string())
}

/// Talks to an echo server once, to show that it is alive and serves.
#[track_caller]
pub(crate) fn echoes(address: SocketAddr) {
    Peer::connects(address).sends("still there?").expects("still there?").ends().expects_end();
}

/// Judges row 27: those who are slow `lasted` for as long as they should, and the answers to all others came at once.
#[track_caller]
pub(crate) fn others_were_served(lasted: Duration, due: Range<Duration>, mut answers: Vec<Duration>) {
    assert!(lasted > due.start && lasted < scaled(due.end), "{lasted:?}");
    answers.sort();
    let slowest = answers[(answers.len() - 1) * 99 / 100];
    assert!(slowest < scaled(Duration::from_millis(100)), "of {} answers: {slowest:?}", answers.len());
}

/// Ends a relay with a session by two signals: the second one does not wait.
#[track_caller]
pub(crate) fn ends_at_a_second_signal(relay: Process) {
    relay.signal(Signal::INT);
    relay.event("draining", |_| true);
    relay.signal(Signal::INT);
    let outcome = relay.exits(130);
    assert!(outcome.waited < scaled(Duration::from_secs(1)), "{:?}", outcome.waited);
}
