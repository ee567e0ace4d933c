//! `relay` with `--control` and `--config`: what goes together, what is said, and what the summary counts.

use callbox_testkit::{Peer, Scratch, Server, Signal, eventually, patience};
use serde_json::{Value, json};

use crate::cli::{callbox, served};
use crate::control::{ask, relay_to, steered};

/// Writes a file of relays and returns its path as a word.
fn file(scratch: &Scratch, text: &str) -> String {
    let path = scratch.join("relays.toml");
    std::fs::write(&path, text).expect("writes");
    path.to_str().expect("a path in UTF-8").to_owned()
}

fn relay(name: &str, more: &str) -> String {
    format!("[[relay]]\nname = \"{name}\"\nlisten = \"127.0.0.1:0\"\nupstream = \"127.0.0.1:9\"\n{more}\n")
}

#[test]
fn what_would_do_nothing_is_a_usage_error() {
    let control = ["relay", "--control", "127.0.0.1:0"];
    for (words, said) in [
        (&["--once"][..], "cannot be used with"),
        (&["--sessions", "2"], "cannot be used with"),
        (&["--mirror", "127.0.0.1:9"], "cannot be used with"),
        (&["--fault", "stall"], "there is no relay yet for them to act on"),
        (&["--replace", "a", "b"], "there is no relay yet for them to act on"),
        (&["127.0.0.1:0"], "no upstream"),
    ] {
        callbox(control).args(words).run().exited(2).said(said).said("hint: ").never_said("seed");
    }
    let scratch = Scratch::new();
    for (text, words, said) in [
        ("", &[][..], "no relay is enabled there"),
        (&relay("a", "enabled = false"), &[], "no relay is enabled there"),
        (&relay("a", ""), &["--once"], "cannot be used with"),
        (&relay("a", "fault = [\"stall,frame=2\"]"), &[], "relay a: invalid fault \"stall,frame=2\": nothing says"),
        (&relay("relay", ""), &["127.0.0.1:0", "127.0.0.1:9"], "that of LISTEN is called relay"),
    ] {
        callbox(["relay", "--config", &file(&scratch, text)]).args(words).run().exited(2).said(said);
    }
    let (_relay, control) = steered(["127.0.0.1:0", "127.0.0.1:9"]);
    let (status, said) = ask(control, "POST", "/v1/relays/relay/faults", json!({"fault": "stall,frame=2"}));
    assert_eq!((status, said["status"].as_u64()), (400, Some(400)), "{said}");
    let (_, list) = ask(control, "GET", "/v1/relays/relay/faults", "");
    assert_eq!(list, json!({"faults": []}));
}

#[test]
fn where_it_is_steered_is_talk_and_an_event() {
    let relay = callbox(["relay", "--control", "127.0.0.1:0", "--json"]).start();
    let address = relay.event("control", |_| true)["address"].clone();
    let address = address.as_str().and_then(|address| address.parse().ok()).expect("an address");
    relay.says(&format!("control on http://{address}\n"));
    assert_eq!(ask(address, "GET", "/proxies", ""), (200, json!({})));
    relay.drains().ledger();
    let scratch = Scratch::new();
    let ready = scratch.join("ready");
    let quiet = callbox(["relay", "--control", "127.0.0.1:0", "-q", "--ready-file"]).arg(&ready).start();
    eventually("the ready file", patience(), || std::fs::read(&ready).map_err(|error| error.to_string()));
    quiet.drains().quietly();
}

#[test]
fn the_ready_file_has_every_address_of_every_relay() {
    let scratch = Scratch::new();
    let ready = scratch.join("ready");
    let more = relay("b", "") + &relay("off", "enabled = false");
    let words = ["relay", ":0", "127.0.0.1:9", "--config", &file(&scratch, &more), "--ready-file"].map(str::to_owned);
    let relay = callbox(words.iter().map(String::as_str)).arg(&ready).start();
    relay.says("relay b: ");
    let file =
        eventually("the ready file", patience(), || std::fs::read_to_string(&ready).map_err(|error| error.to_string()));
    let named: Vec<_> = file.lines().map(|line| line.parse().expect("an address")).collect();
    assert_eq!(relay.ready_at(named.len()), named, "each is in both");
    let said = relay.errors().text();
    assert_eq!(said.matches("listening on ").count(), named.len(), "{said}");
    relay.drains();
}

#[test]
fn the_summary_counts_relays_that_are_gone() {
    let (_server, upstream) = served(["--echo"]);
    let (relay, control) = steered(["--json"]);
    for end in ["off", "deleted"] {
        let listen = relay_to(control, upstream);
        Peer::connects(listen).sends("hello").expects("hello");
        if end == "off" {
            assert_eq!(ask(control, "PATCH", "/proxies/echo", json!({"enabled": false})).0, 200);
        }
        assert_eq!(ask(control, "DELETE", "/proxies/echo", "").0, 204);
    }
    let summary = relay.drains().ledger().events.pop().expect("a summary");
    let count = |name: &str| summary[name].as_u64();
    assert_eq!((count("sessions"), count("to_server_bytes"), count("to_client_bytes")), (Some(2), Some(10), Some(10)));
    assert!(count("duration_us") > Some(0), "{summary}");
}

#[test]
fn a_second_signal_leaves_a_summary_too() {
    let (_server, upstream) = served(["--echo"]);
    let (relay, control) = steered(["--json"]);
    let mut peer = Peer::connects(relay_to(control, upstream));
    peer.sends("hello").expects("hello");
    relay.signal(Signal::TERM);
    relay.event("draining", |_| true);
    relay.signal(Signal::TERM);
    let summary = relay.exits(143).ledger().events.pop().expect("a summary");
    assert_eq!((&summary["sessions"], &summary["to_client_bytes"]), (&json!(1), &json!(5)), "{summary}");
}

#[test]
fn a_relay_that_cannot_listen_is_told_as_any_listener_is() {
    let taken = Server::binds();
    let address = taken.address().to_string();
    let words = ["relay", "--json", "--control", "127.0.0.1:0", &address, "127.0.0.1:9"];
    let outcome = callbox(words).run().exited(3);
    let outcome = outcome.said(&format!("callbox: relay relay: bind {address}: ")).said("hint: `ss -ltnp");
    let is_it = |event: &&Value| event["event"] == "error" && event["kind"] == "address_in_use";
    let ledger = outcome.ledger();
    let error = ledger.events.iter().find(is_it).unwrap_or_else(|| outcome.fail("an error event"));
    assert_eq!((&error["operation"], &error["address"]), (&json!("bind"), &json!(address)));
}

#[test]
fn no_relay_is_its_own_server_or_mirror() {
    let (_server, upstream) = served(["--echo"]);
    let scratch = Scratch::new();
    let path = format!("unix:{}", scratch.join("socket").display());
    let relay = callbox(["relay", &path, &path]).start();
    relay.says("listening on");
    let mut peer = Peer::connects_to_path(&scratch.join("socket"));
    peer.expects_end();
    let outcome = relay.drains().said("callbox itself listens there");
    assert_eq!(outcome.stderr.matches(" connected from ").count(), 1, "{}", outcome.stderr);

    let address = callbox_testkit::free_address().to_string();
    let words = ["relay", &address, &upstream.to_string(), "--mirror", &address, "--once"].map(str::to_owned);
    let relay = callbox(words.iter().map(String::as_str)).start();
    Peer::connects(relay.ready()).sends("hello").expects("hello").ends().expects_end();
    relay.exits(0).said("mirror: lost: ").said("callbox itself listens there");
}
