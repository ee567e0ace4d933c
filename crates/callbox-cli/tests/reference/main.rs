//! The reference pages against the software: a page that says something else than the binary does fails here.
//!
//! `CALLBOX_BLESS=1 cargo test -p callbox-cli --test reference` writes the generated page anew.

mod validator;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use validator::problem;

const CALLBOX: &str = env!("CARGO_BIN_EXE_callbox");
const COMMANDS: [&str; 10] =
    ["connect", "listen", "serve", "relay", "bench", "ping", "wait", "tour", "completions", "man"];
/// A run that takes longer has stopped making progress.
const PATIENCE: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

// ---- cli.md ----

fn help(words: &[&str]) -> String {
    let mut command = Command::new(CALLBOX);
    command.args(words).arg("--help").env("COLUMNS", "100").env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE");
    let output = command.output().expect("runs");
    assert!(output.status.success(), "{words:?}: {output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn command_line_page() -> String {
    let mut page = String::from(
        "# Commands and flags\n\n\
         The help of every command, as the binary prints it. This page is generated:\n\
         `CALLBOX_BLESS=1 cargo test -p callbox-cli --test reference` writes it anew.\n",
    );
    page.push_str(&format!("\n## callbox\n\n```text\n{}```\n", help(&[])));
    for command in COMMANDS {
        page.push_str(&format!("\n## callbox {command}\n\n```text\n{}```\n", help(&[command])));
    }
    page
}

#[test]
fn the_page_of_flags_is_the_help_of_every_command() {
    let path = root().join("docs/reference/cli.md");
    let now = command_line_page();
    if std::env::var_os("CALLBOX_BLESS").is_some() {
        fs::write(&path, &now).expect("writes");
    }
    let page = fs::read_to_string(&path).unwrap_or_default();
    let differs = page.lines().zip(now.lines()).find(|(page, now)| page != now);
    assert!(page == now, "docs/reference/cli.md differs, first here: {differs:?}; CALLBOX_BLESS=1 writes it anew");
}

#[test]
fn every_command_of_the_binary_is_on_the_page() {
    let help = help(&[]);
    let list = help.split("Commands:").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("lists commands");
    let listed: Vec<&str> = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).collect();
    let listed: Vec<&str> = listed.iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(listed, COMMANDS);
}

/// Flags that pages name and that are not callbox's, or not yet.
const OTHERS_FLAGS: [&str; 13] = [
    "--release",
    "--quick",
    "--path",
    "--test",
    "--only",
    "--doc",
    "--version",
    "--locked",
    "--help",
    "--broker",
    "--cacert",
    "--sh-exec",
    "--chat",
];

#[test]
fn every_flag_that_a_page_names_exists() {
    let flags = command_line_page();
    let reference = [
        "exit-codes.md",
        "events.md",
        "limits.md",
        "frames.md",
        "text.md",
        "console.md",
        "explain.md",
        "faults.md",
        "control.md",
        "access.md",
        "proxies.md",
        "tls.md",
        "ping.md",
        "wait.md",
        "bench.md",
        "bench-reports.md",
    ]
    .map(|name| format!("docs/reference/{name}"));
    let others = ["README.md", "README.zh-CN.md", "SECURITY.md", "CHANGELOG.md", "docs/relay.md", "docs/systemd.md"]
        .map(str::to_owned);
    for path in others.iter().chain(&reference) {
        let text = page(path);
        for (at, _) in text.match_indices("--") {
            let rest = &text[at..];
            let end = rest[2..].find(|c: char| !c.is_ascii_lowercase() && c != '-').map_or(rest.len(), |end| end + 2);
            let (flag, before) = (&rest[..end], text[..at].chars().next_back());
            if flag.len() < 4 || matches!(before, Some('-' | '|')) || OTHERS_FLAGS.contains(&flag) {
                continue;
            }
            let known = [" ", "\n", "<", ","].iter().any(|after| flags.contains(&format!("{flag}{after}")));
            assert!(known, "{path} names {flag}, which no command has");
        }
    }
}

// ---- limits.md and events.md against the source ----

