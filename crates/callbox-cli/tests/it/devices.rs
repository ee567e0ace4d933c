//! Devices as they are: Modbus by pymodbus, on TCP and as RTU over TCP; and line protocols in the encodings of their
//! makers, by Python's own codecs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use callbox_testkit::{Callbox, Input, Process, Script, Server, requires, skip};

use crate::cli::{connect, served};

/// Modbus/TCP: transaction and protocol, two bytes each, before the length; the unit and the function after it.
pub(crate) const MODBUS: &str = "length:u16be+offset=4";

/// The program of a device, or of a client of one, in the folder `tests/devices`.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/devices").join(name)
}

fn python(interpreter: impl Into<PathBuf>) -> Callbox {
    // Output that is not a terminal would be held back.
    Callbox::new(interpreter).env("PYTHONUNBUFFERED", "1").env("PYTHONDONTWRITEBYTECODE", "1")
}

/// Returns the Python that has pymodbus.
pub(crate) fn pymodbus() -> Option<PathBuf> {
    std::env::var_os("CALLBOX_PYMODBUS").filter(|path| !path.is_empty()).map(PathBuf::from)
}

pub(crate) const NO_PYMODBUS: &str =
    "needs pymodbus: CALLBOX_PYMODBUS is to name a Python that has it (`cargo xtask test` makes one where it can)";

/// Starts a device and returns it with its address, read from its ready line.
fn device(command: Callbox) -> (Process, SocketAddr) {
    let device = command.start();
    device.shows("\n");
    let text = device.output().text();
    let port = text.lines().next().and_then(|line| line.strip_prefix("ready ")).and_then(|port| port.parse().ok());
    (device, SocketAddr::from(([127, 0, 0, 1], port.unwrap_or_else(|| panic!("a ready line in {text:?}")))))
}

pub(crate) fn modbus_device(python_with_it: PathBuf, framer: &str) -> (Process, SocketAddr) {
    device(python(python_with_it).arg(program("modbus_server.py")).arg(framer))
}

/// Starts a device that answers one line with `answer`, a byte a chunk.
fn line_device(encoding: &str, answer: &str) -> (Process, SocketAddr) {
    device(python("python3").arg(program("line_server.py")).args([encoding, answer]))
}

// pymodbus closes when it sees our end of stream, with the answer or without: hence `--no-shutdown`.

#[test]
fn a_modbus_answer_is_shown_as_the_frame_it_came_in() {
    let Some(interpreter) = pymodbus() else { skip!("{NO_PYMODBUS}") };
    let (_device, address) = modbus_device(interpreter, "socket");
    let ask = |show| {
        let request = ["--no-shutdown", "--frame", MODBUS, "--send-hex", "00 01 00 00 01 03 00 00 00 02"];
        connect(address, request).args(["--count", "1", "--show", show]).run().exited(0).quietly()
    };
    ask("hex").wrote("00 01 00 00 00 07 01 03 04 a0 00 a0 01\n");
    ask("both").wrote("00000000: 0001 0000 0007 0103 04a0 00a0 01         .............\n");
    // Text is the payload's alone; what is no text in it is escaped.
    ask("text").wrote("\\x01\\x03\\x04\\xa0\\x00\\xa0\\x01\n");
    ask("raw").wrote(b"\x00\x01\x00\x00\x00\x07\x01\x03\x04\xa0\x00\xa0\x01");
}

