//! The relays there are, those that can be had on this machine.

use std::path::Path;

use crate::bench::peer::{Answer, CALLBOX, Peer};
use crate::bench::peers::NGINX_STREAM;
use crate::bench::setup::Setup;
use crate::workspace::program;

pub(super) const RAW_COPY: &str = "raw epoll, copying";
pub(super) const RAW_SPLICE: &str = "raw epoll, splice";
/// No relay at all: the client talks to the upstream.
pub(super) const DIRECT: &str = "direct, no relay";
pub(super) const HAPROXY: &str = "haproxy";
pub(super) const HAPROXY_SPLICE: &str = "haproxy, splice-auto";
pub(super) const NGINX: &str = "nginx stream";
pub(super) const SOCAT: &str = "socat fork";
pub(super) const NO_SPLICE: &str = "callbox, copying";
pub(super) const TEN_FAULTS: &str = "callbox, ten faults";

/// One of each kind that is about bytes, none of which ever begins.
const FAULTS: [&str; 10] = [
    "latency=1ms,from=1000GB",
    "throttle=1MB/s,from=1000GB",
    "slice=1..64/5ms,from=1000GB",
    "coalesce=20ms,from=1000GB",
    "corrupt=0.1%,from=1000GB",
    "discard=1000GB..1001GB",
    "duplicate,from=1000GB",
    "stall,from=1000GB",
    "cut@1000GB",
    "limit=1000GB",
];

const ADDR: &str = "127.0.0.1:{port}";
const UPSTREAM: &str = "{upstream}";
/// Clients and servers of 5,000 sessions, and more.
const MOST_CONNECTIONS: usize = 12_000;

/// What a relay is measured for; each leaves out what says nothing there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Bulk,
    Response,
    Rate,
    Memory,
}

/// Returns the relays for a purpose: callbox first, then the yardsticks, then the others.
pub(super) fn relays(setup: &Setup, purpose: Purpose) -> Vec<Peer> {
    let (relay, tokio) = (setup.reference("reference-relay"), setup.reference("reference-tokio"));
    let mut peers = vec![callbox(setup, CALLBOX, &[])];
    peers.push(peer(RAW_COPY, &[&relay, ADDR, UPSTREAM, "--mode", "copy"]));
    if purpose == Purpose::Response {
        peers.push(peer(DIRECT, &[]));
        peers.push(callbox(setup, "callbox, --busy-poll 50us", &["--busy-poll", "50us"]));
    }
    if purpose == Purpose::Bulk {
        peers.push(peer(RAW_SPLICE, &[&relay, ADDR, UPSTREAM, "--mode", "splice"]));
        peers.push(peer(
            "tokio copy_bidirectional, 256 KiB",
            &[&tokio, ADDR, "--upstream", UPSTREAM, "--buffer", "262144"],
        ));
    }
    peers.push(peer("tokio copy_bidirectional", &[&tokio, ADDR, "--upstream", UPSTREAM]));
    if program("haproxy").is_some() {
        peers.push(haproxy(HAPROXY, ""));
        if purpose == Purpose::Bulk {
            peers.push(haproxy(HAPROXY_SPLICE, "  option splice-auto\n"));
        }
    }
    if program("nginx").is_some() && Path::new(NGINX_STREAM).is_file() {
        peers.push(nginx(setup));
    }
    if purpose != Purpose::Memory {
        peers.extend(forking());
    }
    peers
}

/// Returns callbox as it is, made to copy, and with faults.
pub(super) fn faulty(setup: &Setup) -> Vec<Peer> {
    let faults: Vec<&str> = FAULTS.iter().flat_map(|spec| ["--fault", spec]).collect();
    vec![callbox(setup, CALLBOX, &[]), callbox(setup, NO_SPLICE, &["--no-splice"]), callbox(setup, TEN_FAULTS, &faults)]
}

fn peer(name: &'static str, words: &[&str]) -> Peer {
    Peer::new(name, words, Answer::Echo)
}

fn callbox(setup: &Setup, name: &'static str, more: &[&str]) -> Peer {
    let binary = setup.callbox.display().to_string();
    let words = [&*binary, "relay", "-q", "127.0.0.1:0", UPSTREAM, "--ready-file", "{ready}"];
    peer(name, &[&words[..], more].concat())
}

fn haproxy(name: &'static str, more: &str) -> Peer {
    peer(name, &["haproxy", "-db", "-f", "{config}"]).with_config(&format!(
        "global\n  no strict-limits\n  maxconn {MOST_CONNECTIONS}\n  nbthread 1\ndefaults\n  mode tcp\n{more}  timeout client 60s\n  \
         timeout server 60s\n  timeout connect 5s\nlisten relay\n  bind {ADDR} backlog 4096\n  server upstream {UPSTREAM}\n"
    ))
}

/// One process does what a worker does, and is all there is to look at.
fn nginx(setup: &Setup) -> Peer {
    let folder = setup.folder.display().to_string();
    let words = ["nginx", "-p", &folder, "-e", "stderr", "-c", "{config}"];
    // Each session takes two of the connections.
    peer(NGINX, &words).with_config(&format!(
        "load_module {NGINX_STREAM};\ndaemon off;\nmaster_process off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr crit;\n\
         events {{ worker_connections {}; }}\nstream {{ server {{ listen {ADDR} backlog=4096; proxy_pass {UPSTREAM}; }} }}\n",
        2 * MOST_CONNECTIONS
    ))
}

/// Returns those that start a process a connection.
fn forking() -> Vec<Peer> {
    let mut peers = Vec::new();
    if program("socat").is_some() {
        let listen = "TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=1024,nodelay";
        peers.push(peer(SOCAT, &["socat", listen, "TCP:{upstream},nodelay"]).forking());
    }
    if let Some(ncat) = program("ncat") {
        let (ncat, words) = (ncat.display().to_string(), ["ncat", "-l", "-k", "-m", "1000", "127.0.0.1", "{port}"]);
        let exec = format!("{ncat} 127.0.0.1 {{upstream_port}}");
        peers.push(peer("ncat --exec ncat", &[&words[..], &["--exec", &exec]].concat()).forking());
    }
    if program("redir").is_some() {
        peers.push(peer("redir", &["redir", "-n", ADDR, UPSTREAM]).forking());
    }
    peers
}