/// Rows of limits.md end with `` | `NAME = EXPRESSION` | `file` | ``.
#[test]
fn every_limit_has_the_value_that_the_page_gives() {
    let text = page("docs/reference/limits.md");
    let mut checked = 0;
    for row in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [.., constant, path] = cells.as_slice() else { continue };
        let Some((name, value)) = constant.split_once(" = ").filter(|_| path.ends_with(".rs")) else { continue };
        let code = page(&format!("crates/{path}"));
        let found = code.lines().any(|line| {
            let (line, ends) = (line.trim(), format!(" = {value};"));
            // A constant, a field's value, or a local that becomes one.
            line.contains(&format!("{name}: {value}"))
                || line.ends_with(&ends) && (line.contains(&format!("{name}: ")) || line.starts_with("let"))
        });
        assert!(found, "limits.md: {path} has no {name} = {value}");
        checked += 1;
    }
    assert!(checked > 25, "only {checked} rows were understood");
}

/// Returns the words in quotes of the match arms that begin with `arm`, in the order of the source.
fn names_in(path: &str, arm: &str) -> Vec<String> {
    let code = page(&format!("crates/callbox/src/{path}"));
    let arms = code.lines().filter(|line| line.trim().starts_with(arm) && line.contains("=> \""));
    arms.filter_map(|line| line.split('"').nth(1).map(str::to_owned)).collect()
}

#[test]
fn names_in_the_schema_are_those_of_the_source() {
    let schema = schema();
    let names = |event: &str, field: &str| -> Vec<String> {
        let list = schema["$defs"][event]["properties"][field]["enum"].as_array().expect("an enum");
        list.iter().map(|name| name.as_str().expect("text").to_owned()).collect()
    };
    let code = page("crates/callbox/src/termination.rs");
    let list = code.split("\nterminations! {").nth(1).expect("the list");
    let terminations: Vec<_> = list.lines().filter_map(|line| line.split('"').nth(1).map(str::to_owned)).collect();
    assert_eq!(names("closed", "termination"), terminations);
    assert_eq!(names("error", "kind"), names_in("error.rs", "Kind::"), "kinds of errors");
    assert_eq!(names("refused", "reason"), names_in("event.rs", "Refusal::"), "reasons to refuse");
    let mut endings = names_in("load/report.rs", "Ending::");
    endings.retain(|ending| ending != "running");
    assert_eq!(names("report", "ending"), endings, "endings of runs");
    let limits = &schema["$defs"]["report"]["properties"]["limits"]["items"]["enum"];
    assert_eq!(*limits, Value::from(names_in("load/report.rs", "Limit::")), "limits of the generator");
    let events = page("docs/reference/events.md");
    for (event, definition) in schema["$defs"].as_object().expect("definitions") {
        let section = events.split(&format!("### `{event}`\n")).nth(1).and_then(|rest| rest.split("\n### ").next());
        let section = section.unwrap_or_else(|| panic!("events.md has no section on {event}"));
        for field in definition["properties"].as_object().expect("fields").keys() {
            let everywhere = ["v", "event", "time"].contains(&field.as_str());
            assert!(everywhere || section.contains(&format!("`{field}`")), "events.md: {event} lacks {field}");
        }
    }
    for name in terminations.iter().chain(&names("error", "kind")) {
        assert!(events.contains(&format!("`{name}`")), "events.md lacks {name}");
    }
}

// ---- events.schema.json against real output ----

fn schema() -> Value {
    serde_json::from_str(&page("docs/reference/events.schema.json")).expect("the schema is JSON")
}

/// Checks lines, and that every field in them is documented; returns the names of the events.
fn check(lines: &[String]) -> BTreeSet<String> {
    let schema = schema();
    let mut seen = BTreeSet::new();
    for line in lines {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let name = value["event"].as_str().unwrap_or_else(|| panic!("no event: {line}"));
        let definition = &schema["$defs"][name];
        assert!(definition.is_object(), "{name} is not in the schema: {line}");
        if let Some(problem) = problem(definition, &value) {
            panic!("{problem}: {line}");
        }
        for field in value.as_object().expect("an object").keys() {
            assert!(definition["properties"].get(field).is_some(), "{name}.{field} is not in the schema");
        }
        seen.insert(name.to_owned());
    }
    let lasts = ["summary", "report", "comparison", "waited"].map(|name| format!("\"event\":\"{name}\""));
    let whole = lines.last().is_some_and(|line| lasts.iter().any(|last| line.contains(last)));
    assert!(whole, "ends with a summary: {lines:?}");
    seen
}

/// A callbox whose events are read as they come.
struct Run {
    child: Child,
    output: BufReader<ChildStdout>,
    lines: Vec<String>,
    _alarm: mpsc::Sender<()>,
}

