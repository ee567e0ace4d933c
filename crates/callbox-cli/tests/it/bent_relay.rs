//! Faults on a relay, counted byte by byte: changed under load, accounted for, drawn again from their seed (rows 109 to
//! 111).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use callbox_testkit::{Ledger, Peer, Process, Script, Server, assert_same_bytes, eventually, patience, pattern, quick};
use serde_json::{Value, json};

use crate::bent::{reads_to_either, told};
use crate::cli::served;
use crate::control::{ask, steered};
use crate::relay_line::{pair, relayed};

/// Adds a fault by `/v1/` and returns its name.
fn adds(control: std::net::SocketAddr, fault: &str) -> String {
    let (status, added) = ask(control, "POST", "/v1/relays/relay/faults", json!({ "fault": fault }));
    assert_eq!(status, 201, "{fault}: {added}");
    added["name"].as_str().unwrap_or_else(|| panic!("a name in {added}")).to_owned()
}

#[test]
fn row_109_faults_flipped_over_v1_under_load_lose_and_reorder_nothing() {
    let (_server, upstream) = served(["--echo", "-q", "--show", "none"]);
    let (relay, control) = steered(["127.0.0.1:0", &upstream.to_string(), "--show", "none"]);
    let address = relay.ready();
    let (over, flips) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let flipping = Script::runs({
        let (over, flips) = (over.clone(), flips.clone());
        move || {
            let faults = [
                "latency=2ms+-1ms",
                "slice=1..100,direction=to_client",
                "throttle=20MB/s",
                "coalesce=1ms",
                "stall,from=0s,to=1us",
                "slow-close=5ms,direction=to_server",
            ];
            while !over.load(Relaxed) {
                let flip = flips.fetch_add(1, Relaxed);
                let name = adds(control, faults[flip % faults.len()]);
                let path = format!("/v1/relays/relay/faults/{name}");
                let other = json!({ "fault": faults[(flip + 1) % faults.len()] });
                let (status, changed) = ask(control, "PATCH", &path, other);
                assert_eq!(status, 200, "{changed}");
                assert_eq!(ask(control, "DELETE", &path, "").0, 204);
            }
        }
    });
    let sessions: Vec<Script> = (0..4)
        .map(|number| {
            let sent = pattern(if quick() { 256 << 10 } else { 2 << 20 }, number);
            let (mut peer, flips) = (Peer::connects(address), flips.clone());
            Script::runs(move || {
                let (mut writing, pieces) = (peer.twin(), sent.clone());
                let writer = Script::runs(move || {
                    for (number, part) in pieces.chunks(pieces.len() / 24).enumerate() {
                        // Each fault comes and goes while bytes are on their way, however fast they are.
                        eventually("the next flip", patience(), || match flips.load(Relaxed) {
                            flips if flips >= number => Ok(()),
                            flips => Err(flips.to_string()),
                        });
                        part.chunks(1000).for_each(|piece| {
                            writing.sends(piece);
                        });
                    }
                    writing.ends();
                });
                assert_same_bytes("what came back", &sent, &peer.reads_to_end());
                writer.joins();
            })
        })
        .collect();
    sessions.into_iter().for_each(Script::joins);
    over.store(true, Relaxed);
    flipping.joins();
    assert!(flips.load(Relaxed) >= 24, "each of six faults, four times");
    relay.drains();
}

/// Sends `sent` through a relay with this fault to the server, and returns what came there with the events.
fn through(fault: &str, sent: &[u8]) -> (Vec<u8>, Ledger) {
    let upstream = Server::binds();
    let words = ["--json", "-q", "--show", "none", "--seed", "110", "--fault", fault];
    let (relay, address) = relayed(upstream.address(), words);
    let (mut client, mut server) = pair(address, &upstream);
    let mut writing = client.twin();
    let bytes = sent.to_vec();
    // A session that is cut may be gone before everything is sent.
    let writer = Script::runs(move || {
        let _ = std::io::Write::write_all(&mut writing.stream(), &bytes);
        let _ = writing.stream().shutdown(std::net::Shutdown::Write);
        writing.reads_some(0).ok();
    });
    let (got, _) = reads_to_either(&mut server);
    let _ = server.stream().shutdown(std::net::Shutdown::Write);
    writer.joins();
    reads_to_either(&mut client);
    drop((client, server));
    let ledger = relay.drains().ledger();
    ledger.balances();
    assert_eq!(ledger.summary()["lost_events"], 0, "decisions are counted below");
    (got, ledger)
}

/// Returns the sum of the numbers in what a fault did, such as `dropped 3 bytes`.
fn sum_of(ledger: &Ledger, done: &str) -> usize {
    let what = ledger.named("fault").into_iter().filter_map(|event| event["what"].as_str());
    let counts = what.filter_map(|what| what.strip_prefix(done)?.split(' ').next()?.parse::<usize>().ok());
    counts.sum()
}

