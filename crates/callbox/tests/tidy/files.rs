//! The files of the workspace, found by walking: a clone without history has no list of tracked ones.

use std::fs;
use std::path::{Path, PathBuf};

use crate::source::Source;

/// Folders with nothing of ours in them.
const SKIPPED: [&str; 3] = ["target", ".git", "node_modules"];
/// Deeper than any folder of the workspace: a link to itself must not go on for ever.
const DEEPEST: usize = 12;

/// A file: its path from the root of the workspace, its text and, for Rust, its parts.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// With `/` between folders.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// Code, strings and comments told apart.
    pub(crate) source: Source,
}

impl Found {
    /// Makes one of a text.
    pub(crate) fn new(path: &str, text: &str) -> Found {
        let mut source = Source::read(text);
        // A module of tests in a file of its own has its `#[cfg(test)]` elsewhere.
        if path.split('/').any(|name| matches!(name, "tests" | "tests.rs")) {
            source.make_test();
        }
        Found { path: path.to_owned(), text: text.to_owned(), source }
    }
}

/// Returns every Rust file and manifest.
pub(crate) fn all() -> Vec<Found> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/callbox is two folders down");
    let mut paths = Vec::new();
    walk(root, DEEPEST, &mut paths);
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.strip_prefix(root).expect("it was found below the root").to_string_lossy().replace('\\', "/");
        Found::new(&name, &text)
    };
    paths.iter().map(read).collect()
}

fn walk(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) {
    let Some(below) = depth.checked_sub(1) else { return };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && !SKIPPED.contains(&&*name) {
            walk(&path, below, paths);
        } else if !is_folder && (name.ends_with(".rs") || name == "Cargo.toml") {
            paths.push(path);
        }
    }
}

#[test]
fn files_of_every_package_are_found() {
    let files = all();
    for path in ["crates/callbox/src/lib.rs", "crates/callbox/Cargo.toml", "xtask/src/main.rs"] {
        assert!(files.iter().any(|file| file.path == path), "{path}");
    }
    assert!(!files.iter().any(|file| file.path.starts_with("target/")));
}
