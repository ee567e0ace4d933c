//! `--checksum`: appended to what is sent, verified and marked on what is received.

use callbox_testkit::{Peer, Script, assert_same_bytes};

use crate::cli::connect;

const CHECKSUMS: &[(&str, &[u8])] = &[
    ("crc16-modbus", b"\x37\x4b"),
    ("crc32", b"\x26\x39\xf4\xcb"),
    ("sum8", b"\xdd"),
    ("xor8", b"\x31"),
    ("lrc", b"\x23"),
];

#[test]
fn a_checksum_is_appended_to_the_payload_before_it_is_framed() {
    for (name, sum) in CHECKSUMS {
        let (address, peer) = Script::serves(|mut peer| {
            peer.ends();
            peer.reads_to_end()
        });
        connect(address, ["--frame", "length:u8", "--checksum", name, "--send", "123456789"]).run().exited(0);
        let wire = [&[9 + sum.len() as u8][..], b"123456789", sum].concat();
        assert_same_bytes(name, &wire, &peer.joins());
    }
    // A request of Modbus RTU, which frames by silence.
    let (address, peer) = Script::serves(|mut peer| {
        peer.ends();
        peer.reads_to_end()
    });
    let words = ["--frame", "idle:50ms", "--checksum", "crc16-modbus", "--send-hex", "01 03 00 00 00 0a"];
    connect(address, words).run().exited(0);
    assert_same_bytes("Modbus RTU", b"\x01\x03\x00\x00\x00\x0a\xc5\xcd", &peer.joins());
}

#[test]
fn a_checksum_is_verified_and_a_wrong_one_marked() {
    for (name, sum) in CHECKSUMS {
        let frame = |sum: &[u8]| [&[9 + sum.len() as u8][..], b"123456789", sum].concat();
        let wrong: Vec<u8> = sum.iter().map(|byte| byte ^ 1).collect();
        let bytes = [frame(sum), frame(&wrong), b"\x00".to_vec()].concat();
        let answer = move |mut peer: Peer| {
            peer.sends(&bytes).ends().expects_end();
        };
        let (address, _peer) = Script::serves(answer.clone());
        let words = ["--frame", "length:u8", "--checksum", name];
        let ledger = connect(address, words.into_iter().chain(["--json"])).run().exited(0).ledger();
        let verdicts: Vec<_> = ledger.named("data").iter().map(|event| event["checksum"].clone()).collect();
        assert_eq!(verdicts, ["ok", "wrong", "wrong"], "{name}: a frame too short for a checksum is wrong too");
        let (address, _peer) = Script::serves(answer);
        let text = connect(address, words.into_iter().chain(["--show", "text"])).run().exited(0).stdout;
        let text = String::from_utf8(text).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("123456789") && !lines[0].contains("wrong"), "{name}: {text:?}");
        assert!(lines[1].contains("wrong") && lines[1].ends_with("123456789"), "{name}: {text:?}");
    }
}
