//! `haproxy` before a relay and behind one.

use std::net::SocketAddr;

use callbox_testkit::{
    Output, Peer, Process, Scratch, Script, Signal, assert_same_bytes, eventually, free_address, patience, pattern,
    quick, requires,
};

use super::http::{curl, server};
use super::{Daemon, Target, tool};
use crate::cli::callbox;

/// Starts haproxy on `listen`, to `upstream`.
fn haproxy(scratch: &Scratch, name: &str, listen: SocketAddr, upstream: SocketAddr) -> Daemon {
    let settings = format!(
        "global\n  maxconn 200\n\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         listen it\n  bind {listen}\n  server one {upstream}\n"
    );
    let path = scratch.file(name, settings);
    // It says nothing when it is ready; it binds before it says this with -V.
    let process = tool("haproxy").args(["-db", "-V", "-f"]).arg(path).start();
    eventually("haproxy listening", patience(), || {
        // By the kernel's own table: connecting would be a session.
        let table = std::fs::read_to_string("/proc/net/tcp").map_err(|error| error.to_string())?;
        let SocketAddr::V4(at) = listen else { return Err("an IPv4 address".to_owned()) };
        let at = format!(" {:08X}:{:04X} 00000000:0000 0A", u32::from(*at.ip()).swap_bytes(), at.port());
        if table.contains(&at) { Ok(()) } else { Err("not yet".to_owned()) }
    });
    Daemon { process, farewell: Signal::USR1 }
}

/// Starts a relay to `upstream`.
fn relay(upstream: SocketAddr) -> (Process, SocketAddr) {
    let nowhere = std::fs::File::create("/dev/null").expect("/dev/null");
    let relay = callbox(["relay", "127.0.0.1:0", &upstream.to_string()]).output(Output::To(nowhere.into())).start();
    let address = relay.ready();
    (relay, address)
}

/// Returns a chain to `server`: haproxy, the relay, haproxy once more; and where it begins.
fn chain(scratch: &Scratch, server: SocketAddr) -> ([Daemon; 2], Process, SocketAddr) {
    let (front, behind) = (free_address(), free_address());
    let second = haproxy(scratch, "behind.cfg", behind, server);
    let (relay, middle) = relay(behind);
    let first = haproxy(scratch, "before.cfg", front, middle);
    ([first, second], relay, front)
}

#[test]
fn curl_gets_the_same_through_haproxy_before_and_behind() {
    requires!(tool("haproxy"), tool("curl"), tool("python3"));
    let scratch = Scratch::new();
    let body = pattern(if quick() { 1 << 20 } else { 16 << 20 }, 6);
    scratch.file("body", &body);
    let (_server, upstream) = server(&scratch);
    let (_proxies, relay, front) = chain(&scratch, upstream.direct.port());
    let target = Target::Port(front);
    for path in ["/file/body", "/chunked/body", "/until_closed/body"] {
        let got = curl(&target, path).run().exited(0).quietly().stdout;
        assert_same_bytes(path, &body, &got);
    }
    // 56 is a failure to receive, 18 a body shorter than promised.
    assert_eq!(curl(&target, "/short/").run().exited(18).stdout.len(), 100_000);
    relay.drains().said("served 4 sessions");
}

#[test]
fn an_answer_after_half_close_passes_haproxy_before_and_behind() {
    requires!(tool("haproxy"));
    let scratch = Scratch::new();
    let answer = pattern(3 << 20, 7);
    let expected = answer.clone();
    let (server, script) = Script::serves(move |mut peer: Peer| {
        let question = peer.reads_to_end();
        peer.sends(&answer).ends();
        question
    });
    let (_proxies, relay, front) = chain(&scratch, server);
    let mut client = Peer::connects(front);
    let question = pattern(1 << 20, 8);
    client.sends(&question).ends();
    assert_same_bytes("answer", &expected, &client.reads_to_end());
    assert_same_bytes("question", &question, &script.joins());
    relay.drains().said("served 1 session");
}
