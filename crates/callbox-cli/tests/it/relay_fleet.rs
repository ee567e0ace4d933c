//! Many relays in one process: from files, beside the control API, suspended, resumed and drained together.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use callbox_testkit::{Peer, Process, Scratch, Server, Signal, eventually, patience, scaled};
use serde_json::json;

use crate::bent::reads_to_either;
use crate::cli::{callbox, echoes, ends_at_a_second_signal, served};
use crate::control::{ask, steered};
use crate::relay_line::pair;

/// Starts a fleet from a file and returns it with its addresses, as the ready file has them.
fn fleet(name: &str, text: &str, words: &[&str]) -> (Process, Vec<SocketAddr>) {
    let scratch = Scratch::new();
    let (file, ready) = (scratch.file(name, text), scratch.join("ready"));
    let mut relay = callbox(["relay", "--config"]).arg(&file).arg("--ready-file").arg(&ready).args(words).start();
    let text = eventually("the ready file", patience(), || {
        relay.still_runs();
        std::fs::read_to_string(&ready).map_err(|error| error.to_string())
    });
    let addresses = text.lines().map(|line| line.parse().expect("an address")).collect();
    (relay, addresses)
}

/// Two relays that are on, of which the second one cuts, and one that is off.
fn three(one: SocketAddr, two: SocketAddr) -> String {
    format!(
        "[[relay]]\nname = \"one\"\nlisten = \"127.0.0.1:0\"\nupstream = \"{one}\"\n\n\
         [[relay]]\nname = \"two\"\nlisten = \"127.0.0.1:0\"\nupstream = [\"{two}\", \"{one}\"]\n\
         fault = [\"cut@5,direction=to_client\"]\n\n\
         [[relay]]\nname = \"off\"\nlisten = \"127.0.0.1:0\"\nupstream = \"{one}\"\nenabled = false\n"
    )
}

#[test]
fn a_file_in_toml_starts_the_relays_that_are_on_with_their_faults() {
    let (server, upstream) = served(["--echo", "-q"]);
    let (relay, addresses) = fleet("relays.toml", &three(upstream, upstream), &["--json"]);
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    assert_eq!(relay.ready_at(2).len(), 2);
    echoes(addresses[0]);
    let mut client = Peer::connects(addresses[1]);
    client.sends("hello world");
    assert_eq!(reads_to_either(&mut client), (b"hello".to_vec(), false));
    drop(client);
    echoes(addresses[0]);
    relay.events_where("closed", 3, |_| true);
    let ledger = relay.drains().ledger();
    let summary = ledger.balances().summary();
    assert_eq!(summary["sessions"], 3, "of all relays together: {summary}");
    let faults = ledger.named("fault");
    assert!(faults.iter().all(|event| event["session"] == 2), "numbers are those of the whole process: {faults:?}");
    server.drains();
}

#[test]
fn a_configuration_of_toxiproxy_starts_relays_without_a_control_api() {
    let (server, upstream) = served(["--echo", "-q"]);
    let text = json!([
        {"name": "on", "listen": "127.0.0.1:0", "upstream": upstream.to_string(), "enabled": true},
        {"name": "off", "listen": "127.0.0.1:0", "upstream": upstream.to_string(), "enabled": false},
    ]);
    let (relay, addresses) = fleet("toxiproxy.json", &text.to_string(), &[]);
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    echoes(addresses[0]);
    relay.drains().never_said("control on");
    server.drains();
}

#[test]
fn a_wrong_file_is_a_usage_error_with_its_place_and_a_taken_address_names_its_relay() {
    let scratch = Scratch::new();
    let reads = |text: &str| callbox(["relay", "--config"]).arg(scratch.file("relays.toml", text)).run();
    let good = three("127.0.0.1:9".parse().expect("good"), "127.0.0.1:9".parse().expect("good"));
    for (from, to, said) in [
        ("cut@5", "cut@x", "relays.toml:10:"),
        ("name = \"two\"", "name = \"one\"", "two relays are called one"),
        ("enabled = false", "enabled = \"no\"", "relays.toml:16:11: "),
        ("upstream = \"127.0.0.1:9\"", "upstream = \"127.0.0.1\"", "relays.toml:4:12: "),
    ] {
        assert!(good.contains(from), "{from}");
        reads(&good.replacen(from, to, 1)).exited(2).said("callbox: ").said(said).wrote("").never_said("listening on");
    }
    callbox(["relay", "--config", "/nowhere/relays.toml"]).run().exited(6).said("/nowhere/relays.toml");
    let taken = Server::binds();
    let text = good.replacen("127.0.0.1:0", &taken.address().to_string(), 1);
    reads(&text).exited(3).said("relay one: ").said(&taken.address().to_string()).said("address already in use");
}

