//! One and four streams, each way, beside iperf3: each with a server of its own kind.

use std::time::Duration;

use super::{OWN, drive::drive, generator, results};
use crate::bench::load::Found;
use crate::bench::peer::{Answer, Peer};
use crate::bench::report::{Section, Target, table};
use crate::bench::rounds::{Row, row, steadiness_by};
use crate::bench::server::Server;
use crate::bench::setup::Setup;
use crate::workspace::program;

const STREAMS: [usize; 2] = [1, 4];
const IPERF3: &str = "iperf3";
/// Not judged: tells what is the generator's and what its server's.
const PLAIN: &str = "callbox bench, plain other end";
/// The throughput must reach iperf3's.
const RATE_TARGET: f64 = 1.0;
/// For no more of the client's processor time.
const CPU_TARGET: f64 = 1.0;

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::ToServer => "to the server",
            Way::ToClient => "to the client",
        }
    }

    fn mode(self) -> &'static str {
        match self {
            Way::ToServer => "send",
            Way::ToClient => "receive",
        }
    }

    /// What callbox calls the bytes.
    fn count(self) -> &'static str {
        match self {
            Way::ToServer => "to_server_bytes",
            Way::ToClient => "to_client_bytes",
        }
    }

    /// What its server does.
    fn handler(self) -> &'static str {
        match self {
            Way::ToServer => "--discard",
            Way::ToClient => "--generate",
        }
    }
}

/// Measures both counts of streams, each way.
pub(crate) fn measure(setup: &Setup) -> Section {
    super::section("Generator: bulk", setup, |section| {
        section.say(&format!(
            "As fast as it goes for {} s, no warm-up; {} rounds, all in each. `callbox bench` has \
             `callbox serve` at the other end, iperf3 has iperf3: neither can talk to the other's server, so a row is a pair of \
             programs. Rates are in GiB (2^30 bytes) a second as the client counts them, sent one way and received the other. \
             Processor time is looked at from outside, the same way for all: user and system, of the whole process from its start \
             to its end (`/proc/PID/stat`), divided by all the bytes it moved; *both ends* adds what the server used meanwhile. Neither is told \
             how much to write at once: iperf3 takes 128 KiB, callbox 512 KiB. In a last row, not judged, `callbox bench` has an \
             other end that belongs to neither and does the least: a thread a connection, which reads or writes 256 KiB at once.",
            length(setup).as_secs(),
            setup.options.relay_rounds(),
        ));
        for way in [Way::ToServer, Way::ToClient] {
            for streams in STREAMS {
                let kind = format!("generator, bulk {}, {streams}", way.name());
                let brief = |found: &Found| {
                    format!("{:.2} GiB/s, {:.3} CPU s/GiB at the client", gib_s(found), client_s_per_gib(found))
                };
                let peers = peers(setup, way, streams);
                let rows = super::compare(setup, &kind, peers, brief, |peer| run(setup, way, peer));
                section.commands(&rows);
                rows.iter().for_each(|row| section.command(&server(setup, way, row.peer.name)));
                let what = format!("{streams} stream{} {}", if streams == 1 { "" } else { "s" }, way.name());
                section.say(&format!("### {what}"));
                section.say(&show(&rows));
                section.say(&steadiness_by(&rows, IPERF3, gib_s));
                judge(section, &rows, &what);
            }
        }
    })
}

/// Returns for how long; iperf3 takes whole seconds.
fn length(setup: &Setup) -> Duration {
    Duration::from_secs(setup.options.window().as_secs().max(1))
}

fn peers(setup: &Setup, way: Way, streams: usize) -> Vec<Peer> {
    let (streams, seconds) = (streams.to_string(), length(setup).as_secs().to_string());
    let own = ["--mode", way.mode(), "-c", &streams, "-d", &super::seconds(length(setup).as_secs_f64())];
    let mut theirs = vec!["iperf3", "-c", "127.0.0.1", "-p", "{port}", "-P", &streams, "-t", &seconds, "-J"];
    theirs.extend((way == Way::ToClient).then_some("-R"));
    vec![super::own(setup, OWN, &own), generator(IPERF3, &theirs), super::own(setup, PLAIN, &own)]
}

