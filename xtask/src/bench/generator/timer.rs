//! How late a generator sends what is due, on a machine that is idle.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::{OWN, drive::drive, expected, results};
use crate::bench::load::Found;
use crate::bench::peer::{Answer, Peer};
use crate::bench::report::{Section, Target, table};
use crate::bench::rounds;
use crate::bench::server::Server;
use crate::bench::setup::Setup;

const RATE: f64 = 1000.0;
const CONNECTIONS: &str = "8";
const TARGET_US: f64 = 200.0;

/// Measures.
pub(crate) fn measure(setup: &Setup) -> Section {
    super::section("Generator: timer", setup, |section| {
        section.say(&format!(
            "{RATE} requests a second on {CONNECTIONS} connections for {} s, to the raw epoll echo, which does nothing else and notes \
             when each came. *By itself* is `lateness` of the report: from the intended start to the send. *By the server* knows \
             nothing of the generator: the arrivals beside an even schedule of that rate, put as early as the one arrival that was \
             least late allows, so it has the way to the server and its waking in it.",
            length(setup)
        ));
        let (own, server) = (peer(setup), server(setup));
        section.command(&own);
        section.command(&server);
        let kind = "generator, timer";
        let (all, problem) = super::repeat(setup, kind, || {
            let found = rounds::undisturbed(&own, kind, setup.options.relay_attempts(), || run(setup, &own, &server))?;
            let (own, seen) = (found.value("lateness_p99_us"), found.value("arrival_p99_us"));
            eprintln!("{kind}: p99 {own:.0} us by itself, {seen:.0} by the server");
            Ok(found)
        });
        section.say(&problem.map_or_else(|| show(&all), |problem| format!("not measured: {problem}")));
        section.say(&super::quietness(all.iter()));
        let p99 = super::sample(&all, |found| found.value("lateness_p99_us"));
        let what = format!("generator, {RATE} a second: intended start to send, p99, us");
        section.judge(Target::at_most(&what, TARGET_US, p99.median()));
    })
}

fn length(setup: &Setup) -> f64 {
    if setup.options.quick { 3.0 } else { 10.0 }
}

fn peer(setup: &Setup) -> Peer {
    let (rate, length) = (format!("{RATE}/s"), super::seconds(length(setup)));
    let flags = ["--rate", &rate, "-c", CONNECTIONS, "-d", &length, "--send", "hello", "--verify", "echo"];
    super::own(setup, OWN, &flags)
}

fn server(setup: &Setup) -> Peer {
    let (program, log) = (setup.reference("reference-stall"), log(setup).display().to_string());
    let words = [&*program, "127.0.0.1:{port}", "--freeze-ms", "0", "--arrivals", &log];
    Peer::new("raw epoll echo that notes arrivals", &words, Answer::Echo)
}

fn log(setup: &Setup) -> PathBuf {
    setup.folder.join("arrivals")
}

fn run(setup: &Setup, peer: &Peer, server: &Peer) -> Result<Found, String> {
    let server = Server::start(server, setup)?;
    let driven = drive(setup, &server, peer, Duration::from_secs_f64(length(setup)))?;
    let report = results::callbox(&driven.text)?;
    Found::read(&report).needed("lateness_p99_us")?;
    let text = fs::read_to_string(log(setup)).map_err(|error| format!("the log of arrivals: {error}"))?;
    let mut arrivals: Vec<f64> = text.lines().filter_map(|line| line.parse().ok()).collect();
    let due = (RATE * length(setup)) as usize;
    if arrivals.len() < due {
        return Err(format!("the server saw {} arrivals instead of {due}", arrivals.len()));
    }
    // What comes after them is the ends of the connections.
    arrivals.truncate(due);
    let late = expected::lateness_of(&arrivals, RATE);
    let seen = |share| expected::percentile(&late, share);
    let arrived = format!(
        "arrival_p50_us={} arrival_p90_us={} arrival_p99_us={} arrival_p999_us={} arrival_max_us={}",
        seen(0.5),
        seen(0.9),
        seen(0.99),
        seen(0.999),
        seen(1.0)
    );
    Ok(Found::read(&format!("{report} {} {arrived}", driven.usage)))
}

fn show(all: &[Found]) -> String {
    let line = |(name, prefix): (&str, &str)| {
        let figure = |name: &str| super::sample(all, |found| found.value(&format!("{prefix}_{name}"))).show(1);
        let figures = ["p50_us", "p90_us", "p99_us", "p999_us", "max_us"].map(figure);
        [&[name.to_owned()][..], &figures].concat()
    };
    let head = ["late", "p50 us", "p90 us", "p99 us", "p99.9 us", "greatest us"];
    table(&head, [("by itself", "lateness"), ("by the server", "arrival")].into_iter().map(line))
}