#[test]
fn the_relay_of_the_command_line_is_steered_beside_others() {
    let (server, upstream) = served(["--echo", "-q"]);
    let words = ["127.0.0.1:0", &upstream.to_string(), "--fault", "latency=1ms"];
    let (relay, control) = steered(words);
    let address = relay.ready();
    let (_, seen) = ask(control, "GET", "/v1/relays", "");
    let seen = &seen["relays"][0];
    assert_eq!(seen["name"], "relay", "{seen}");
    assert_eq!((&seen["listen"], &seen["upstream"]), (&json!(address.to_string()), &json!(upstream.to_string())));
    assert_eq!(seen["faults"], json!([{"name": "latency", "fault": "latency=1ms", "toxic": false}]), "{seen}");
    let mut staying = Peer::connects(address);
    staying.sends("x").expects("x");
    // A fault that comes while a session is open counts for it, from where it is.
    let cut = json!({"name": "rude", "fault": "cut@6:reset,direction=to_client"});
    assert_eq!(ask(control, "POST", "/v1/relays/relay/faults", cut).0, 201);
    staying.sends("hello world");
    assert_eq!(reads_to_either(&mut staying), (b"hello".to_vec(), true));
    let (_, seen) = ask(control, "GET", "/v1/relays/relay", "");
    assert_eq!((&seen["sessions"], &seen["to_client_bytes"]), (&json!(1), &json!(6)), "{seen}");
    assert_eq!(ask(control, "DELETE", "/v1/relays/relay/faults/rude", "").0, 204);
    echoes(address);
    // A second one by a request; both are there for the signal.
    let made = json!({"name": "two", "listen": "127.0.0.1:0", "upstream": upstream.to_string()});
    let (status, made) = ask(control, "POST", "/proxies", made);
    assert_eq!(status, 201, "{made}");
    echoes(made["listen"].as_str().expect("a text").parse().expect("an address"));
    relay.drains();
    TcpStream::connect(control).expect_err("nobody steers what has ended");
    server.drains();
}

/// Waits until nobody listens there.
fn refuses(address: SocketAddr) {
    eventually("refused", patience(), || match TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn a_fleet_is_suspended_and_resumed_together_on_the_same_addresses() {
    let (server, upstream) = served(["--echo", "-q"]);
    let text = three(upstream, upstream).replace("cut@5", "latency=0ms");
    let (relay, addresses) = fleet("relays.toml", &text, &["-q", "--json"]);
    let mut staying: Vec<Peer> = addresses.iter().map(|address| Peer::connects(*address)).collect();
    for _ in 0..2 {
        relay.signal(Signal::USR1);
        addresses.iter().for_each(|address| refuses(*address));
        for peer in &mut staying {
            peer.sends("on").expects("on");
        }
        relay.signal(Signal::USR2);
        for address in &addresses {
            eventually("accepted again", patience(), || {
                TcpStream::connect(*address).map_err(|error| error.to_string())
            });
            echoes(*address);
        }
    }
    for peer in &mut staying {
        peer.ends().expects_end();
    }
    let ledger = relay.drains().ledger();
    ledger.balances();
    // The one that is off stays so.
    assert_eq!(ledger.named("listening").len(), 2 * 3, "{:?}", ledger.named("listening"));
    server.drains();
}

#[test]
fn a_fleet_drains_together_and_serves_who_is_there() {
    let upstreams = [Server::binds(), Server::binds()];
    let text = three(upstreams[0].address(), upstreams[1].address());
    for signal in [Signal::TERM, Signal::INT] {
        let (mut relay, addresses) = fleet("relays.toml", &text.replace("cut@5", "cut@5000"), &["-q", "--json"]);
        let mut pairs = [pair(addresses[0], &upstreams[0]), pair(addresses[1], &upstreams[1])];
        relay.signal(signal);
        // Both have stopped accepting: whoever is let in would have to be served.
        relay.events_where("draining", 2, |_| true);
        addresses.iter().for_each(|address| refuses(*address));
        for (client, server) in &mut pairs {
            relay.still_runs();
            client.sends("after").ends();
            server.expects("after").expects_end().sends("answer").ends();
            client.expects("answer").expects_end();
        }
        assert_eq!(relay.exits(0).ledger().balances().summary()["sessions"], 2);
    }
}

#[test]
fn the_drain_deadline_of_a_fleet_is_one_for_all_and_a_second_signal_ends_it_at_once() {
    let upstreams = [Server::binds(), Server::binds()];
    let text = three(upstreams[0].address(), upstreams[1].address());
    let (relay, addresses) = fleet("relays.toml", &text, &["-q", "--json", "--drain", "400ms"]);
    let pairs = [pair(addresses[0], &upstreams[0]), pair(addresses[1], &upstreams[1])];
    let start = Instant::now();
    relay.signal(Signal::TERM);
    for (mut client, mut server) in pairs {
        client.expects_end();
        server.expects_end().ends();
        client.ends();
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(350) && took < scaled(Duration::from_millis(1900)), "{took:?}");
    let outcome = relay.exits(143);
    assert_eq!(outcome.ledger().terminations().get("drained"), Some(&2));

    let (relay, addresses) = fleet("relays.toml", &text, &["-q", "--json"]);
    let _pair = pair(addresses[0], &upstreams[0]);
    ends_at_a_second_signal(relay);
}

#[test]
fn all_relays_of_a_process_know_the_lists_and_each_has_its_rates() {
    let (server, upstream) = served(["--generate", "100k", "-q"]);
    let words =
        ["--json", "--deny", "127.0.0.2", "--session-rate", "1MB/s", "--accept-rate", "1/s", "--when-full", "refuse"];
    let (relay, addresses) = fleet("relays.toml", &three(upstream, upstream).replace("fault = ", "# "), &words);
    for address in &addresses {
        Peer::meets_reset_from([127, 0, 0, 2].into(), *address);
        assert_eq!(Peer::connects(*address).ends().reads_to_end().len(), 100_000);
    }
    let ledger = relay.drains().ledger();
    let limits = &ledger.summary()["limits"];
    assert_eq!((&limits["denied"], &limits["session_rate"], limits.get("rate")), (&json!(2), &json!(2), None));
    server.drains();
}
