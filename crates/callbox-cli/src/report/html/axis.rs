//! Axes: which values are marked on them, and where a value is.

use super::super::figures;

/// From this ratio on, times are told apart only on a logarithmic axis.
const FAR_APART: f64 = 20.0;
/// More than anything that is measured; what is beyond ends here, so that a step is always a number.
const MOST: f64 = 1e30;
/// The most marks of an axis.
const MARKS: usize = 9;

/// How values are spread over an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// Evenly, from zero to `high`, with a mark at each `step`.
    Linear {
        /// Where it ends.
        high: f64,
        /// From mark to mark.
        step: f64,
    },
    /// By their logarithms.
    Log {
        /// Where it begins.
        low: f64,
        /// Where it ends.
        high: f64,
    },
}

/// A value that is marked.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Where, from 0 to 1.
    pub at: f64,
    /// What is written there.
    pub label: String,
}

impl Scale {
    /// Returns one from zero that ends at a round number.
    pub fn up_to(high: f64, marks: usize) -> Scale {
        let high = high.clamp(0.0, MOST);
        let step = round_step(high / marks.max(1) as f64);
        Scale::Linear { high: ((high / step).ceil() * step).max(step), step }
    }

    /// Returns one for times in nanoseconds.
    pub fn of_times(low: f64, high: f64) -> Scale {
        let low = low.max(1.0);
        if high < low * FAR_APART {
            return Scale::up_to(high.max(1.0), 6);
        }
        Scale::Log { low: below(low), high: above(high) }
    }

    /// Returns where a value is, from 0 to 1.
    pub fn place(self, value: f64) -> f64 {
        let at = match self {
            Scale::Linear { high, .. } => value / high,
            Scale::Log { low, high } => (value.max(low) / low).ln() / (high / low).ln(),
        };
        at.clamp(0.0, 1.0)
    }

    /// Returns the values to mark.
    fn values(self) -> Vec<f64> {
        match self {
            Scale::Linear { high, step } => (0..=(high / step).round() as u32).map(|at| f64::from(at) * step).collect(),
            Scale::Log { low, high } => {
                let within = |values: Vec<f64>| -> Vec<f64> {
                    values.into_iter().filter(|value| *value >= low * 0.999 && *value <= high * 1.001).collect()
                };
                let decades = || (0..20).map(|power| 10_f64.powi(power));
                let fine = within(decades().flat_map(|one| [one, one * 2.0, one * 5.0]).collect());
                if fine.len() <= MARKS { fine } else { within(decades().collect()) }
            }
        }
    }

    /// Returns the marks of times in nanoseconds; on a linear axis all are in the same unit.
    pub fn time_marks(self) -> Vec<Mark> {
        let label = |value: f64| match self {
            Scale::Linear { high, step } => in_unit(value, step, time_unit(high)),
            Scale::Log { .. } => figures::nanos(value.round() as u64),
        };
        self.marks(label)
    }

    /// Returns the marks with labels of your own.
    pub fn marks(self, label: impl Fn(f64) -> String) -> Vec<Mark> {
        self.values().into_iter().map(|value| Mark { at: self.place(value), label: label(value) }).collect()
    }
}

/// Returns the moments to mark on an axis of so many seconds.
pub fn moments(seconds: f64) -> Vec<Mark> {
    const STEPS: [f64; 19] = [
        0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0,
        3600.0,
    ];
    let seconds = seconds.max(1e-9);
    let fits = |step: &f64| seconds / step <= MARKS as f64 + 2.0;
    let step = STEPS.into_iter().find(fits).unwrap_or_else(|| round_step(seconds / MARKS as f64));
    let label = |at: f64| match at {
        0.0 => "0".to_owned(),
        // Below a minute all are in seconds.
        ..60.0 => in_unit(at, step, ("s", 1.0)),
        _ => figures::time(std::time::Duration::from_secs_f64(at)),
    };
    let marks = (seconds / step + 1e-9).floor() as u32;
    (0..=marks).map(|at| f64::from(at) * step).map(|at| Mark { at: at / seconds, label: label(at) }).collect()
}

/// Returns the unit in which a time is told, and its nanoseconds.
pub fn time_unit(nanos: f64) -> (&'static str, f64) {
    match nanos {
        ..1e3 => ("ns", 1.0),
        ..1e6 => ("us", 1e3),
        ..1e9 => ("ms", 1e6),
        _ => ("s", 1e9),
    }
}

/// Returns a value in a unit, with as many digits behind the point as the step from mark to mark needs.
pub fn in_unit(value: f64, step: f64, (unit, one): (&str, f64)) -> String {
    let digits = (0..6).find(|digits| (step / one * 10_f64.powi(*digits)).fract() < 1e-6).unwrap_or(6) as usize;
    if value == 0.0 { "0".into() } else { format!("{:.digits$} {unit}", value / one) }
}

/// Returns the next of 1, 2, 5, 10, ... of any power of ten.
fn round_step(least: f64) -> f64 {
    let one = 10_f64.powf(least.max(1e-12).log10().floor());
    [1.0, 2.0, 5.0].map(|mantissa| mantissa * one).into_iter().find(|step| *step >= least * 0.999).unwrap_or(one * 10.0)
}

fn below(value: f64) -> f64 {
    let one = 10_f64.powf(value.log10().floor());
    [5.0, 2.0].map(|mantissa| mantissa * one).into_iter().find(|round| *round <= value).unwrap_or(one)
}

fn above(value: f64) -> f64 {
    round_step(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(marks: Vec<Mark>) -> String {
        marks.into_iter().map(|mark| mark.label).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn marks_are_round_and_in_one_unit() {
        assert_eq!(labels(Scale::of_times(4e5, 2.3e6).time_marks()), "0|0.5 ms|1.0 ms|1.5 ms|2.0 ms|2.5 ms");
        assert_eq!(labels(Scale::of_times(3e5, 8e6).time_marks()), "200 us|500 us|1 ms|2 ms|5 ms|10 ms");
        assert_eq!(labels(Scale::of_times(3e4, 8e9).time_marks()), "100 us|1 ms|10 ms|100 ms|1 s|10 s");
        assert_eq!(labels(moments(2.0)), "0|0.2 s|0.4 s|0.6 s|0.8 s|1.0 s|1.2 s|1.4 s|1.6 s|1.8 s|2.0 s");
        assert_eq!(labels(moments(10.0)), "0|1 s|2 s|3 s|4 s|5 s|6 s|7 s|8 s|9 s|10 s");
        assert_eq!(labels(moments(90.0)), "0|10 s|20 s|30 s|40 s|50 s|1m00s|1m10s|1m20s|1m30s");
    }

    #[test]
    fn values_are_between_the_ends() {
        for scale in
            [Scale::of_times(1.0, 1e18), Scale::of_times(0.0, 0.0), Scale::up_to(0.0, 5), Scale::up_to(f64::MAX, 5)]
        {
            for value in [0.0, 1.0, 1e9, 1e30] {
                assert!((0.0..=1.0).contains(&scale.place(value)), "{scale:?} {value}");
            }
            assert!((1..=22).contains(&scale.time_marks().len()), "{scale:?}");
        }
    }
}
