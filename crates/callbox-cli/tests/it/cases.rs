//! The 24 cases of a byte pipe: for `connect` and `listen`, for each direction, data and the end of stream must get
//! through while the other direction is quiet, is full and blocked, or has already ended.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use callbox_testkit::{
    Callbox, Inlet, Input, Outlet, Output, Peer, Process, Script, Server, eventually, free_address, patience, pattern,
    quick, requires, scaled,
};

use crate::cli;
use crate::tls_kit::{Adapter, Kit, kit};

/// Offered to a direction nobody reads; far more than all the buffers on the way hold.
const FLOOD: usize = 24 * 1024 * 1024;
/// Must get through besides a first few bytes; more than one pipe's buffer.
const CARGO: usize = 256 * 1024;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Command {
    Connect,
    Listen,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Direction {
    StdinToNet,
    NetToStdout,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Other {
    Quiet,
    Blocked,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Data,
    EndOfStream,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    command: Command,
    direction: Direction,
    other: Other,
    what: What,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, direction, other, what } = self;
        write!(f, "{command:?}, {direction:?}, other direction {other:?}: {what:?}")
    }
}

fn all_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for command in [Command::Connect, Command::Listen] {
        for direction in [Direction::StdinToNet, Direction::NetToStdout] {
            for other in [Other::Quiet, Other::Blocked, Other::Ended] {
                for what in [What::Data, What::EndOfStream] {
                    cases.push(Case { command, direction, other, what });
                }
            }
        }
    }
    cases
}

/// A program that claims to be a byte pipe.
#[derive(Clone, Copy)]
struct Contestant {
    connect: fn(SocketAddr, Between) -> Callbox,
    listen: fn(Between) -> (Callbox, Bound),
    /// How long something may take to get through before it counts as stuck.
    limit: Duration,
    /// Whether everything queued must also arrive, complete, and the program exit with 0.
    strict: bool,
    /// What stands between the contestant and the test's own plain connection.
    between: Between,
}

