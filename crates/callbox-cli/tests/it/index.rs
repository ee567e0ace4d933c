//! The test set about itself: no file forgotten, no row of docs/faults.md without its test or test without its row.

use std::collections::BTreeSet;
use std::path::Path;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it"))
}

fn modules() -> Vec<(String, String)> {
    let files = std::fs::read_dir(folder()).expect("this folder").flatten().map(|entry| entry.path());
    let sources = files.filter(|path| path.extension().is_some_and(|end| end == "rs"));
    sources
        .map(|path| {
            let name = path.file_stem().expect("a source").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("a source"))
        })
        .collect()
}

#[test]
fn every_file_is_a_module_with_a_comment() {
    let main = std::fs::read_to_string(folder().join("main.rs")).expect("main.rs");
    for (name, _) in modules().iter().filter(|(name, _)| name != "main") {
        let line = main.lines().position(|line| line == format!("mod {name};"));
        let line = line.unwrap_or_else(|| panic!("{name}.rs is in no `mod` line of main.rs"));
        assert!(main.lines().nth(line - 1).is_some_and(|above| above.starts_with("/// ")), "{name} has no comment");
    }
}

#[test]
fn docs_faults_md_lists_exactly_the_tests_of_rows() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/faults.md");
    let page = std::fs::read_to_string(page).expect("docs/faults.md");
    let listed: BTreeSet<String> =
        page.split('`').filter(|word| word.contains("::row_")).map(|word| word.to_owned()).collect();
    let tests: BTreeSet<String> = modules()
        .iter()
        .flat_map(|(module, source)| {
            let lines = source.lines().filter_map(|line| line.strip_prefix("fn row_"));
            lines.map(move |line| format!("{module}::row_{}", line.split('(').next().unwrap_or_default()))
        })
        .collect();
    assert_eq!(listed, tests);
    for test in &tests {
        let row = test.split("row_").nth(1).and_then(|rest| rest.split('_').next()).expect("a number");
        let line = page.lines().find(|line| line.contains(&format!("`{test}`"))).expect("listed");
        assert!(line.starts_with(&format!("| {row} |")), "{test} stands in row {line}");
    }
}
