//! `bench` on a Modbus device of pymodbus: one request again and again, its answer held against a pattern.

use callbox_testkit::skip;

use crate::bench_kit::measures;
use crate::devices::{MODBUS, NO_PYMODBUS, modbus_device, pymodbus};

/// Two registers: A000 and A001.
const RIGHT: &str = "re:\\x01\\x03\\x04\\xa0\\x00\\xa0\\x01";

#[test]
fn a_modbus_device_is_asked_by_frames_and_each_answer_verified() {
    let Some(interpreter) = pymodbus() else { skip!("{NO_PYMODBUS}") };
    let (_device, address) = modbus_device(interpreter, "socket");
    // The framer puts the length between the four bytes of the header and the rest.
    let words = ["--frame", MODBUS, "--send-hex", "00 01 00 00 01 03 00 00 00 02", "-n", "150", "-c", "3"];
    let run = measures(address, words.into_iter().chain(["--verify", RIGHT]), 0);
    run.answered_all(150).counts(&[("to_server_bytes", 150 * 12), ("to_client_bytes", 150 * 13), ("opened", 3)]);
    let wrong = "re:\\x01\\x03\\x04\\xa0\\x00\\xa0\\x02";
    let run = measures(address, words.into_iter().chain(["--verify", wrong]), 1);
    run.counts(&[("requests", 150), ("wrong", 150), ("answered", 0), ("lost", 0)]);
}

#[test]
fn a_modbus_device_is_asked_without_a_framer_too() {
    let Some(interpreter) = pymodbus() else { skip!("{NO_PYMODBUS}") };
    let (_device, address) = modbus_device(interpreter, "socket");
    let request = ["--send-hex", "00 01 00 00 00 06 01 03 00 00 00 02", "--until", "bytes:13", "--verify", RIGHT];
    let run = measures(address, request.into_iter().chain(["--rate", "100/s", "-d", "1s", "-c", "2"]), 0);
    run.counts_within("requests", 99..=101).counts(&[("wrong", 0), ("lost", 0), ("missed", 0)]);
    // A register that the device has not: exception 2, nine bytes.
    let request = ["--send-hex", "00 01 00 00 00 06 01 03 00 20 00 02", "--until", "bytes:9"];
    let verify = ["--verify", "re:^\\x00\\x01\\x00\\x00\\x00\\x03\\x01\\x83\\x02", "-n", "50", "-c", "1"];
    measures(address, request.into_iter().chain(verify), 0).answered_all(50);
}
