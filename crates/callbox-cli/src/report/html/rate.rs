//! What was reached over the run: exchanges or bytes a second, or connections held; what failed is marked.

use callbox::load::{Report, Slice};

use super::super::{csv, figures};
use super::axis::{Scale, in_unit, moments};
use super::drawing::{Anchor, Area, Drawing, WIDTH};
use super::legend;

const HEIGHT: f64 = 330.0;
const AREA: Area = Area { left: 78.0, top: 46.0, right: WIDTH - 18.0, bottom: HEIGHT - 54.0 };
/// What is not nothing is seen.
const LEAST_HEIGHT: f64 = 3.0;

/// What is drawn, by mode.
struct Subject {
    title: &'static str,
    lines: Vec<Line>,
    unit: Unit,
}

/// How a line is drawn, its name, and its value in a slice of so many seconds.
type Line = (&'static str, &'static str, fn(&Slice, f64) -> f64);

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    PerSecond,
    Bytes,
    Connections,
}

/// Draws it; `None` where there are no slices.
pub fn rate(report: &Report) -> Option<String> {
    let slices = &report.series.slices;
    let ends: Vec<_> = csv::ends(report).map(|(from, to)| (from.as_secs_f64(), to.as_secs_f64())).collect();
    let seconds = ends.last()?.1;
    let subject = subject(report.mode);
    let failed: Vec<f64> = slices.iter().zip(&ends).map(|(slice, ends)| slice.failed as f64 / lasted(*ends)).collect();
    let asked = report.rate_asked.filter(|_| matches!(report.schedule, "constant" | "poisson"));
    let values: Vec<Vec<f64>> = subject
        .lines
        .iter()
        .map(|(_, _, value)| slices.iter().zip(&ends).map(|(slice, ends)| value(slice, lasted(*ends))).collect())
        .collect();
    let most = values.iter().flatten().chain(&failed).copied().fold(asked.unwrap_or(0.0), f64::max);
    let (scale, label) = scaled(subject.unit, most);
    let mut drawing = Drawing::new("rate", HEIGHT, subject.title, &described(&subject, &values, slices));
    drawing.left_axis(AREA, &scale.marks(label));
    let mut legend: Vec<_> = subject.lines.iter().map(|(class, name, _)| (*class, *name)).collect();
    for ((class, ..), values) in subject.lines.iter().zip(&values) {
        let points = stairs(values, &ends, seconds, scale);
        if subject.lines.len() == 1 {
            drawing.filled(&points, AREA.bottom, "area");
        }
        drawing.path(&points, class);
    }
    if let Some(asked) = asked {
        let y = AREA.y(scale.place(asked));
        drawing.line((AREA.left, y), (AREA.right, y), "asked");
        legend.push(("asked", "asked"));
    }
    if failed.iter().any(|failed| *failed > 0.0) {
        mark_failed(&mut drawing, slices, &ends, (seconds, scale));
        legend.push(("failed", "failed, marked ×"));
    }
    legend::strokes(&mut drawing, (AREA.right, 14.0), &legend);
    drawing.lower_axis(AREA, &moments(seconds), "time since the begin of the measurement");
    Some(drawing.finish())
}

/// Returns what a mode's plot is about, as its title.
pub fn title(mode: &str) -> &'static str {
    subject(mode).title
}

fn subject(mode: &str) -> Subject {
    let to_server: Line = ("line first", "to server", |slice, lasted| slice.to_server_bytes as f64 / lasted);
    let to_client: Line = ("line second", "to client", |slice, lasted| slice.to_client_bytes as f64 / lasted);
    let answered: fn(&Slice, f64) -> f64 = |slice, lasted| slice.answered as f64 / lasted;
    let bulk = |lines| Subject { title: "Bytes a second over the run", lines, unit: Unit::Bytes };
    match mode {
        "send" => bulk(vec![to_server]),
        "receive" => bulk(vec![to_client]),
        "both" => bulk(vec![to_server, to_client]),
        "idle" => Subject {
            title: "Connections held over the run",
            lines: vec![("line first", "open", |slice, _| slice.open as f64)],
            unit: Unit::Connections,
        },
        "connect" => Subject {
            title: "Connections a second over the run",
            lines: vec![("line first", "opened", answered)],
            unit: Unit::PerSecond,
        },
        _ => Subject {
            title: "Exchanges a second over the run",
            lines: vec![("line first", "answered", answered)],
            unit: Unit::PerSecond,
        },
    }
}

/// Slices may be as short as a clock is fine, and are never nothing.
fn lasted((from, to): (f64, f64)) -> f64 {
    (to - from).max(1e-9)
}

/// Returns the axis, and how its marks are labelled.
fn scaled(unit: Unit, most: f64) -> (Scale, impl Fn(f64) -> String) {
    let (name, one) = match unit {
        Unit::Bytes => {
            let names = ["B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s"];
            let power = (most.max(1.0).log2() / 10.0).floor().min(4.0);
            (names[power as usize], 1024_f64.powf(power))
        }
        _ => ("", 1.0),
    };
    // Steps are round in the unit that is shown.
    let Scale::Linear { high, step } = Scale::up_to(most / one, 5) else { unreachable!("from zero it is linear") };
    let label = move |value: f64| match unit {
        Unit::Bytes => in_unit(value, step * one, (name, one)),
        Unit::PerSecond => figures::rate(value),
        Unit::Connections => figures::count(value.round() as u64),
    };
    (Scale::Linear { high: high * one, step: step * one }, label)
}

/// A slice's rate is that of the whole slice, so a line has steps.
fn stairs(values: &[f64], ends: &[(f64, f64)], seconds: f64, scale: Scale) -> Vec<(f64, f64)> {
    let steps = values.iter().zip(ends).flat_map(|(value, (from, to))| {
        let y = AREA.y(scale.place(*value));
        [(AREA.x(from / seconds), y), (AREA.x(to / seconds), y)]
    });
    steps.collect()
}

fn mark_failed(drawing: &mut Drawing, slices: &[Slice], ends: &[(f64, f64)], (seconds, scale): (f64, Scale)) {
    for (slice, (from, to)) in slices.iter().zip(ends).filter(|(slice, _)| slice.failed > 0) {
        let high = scale.place(slice.failed as f64 / lasted((*from, *to)));
        let height = (AREA.bottom - AREA.y(high)).max(LEAST_HEIGHT);
        let (left, right) = (AREA.x(from / seconds), AREA.x(to / seconds));
        let says = format!("{} failed from {from:.2} s to {to:.2} s", figures::count(slice.failed));
        drawing.rectangle((left, AREA.bottom - height), ((right - left).max(2.0), height), "failed", &says);
        drawing.text(((left + right) / 2.0, AREA.bottom - height - 4.0), Anchor::Middle, "cross", "×");
    }
}

fn described(subject: &Subject, values: &[Vec<f64>], slices: &[Slice]) -> String {
    let show = |value: f64| match subject.unit {
        Unit::Bytes => figures::bytes_rate(value),
        Unit::PerSecond => figures::rate(value),
        Unit::Connections => figures::count(value.round() as u64),
    };
    let lines = subject.lines.iter().zip(values).map(|((_, name, _), values)| {
        let (low, high) =
            values.iter().fold((f64::MAX, 0_f64), |(low, high), value| (low.min(*value), high.max(*value)));
        format!("{name}: {} to {}", show(low), show(high))
    });
    let failed = slices.iter().fold(0, |sum: u64, slice| sum.saturating_add(slice.failed));
    lines.chain((failed > 0).then(|| format!("{} failed", figures::count(failed)))).collect::<Vec<_>>().join("; ")
}
