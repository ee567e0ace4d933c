//! Closed-loop exchanges of 64 bytes with the fastest echo there is, beside the raw epoll load client.

use super::{OWN, drive::drive, generator, results};
use crate::bench::load::{self, Found};
use crate::bench::peer::{Answer, Peer, YARDSTICK};
use crate::bench::report::{Section, Target, table};
use crate::bench::rounds::{Row, row, steadiness_by};
use crate::bench::server::Server;
use crate::bench::setup::Setup;

const CONNECTIONS: [usize; 3] = [1, 64, 1_000];
const MESSAGE: &str = "this request has a length of 64 bytes, all of them are compared.";
/// The rate must reach this share of the raw client's.
const TARGET: f64 = 0.9;
/// Before the window, for both.
const WARM_UP_MS: &str = "500";

const RAW: &str = "raw epoll load client";
const DIFFERENT: &str = "callbox bench, all requests different";

/// Measures all counts of connections.
pub(crate) fn measure(setup: &Setup) -> Section {
    super::section("Generator: closed loop", setup, |section| {
        section.say(&format!(
            "Exchanges of {} bytes with the raw epoll echo, closed loop: each connection has one under way, and every byte of each \
             answer is compared. {:.1} s each after {WARM_UP_MS} ms of warm-up; {} rounds, all in each. The raw client \
             (`reference-load`) is one epoll loop that does this and nothing else; its messages have the number of the connection \
             and a counter in them. callbox sends the same text over and over, and in a row of its own 64 random letters each time. \
             One thread each, on one core; *busy* is the share of that core the generator says it used within the window. *For a \
             second of its core* divides by that: where neither is busy all the time, the server or the way there is the limit, and \
             this is what a generator costs.",
            MESSAGE.len(),
            setup.options.window().as_secs_f64(),
            setup.options.relay_rounds(),
        ));
        let server = server(setup);
        section.command(&server);
        for connections in CONNECTIONS {
            let brief = |found: &Found| format!("{:.0}/s, p99 {:.0} us", found.rate(), found.value("p99_us"));
            let kind = format!("generator, closed loop, {connections}");
            let peers = peers(setup, connections);
            let rows = super::compare(setup, &kind, peers, brief, |peer| run(setup, &server, peer, connections));
            section.commands(&rows);
            section.say(&format!("### {connections} connection{}", if connections == 1 { "" } else { "s" }));
            section.say(&show(&rows));
            section.say(&steadiness_by(&rows, RAW, Found::rate));
            judge(section, &rows, connections);
        }
    })
}

/// Returns the raw epoll echo.
pub(super) fn server(setup: &Setup) -> Peer {
    let program = setup.reference("reference-epoll");
    Peer::new(YARDSTICK, &[&program, "127.0.0.1:{port}", "--edge"], Answer::Echo)
}

fn peers(setup: &Setup, connections: usize) -> Vec<Peer> {
    let count = connections.to_string();
    let (warm_up, length) = (format!("{WARM_UP_MS}ms"), super::seconds(setup.options.window().as_secs_f64()));
    let flags = ["-c", &count, "--warm-up", &warm_up, "-d", &length, "--verify", "echo"];
    let raw = [&setup.reference("reference-load"), "echo", "{addr}"];
    vec![
        super::own(setup, OWN, &[&flags[..], &["--send", MESSAGE]].concat()),
        generator(RAW, &[&raw[..], &words(connections).each_ref().map(String::as_str)].concat()),
        super::own(setup, DIFFERENT, &[&flags[..], &["--template", "--send", "{random:64}"]].concat()),
    ]
}

/// Returns the words of the raw client.
fn words(connections: usize) -> [String; 6] {
    let size = MESSAGE.len().to_string();
    ["--connections", &connections.to_string(), "--size", &size, "--warm-up-ms", WARM_UP_MS].map(String::from)
}

fn run(setup: &Setup, server: &Peer, peer: &Peer, connections: usize) -> Result<Found, String> {
    let server = Server::start(server, setup)?;
    let window = setup.options.window();
    if peer.name == RAW {
        return load::run_at(setup, server.addr, Some(server.pid()), window, "echo", &words(connections));
    }
    let driven = drive(setup, &server, peer, window)?;
    let report = results::callbox(&driven.text)?;
    let found = Found::read(&report);
    // Within the window, as the raw client has it of itself.
    let processor = found.value("processor_s");
    Ok(Found::read(&format!("{} {report} client_cpu_s={processor}", driven.usage)))
}

fn show(rows: &[Row]) -> String {
    let head = [
        "generator",
        "exchanges/s",
        "to the raw client",
        "busy %",
        "for a second of its core",
        "to the raw client",
        "p50 us",
        "p99 us",
        "wrong",
        "lost",
    ];
    let raw = row(rows, RAW);
    let line = |row: &Row| {
        let ratio = |figure| raw.map_or("-".into(), |raw| row.ratios(raw, figure).show(3));
        super::unmeasured(row).unwrap_or_else(|| {
            vec![
                row.peer.name.to_owned(),
                row.sample(Found::rate).show(0),
                ratio(Found::rate),
                row.sample(|found| found.client_busy() * 100.0).show(0),
                row.sample(per_core_second).show(0),
                ratio(per_core_second),
                row.sample(|found| found.value("p50_us")).show(1),
                row.sample(|found| found.value("p99_us")).show(1),
                row.total("wrong").to_string(),
                row.total("lost").to_string(),
            ]
        })
    };
    table(&head, rows.iter().map(line))
}

/// Returns exchanges for a second of the generator's processor time.
fn per_core_second(found: &Found) -> f64 {
    found.value("answered") / found.value("client_cpu_s").max(1e-9)
}

fn judge(section: &mut Section, rows: &[Row], connections: usize) {
    let own = row(rows, OWN);
    let ratio = own.zip(row(rows, RAW)).and_then(|(own, raw)| own.ratios(raw, Found::rate).median());
    let what = |figure: &str| format!("generator, closed loop, {connections} connections: {figure}");
    section.judge(Target::at_least(&what("rate of one core to that of the raw client"), TARGET, ratio));
    let failed = own.map(|own| own.total("wrong") + own.total("lost"));
    section.judge(Target::at_most(&what("wrong or lost"), 0.0, failed));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_as_long_as_those_of_the_raw_client() {
        assert_eq!(MESSAGE.len(), 64);
        assert_eq!(words(7)[1..4], ["7", "--size", "64"]);
    }

    #[test]
    fn what_a_core_does_is_counted_by_its_own_time() {
        assert_eq!(per_core_second(&Found::read("answered=300 window_s=3 client_cpu_s=1.5")), 200.0);
    }
}
