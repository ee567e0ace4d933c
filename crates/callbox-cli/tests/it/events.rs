//! `--json`: one event a line, each with what the contract promises, and totals that equal what the peers counted.

use callbox_testkit::{Ledger, Peer, Script, free_address, patience, pattern};

use crate::cli::{connect, connected, listen, served};

fn of_connect(words: &[&str], part: impl FnOnce(Peer) + Send + 'static) -> Ledger {
    let (address, peer) = Script::serves(part);
    let outcome = connect(address, words.iter().copied().chain(["--json"])).run().exited(0);
    peer.joins();
    outcome.ledger().balances().clone()
}

#[test]
fn a_client_s_conversation_as_events() {
    let ledger = of_connect(&["--send", "hello"], |mut peer| {
        peer.expects("hello").expects_end().sends("thank you !").ends();
    });
    let connected = ledger.the("connected");
    assert_eq!((&connected["session"], connected["role"].as_str()), (&1.into(), Some("client")));
    let closed = ledger.the("closed");
    assert_eq!(closed["termination"], "client_closed", "ours was the first FIN");
    assert_eq!((&closed["to_server_bytes"], &closed["to_client_bytes"]), (&5.into(), &11.into()));
    assert_eq!(ledger.bytes("to_server"), b"hello");
    assert_eq!(ledger.bytes("to_client"), b"thank you !");
    let ends: Vec<_> = ledger.named("end").iter().map(|event| event["direction"].clone()).collect();
    assert_eq!(ends, ["to_server", "to_client"]);
    let names: Vec<_> = ledger.events.iter().map(|event| event["event"].as_str().expect("checked")).collect();
    assert_eq!(names.first(), Some(&"connected"));
    assert!(ledger.named("data").iter().all(|event| event["text"].is_string() && event["base64"].is_null()));
}