#[test]
fn modbus_requests_are_asked_and_answered_one_after_another() {
    let Some(interpreter) = pymodbus() else { skip!("{NO_PYMODBUS}") };
    let (_device, address) = modbus_device(interpreter, "socket");
    let words = ["--console", "--frame", MODBUS, "--show", "hex"];
    let mut client = connect(address, words).input(Input::Piped).start();
    // Two registers, the last one, and one that the device has not: exception 2, illegal address.
    client.types("/hex 00 01 00 00 01 03 00 00 00 02\n").shows("00 01 00 00 00 07 01 03 04 a0 00 a0 01\n");
    client.types("/hex 00 02 00 00 01 03 00 09 00 01\n").shows("00 02 00 00 00 05 01 03 02 a0 09\n");
    client.types("/hex 00 03 00 00 01 03 00 20 00 02\n").shows("00 03 00 00 00 03 01 83 02\n");
    // Written, then read back.
    client.types("/hex 00 04 00 00 01 06 00 05 12 34\n").shows("00 04 00 00 00 06 01 06 00 05 12 34\n");
    client.types("/hex 00 05 00 00 01 03 00 05 00 01\n").shows("00 05 00 00 00 05 01 03 02 12 34\n");
    client.types("/quit\n");
    client.exits(0);
}

#[test]
fn a_modbus_conversation_as_events_has_a_data_event_a_frame() {
    let Some(interpreter) = pymodbus() else { skip!("{NO_PYMODBUS}") };
    let (_device, address) = modbus_device(interpreter, "socket");
    let request = ["--no-shutdown", "--frame", MODBUS, "--send-hex", "00 01 00 00 01 03 00 00 00 02"];
    let ledger = connect(address, request).args(["--count", "1", "--json"]).run().exited(0).ledger();
    let [asked, answered] = ledger.named("data")[..] else { panic!("two frames: {:#?}", ledger.events) };
    assert_eq!((&asked["direction"], &asked["frame"]), (&"to_server".into(), &1.into()));
    assert_eq!((&asked["bytes"], &asked["text"]), (&6.into(), &"\u{1}\u{3}\0\0\0\u{2}".into()));
    assert_eq!((&answered["direction"], &answered["frame"]), (&"to_client".into(), &1.into()));
    // 01 03 04 a0 00 a0 01, which is no UTF-8.
    assert_eq!((&answered["bytes"], &answered["base64"]), (&7.into(), &"AQMEoACgAQ==".into()));
    assert_eq!(answered.get("text"), None);
    let closed = ledger.the("closed");
    assert_eq!((&closed["to_server_bytes"], &closed["to_client_bytes"]), (&12.into(), &13.into()));
}

#[test]
fn a_modbus_client_reads_what_serve_replies() {
    let Some(interpreter) = pymodbus() else { skip!("{NO_PYMODBUS}") };
    let read = |reply: &str| {
        let (server, address) = served(["--frame", MODBUS, "--show", "hex", "--reply", reply]);
        let client = python(&interpreter).arg(program("modbus_client.py"));
        let client = client.args(["socket", &address.port().to_string(), "2"]).run().exited(0);
        server.shows("#1 > 00 01 00 00 00 06 01 03 00 00 00 02\n");
        (server, client)
    };
    let (server, client) = read("\\x00\\x01\\x00\\x00\\x01\\x03\\x04\\xab\\xcd\\x00\\x07");
    client.wrote("registers: abcd 0007\n");
    server.shows("#1 < 00 01 00 00 00 07 01 03 04 ab cd 00 07\n");
    server.drains();
    let (server, client) = read("\\x00\\x01\\x00\\x00\\x01\\x83\\x02");
    client.showed("exception_code=2");
    server.shows("#1 < 00 01 00 00 00 03 01 83 02\n");
    server.drains();
}

#[test]
fn modbus_rtu_over_tcp_gets_its_checksum_and_has_it_verified() {
    let Some(interpreter) = pymodbus() else { skip!("{NO_PYMODBUS}") };
    let (_device, address) = modbus_device(interpreter, "rtu");
    let rtu = ["--no-shutdown", "--frame", "idle:20ms", "--checksum", "crc16-modbus"];
    let request = ["--send-hex", "01 03 00 00 00 02", "--send-hex", "01 03 00 20 00 02", "--count", "2"];
    let client = connect(address, rtu).args(request).args(["--show", "hex"]).run().exited(0);
    client.wrote("[checksum ok] 01 03 04 a0 00 a0 01 61 f3\n[checksum ok] 01 83 02 c0 f1\n");
    let ledger = connect(address, rtu).args(&request[..2]).args(["--count", "1", "--json"]).run().exited(0).ledger();
    let [asked, answered] = ledger.named("data")[..] else { panic!("two frames: {:#?}", ledger.events) };
    // Six bytes given, two appended.
    assert_eq!((&asked["bytes"], &asked["frame_bytes"]), (&6.into(), &8.into()));
    assert_eq!((&answered["base64"], &answered["checksum"]), (&"AQMEoACgAQ==".into(), &"ok".into()));
}

