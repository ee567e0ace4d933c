//! The heat map: how often which response time was, over the run. A stall is a column that reaches up.

use callbox::load::{Distribution, Report};

use super::super::{bins, csv, figures};
use super::axis::{Mark, moments};
use super::drawing::{Area, Drawing, WIDTH};
use super::legend;

const HEIGHT: f64 = 410.0;
const AREA: Area = Area { left: 78.0, top: 62.0, right: WIDTH - 18.0, bottom: HEIGHT - 54.0 };
/// More columns than this are joined: they would be too narrow to be told apart.
const COLUMNS: usize = 120;
/// The most rows.
const ROWS: usize = 22;
/// The most labels beside them.
const LABELS: usize = 10;
/// As many shades as are told apart.
const SHADES: u32 = 7;

/// Draws the map; `None` where no response time was measured in any slice.
pub fn heat(report: &Report) -> Option<String> {
    let slices = &report.series.slices;
    let seconds = csv::ends(report).last()?.1.as_secs_f64();
    let measured = || slices.iter().map(|slice| &slice.response).filter(|times| !times.is_empty());
    let low = measured().map(|times| bins::nanos(times.min())).min()?;
    let high = measured().map(|times| bins::nanos(times.max())).max()?;
    let edges = bins::edges(low, high, ROWS);
    let joined = slices.len().div_ceil(COLUMNS);
    let columns = slices.chunks(joined).map(|slices| {
        let mut times = Distribution::default();
        slices.iter().for_each(|slice| times.add(&slice.response));
        bins::filled(&times, &edges)
    });
    let columns: Vec<Vec<u64>> = columns.collect();
    let most = columns.iter().flatten().copied().max().unwrap_or(1);
    let description = format!(
        "Response times from {} to {} over {}; at most {} in one field",
        figures::nanos(low),
        figures::nanos(high),
        figures::time(std::time::Duration::from_secs_f64(seconds)),
        figures::counted(most, "exchange")
    );
    let mut drawing = Drawing::new("heat", HEIGHT, "Response times over the run", &description);
    legend::shades(&mut drawing, (AREA.right, 8.0), "exchanges in a field, at least", &shades(most));
    drawing.left_axis(AREA, &labelled(&edges));
    let ends: Vec<_> = csv::ends(report).map(|(from, to)| (from.as_secs_f64(), to.as_secs_f64())).collect();
    for (column, ends) in columns.iter().zip(ends.chunks(joined)) {
        let span = (ends[0].0 / seconds, ends[ends.len() - 1].1 / seconds);
        draw_column(&mut drawing, column, &edges, span, most);
    }
    drawing.lower_axis(AREA, &moments(seconds), "time since the begin of the measurement");
    Some(drawing.finish())
}

fn draw_column(drawing: &mut Drawing, column: &[u64], edges: &[u64], (from, to): (f64, f64), most: u64) {
    let rows = column.len() as f64;
    for (row, count) in column.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (left, right) = (AREA.x(from), AREA.x(to));
        let (top, bottom) = (AREA.y((row + 1) as f64 / rows), AREA.y(row as f64 / rows));
        let class = format!("heat h{}", shade(*count, most));
        let says = format!(
            "{}, {} to {}",
            figures::counted(*count, "exchange"),
            figures::nanos(edges[row]),
            figures::nanos(edges[row + 1])
        );
        // A little wider, so that no seam is left to the next column.
        drawing.rectangle((left, top), (right - left + 0.5, bottom - top + 0.5), &class, &says);
    }
}

/// Labels the edges of rows: as many as there is room for, the roundest first.
fn labelled(edges: &[u64]) -> Vec<Mark> {
    let rows = (edges.len() - 1) as f64;
    let leading = |edge: u64| edge / 10_u64.pow(edge.max(1).ilog10());
    let is_round = |edge: u64| edge > 0 && edge.is_multiple_of(10_u64.pow(edge.ilog10()));
    let choices: [&dyn Fn(usize, u64) -> bool; 4] = [
        &|_, _| true,
        &|_, edge| is_round(edge) && [1, 2, 5].contains(&leading(edge)),
        &|_, edge| is_round(edge) && leading(edge) == 1,
        &|at, _| at % edges.len().div_ceil(LABELS) == 0,
    ];
    let chosen = choices.iter().map(|choice| {
        let chosen = edges.iter().enumerate().filter(|(at, edge)| choice(*at, **edge));
        chosen.map(|(at, edge)| Mark { at: at as f64 / rows, label: figures::nanos(*edge) }).collect::<Vec<_>>()
    });
    chosen.into_iter().find(|marks| (2..=LABELS).contains(&marks.len())).unwrap_or_default()
}

/// Returns which shade a count has, from 1 to the number of shades: each stands for so many times more than the one before.
fn shade(count: u64, most: u64) -> u32 {
    let shades = f64::from(SHADES);
    let share = ((count as f64).ln() + 1e-9) / (most.max(2) as f64).ln();
    (1.0 + (share * (shades - 1.0)).floor()).clamp(1.0, shades) as u32
}

/// Returns the shades there are, each with the least count that it stands for.
fn shades(most: u64) -> Vec<(String, String)> {
    let steps = f64::from(SHADES - 1);
    let least = |at: u32| {
        let near = (most.max(2) as f64).powf(f64::from(at - 1) / steps).floor() as u64;
        (near.max(1)..=near + 1).find(|count| shade(*count, most) >= at).unwrap_or(near + 1)
    };
    let all = (1..=SHADES).map(|at| (at, least(at)));
    let used = all.filter(|(at, least)| *least <= most && shade(*least, most) == *at);
    used.map(|(at, least)| (format!("heat h{at}"), figures::count(least))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_legend_says_which_counts_a_shade_stands_for() {
        for most in [1, 2, 5, 30, 1000, 123_456] {
            let legend = shades(most);
            for count in 1..=most.min(5000) {
                let class = format!("heat h{}", shade(count, most));
                let least = &legend.iter().find(|(shade, _)| *shade == class).expect("it is in the legend").1;
                assert!(least.replace(',', "").parse::<u64>().unwrap() <= count, "{count} of {most}");
            }
        }
        assert_eq!(
            shades(1_000_000).iter().map(|(_, least)| least.as_str()).collect::<Vec<_>>().join(" "),
            "1 10 100 1,000 10,000 100,000 1,000,000"
        );
    }

    #[test]
    fn rows_have_labels_that_fit() {
        for (low, high) in [(100, 100_000_000), (1000, 1100), (1, u64::MAX / 2), (5, 5), (123_456, 999_999)] {
            let marks = labelled(&bins::edges(low, high, ROWS));
            assert!((2..=LABELS).contains(&marks.len()), "{low} {high}: {marks:?}");
        }
    }
}
