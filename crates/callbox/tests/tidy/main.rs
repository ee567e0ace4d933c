//! The rules of this code base that the compiler does not check, as a plain test.
//!
//! Every rule is a function from a file's text to findings, and has a test of its own on a sample that breaks it; the
//! tests here apply them to all files of the workspace. No git history is needed.

mod files;
mod headings;
mod layers;
mod manifests;
mod markers;
mod sizes;
mod source;
mod words;

use files::{Found, all};

/// Something that breaks a rule: where and what, `src/session.rs:12: layer 2 may not use layer 3 (session -> net)`.
pub(crate) type Finding = String;

/// Applies a rule to every file that `concerned` picks.
fn holds(rule: impl Fn(&Found) -> Vec<Finding>, concerned: impl Fn(&str) -> bool) {
    let files = all();
    let chosen: Vec<_> = files.iter().filter(|file| concerned(&file.path)).collect();
    assert!(!chosen.is_empty(), "there is no file this rule is about");
    let findings: Vec<_> = chosen.into_iter().flat_map(rule).collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

fn is_rust(path: &str) -> bool {
    path.ends_with(".rs")
}

fn is_library(path: &str) -> bool {
    is_rust(path) && path.starts_with("crates/callbox/src/")
}

fn is_product(path: &str) -> bool {
    is_library(path) || is_rust(path) && path.starts_with("crates/callbox-cli/src/")
}

#[test]
fn modules_use_lower_layers_only() {
    let files = all();
    let library: Vec<_> = files.iter().filter(|file| is_library(&file.path)).collect();
    let map = library.iter().find(|file| file.path.ends_with("callbox/src/lib.rs")).expect("the library has a lib.rs");
    let layers = layers::Layers::read(&map.text);
    let modules: Vec<_> = library.iter().map(|file| layers::module_of(&file.path)).collect();
    let mut findings = layers.findings(&map.path);
    findings.extend(library.iter().flat_map(|file| layers.check(file, &modules)));
    findings.extend(layers.circles(library.iter().copied()));
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn files_and_functions_fit() {
    holds(sizes::check, is_rust);
}

#[test]
fn nothing_unfinished_is_left() {
    holds(markers::unfinished, is_rust);
}

#[test]
fn unsafe_code_is_in_one_file() {
    holds(markers::unsafe_code, is_rust);
}

#[test]
fn the_library_prints_nothing() {
    holds(markers::printing, is_library);
}

#[test]
fn every_file_says_what_it_is_for() {
    holds(headings::module_docs, is_rust);
}

#[test]
fn public_async_functions_document_errors_and_cancellation() {
    holds(headings::async_functions, is_library);
}

#[test]
fn users_read_the_words_of_the_glossary() {
    holds(words::check, is_product);
}

#[test]
fn files_are_named_by_a_noun() {
    holds(|file| words::file_name(&file.path), is_rust);
}

#[test]
fn every_dependency_has_its_reason() {
    holds(|file| manifests::check(&file.path, &file.text), |path| path.ends_with("Cargo.toml"));
}
