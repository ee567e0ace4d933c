//! Two runs side by side, as text and as JSON.

use std::time::{Duration, SystemTime};

use callbox::load::{Comparison, Figure, show_ratio};
use callbox::text::safe;
use serde_json::{Value, json};

use super::figures;
use super::json::time;
use super::text::sheet::{Look, Sheet, Tone};

/// The version of the format.
const VERSION: u8 = 1;
/// Narrower than this, a figure is a sentence instead of a row.
const WIDE: usize = 66;

/// Returns the comparison of the runs A and B, that were read from files of these names, in lines of at most so many columns.
pub fn render(comparison: &Comparison, (a, b): (&str, &str), look: Look) -> String {
    let mut sheet = Sheet::new(look);
    sheet.sentence(Tone::Strong, &comparison.sentence());
    for caution in &comparison.cautions {
        sheet.sentence(Tone::Warning, &format!("caution: {}", safe(caution)));
    }
    sheet.heading("runs");
    sheet.pairs(&[("A", safe(a)), ("B", safe(b))]);
    if comparison.figures.is_empty() {
        return sheet.finish();
    }
    sheet.heading("figures");
    if sheet.room() < WIDE {
        let lines: Vec<_> = comparison.figures.iter().map(|figure| (figure.name, in_words(figure))).collect();
        sheet.pairs(&lines);
    } else {
        let heads = ["", "A", "B", "B / A", "95 % within", "B is"].map(str::to_owned).to_vec();
        let rows: Vec<_> = [heads].into_iter().chain(comparison.figures.iter().map(row)).collect();
        sheet.table(&rows);
    }
    sheet.finish()
}

/// Returns the comparison as one JSON object.
pub fn value(comparison: &Comparison, (a, b): (&str, &str), at: SystemTime) -> Value {
    let figures: Vec<_> = comparison.figures.iter().map(record).collect();
    json!({
        "v": VERSION,
        "event": "comparison",
        "time": time(at),
        "a": safe(a),
        "b": safe(b),
        "a_slices": comparison.slices.0,
        "b_slices": comparison.slices.1,
        "figures": figures,
        "cautions": comparison.cautions.iter().map(|caution| safe(caution)).collect::<Vec<_>>(),
        "sentence": comparison.sentence(),
    })
}

/// Times are in microseconds, as everywhere in JSON; the unit says which they are.
fn record(figure: &Figure) -> Value {
    let (unit, scale) = if figure.is_time { ("us", 1e6) } else { ("per_s", 1.0) };
    let rounded = |value: f64| (value * scale * 1000.0).round() / 1000.0;
    json!({
        "name": figure.name,
        "unit": unit,
        "a": rounded(figure.a),
        "b": rounded(figure.b),
        "ratio": figure.ratio,
        "low": figure.interval.map(|(low, _)| low),
        "high": figure.interval.map(|(_, high)| high),
        "verdict": figure.verdict.name(),
    })
}

fn row(figure: &Figure) -> Vec<String> {
    let [a, b] = [figure.a, figure.b].map(|value| shown(figure, value));
    let verdict = figure.verdict.name().to_owned();
    vec![figure.name.to_owned(), a, b, show_ratio(figure.ratio), interval(figure).unwrap_or("-".into()), verdict]
}

fn in_words(figure: &Figure) -> String {
    let [a, b] = [figure.a, figure.b].map(|value| shown(figure, value));
    let within = interval(figure).map_or(String::new(), |interval| format!(" ({interval})"));
    format!("A {a}, B {b}: {} times{within}, {}", show_ratio(figure.ratio), figure.verdict.name())
}

fn shown(figure: &Figure, value: f64) -> String {
    match figure.name {
        _ if figure.is_time => figures::time(Duration::try_from_secs_f64(value).unwrap_or_default()),
        "throughput" => figures::bytes_rate(value),
        _ => figures::rate(value),
    }
}

fn interval(figure: &Figure) -> Option<String> {
    figure.interval.map(|(low, high)| format!("{} to {}", show_ratio(low), show_ratio(high)))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use callbox::load::{Report, compare};
    use ratatui::text::Span;

    /// The same run on a server that takes twice as long.
    fn slower(report: &Report) -> Report {
        let double = |times: &callbox::load::Distribution| {
            let [min, max] = [times.min(), times.max()].map(|time| 2 * super::super::bins::nanos(time));
            let buckets = times.buckets().iter().map(|(bound, count)| (2 * bound, *count)).collect();
            callbox::load::Distribution::new(buckets, (min, max), 2 * times.sum_nanos()).expect("it ascends as before")
        };
        let mut report = report.clone();
        report.response = double(&report.response);
        report.series.slices.iter_mut().for_each(|slice| slice.response = double(&slice.response));
        report
    }

    #[test]
    fn what_is_worse_is_told_as_worse() {
        let (a, b) = (samples::closed(), slower(&samples::closed()));
        let text = render(&compare(&a, &b, 1), ("a.json", "b.json"), Look::default());
        let row = text.lines().find(|line| line.trim_start().starts_with("p50")).expect("p50 has a row");
        assert!(row.contains("2.00") && row.ends_with("worse"), "{text}");
        let value = value(&compare(&a, &b, 1), ("a.json", "b.json"), SystemTime::UNIX_EPOCH);
        assert_eq!((&value["event"], &value["a_slices"]), (&"comparison".into(), &50.into()));
        let p50 = value["figures"].as_array().unwrap().iter().find(|figure| figure["name"] == "p50").expect("p50");
        assert_eq!((&p50["unit"], &p50["verdict"]), (&"us".into(), &"worse".into()));
        assert!(p50["low"].as_f64() > Some(1.9) && p50["high"].as_f64() < Some(2.1), "{p50}");
    }

    #[test]
    fn no_line_is_wider_than_asked_and_names_are_safe() {
        let names = ("a very long folder/with a very long name/\u{1b}[2J.json", "b.json");
        for (_, a) in samples::all() {
            for columns in [40, 80] {
                let comparison = compare(&a, &samples::stalls(), 1);
                let text = render(&comparison, names, Look { colored: false, width: columns });
                let fits = |line: &str| Span::raw(line).width() <= usize::from(columns);
                assert!(text.lines().all(fits) && !text.contains('\x1b'), "{text}");
            }
        }
    }
}
