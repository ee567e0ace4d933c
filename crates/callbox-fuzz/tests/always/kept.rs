//! What is kept of a target: its seeds and its words.

use std::fs;
use std::path::{Path, PathBuf};

/// Seeds, in the order of their names, and words.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) inputs: Vec<(PathBuf, Vec<u8>)>,
    pub(crate) words: Vec<Vec<u8>>,
}

/// Returns the folder of the package.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Kept {
    /// Reads what is kept of a target.
    pub(crate) fn of(name: &str) -> Kept {
        let folder = root().join("corpus").join(name);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
        paths.sort();
        let read = |path: PathBuf| {
            let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path, bytes)
        };
        let dictionary = root().join("dict").join(format!("{name}.dict"));
        let text = fs::read_to_string(&dictionary).unwrap_or_else(|error| panic!("{}: {error}", dictionary.display()));
        Kept { inputs: paths.into_iter().map(read).collect(), words: words(&text) }
    }
}

/// Reads a dictionary in libFuzzer's format: a word a line in quotes, with `\\`, `\"` and `\xHH`; `#` is a comment.
fn words(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let word = |line: &str| {
        let inner = line.strip_prefix('"').and_then(|line| line.strip_suffix('"'));
        let inner = inner.unwrap_or_else(|| panic!("{line} is no word in quotes")).replace("\\\"", "\"");
        callbox::text::unescape(&inner).unwrap_or_else(|invalid| panic!("{invalid}"))
    };
    lines.map(word).collect()
}

#[test]
fn words_are_read_as_libfuzzer_does() {
    assert_eq!(words("# none\n\n\"a\\\\\\\"\\x00\"\n"), [b"a\\\"\0"]);
}
