//! Resident memory of a server for each of 10,000 idle connections.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use super::peer::{CALLBOX, Peer, order};
use super::peers;
use super::report::{Section, Target, table};
use super::sample::Sample;
use super::server::{Process, Server};
use super::setup::Setup;

const CONNECTIONS: usize = 10_000;
/// KiB for each, session, meter and limits included.
const TARGET_KIB: f64 = 1.2;
const ACCEPT_LIMIT: Duration = Duration::from_secs(30);
/// Lets the server finish what it does after accepting before its memory is read.
const SETTLE: Duration = Duration::from_millis(300);

struct Row {
    peer: Peer,
    accepted: Sample,
    echoed: Sample,
    problem: Option<String>,
}

/// Measures every server, in rounds.
pub(crate) fn measure(setup: &Setup) -> Section {
    let connections = CONNECTIONS.min(setup.most_connections);
    let mut section = Section::new("Memory of an idle connection");
    section.say(&format!(
        "Resident memory (VmRSS) with {connections} connections less that without, divided by {connections}; once when all \
         are accepted and nothing was ever sent, once after one echo of 64 bytes on each. What the kernel holds is not in it."
    ));
    let make = |peer| Row { peer, accepted: Sample::default(), echoed: Sample::default(), problem: None };
    let mut rows: Vec<Row> = peers::memory(setup).into_iter().map(make).collect();
    for round in 0..setup.options.rounds_of_peers() {
        for index in order(rows.len(), round) {
            let row = &mut rows[index];
            if row.problem.is_some() {
                continue;
            }
            match hold(setup, &row.peer, connections) {
                Ok((accepted, echoed)) => {
                    eprintln!(
                        "memory, round {}: {}: {accepted:.3} KiB, {echoed:.3} after an echo",
                        round + 1,
                        row.peer.name
                    );
                    row.accepted.push(accepted);
                    row.echoed.push(echoed);
                }
                Err(problem) => {
                    eprintln!("memory: {}: {problem}", row.peer.name);
                    row.problem = Some(problem);
                }
            }
        }
    }
    section.say(&table(&["server", "KiB, accepted", "KiB, after an echo"], rows.iter().map(show)));
    for row in &rows {
        section.command(&row.peer);
    }
    if let Some(own) = rows.iter().find(|row| row.peer.name == CALLBOX) {
        let what = |when: &str| format!("KiB for each of {connections} idle connections, {when}");
        section.judge(Target::at_most(&what("accepted"), TARGET_KIB, own.accepted.median()));
        section.judge(Target::at_most(&what("after an echo"), TARGET_KIB, own.echoed.median()));
    }
    section
}

fn show(row: &Row) -> Vec<String> {
    match &row.problem {
        Some(problem) => vec![row.peer.name.to_owned(), format!("not measured: {problem}")],
        None => vec![row.peer.name.to_owned(), row.accepted.show(3), row.echoed.show(3)],
    }
}

/// Returns KiB for each connection, before and after an echo.
fn hold(setup: &Setup, peer: &Peer, connections: usize) -> Result<(f64, f64), String> {
    let server = Server::start(peer, setup)?;
    std::thread::sleep(SETTLE);
    let (descriptors, before) = (server.descriptors(), server.resident_bytes());
    let each = |now: u64| (now as f64 - before as f64) / connections as f64 / 1024.0;
    let mut holder = Holder::start(setup, &server, connections, &[])?;
    let deadline = Instant::now() + ACCEPT_LIMIT;
    while server.descriptors() < descriptors + connections {
        if Instant::now() > deadline {
            return Err(format!("accepted only {}", server.descriptors().saturating_sub(descriptors)));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(SETTLE);
    let accepted = each(server.resident_bytes());
    holder.echo(connections)?;
    std::thread::sleep(SETTLE);
    Ok((accepted, each(server.resident_bytes())))
}

/// The client that holds the connections; it ends when this value is dropped.
pub(super) struct Holder {
    orders: ChildStdin,
    says: BufReader<ChildStdout>,
    _process: Process,
}

impl Holder {
    /// Starts it; it holds `connections` when this returns.
    pub(super) fn start(setup: &Setup, server: &Server, connections: usize, more: &[String]) -> Result<Holder, String> {
        let words = ["hold", &server.addr.to_string(), "--connections", &connections.to_string()].map(String::from);
        let command = [&[setup.reference("reference-load")][..], &words, more].concat();
        let mut process = Process::start(&command, setup.client_core, |command| {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        })?;
        let (orders, says) = process.child.stdin.take().zip(process.child.stdout.take()).ok_or("no pipes")?;
        let mut holder = Holder { orders, says: BufReader::new(says), _process: process };
        holder.expect(&format!("connected {connections}"))?;
        Ok(holder)
    }

    /// Has one message echoed on each of them.
    pub(super) fn echo(&mut self, connections: usize) -> Result<(), String> {
        self.orders.write_all(b"echo\n").map_err(|error| error.to_string())?;
        self.expect(&format!("echoed {connections}"))
    }

    fn expect(&mut self, due: &str) -> Result<(), String> {
        let mut line = String::new();
        self.says.read_line(&mut line).map_err(|error| error.to_string())?;
        if line.trim_end() == due {
            Ok(())
        } else {
            Err(format!("the client said '{}' instead of '{due}'", line.trim_end()))
        }
    }
}
