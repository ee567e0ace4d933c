//! Bins for times: edges that are round numbers, on a logarithmic scale unless all times are near each other.

use callbox::load::Distribution;

/// Round numbers of one power of ten, from coarse to fine: each list divides it evenly on a logarithmic scale, nearly.
const SERIES: [&[u64]; 7] = [
    &[1000],
    &[1000, 3000],
    &[1000, 2000, 5000],
    &[1000, 1600, 2500, 4000, 6300],
    &[1000, 1250, 1600, 2000, 2500, 3200, 4000, 5000, 6300, 8000],
    &[
        1000, 1120, 1250, 1400, 1600, 1800, 2000, 2240, 2500, 2800, 3200, 3550, 4000, 4500, 5000, 5600, 6300, 7100,
        8000, 9000,
    ],
    &[
        1000, 1060, 1120, 1180, 1250, 1320, 1400, 1500, 1600, 1700, 1800, 1900, 2000, 2120, 2240, 2360, 2500, 2650,
        2800, 3000, 3200, 3350, 3550, 3750, 4000, 4250, 4500, 4750, 5000, 5300, 5600, 6000, 6300, 6700, 7100, 7500,
        8000, 8500, 9000, 9500,
    ],
];

/// Returns the edges of at most `most` bins, in nanoseconds, that hold all times from `low` to `high`; one more than bins.
pub fn edges(low: u64, high: u64, most: usize) -> Vec<u64> {
    if low >= high {
        return vec![high.saturating_sub(1), high];
    }
    let fitting =
        SERIES.iter().map(|series| logarithmic(low, high, series)).take_while(|edges| edges.len() <= most + 1);
    match fitting.last() {
        Some(edges) if edges.len() > most / 2 => edges,
        // So wide that even whole powers of ten are too many.
        None => logarithmic(low, high, SERIES[0]),
        Some(_) => linear(low, high, most),
    }
}

/// Returns how many times of a distribution each bin holds: those above its lower edge, up to its upper one.
pub fn filled(times: &Distribution, edges: &[u64]) -> Vec<u64> {
    let mut bins = vec![0; edges.len().saturating_sub(1)];
    let longest = nanos(times.max());
    for (bound, count) in times.buckets() {
        let time = (*bound).min(longest);
        let at = edges[1..].partition_point(|edge| *edge < time).min(bins.len() - 1);
        bins[at] += count;
    }
    bins
}

/// Returns a time's nanoseconds; the longest there are instead of more.
pub fn nanos(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn logarithmic(low: u64, high: u64, series: &[u64]) -> Vec<u64> {
    let mut edges = vec![0];
    for power in 0..20 {
        for mantissa in series {
            let edge = u128::from(*mantissa) * 10_u128.pow(power) / 1000;
            let edge = u64::try_from(edge).unwrap_or(u64::MAX);
            if edge < low {
                edges.clear();
            }
            if edges.last() != Some(&edge) {
                edges.push(edge);
            }
            if edge >= high {
                return edges;
            }
        }
    }
    edges.push(u64::MAX);
    edges
}

fn linear(low: u64, high: u64, most: usize) -> Vec<u64> {
    let steps = (0..19).flat_map(|power| [1, 2, 5].map(|mantissa| mantissa * 10_u64.pow(power)));
    let holds = |step: u64| high.div_ceil(step) - low / step;
    let step = steps.clone().find(|step| holds(*step) <= most as u64).unwrap_or(high);
    (low / step..=high.div_ceil(step)).map(|at| at.saturating_mul(step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn edges_are_round_numbers() {
        assert_eq!(edges(120, 90_000, 12), [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000]);
        assert_eq!(edges(1001, 1009, 12), (1001..=1009).collect::<Vec<_>>());
        assert_eq!(edges(7, 7, 12), [6, 7]);
        assert_eq!(edges(0, 0, 12), [0, 0]);
    }

    proptest! {
        #[test]
        fn every_time_is_in_a_bin(times in prop::collection::vec(0..u64::MAX, 1..40), shift in 0_u32..63) {
            let times: Distribution = times.into_iter().map(|time| Duration::from_nanos(time >> shift)).collect();
            let (low, high) = (nanos(times.min()), nanos(times.max()));
            for most in [8, 12, 24] {
                let edges = edges(low, high, most);
                prop_assert!(edges[0] <= low && *edges.last().unwrap() >= high, "{edges:?}");
                prop_assert!(edges.windows(2).all(|pair| pair[0] < pair[1]) || high == 0, "{edges:?}");
                prop_assert!(edges.len() <= most.max(20) + 2, "{edges:?}");
                prop_assert_eq!(filled(&times, &edges).iter().sum::<u64>(), times.count());
            }
        }
    }
}
