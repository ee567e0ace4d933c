//! What is drawn for a fault: always the same for the same seed, session, fault and direction.

use std::time::Duration;

use super::fault::Shape;
use crate::direction::Direction;
use crate::rng::Rng;

/// Returns the generator for what is drawn once a session; both directions draw the same.
pub(super) fn of_session(seed: u64, session: u64, fault: u64) -> Rng {
    rng(seed, session, fault, 0)
}

/// Returns the generator for what is drawn in one direction.
pub(super) fn of_direction(seed: u64, session: u64, fault: u64, direction: Direction) -> Rng {
    let lane = match direction {
        Direction::ToServer => 1,
        Direction::ToClient => 2,
    };
    rng(seed, session, fault, lane)
}

fn rng(seed: u64, session: u64, fault: u64, lane: u64) -> Rng {
    // Each number is spread over all bits before the next one is mixed in.
    let mixed = [session, fault, lane].into_iter().fold(seed, |mixed, next| Rng::new(mixed).next_u64() ^ next);
    Rng::new(mixed)
}

/// Draws a number from 0 up to, but not including, 1.
pub(super) fn unit(rng: &mut Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Draws whether something this likely happens.
pub(super) fn happens(rng: &mut Rng, probability: f64) -> bool {
    unit(rng) < probability
}

/// Draws how many times something this likely does not happen before it does.
pub(super) fn gap(rng: &mut Rng, probability: f64) -> u64 {
    if probability >= 1.0 {
        return 0;
    }
    if probability <= 0.0 {
        return u64::MAX;
    }
    let drawn = 1.0 - unit(rng);
    // What is too large for the type becomes its maximum: never.
    (drawn.ln() / (-probability).ln_1p()) as u64
}

/// The farthest that `pareto` goes, in jitters.
const MOST_JITTERS: f64 = 100.0;

/// Draws a delay. Only arithmetic that is exact by IEEE 754, so that a seed means the same on every machine.
pub(super) fn delay(rng: &mut Rng, base: Duration, jitter: Duration, shape: Shape) -> Duration {
    if jitter.is_zero() {
        return base;
    }
    let factor = match shape {
        Shape::Uniform => 2.0 * unit(rng) - 1.0,
        // The sum of twelve has a variance of one.
        Shape::Normal => (0..12).map(|_| unit(rng)).sum::<f64>() - 6.0,
        Shape::Pareto => (1.0 / (1.0 - unit(rng)).sqrt() - 1.0).min(MOST_JITTERS),
    };
    let off = Duration::try_from_secs_f64(jitter.as_secs_f64() * factor.abs()).unwrap_or(Duration::ZERO);
    if factor < 0.0 { base.saturating_sub(off) } else { base.saturating_add(off) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_seed_session_fault_and_direction_counts() {
        let draws = [
            rng(1, 2, 3, 0).next_u64(),
            rng(2, 2, 3, 0).next_u64(),
            rng(1, 3, 3, 0).next_u64(),
            rng(1, 2, 4, 0).next_u64(),
            rng(1, 3, 2, 0).next_u64(),
            of_direction(1, 2, 3, Direction::ToServer).next_u64(),
            of_direction(1, 2, 3, Direction::ToClient).next_u64(),
        ];
        let different: std::collections::HashSet<u64> = draws.into_iter().collect();
        assert_eq!(different.len(), draws.len());
        assert_eq!(of_session(1, 2, 3).next_u64(), draws[0]);
    }

    #[test]
    fn gaps_are_as_likely_as_they_should_be() {
        for probability in [0.001, 0.1, 0.5, 0.99] {
            let mut rng = Rng::new(7);
            let mean = (0..20_000).map(|_| gap(&mut rng, probability) as f64).sum::<f64>() / 20_000.0;
            let due = (1.0 - probability) / probability;
            assert!((mean - due).abs() < 0.05 * due + 0.01, "{probability}: {mean} for {due}");
        }
        assert_eq!((gap(&mut Rng::new(0), 1.0), gap(&mut Rng::new(0), 0.0)), (0, u64::MAX));
    }

    #[test]
    fn delays_are_spread_as_named() {
        let (base, jitter) = (Duration::from_millis(100), Duration::from_millis(20));
        let drawn = |shape| -> Vec<f64> {
            let mut rng = Rng::new(3);
            (0..20_000).map(|_| delay(&mut rng, base, jitter, shape).as_secs_f64() * 1e3).collect()
        };
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
        let within = |all: &[f64], low: f64, high: f64| all.iter().all(|ms| (low..=high).contains(ms));

        let uniform = drawn(Shape::Uniform);
        assert!(within(&uniform, 80.0, 120.0) && (mean(&uniform) - 100.0).abs() < 0.5);
        let normal = drawn(Shape::Normal);
        let deviation = mean(&normal.iter().map(|ms| (ms - 100.0).powi(2)).collect::<Vec<_>>()).sqrt();
        assert!((mean(&normal) - 100.0).abs() < 0.5 && (deviation - 20.0).abs() < 0.5, "{deviation}");
        let pareto = drawn(Shape::Pareto);
        assert!(within(&pareto, 100.0, 2100.0) && (mean(&pareto) - 120.0).abs() < 4.0, "{}", mean(&pareto));
        assert!(pareto.iter().filter(|ms| **ms < 120.0).count() > 14_000);
        assert_eq!(delay(&mut Rng::new(0), base, Duration::ZERO, Shape::Normal), base);
        assert_eq!(delay(&mut Rng::new(0), Duration::MAX, Duration::MAX, Shape::Pareto), Duration::MAX);
    }
}
