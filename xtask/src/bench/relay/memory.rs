//! Resident memory and descriptors of a relay for each of 5,000 idle sessions.

use std::time::{Duration, Instant};

use super::peers::{self, Purpose};
use crate::bench::load::Found;
use crate::bench::memory::Holder;
use crate::bench::peer::{CALLBOX, Peer};
use crate::bench::report::{Section, Target, table};
use crate::bench::rounds::{self, Row, row};
use crate::bench::server::Server;
use crate::bench::setup::Setup;

const SESSIONS: usize = 5_000;
const TARGET_KIB: f64 = 1.5;
const TARGET_DESCRIPTORS: f64 = 2.0;
const OPEN_LIMIT: Duration = Duration::from_secs(20);
/// Lets the relay finish what it does after accepting before its memory is read.
const SETTLE: Duration = Duration::from_millis(300);

/// Measures every relay, in rounds.
pub(crate) fn measure(setup: &Setup) -> Section {
    super::section("Relay: memory of an idle session", setup, |section| {
        // Both ends are one process, and a relay has two descriptors a session.
        let sessions = SESSIONS.min(setup.most_connections / 2);
        section.say(&format!(
            "Resident memory (VmRSS) and descriptors with {sessions} sessions less those without, divided by {sessions}; once \
             when all are made and nothing was ever sent, once after one echo of 64 bytes on each. What the kernel holds is not \
             in it. As many rounds as of relays that start a process a connection, which are left out."
        ));
        let rounds = setup.options.relay_rounds_of_slow_peers();
        let measure = |peer: &Peer| {
            let found = hold(setup, peer, sessions)?;
            eprintln!("relay memory: {}: {:.3} KiB, {:.3} after an echo", peer.name, made(&found), echoed(&found));
            Ok(found)
        };
        let rows = rounds::compare_by(peers::relays(setup, Purpose::Memory), 2, |_| rounds, measure);
        super::commands(section, &rows);
        section.say(&table(&["relay", "KiB, made", "KiB, after an echo", "descriptors"], rows.iter().map(show)));
        let own = row(&rows, CALLBOX);
        let median = |figure: rounds::Figure| own.and_then(|own| own.sample(figure).median());
        let what = |figure: &str| format!("relay, each of {sessions} idle sessions: {figure}");
        section.judge(Target::at_most(&what("KiB, made"), TARGET_KIB, median(made)));
        section.judge(Target::at_most(&what("KiB, after an echo"), TARGET_KIB, median(echoed)));
        section.judge(Target::at_most(&what("descriptors"), TARGET_DESCRIPTORS, median(descriptors)));
    })
}

fn made(found: &Found) -> f64 {
    found.value("made_kib")
}

fn echoed(found: &Found) -> f64 {
    found.value("echoed_kib")
}

fn descriptors(found: &Found) -> f64 {
    found.value("descriptors")
}

fn show(row: &Row) -> Vec<String> {
    super::unmeasured(row).unwrap_or_else(|| {
        let figures = [(made as rounds::Figure, 3), (echoed, 3), (descriptors, 3)];
        let figures = figures.map(|(figure, digits)| row.sample(figure).show(digits));
        [&[row.peer.name.to_owned()][..], &figures].concat()
    })
}

/// Holds sessions through a fresh relay and looks at it before and after an echo on each.
fn hold(setup: &Setup, peer: &Peer, sessions: usize) -> Result<Found, String> {
    let upstream = super::free_address()?;
    let server = Server::start(&peer.towards(upstream), setup)?;
    std::thread::sleep(SETTLE);
    let (descriptors, resident) = (server.descriptors(), server.resident_bytes());
    let kib = |now: u64| (now as f64 - resident as f64) / sessions as f64 / 1024.0;
    let mut holder = Holder::start(setup, &server, sessions, &["--upstream".into(), upstream.to_string()])?;
    let deadline = Instant::now() + OPEN_LIMIT;
    while server.descriptors() < descriptors + 2 * sessions {
        if Instant::now() > deadline {
            return Err(format!("has only {} descriptors more", server.descriptors().saturating_sub(descriptors)));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(SETTLE);
    let made = kib(server.resident_bytes());
    holder.echo(sessions)?;
    std::thread::sleep(SETTLE);
    let (echoed, now) = (kib(server.resident_bytes()), server.descriptors());
    let each = (now as f64 - descriptors as f64) / sessions as f64;
    Ok(Found::read(&format!("made_kib={made} echoed_kib={echoed} descriptors={each}")))
}
