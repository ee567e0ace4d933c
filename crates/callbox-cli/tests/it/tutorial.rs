//! The tutorial that callbox starts from: its two Python programs, byte for byte, against callbox; and two programs of
//! this project's own that take the same steps.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use callbox_testkit::{Callbox, Netns, Process, Scratch, eventually, patience, requires, skip};

use crate::cli::{callbox, connect, served};

/// The address in the tutorial's programs.
const PRINTED: &str = "192.168.43.127:8848";

/// Returns the tutorial's text: from `CALLBOX_TUTORIAL`, else from `../shared/seed` beside the repository.
fn tutorial() -> Option<String> {
    if let Some(path) = std::env::var_os("CALLBOX_TUTORIAL") {
        let text = std::fs::read_to_string(&path);
        return Some(text.unwrap_or_else(|error| panic!("CALLBOX_TUTORIAL {}: {error}", path.display())));
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/callbox-cli");
    let seed = std::fs::read_dir(repository.parent()?.join("shared/seed")).ok()?;
    let mut texts: Vec<PathBuf> = seed.flatten().map(|entry| entry.path()).collect();
    texts.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    texts.sort();
    texts.iter().filter_map(|path| std::fs::read_to_string(path).ok()).find(|text| text.contains("```python"))
}

/// Returns the two complete programs, the client's and the server's, as they are printed.
fn programs(text: &str) -> (String, String) {
    let blocks = text.split("```python\n").skip(1);
    let blocks: Vec<&str> = blocks.filter_map(|rest| rest.split_once("```").map(|(block, _)| block)).collect();
    let the = |call: &str| {
        let found: Vec<&&str> = blocks.iter().filter(|block| block.contains(call)).collect();
        assert_eq!(found.len(), 1, "one program of the tutorial calls {call}");
        (*found[0]).to_owned()
    };
    (the(".connect("), the(".accept("))
}

fn python() -> Callbox {
    // Output that is not a terminal would be held back, and in the locale's encoding.
    Callbox::new("python3").env("PYTHONUNBUFFERED", "1").env("PYTHONIOENCODING", "utf-8")
}

fn listens_in(namespace: &Netns) -> bool {
    // By the kernel's own table: connecting would take the only client's place.
    let outcome = Callbox::new("cat").arg("/proc/net/tcp").within(namespace).run().exited(0);
    // 192.168.43.127:8848 as the table prints it, in state 0A, listening.
    String::from_utf8_lossy(&outcome.stdout).lines().any(|line| line.contains("7F2BA8C0:2290") && line.contains(" 0A "))
}

#[test]
fn the_tutorial_s_client_byte_for_byte_talks_with_serve() {
    requires!(tool("python3"), netns());
    let Some(text) = tutorial() else { skip!("the tutorial is not here (CALLBOX_TUTORIAL)") };
    let scratch = Scratch::new();
    let program = scratch.file("client.py", programs(&text).0);
    let namespace = Netns::new().expect("just made one").with_address("192.168.43.127/32");
    let server = callbox(["serve", PRINTED]).within(&namespace).start();
    assert_eq!(server.ready().to_string(), PRINTED);
    python().arg(&program).within(&namespace).run().exited(0).wrote("thank you !\n").quietly();
    server.shows("#1 > hello\n").shows("#1 < thank you !\n");
    server.drains();
}

#[test]
fn the_tutorial_s_server_byte_for_byte_talks_with_connect() {
    requires!(tool("python3"), netns());
    let Some(text) = tutorial() else { skip!("the tutorial is not here (CALLBOX_TUTORIAL)") };
    let scratch = Scratch::new();
    let program = scratch.file("server.py", programs(&text).1);
    let namespace = Netns::new().expect("just made one").with_address("192.168.43.127/32");
    let server = python().arg(&program).within(&namespace).start();
    eventually("the tutorial's server listens", patience(), || {
        listens_in(&namespace).then_some(()).ok_or_else(|| "not yet".to_owned())
    });
    let client = callbox(["connect", PRINTED, "--send", "hello"]).within(&namespace);
    client.run().exited(0).wrote("thank you !");
    server.exits(0).wrote("接收到的数据为: hello\n");
}

#[test]
fn the_tutorial_s_client_with_only_the_address_changed_talks_with_serve() {
    requires!(tool("python3"));
    let Some(text) = tutorial() else { skip!("the tutorial is not here (CALLBOX_TUTORIAL)") };
    let (server, address) = served([]);
    let scratch = Scratch::new();
    let program = scratch.file("client.py", readdressed(&programs(&text).0, address));
    python().arg(&program).run().exited(0).wrote("thank you !\n").quietly();
    server.shows("#1 > hello\n");
    server.drains();
}

#[test]
fn the_tutorial_s_server_with_only_the_address_changed_talks_with_connect() {
    requires!(tool("python3"));
    let Some(text) = tutorial() else { skip!("the tutorial is not here (CALLBOX_TUTORIAL)") };
    let scratch = Scratch::new();
    let address = callbox_testkit::free_address();
    let program = scratch.file("server.py", readdressed(&programs(&text).1, address));
    let server = python().arg(&program).start();
    let client = connect(address, ["--retry-for", "20s", "--send", "hello"]);
    client.run().exited(0).wrote("thank you !");
    server.exits(0).wrote("接收到的数据为: hello\n");
}

fn readdressed(program: &str, address: SocketAddr) -> String {
    let (host, port) = PRINTED.split_once(':').expect("an address");
    assert_eq!((program.matches(host).count(), program.matches(port).count()), (1, 1), "one address in a program");
    program.replace(host, &address.ip().to_string()).replace(port, &address.port().to_string())
}

fn own(program: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tutorial").join(program)
}

#[test]
fn a_client_in_four_steps_talks_with_serve() {
    requires!(tool("python3"));
    let (server, address) = served([]);
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    python().arg(own("client.py")).args([host, port]).run().exited(0).wrote("answer: thank you !\n").quietly();
    server.shows("#1 > hello\n").shows("#1 < thank you !\n");
    server.drains();
}

#[test]
fn a_server_in_five_steps_talks_with_connect() {
    requires!(tool("python3"));
    let server: Process = python().arg(own("server.py")).args(["127.0.0.1", "0"]).start();
    server.shows("\n");
    let line = server.output().text();
    let port: u16 = line.trim().strip_prefix("ready ").and_then(|port| port.parse().ok()).expect("its ready line");
    connect(SocketAddr::from(([127, 0, 0, 1], port)), ["--send", "hello"]).run().exited(0).wrote("thank you !");
    server.exits(0).showed("request: hello\n");
}

/// What the tutorial gets wrong, seen from outside: two sends may arrive as one chunk, one character as two.
#[test]
fn the_tutorial_s_server_reads_two_sends_as_one() {
    requires!(tool("python3"));
    let server: Process = python().arg(own("server.py")).args(["127.0.0.1", "0"]).start();
    server.shows("\n");
    let line = server.output().text();
    let port: u16 = line.trim().strip_prefix("ready ").and_then(|port| port.parse().ok()).expect("its ready line");
    server.stops();
    let client = connect(SocketAddr::from(([127, 0, 0, 1], port)), ["--send", "hel", "--send", "lo"]).start();
    // Both are with the kernel once the client has sent its end of stream; then the server may look.
    eventually("the client has sent everything", patience(), || {
        let table = std::fs::read_to_string("/proc/net/tcp").map_err(|error| error.to_string())?;
        // Our FIN is out and acknowledged: state 05, FIN_WAIT2.
        let wanted = format!(":{port:04X} 05 ");
        table.lines().any(|line| line.contains(&wanted)).then_some(()).ok_or_else(|| "not yet".to_owned())
    });
    server.goes_on();
    client.exits(0).wrote("thank you !");
    server.exits(0).showed("request: hello\n");
}
