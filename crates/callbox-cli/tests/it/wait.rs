//! `wait`: ready is who speaks, not who accepts; the reason of the last failure; the command in our place.

use std::os::unix::process::ExitStatusExt;
use std::sync::mpsc;
use std::time::Duration;

use callbox_testkit::{Callbox, Peer, Scratch, Script, Server, Signal, deadline, free_address};

use crate::cli::{callbox, served, started};

/// In which a target that is not ready is looked at more than once.
const SHORT: &str = "1s";

fn wait<'a>(words: impl IntoIterator<Item = &'a str>) -> Callbox {
    callbox(["wait"]).args(words)
}

#[test]
fn who_accepts_is_not_ready_before_it_speaks() {
    let (speak, spoken) = mpsc::channel::<()>();
    let (here, accepted) = mpsc::channel::<()>();
    let (address, peer) = Script::serves(move |mut peer: Peer| {
        here.send(()).expect("the test waits");
        spoken.recv().expect("the test says when");
        peer.sends("220 ready\r\n").expects_end();
    });
    let mut waiting = wait([&address.to_string(), "--until", "220 "]).start();
    accepted.recv().expect("it connects");
    // The silence is the fault.
    deadline::let_pass(Duration::from_millis(300));
    waiting.still_runs();
    assert_eq!(waiting.errors().text(), "", "nothing is ready");
    speak.send(()).expect("the peer waits");
    waiting.exits(0).said(&format!("{address} is ready after ")).wrote("");
    peer.joins();
}

#[test]
fn who_accepts_again_and_again_and_is_silent_is_never_ready() {
    let (_server, address) = served(["--discard"]);
    let outcome =
        wait([&address.to_string(), "--until", "220 ", "--timeout", SHORT, "--attempt-timeout", "50ms"]).run();
    outcome.exited(124).said("attempts: accepted, but said nothing within ");
}

#[test]
fn who_says_something_else_is_shown_with_what() {
    let (_server, address) = served(["--reply", "-LOADING\u{1b}[2J"]);
    let words = ["--send", "PING\\r\\n", "--until", "+PONG", "--timeout", SHORT];
    let outcome = wait([address.to_string().as_str()]).args(words).run().exited(124);
    outcome.said("said \"-LOADING\\x1b[2J\", but not \"+PONG\"").never_said("\u{1b}");
}

#[test]
fn who_answers_is_ready() {
    let (_server, address) = served(["--reply", "+PONG\r\n"]);
    wait([&address.to_string(), "--send", "PING\\r\\n", "--until", "+PONG", "-q"]).run().exited(0).quietly().wrote("");
}

#[test]
fn who_closes_at_once_does_not_stay_open() {
    let (_server, address) = served(["--exec", "true"]);
    let address = address.to_string();
    wait([address.as_str()]).run().exited(0);
    let outcome = wait([&address, "--stays-open", "10s", "--timeout", SHORT]).run().exited(124);
    outcome.said("accepted, and closed after ").said(" instead of staying open for 10 s");
    let (_server, address) = served(["--discard"]);
    wait([&address.to_string(), "--stays-open", "50ms"]).run().exited(0);
}

#[test]
fn all_are_waited_for_or_any() {
    let (_server, address) = served([]);
    let scratch = Scratch::new();
    let nobody = format!("unix:{}", scratch.join("nobody").display());
    let words = [&address.to_string(), &nobody, "--timeout", SHORT];
    let outcome = wait(words).run().exited(124).said(&format!("{address} is ready"));
    let outcome = outcome.said(&format!("callbox: wait {nobody}: not ready within 1 s, ")).said("attempts: no such");
    outcome.never_said(&format!("wait {address}: not ready"));
    wait(words).arg("--any").run().exited(0).never_said("not ready");
}

#[test]
fn a_server_that_starts_late_is_met() {
    let address = free_address();
    let waiting = wait([&address.to_string(), "--json"]).start();
    // Time for attempts that are refused: how often does not matter.
    deadline::let_pass(Duration::from_millis(200));
    let server = Server::binds_at(&address.to_string());
    let peer = server.accepts();
    waiting.exits(0).quietly();
    peer.closes();
}

#[test]
fn a_name_that_does_not_resolve_is_told_as_such() {
    let outcome = wait(["nowhere.invalid:80", "--timeout", SHORT]).run().exited(124);
    outcome.said("callbox: wait nowhere.invalid:80: not ready within 1 s").said(": resolve nowhere.invalid: ");
}

