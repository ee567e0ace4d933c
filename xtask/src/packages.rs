//! Debian packages that tests and benchmarks use: installed when missing and allowed, never required.

use std::process::{Command, Stdio};

use crate::workspace::program;

/// A package, a program of it and what it is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Package {
    /// The name that apt knows.
    pub(crate) name: &'static str,
    /// The package counts as there when this program is.
    pub(crate) program: &'static str,
    /// What cannot be done without it.
    pub(crate) reason: &'static str,
}

/// The time apt waits for a server that does not answer, and for another apt.
const APT_OPTIONS: [&str; 8] =
    ["-q", "-y", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=1", "-o", "DPkg::Lock::Timeout=120"];

/// Keeps the servers among the packages from being started as services of the machine: tests start their own.
///
/// Debian asks this program before it starts a service; 101 is no. Where the machine has one of its own, that one stays.
/// It stands in the command line, for whoever may only use `sudo`.
const NO_SERVICES: &str = r#"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\n# While callbox installs what its tests use.\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"
"#;

/// Installs those of `packages` that are missing, where that is allowed; returns those that are still missing.
///
/// Says what it does and why it cannot; never fails.
pub(crate) fn provide(packages: &[Package]) -> Vec<Package> {
    let missing = missing_of(packages);
    if missing.is_empty() {
        return missing;
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    match apt_get() {
        Err(reason) => println!("packages: {} missing and not installed: {reason}", names.join(" ")),
        Ok(apt) => {
            println!("packages: installing {}", names.join(" "));
            // A failed update is no reason to give up: the lists may be there already.
            run(&apt, &["update"]);
            let all: Vec<&str> = ["install", "--no-install-recommends"].iter().chain(&names).copied().collect();
            if !run(&apt, &all) {
                // One unknown package makes apt refuse all of them.
                for name in names {
                    run(&apt, &["install", "--no-install-recommends", name]);
                }
            }
        }
    }
    let left = missing_of(packages);
    for package in &left {
        println!("packages: without {} there is no {}", package.name, package.reason);
    }
    left
}

fn missing_of(packages: &[Package]) -> Vec<Package> {
    packages.iter().copied().filter(|package| program(package.program).is_none()).collect()
}

/// Returns the words that run apt-get with the rights it needs, or why there are none.
fn apt_get() -> Result<Vec<String>, &'static str> {
    let apt = program("apt-get").ok_or("there is no apt-get here")?.display().to_string();
    let words = |before: &[&str]| {
        let after = ["sh", "-c", NO_SERVICES, "sh", &apt];
        before.iter().chain(&after).map(|word| (*word).to_owned()).collect()
    };
    if rustix::process::geteuid().is_root() {
        return Ok(words(&[]));
    }
    let may = Command::new("sudo").args(["-n", "true"]).stdin(Stdio::null()).stderr(Stdio::null()).status();
    match may {
        Ok(status) if status.success() => Ok(words(&["sudo", "-n"])),
        _ => Err("this needs root, or sudo without a password"),
    }
}

fn run(apt: &[String], words: &[&str]) -> bool {
    let status = Command::new(&apt[0])
        .args(&apt[1..])
        .args(APT_OPTIONS)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_missing() {
        let shell = Package { name: "dash", program: "sh", reason: "shell" };
        let nothing = Package { name: "no-such-package", program: "no-such-program-at-all", reason: "use" };
        let missing: Vec<_> = missing_of(&[shell, nothing]).iter().map(|package| package.name).collect();
        assert_eq!(missing, ["no-such-package"]);
    }
}
