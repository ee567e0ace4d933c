//! Many messages through `callbox relay`: none is lost, doubled or out of order, whatever the ends and the chunks are,
//! also where segments are lost.
//!
//! Short as a test; `cargo xtask soak` makes it long, by `CALLBOX_SOAK_MESSAGES` and `CALLBOX_SOAK_MINUTES`, and reads the
//! lines it prints.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the library's rules on clocks, environment and printing are not for its test set"
)]

use std::fs::File;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use callbox_testkit::soak::MESSAGE_BYTES;
use callbox_testkit::{Callbox, Netns, Output, Process, Soak, quick, requires};

/// Messages each way.
const MESSAGES: u64 = 200_000;
const QUICK_MESSAGES: u64 = 50_000;
const CONNECTIONS: u64 = 100;
/// Of a hundred segments, one is lost.
const LOSSY: &str = "add table inet soak; \
    add chain inet soak input { type filter hook input priority 0; }; \
    add rule inet soak input meta l4proto tcp numgen random mod 100 < 1 counter drop";

/// Starts a relay that nobody watches, to `exit`.
fn relay(exit: &TcpListener, start: impl FnOnce(Callbox) -> Callbox) -> Process {
    let upstream = exit.local_addr().expect("bound").to_string();
    // With nothing to show, it may do what is fastest.
    let null = File::options().write(true).open("/dev/null").expect("is there");
    let relay = Callbox::new(env!("CARGO_BIN_EXE_callbox")).args(["relay", "127.0.0.1:0", upstream.as_str()]);
    start(relay.output(Output::To(null.into()))).start()
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// Sends messages until enough have come, and time enough has passed.
fn soak(what: &str, mut relay: Process, exit: &TcpListener) {
    let messages = number("CALLBOX_SOAK_MESSAGES").unwrap_or(if quick() { QUICK_MESSAGES } else { MESSAGES });
    let least = Duration::from_secs(60 * number("CALLBOX_SOAK_MINUTES").unwrap_or(0));
    let first = number("CALLBOX_SEED").unwrap_or(1);
    let (begun, entrance, mut connections, mut arrived) = (Instant::now(), relay.ready(), 0, 0);
    for seed in first.. {
        let verdict = Soak { messages, connections: CONNECTIONS, seed }.through(entrance, exit);
        println!("soak, {what}, seed {seed}: {verdict}");
        assert!(verdict.is_clean(), "{what}: {verdict}\n  CALLBOX_SEED={seed} CALLBOX_SOAK_MESSAGES={messages}");
        assert_eq!([verdict.to_server.arrived, verdict.to_client.arrived], [messages; 2]);
        connections += verdict.connections;
        arrived += messages;
        relay.still_runs();
        if begun.elapsed() >= least {
            break;
        }
    }
    // Who relayed it has seen all of them too.
    let outcome = relay
        .drains()
        .said(&format!("served {connections} sessions"))
        .said(&format!("{bytes} B to server, {bytes} B to client", bytes = MESSAGE_BYTES as u64 * arrived));
    println!("the relay: {}", outcome.stderr.lines().last().unwrap_or_default());
}

#[test]
fn a_relay_loses_doubles_and_reorders_nothing() {
    let exit = TcpListener::bind("127.0.0.1:0").expect("binds");
    soak("nothing in the way", relay(&exit, |relay| relay), &exit);
}

/// Every chunk is copied, counted and shown, on both sides; what is shown in time is not the matter here.
#[test]
fn nor_does_one_that_is_watched() {
    let exit = TcpListener::bind("127.0.0.1:0").expect("binds");
    soak("watched", relay(&exit, |relay| relay.args(["--show", "hex", "--tap", "both"])), &exit);
}

/// Runs `nft` inside.
fn nft(namespace: &Netns, words: &[&str]) -> Result<String, String> {
    let wrapper = namespace.wrapper();
    let output = Command::new(&wrapper[0]).args(&wrapper[1..]).arg("nft").args(words).output().expect("starts");
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

#[test]
fn nor_where_every_hundredth_segment_is_lost() {
    requires!(netns(), tool("nft"));
    let namespace = Netns::new().expect("just made one");
    if let Err(why) = nft(&namespace, &[LOSSY]) {
        callbox_testkit::skip!("needs nftables in the kernel: {why}");
    }
    namespace.inside(|| {
        let exit = TcpListener::bind("127.0.0.1:0").expect("binds");
        soak("1 % of segments lost", relay(&exit, |relay| relay.within(&namespace)), &exit);
    });
    let rules = nft(&namespace, &["list", "ruleset"]).expect("lists");
    let dropped =
        rules.split_once("counter packets ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<u64>().ok());
    println!("segments dropped: {dropped:?}");
    assert!(dropped > Some(10), "{rules}");
}
