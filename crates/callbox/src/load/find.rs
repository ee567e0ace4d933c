//! The search for the highest rate at which a condition holds; pure, so that it runs against made-up servers in tests.
//!
//! Rates double while they hold, or halve until one does; then the gap between the highest that held and the lowest that did not is
//! halved, as a ratio, until it is within [`STEP`]. One trial proves little where the machine has other work: a rate that did not
//! hold is tried once more, and only if it fails again does it count as one that does not.

/// The gap, as a part of the rate, at which the search is over: less is within the noise of most machines.
pub const STEP: f64 = 0.05;
/// Trials in a search at most, those tried once more included: a server that holds any rate, or none, ends it too.
pub const MOST_TRIALS: usize = 24;
/// Below this, in a second, no lower rate is tried.
const LOWEST: f64 = 1.0;
/// Above this nothing starts a search, so that no doubling leaves what numbers can say.
const HIGHEST_FIRST: f64 = 1e9;
/// The part of a rate that must be reached for it to have been tried at all.
const REACHED: f64 = 0.99;

/// A search for the highest rate that holds.
///
/// ```
/// use callbox::load::{Search, Trial};
///
/// let mut search = Search::new(1000.0);
/// while let Some(rate) = search.next() {
///     // A run at this rate; this server holds up to 5,000 a second.
///     search.tried(Trial { rate, reached: rate, held: rate <= 5000.0 });
/// }
/// assert!(search.best().is_some_and(|best| best > 4750.0 && best <= 5000.0));
/// ```
#[derive(Debug, Clone)]
pub struct Search {
    next: Option<f64>,
    /// The highest that held.
    held: Option<f64>,
    /// The lowest that did not, twice.
    failed: Option<f64>,
    /// The one that failed once and is to be tried again.
    doubted: Option<f64>,
    trials: Vec<Trial>,
}

/// A run at one rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// The rate asked for, a second.
    pub rate: f64,
    /// The rate reached.
    pub reached: f64,
    /// Whether the condition held. A search lists it as not held where less than 99 % of the rate was reached, for then nothing is
    /// known of the rate.
    pub held: bool,
}

impl Search {
    /// Begins one at this rate, which is at least one a second.
    pub fn new(first: f64) -> Search {
        let first = if first.is_nan() { LOWEST } else { three_digits(first.clamp(LOWEST, HIGHEST_FIRST)) };
        Search { next: Some(first), held: None, failed: None, doubted: None, trials: Vec::new() }
    }

    /// Returns the rate to try now; `None` when the search is over.
    pub fn next(&self) -> Option<f64> {
        self.next
    }

    /// Takes what a trial of [`next`](Search::next) found.
    pub fn tried(&mut self, trial: Trial) {
        let held = trial.held && trial.reached >= trial.rate * REACHED;
        self.trials.push(Trial { held, ..trial });
        let doubted = self.doubted.take();
        if held {
            self.held = Some(self.held.map_or(trial.rate, |held| held.max(trial.rate)));
        } else if doubted == Some(trial.rate) {
            self.failed = Some(self.failed.map_or(trial.rate, |failed| failed.min(trial.rate)));
        } else {
            self.doubted = Some(trial.rate);
        }
        self.next = if self.trials.len() < MOST_TRIALS { self.doubted.or_else(|| self.beyond()) } else { None };
    }

    /// Returns the next rate that has not been tried.
    fn beyond(&self) -> Option<f64> {
        match (self.held, self.failed) {
            (Some(held), Some(failed)) if failed > held * (1.0 + STEP) => Some(three_digits((held * failed).sqrt())),
            (Some(_), Some(_)) | (None, None) => None,
            (Some(held), None) => Some(three_digits(held * 2.0)),
            (None, Some(failed)) => Some(three_digits(failed / 2.0)).filter(|rate| *rate >= LOWEST),
        }
    }

    /// Returns the highest rate that held so far.
    pub fn best(&self) -> Option<f64> {
        self.held
    }

    /// Returns all trials, in order.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }
}

