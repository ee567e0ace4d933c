//! The response times that follow from a schedule and from a server's own log of its freezes.

/// When a server was frozen, in seconds since its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Freeze {
    begin: f64,
    end: f64,
}

/// Reads a log of lines `BEGIN END` in nanoseconds.
pub(super) fn freezes_of(log: &str) -> Vec<Freeze> {
    let seconds = |word: &str| word.parse::<f64>().ok().map(|nanos| nanos / 1e9);
    let read = |line: &str| {
        let (begin, end) = line.split_once(' ')?;
        Some(Freeze { begin: seconds(begin)?, end: seconds(end)? })
    };
    // A line that is being written has no end yet.
    log.split_inclusive('\n').filter(|line| line.ends_with('\n')).filter_map(|line| read(line.trim_end())).collect()
}

/// What a run asks of the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// Exchanges a second, evenly.
    pub(super) rate: f64,
    /// Seconds.
    pub(super) length: f64,
    /// What an exchange takes while the server is not frozen, in seconds.
    pub(super) base: f64,
}

/// A percentile that is due, over all the moments at which the run may have begun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Due {
    /// In the mean, in seconds.
    pub(super) mean: f64,
    /// For the moment that makes it least.
    pub(super) low: f64,
    /// For the moment that makes it greatest.
    pub(super) high: f64,
}

/// Moments that are tried within the period: prime, so that they differ within a millisecond too.
pub(super) const PHASES: usize = 101;
/// A freeze comes once in this many seconds.
const PERIOD: f64 = 1.0;

/// Returns the response times of a run that began so many seconds after the server, in ascending order.
///
/// An exchange that is due within a freeze is answered at its end, any other in the base time.
fn response_times(run: Run, begin: f64, freezes: &[Freeze]) -> Vec<f64> {
    let exchanges = (run.rate * run.length).round() as usize;
    let time = |index: usize| {
        let at = begin + index as f64 / run.rate;
        let frozen = freezes.iter().find(|freeze| freeze.begin <= at && at < freeze.end);
        frozen.map_or(run.base, |freeze| (freeze.end - at).max(run.base))
    };
    let mut times: Vec<f64> = (0..exchanges).map(time).collect();
    times.sort_by(f64::total_cmp);
    times
}

/// Returns the percentiles that are due for each of `shares` (0.99 is p99).
///
/// When the run began by the server's clock is not known, so all moments of a period are tried.
pub(super) fn due<const N: usize>(run: Run, freezes: &[Freeze], shares: [f64; N]) -> [Due; N] {
    let mut all: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(PHASES));
    for phase in 0..PHASES {
        let times = response_times(run, PERIOD * phase as f64 / PHASES as f64, freezes);
        for (share, found) in shares.iter().zip(&mut all) {
            found.push(percentile(&times, *share));
        }
    }
    all.map(|found| Due {
        mean: found.iter().sum::<f64>() / found.len() as f64,
        low: found.iter().copied().fold(f64::INFINITY, f64::min),
        high: found.iter().copied().fold(0.0, f64::max),
    })
}

/// Returns the value that `share` of the sorted ones do not exceed; 0 when there is none.
pub(super) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = ((sorted.len() as f64 * share).ceil() as usize).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0.0)
}

/// Returns how far arrivals (nanoseconds, ascending) were behind an even schedule, in microseconds, ascending.
///
/// Where the schedule lies is not known to whoever sees arrivals only: it is put as early as the one that was least late
/// allows.
pub(super) fn lateness_of(arrivals: &[f64], rate: f64) -> Vec<f64> {
    let beyond = arrivals.iter().enumerate().map(|(index, at)| at / 1e3 - index as f64 * 1e6 / rate);
    let least = beyond.clone().fold(f64::INFINITY, f64::min);
    let mut late: Vec<f64> = beyond.map(|at| at - least).collect();
    late.sort_by(f64::total_cmp);
    late
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Run = Run { rate: 1000.0, length: 20.0, base: 0.000_05 };

    /// A freeze of 100 ms at the end of each second, each this much longer.
    fn freezes(longer: f64) -> Vec<Freeze> {
        (0..22).map(|second| Freeze { begin: f64::from(second) + 0.9, end: f64::from(second) + 1.0 + longer }).collect()
    }

    #[test]
    fn a_tenth_waits_for_the_end_of_its_freeze() {
        let [p50, p90, p99, p999] = due(RUN, &freezes(0.0), [0.5, 0.9, 0.99, 0.999]);
        assert_eq!((p50.low, p50.high), (RUN.base, RUN.base));
        assert!(p90.low >= RUN.base && p90.high < 0.002, "it is on the edge: {p90:?}");
        assert!((p99.mean - 0.09).abs() < 0.001 && (p999.mean - 0.099).abs() < 0.001, "{p99:?} {p999:?}");
        assert!(p99.high - p99.low < 0.0021, "the phase hardly matters: {p99:?}");
    }

    #[test]
    fn the_edge_follows_the_log() {
        let [p90, p99] = due(RUN, &freezes(0.01), [0.9, 0.99]);
        // Of 110 ms, 10 are more than a tenth of the time.
        assert!((p90.mean - 0.01).abs() < 0.001 && (p99.mean - 0.1).abs() < 0.001, "{p90:?} {p99:?}");
        let [p90] = due(RUN, &[], [0.9]);
        assert_eq!((p90.low, p90.high), (RUN.base, RUN.base), "without freezes");
    }

    #[test]
    fn a_run_may_begin_within_a_freeze() {
        let times = response_times(Run { rate: 10.0, length: 0.3, base: 0.001 }, 0.95, &freezes(0.0));
        assert_eq!(times.len(), 3);
        assert!((times[2] - 0.05).abs() < 1e-9 && times[1] == 0.001, "{times:?}");
    }

    #[test]
    fn a_log_is_read_up_to_a_line_that_is_not_whole() {
        let log = "900000000 1000000000\n1900000000 2000500000\n29000";
        assert_eq!(freezes_of(log), [Freeze { begin: 0.9, end: 1.0 }, Freeze { begin: 1.9, end: 2.0005 }]);
    }

    #[test]
    fn lateness_is_what_is_behind_the_grid() {
        let late = lateness_of(&[5_000_000.0, 6_000_000.0, 7_250_000.0, 8_000_000.0], 1000.0);
        assert_eq!(late, [0.0, 0.0, 0.0, 250.0]);
        assert_eq!((percentile(&late, 0.5), percentile(&late, 0.99), percentile(&[], 0.5)), (0.0, 250.0, 0.0));
    }
}
