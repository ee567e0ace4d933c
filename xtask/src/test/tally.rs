//! Counts from what the test runners print, and the list of what was skipped.

use std::collections::BTreeMap;

/// Tests by outcome.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Passed, or skipped itself and returned.
    pub(crate) passed: usize,
    /// Failed, timed out or could not be started.
    pub(crate) failed: usize,
    /// Marked `#[ignore]`.
    pub(crate) ignored: usize,
}

impl Tally {
    /// Adds the counts of another run.
    pub(crate) fn add(&mut self, other: &Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }

    /// Counts a line if it is a result: `test result: ...` of the standard runner or `Summary [...` of nextest.
    pub(crate) fn read_line(&mut self, line: &str) {
        let plain = without_escapes(line);
        let plain = plain.trim();
        let counts = if let Some(rest) = plain.strip_prefix("test result:") {
            rest.split_once('.').map(|(_, counts)| counts)
        } else if plain.starts_with("Summary [") {
            plain.split_once(':').map(|(_, counts)| counts)
        } else {
            None
        };
        for part in counts.unwrap_or_default().split([',', ';']) {
            let mut words = part.split_whitespace();
            let Some(Ok(count)) = words.next().map(str::parse::<usize>) else { continue };
            match words.next() {
                Some("passed") => self.passed += count,
                Some("failed" | "timed" | "exec") => self.failed += count,
                Some("ignored" | "skipped") => self.ignored += count,
                _ => {}
            }
        }
    }
}

/// Lines `SKIPPED <name>: <reason>`, one a name.
#[derive(Debug, Default)]
pub(crate) struct Skips {
    reasons: BTreeMap<String, String>,
}

impl Skips {
    /// Takes a line; anything that does not have the form is ignored, the same name twice is one.
    pub(crate) fn add(&mut self, line: &str) {
        if let Some((name, reason)) = line.strip_prefix("SKIPPED ").and_then(|rest| rest.split_once(": ")) {
            self.reasons.entry(name.to_owned()).or_insert_with(|| reason.to_owned());
        }
    }

    /// Returns how many names there are.
    pub(crate) fn len(&self) -> usize {
        self.reasons.len()
    }

    /// Returns the lines, in order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = String> {
        self.reasons.iter().map(|(name, reason)| format!("SKIPPED {name}: {reason}"))
    }
}

/// Takes colours out of a line.
fn without_escapes(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut parts = line.split('\x1b');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        plain.push_str(&part[end..]);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> (usize, usize, usize) {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read_line(line));
        (tally.passed, tally.failed, tally.ignored)
    }

    #[test]
    fn results_of_the_standard_runner_are_summed() {
        let lines = [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s\n",
            "test result: \x1b[31mFAILED\x1b[0m. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out\n",
            "test words::passed ... ok\n",
        ];
        assert_eq!(tally(&lines), (14, 4, 1));
    }

    #[test]
    fn the_summary_of_nextest_is_read() {
        let line =
            "\x1b[32;1m     Summary\x1b[0m [   1.2s] 9 tests run: 6 passed (1 slow), 2 failed, 1 timed out, 5 skipped";
        assert_eq!(tally(&[line]), (6, 3, 5));
    }

    #[test]
    fn one_name_is_skipped_once() {
        let mut skips = Skips::default();
        for line in ["SKIPPED row_37: no ss", "SKIPPED row_37: no ss", "SKIPPED row_3: no strace: none", "noise"] {
            skips.add(line);
        }
        assert_eq!(skips.len(), 2);
        assert_eq!(skips.iter().next().unwrap(), "SKIPPED row_3: no strace: none");
        assert_eq!(skips.iter().last().unwrap(), "SKIPPED row_37: no ss");
    }
}
