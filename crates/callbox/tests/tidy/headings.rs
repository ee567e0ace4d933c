//! Documentation that every file and every public asynchronous function has.

use crate::Finding;
use crate::files::Found;
use crate::sizes::body;
use crate::source::{line_of, positions};

/// Finds a file that does not open with `//!`.
pub(crate) fn module_docs(file: &Found) -> Vec<Finding> {
    let first = file.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let missing = !first.starts_with("//!");
    missing.then(|| format!("{}:1: a file opens with `//!` and what it is for", file.path)).into_iter().collect()
}

/// Finds public functions that are awaited and do not say what an error means and what cancelling loses.
pub(crate) fn async_functions(file: &Found) -> Vec<Finding> {
    let code = &file.source.product_code;
    let mut findings = Vec::new();
    for at in positions(code, "pub") {
        let after = code[at + "pub".len()..].trim_start();
        let is_async = after.starts_with("async fn ");
        let end = body(code, at).unwrap_or(code.len());
        let returned = code[at..end].split_once("->").map_or("", |(_, returned)| returned);
        let is_future = after.starts_with("fn ") && returned.contains("impl Future");
        if !is_async && !is_future {
            continue;
        }
        let line = line_of(code, at);
        let docs = docs_above(&file.text, line);
        let mut require = |heading: &str| {
            if !docs.iter().any(|doc| doc == heading) {
                findings.push(format!("{}:{line}: a public async function documents `{heading}`", file.path));
            }
        };
        require("# Cancel safety");
        if returned.contains("Result") {
            require("# Errors");
        }
    }
    findings
}

/// Returns the lines of the documentation above `line`, attributes skipped.
fn docs_above(text: &str, line: usize) -> Vec<String> {
    let above: Vec<&str> = text.lines().take(line - 1).map(str::trim).collect();
    let ends = |line: &&&str| line.is_empty() || (!line.starts_with("//") && line.ends_with(['{', '}', ';', ',']));
    let own = above.iter().rev().take_while(|line| !ends(line));
    own.filter_map(|line| line.strip_prefix("///")).map(|doc| doc.trim().to_owned()).collect()
}

#[test]
fn files_without_a_purpose_are_found() {
    assert_eq!(module_docs(&Found::new("a.rs", "use std::io;\n//! late")).len(), 1);
    assert!(module_docs(&Found::new("a.rs", "\n//! What it is for.\n")).is_empty());
}

#[test]
fn missing_headings_are_found() {
    let count = |text| async_functions(&Found::new("a.rs", text)).len();
    assert_eq!(count("/// Reads.\npub async fn a() -> Result<()> {}"), 2);
    assert_eq!(count("/// Reads.\n///\n/// # Errors\n/// x\npub async fn a() -> Result<()> {}"), 1);
    assert_eq!(count("/// Reads.\npub fn a() -> impl Future<Output = ()> + Send {}"), 1);
    let whole = "/// Reads.\n///\n/// # Errors\n/// {x},\n///\n/// # Cancel safety\n/// y\n#[must_use]\npub async fn a() -> Result<()> {}";
    assert_eq!(count(whole), 0);
    assert_eq!(count("pub(crate) async fn a() -> Result<()> {}\npub fn b() {}\nasync fn c() {}"), 0);
    assert_eq!(count("struct A {\n    /// # Cancel safety\n    a: u8,\n}\npub async fn b() {}"), 1);
}
