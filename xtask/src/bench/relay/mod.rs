//! Relays: callbox beside its peers and two yardsticks, between ends that are driven alike.
//!
//! The relay has one core, both ends share the other one and are one process, and all of it happens in a network
//! namespace of its own where that is allowed.

pub(crate) mod bulk;
pub(crate) mod faults;
pub(crate) mod memory;
mod peers;
pub(crate) mod rate;
pub(crate) mod response;
pub(crate) mod tls;

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::load::{self, Found};
use super::peer::{CALLBOX, Peer};
use super::report::Section;
use super::rounds::{self, Row};
use super::server::{Server, free_port};
use super::setup::Setup;

/// Before the window: buffers fill up, and TCP windows open.
const WARM_UP_MS: usize = 200;

/// Makes a section of figures, in a namespace where that is allowed.
fn section(title: &'static str, setup: &Setup, measure: impl FnOnce(&mut Section) + Send) -> Section {
    super::network::apart(|note| {
        let mut section = Section::new(title);
        section.say(&format!(
            "Relays are pinned to one core, both ends (one process) to the other, so a relay has one thread where it can choose: \
             one thread is a thread a core here, for the yardsticks too. {:.1} s each; {} rounds of callbox and the yardsticks, \
             always next to each other, {} of the others, {} of those that start a process a connection. {note}",
            setup.options.relay_window().as_secs_f64(),
            setup.options.relay_rounds(),
            setup.options.relay_rounds_of_peers(),
            setup.options.relay_rounds_of_slow_peers(),
        ));
        measure(&mut section);
        section
    })
}

/// Measures all relays under the same load.
///
/// Some disturbed runs are made again, but no more than one for two relays: the whole must not take for ever on a
/// machine that is never quiet.
fn compare(setup: &Setup, peers: Vec<Peer>, kept: usize, kind: &str, words: &[String]) -> Vec<Row> {
    let again = Cell::new(peers.len() / 2);
    let measure = |peer: &Peer| {
        let attempts = setup.options.relay_attempts().min(1 + again.get());
        let made = Cell::new(0);
        let found = rounds::undisturbed(peer, kind, attempts, || {
            made.set(made.get() + 1);
            run(setup, peer, kind, words)
        })?;
        again.set(again.get() + 1 - made.get());
        let short: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.contains(' ')).collect();
        eprintln!("relay, {kind} {}: {}: {}", short.join(" "), peer.name, brief(kind, &found));
        Ok(found)
    };
    rounds::compare_by(peers, kept, |peer| rounds_of(peer, setup), measure)
}

fn rounds_of(peer: &Peer, setup: &Setup) -> usize {
    match peer.name {
        CALLBOX | peers::RAW_COPY | peers::RAW_SPLICE | peers::DIRECT => setup.options.relay_rounds(),
        name if name.starts_with(CALLBOX) => setup.options.relay_rounds(),
        _ if peer.forks => setup.options.relay_rounds_of_slow_peers(),
        _ => setup.options.relay_rounds_of_peers(),
    }
}

/// Puts load on a fresh relay, or on the upstream itself.
fn run(setup: &Setup, peer: &Peer, kind: &str, words: &[String]) -> Result<Found, String> {
    let upstream = free_address()?;
    let mut more = words.to_vec();
    more.extend(["--upstream".into(), upstream.to_string(), "--warm-up-ms".into(), WARM_UP_MS.to_string()]);
    let window = setup.options.relay_window();
    if peer.name == peers::DIRECT {
        return load::run_at(setup, upstream, None, window, kind, &more);
    }
    let server = Server::start(&peer.towards(upstream), setup)?;
    load::run_at(setup, server.addr, Some(server.pid()), window, kind, &more)
}

fn free_address() -> Result<SocketAddrV4, String> {
    let port = free_port().map_err(|error| format!("no free port: {error}"))?;
    Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

fn brief(kind: &str, found: &Found) -> String {
    match kind {
        "bulk" | "tls-bulk" => format!("{:.2} GiB/s, {:.2} CPU s/GiB", bulk::gib_s(found), bulk::cpu_s_per_gib(found)),
        _ => format!("{:.0}/s, p50 {:.1} us, p99 {:.1} us", found.rate(), response::p50(found), response::p99(found)),
    }
}

/// Notes the commands of relays; the direct way has none.
fn commands(section: &mut Section, rows: &[Row]) {
    rows.iter().filter(|row| row.peer.name != peers::DIRECT).for_each(|row| section.command(&row.peer));
}

/// Returns a line that says why there are no figures, if there are none.
fn unmeasured(row: &Row) -> Option<Vec<String>> {
    let problem = || format!("not measured: {}", row.problem.clone().unwrap_or_default());
    (!row.measured()).then(|| vec![row.peer.name.to_owned(), problem()])
}
