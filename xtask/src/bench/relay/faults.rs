//! What faults cost that do nothing.

use super::bulk::{cpu_s_per_gib, gib_s};
use super::peers::{self, NO_SPLICE, TEN_FAULTS};
use crate::bench::report::{Section, Target, table};
use crate::bench::rounds::{Row, row, steadiness_by};
use crate::bench::setup::Setup;

const STREAMS: [usize; 2] = [1, 4];
/// The rate must reach this share of that without faults.
const TARGET: f64 = 0.75;

/// Measures callbox with and without faults.
pub(crate) fn measure(setup: &Setup) -> Section {
    super::section("Relay: faults that never begin", setup, |section| {
        section.say(
            "Bulk streams between ends that copy, as above: callbox as it comes; made to copy, as it must when something looks at \
             the bytes; and with ten faults of different kinds attached, each of which would begin at an offset that is never \
             reached. The last two are compared.",
        );
        let streams = if setup.options.quick { &STREAMS[..1] } else { &STREAMS[..] };
        for streams in streams.iter().copied() {
            let words = ["--streams".to_owned(), streams.to_string()];
            let rows = super::compare(setup, peers::faulty(setup), 3, "bulk", &words);
            super::commands(section, &rows);
            let what = format!("{streams} stream{}", if streams == 1 { "" } else { "s" });
            section.say(&format!("### {what}"));
            let copying = row(&rows, NO_SPLICE);
            let line = |row: &Row| {
                super::unmeasured(row).unwrap_or_else(|| {
                    vec![
                        row.peer.name.to_owned(),
                        row.sample(gib_s).show(2),
                        copying.map_or("-".into(), |copying| row.ratios(copying, gib_s).show(2)),
                        row.sample(cpu_s_per_gib).show(3),
                        row.total("missing").to_string(),
                    ]
                })
            };
            let head = ["relay", "GiB/s", "to copying", "relay CPU s/GiB", "missing"];
            section.say(&table(&head, rows.iter().map(line)));
            section.say(&steadiness_by(&rows, NO_SPLICE, gib_s));
            let faulty = row(&rows, TEN_FAULTS);
            let ratio = faulty.zip(copying).and_then(|(own, copying)| own.ratios(copying, gib_s).median());
            section.judge(Target::at_least(&format!("relay, {what}, ten faults: rate to copying"), TARGET, ratio));
            let missing = faulty.map(|row| row.total("missing"));
            section.judge(Target::at_most(&format!("relay, {what}, ten faults: bytes missing"), 0.0, missing));
        }
    })
}
