//! How a condition is written.

use super::quantity::{Counted, Quantity, Statistic, Times};
use super::{Condition, Operator, Value};
use crate::error::Invalid;
use crate::text::{nearest, safe};
use crate::units::{Rate, RateUnit, parse_duration};

const ADVICE: &str = "write a figure, <, <=, > or >=, and a value, as in p99<5ms, errors>0, missed>1% or rate<9k/s";
const FIGURES: &str = "figures are p50, p99.9 and the like, min, mean, max, service.p99 and the like, rate, throughput, errors, \
                       wrong, mixed_up, lost and missed";

/// Figures without a percentile's number, as they are written.
const PLAIN: [(&str, Statistic); 3] = [("min", Statistic::Min), ("mean", Statistic::Mean), ("max", Statistic::Max)];
/// What others call the same.
const ALIASES: [(&str, &str); 6] =
    [("avg", "mean"), ("average", "mean"), ("median", "p50"), ("error", "errors"), ("rps", "rate"), ("qps", "rate")];

/// Reads `FIGURE OPERATOR VALUE`; spaces between do not matter.
pub(super) fn read(text: &str) -> Result<Condition, Invalid> {
    let invalid = |at, problem: &str| Invalid::new("condition", text, problem).at(at).instead(ADVICE);
    let sign = text.find(['<', '>', '=', '!']).ok_or_else(|| invalid(text.len(), "nothing is compared"))?;
    let rest = &text[sign..];
    let signs = rest.len() - rest.trim_start_matches(['<', '>', '=', '!']).len();
    let operator = match &rest[..signs] {
        "<" => Operator::Less,
        "<=" => Operator::AtMost,
        ">" => Operator::More,
        ">=" => Operator::AtLeast,
        other => return Err(invalid(sign, &format!("{other} is no comparison"))),
    };
    let figure_at = text.len() - text.trim_start().len();
    let figure = text[figure_at.min(sign)..sign].trim_end();
    let quantity = read_figure(figure).map_err(|slip| {
        let bad = invalid(figure_at.min(sign), &slip.problem);
        bad.instead(slip.instead)
    })?;
    let value_at = text.len() - text[sign + signs..].trim_start().len();
    let value = read_value(quantity, text[value_at..].trim_end()).map_err(|bad| {
        let moved = Invalid::new("condition", text, bad.problem).at(value_at + bad.at.unwrap_or(0));
        moved.instead(bad.instead.unwrap_or_default())
    })?;
    Ok(Condition { written: text.trim().to_owned(), quantity, operator, value })
}

/// What is wrong with the name of a figure, and what was probably meant.
struct Slip {
    problem: String,
    instead: String,
}

fn read_figure(name: &str) -> Result<Quantity, Slip> {
    let counted = Counted::ALL.into_iter().find(|counted| counted.name() == name).map(Quantity::Count);
    if let Some(quantity) = counted {
        return Ok(quantity);
    }
    match name {
        "rate" => return Ok(Quantity::Rate),
        "throughput" => return Ok(Quantity::Throughput),
        "" => return Err(Slip { problem: "no figure is named".into(), instead: ADVICE.into() }),
        _ => {}
    }
    let prefixed = name.split_once('.');
    let times = prefixed.and_then(|(prefix, _)| Times::ALL.into_iter().find(|times| times.name() == prefix));
    let (times, statistic) = match (times, prefixed) {
        (Some(times), Some((_, statistic))) => (times, statistic),
        _ => (Times::Response, name),
    };
    if let Some((_, statistic)) = PLAIN.into_iter().find(|(plain, _)| *plain == statistic) {
        return Ok(Quantity::Time(times, statistic));
    }
    // Digits and a point alone: what else is a floating-point number to Rust is none here.
    let digits = statistic.strip_prefix('p').filter(|rest| rest.chars().all(|c| c == '.' || c.is_ascii_digit()));
    match digits.map(str::parse::<f64>) {
        Some(Ok(percent)) if percent > 0.0 && percent <= 100.0 => {
            Ok(Quantity::Time(times, Statistic::Percentile(percent)))
        }
        Some(Ok(_)) => Err(Slip {
            problem: format!("there is no percentile {}", safe(statistic)),
            instead: "percentiles are above p0 and at most p100".into(),
        }),
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> Slip {
    let problem = format!("unknown figure {}", safe(name));
    let (prefix, last) = name.rsplit_once('.').map_or((None, name), |(prefix, last)| (Some(prefix), last));
    let times = prefix.and_then(|prefix| nearest(prefix, Times::ALL.map(Times::name)));
    let plain = PLAIN.into_iter().map(|(name, _)| name);
    let others = ["rate", "throughput"].into_iter().chain(Counted::ALL.into_iter().map(Counted::name));
    let names = plain.chain(others.filter(|_| prefix.is_none())).chain(["p50", "p99", "p99.9"]);
    let alias = ALIASES.into_iter().find(|(alias, _)| *alias == last).map(|(_, meant)| meant);
    let meant = alias.or_else(|| nearest(last, names));
    let instead = match (times, meant) {
        (Some(times), Some(meant)) => format!("did you mean {times}.{meant}?"),
        (Some(times), None) => format!("did you mean {times}.p99?"),
        (None, Some(meant)) => format!("did you mean {meant}?"),
        (None, None) => FIGURES.to_owned(),
    };
    Slip { problem, instead }
}

/// Reads a value; errors point into it alone.
fn read_value(quantity: Quantity, text: &str) -> Result<Value, Invalid> {
    match quantity {
        Quantity::Time(..) => parse_duration(text).map(Value::Time),
        Quantity::Rate => {
            let advice = "write answers a second as 9k/s or 9000";
            let rate = if text.contains('/') { events(text, advice) } else { number(text, advice) };
            rate.map(Value::Number)
        }
        Quantity::Throughput => {
            let advice = "write bytes a second as 1GB/s or 1Gbit/s";
            let rate: Rate = text.parse().map_err(|bad: Invalid| bad.instead(advice))?;
            if rate.unit != RateUnit::Bytes {
                return Err(Invalid::new("rate", text, "it has no unit of bytes").at(0).instead(advice));
            }
            Ok(Value::Number(rate.per_second))
        }
        Quantity::Count(_) => {
            let advice = "write a count as 10, or a part as 1%";
            let Some(percent) = text.strip_suffix('%') else {
                return number(text, advice).map(Value::Number);
            };
            let percent = number(percent.trim_end(), advice)?;
            if percent > 100.0 {
                return Err(Invalid::new("percentage", text, "more than 100 %").at(0).instead(advice));
            }
            Ok(Value::Percent(percent))
        }
    }
}

/// Reads a number as rates have them: `10`, `9k`, `0.5`, and also 0.
fn number(text: &str, advice: &'static str) -> Result<f64, Invalid> {
    if text == "0" {
        return Ok(0.0);
    }
    events(&format!("{text}/s"), advice).map_err(|bad| {
        // Not behind what the user wrote.
        let at = bad.at.unwrap_or(0).min(text.len());
        bad.at(at)
    })
}

/// Reads events a second.
fn events(text: &str, advice: &'static str) -> Result<f64, Invalid> {
    let rate: Rate = text.parse().map_err(|bad: Invalid| bad.instead(advice))?;
    match rate.unit {
        RateUnit::Events => Ok(rate.per_second),
        RateUnit::Bytes => Err(Invalid::new("number", text, "bytes are not counted here").at(0).instead(advice)),
    }
}
