//! A comparison in one sentence.

use super::{Comparison, FEWEST_SLICES, Figure, Verdict};

impl Comparison {
    /// Returns what is to be said of it in one sentence without a full stop: `B answers 1.31 times as many (1.28 to 1.34) and its p99
    /// is 0.76 times A's (0.70 to 0.83); p50 is the same`.
    pub fn sentence(&self) -> String {
        if self.figures.is_empty() {
            return "A and B measured nothing that could be compared".into();
        }
        let (a, b) = self.slices;
        if a.min(b) < FEWEST_SLICES {
            return format!(
                "no difference that these runs could show: A has {a} and B has {b} slices of time, and fewer than \
                 {FEWEST_SLICES} say nothing about chance"
            );
        }
        let differs = |figure: &&Figure| matches!(figure.verdict, Verdict::Better | Verdict::Worse);
        let told: Vec<String> =
            self.figures.iter().filter(differs).enumerate().map(|(place, figure)| clause(figure, place == 0)).collect();
        let mut parts = vec![match told.is_empty() {
            true => "no difference that these runs could show".to_owned(),
            false => listed(&told),
        }];
        parts.extend(self.rest(Verdict::Same, "the same"));
        parts.extend(self.rest(Verdict::Unclear, "unclear"));
        parts.join("; ")
    }

    /// Names all figures with this verdict.
    fn rest(&self, verdict: Verdict, word: &str) -> Option<String> {
        let chosen = self.figures.iter().filter(|figure| figure.verdict == verdict);
        let names: Vec<String> = chosen
            .map(|figure| if figure.is_time { figure.name.to_owned() } else { format!("the {}", figure.name) })
            .collect();
        let verb = if names.len() == 1 { "is" } else { "are" };
        (!names.is_empty()).then(|| format!("{} {verb} {word}", listed(&names)))
    }
}

/// Says how a figure differs; `first` names whose it is.
fn clause(figure: &Figure, first: bool) -> String {
    let whose = if first { "B's" } else { "its" };
    let ratio = show_ratio(figure.ratio);
    let what = match figure.name {
        "rate" => format!("B answers {ratio} times as many"),
        "throughput" => format!("B moves {ratio} times as many bytes"),
        name => format!("{whose} {name} is {ratio} times A's"),
    };
    match figure.interval {
        Some((low, high)) => format!("{what} ({} to {})", show_ratio(low), show_ratio(high)),
        None => what,
    }
}

/// Prints a ratio with the digits that matter, zeros at its end included: `0.76`, `1.31`, `12.4`.
pub fn show_ratio(ratio: f64) -> String {
    let decimals = match ratio {
        ..0.0995 => 3,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{ratio:.decimals$}")
}

/// Joins with commas, and `and` before the last.
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}
