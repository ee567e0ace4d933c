//! The report of a ping, in the fields that reports of measurements have in common.

use std::time::{Duration, SystemTime};

use callbox::load::ErrorCount;
use callbox::probe::ping::{Phase, Statistics};

use super::{Line, quoted};
use crate::report::json::times;

/// What a ping came to.
pub struct Pinged<'a> {
    /// Whom it asked, as written.
    pub address: &'a str,
    /// All that was counted.
    pub statistics: &'a Statistics,
    /// When attempts began: `constant`, or `closed` where each followed the one before.
    pub schedule: &'a str,
    /// How long it went on.
    pub duration: Duration,
}

/// Returns the line.
pub fn ping(pinged: &Pinged<'_>) -> Vec<u8> {
    let Pinged { address, statistics, schedule, duration } = *pinged;
    let rate = match duration.as_secs_f64() {
        seconds if seconds > 0.0 => (statistics.answered() as f64 / seconds * 1000.0).round() / 1000.0,
        _ => 0.0,
    };
    // An attempt counts from when it begins, so how long it lasted is both.
    let lasted = times(&statistics.lasted()).to_string();
    let phases: Vec<String> = Phase::ALL
        .into_iter()
        .filter_map(|phase| {
            let lasted = statistics.phase(phase);
            (!lasted.is_empty()).then(|| format!("{}:{}", quoted(phase.name()), times(&lasted)))
        })
        .collect();
    let line = Line::new("report", SystemTime::now()).text("address", address).text("mode", "ping");
    let line = line.text("schedule", schedule).number("requests", statistics.sent());
    let line = line.number("answered", statistics.answered()).number("wrong", 0).number("lost", statistics.lost());
    let line = line.raw("errors", &errors(statistics.errors())).raw("rate_asked", "null");
    let line = line.raw("rate_reached", &rate.to_string()).raw("response", &lasted).raw("service", &lasted);
    let line = line.raw("phases", &format!("{{{}}}", phases.join(","))).number("seed", 0);
    let mut out = Vec::new();
    line.micros("duration_us", duration).end(&mut out);
    out
}

/// How often what went wrong.
fn errors(errors: &[ErrorCount]) -> String {
    let each: Vec<String> = errors.iter().map(|error| format!("{}:{}", quoted(error.kind), error.count)).collect();
    format!("{{{}}}", each.join(","))
}
