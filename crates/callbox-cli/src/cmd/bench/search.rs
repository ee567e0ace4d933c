//! The search for the highest rate at which a condition holds.

use callbox::load::{Condition, Plan, Report, Schedule, Search, Trial};
use callbox::workers::Workers;
use serde_json::{Value, json};

use super::found::Found;
use super::measure;
use super::watch::Watching;
use crate::exit::Failure;
use crate::report::figures;
use crate::signal::Signals;

/// What the first rate is where nothing is known: slow enough for nearly everything.
const FIRST: f64 = 100.0;

/// How a search went.
pub struct Searched {
    /// What was to hold.
    pub condition: String,
    /// The highest rate at which it did.
    pub best: Option<f64>,
    trials: Vec<(Trial, String)>,
}

/// Looks for the rate; the report is that of the best run, or of the last one where none was good.
pub async fn search(
    plan: &Plan,
    workers: &Workers,
    condition: &Condition,
    watching: &Watching,
    signals: &mut Signals,
) -> Result<Found, Failure> {
    let mut search = Search::new(FIRST);
    let mut best: Option<(f64, Found)> = None;
    let mut last: Option<Found> = None;
    let mut found_at = Vec::new();
    while let Some(rate) = search.next() {
        let plan = Plan { schedule: Schedule::Constant(rate), ..plan.clone() };
        let found = measure(plan, workers, watching, signals).await?;
        let signalled = found.signalled.is_some();
        let trial = Trial { rate, reached: found.report.rate_reached(), held: holds(condition, &found.report) };
        found_at.push((trial, condition.found(&found.report)));
        if !signalled {
            search.tried(trial);
        }
        let is_best = trial.held && !signalled && best.as_ref().is_none_or(|(before, _)| rate >= *before);
        if is_best {
            best = Some((rate, found));
        } else {
            last = Some(found);
        }
        if signalled {
            break;
        }
    }
    let signalled = last.as_ref().and_then(|found| found.signalled);
    let rate = search.best();
    let best = best.map(|(_, found)| found);
    let found = best.or(last).ok_or_else(|| Failure::usage("--find-rate: there is no rate to try"))?;
    let searched = Searched { condition: condition.to_string(), best: rate, trials: found_at };
    Ok(Found { search: Some(searched), signalled, ..found })
}

/// A server that is gone holds nothing.
fn holds(condition: &Condition, report: &Report) -> bool {
    condition.holds(report) && report.answered > 0
}

impl Searched {
    /// Returns the search for people.
    pub fn text(&self) -> String {
        let mut text = match self.best {
            Some(rate) => format!("{} holds up to {}\n\n", self.condition, figures::rate(rate)),
            None => format!("{} holds at no rate that was tried\n\n", self.condition),
        };
        text.push_str("      rate    reached\n");
        for (trial, found) in &self.trials {
            let held = if trial.held { "holds" } else { "fails" };
            let [rate, reached] = [trial.rate, trial.reached].map(figures::rate);
            text.push_str(&format!("{rate:>10} {reached:>10}  {held}  {found}\n"));
        }
        text.push('\n');
        text
    }

    /// Returns it for programs.
    pub fn json(&self) -> Value {
        let trials = self
            .trials
            .iter()
            .map(|(trial, _)| json!({"rate": trial.rate, "reached": trial.reached, "held": trial.held}));
        json!({"condition": self.condition, "best": self.best, "trials": trials.collect::<Vec<_>>()})
    }
}