/// Rounds to three significant digits, as people write rates.
fn three_digits(rate: f64) -> f64 {
    let unit = 10_f64.powi(rate.log10().floor() as i32 - 2);
    // Parts of one are whole numbers of their inverse, which unlike them is exact.
    if unit < 1.0 { (rate / unit).round() / (1.0 / unit).round() } else { (rate / unit).round() * unit }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Searches at a server that is asked for each rate whether it holds.
    fn search(first: f64, mut holds: impl FnMut(f64) -> bool) -> Search {
        let mut search = Search::new(first);
        while let Some(rate) = search.next() {
            search.tried(Trial { rate, reached: rate, held: holds(rate) });
        }
        search
    }

    #[test]
    fn the_highest_rate_that_holds_is_found() {
        for (first, limit) in [
            (1000.0, 5000.0),
            (1000.0, 1000.0),
            (1000.0, 999.0),
            (10_000.0, 130.0),
            (1.0, 1.0),
            (50.0, 987_654.0),
            (64.0, 1.5),
        ] {
            let search = search(first, |rate| rate <= limit);
            let best = search.best().expect("there is one");
            assert!(best <= limit && best * (1.0 + STEP) * 1.001 >= limit, "{first} {limit}: {:?}", search.trials());
        }
    }

    #[test]
    fn a_rate_that_fails_is_tried_once_more_and_both_are_listed() {
        let search = search(100.0, |rate| rate < 300.0);
        let rates: Vec<f64> = search.trials().iter().map(|trial| trial.rate).collect();
        assert_eq!(rates, [100.0, 200.0, 400.0, 400.0, 283.0, 336.0, 336.0, 308.0, 308.0, 295.0]);
        assert_eq!(search.best(), Some(295.0));
        assert_eq!(search.trials().iter().filter(|trial| !trial.held).count(), 6);
    }

    #[test]
    fn a_server_that_holds_everything_ends_the_search_too() {
        let search = search(1000.0, |_| true);
        assert_eq!(search.trials().len(), MOST_TRIALS);
        assert!(search.best().is_some_and(|best| best > 8e9));
    }

    #[test]
    fn a_server_that_holds_nothing_is_given_up_below_one_a_second() {
        let search = search(10.0, |_| false);
        assert_eq!(search.best(), None);
        let rates: Vec<f64> = search.trials().iter().map(|trial| trial.rate).collect();
        assert_eq!(rates, [10.0, 10.0, 5.0, 5.0, 2.5, 2.5, 1.25, 1.25]);
    }

    #[test]
    fn a_rate_that_was_not_reached_did_not_hold() {
        let mut search = Search::new(100.0);
        search.tried(Trial { rate: 100.0, reached: 98.9, held: true });
        assert!(!search.trials()[0].held);
        assert_eq!((search.best(), search.next()), (None, Some(100.0)));
        search.tried(Trial { rate: 100.0, reached: 99.0, held: true });
        assert_eq!((search.best(), search.next()), (Some(100.0), Some(200.0)));
    }

    /// One trial in ten fails though the rate would hold: of a hundred searches nearly all still come close.
    #[test]
    fn noise_seldom_misleads() {
        let close = |seed| {
            let mut rng = Rng::new(seed);
            let best = search(1000.0, |rate| rate <= 20_000.0 && rng.below(10) > 0).best();
            best.is_some_and(|best| best > 18_000.0)
        };
        let found = (0..100).filter(|&seed| close(seed)).count();
        assert!(found >= 85, "{found}");
    }

    #[test]
    fn rates_have_three_digits() {
        let table = [
            (1.0, 1.0),
            (1.2345, 1.23),
            (999.6, 1000.0),
            (12_345.0, 12_300.0),
            (0.001_234_5, 0.001_23),
            (99.96, 100.0),
        ];
        for (rate, rounded) in table {
            assert_eq!(three_digits(rate), rounded);
        }
        for (first, begin) in [(f64::NAN, 1.0), (-5.0, 1.0), (0.2, 1.0), (f64::INFINITY, 1e9), (1234.0, 1230.0)] {
            assert_eq!(Search::new(first).next(), Some(begin));
        }
    }
}
