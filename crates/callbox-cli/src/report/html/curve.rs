//! The percentile curve: which part of all exchanges took no longer than what.

use callbox::load::Distribution;

use super::super::{bins, figures};
use super::axis::{Mark, Scale};
use super::drawing::{Anchor, Area, Drawing, WIDTH};

const HEIGHT: f64 = 360.0;
const AREA: Area = Area { left: 78.0, top: 26.0, right: WIDTH - 92.0, bottom: HEIGHT - 54.0 };
/// As many points as are told apart.
const POINTS: u32 = 240;
/// The last nine that is told: beyond it are single exchanges of very long runs.
const MOST_NINES: f64 = 6.0;
/// How a line is drawn; the second one is dashed too, for those who see no colours.
const LINES: [&str; 2] = ["line first", "line second"];

/// Draws a line for each distribution, with its name at its end.
pub fn curve(lines: &[(&str, &Distribution)]) -> String {
    let measured = lines.iter().map(|(_, times)| times.count()).max().unwrap_or(0);
    let nines = (measured.max(1) as f64).log10().clamp(2.0, MOST_NINES);
    let low = lines.iter().map(|(_, times)| bins::nanos(times.min())).min().unwrap_or(0);
    let high = lines.iter().map(|(_, times)| bins::nanos(times.max())).max().unwrap_or(0);
    let scale = Scale::of_times(low as f64, high as f64);
    let mut drawing = Drawing::new("curve", HEIGHT, "Times by percentile", &described(lines));
    drawing.left_axis(AREA, &scale.time_marks());
    let marks = percent_marks(nines);
    for mark in &marks {
        drawing.line((AREA.x(mark.at), AREA.top), (AREA.x(mark.at), AREA.bottom), "grid");
    }
    drawing.lower_axis(AREA, &marks, "part of all that took no longer");
    let mut ends = Vec::new();
    for ((name, times), class) in lines.iter().zip(LINES) {
        let place = |at: f64| {
            let time = times.percentile((1.0 - 10_f64.powf(-at)) * 100.0);
            (AREA.x(at / nines), AREA.y(scale.place(bins::nanos(time) as f64)))
        };
        // Behind the last exchange there is nothing to draw.
        let last = (times.count().max(1) as f64).log10().min(nines);
        let mut points: Vec<_> = (0..=POINTS).map(|at| place(f64::from(at) / f64::from(POINTS) * last)).collect();
        let end = (AREA.x(last / nines), AREA.y(scale.place(bins::nanos(times.max()) as f64)));
        points.push(end);
        drawing.path(&points, class);
        for (percentile, percent) in figures::PERCENTILES {
            let at = -(1.0 - percent / 100.0).log10();
            if at <= last {
                let says = format!("{name} {percentile}: {}", figures::time(times.percentile(percent)));
                drawing.dot(place(at), class.trim_start_matches("line "), &says);
            }
        }
        ends.push((end, *name, class));
    }
    name_ends(&mut drawing, ends);
    drawing.finish()
}

/// Writes the names at the ends of their lines, one above the other where these meet.
fn name_ends(drawing: &mut Drawing, mut ends: Vec<((f64, f64), &str, &str)>) {
    ends.sort_by(|left, right| left.0.1.total_cmp(&right.0.1));
    let mut least = f64::MIN;
    for ((x, y), name, class) in ends {
        let y = (y + 4.0).max(least);
        least = y + 17.0;
        let class = format!("name {}", class.trim_start_matches("line "));
        drawing.text((x + 9.0, y), Anchor::Start, &class, name);
    }
}

/// Marks nothing, the half, and then each nine.
fn percent_marks(nines: f64) -> Vec<Mark> {
    let half = Mark { at: 2_f64.log10() / nines, label: "50 %".into() };
    let all_nines = (1..=(nines + 1e-9) as usize).map(|count| {
        let label = match count {
            1 => "90 %".to_owned(),
            2 => "99 %".to_owned(),
            more => format!("99.{} %", "9".repeat(more - 2)),
        };
        Mark { at: count as f64 / nines, label }
    });
    [Mark { at: 0.0, label: "0 %".into() }, half].into_iter().chain(all_nines).collect()
}

fn described(lines: &[(&str, &Distribution)]) -> String {
    let described = lines.iter().map(|(name, times)| {
        let figures: Vec<_> = figures::times_heads()
            .into_iter()
            .zip(figures::times(times))
            .map(|(name, time)| format!("{name} {time}"))
            .collect();
        format!("{name}: {}", figures.join(", "))
    });
    described.collect::<Vec<_>>().join("; ")
}
