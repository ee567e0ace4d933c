//! `--frame`: where one frame ends and the next begins, sent and received, on connect, listen and serve (row 30).

use std::time::Duration;

use callbox_testkit::{Ledger, Peer, Script, assert_same_bytes, deadline, pattern, quick};
use serde_json::Value;

use crate::cli::{callbox, connect, connected, echoes, listen, serve, served};

/// A framing, what is sent under it, and the bytes that then travel.
const FRAMINGS: &[(&str, &str, &[u8])] = &[
    ("none", "hello", b"hello"),
    ("line", "hello", b"hello\n"),
    ("crlf", "hello", b"hello\r\n"),
    ("delim:0x03", "hello", b"hello\x03"),
    ("fixed:5", "hello", b"hello"),
    ("length:u8", "hello", b"\x05hello"),
    ("length:u16be", "hello", b"\x00\x05hello"),
    ("length:u16le", "hello", b"\x05\x00hello"),
    ("length:u32be", "hello", b"\x00\x00\x00\x05hello"),
    // The payload is as long as the field says plus `adj`.
    ("length:u32le+adj=-4", "hello", b"\x09\x00\x00\x00hello"),
    // The first `offset` bytes given come before the field.
    ("length:u16be+offset=4", "\\x00\\x01\\x00\\x00\\x01\\x03", b"\x00\x01\x00\x00\x00\x02\x01\x03"),
    ("varint", "hello", b"\x05hello"),
    ("netstring", "hello", b"5:hello,"),
    ("cobs", "hello", b"\x06hello\x00"),
    ("cobs", "a\\0b", b"\x02a\x02b\x00"),
    ("idle:50ms", "hello", b"hello"),
];

#[test]
fn a_client_sends_each_text_as_a_frame_of_every_kind() {
    for (spec, text, wire) in FRAMINGS {
        let (address, peer) = Script::serves(|mut peer| {
            peer.ends();
            peer.reads_to_end()
        });
        connect(address, ["--frame", spec, "--send", text]).run().exited(0).quietly();
        assert_same_bytes(spec, wire, &peer.joins());
    }
}

#[test]
fn a_listener_sends_frames_alike() {
    for (spec, text, wire) in FRAMINGS.iter().step_by(3) {
        let listener = listen(["--frame", spec, "--send", text]).start();
        let mut client = Peer::connects(listener.ready());
        client.ends();
        assert_same_bytes(spec, wire, &client.reads_to_end());
        listener.exits(0);
    }
}

#[test]
fn slip_escapes_its_end_and_its_escape() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.ends();
        peer.reads_to_end()
    });
    connect(address, ["--frame", "slip", "--send", "a\\xc0b\\xdbc"]).run().exited(0);
    let wire = peer.joins();
    // RFC 1055 leaves an END before the frame to the sender.
    let wire = wire.strip_prefix(b"\xc0").unwrap_or(&wire);
    assert_same_bytes("slip", b"a\xdb\xdcb\xdb\xddc\xc0", wire);
}

#[test]
fn sends_of_every_kind_become_frames_in_their_order() {
    let scratch = callbox_testkit::Scratch::new();
    let file = scratch.file("file", "from a file").display().to_string();
    let (address, peer) = Script::serves(|mut peer| {
        peer.ends();
        peer.reads_to_end()
    });
    let words = ["--send", "a", "--send-hex", "62 63", "--send-file", &file, "--send", ""];
    connect(address, ["--frame", "length:u8"].into_iter().chain(words)).run().exited(0);
    assert_same_bytes("frames in order", b"\x01a\x02bc\x0bfrom a file\x00", &peer.joins());
}

#[test]
fn a_pipe_stays_byte_exact_in_both_directions() {
    let bytes = pattern(300_000, 8);
    let back = pattern(200_000, 9);
    for spec in ["line", "length:u16be", "slip", "fixed:7"] {
        // What a rule cannot read would end the session; what comes back is made of frames of `line`.
        let answer: Vec<u8> = if spec == "line" { back.clone() } else { Vec::new() };
        let sent = answer.clone();
        let (mut client, peer) = connected(["--frame", spec], move |mut peer| {
            peer.sends(&sent).ends();
            peer.reads_to_end()
        });
        client.types(&bytes).ends_input();
        assert_same_bytes("standard output", &answer, &client.exits(0).stdout);
        assert_same_bytes("standard input", &bytes, &peer.joins());
    }
}

