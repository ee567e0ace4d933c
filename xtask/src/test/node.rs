//! A folder of its own for what the tests take from Node's package index: below `target`, made once.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::python::perform;
use super::step::Steps;
use crate::workspace::{program, target};

/// The client of toxiproxy that drives the control API.
const TOXIPROXY: &str = "toxiproxy-node-client@4.0.0";

/// Names to the tests the folder of modules that has the client; where it cannot be had, they skip themselves and the
/// reason is counted.
pub(super) fn provide(steps: &mut Steps) {
    match steps.named("toxiproxy-node-client", || modules(&target().join("node"), TOXIPROXY)) {
        Ok(folder) => steps.set("CALLBOX_TOXIPROXY_NODE", folder),
        Err(reason) => steps.skip("toxiproxy-node-client", &reason),
    }
}

/// Returns the folder of modules below `folder` that has `package`, making it where it is missing.
fn modules(folder: &Path, package: &str) -> Result<PathBuf, String> {
    let modules = folder.join("node_modules");
    // Written last, so that a folder half made is made anew.
    let stamp = folder.join("made");
    let node = program("node").ok_or("there is no node")?;
    if std::fs::read_to_string(&stamp).is_ok_and(|made| made == package) && modules.is_dir() {
        return Ok(modules);
    }
    let npm = program("npm").ok_or("there is no npm")?;
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(failed)?;
    }
    std::fs::create_dir_all(folder).map_err(failed)?;
    let options = ["--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts", "--loglevel", "error"];
    let patience = ["--fetch-timeout", "10000", "--fetch-retries", "1"];
    let mut install = Command::new(npm);
    install.args(["install", "--prefix"]).arg(folder).args(options).args(patience).arg(package);
    // npm starts `node` by name.
    if let (Some(folder), Some(path)) = (node.parent(), std::env::var_os("PATH")) {
        let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
        install.env("PATH", std::env::join_paths(folders).unwrap_or(path.clone()));
    }
    perform(&mut install)?;
    std::fs::write(&stamp, package).map_err(failed)?;
    Ok(modules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_made_is_said() {
        let folder = target().join("node-of-a-test");
        // A file where the folder should be: nothing can be made there.
        std::fs::write(&folder, "in the way").expect("target is writable");
        let outcome = modules(&folder, TOXIPROXY);
        std::fs::remove_file(&folder).expect("just written");
        assert!(outcome.is_err(), "{outcome:?}");
    }
}
