//! `redis-cli` and `redis-benchmark` against a Redis of the test's own.

use std::fmt::Write as _;

use callbox_testkit::{
    Callbox, Input, Scratch, Signal, assert_same_bytes, eventually, free_address, patience, pattern, quick, requires,
};

use super::{BY_ALL, Daemon, Target, Upstream, same, tool};

/// Starts a server that keeps nothing on the disk; a relay to it shows `shows`.
pub(super) fn server(scratch: &Scratch, shows: &'static str) -> (Daemon, Upstream) {
    let address = free_address();
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let words = ["--bind", &host, "--port", &port, "--save", "", "--appendonly", "no", "--daemonize", "no"];
    let words = words.into_iter().chain(["--enable-debug-command", "yes", "--logfile", "/dev/stderr"]);
    let command = tool("redis-server").args(words).arg("--dir").arg(scratch.path());
    let server = Daemon::starts(command, Signal::TERM, "Ready to accept connections");
    (server, Upstream::at(address, shows))
}

/// Prepares `redis-cli` or `redis-benchmark`.
pub(super) fn redis(program: &str, target: &Target) -> Callbox {
    match target {
        Target::Port(address) => {
            tool(program).args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()])
        }
        Target::Path(path) => tool(program).arg("-s").arg(path),
    }
}

/// Runs a command and returns what it answered.
pub(super) fn asks(target: &Target, words: &[&str]) -> String {
    let outcome = redis("redis-cli", target).args(words).run().exited(0).quietly();
    String::from_utf8_lossy(&outcome.stdout).trim().to_owned()
}

#[test]
fn redis_cli_leaves_the_same_data_behind() {
    requires!(tool("redis-server"), tool("redis-cli"));
    let scratch = Scratch::new();
    let (_server, upstream) = server(&scratch, "FLUSHALL");
    let value = pattern(8 << 20, 3);
    let value_file = scratch.file("value", &value);
    let count = if quick() { 2_000 } else { 50_000 };
    let mut commands = String::new();
    for number in 0..count {
        write!(commands, "SET key:{number} value:{}\r\n", number * 7919 % 10_007).expect("a string");
    }
    let commands = scratch.file("commands", commands);
    let (replies, digest) = same(&upstream, &BY_ALL, |target| {
        assert_eq!(asks(target, &["FLUSHALL"]), "OK");
        let file = std::fs::File::open(&value_file).expect("own file");
        redis("redis-cli", target).args(["-x", "SET", "large"]).input(Input::From(file.into())).run().exited(0);
        let got = redis("redis-cli", target).args(["--raw", "GET", "large"]).run().exited(0).stdout;
        assert_same_bytes("value", &value, &got[..got.len() - 1]);
        let file = std::fs::File::open(&commands).expect("own file");
        let piped = redis("redis-cli", target).arg("--pipe").input(Input::From(file.into())).run().exited(0);
        (String::from_utf8_lossy(&piped.stdout).into_owned(), asks(target, &["DEBUG", "DIGEST"]))
    });
    assert!(replies.contains(&format!("errors: 0, replies: {count}")), "{replies}");
    assert_eq!(digest.len(), 40, "{digest}");
}

#[test]
fn redis_cli_hears_what_is_published() {
    requires!(tool("redis-server"), tool("redis-cli"));
    let scratch = Scratch::new();
    let (_server, upstream) = server(&scratch, "SUBSCRIBE");
    same(&upstream, &BY_ALL, |target| {
        let subscriber = redis("redis-cli", target).args(["SUBSCRIBE", "news"]).start();
        subscriber.shows("subscribe\nnews\n1\n");
        assert_eq!(asks(&upstream.direct, &["PUBLISH", "news", "it rains"]), "1");
        subscriber.shows("message\nnews\nit rains\n");
        // A client that is ended from outside leaves no subscriber in the server.
        drop(subscriber);
        eventually("nobody subscribed", patience(), || {
            let answer = asks(&upstream.direct, &["PUBSUB", "NUMSUB", "news"]);
            if answer == "news\n0" { Ok(()) } else { Err(answer) }
        });
    });
}

#[test]
fn redis_benchmark_gets_every_answer() {
    requires!(tool("redis-server"), tool("redis-benchmark"), tool("redis-cli"));
    let scratch = Scratch::new();
    let (_server, upstream) = server(&scratch, "RESETSTAT");
    // A multiple of 16: a pipeline is sent whole.
    let requests = if quick() { "1600" } else { "20000" };
    let calls = same(&upstream, &BY_ALL, |target| {
        assert_eq!(asks(target, &["CONFIG", "RESETSTAT"]), "OK");
        for (clients, pipeline) in [("50", "1"), ("20", "16")] {
            let words = ["-q", "-e", "-n", requests, "-c", clients, "-P", pipeline, "-t", "set,get,lpush,lpop"];
            redis("redis-benchmark", target).args(words).run().exited(0);
        }
        let stats = asks(target, &["INFO", "commandstats"]);
        let of = |name: &str| {
            let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:calls="))).unwrap_or("");
            let fields: Vec<&str> = line.trim_end().split([':', ',']).collect();
            let kept = fields.into_iter().filter(|field| !field.contains("usec"));
            kept.collect::<Vec<_>>().join(" ")
        };
        ["set", "get", "lpush", "lpop"].map(of)
    });
    for line in &calls {
        let twice = 2 * requests.parse::<u32>().expect("a number");
        assert!(line.contains(&format!("calls={twice} ")) && line.contains("failed_calls=0"), "{calls:?}");
    }
}
