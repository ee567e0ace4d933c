//! Several measurements of one thing: the median, and the range it came from.

/// Numbers of one kind, one a round.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sample {
    values: Vec<f64>,
}

impl Sample {
    /// Adds the number of a round.
    pub(crate) fn push(&mut self, value: f64) {
        self.values.push(value);
    }

    /// Returns the numbers in the order of their rounds.
    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    /// Returns the number in the middle; `None` when nothing was measured.
    pub(crate) fn median(&self) -> Option<f64> {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => None,
            odd if odd % 2 == 1 => Some(sorted[middle]),
            _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
        }
    }

    /// Returns how many times the highest is the lowest.
    pub(crate) fn spread(&self) -> f64 {
        let (lowest, highest) = self.range();
        highest / lowest
    }

    fn range(&self) -> (f64, f64) {
        let values = self.values.iter().copied();
        (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max))
    }

    /// Writes `median (lowest-highest)` with `digits` after the point, or a dash.
    pub(crate) fn show(&self, digits: usize) -> String {
        let Some(median) = self.median() else { return "-".into() };
        let (lowest, highest) = self.range();
        format!("{median:.digits$} ({lowest:.digits$}-{highest:.digits$})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[f64]) -> Sample {
        Sample { values: values.to_vec() }
    }

    #[test]
    fn the_middle_and_the_range_are_shown() {
        assert_eq!(sample(&[3.0, 1.0, 2.0]).show(1), "2.0 (1.0-3.0)");
        assert_eq!(sample(&[4.0, 1.0]).median(), Some(2.5));
        assert_eq!(sample(&[2.0, 1.0, 4.0]).spread(), 4.0);
        assert_eq!(sample(&[]).show(1), "-");
    }
}