impl Run {
    fn start(mut command: Command) -> Run {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("starts");
        let pid = Pid::from_child(&child);
        let (alarm, over) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            if over.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Run { child, output, lines: Vec::new(), _alarm: alarm }
    }

    fn callbox(words: &[&str]) -> Run {
        let mut command = Command::new(CALLBOX);
        command.arg("--json").args(words);
        Run::start(command)
    }

    /// Starts a server and returns it with its address.
    fn serve(words: &[&str]) -> (Run, String) {
        Run::callbox(&[&["serve", "127.0.0.1:0"], words].concat()).listening()
    }

    fn listening(mut self) -> (Run, String) {
        let address = self.wait_for("listening")["address"].as_str().expect("text").to_owned();
        (self, address)
    }

    fn wait_for(&mut self, event: &str) -> Value {
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).expect("reads");
            assert!(read > 0, "ended without {event}: {:?}", self.lines);
            let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            self.lines.push(line.trim_end().to_owned());
            if value["event"] == event {
                return value;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("is alive");
    }

    /// Waits for the end and returns the exit code and all lines.
    fn finish(mut self) -> (i32, Vec<String>) {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("reads");
        self.lines.extend(rest.lines().map(str::to_owned));
        let code = self.child.wait().expect("waits").code();
        (code.unwrap_or_else(|| panic!("ended by a signal: {:?}", self.lines)), std::mem::take(&mut self.lines))
    }

