//! `cargo xtask test`: everything that must hold, in one recipe, with one closing line.
//!
//! A test that cannot run where it is says `SKIPPED <name>: <reason>` and appends that line to the file that the
//! environment names in `CALLBOX_SKIP_LOG`; nothing that was left out is left unsaid.

mod needs;
mod node;
mod python;
mod step;
mod tally;

use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use crate::workspace::{self, cargo};
use step::Steps;

/// How much to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it, as CI does.
    Full,
    /// Format, lints and tests that shorten themselves, for the inner loop.
    Quick,
}

const TARGETS: [&str; 5] = ["--workspace", "--locked", "--lib", "--bins", "--tests"];

/// Runs the recipe.
pub(crate) fn run(extent: Extent) -> ExitCode {
    let started = Instant::now();
    let skip_log = workspace::target().join(format!("skipped-tests-{}.log", std::process::id()));
    let _ = fs::remove_file(&skip_log);
    let mut steps = Steps::new(&skip_log, extent == Extent::Quick);
    needs::provide(&mut steps);
    python::provide(&mut steps);
    node::provide(&mut steps);
    if perform(extent, &mut steps).is_none() {
        steps.note("the build failed: what comes after it was not run");
    }
    let log = fs::read_to_string(&skip_log).unwrap_or_default();
    let _ = fs::remove_file(&skip_log);
    steps.close(&log, started.elapsed())
}

/// Runs the steps in order; `None` when there was nothing to test because it does not build.
fn perform(extent: Extent, steps: &mut Steps) -> Option<()> {
    let quick = extent == Extent::Quick;
    if needs::component(steps, "fmt", "rustfmt") {
        steps.run("format", cargo(&["fmt", "--all", "--check"]));
    }
    if needs::component(steps, "clippy", "clippy") {
        let words = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
        steps.run("lints", cargo(&words));
    }
    let built = steps.run("build", cargo(&[&["test", "--no-run"], &TARGETS[..]].concat()));
    if !built {
        return None;
    }
    // Tests run them, and have no time to build them.
    steps.run("examples", cargo(&["build", "--workspace", "--examples", "--locked"]));
    let runner: &[&str] = if workspace::program("cargo-nextest").is_some() {
        // What was skipped is in the log; the names of 1,000 tests that passed tell nobody anything.
        &["nextest", "run", "--status-level", "slow"]
    } else {
        &["test"]
    };
    steps.run("tests", cargo(&[runner, &TARGETS[..], &["--no-fail-fast"]].concat()));
    if quick {
        return Some(());
    }
    steps.run("doc tests", cargo(&["test", "--doc", "--workspace", "--locked", "--no-fail-fast"]));
    let mut rustdoc = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    rustdoc.env("RUSTDOCFLAGS", "-D warnings");
    steps.run("documentation", rustdoc);
    if workspace::program("cargo-deny").is_some() {
        // Advisories change by the day, not by the commit, and need the network: `cargo deny check advisories`.
        steps.run("dependencies", cargo(&["deny", "--locked", "check", "licenses", "bans", "sources"]));
    } else {
        steps.skip("dependencies", "cargo-deny is not installed; the test of licences ran all the same");
    }
    Some(())
}