#[test]
fn a_modbus_rtu_client_takes_the_checksum_that_serve_appends() {
    let Some(interpreter) = pymodbus() else { skip!("{NO_PYMODBUS}") };
    let words = ["--frame", "idle:20ms", "--checksum", "crc16-modbus", "--show", "hex"];
    let (server, address) = served([&words[..], &["--reply", "\\x01\\x03\\x04\\xab\\xcd\\x00\\x07"]].concat());
    let client = python(&interpreter).arg(program("modbus_client.py"));
    client.args(["rtu", &address.port().to_string(), "2"]).run().exited(0).wrote("registers: abcd 0007\n");
    server.shows("#1 > [checksum ok] 01 03 00 00 00 02 c4 0b\n");
    server.shows("#1 < [checksum ok] 01 03 04 ab cd 00 07 0a 2a\n");
    server.drains();
}

#[test]
fn a_device_s_garbled_and_cut_answers_are_marked_and_shown_all_the_same() {
    let (address, device) = Script::serves(|mut peer| {
        peer.expects(b"\x01\x03\0\0\0\x02\xc4\x0b").sends(b"\x01\x03\x04\xa0\0\xa0\x01\x61\xf2").ends();
    });
    let words = ["--frame", "idle:20ms", "--checksum", "crc16-modbus", "--send-hex", "01 03 00 00 00 02"];
    let client = connect(address, words).args(["--show", "hex"]).run().exited(0);
    client.wrote("[checksum wrong] 01 03 04 a0 00 a0 01 61 f2\n");
    device.joins();

    let (address, device) = Script::serves(|mut peer| {
        peer.expects(b"\0\x01\0\0\0\x06\x01\x03\0\0\0\x02").sends(b"\0\x01\0\0\0\x07\x01\x03\x04").ends();
    });
    let words = ["--frame", MODBUS, "--send-hex", "00 01 00 00 01 03 00 00 00 02", "--show", "hex", "--count", "1"];
    let client = connect(address, words).run().exited(5).wrote("[partial] 00 01 00 00 00 07 01 03 04\n");
    client.said("after 0 of 1 frames");
    device.joins();
}

#[test]
fn characters_that_arrive_in_pieces_are_shown_whole() {
    requires!(tool("python3"));
    // The second byte of the first character in Shift_JIS is the ASCII code of `\`; in UTF-16LE, U+010A has a 0A byte.
    let rows = [
        ("gbk", "line", "你好", "你好，世界"),
        ("shift_jis", "line", "表示", "ソース"),
        ("utf-16le", "delim:\\x0a\\x00", "你好", "一Ċ世界"),
        // U+0A05 before a character with a zero byte: a newline's two bytes, but not where a character begins.
        ("utf-16le", "line", "你好", "ਅ一世界"),
    ];
    for (encoding, frame, request, answer) in rows {
        let (device, address) = line_device(encoding, answer);
        let words = ["--encoding", encoding, "--frame", frame, "--send", request, "--show", "text", "-v"];
        let client = connect(address, words).run().exited(0).wrote(format!("{answer}\n"));
        client.said("1 split, 0 merged");
        device.exits(0).showed(&format!("request: {}\n", ascii(&format!("{request}\n"))));
    }
}

