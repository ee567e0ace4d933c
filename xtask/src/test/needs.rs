//! What the tests use beside Rust and a C compiler.

use std::process::Stdio;

use super::step::Steps;
use crate::packages::{self, Package};
use crate::workspace::cargo;

const fn package(name: &'static str, program: &'static str, reason: &'static str) -> Package {
    Package { name, program, reason }
}

/// Tests look for the program themselves and say `SKIPPED` when it is not there.
const PACKAGES: [Package; 24] = [
    package("python3", "python3", "run of the tutorial's own client and server, and of scripted peers"),
    package("socat", "socat", "socat as a peer of the pipe"),
    package("ncat", "ncat", "ncat as a peer of the pipe"),
    package("strace", "strace", "failing accept calls, which strace injects"),
    package("iproute2", "ip", "network namespace with the tutorial's address, nor sockets destroyed from outside"),
    package("nftables", "nft", "address that swallows what is sent to it"),
    package("procps", "ps", "count of zombies"),
    package("util-linux", "prlimit", "process short of descriptors or running as nobody"),
    package("xxd", "xxd", "comparison of hexdumps with those of xxd"),
    package("haproxy", "haproxy", "proxy that sends the PROXY protocol"),
    package("tmux", "tmux", "screen as a terminal shows it"),
    package("curl", "curl", "HTTP through a relay"),
    package("postgresql", "pg_createcluster", "PostgreSQL behind a relay"),
    package("postgresql-client", "psql", "psql and pgbench through a relay"),
    package("redis-server", "redis-server", "Redis behind a relay, nor redis-cli through one"),
    package("openssh-server", "sshd", "sshd behind a relay"),
    package("openssh-client", "ssh", "ssh through a relay"),
    package("systemd", "systemd-analyze", "socket passed by systemd's own tool, nor unit files checked by it"),
    package("rsync", "rsync", "rsync through a relay"),
    package("tinyproxy", "tinyproxy", "HTTP proxy to connect through"),
    package("dante-server", "danted", "SOCKS proxy to connect through"),
    package("openssl", "openssl", "openssl s_client and s_server as peers of TLS"),
    package("sslscan", "sslscan", "scan of what a server of TLS agrees to"),
    package("testssl.sh", "testssl", "second such scan"),
];

/// Installs what is missing where that is allowed; otherwise the tests concerned skip themselves.
pub(crate) fn provide(steps: &mut Steps) {
    steps.named("packages", || packages::provide(&PACKAGES));
}

/// Says whether a part of the toolchain is there; if not, its step is skipped and counted.
pub(crate) fn component(steps: &mut Steps, subcommand: &str, component: &str) -> bool {
    let version = cargo(&[subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = version.is_ok_and(|status| status.success());
    if !there {
        steps.skip(subcommand, &format!("the component {component} is not installed"));
    }
    there
}