#[test]
fn times_never_go_back() {
    let ledger = of_connect(&["--send", "hello"], |mut peer| {
        peer.sends("a").expects("hello").expects_end().sends("b").ends();
    });
    let times: Vec<_> = ledger.events.iter().map(|event| event["time"].as_str().expect("checked").to_owned()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn bytes_that_are_no_text_travel_as_base64() {
    let ledger = of_connect(&[], |mut peer| {
        peer.sends(b"\xff\x00\xfe").ends();
    });
    assert_eq!(ledger.bytes("to_client"), b"\xff\x00\xfe");
    assert!(ledger.named("data").iter().any(|event| event["base64"].is_string() && event["text"].is_null()));
}

#[test]
fn text_with_control_characters_stays_one_line() {
    let text = "line\nfeed \x1b[31m \u{2028} \"quoted\" \\ \0";
    let ledger = of_connect(&[], move |mut peer| {
        peer.sends(text).ends();
    });
    assert_eq!(ledger.bytes("to_client"), text.as_bytes());
}

#[test]
fn a_pipe_loses_no_data_event_however_much_comes() {
    let bytes = pattern(3 << 20, 77);
    let sent = bytes.clone();
    let ledger = of_connect(&[], move |mut peer| {
        peer.sends(&sent).ends();
    });
    callbox_testkit::assert_same_bytes("as events", &bytes, &ledger.bytes("to_client"));
    assert_eq!(ledger.summary()["lost_events"], 0);
}

#[test]
fn a_listener_s_conversation_as_events() {
    let listener = listen(["--json", "--send", "hello"]).start();
    let listening = listener.event("listening", |_| true);
    let address = listening["address"].as_str().expect("checked").parse().expect("numeric");
    let mut client = Peer::connects(address);
    let local = client.local().to_string();
    client.expects("hello").expects_end().sends("thank you !").ends();
    let ledger = listener.exits(0).ledger();
    ledger.balances();
    let connected = ledger.the("connected");
    assert_eq!((connected["role"].as_str(), connected["peer"].as_str()), (Some("server"), Some(&*local)));
    assert_eq!(connected["local"], listening["address"]);
    assert_eq!(ledger.the("closed")["termination"], "server_closed");
    assert_eq!(ledger.bytes("to_client"), b"hello");
    assert_eq!(ledger.bytes("to_server"), b"thank you !");
}

#[test]
fn a_server_s_sessions_are_counted_as_the_peers_counted_them() {
    let (server, address) = served(["--echo", "--json"]);
    let clients: Vec<Script<usize>> = (0..8usize)
        .map(|number| {
            Script::runs(move || {
                let bytes = pattern(1000 * (number + 1), number as u64);
                Peer::connects(address).sends(&bytes).expects(&bytes).ends().expects_end();
                bytes.len()
            })
        })
        .collect();
    let counted: usize = clients.into_iter().map(Script::joins).sum();
    let ledger = server.drains().ledger();
    ledger.balances();
    let summary = ledger.summary();
    assert_eq!(summary["sessions"], 8);
    assert_eq!(summary["to_server_bytes"], counted);
    assert_eq!(summary["to_client_bytes"], counted);
    assert_eq!(ledger.terminations().get("client_closed"), Some(&8));
    let sessions: Vec<_> = ledger.named("connected").iter().map(|event| event["session"].as_u64()).collect();
    assert_eq!(sessions, (1..=8).map(Some).collect::<Vec<_>>());
}

#[test]
fn terminations_say_whose_fin_or_reset_came_first() {
    let (server, address) = served(["--echo", "--json"]);
    let mut client = Peer::connects(address);
    client.sends("x").expects("x");
    client.resets();
    let closed = server.event("closed", |event| event["session"] == 1);
    assert_eq!(closed["termination"], "client_reset");
    server.drains().ledger().balances();

    let ledger = of_connect(&[], |mut peer| {
        peer.expects_end().ends();
    });
    assert_eq!(ledger.the("closed")["termination"], "client_closed");

    let (client, peer) = connected(["--json"], |mut peer| {
        peer.ends().expects_end();
    });
    client.event("end", |event| event["direction"] == "to_client");
    let ledger = client.exits(0).ledger();
    assert_eq!(ledger.the("closed")["termination"], "server_closed");
    peer.joins();

    let (client, peer) = connected(["--json"], |peer| peer);
    client.event("connected", |_| true);
    peer.joins().resets();
    let ledger = client.ends_with_input_open().exited(5).ledger();
    assert_eq!(ledger.the("closed")["termination"], "server_reset");
    assert_eq!(ledger.the("error")["kind"], "reset");
    assert_eq!(ledger.the("error")["exit"], 5);
}

#[test]
fn our_own_reasons_are_named() {
    let silent = |mut peer: Peer| {
        let _ = peer.reads_to_end();
    };
    for (words, sends, code, termination) in [
        (&["--count", "1"][..], "x", 0, "count_reached"),
        (&["--expect", "x"], "x", 0, "expect_met"),
        (&["--send", "a", "--linger", "100ms"], "", 0, "linger_over"),
        (&["--timeout", "200ms"], "", 124, "timeout"),
    ] {
        let (address, peer) = Script::serves(move |mut peer| {
            peer.sends(sends);
            silent(peer);
        });
        let client = connect(address, words.iter().copied().chain(["--json"])).input(callbox_testkit::Input::Piped);
        let ledger = client.start().ends_with_input_open().exited(code).ledger();
        assert_eq!(ledger.the("closed")["termination"], termination, "{words:?}");
        ledger.balances();
        peer.joins();
    }
}

#[test]
fn a_drained_server_and_a_signalled_client_say_so() {
    let (server, address) = served(["--echo", "--json", "--drain", "100ms"]);
    let mut client = Peer::connects(address);
    client.sends("x").expects("x");
    server.signal(callbox_testkit::Signal::TERM);
    client.expects_end().ends();
    let ledger = server.exits(143).ledger();
    assert_eq!(ledger.the("closed")["termination"], "drained");

    let (client, peer) = connected(["--json"], |mut peer| peer.sends("x").reads_to_end());
    client.event("data", |_| true);
    client.signal(callbox_testkit::Signal::INT);
    let ledger = client.ends_with_input_open().exited(130).ledger();
    assert_eq!(ledger.the("closed")["termination"], "signal");
    peer.joins();
}

#[test]
fn an_error_is_an_event_with_its_kind_and_exit_code() {
    let address = free_address();
    let ledger = connect(address, ["--json"]).run().exited(3).ledger();
    let error = ledger.the("error");
    assert_eq!((error["operation"].as_str(), error["kind"].as_str()), (Some("connect"), Some("refused")));
    assert_eq!(error["address"].as_str(), Some(address.to_string().as_str()));
    assert_eq!(error["exit"], 3);
    assert_eq!(ledger.summary()["sessions"], 0);
}

#[test]
fn events_come_as_they_happen() {
    let (server, address) = served(["--echo", "--json"]);
    let mut client = Peer::connects(address);
    server.event("connected", |event| event["session"] == 1);
    client.sends("x");
    server.event("data", |event| event["direction"] == "to_client" && event["text"] == "x");
    client.expects("x").ends().expects_end();
    server.event("closed", |event| event["session"] == 1);
    server.drains();
}

#[test]
fn the_peer_s_end_does_not_close_the_events() {
    let (mut client, peer) = connected(["--json"], |mut peer| {
        peer.ends().expects("afterwards").expects_end();
    });
    client.event("end", |event| event["direction"] == "to_client");
    client.types("afterwards").ends_input();
    let ledger = client.exits(0).ledger();
    ledger.balances();
    assert_eq!(ledger.bytes("to_server"), b"afterwards");
    peer.joins();
}

#[test]
fn a_reader_of_events_that_stops_slows_no_bytes_of_a_server() {
    let mut server = crate::cli::serve(["--echo", "--json"]).output(callbox_testkit::Output::Held).start();
    let output = server.take_output();
    let address = server.ready();
    for _ in 0..40 {
        let bytes = pattern(64 * 1024, 4);
        let mut client = Peer::connects(address);
        client.sends(&bytes).expects(&bytes).ends().expects_end();
    }
    // Far more than a pipe holds was to be shown; now it is read after all.
    server.signal(callbox_testkit::Signal::TERM);
    let reader = Script::runs(move || callbox_testkit::Outlet::from(output).reads_to_end(patience()));
    server.exits(0);
    let ledger = Ledger::read(&reader.joins().expect("the events")).expect("in order");
    let summary = ledger.summary();
    let lost: u64 = ledger.named("lost").iter().filter_map(|event| event["count"].as_u64()).sum();
    assert_eq!(summary["lost_events"].as_u64(), Some(lost), "what was lost is counted: {summary}");
    assert_eq!(summary["to_client_bytes"], 40 * 64 * 1024, "totals come from meters: {summary}");
}
