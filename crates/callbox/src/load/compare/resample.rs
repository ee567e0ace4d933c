//! A run's slices of time, drawn anew with replacement.

use std::time::Duration;

use super::RESAMPLES;
use crate::load::report::{Report, Slice};
use crate::rng::Rng;

/// The percentiles that are compared.
pub(super) const PERCENTILES: [(&str, f64); 4] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)];

/// The amount a second, then the percentiles.
pub(super) type Figures = [f64; 1 + PERCENTILES.len()];

/// The slices of a run in the form in which they are added up fastest: a count for each place of one list of all bounds.
#[derive(Debug)]
pub(super) struct Resampler {
    slices: Vec<Packed>,
    /// Every upper bound that any slice has, in nanoseconds, ascending.
    bounds: Vec<u64>,
    /// How often each slice was drawn; how often each bound holds then.
    drawn: Vec<u64>,
    counts: Vec<u64>,
}

#[derive(Debug)]
struct Packed {
    /// Answers, or bytes.
    amount: u64,
    seconds: f64,
    /// Places in the list of bounds, with their counts.
    counts: Vec<(usize, u64)>,
    total: u64,
}

impl Resampler {
    /// Packs a run; `bulk` counts bytes instead of answers.
    pub(super) fn new(report: &Report, bulk: bool) -> Resampler {
        let slices = &report.series.slices;
        let mut bounds: Vec<u64> = buckets(slices).map(|(bound, _)| bound).collect();
        bounds.sort_unstable();
        bounds.dedup();
        // The last one may be shorter than the others.
        let before = slices.len().saturating_sub(1) as u32;
        let last = report.duration.saturating_sub(report.series.slice.saturating_mul(before)).min(report.series.slice);
        let pack = |(index, slice): (usize, &Slice)| Packed {
            amount: if bulk { slice.to_server_bytes.saturating_add(slice.to_client_bytes) } else { slice.answered },
            seconds: if index + 1 == slices.len() { last } else { report.series.slice }.as_secs_f64(),
            counts: buckets([slice])
                .map(|(bound, count)| (bounds.partition_point(|other| *other < bound), count))
                .collect(),
            total: slice.response.count(),
        };
        let slices: Vec<Packed> = slices.iter().enumerate().map(pack).collect();
        Resampler { drawn: vec![0; slices.len()], counts: vec![0; bounds.len()], slices, bounds }
    }

    /// Draws as many slices as there are but one, and returns their figures; zero for what nothing was measured of.
    fn draw(&mut self, rng: &mut Rng) -> Figures {
        self.drawn.fill(0);
        self.counts.fill(0);
        for _ in 1..self.slices.len() {
            self.drawn[rng.below(self.slices.len() as u64) as usize] += 1;
        }
        let (mut amount, mut seconds, mut total) = (0.0, 0.0, 0);
        for (slice, &times) in self.slices.iter().zip(&self.drawn).filter(|(_, times)| **times > 0) {
            amount += slice.amount as f64 * times as f64;
            seconds += slice.seconds * times as f64;
            total = u64::saturating_add(total, slice.total.saturating_mul(times));
            for &(place, count) in &slice.counts {
                self.counts[place] = self.counts[place].saturating_add(count.saturating_mul(times));
            }
        }
        let mut figures = [0.0; 1 + PERCENTILES.len()];
        figures[0] = if seconds > 0.0 { amount / seconds } else { 0.0 };
        self.percentiles(total, &mut figures[1..]);
        figures
    }

    /// Reads the percentiles, which ascend, in one walk over the counts.
    fn percentiles(&self, total: u64, into: &mut [f64]) {
        let ranks = PERCENTILES.map(|(_, percent)| (percent / 100.0 * total as f64 - 1e-6).ceil().max(1.0) as u64);
        let (mut seen, mut next) = (0, 0);
        for (&count, &bound) in self.counts.iter().zip(&self.bounds) {
            seen = u64::saturating_add(seen, count);
            while next < ranks.len() && seen >= ranks[next] {
                into[next] = Duration::from_nanos(bound).as_secs_f64();
                next += 1;
            }
        }
    }
}

fn buckets<'a>(slices: impl IntoIterator<Item = &'a Slice>) -> impl Iterator<Item = (u64, u64)> {
    slices.into_iter().flat_map(|slice| slice.response.buckets().iter().copied())
}

/// Returns, for each figure, B's by A's in [`RESAMPLES`] draws of both.
pub(super) fn ratios(mut a: Resampler, mut b: Resampler, seed: u64) -> [Vec<f64>; 1 + PERCENTILES.len()] {
    let mut rng = Rng::new(seed);
    let mut ratios = [(); 1 + PERCENTILES.len()].map(|()| Vec::with_capacity(RESAMPLES));
    for _ in 0..RESAMPLES {
        let (a, b) = (a.draw(&mut rng), b.draw(&mut rng));
        for (index, ratios) in ratios.iter_mut().enumerate() {
            ratios.push(b[index] / a[index]);
        }
    }
    ratios
}
