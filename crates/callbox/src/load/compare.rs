//! Two runs side by side: whether one was really better, or only luckier.
//!
//! Times within a stall are not independent of each other, so chance is not drawn from single times: what is resampled are the
//! *slices of time* of both runs (a bootstrap of blocks). Each of the [`RESAMPLES`] draws slices with replacement, computes the
//! figure anew and divides B's by A's; the interval is what 95 % of those ratios are within. Of `n` slices `n - 1` are drawn, and the
//! interval of few slices is stretched as Student's t is against the normal distribution, for else few slices would look surer than
//! they are. What a stall longer than a slice does is still underrated.
//!
//! Each figure has an interval of its own. Of five figures of two runs that differ in nothing, one is told as different once in a
//! while; a second pair of runs tells.

use super::report::Report;
use crate::units::show_duration;

mod resample;
mod sentence;
#[cfg(test)]
mod tests;

use resample::{PERCENTILES, Resampler};
pub use sentence::show_ratio;

/// How often the slices are drawn anew.
pub const RESAMPLES: usize = 1000;
/// Two figures whose ratio is surely within this of 1 are the same for all that matters.
pub const SAME: f64 = 0.03;
/// Fewer slices of time than these say nothing about chance.
pub const FEWEST_SLICES: usize = 8;

/// Two runs, A and B, compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What both runs measured: the rate or the throughput, then percentiles of the response times.
    pub figures: Vec<Figure>,
    /// Why the two may not be comparable, each as a clause.
    pub cautions: Vec<String>,
    /// Slices of time that A and B have.
    pub slices: (usize, usize),
}

/// One figure of both runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// `rate`, `throughput`, `p50`, `p90`, `p99` or `p99.9`.
    pub name: &'static str,
    /// Whether it is a time, in seconds; otherwise it is a number a second.
    pub is_time: bool,
    /// A's.
    pub a: f64,
    /// B's.
    pub b: f64,
    /// B's by A's.
    pub ratio: f64,
    /// What the ratio is within, at 95 %; `None` where there are too few slices to tell.
    pub interval: Option<(f64, f64)>,
    /// What that means.
    pub verdict: Verdict,
}

/// What a comparison says of B against A; closed by nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// B is better: more a second, or a shorter time.
    Better,
    /// B is worse.
    Worse,
    /// The whole interval is within [`SAME`] of 1.
    Same,
    /// The interval contains 1, or there is none.
    Unclear,
}

impl Verdict {
    /// Returns its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::Same => "same",
            Verdict::Unclear => "unclear",
        }
    }
}

/// Compares run B with run A; the same seed gives the same intervals.
pub fn compare(a: &Report, b: &Report, seed: u64) -> Comparison {
    let slices = (a.series.slices.len(), b.series.slices.len());
    let mut figures = figures(a, b);
    if slices.0.min(slices.1) >= FEWEST_SLICES && !figures.is_empty() {
        let bulk = figures.iter().any(|figure| figure.name == "throughput");
        let drawn = resample::ratios(Resampler::new(a, bulk), Resampler::new(b, bulk), seed);
        for figure in &mut figures {
            let place = PERCENTILES.iter().position(|(name, _)| *name == figure.name).map_or(0, |place| place + 1);
            figure.interval = interval(&drawn[place], figure.ratio, slices.0.min(slices.1));
            figure.verdict = verdict(figure);
        }
    }
    Comparison { figures, cautions: cautions(a, b), slices }
}

/// Returns the figures that both runs have, still without an interval.
fn figures(a: &Report, b: &Report) -> Vec<Figure> {
    let figure = |name, is_time, a: f64, b: f64| {
        let verdict = Verdict::Unclear;
        (a > 0.0 && b > 0.0).then(|| Figure { name, is_time, a, b, ratio: b / a, interval: None, verdict })
    };
    let amount = match (moves_bulk(a), moves_bulk(b)) {
        (true, true) => {
            let both = |report: &Report| {
                let (to_server, to_client) = report.throughput();
                to_server + to_client
            };
            figure("throughput", false, both(a), both(b))
        }
        (false, false) => figure("rate", false, a.rate_reached(), b.rate_reached()),
        // Bytes and answers cannot be divided.
        _ => None,
    };
    let percentiles = PERCENTILES.into_iter().filter_map(|(name, percent)| {
        let time = |report: &Report| report.response.percentile(percent).as_secs_f64();
        figure(name, true, time(a), time(b))
    });
    amount.into_iter().chain(percentiles).collect()
}

fn moves_bulk(report: &Report) -> bool {
    matches!(report.mode, "send" | "receive" | "both")
}

/// Returns what 95 % of the ratios are within, stretched for few slices; `None` where a ratio of nothing is among them.
fn interval(ratios: &[f64], ratio: f64, slices: usize) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = ratios.iter().copied().filter(|ratio| !ratio.is_nan()).collect();
    if sorted.len() * 2 < ratios.len() {
        return None;
    }
    sorted.sort_unstable_by(f64::total_cmp);
    let tail = sorted.len() / 40;
    // By how much Student's t exceeds the normal distribution's 1.96: within 1 % of its tables from 8 slices on.
    let stretch = 1.0 + 1.4 / (slices as f64 - 1.0);
    // The whole run is told more finely than its slices are, so its ratio may lie a little outside.
    let low = ratio * (sorted[tail] / ratio).powf(stretch);
    let high = ratio * (sorted[sorted.len() - 1 - tail] / ratio).powf(stretch);
    let (low, high) = (low.min(ratio), high.max(ratio));
    (low > 0.0 && high.is_finite()).then_some((low, high))
}

fn verdict(figure: &Figure) -> Verdict {
    match figure.interval {
        None => Verdict::Unclear,
        Some((low, high)) if low >= 1.0 / (1.0 + SAME) && high <= 1.0 + SAME => Verdict::Same,
        Some((low, high)) if low <= 1.0 && high >= 1.0 => Verdict::Unclear,
        Some((low, _)) if (low > 1.0) == figure.is_time => Verdict::Worse,
        Some(_) => Verdict::Better,
    }
}

/// Returns why the two may not be comparable.
fn cautions(a: &Report, b: &Report) -> Vec<String> {
    let mut cautions = Vec::new();
    let mut differ = |what: &str, a: String, b: String| {
        if a != b {
            cautions.push(format!("{what} differs: A has {a}, B has {b}"));
        }
    };
    let per_second =
        |rate: Option<f64>| rate.map_or("none".to_owned(), |rate| format!("{}/s", (rate * 1e3).round() / 1e3));
    differ("the mode", a.mode.to_owned(), b.mode.to_owned());
    differ("the schedule", a.schedule.to_owned(), b.schedule.to_owned());
    differ("the rate asked for", per_second(a.rate_asked), per_second(b.rate_asked));
    differ("the number of connections", a.connections.to_string(), b.connections.to_string());
    differ("the warm-up", show_duration(a.warm_up), show_duration(b.warm_up));
    for (name, one, other) in [("A", a, b), ("B", b, a)] {
        if one.is_saturated() && !other.is_saturated() {
            cautions.push(format!("{name} did not reach the rate asked for, so its times are those of an overload"));
        }
        if one.errors_total() > 0 && other.errors_total() == 0 {
            cautions.push(format!("{name} has errors ({}), the other one none", one.errors_total()));
        }
        if one.answered == 0 && !moves_bulk(one) && one.mode != "idle" {
            cautions.push(format!("nothing was answered in {name}"));
        }
    }
    cautions
}
