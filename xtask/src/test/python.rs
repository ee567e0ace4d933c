//! Python environments of their own for what the tests take from Python's package index: a folder under `target` for
//! each, made once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::step::Steps;
use crate::workspace::{program, target};

/// The Modbus device and client of the device tests: the last 3.11, whose names for devices the tests' programs use.
const PYMODBUS: &str = "pymodbus==3.11.4";

/// The client of toxiproxy that drives the control API.
const TOXIPROXY: &str = "toxiproxy-python==0.1.1";

/// Makes the certificates of the tests of TLS.
const TRUSTME: &str = "trustme==1.2.1";

/// Names to the tests the Pythons that have these; where one cannot be had, they skip themselves and the reason is counted.
pub(super) fn provide(steps: &mut Steps) {
    let wanted = [
        ("pymodbus", "python", PYMODBUS, "CALLBOX_PYMODBUS"),
        ("toxiproxy-python", "python-toxiproxy", TOXIPROXY, "CALLBOX_TOXIPROXY_PYTHON"),
        ("trustme", "python-trustme", TRUSTME, "CALLBOX_TRUSTME"),
    ];
    for (name, folder, requirement, variable) in wanted {
        match steps.named(name, || environment(&target().join(folder), requirement)) {
            Ok(interpreter) => steps.set(variable, interpreter),
            Err(reason) => steps.skip(name, &reason),
        }
    }
}

/// Returns the interpreter of an environment in `folder` that has `requirement`, making what is missing of it.
fn environment(folder: &Path, requirement: &str) -> Result<PathBuf, String> {
    let interpreter = folder.join("bin/python");
    // Written last, so that an environment half made is made anew.
    let stamp = folder.join("made");
    if std::fs::read_to_string(&stamp).is_ok_and(|made| made == requirement) && starts(&interpreter) {
        return Ok(interpreter);
    }
    let python = program("python3").ok_or("there is no python3")?;
    perform(Command::new(python).args(["-m", "venv", "--clear"]).arg(folder))?;
    let options = ["--quiet", "--disable-pip-version-check", "--no-input", "--only-binary", ":all:"];
    let patience = ["--timeout", "10", "--retries", "1"];
    perform(Command::new(&interpreter).args(["-m", "pip", "install"]).args(options).args(patience).arg(requirement))?;
    std::fs::write(&stamp, requirement).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(interpreter)
}

/// Says whether an interpreter runs: the Python it came from may have gone since.
fn starts(interpreter: &Path) -> bool {
    let run = Command::new(interpreter).arg("-c").arg("").stdin(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

/// Runs a command; its last words are the reason when it fails.
pub(super) fn perform(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    Err(last.map_or_else(|| format!("{name}: {}", output.status), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_the_reason() {
        let failing = perform(Command::new("sh").args(["-c", "echo first; echo the reason >&2; echo; exit 1"]));
        assert_eq!(failing, Err("the reason".to_owned()));
        assert_eq!(perform(Command::new("sh").args(["-c", "exit 3"])), Err("sh: exit status: 3".to_owned()));
        assert_eq!(perform(Command::new("sh").args(["-c", "echo done"])), Ok(()));
    }

    #[test]
    fn an_environment_that_cannot_be_made_is_said() {
        let folder = target().join("python-of-a-test");
        // A file where the folder should be: nothing can be made there.
        std::fs::write(&folder, "in the way").expect("target is writable");
        let outcome = environment(&folder, PYMODBUS);
        std::fs::remove_file(&folder).expect("just written");
        assert!(outcome.is_err(), "{outcome:?}");
    }
}
