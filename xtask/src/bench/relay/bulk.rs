//! One and four streams through a relay, as fast as they go.

use super::peers::{self, HAPROXY, HAPROXY_SPLICE, NGINX, Purpose, RAW_COPY, RAW_SPLICE};
use crate::bench::load::Found;
use crate::bench::peer::CALLBOX;
use crate::bench::report::{Section, Target, table};
use crate::bench::rounds::{Row, row, steadiness_by};
use crate::bench::setup::Setup;

const STREAMS: [usize; 2] = [1, 4];
const ENDS: [(&str, &str); 2] = [("ends that copy", ""), ("ends that do not", "--zero")];

/// The rate must be this many times that of the fastest of haproxy, with and without splice, and nginx.
const PEERS_TARGET: f64 = 2.0;
/// And this many times that of the better yardstick.
const YARDSTICK_TARGET: f64 = 1.0;
/// Processor seconds for a GiB.
const CPU_TARGET: f64 = 0.30;

/// Measures both counts of streams between both kinds of ends.
pub(crate) fn measure(setup: &Setup) -> Section {
    super::section("Relay: bulk streams", setup, |section| {
        section.say(
            "A client sends and the upstream receives for as long as it lasts; GiB (2^30 bytes) that arrived a second. *Ends that \
             copy* send and receive with buffers of 256 KiB, as programs do; with one stream they are themselves a limit. *Ends \
             that do not* send by `sendfile` from memory and discard by `MSG_TRUNC`: they cost little, and what the relay can do \
             is seen. Yardsticks: one epoll loop with one buffer of 256 KiB, and one that splices through a pipe of 64 KiB a \
             direction; both move at most 256 KiB of a direction at one turn. Processor time is the relay's, user and system, \
             its children included; what the kernel does for it in interrupts is counted where it happens. *Slowest* is what the \
             slowest stream had of the mean. *Missing* bytes were sent and had not arrived a second after all had gone quiet.",
        );
        for streams in STREAMS {
            for (ends, option) in ENDS {
                let mut words = vec!["--streams".to_owned(), streams.to_string()];
                words.extend((!option.is_empty()).then(|| option.to_owned()));
                let rows = super::compare(setup, peers::relays(setup, Purpose::Bulk), 3, "bulk", &words);
                super::commands(section, &rows);
                let what = format!("{streams} stream{}, {ends}", if streams == 1 { "" } else { "s" });
                section.say(&format!("### {what}"));
                section.say(&show(&rows));
                section.say(&steadiness_by(&rows, RAW_COPY, gib_s));
                judge(section, &rows, &what);
            }
        }
    })
}

/// Returns how much arrived a second.
pub(super) fn gib_s(found: &Found) -> f64 {
    gib(found) / found.value("window_s")
}

/// Returns the relay's processor seconds for a GiB.
pub(super) fn cpu_s_per_gib(found: &Found) -> f64 {
    found.value("server_cpu_s") / gib(found)
}

fn gib(found: &Found) -> f64 {
    found.value("bytes") / f64::from(1 << 30)
}

fn show(rows: &[Row]) -> String {
    let head =
        ["relay", "GiB/s", "to raw copying", "to raw splice", "relay CPU s/GiB", "slowest", "missing", "both ends %"];
    let (copy, splice) = (row(rows, RAW_COPY), row(rows, RAW_SPLICE));
    let line = |row: &Row| {
        let ratio = |other: Option<&Row>| other.map_or("-".into(), |other| row.ratios(other, gib_s).show(2));
        super::unmeasured(row).unwrap_or_else(|| {
            vec![
                row.peer.name.to_owned(),
                row.sample(gib_s).show(2),
                ratio(copy),
                ratio(splice),
                row.sample(cpu_s_per_gib).show(3),
                row.sample(|found| found.value("slowest")).show(2),
                row.total("missing").to_string(),
                row.sample(|found| found.client_busy() * 100.0).show(0),
            ]
        })
    };
    table(&head, rows.iter().map(line))
}

fn judge(section: &mut Section, rows: &[Row], what: &str) {
    let own = row(rows, CALLBOX);
    let to_best = |names: &[&str]| {
        // All of them, or there is nothing to say.
        let others: Option<Vec<&Row>> = names.iter().map(|name| row(rows, name)).collect();
        own.zip(others).and_then(|(own, others)| own.ratios_to_best(&others, gib_s).median())
    };
    let what = |figure: &str| format!("relay, {what}: {figure}");
    let peers = to_best(&[HAPROXY, HAPROXY_SPLICE, NGINX]);
    section.judge(Target::at_least(&what("rate to the best of haproxy, its splice, nginx"), PEERS_TARGET, peers));
    let yardsticks = to_best(&[RAW_COPY, RAW_SPLICE]);
    section.judge(Target::at_least(&what("rate to the better yardstick"), YARDSTICK_TARGET, yardsticks));
    let cpu = own.and_then(|own| own.sample(cpu_s_per_gib).median());
    section.judge(Target::at_most(&what("CPU s/GiB"), CPU_TARGET, cpu));
    section.judge(Target::at_most(&what("bytes missing"), 0.0, own.map(|own| own.total("missing"))));
}