/// A text as Python's `ascii()` prints it.
fn ascii(text: &str) -> String {
    let escape = |c: char| match c {
        '\n' => "\\n".to_owned(),
        ' '..='~' => c.to_string(),
        _ => format!("\\u{:04x}", u32::from(c)),
    };
    format!("'{}'", text.chars().map(escape).collect::<String>())
}

#[test]
fn characters_in_pieces_are_whole_without_a_framer_too() {
    requires!(tool("python3"));
    let (device, address) = line_device("gbk", "你好，世界");
    let words = ["--encoding", "gbk", "--send", "你好\\n", "--show", "text"];
    connect(address, words).run().exited(0).wrote("你好，世界\n").quietly();
    device.exits(0);
}

#[test]
fn an_expectation_is_met_in_the_encoding() {
    requires!(tool("python3"));
    for (expected, code) in [("世界", 0), ("再见", 1)] {
        let (device, address) = line_device("gbk", "你好，世界");
        let words = ["--encoding", "gbk", "--frame", "line", "--send", "你好", "--expect", expected, "--show", "text"];
        connect(address, words).run().exited(code).showed("你好，世界");
        drop(device);
    }
}

#[test]
fn events_have_the_text_of_the_encoding_and_the_bytes_where_there_is_none() {
    requires!(tool("python3"));
    for (answer, field, value) in [("你好，世界", "text", "你好，世界"), ("你\\xff好", "base64", "xOP/usM=")]
    {
        let (device, address) = line_device("gbk", answer);
        let words = ["--encoding", "gbk", "--frame", "line", "--send", "你好", "--json"];
        let ledger = connect(address, words).run().exited(0).ledger();
        device.exits(0);
        let [asked, answered] = ledger.named("data")[..] else { panic!("two frames: {:#?}", ledger.events) };
        assert_eq!((&asked["text"], &asked["frame"], &asked["bytes"]), (&"你好".into(), &1.into(), &4.into()));
        assert_eq!((&answered[field], &answered["frame"]), (&value.into(), &1.into()));
        let other = if field == "text" { "base64" } else { "text" };
        assert_eq!(answered.get(other), None, "either, never both: {answered}");
    }
}

#[test]
fn a_byte_that_is_no_gbk_is_shown_escaped_and_its_neighbours_are_not() {
    requires!(tool("python3"));
    let (device, address) = line_device("gbk", "你\\xff好");
    let words = ["--encoding", "gbk", "--frame", "line", "--send", "你好", "--show", "text"];
    connect(address, words).run().exited(0).wrote("你\\xff好\n").quietly();
    device.exits(0);
}

#[test]
fn serve_answers_a_client_in_its_encoding() {
    requires!(tool("python3"));
    let (server, address) = served(["--encoding", "gbk", "--frame", "line", "--reply", "谢谢"]);
    let client = python("python3").arg(program("line_client.py"));
    let answer = client.args([&address.port().to_string(), "gbk", "你好"]).run().exited(0);
    answer.wrote(format!("answer: {}\n", ascii("谢谢\n"))).quietly();
    server.shows("#1 > 你好\n").shows("#1 < 谢谢\n");
    server.drains();
}

/// 粘包, counted: twelve lines in three chunks, the fifth cut in the middle. What is shown is the acknowledgement that
/// lets the next send go.
#[test]
fn frames_that_arrive_cut_or_stuck_together_are_counted() {
    let listener = Server::binds();
    let words = ["--frame", "line", "--show", "text", "-v"];
    let client = connect(listener.address(), words).input(Input::Piped).start();
    let mut peer = listener.accepts();
    peer.sends("1\n2\n3\n4\nfi");
    client.shows("4\n");
    peer.sends("ve\n6\n7\n8\n");
    client.shows("five\n6\n7\n8\n");
    peer.sends("9\n10\n11\n12\n").ends();
    let outcome = client.exits(0).wrote("1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\n");
    outcome.said("12 frames in 3 chunks: 1 split, 11 merged");
    peer.expects_end();
}
