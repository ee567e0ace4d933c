//! What the words after `cargo xtask bench` ask for.

use std::path::PathBuf;
use std::time::Duration;

use crate::workspace;

/// The wishes of one run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// One group of figures instead of all.
    pub(crate) only: Option<String>,
    /// A look rather than a measurement.
    pub(crate) quick: bool,
    /// Where the report goes.
    pub(crate) out: PathBuf,
}

impl Options {
    /// Reads the words; `figures` are the names that `--only` may give.
    pub(crate) fn parse(words: &[&str], figures: &[&str]) -> Result<Options, String> {
        let mut options = Options { only: None, quick: false, out: workspace::root().join("BENCHMARKS.md") };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--quick" => options.quick = true,
                "--only" => {
                    let name = words.next().ok_or("--only needs a name")?;
                    if !figures.contains(name) {
                        return Err(format!("no figure is called '{name}', only {}", figures.join(", ")));
                    }
                    options.only = Some((*name).to_owned());
                }
                "--out" => options.out = words.next().ok_or("--out needs a file")?.into(),
                other => return Err(format!("'{other}' is not an option of bench")),
            }
        }
        Ok(options)
    }

    /// Rounds of callbox and of the yardstick; their ratio is what is judged.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 2 } else { 7 }
    }

    /// Rounds of the other peers; medians need several.
    pub(crate) fn rounds_of_peers(&self) -> usize {
        self.rounds().min(5)
    }

    /// Rounds of peers that start a process a connection: enough to see that they are many times behind.
    pub(crate) fn rounds_of_slow_peers(&self) -> usize {
        2
    }

    /// How often a run is made until nothing disturbs it.
    pub(crate) fn attempts(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }

    /// Runs of each program in the figures on starting.
    pub(crate) fn starts(&self) -> usize {
        if self.quick { 15 } else { 60 }
    }

    /// The time that is counted; more than a second, so that an unanswered second can be seen.
    pub(crate) fn window(&self) -> Duration {
        Duration::from_millis(if self.quick { 1200 } else { 3000 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_and_wrong_ones_refused() {
        let options = Options::parse(&["--quick", "--only", "echo", "--out", "x.md"], &["echo"]).unwrap();
        assert!(options.quick && options.only.as_deref() == Some("echo") && options.out.ends_with("x.md"));
        for wrong in [&["--only"][..], &["--only", "speed"], &["--fast"], &["--out"]] {
            assert!(Options::parse(wrong, &["echo"]).is_err(), "{wrong:?}");
        }
    }
}
