//! `ping`: every attempt with its phases, statistics at the end and on Enter, one object for programs.

use callbox_testkit::{Callbox, Input, Outcome, Output, Peer, Scratch, Script, Signal, Terminal};
use serde_json::Value;

use crate::cli::{callbox, nobody, served, started};

fn ping<'a>(words: impl IntoIterator<Item = &'a str>) -> Callbox {
    callbox(["ping"]).args(words)
}

fn lines(outcome: &Outcome) -> Vec<String> {
    String::from_utf8_lossy(&outcome.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn each_attempt_is_a_line_with_its_phases_and_statistics_follow() {
    let (server, address) = served(["--reply", "thank you !", "--json"]);
    let address = address.to_string();
    let words = [&address, "-c", "3", "-i", "10ms", "--send", "hello", "--until", "you !"];
    let outcome = ping(words).run().exited(0).quietly();
    let lines = lines(&outcome);
    for (at, line) in lines[..3].iter().enumerate() {
        assert!(line.starts_with(&format!("{}: {address} in ", at + 1)), "{line}");
        for phase in ["█ tcp ", " | ▄ first byte ", " | ▂ rest "] {
            assert!(line.contains(phase), "{line}");
        }
    }
    assert!(lines[3].starts_with(&format!("{address}: 3 sent, 3 answered, 0 lost (0 %), in ")), "{}", lines[3]);
    assert!(lines[4].starts_with("  min ") && lines[5].starts_with("  p50 by phase: "), "{lines:?}");
    assert_eq!(lines.len(), 6);
    server.signal(Signal::TERM);
    let ledger = server.exits(0).ledger();
    assert_eq!(ledger.named("connected").len(), 3, "each attempt is a connection");
    assert!(ledger.named("closed").iter().all(|closed| closed["to_server_bytes"] == 5));
}

#[test]
fn nothing_came_back_is_exit_3_with_the_reason() {
    let (_held, address) = nobody();
    let outcome = ping([&address, "-c", "2", "-i", "0"]).run().exited(3);
    let outcome = outcome.said("nothing came back: connect").said("connection refused").said("`callbox wait`");
    assert_eq!(lines(&outcome).len(), 4, "{:?}", lines(&outcome));
    outcome.showed("2 sent, 0 connected, 2 lost (100 %)").showed("2 refused, the first: connect");
    ping(["nowhere.invalid:80", "-c", "1"]).run().exited(3).said("resolve nowhere.invalid");
}

#[test]
fn another_answer_is_lost_and_what_was_heard_is_said() {
    let (_server, address) = served(["--reply", "-LOADING\u{1b}[2J"]);
    let words = ["-c", "1", "--attempt-timeout", "200ms", "--send", "PING", "--until", "+PONG"];
    let outcome = ping([address.to_string().as_str()]).args(words).run().exited(3);
    outcome.showed("within 200 ms said \"-LOADING\\x1b[2J\", but not \"+PONG\"");
}

#[test]
fn ctrl_c_shows_the_statistics_and_exits_130() {
    let (_server, address) = served([]);
    let run = ping([&address.to_string(), "-i", "10ms"]).start();
    run.shows("2: ").signal(Signal::INT);
    run.exits(130).showed(" connected, 0 lost (0 %)").showed("p50 by phase");
}

#[test]
fn the_deadline_of_the_run_is_124() {
    let (_server, address) = served([]);
    let outcome = ping([&address.to_string(), "-q", "-i", "60s", "--timeout", "1s"]).run().exited(124);
    outcome.showed(": 1 sent, 1 connected").quietly();
}

#[test]
fn enter_shows_statistics_and_goes_on() {
    let (_server, address) = served([]);
    let terminal = Terminal::opens();
    let run = ping([&address.to_string(), "-i", "10ms"]).on_terminal(&terminal).start();
    terminal.shows("2: ");
    terminal.types("\n");
    terminal.shows("p50 by phase");
    let seen = terminal.screen().bytes().len();
    let more = terminal.screen().wait(callbox_testkit::patience(), |bytes, _| {
        bytes[seen..].windows(4).any(|window| window == b" in ").then_some(())
    });
    assert!(more.is_some(), "it goes on");
    run.signal(Signal::INT);
    run.exits(130);
}

#[test]
fn colour_is_asked_for_and_never_alone() {
    let (_server, address) = served([]);
    let words = [&address.to_string(), "-c", "1"];
    ping(words).args(["--color", "always"]).run().exited(0).showed("\u{1b}[36m█");
    let plain = ping(words).run().exited(0).showed("█");
    assert!(!plain.stdout.contains(&0x1b));
}

#[test]
fn programs_get_one_object() {
    let (_server, address) = served(["--echo"]);
    let outcome = ping([&address.to_string(), "-c", "3", "-i", "0", "--send", "x", "--json"]).run().exited(0).quietly();
    let ledger = outcome.ledger();
    assert_eq!(ledger.events.len(), 1);
    let report: &Value = &ledger.events[0];
    assert_eq!((&report["requests"], &report["answered"], &report["lost"]), (&3.into(), &3.into(), &0.into()));
    assert_eq!((&report["schedule"], &report["rate_asked"]), (&"closed".into(), &Value::Null));
    let phases: Vec<&String> = report["phases"].as_object().expect("a table").keys().collect();
    assert_eq!(phases, ["connect", "first_byte", "rest"]);
    let response = &report["response"];
    assert_eq!((&response["count"], &response["p50_us"]), (&3.into(), &report["service"]["p50_us"]));
    assert!(response["p50_us"].as_f64() <= response["max_us"].as_f64());
    let (_held, address) = nobody();
    let outcome = ping([&address, "-c", "1", "--json"]).run().exited(3);
    let report = &outcome.ledger().events[0];
    assert_eq!((&report["errors"]["refused"], &report["response"]["p50_us"]), (&1.into(), &Value::Null));
}

#[test]
fn tls_has_a_phase_and_says_what_was_agreed_on() {
    let scratch = Scratch::new();
    let path = scratch.join("ready");
    let server = callbox(["serve", "127.0.0.1:0", "--tls", "-q", "--ready-file"]).arg(&path);
    let (_server, address) = started(server.env("XDG_STATE_HOME", scratch.path()), &path);
    let url = format!("tls://{address}");
    let outcome = ping([&url, "-c", "1", "--insecure", "-v"]).run().exited(0).said("--insecure");
    outcome.showed(" | ▓ tls ").showed("   TLS 1.3, TLS_").showed("congestion window");
    // Who is not believed is not pinged.
    ping([&url, "-c", "1"]).run().exited(3).said("TLS handshake").said("hint: --ca FILE");
}

#[test]
fn who_speaks_first_is_awaited() {
    let (address, peer) = Script::serves(|mut peer: Peer| {
        peer.sends("220 ").sends("hello\r\n").expects_end();
    });
    ping([&address.to_string(), "-c", "1", "--until", "\\r\\n"]).run().exited(0).showed("1 answered");
    peer.joins();
}

#[test]
fn a_closed_output_is_a_quiet_end() {
    let (_server, address) = served([]);
    let mut run = ping([&address.to_string(), "-i", "10ms"]).output(Output::Held).input(Input::Null).start();
    drop(run.take_output());
    run.exits(0).quietly();
}

#[test]
fn what_cannot_be_asked_is_refused() {
    ping(["127.0.0.1:1", "--until", "frame"]).run().exited(2).said("--until: ").said("nothing cuts frames here");
    ping(["127.0.0.1:1", "--until", "bytes:0"]).run().exited(2).said("bytes:16");
    ping(["127.0.0.1:1", "--send", "a\\q"]).run().exited(2).said("--send: ");
    ping(["127.0.0.1:1", "-c", "0"]).run().exited(2);
}
