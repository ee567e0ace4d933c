//! What a server needs of its process: descriptors, children, a word of welcome.

use std::ffi::OsString;

use callbox::handle::exec::{Exec, MAX_CHILDREN, Program};
use callbox::server::Running;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::ServeArgs;
use crate::app::App;
use crate::tls::server::Serving;

/// One for the client, three for the child's pipes, one to see it exit.
pub const DESCRIPTORS_PER_CHILD: u64 = 5;

/// More than any server of ours needs; a hard limit may be absurdly high.
const MOST_DESCRIPTORS: u64 = 1_048_576;

/// Names of the environment that a child may see: nothing with a secret in it.
const ENVIRONMENT: [&str; 9] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "TERM"];

/// Raises the soft limit of descriptors to the hard one; returns what it was, for children.
pub fn raise_descriptor_limit() -> Option<(u64, u64)> {
    let limit = getrlimit(Resource::Nofile);
    let (soft, hard) = (limit.current?, limit.maximum.unwrap_or(MOST_DESCRIPTORS));
    let raised = hard.min(MOST_DESCRIPTORS).max(soft);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum });
    Some((soft, limit.maximum.unwrap_or(u64::MAX)))
}

/// Returns the handler that runs the program, where one is asked for.
pub fn exec(args: &ServeArgs, nofile: Option<(u64, u64)>) -> Option<Exec> {
    if args.exec.is_empty() {
        return None;
    }
    let kept =
        |name: &OsString| name.to_str().is_some_and(|name| ENVIRONMENT.contains(&name) || name.starts_with("LC_"));
    let environment = std::env::vars_os().filter(|(name, _)| kept(name)).collect();
    let max_children = args.server.max_connections.unwrap_or(MAX_CHILDREN);
    Some(Exec::new(Program { environment, nofile, max_children, ..Program::new(args.exec.clone()) }))
}

/// Says how to talk to the server, and what limits it.
pub fn greet(app: &App, args: &ServeArgs, running: &Running, tls: Option<&Serving>) {
    let Some(bound) = running.local_addrs().first() else {
        return;
    };
    if !args.exec.is_empty() {
        app.say(match running.local_addrs().iter().all(callbox::Addr::is_loopback) {
            true => "every user of this machine can connect and run the program",
            false => "everybody who can reach this address can run the program",
        });
    }
    let address = reachable(bound);
    let tls = tls.map_or_else(String::new, |tls| format!(" {}", tls.client_flags(bound)));
    let program = std::env::args().next().filter(|name| name.contains('/')).unwrap_or_else(|| "callbox".into());
    app.say(format!("to talk to it, type in a second terminal: {program} connect {address}{tls} --send hello"));
    if app.output.verbose > 0 {
        app.say(format!("at most {} connections at once", running.connection_limit()));
    }
}

/// Where to connect from this machine: a wildcard is no destination.
fn reachable(address: &callbox::Addr) -> String {
    match address {
        callbox::Addr::Tcp { host: callbox::addr::Host::Ip(ip), port } if ip.is_unspecified() => {
            format!("localhost:{port}")
        }
        address => address.to_string(),
    }
}