    fn end(self) -> (i32, Vec<String>) {
        self.signal(Signal::TERM);
        self.finish()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn dial(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("sets");
    stream
}

fn a_pipe() -> Vec<String> {
    let (listening, address) = Run::callbox(&["listen", "127.0.0.1:0", "--send-hex", "ff fe"]).listening();
    let (code, mut lines) = Run::callbox(&["connect", &address, "--send", "你好"]).finish();
    assert_eq!(code, 0);
    assert!(lines.iter().any(|line| line.contains("\"base64\":\"//4=\"")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("\"text\":\"你好\"")), "{lines:?}");
    let (code, heard) = listening.finish();
    assert_eq!(code, 0);
    lines.extend(heard);
    lines
}

fn nobody_there() -> Vec<String> {
    let (holder, address) = Run::serve(&[]);
    drop(holder);
    let (code, lines) = Run::callbox(&["connect", &address, "--retry", "1"]).finish();
    assert_eq!(code, 3);
    lines
}

fn suspended_and_drained() -> Vec<String> {
    let (mut server, address) = Run::serve(&["--echo", "--drain", "100ms"]);
    server.signal(Signal::USR1);
    server.wait_for("suspended");
    // A resume that comes before the listener has closed would leave it as it is. While it closes, attempts go unanswered.
    let socket = address.parse().expect("numbers");
    let refused = |error: std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
    while !TcpStream::connect_timeout(&socket, Duration::from_millis(100)).is_err_and(refused) {}
    server.signal(Signal::USR2);
    server.wait_for("resumed");
    server.wait_for("listening");
    let _open = dial(&address);
    server.wait_for("connected");
    server.signal(Signal::TERM);
    server.wait_for("draining");
    let (code, lines) = server.finish();
    assert_eq!(code, 143, "the drain deadline passed");
    assert!(lines.iter().any(|line| line.contains("\"limits\":{\"drain\":1}")), "{lines:?}");
    lines
}

fn full() -> Vec<String> {
    let (mut server, address) = Run::serve(&["--max-connections", "1", "--when-full", "refuse"]);
    let open = dial(&address);
    server.wait_for("connected");
    let _refused = dial(&address);
    server.wait_for("refused");
    drop(open);
    server.wait_for("closed");
    server.end().1
}

fn behind_a_proxy() -> Vec<String> {
    let (mut server, address) = Run::serve(&["--accept-proxy"]);
    let mut open = dial(&address);
    open.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n").expect("writes");
    let connected = server.wait_for("connected");
    assert_eq!((&connected["peer"], &connected["destination"]), (&"192.0.2.1:1".into(), &"192.0.2.2:2".into()));
    let _refused = dial(&address).write_all(b"hello");
    assert!(server.wait_for("refused")["message"].is_string());
    drop(open);
    server.wait_for("closed");
    let mut lines = server.end().1;
    let (listening, address) = Run::callbox(&["listen", "127.0.0.1:0", "--accept-proxy"]).listening();
    dial(&address).write_all(b"hello").expect("writes");
    let (code, heard) = listening.finish();
    assert_eq!(code, 4);
    assert!(heard.iter().any(|line| line.contains("\"kind\":\"proxy\"") && line.contains("\"exit\":4")), "{heard:?}");
    lines.extend(heard);
    lines
}

/// TLS by a certificate that is made now; and who does not speak it.
fn secured() -> Vec<String> {
    let mut command = Command::new(CALLBOX);
    let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reference-state");
    command.args(["serve", "127.0.0.1:0", "--tls", "--echo", "--json"]).env("XDG_STATE_HOME", state);
    let (mut server, address) = Run::start(command).listening();
    let words = ["connect", &address, "--tls", "--insecure", "--alpn", "h2", "--sni", "localhost", "--send", "hello"];
    let (code, mut lines) = Run::callbox(&words).finish();
    assert_eq!(code, 0);
    assert!(lines.iter().any(|line| line.contains("\"sha256\":\"")), "{lines:?}");
    server.wait_for("closed");
    dial(&address).write_all(b"hello").expect("writes");
    assert_eq!(server.wait_for("refused")["reason"], "not_tls");
    let (code, refused) = Run::callbox(&["connect", &address, "--tls", "--send", "hello"]).finish();
    assert_eq!(code, 4);
    lines.extend(server.end().1);
    lines.extend(refused);
    lines
}

/// A relay whose first upstream is gone, with a fault, and a mirror that answers something else.
fn relayed() -> Vec<String> {
    let (gone, nobody) = Run::serve(&[]);
    drop(gone);
    let (_echo, echo) = Run::serve(&["--echo"]);
    let (_other, other) = Run::serve(&["--reply", "other"]);
    let words =
        ["relay", "127.0.0.1:0", &nobody, &echo, "--balance", "first", "--mirror", &other, "--fault", "latency=1ms"];
    let (mut relay, address) = Run::callbox(&[&words[..], &["--tap", "both", "--once"]].concat()).listening();
    let mut open = dial(&address);
    relay.wait_for("upstream");
    open.write_all(b"hello").expect("writes");
    open.shutdown(Shutdown::Write).expect("ends");
    relay.wait_for("fault");
    relay.wait_for("mirror");
    drop(open);
    let (code, lines) = relay.finish();
    assert_eq!(code, 1, "the mirror answered something else");
    assert!(lines.iter().any(|line| line.contains("\"side\":\"server\"")), "{lines:?}");
    lines
}

/// Relays that are made by requests.
fn steered() -> Vec<String> {
    let mut relay = Run::callbox(&["relay", "--control", "127.0.0.1:0"]);
    relay.wait_for("control");
    relay.end().1
}

fn programs() -> Vec<String> {
    let (mut server, address) = Run::serve(&["--exec", "sh", "-c", "echo oops >&2"]);
    let open = dial(&address);
    server.wait_for("child");
    drop(open);
    server.wait_for("closed");
    let mut lines = server.end().1;
    let (mut server, address) = Run::serve(&["--exec", "/nowhere/to/be/found"]);
    let open = dial(&address);
    assert_eq!(server.wait_for("error")["session"], 1);
    drop(open);
    lines.extend(server.end().1);
    lines
}

/// The server runs out of descriptors, which a shell has taken from it.
fn paused() -> Vec<String> {
    let descriptors = 32 + 4 * std::thread::available_parallelism().map_or(1, usize::from);
    let mut command = Command::new("sh");
    let script = format!("ulimit -n {descriptors} && exec \"$0\" serve 127.0.0.1:0 --json --max-connections 100000");
    command.args(["-c", &script, CALLBOX]);
    let (mut server, address) = Run::start(command).listening();
    let open: Vec<TcpStream> = (0..descriptors).map(|_| dial(&address)).collect();
    server.wait_for("paused");
    drop(open);
    server.end().1
}

/// Nobody reads the events, so that some are dropped; the totals are right all the same.
fn lost() -> Vec<String> {
    const BYTES: usize = 32 << 20;
    let (server, address) = Run::serve(&["--discard"]);
    let mut stream = dial(&address);
    stream.write_all(&vec![b'a'; BYTES]).expect("writes");
    stream.shutdown(Shutdown::Write).expect("ends");
    assert_eq!(stream.read(&mut [0]).expect("our end of stream is answered"), 0);
    let (code, lines) = server.end();
    assert_eq!(code, 0);
    let summary: Value = serde_json::from_str(lines.last().expect("a summary")).expect("JSON");
    assert_eq!(summary["to_server_bytes"], BYTES);
    assert!(summary["lost_events"].as_u64() > Some(0), "{summary}");
    lines
}

/// One attempt that is answered, and one that is refused.
fn pinged() -> Vec<String> {
    let (_server, address) = Run::serve(&["--echo"]);
    let (code, mut lines) = Run::callbox(&["ping", &address, "-c", "1", "--send", "hello"]).finish();
    assert_eq!(code, 0);
    let (code, nothing) = Run::callbox(&["ping", "unix:/nowhere/at/all", "-c", "1"]).finish();
    assert_eq!(code, 3);
    lines.extend(nothing);
    lines
}

fn waited() -> Vec<String> {
    let (_server, address) = Run::serve(&["--echo"]);
    let (code, lines) = Run::callbox(&["wait", &address, "unix:/nowhere/at/all", "--timeout", "100ms"]).finish();
    assert_eq!(code, 124);
    lines
}

/// No server, exchanges, connections at a rate, a search that finds nothing, and two runs side by side.
fn benched() -> Vec<String> {
    let (holder, gone) = Run::serve(&[]);
    drop(holder);
    let (code, mut lines) = Run::callbox(&["bench", &gone, "-n", "1"]).finish();
    assert_eq!(code, 3);
    assert!(lines.iter().all(|line| line.contains("\"event\":\"error\"")), "{lines:?}");
    let (_server, address) = Run::serve(&["--echo"]);
    let kept = |name| Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).display().to_string();
    let (a, b) = (kept("reference-a.json"), kept("reference-b.json"));
    let echo = ["bench", &address, "--send", "hello", "--verify", "echo", "-c", "2"];
    let runs: [&[&str]; 4] = [
        &["-n", "20", "--save", &a],
        &["-n", "20", "--rate", "1k/s", "--warm-up", "10ms", "--renew", "--save", &b],
        &["-n", "20", "--fail-if", "errors>0"],
        &["-d", "20ms", "--find-rate", "p99<1ns"],
    ];
    for (run, expected) in runs.into_iter().zip([0, 0, 0, 1]) {
        let (code, report) = Run::callbox(&[&echo, run].concat()).finish();
        assert_eq!(code, expected, "{report:?}");
        lines.extend(report);
    }
    assert!(lines.last().is_some_and(|line| line.contains("\"best\":null")), "{lines:?}");
    let (code, connected) = Run::callbox(&["bench", &address, "-n", "20", "-c", "2"]).finish();
    assert_eq!(code, 0);
    let (code, compared) = Run::callbox(&["bench", "--compare", &a, &b]).finish();
    assert_eq!(code, 0);
    lines.extend(connected);
    lines.extend(compared);
    lines
}

#[test]
fn every_event_of_real_runs_is_in_the_schema() {
    let mut seen = BTreeSet::new();
    let scenarios = [
        a_pipe,
        nobody_there,
        suspended_and_drained,
        full,
        behind_a_proxy,
        secured,
        relayed,
        steered,
        programs,
        paused,
        lost,
        pinged,
        waited,
        benched,
    ];
    for scenario in scenarios {
        seen.extend(check(&scenario()));
    }
    let schema = schema();
    let defined: BTreeSet<String> = schema["$defs"].as_object().expect("definitions").keys().cloned().collect();
    let missing: Vec<&String> = defined.difference(&seen).collect();
    assert!(missing.is_empty(), "events that no run has shown: {missing:?}");
    let listed = schema["oneOf"].as_array().expect("a list").iter();
    let listed: BTreeSet<String> =
        listed.map(|entry| entry["$ref"].as_str().expect("a reference").replace("#/$defs/", "")).collect();
    assert_eq!(listed, defined, "oneOf lists every definition");
}

#[test]
fn the_validator_sees_what_is_wrong() {
    let definition = &schema()["$defs"]["data"];
    let line = r#"{"v":1,"event":"data","time":"x","session":1,"direction":"to_server","bytes":5,"text":"hello"}"#;
    let good: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(problem(definition, &good), None);
    let bad = [("v", Value::from(2)), ("session", Value::from(0)), ("direction", "up".into()), ("bytes", "5".into())];
    for (field, bad) in bad {
        let mut wrong = good.clone();
        wrong[field] = bad;
        assert!(problem(definition, &wrong).is_some(), "{wrong}");
    }
    let mut short = good;
    short.as_object_mut().expect("an object").remove("bytes");
    assert!(problem(definition, &short).is_some(), "{short}");
}