#[test]
fn row_110_what_a_lossy_fault_took_and_added_is_accounted_for() {
    let sent = pattern(20_000, 110);
    let (got, ledger) = through("discard=1000..3000", &sent);
    assert_same_bytes("around the hole", &[&sent[..1000], &sent[3000..]].concat(), &got);
    assert_eq!(sum_of(&ledger, "dropped "), 2000);

    let (got, ledger) = through("corrupt=1%,direction=to_server", &sent);
    let changed: Vec<String> = (0..sent.len())
        .filter(|at| got[*at] != sent[*at])
        .map(|at| format!("to_server corrupt at {at}: 0x{:02x} became 0x{:02x}", sent[at], got[at]))
        .collect();
    assert!(changed.len() > 100, "{}", changed.len());
    assert_eq!(told(&ledger.named("fault"))[1..], changed, "each byte that was changed, and no other");

    let (got, ledger) = through("duplicate,p=50%,direction=to_server", &sent);
    assert_eq!(got.len(), sent.len() + sum_of(&ledger, "repeated "));

    for cut in ["cut@12345", "cut@12345:reset", "limit=12345", "half-close@12345,direction=to_server"] {
        let (got, ledger) = through(cut, &sent);
        assert_same_bytes(cut, &sent[..12345], &got);
        let last = told(&ledger.named("fault")).pop().expect("it is told");
        assert!(last.contains("at 12345: ") && last.contains("ended"), "{cut}: {last}");
    }

    let (got, ledger) = through("timeout=200ms", &sent);
    assert_eq!(got, b"");
    assert_eq!(sum_of(&ledger, "dropped "), sent.len(), "{:?}", told(&ledger.named("fault")));
}

#[test]
fn row_110_a_lossy_fault_taken_away_over_v1_ends_the_session_and_leaves_no_hole() {
    let (_server, upstream) = served(["--echo", "-q"]);
    let (relay, control) = steered(["127.0.0.1:0", &upstream.to_string()]);
    let mut peer = Peer::connects(relay.ready());
    peer.sends("before").expects("before");
    let name = adds(control, "timeout,direction=to_server");
    peer.sends("swallowed").hears_nothing_for(Duration::from_millis(100));
    assert_eq!(ask(control, "DELETE", &format!("/v1/relays/relay/faults/{name}"), "").0, 204);
    assert_eq!(reads_to_either(&mut peer).0, b"");
    drop(peer);
    let mut peer = Peer::connects(relay.ready());
    peer.sends("the next one").expects("the next one").ends().expects_end();
    drop(peer);
    relay.drains();
}

/// Waits until the relay has read `bytes` of a session in a direction, counted in its events from `from` on; returns
/// whether the session goes on.
fn has_read(relay: &Process, from: usize, direction: &str, bytes: u64) -> bool {
    eventually("the relay reads", patience(), || {
        let text = String::from_utf8_lossy(&relay.output().bytes()[from..]).into_owned();
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        let events: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        if events.iter().any(|event| event["event"] == "closed") {
            return Ok(false);
        }
        // Where it comes in: from the client at its socket, from the server at the other.
        let side = if direction == "to_client" { json!("server") } else { Value::Null };
        let wanted =
            |event: &&Value| event["event"] == "data" && event["direction"] == direction && event["side"] == side;
        let read: u64 = events.iter().filter(wanted).filter_map(|event| event["bytes"].as_u64()).sum();
        if read >= bytes { Ok(true) } else { Err(format!("{read} of {bytes} {direction}")) }
    })
}

/// Has the same conversation through a relay with faults that draw, and returns their log.
fn log_of(seed: &str) -> Vec<Value> {
    let upstream = Server::binds();
    let faults = [
        "cut@450:reset,p=40%,direction=to_client",
        "corrupt=2%,direction=to_server,p=50%",
        "duplicate,p=30%,direction=to_client",
        "discard=10..20,p=30%",
        "slice=1..20",
        "latency=1ms+-1ms",
    ];
    let words =
        ["--json", "-q", "--seed", seed].into_iter().chain(faults.into_iter().flat_map(|fault| ["--fault", fault]));
    let (relay, address) = relayed(upstream.address(), words);
    for session in 1..=6_u64 {
        let from = relay.output().bytes().len();
        let (client, server) = pair(address, &upstream);
        let sent = pattern(1000, session);
        for (number, piece) in sent.chunks(100).enumerate() {
            // The next one when this one has been read: the same chunks in each run.
            let (mut end, direction) =
                if number % 2 == 0 { (client.stream(), "to_server") } else { (server.stream(), "to_client") };
            let gone = std::io::Write::write_all(&mut end, piece).is_err();
            if gone || !has_read(&relay, from, direction, 100 * (number as u64 / 2 + 1)) {
                break;
            }
        }
        drop((client, server));
        relay.event("closed", |event| event["session"] == session);
    }
    let ledger = relay.drains().ledger();
    assert_eq!(ledger.summary()["lost_events"], 0);
    let without_time = |event: &&Value| {
        let mut event = (*event).clone();
        event.as_object_mut().expect("an object").remove("time");
        event
    };
    let mut log: Vec<Value> = ledger.named("fault").iter().map(without_time).collect();
    // Both directions of a session run at once; each of them is in order.
    log.sort_by_key(|event| (event["session"].as_u64(), event["direction"].as_str().map(str::to_owned)));
    log
}

#[test]
fn row_111_the_same_seed_and_input_decide_the_same() {
    let runs = ["42", "42", "43"].map(|seed| Script::runs(move || log_of(seed)));
    let [first, again, other] = runs.map(Script::joins);
    assert!(first.len() > 100, "{} decisions", first.len());
    for (number, (one, two)) in first.iter().zip(&again).enumerate() {
        assert_eq!(one, two, "decision {number}");
    }
    assert_eq!(first.len(), again.len());
    assert_ne!(first, other, "another seed decides otherwise");
}