/// A framing, the frames that travel one after the other, and their payloads.
fn streams() -> Vec<(&'static str, &'static [u8], Vec<&'static str>)> {
    vec![
        ("line", b"one\ntwo\n\nfour\r\nrest", vec!["one", "two", "", "four\r", "rest"]),
        ("crlf", b"one\r\ntwo\nstill\r\n\r\nrest\r", vec!["one", "two\nstill", "", "rest\r"]),
        ("delim:0x03", b"one\x03two\x03\x03rest", vec!["one", "two", "", "rest"]),
        ("fixed:4", b"one1two2res", vec!["one1", "two2", "res"]),
        ("length:u8", b"\x03one\x00\x03two\x05re", vec!["one", "", "two"]),
        ("length:u16be", b"\x00\x03one\x00\x00\x00\x03two\x00\x05re", vec!["one", "", "two"]),
        ("length:u32le+adj=-4", b"\x07\0\0\0one\x04\0\0\0\x07\0\0\0two\x09\0", vec!["one", "", "two"]),
        ("varint", b"\x03one\x00\x83\x00two\x05re", vec!["one", "", "two"]),
        ("netstring", b"3:one,0:,3:two,5:re", vec!["one", "", "two"]),
        ("slip", b"one\xc0two\xc0re", vec!["one", "two"]),
        ("cobs", b"\x04one\x00\x04two\x00\x05re", vec!["one", "two"]),
        ("json", b"{\"a\": \"}\\\"\"}\n[1,{}] {\"b\":2}{\"rest", vec!["{\"a\": \"}\\\"\"}", "[1,{}]", "{\"b\":2}"]),
    ]
}

/// The `data` events of what a client sent, without what differs between two sessions: when they came and its number.
fn told(ledger: &Ledger, session: u64) -> Vec<Value> {
    let events = ledger.named("data").into_iter().filter(|event| event["session"] == session);
    events
        .filter(|event| event["direction"] == "to_server")
        .map(|event| {
            let mut event = event.clone();
            let fields = event.as_object_mut().expect("checked");
            fields.remove("time");
            fields.remove("session");
            event
        })
        .collect()
}

#[test]
fn row_30_every_framing_tells_the_same_however_the_bytes_are_cut() {
    for (spec, wire, payloads) in streams() {
        let (server, address) = served(["--reply", "1234", "--json", "--frame", spec]);
        let rounds = if quick() { 3 } else { 6 };
        for round in 0..rounds {
            let mut client = Peer::connects(address);
            let cuts = pattern(wire.len(), round);
            let mut rest = wire;
            while !rest.is_empty() {
                let length = match round {
                    0 => rest.len(),
                    1 => 1,
                    _ => 1 + usize::from(cuts[rest.len() - 1] % 5),
                };
                let (piece, after) = rest.split_at(length.min(rest.len()));
                client.sends(piece);
                rest = after;
            }
            client.ends().reads_to_end();
            server.event("closed", |event| event["session"] == round + 1);
        }
        let ledger = server.drains().ledger();
        let whole = told(&ledger, 1);
        let texts: Vec<_> = whole.iter().filter_map(|event| event["text"].as_str()).collect();
        assert!(texts.starts_with(&payloads), "{spec}: {texts:?}");
        assert_eq!(whole.len(), payloads.len() + usize::from(!payloads.iter().any(|text| text.contains("res"))));
        for (at, event) in whole.iter().enumerate() {
            assert_eq!(event["frame"], at + 1, "{spec}: {event}");
            assert_eq!(event["partial"] == true, at + 1 == whole.len(), "{spec}: the last is unfinished: {event}");
        }
        for session in 2..=rounds {
            assert_eq!(told(&ledger, session), whole, "{spec}, cut in way {session}");
        }
    }
}

#[test]
fn a_pause_ends_a_frame_under_idle() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.sends("one");
        // The pause is the boundary.
        deadline::let_pass(Duration::from_millis(300));
        peer.sends("two").ends().expects_end();
    });
    let ledger = connect(address, ["--frame", "idle:50ms", "--json"]).run().exited(0).ledger();
    peer.joins();
    let texts: Vec<_> = ledger.named("data").iter().map(|event| event["text"].clone()).collect();
    assert_eq!(texts, ["one", "two"]);
}

