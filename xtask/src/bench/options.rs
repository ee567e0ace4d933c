//! What the words after `cargo xtask bench` ask for.

use std::path::PathBuf;
use std::time::Duration;

use crate::workspace;

/// The wishes of one run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// One group of figures instead of all, or those whose names begin with this and a dash.
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
                    if !figures.iter().any(|figure| belongs(figure, name)) {
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

    /// Says whether the figure of this name is wanted.
    pub(crate) fn wants(&self, figure: &str) -> bool {
        self.only.as_deref().is_none_or(|only| belongs(figure, only))
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

    /// Rounds of callbox and the yardsticks among relays; there are many peers and many figures, so fewer and shorter ones.
    pub(crate) fn relay_rounds(&self) -> usize {
        if self.quick { 2 } else { 5 }
    }

    /// Rounds of the other relays.
    pub(crate) fn relay_rounds_of_peers(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }

    /// Rounds of relays that start a process a connection.
    pub(crate) fn relay_rounds_of_slow_peers(&self) -> usize {
        if self.quick { 1 } else { 2 }
    }

    /// How often a run of a relay is made until nothing disturbs it.
    pub(crate) fn relay_attempts(&self) -> usize {
        if self.quick { 1 } else { 2 }
    }

    /// The time that is counted among relays.
    pub(crate) fn relay_window(&self) -> Duration {
        Duration::from_millis(if self.quick { 400 } else { 1000 })
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

/// Says whether `figure` is called `name`, or is one of a family of that name: `relay-bulk` is one of `relay`.
fn belongs(figure: &str, name: &str) -> bool {
    figure.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_and_wrong_ones_refused() {
        let options = Options::parse(&["--quick", "--only", "echo", "--out", "x.md"], &["echo"]).unwrap();
        assert!(options.quick && options.only.as_deref() == Some("echo") && options.out.ends_with("x.md"));
        let relay = Options::parse(&["--only", "relay"], &["echo", "relay-bulk"]).unwrap();
        assert!(relay.wants("relay-bulk") && relay.wants("relay") && !relay.wants("relays") && !relay.wants("echo"));
        for wrong in [&["--only"][..], &["--only", "speed"], &["--fast"], &["--out"]] {
            assert!(Options::parse(wrong, &["echo"]).is_err(), "{wrong:?}");
        }
    }
}
