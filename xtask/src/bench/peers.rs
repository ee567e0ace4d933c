//! The peers there are, those that can be had on this machine.

use std::fs;

use super::peer::{Answer, CALLBOX, Peer, REPLY, YARDSTICK};
use super::setup::Setup;
use crate::workspace::{self, program};

/// Where Debian puts nginx's module for streams.
pub(crate) const NGINX_STREAM: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// Returns the servers that echo; those that start a process a connection only `with_forking`.
pub(crate) fn echo(setup: &Setup, with_forking: bool) -> Vec<Peer> {
    let mut peers = vec![callbox(setup, &["--echo"], Answer::Echo)];
    peers.extend(reference(setup, Answer::Echo));
    if let Some(python) = python() {
        let script = workspace::root().join("xtask/peers/asyncio_echo.py").display().to_string();
        let words = [&*python, &*script, "127.0.0.1", "{port}"];
        peers.push(Peer::new("python asyncio", &words, Answer::Echo));
        if let Some(folder) = &setup.uvloop {
            let mut peer = Peer::new("python uvloop", &[&words[..], &["--uvloop"]].concat(), Answer::Echo);
            peer.environment.push(("PYTHONPATH".into(), folder.display().to_string()));
            peers.push(peer);
        }
    }
    peers.extend(haproxy(setup));
    if with_forking {
        peers.extend(forking());
    }
    peers
}

/// Returns the servers of the connect loop.
pub(crate) fn cycle(setup: &Setup) -> Vec<Peer> {
    let mut peers = vec![callbox(setup, &[], Answer::Reply)];
    peers.extend(reference(setup, Answer::Reply));
    peers.extend(forking());
    peers
}

/// Returns the servers whose memory is looked at.
pub(crate) fn memory(setup: &Setup) -> Vec<Peer> {
    let mut peers = echo(setup, false);
    // Work stealing changes nothing here, the buffer does.
    peers.retain(|peer| peer.name != WORK_STEALING && peer.name != LEVEL);
    let tokio = setup.reference("reference-tokio");
    peers.insert(3, Peer::new("plain tokio, 4 KiB each", &[&tokio, ADDR, "--buffer", "4096"], Answer::Echo));
    peers
}

const ADDR: &str = "127.0.0.1:{port}";
const LEVEL: &str = "raw epoll, level-triggered";
const WORK_STEALING: &str = "plain tokio, work-stealing";

fn callbox(setup: &Setup, more: &[&str], answer: Answer) -> Peer {
    let binary = setup.callbox.display().to_string();
    let words = [&*binary, "serve", "127.0.0.1:0"];
    Peer::new(CALLBOX, &[&words[..], more, &["-q", "--ready-file", "{ready}"]].concat(), answer)
}

fn reference(setup: &Setup, answer: Answer) -> Vec<Peer> {
    let (epoll, tokio) = (setup.reference("reference-epoll"), setup.reference("reference-tokio"));
    let peer = |name, program: &str, more: &[&str]| {
        let reply: &[&str] = if answer == Answer::Reply { &["--reply", REPLY] } else { &[] };
        Peer::new(name, &[&[program, ADDR], more, reply].concat(), answer)
    };
    vec![
        peer(YARDSTICK, &epoll, &["--edge"]),
        peer(LEVEL, &epoll, &[]),
        peer("plain tokio, current-thread", &tokio, &[]),
        peer(WORK_STEALING, &tokio, &["--runtime", "multi"]),
    ]
}

fn forking() -> Vec<Peer> {
    let mut peers = Vec::new();
    if program("socat").is_some() {
        let listen = "TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=1024,nodelay";
        peers.push(Peer::new("socat fork, EXEC", &["socat", listen, "EXEC:/bin/cat"], Answer::Echo).forking());
    }
    if program("ncat").is_some() {
        let words = ["ncat", "-l", "-k", "-m", "1000", "127.0.0.1", "{port}", "--exec", "/bin/cat"];
        peers.push(Peer::new("ncat --exec", &words, Answer::Echo).forking());
    }
    peers
}

fn haproxy(setup: &Setup) -> Option<Peer> {
    program("haproxy")?;
    let lua = workspace::root().join("xtask/peers/haproxy_echo.lua");
    // The port is not known yet: HAProxy takes it from the environment.
    let text = format!(
        "global\n  no strict-limits\n  maxconn 12000\n  nbthread 1\n  lua-load {}\ndefaults\n  mode tcp\n  timeout client 60s\n  timeout server 60s\n  \
         timeout connect 5s\nfrontend echo\n  bind 127.0.0.1:\"${{PORT}}\" backlog 4096\n  tcp-request content use-service lua.echo\n",
        lua.display()
    );
    let path = setup.folder.join("haproxy.cfg");
    fs::write(&path, text).ok()?;
    let mut peer =
        Peer::new("haproxy, echo in Lua", &["haproxy", "-db", "-f", &path.display().to_string()], Answer::Echo);
    peer.environment.push(("PORT".into(), "{port}".into()));
    Some(peer)
}

/// Prefers the system's interpreter to a wrapper in front of it.
pub(crate) fn python() -> Option<String> {
    let system = std::path::Path::new("/usr/bin/python3");
    let found = if system.is_file() { Some(system.to_owned()) } else { program("python3") };
    found.map(|path| path.display().to_string())
}
