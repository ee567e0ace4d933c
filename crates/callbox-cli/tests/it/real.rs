//! Real programs through `callbox relay`: each does the same with it as without. And real servers under `callbox bench`.

use std::fmt::Debug;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use callbox_testkit::{Callbox, Output, Process, Scratch, Signal, patience};

use crate::cli::callbox;

/// `bench` on HTTP servers.
mod bench_http;

/// `bench` on a Modbus device.
mod bench_modbus;

/// `bench` on PostgreSQL.
mod bench_postgres;

/// `bench` on Redis.
mod bench_redis;

/// `haproxy` before and behind.
mod haproxy;

/// `curl` and a server in Python.
mod http;

/// `psql` and `pgbench`.
mod postgres;

/// `redis-cli` and `redis-benchmark`.
mod redis;

/// `ssh` and `rsync`.
mod ssh;

/// What a relay is asked to do besides relaying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nothing: its output goes nowhere, so nothing is shown.
    Plain,
    /// `--show none`, though there is an output.
    Unshown,
    /// The traffic as text, into a file.
    Shown,
    /// Nothing, and it listens at a path.
    Unix,
}

/// The ways of tools that speak TCP alone.
const BY_PORT: [Way; 3] = [Way::Plain, Way::Unshown, Way::Shown];

/// The ways of tools that also connect to a path.
const BY_ALL: [Way; 4] = [Way::Plain, Way::Unshown, Way::Shown, Way::Unix];

/// Where a tool connects to.
#[derive(Debug, Clone)]
enum Target {
    Port(SocketAddr),
    Path(PathBuf),
}

impl Target {
    /// Returns the port; panics where there is a path.
    fn port(&self) -> SocketAddr {
        match self {
            Self::Port(address) => *address,
            Self::Path(path) => panic!("a port, not {}", path.display()),
        }
    }
}

/// A server and how it is told apart in what a relay shows.
#[derive(Debug)]
struct Upstream {
    /// As `callbox relay` takes it.
    address: String,
    /// The same, for who goes there directly.
    direct: Target,
    /// What the name of a socket in place of it must be.
    socket: String,
    /// Text that must be in what is shown.
    shows: &'static str,
}

impl Upstream {
    fn at(address: SocketAddr, shows: &'static str) -> Self {
        let socket = "relay.sock".to_owned();
        Self { address: address.to_string(), direct: Target::Port(address), socket, shows }
    }
}

/// Runs `errand` without a relay, then through one in each way, and insists on the same result.
#[track_caller]
fn same<T: PartialEq + Debug>(upstream: &Upstream, ways: &[Way], errand: impl Fn(&Target) -> T) -> T {
    let expected = errand(&upstream.direct);
    for way in ways {
        let scratch = Scratch::new();
        let (relay, target) = relay(upstream, *way, &scratch);
        let got = errand(&target);
        let outcome = relay.drains().never_said("served 0 sessions").said("served ");
        assert!(got == expected, "{way:?}: {got:?} instead of {expected:?}; the relay said {}", outcome.stderr);
        let shown = std::fs::read(scratch.join("shown")).unwrap_or_default();
        let shown = String::from_utf8_lossy(&shown);
        let is_shown = shown.contains(upstream.shows);
        assert_eq!(is_shown, *way == Way::Shown, "{way:?}: \"{}\" is shown", upstream.shows);
    }
    expected
}

/// Starts a relay to `upstream` and returns it with where it listens.
fn relay(upstream: &Upstream, way: Way, scratch: &Scratch) -> (Process, Target) {
    let socket = scratch.join(&upstream.socket);
    let listen = match way {
        Way::Unix => format!("unix:{}", socket.display()),
        _ => "127.0.0.1:0".to_owned(),
    };
    let command = callbox(["relay", &listen, &upstream.address]);
    let file = |name: &str| File::create(scratch.join(name)).expect("a file of the test's own");
    let relay = match way {
        Way::Plain | Way::Unix => command.output(Output::To(File::create("/dev/null").expect("/dev/null").into())),
        Way::Unshown => command.args(["--show", "none"]).output(Output::To(file("shown").into())),
        Way::Shown => command.args(["--frame", "none", "--show", "text"]).output(Output::To(file("shown").into())),
    };
    let relay = relay.start();
    match way {
        Way::Unix => {
            relay.says("listening on ");
            (relay, Target::Path(socket))
        }
        _ => {
            let address = relay.ready();
            (relay, Target::Port(address))
        }
    }
}

/// A server of the test's own. It is told to end when the test is over, also by a panic; what still runs after that
/// ends with its [`Process`].
#[derive(Debug)]
struct Daemon {
    process: Process,
    farewell: Signal,
}

impl Daemon {
    /// Starts it and waits until it says `ready` on its standard error.
    fn starts(command: Callbox, farewell: Signal, ready: &str) -> Self {
        let daemon = Self { process: command.start(), farewell };
        daemon.process.errors().wait(patience(), |bytes, ended| {
            let said = String::from_utf8_lossy(bytes).contains(ready);
            (said || ended).then_some(())
        });
        if !daemon.process.errors().text().contains(ready) {
            daemon.process.fail::<()>(&format!("never said: {ready}"));
        }
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.process.signal(self.farewell);
        // Its standard error ends with the last process that holds it, children included.
        self.process.errors().wait(Duration::from_secs(5), |_, ended| ended.then_some(()));
    }
}

/// Makes a tool's command line with a plain environment.
fn tool(name: &str) -> Callbox {
    Callbox::new(name).env("LC_ALL", "C").env("HOME", "/nonexistent").env_unset("http_proxy")
}
