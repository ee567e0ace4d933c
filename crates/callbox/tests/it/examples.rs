//! The programs in `examples/` run and do what they say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use callbox::fixture::Peer;
use rustix::process::{Pid, Signal, kill_process};

use crate::ends::connect;

/// Finds an example beside this test; `cargo test` builds both, a narrower command may not have.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("this test is a file");
    let built: PathBuf = test.ancestors().nth(2).expect("target/*/deps/it").join("examples").join(name);
    if !built.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "callbox", "--example", name]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("runs").success(), "the example builds");
    }
    let mut command = Command::new(built);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// A program that ends with the test.
struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn start(name: &str, addr: &str) -> Program {
        let mut child = example(name).arg(addr).spawn().expect("starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Program { child, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("reads");
        line
    }

    /// Reads the ready line, `listening on 127.0.0.1:NNN...`.
    fn addr(&mut self) -> SocketAddr {
        let line = self.line();
        let addr = line.trim().strip_prefix("listening on ").expect(&line);
        addr.split(';').next().expect("one").parse().expect(&line)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_server_answers_what_it_prints() {
    let mut server = Program::start("server", "127.0.0.1:0");
    let addr = server.addr();
    Peer::connect(addr).sends("hello").expects("thank you !").ends().expects_end().start().join();
    assert_eq!(server.line(), "received hello\n");
}

#[test]
fn the_client_says_hello_and_prints_the_whole_answer() {
    // Built before somebody waits for it.
    let mut client = example("client");
    let peer = Peer::listen().expects("hello").expects_end().sends("thank ").sends("you !").ends().start();
    let output = client.arg(peer.addr().to_string()).output().expect("runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "thank you !\n");
    assert!(output.status.success());
    peer.join();
}

#[test]
fn the_tutorials_two_programs_talk_to_each_other() {
    let mut server = Program::start("server", "127.0.0.1:0");
    let output = example("client").arg(server.addr().to_string()).output().expect("runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "thank you !\n");
    assert_eq!(server.line(), "received hello\n");
}

#[test]
fn on_ctrl_c_those_connected_are_served_and_everything_is_counted() {
    let mut server = Program::start("drain", "127.0.0.1:0");
    let mut stream = connect(server.addr());
    stream.write_all(b"before").expect("writes");
    stream.read_exact(&mut [0; 6]).expect("echoed");
    kill_process(Pid::from_child(&server.child), Signal::INT).expect("it runs");
    stream.write_all(b" and after").expect("writes");
    stream.shutdown(Shutdown::Write).expect("ends");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("not reset");
    assert_eq!(rest, " and after");
    let mut text = String::new();
    server.output.read_to_string(&mut text).expect("reads");
    assert_eq!(
        text,
        "1 sessions\n16 bytes to the server, 16 to the clients\n0 sessions cut off at the drain deadline\n"
    );
    assert!(server.child.wait().expect("ends").success());
}

#[test]
fn the_fixtures_pass_their_own_tests() {
    let output = example("fixture").output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("  4. expects the end of stream"));
}

#[test]
fn all_that_a_load_run_asks_is_answered() {
    let output = example("load").arg("200/s").output().expect("runs");
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    let counts: Vec<u64> = lines[0].split(' ').filter_map(|word| word.parse().ok()).collect();
    // A machine that stands still at the end begins fewer.
    assert!(matches!(counts[..], [answered, asked, 0] if answered == asked && asked > 100), "{text}");
    let heads: Vec<_> = lines[1..].iter().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(heads, ["p50:", "p90:", "p99:", "p99.9:", "at"]);
}
