//! Memory of a generator for each connection that it holds idle.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{OWN, closed, drive, generator};
use crate::bench::load::Found;
use crate::bench::peer::Peer;
use crate::bench::report::{Section, Target, table};
use crate::bench::rounds::{self, Row, row};
use crate::bench::server::{Process, Server};
use crate::bench::setup::Setup;

const CONNECTIONS: usize = 50_000;
const TARGET_KIB: f64 = 2.0;
/// Source addresses: each has about 28,000 ports where nobody has changed that.
const SOURCES: [&str; 4] = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"];
const OPEN_LIMIT: Duration = Duration::from_secs(60);
/// Lets the generator finish what it does after connecting before its memory is read.
const SETTLE: Duration = Duration::from_millis(500);
/// Ended before by whoever reads its memory.
const LENGTH: &str = "120s";

const RAW: &str = "raw epoll load client";

/// Measures.
pub(crate) fn measure(setup: &Setup) -> Section {
    super::section("Generator: idle connections", setup, |section| {
        let connections = CONNECTIONS.min(setup.most_connections);
        let short = match connections < CONNECTIONS {
            true => format!(
                " {CONNECTIONS} were wanted, {connections} is what the descriptor limit here allows one process."
            ),
            false => String::new(),
        };
        section.say(&format!(
            "Connections to the raw epoll server, opened and held, from {} source addresses by `callbox bench`; the raw client \
             holds descriptors and nothing else. Resident memory of the generator (`/proc/PID/smaps_rollup`) with {connections} \
             connections less that of another process with one, divided by {connections}. That they are open is counted at the \
             server. What the kernel holds is not in it.{short}",
            SOURCES.len()
        ));
        let server = closed::server(setup);
        section.command(&server);
        let peers = peers(setup, connections);
        let measure = |peer: &Peer| {
            let found = hold(setup, &server, peer, connections)?;
            eprintln!("generator, idle: {}: {:.3} KiB each", peer.name, kib(&found));
            Ok(found)
        };
        let rows = rounds::compare_by(peers, 2, |_| setup.options.relay_rounds_of_peers(), measure);
        section.commands(&rows);
        let line = |row: &Row| {
            let mib = |figure: fn(&Found) -> f64| row.sample(figure).show(2);
            super::unmeasured(row).unwrap_or_else(|| {
                let name = row.peer.name.to_owned();
                vec![
                    name,
                    row.sample(kib).show(3),
                    mib(|found| found.value("one_mib")),
                    mib(|found| found.value("all_mib")),
                ]
            })
        };
        let all = format!("MiB with {connections}");
        section.say(&table(&["generator", "KiB each", "MiB with one", &all], rows.iter().map(line)));
        let found = row(&rows, OWN).and_then(|own| own.sample(kib).median());
        let what = format!("generator, KiB for each of {connections} idle connections");
        section.judge(Target::at_most(&what, TARGET_KIB, found));
    })
}

fn kib(found: &Found) -> f64 {
    found.value("each_kib")
}

fn peers(setup: &Setup, connections: usize) -> Vec<Peer> {
    let count = connections.to_string();
    let mut flags = vec!["--mode", "idle", "-c", &count, "-d", LENGTH];
    flags.extend(SOURCES.iter().flat_map(|source| ["--source", source]));
    let raw = [&*setup.reference("reference-load"), "hold", "{addr}", "--connections", &count];
    vec![super::own(setup, OWN, &flags), generator(RAW, &raw)]
}

/// Holds one connection, then all of them, each time with fresh processes.
fn hold(setup: &Setup, server: &Peer, peer: &Peer, connections: usize) -> Result<Found, String> {
    let one = resident(setup, server, &with_one(peer, connections), 1)?;
    let all = resident(setup, server, peer, connections)?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let each = (all as f64 - one as f64) / connections as f64 / 1024.0;
    Ok(Found::read(&format!("each_kib={each} one_mib={} all_mib={}", mib(one), mib(all))))
}

/// Returns the same generator with a single connection.
fn with_one(peer: &Peer, connections: usize) -> Peer {
    let mut peer = peer.clone();
    peer.command.iter_mut().filter(|word| **word == connections.to_string()).for_each(|word| *word = "1".into());
    peer
}

/// Returns a generator's resident memory while it holds so many connections.
fn resident(setup: &Setup, server: &Peer, peer: &Peer, connections: usize) -> Result<u64, String> {
    let server = Server::start(server, setup)?;
    let before = server.descriptors();
    let errors = setup.folder.join("generator-errors");
    let log = fs::File::create(&errors).map_err(|error| error.to_string())?;
    // The raw client holds for as long as its standard input is open.
    let mut process = Process::start(&drive::command(peer, &server), setup.client_core, |command| {
        command.stdin(Stdio::piped()).stderr(log);
    })?;
    let deadline = Instant::now() + OPEN_LIMIT;
    loop {
        let held = server.descriptors().saturating_sub(before);
        if held >= connections {
            break;
        }
        if let Some(status) = process.child.try_wait().map_err(|error| error.to_string())? {
            let said = fs::read_to_string(&errors).unwrap_or_default();
            return Err(format!("{status} with {held} connections: {}", said.lines().next_back().unwrap_or("")));
        }
        if Instant::now() > deadline {
            return Err(format!("{held} of {connections} connections after {} s", OPEN_LIMIT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(SETTLE);
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.child.id()));
    let bytes = resident_of(&rollup.map_err(|error| format!("smaps_rollup: {error}"))?);
    let held = server.descriptors().saturating_sub(before);
    match bytes {
        Some(bytes) if held >= connections => Ok(bytes),
        Some(_) => Err(format!("{held} of {connections} connections stayed")),
        None => Err("smaps_rollup has no line Rss".into()),
    }
}

/// Reads the line `Rss:` of smaps_rollup.
fn resident_of(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        let rollup = "5580-7fff ---p 00000000 00:00 0   [rollup]\nRss:                3924 kB\nPss:       12 kB\n";
        assert_eq!(resident_of(rollup), Some(3924 * 1024));
        assert_eq!(resident_of("Pss: 1 kB\n"), None);
    }

    #[test]
    fn one_connection_is_asked_for_with_the_same_flags() {
        let peer = generator("x", &["x", "-c", "19900", "-d", "120s"]);
        assert_eq!(with_one(&peer, 19_900).command, ["x", "-c", "1", "-d", "120s"]);
    }
}