#[test]
fn gone_is_when_nobody_accepts_any_more() {
    let (server, address) = served([]);
    let address = address.to_string();
    let outcome = wait([&address, "--invert", "--timeout", SHORT]).run().exited(124);
    outcome.said("not gone within 1 s").said("somebody still accepts there");
    let mut waiting = wait([&address, "--invert"]).start();
    waiting.still_runs();
    server.drains();
    waiting.exits(0).said(&format!("{address} is gone after "));
    wait([&address, "--invert", "--until", "x"]).run().exited(2);
}

#[test]
fn the_command_takes_our_place() {
    let (_server, address) = served([]);
    let address = address.to_string();
    let run = wait([&address, "--", "sh", "-c", "echo $$; exit 7"]).start();
    let pid = run.pid();
    run.exits(7).wrote(format!("{pid}\n"));
    let outcome = wait([&address, "-q", "--", "sh", "-c", "kill -TERM $$"]).run();
    assert_eq!(outcome.status.signal(), Some(15));
    let run = wait([&address, "-q", "--", "sh", "-c", "echo here; exec sleep 60"]).start();
    run.shows("here\n");
    run.signal(Signal::INT);
    assert_eq!(run.ends().status.signal(), Some(2), "its signals are its own");
    wait([&address, "-q", "--", "/nowhere/to/be/found"]).run().exited(127).said("no such file");
    wait([&address, "-q", "--", "/etc/passwd"]).run().exited(126).said("permission denied");
}

#[test]
fn the_command_is_not_run_when_the_time_is_over_or_at_ctrl_c() {
    let scratch = Scratch::new();
    let nobody = format!("unix:{}", scratch.join("nobody").display());
    wait([&nobody, "--timeout", SHORT, "--", "echo", "run"]).run().exited(124).wrote("");
    let (here, accepted) = mpsc::channel::<()>();
    let (address, peer) = Script::serves(move |mut peer: Peer| {
        here.send(()).expect("the test waits");
        peer.expects_end();
    });
    let waiting = wait([&address.to_string(), "--until", "220 ", "--json", "--", "echo", "run"]).start();
    // It listens to signals before it connects.
    accepted.recv().expect("it connects");
    waiting.signal(Signal::INT);
    let outcome = waiting.exits(130).said("not ready, 0 attempts: the first attempt was not over");
    assert_eq!(outcome.ledger().events.len(), 1, "nothing is run");
    peer.joins();
}

#[test]
fn programs_get_one_object() {
    let (_server, address) = served([]);
    let scratch = Scratch::new();
    let nobody = format!("unix:{}", scratch.join("nobody").display());
    let outcome = wait([&address.to_string(), &nobody, "--timeout", SHORT, "--json"]).run().exited(124);
    let ledger = outcome.ledger();
    assert_eq!(ledger.events.len(), 1);
    let waited = &ledger.events[0];
    assert_eq!((&waited["event"], &waited["ready"]), (&"waited".into(), &false.into()));
    let [ready, missing] = waited["targets"].as_array().expect("a list").as_slice() else { panic!("two: {waited}") };
    assert_eq!((&ready["address"], &ready["ready"]), (&address.to_string().into(), &true.into()));
    assert!(ready["after_us"].is_u64() && ready["error"].is_null(), "{ready}");
    assert_eq!((&missing["ready"], &missing["error"]), (&false.into(), &"not_found".into()));
    assert!(missing["attempts"].as_u64() > Some(1) && missing["after_us"].is_null(), "{missing}");
}

#[test]
fn over_tls_ready_is_who_is_believed() {
    let scratch = Scratch::new();
    let path = scratch.join("ready");
    let server = callbox(["serve", "127.0.0.1:0", "--tls", "-q", "--ready-file"]).arg(&path);
    let (_server, address) = started(server.env("XDG_STATE_HOME", scratch.path()), &path);
    let url = format!("tls://{address}");
    wait([&url, "--insecure"]).run().exited(0).said("--insecure");
    wait([&url, "--timeout", SHORT]).run().exited(124).said("TLS handshake").said("hint: --ca FILE");
    let (_plain, address) = served(["--reply", "plain"]);
    let outcome = wait([&address.to_string(), "--tls", "--timeout", SHORT]).run().exited(124);
    outcome.said("does not speak TLS");
}

#[test]
fn what_cannot_be_waited_for_is_refused() {
    wait([]).run().exited(2).said("<ADDR>");
    wait(["db"]).run().exited(2).said("write db:8848");
    wait(["127.0.0.1:1", "--until", "frame"]).run().exited(2).said("nothing cuts frames here");
    wait(["127.0.0.1:1", "--interval", "0"]).run().exited(2).said("--interval");
}