/// What stands between a contestant and the test's own connection.
#[derive(Clone, Copy)]
enum Between {
    Nothing,
    /// TLS by OpenSSL; with these words.
    Tls(&'static Kit, &'static [&'static str]),
}

/// How a listening contestant tells where it listens.
enum Bound {
    ReadyLine,
    KnownBefore(SocketAddr, &'static str),
}

/// A running contestant between a pipe pair and a connection.
struct Joint {
    process: Process,
    stdin: Option<Inlet>,
    stdout: Outlet,
    net_in: Option<Inlet>,
    net_out: Outlet,
    _between: Option<Adapter>,
}

impl Joint {
    fn new(contestant: Contestant, command: Command) -> Self {
        let pipes = |program: Callbox| program.input(Input::Piped).output(Output::Held).start();
        let (mut process, peer, between) = match command {
            Command::Connect => {
                let server = Server::binds();
                let (address, between) = match contestant.between {
                    Between::Nothing => (server.address(), None),
                    Between::Tls(kit, words) => {
                        let adapter = kit.server(server.address(), "server.pem", words);
                        (adapter.address, Some(adapter))
                    }
                };
                (pipes((contestant.connect)(address, contestant.between)), server.accepts(), between)
            }
            Command::Listen => {
                let (program, bound) = (contestant.listen)(contestant.between);
                let process = pipes(program);
                let address = match bound {
                    Bound::ReadyLine => process.ready(),
                    Bound::KnownBefore(address, line) => {
                        process.says(line);
                        address
                    }
                };
                let (address, between) = match contestant.between {
                    Between::Nothing => (address, None),
                    Between::Tls(kit, words) => {
                        let adapter = kit.client(address, words);
                        (adapter.address, Some(adapter))
                    }
                };
                (process, Peer::connects(address), between)
            }
        };
        let stream = || peer.stream().try_clone().expect("a descriptor");
        let (stdin, stdout) = (process.take_input().into(), process.take_output().into());
        let (net_in, net_out) = (Some(stream().into()), stream().into());
        Self { process, stdin: Some(stdin), stdout, net_in, net_out, _between: between }
    }

    /// Returns where a direction is fed.
    fn inlet(&mut self, direction: Direction) -> &mut Option<Inlet> {
        match direction {
            Direction::StdinToNet => &mut self.stdin,
            Direction::NetToStdout => &mut self.net_in,
        }
    }

    /// Returns where a direction comes out.
    fn outlet(&self, direction: Direction) -> &Outlet {
        match direction {
            Direction::StdinToNet => &self.net_out,
            Direction::NetToStdout => &self.stdout,
        }
    }
}

type Filler = Script<(Inlet, std::io::Result<()>)>;

/// Plays one case; an error says what did not get through.
fn play(contestant: Contestant, case: Case) -> Result<(), String> {
    let limit = contestant.limit;
    let mut joint = Joint::new(contestant, case.command);
    let other = match case.direction {
        Direction::StdinToNet => Direction::NetToStdout,
        Direction::NetToStdout => Direction::StdinToNet,
    };
    let filler: Option<Filler> = match case.other {
        Other::Quiet => None,
        Other::Blocked => Some(joint.inlet(other).take().expect("not used yet").fills(flood())?),
        Other::Ended => {
            joint.inlet(other).take().expect("not used yet").ends();
            let passed_on = joint.outlet(other).reads_to_end(limit);
            if contestant.strict {
                passed_on.map_err(|why| format!("the other direction's own end: {why}"))?;
            }
            None
        }
    };
    let result = gets_through(&mut joint, case, limit);
    if result.is_err() || !contestant.strict {
        // Ends the contestant, so that nothing waits for a stuck pipe; the filler may then end as it must.
        let Joint { process, stdout, net_out, _between: between, .. } = joint;
        drop((process, stdout, net_out, between));
        return result;
    }
    settle(joint, case, other, filler)
}

fn gets_through(joint: &mut Joint, case: Case, limit: Duration) -> Result<(), String> {
    let cargo = pattern(CARGO, 24);
    let mut inlet = joint.inlet(case.direction).take().expect("fed once");
    // In a thread: a pipe that is stuck takes no more than its buffer.
    let sent = cargo.clone();
    let end = case.what == What::EndOfStream;
    let writer = Script::runs(move || {
        let _ = inlet.writes(&sent);
        if end {
            inlet.ends();
            return None;
        }
        Some(inlet)
    });
    let outlet = joint.outlet(case.direction);
    let result = outlet.reads_exactly(CARGO, limit).and_then(|got| {
        if got != cargo {
            return Err("other bytes than were sent".to_owned());
        }
        if end {
            let rest = outlet.reads_to_end(limit)?;
            return if rest.is_empty() { Ok(()) } else { Err(format!("{} bytes nobody sent", rest.len())) };
        }
        Ok(())
    });
    if result.is_err() {
        // Unblocks the writer: its reader goes away with the contestant.
        joint.process.signal(callbox_testkit::Signal::KILL);
        let _ = rustix::net::shutdown(&joint.net_out, rustix::net::Shutdown::Both);
    }
    *joint.inlet(case.direction) = writer.joins();
    result.map_err(|why| format!("{:?}: {why}", case.what))
}

/// Lets what was blocked flow, ends what is still open, and expects everything to arrive and the program to exit.
fn settle(mut joint: Joint, case: Case, other: Direction, filler: Option<Filler>) -> Result<(), String> {
    if let Some(filler) = filler {
        let got = joint.outlet(other).reads_exactly(FLOOD, patience()).map_err(|why| format!("released: {why}"))?;
        let (inlet, written) = filler.joins();
        written.map_err(|error| format!("released: {error}"))?;
        if got != *flood() {
            return Err("what was queued arrived changed".to_owned());
        }
        *joint.inlet(other) = Some(inlet);
    }
    for direction in [case.direction, other] {
        if let Some(inlet) = joint.inlet(direction).take() {
            inlet.ends();
            let rest = joint.outlet(direction).reads_to_end(patience()).map_err(|why| format!("at the end: {why}"))?;
            if !rest.is_empty() {
                return Err(format!("{} bytes too many in {direction:?}", rest.len()));
            }
        }
    }
    let outcome = joint.process.ends();
    match outcome.status.code() {
        Some(0) => Ok(()),
        code => Err(format!("exit {code:?}: {}", outcome.stderr)),
    }
}

fn flood() -> Arc<Vec<u8>> {
    static FLOODED: OnceLock<Arc<Vec<u8>>> = OnceLock::new();
    Arc::clone(FLOODED.get_or_init(|| Arc::new(pattern(FLOOD, 12))))
}

/// Plays all cases at once and returns each with its result.
fn round(contestant: Contestant) -> Vec<(Case, Result<(), String>)> {
    let running: Vec<_> =
        all_cases().into_iter().map(|case| (case, Script::runs(move || play(contestant, case)))).collect();
    running.into_iter().map(|(case, script)| (case, script.joins())).collect()
}

fn report(name: &str, results: &[(Case, Result<(), String>)]) -> usize {
    let passed = results.iter().filter(|(_, result)| result.is_ok()).count();
    println!("{name}: {passed} of {}", results.len());
    for (case, result) in results {
        if let Err(why) = result {
            println!("  {case}: {why}");
        }
    }
    passed
}

/// The program under test, strictly.
fn callbox(between: Between) -> Contestant {
    Contestant {
        connect: |address, between| cli::connect(address, []).args(between.words("connect")),
        listen: |between| (cli::listen([]).args(between.words("listen")), Bound::ReadyLine),
        limit: patience(),
        strict: true,
        between,
    }
}

impl Between {
    /// Returns the flags by which callbox talks with it.
    fn words(self, command: &str) -> Vec<String> {
        let Self::Tls(kit, _) = self else { return Vec::new() };
        let (flag, file) = if command == "connect" { ("--ca", "ca.pem") } else { ("--cert", "server.pem") };
        vec!["--tls".to_owned(), flag.to_owned(), kit.file(file)]
    }
}

#[test]
fn both_directions_of_a_byte_pipe_are_independent_in_24_of_24_cases() {
    let contestant = callbox(Between::Nothing);
    for number in 1..=if quick() { 2 } else { 20 } {
        let results = round(contestant);
        assert_eq!(report(&format!("round {number}"), &results), 24, "round {number}: {results:#?}");
    }
}

fn passes_all_over_tls(words: &'static [&'static str]) {
    let kit: &'static Kit = Box::leak(Box::new(kit!()));
    let results = round(callbox(Between::Tls(kit, words)));
    assert_eq!(report("over TLS", &results), 24, "{results:#?}");
    kit.clear();
}

#[test]
fn both_directions_over_tls_1_3_are_independent_in_24_of_24_cases() {
    passes_all_over_tls(&["--min", "1.3"]);
}

/// With a peer that goes on reading after a `close_notify`, as most do; what one does that keeps to the letter of RFC 5246 is
/// in `tls_python`.
#[test]
fn both_directions_over_tls_1_2_are_independent_in_24_of_24_cases() {
    passes_all_over_tls(&["--max", "1.2"]);
}

/// The harness itself: it must be able to tell a pipe that fails some of the cases from one that fails none.
#[test]
fn the_24_cases_tell_ncat_from_a_pipe_with_independent_directions() {
    requires!(tool("ncat"));
    let contestant = Contestant {
        connect: |address, _| Callbox::new("ncat").args([address.ip().to_string(), address.port().to_string()]),
        listen: |_| {
            let address = free_address();
            let (host, port) = (address.ip().to_string(), address.port().to_string());
            (Callbox::new("ncat").args(["-v", "-l", &host, &port]), Bound::KnownBefore(address, "Listening on"))
        },
        limit: scaled(Duration::from_millis(500)),
        strict: false,
        between: Between::Nothing,
    };
    let results = round(contestant);
    let passed = report("ncat", &results);
    let quiet = results.iter().filter(|(case, _)| case.other == Other::Quiet && case.what == What::Data);
    for (case, result) in quiet {
        assert_eq!(*result, Ok(()), "the harness fails what every pipe can do: {case}");
    }
    assert!(passed < 24, "the harness finds nothing wrong with a pipe known to fail some of the cases");
}

#[test]
fn a_listening_pipe_takes_the_first_client_and_no_second() {
    let listener = cli::listen([]).input(Input::Piped).start();
    let address = listener.ready();
    let mut first = Peer::connects(address);
    first.sends("first");
    listener.shows("first");
    eventually("a second client refused", patience(), || match std::net::TcpStream::connect(address) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        other => Err(format!("{other:?}")),
    });
    first.ends();
    listener.exits(0).wrote("first");
}