#[test]
fn an_unfinished_frame_at_the_end_is_marked_as_such() {
    let answer = |mut peer: Peer| {
        peer.sends("whole\nhalf").ends().expects_end();
    };
    let (address, _peer) = Script::serves(answer);
    let text = connect(address, ["--frame", "line", "--show", "text"]).run().exited(0).stdout;
    let text = String::from_utf8(text).expect("text");
    let (whole, half) = text.trim_end().split_once('\n').expect("two lines");
    assert!(whole == "whole" && half.contains("partial") && half.ends_with("half"), "{text:?}");
    // Bytes into a pipe are exact all the same.
    let (address, _peer) = Script::serves(answer);
    connect(address, ["--frame", "line"]).run().exited(0).wrote("whole\nhalf");
}

#[test]
fn reply_answers_once_a_frame_split_or_sticky() {
    let (server, address) = served(["--frame", "line", "--reply", "ok"]);
    let mut client = Peer::connects(address);
    client.sends("he").hears_nothing_for(Duration::from_millis(100)).sends("llo\n").expects("ok\n");
    client.sends("one\ntwo\nthree\n").expects("ok\nok\nok\n").hears_nothing_for(Duration::from_millis(50));
    client.ends().expects_end();
    let outcome = server.drains();
    let mut shown: Vec<_> = outcome.stdout.split_inclusive(|byte| *byte == b'\n').collect();
    shown.retain(|line| line.starts_with(b"#1 > "));
    assert_eq!(shown.concat(), b"#1 > hello\n#1 > one\n#1 > two\n#1 > three\n");
}

#[test]
fn a_server_frames_its_replies_and_an_echo_returns_the_bytes() {
    let (server, address) = served(["--frame", "length:u16be"]);
    Peer::connects(address).sends("\0\x02hi\0\0").expects("\0\x0bthank you !\0\x0bthank you !").ends().expects_end();
    server.drains();
    let (server, address) = served(["--frame", "netstring", "--echo"]);
    Peer::connects(address).sends("2:hi,0:,1:x,").expects("2:hi,0:,1:x,").ends().expects_end();
    server.drains();
}

#[test]
fn count_counts_frames_and_the_output_stops_at_the_last() {
    let sticky = |mut peer: Peer| {
        peer.sends("one\ntwo\nthree\nfour\n");
        peer.reads_to_end();
    };
    let (address, _peer) = Script::serves(sticky);
    connect(address, ["--frame", "line", "--count", "3", "--no-shutdown"]).run().exited(0).wrote("one\ntwo\nthree\n");
    let (address, _peer) = Script::serves(sticky);
    let client = connect(address, ["--frame", "line", "--count", "3", "--no-shutdown", "--json"]);
    let ledger = client.run().exited(0).ledger();
    assert_eq!(ledger.bytes("to_client"), b"onetwothree");
    assert_eq!(ledger.the("closed")["termination"], "count_reached");
    let (address, _peer) = Script::serves(|mut peer| {
        for byte in b"one\ntwo\nth" {
            peer.sends([*byte]);
        }
        peer.ends().expects_end();
    });
    connect(address, ["--frame", "line", "--count", "3"]).run().exited(5).wrote("one\ntwo\nth");
}

#[test]
fn an_unfinished_frame_does_not_count() {
    let (address, _peer) = Script::serves(|mut peer| {
        peer.sends("\0\x03one\0\x03tw").ends().expects_end();
    });
    connect(address, ["--frame", "length:u16be", "--count", "2"]).run().exited(5);
}

#[test]
fn an_expectation_is_met_in_framed_answers() {
    let (address, _peer) = Script::serves(|mut peer| {
        peer.expects("\0\x05hello").sends("\0\x02ok").expects_end();
    });
    connect(address, ["--frame", "length:u16be", "--send", "hello", "--expect", "ok", "--no-shutdown"]).run().exited(0);
}

