//! Where things are, and `cargo` itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What cargo tells a program it runs; a nested cargo must not take it for its own.
const OF_THIS_PACKAGE: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];

/// Returns the folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// Returns the target folder: this program lies in `target/debug`.
pub(crate) fn target() -> PathBuf {
    let found = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.parent()?.to_owned()));
    found.unwrap_or_else(|| root().join("target"))
}

/// Returns a cargo command of the toolchain that runs this, without standard input.
pub(crate) fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).current_dir(root()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let is_ours = OF_THIS_PACKAGE.iter().any(|prefix| name.to_string_lossy().starts_with(prefix));
        if is_ours {
            command.env_remove(name);
        }
    }
    command
}

/// Returns where the program `name` is, searching the administrator's folders too.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Returns the first line that a command prints on either stream; `None` when it cannot be run.
pub(crate) fn first_line(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}