/// Returns the server that a generator has.
fn server(setup: &Setup, way: Way, generator: &str) -> Peer {
    if generator == IPERF3 {
        // Bound to one address, it listens by IPv4, as the other one does.
        return Peer::new("iperf3, server", &["iperf3", "-s", "-B", "127.0.0.1", "-p", "{port}"], Answer::Reply);
    }
    if generator == PLAIN {
        let program = setup.reference("reference-ends");
        let words = [&*program, "127.0.0.1:{port}"];
        let more: &[&str] = if way == Way::ToClient { &["--generate"] } else { &[] };
        return Peer::new("plain other end", &[&words[..], more].concat(), Answer::Reply);
    }
    let binary = setup.callbox.display().to_string();
    let words = [&*binary, "serve", "127.0.0.1:0", way.handler(), "-q", "--ready-file", "{ready}"];
    Peer::new("callbox serve", &words, Answer::Reply)
}

fn run(setup: &Setup, way: Way, peer: &Peer) -> Result<Found, String> {
    if peer.name == IPERF3 && program("iperf3").is_none() {
        return Err("iperf3 is not installed".into());
    }
    let server = Server::start(&server(setup, way, peer.name), setup)?;
    let driven = drive(setup, &server, peer, length(setup))?;
    let report = if peer.name == IPERF3 {
        results::iperf3(&driven.text, way == Way::ToClient)?
    } else {
        let report = results::callbox(&driven.text)?;
        format!("{report} bytes={}", Found::read(&report).value(way.count()))
    };
    let found = Found::read(&format!("{report} {}", driven.usage));
    if found.value("bytes") > 0.0 { Ok(found) } else { Err("not one byte arrived".into()) }
}

fn gib(found: &Found) -> f64 {
    found.value("bytes") / f64::from(1 << 30)
}

fn gib_s(found: &Found) -> f64 {
    gib(found) / found.value("window_s")
}

fn client_s_per_gib(found: &Found) -> f64 {
    found.value("client_cpu_s") / gib(found)
}

fn both_s_per_gib(found: &Found) -> f64 {
    (found.value("client_cpu_s") + found.value("server_cpu_s")) / gib(found)
}

fn show(rows: &[Row]) -> String {
    let head = [
        "client and server",
        "GiB/s",
        "to iperf3",
        "client CPU s/GiB",
        "to iperf3",
        "both ends CPU s/GiB",
        "to iperf3",
        "client busy %",
    ];
    let iperf3 = row(rows, IPERF3);
    let line = |row: &Row| {
        let ratio = |figure| iperf3.map_or("-".into(), |other| row.ratios(other, figure).show(3));
        super::unmeasured(row).unwrap_or_else(|| {
            vec![
                row.peer.name.to_owned(),
                row.sample(gib_s).show(2),
                ratio(gib_s),
                row.sample(client_s_per_gib).show(3),
                ratio(client_s_per_gib),
                row.sample(both_s_per_gib).show(3),
                ratio(both_s_per_gib),
                row.sample(|found| found.client_busy() * 100.0).show(0),
            ]
        })
    };
    table(&head, rows.iter().map(line))
}

fn judge(section: &mut Section, rows: &[Row], what: &str) {
    let pair = row(rows, OWN).zip(row(rows, IPERF3));
    let ratio = |figure| pair.and_then(|(own, other)| own.ratios(other, figure).median());
    let what = |figure: &str| format!("generator, {what}: {figure} to iperf3's");
    section.judge(Target::at_least(&what("throughput"), RATE_TARGET, ratio(gib_s)));
    section.judge(Target::at_most(&what("client's CPU for a GiB"), CPU_TARGET, ratio(client_s_per_gib)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_divided_by_what_was_moved() {
        let found = Found::read("bytes=2147483648 window_s=4 client_cpu_s=1 server_cpu_s=2");
        assert_eq!((gib_s(&found), client_s_per_gib(&found), both_s_per_gib(&found)), (0.5, 0.5, 1.5));
    }
}