/// Plays a peer that sends `bytes` and stays until the other side has gone, in whatever way.
fn sends_and_stays(bytes: &'static [u8]) -> impl FnOnce(Peer) + Send + 'static {
    move |mut peer| {
        use std::io::Read;
        peer.sends(bytes);
        let _ = peer.stream().read_to_end(&mut Vec::new());
    }
}

const FOUR_GIB: &[u8] = b"\xff\xff\xff\xffxx";

/// A framing, a maximum, and bytes that declare a frame over it or are one.
const TOO_LARGE: &[(&str, &str, &[u8])] =
    &[("length:u32be", "1Mi", FOUR_GIB), ("line", "10", b"far too long for it\n"), ("netstring", "10", b"11:")];

#[test]
fn a_frame_over_the_maximum_is_said_and_exit_5() {
    for (spec, maximum, bytes) in TOO_LARGE {
        for how in ["--raw", "--escape"] {
            let (address, _peer) = Script::serves(sends_and_stays(bytes));
            let words = ["--frame", spec, "--max-frame", maximum, "--no-shutdown", how];
            connect(address, words).run().exited(5).said("callbox: ").said("maximum").said("hint: --max-frame");
        }
    }
}

#[test]
fn a_frame_over_the_maximum_is_a_termination() {
    let (address, _peer) = Script::serves(sends_and_stays(FOUR_GIB));
    let client = connect(address, ["--frame", "length:u32be", "--json", "--no-shutdown"]);
    let ledger = client.run().exited(5).ledger();
    assert_eq!(ledger.the("closed")["termination"], "frame_too_large");
    assert_eq!(ledger.the("error")["exit"], 5);
}

#[test]
fn a_frame_at_the_maximum_is_taken() {
    let (address, _peer) = Script::serves(|mut peer| {
        peer.sends("\x0a0123456789").ends().expects_end();
    });
    let words = ["--frame", "length:u8", "--max-frame", "11", "--show", "text"];
    connect(address, words).run().exited(0).wrote("0123456789\n");
}

#[test]
fn a_server_ends_the_one_who_declares_four_gib_and_no_memory_grows() {
    let (server, address) = served(["--frame", "length:u32be", "--echo", "--json"]);
    let mut steady = Peer::connects(address);
    steady.sends("\0\0\0\x02hi").expects("\0\0\0\x02hi");
    let before = server.reading().resident_kib();
    let many = if quick() { 5 } else { 50 };
    for _ in 0..many {
        let mut client = Peer::connects(address);
        client.sends(FOUR_GIB);
        use std::io::Read;
        let _ = client.stream().read_to_end(&mut Vec::new());
    }
    server.events_where("closed", many, |event| event["termination"] == "frame_too_large");
    let grown = server.reading().resident_kib().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more after {many} declared lengths of 4 GiB");
    steady.sends("\0\0\0\x02ho").expects("\0\0\0\x02ho").ends().expects_end();
    let ledger = server.drains().ledger();
    assert_eq!(ledger.terminations().get("frame_too_large"), Some(&many));
}

#[test]
fn what_can_be_no_frame_ends_the_session_with_its_reason() {
    for (spec, bytes) in [
        ("netstring", &b"5:hello,x"[..]),
        ("netstring", b"2:hix"),
        ("varint", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("length:u16be+adj=-4", b"\0\x01x"),
    ] {
        for how in ["--raw", "--escape"] {
            let (address, _peer) = Script::serves(sends_and_stays(bytes));
            let client = connect(address, ["--frame", spec, "--no-shutdown", how]).run();
            client.exited(5).said("callbox: ").said(spec);
        }
        let (server, address) = served(["--echo", "--json", "--frame", spec]);
        sends_and_stays(bytes)(Peer::connects(address));
        let closed = server.event("closed", |event| event["session"] == 1);
        let named = ["frame_malformed", "frame_too_large"].contains(&closed["termination"].as_str().expect("checked"));
        assert!(named, "{spec}: {closed}");
        server.drains();
    }
}

/// Plays a client that forces two chunks: three frames, one of them split over both.
fn three_frames_in_two_chunks(address: std::net::SocketAddr) {
    let mut client = Peer::connects(address);
    client.sends("one\ntw").expects("ok\n").sends("o\nthree\n").expects("ok\nok\n").ends().expects_end();
}

#[test]
fn split_and_merged_frames_are_counted_and_said() {
    const SAID: &str = "3 frames in 2 chunks: 1 split, 2 merged";
    let (server, address) = served(["--frame", "line", "--reply", "ok", "-v"]);
    three_frames_in_two_chunks(address);
    let outcome = server.drains();
    assert_eq!(outcome.stderr.matches(SAID).count(), 2, "once a session, once in the summary: {}", outcome.stderr);
    let (server, address) = served(["--frame", "line", "--reply", "ok"]);
    three_frames_in_two_chunks(address);
    let outcome = server.drains();
    assert_eq!(outcome.stderr.matches(SAID).count(), 1, "in the summary: {}", outcome.stderr);
}

#[test]
fn split_and_merged_frames_are_counted_in_events() {
    let (server, address) = served(["--frame", "line", "--reply", "ok", "--json"]);
    three_frames_in_two_chunks(address);
    let ledger = server.drains().ledger();
    for event in [ledger.the("closed"), ledger.summary()] {
        let counted = &event["frames"]["to_server"];
        let expected = serde_json::json!({"frames": 3, "chunks": 2, "split": 1, "merged": 2});
        assert_eq!(counted, &expected, "{event}");
    }
}

#[test]
fn a_client_counts_what_it_received_alike() {
    let (address, peer) = Script::serves(|mut peer| {
        peer.sends("one\ntw").expects("go on");
        peer.sends("o\nthree\n").ends().expects_end();
    });
    let client = connect(address, ["--frame", "line", "-v", "--escape"]).input(callbox_testkit::Input::Piped);
    let mut client = client.start();
    client.shows("one\n");
    client.types("go on").ends_input();
    client.exits(0).said("3 frames in 2 chunks: 1 split, 2 merged");
    peer.joins();
}

#[test]
fn a_bad_spec_is_one_line_that_points_and_advises() {
    for (spec, at, advice) in [
        ("length:u99", "at byte 7", "u16be"),
        ("fixed:0", "at byte 6", "fixed:20"),
        ("delim:0xzz", "at byte 8", "delim:0x03"),
        ("quux", "at byte 0", "line, crlf"),
        ("length:u16be+offset=x", "at byte 20", "offset=4"),
        ("idle:5parsecs", "at byte 6", "idle:50ms"),
    ] {
        for command in ["connect", "listen", "serve"] {
            let outcome = callbox([command, "127.0.0.1:0", "--frame", spec]).run().exited(2).wrote("");
            let line = outcome.stderr.lines().next().expect("a line").to_owned();
            assert!(line.starts_with("callbox: ") && line.contains(at) && line.contains(advice), "{command}: {line}");
        }
    }
    callbox(["connect", ":1", "--checksum", "crc9"]).run().exited(2).said("crc16-modbus, crc32, sum8, xor8 or lrc");
    callbox(["connect", ":1", "--frame", "line", "--max-frame", "0"]).run().exited(2).said("--max-frame");
}

#[test]
fn a_server_under_frames_serves_others_while_one_frame_is_unfinished() {
    let server = serve(["--frame", "line", "--echo"]).start();
    let address = server.ready();
    let mut half = Peer::connects(address);
    half.sends("unfini");
    let mut other = Peer::connects(address);
    other.sends("whole\n").expects("whole\n").ends().expects_end();
    half.sends("shed\n").expects("unfinished\n").ends().expects_end();
    server.drains();
    let (server, address) = served(["--echo"]);
    echoes(address);
    server.drains();
}

#[test]
fn a_server_that_replies_nothing_asks_for_no_reply_that_fits() {
    for how in ["--discard", "--echo"] {
        let (server, address) = served([how, "--frame", "fixed:4"]);
        Peer::connects(address).sends("1234").ends().reads_to_end();
        server.drains().showed("#1 > 1234\n");
    }
}

#[test]
fn a_frame_over_the_maximum_is_exit_5_whoever_ended_in_the_meantime() {
    for how in ["--raw", "--escape", "--json"] {
        for (spec, maximum, bytes) in TOO_LARGE {
            for ours in [&["--no-shutdown"][..], &[]] {
                let (address, _peer) = Script::serves(move |mut peer| {
                    peer.sends(bytes).ends().reads_to_end();
                });
                let words = ["--frame", spec, "--max-frame", maximum, how];
                connect(address, words).args(ours).run().exited(5).said("maximum");
            }
        }
    }
}

#[test]
fn a_frame_over_the_maximum_is_an_error_of_its_kind() {
    for (spec, bytes, kind) in
        [("length:u32be", FOUR_GIB, "frame_too_large"), ("netstring", b"5:hello,x", "frame_malformed")]
    {
        let (address, _peer) = Script::serves(sends_and_stays(bytes));
        let client = connect(address, ["--frame", spec, "--json", "--no-shutdown"]);
        let ledger = client.run().exited(5).ledger();
        assert_eq!(ledger.the("closed")["termination"], kind);
        assert_eq!(ledger.the("error")["kind"], kind);
    }
}
