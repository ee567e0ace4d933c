//! Steps: named, timed, streamed; one that fails does not stop the next.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::tally::{Skips, Tally};

/// The steps of one run and what came of them.
#[derive(Debug)]
pub(crate) struct Steps {
    environment: Vec<(&'static str, OsString)>,
    tally: Tally,
    failed: Vec<String>,
    skips: Skips,
}

impl Steps {
    /// Starts a run whose tests append what they skip to `skip_log`.
    pub(crate) fn new(skip_log: &Path, quick: bool) -> Steps {
        let mut environment = vec![("CALLBOX_SKIP_LOG", skip_log.into())];
        if quick {
            environment.push(("CALLBOX_TEST_QUICK", "1".into()));
        }
        let coloured =
            std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        if coloured && std::env::var_os("CARGO_TERM_COLOR").is_none() {
            // Cargo sees a pipe; whoever reads it sees a terminal.
            environment.push(("CARGO_TERM_COLOR", "always".into()));
        }
        Steps { environment, tally: Tally::default(), failed: Vec::new(), skips: Skips::default() }
    }

    /// Sets an environment variable for the steps to come.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.environment.push((name, value.into()));
    }

    /// Runs a command as the step `name`, passing its output on as it comes; says whether it succeeded.
    pub(crate) fn run(&mut self, name: &str, mut command: Command) -> bool {
        println!("\n== {name}");
        let started = Instant::now();
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        command.envs(environment).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (succeeded, tally) = match stream(&mut command, std::io::stdout(), std::io::stderr()) {
            Ok(outcome) => outcome,
            Err(error) => {
                println!("{error}");
                (false, Tally::default())
            }
        };
        self.tally.add(&tally);
        let word = if succeeded { "ok" } else { "FAILED" };
        println!("== {name}: {word} in {:.1} s", started.elapsed().as_secs_f64());
        if !succeeded {
            self.failed.push(name.to_owned());
        }
        succeeded
    }

    /// Performs a step that cannot fail.
    pub(crate) fn named<T>(&mut self, name: &str, perform: impl FnOnce() -> T) -> T {
        println!("== {name}");
        let started = Instant::now();
        let done = perform();
        println!("== {name}: done in {:.1} s", started.elapsed().as_secs_f64());
        done
    }

    /// Counts a step that cannot run here.
    pub(crate) fn skip(&mut self, name: &str, reason: &str) {
        println!("\n== {name}: skipped: {reason}");
        self.skips.add(&format!("SKIPPED step {name}: {reason}"));
    }

    /// Prints a line of its own.
    pub(crate) fn note(&self, text: &str) {
        println!("\n{text}");
    }

    /// Prints what was skipped, what failed and the closing line.
    pub(crate) fn close(mut self, skip_log: &str, took: Duration) -> ExitCode {
        let steps_skipped = self.skips.len();
        skip_log.lines().for_each(|line| self.skips.add(line));
        println!();
        self.skips.iter().for_each(|line| println!("{line}"));
        if self.tally.ignored > 0 {
            println!("{} more are marked #[ignore]", self.tally.ignored);
        }
        if !self.failed.is_empty() {
            println!("failed steps: {}", self.failed.join(", "));
        }
        println!("took {:.0} s", took.as_secs_f64());
        // The runner took a test that skipped itself for one that passed.
        let passed = self.tally.passed.saturating_sub(self.skips.len() - steps_skipped);
        let skipped = self.skips.len() + self.tally.ignored;
        println!("tests: {passed} passed, {} failed, {skipped} skipped", self.tally.failed);
        if self.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Runs a command, passes both its streams on line by line and counts the results in them.
fn stream(command: &mut Command, out: impl Write, err: impl Write + Send) -> std::io::Result<(bool, Tally)> {
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let tally = thread::scope(|scope| {
        let errors = stderr.map(|pipe| scope.spawn(|| copy(pipe, err)));
        let mut tally = stdout.map(|pipe| copy(pipe, out)).unwrap_or_default();
        if let Some(Ok(more)) = errors.map(ScopedJoinHandle::join) {
            tally.add(&more);
        }
        tally
    });
    Ok((child.wait()?.success(), tally))
}

fn copy(pipe: impl Read, mut target: impl Write) -> Tally {
    let mut tally = Tally::default();
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(read) if read > 0) {
        // Nobody reading is no reason to stop counting.
        let _ = target.write_all(&line).and_then(|()| target.flush());
        tally.read_line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    #[test]
    fn both_streams_are_counted_and_failure_is_seen() {
        let line = "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out";
        let mut command = shell(&format!("echo '{line}'; echo '{line}' >&2; exit 3"));
        // Into sinks: on our own output a surrounding run would count it again.
        let (succeeded, tally) = stream(&mut command, std::io::sink(), std::io::sink()).unwrap();
        assert!(!succeeded);
        assert_eq!((tally.passed, tally.failed, tally.ignored), (4, 0, 2));
    }

    #[test]
    fn a_failed_step_makes_the_run_fail() {
        let mut steps = Steps::new(Path::new("unused"), false);
        assert!(steps.run("works", shell("true")));
        assert!(!steps.run("fails", shell("false")));
        assert_eq!(steps.failed, ["fails"]);
        assert_eq!(steps.close("", Duration::ZERO), ExitCode::FAILURE);
    }
}
