//! Every package that is built in has a licence that deny.toml allows; this runs where cargo-deny is not installed.

use std::path::Path;
use std::process::Command;

/// Evaluates an SPDX expression: `A OR B`, `A AND B`, brackets, `A WITH exception`, and `A/B` as old manifests have it.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let value = any_of(&words, &mut at, allowed);
    value && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut value = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        value |= all_of(words, at, allowed);
    }
    value
}

fn all_of(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut value = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        value &= one(words, at, allowed);
    }
    value
}

fn one(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let value = any_of(words, at, allowed);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return value && closed;
    }
    let mut name = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
    }
    allowed.contains(&name)
}

/// Reads the strings of `allow = [...]` under `[licenses]`.
fn allow_list(deny: &str) -> Vec<String> {
    let table = deny.split_once("[licenses]").map_or("", |(_, rest)| rest);
    let list = table.split_once("allow = [").map_or("", |(_, rest)| rest);
    let list = list.split_once("\n]").map_or(list, |(list, _)| list);
    let lines = list.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
}

/// Asks cargo for the packages of all platforms, or of this one when only those were downloaded.
fn packages(root: &Path) -> Vec<(String, Option<String>)> {
    let ask = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["metadata", "--format-version", "1", "--offline", "--locked"]).args(more).current_dir(root);
        command.output().ok().filter(|output| output.status.success())
    };
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = ask(&[]).or_else(|| ask(&["--filter-platform", &host])).expect("cargo metadata knows the packages");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let package = |value: &serde_json::Value| {
        let name = format!("{} {}", value["name"].as_str().unwrap_or("?"), value["version"].as_str().unwrap_or("?"));
        (name, value["license"].as_str().map(str::to_owned))
    };
    metadata["packages"].as_array().expect("it has packages").iter().map(package).collect()
}

#[test]
fn every_package_has_an_allowed_licence() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace");
    let allowed = allow_list(&std::fs::read_to_string(root.join("deny.toml")).expect("deny.toml is there"));
    let packages = packages(root);
    assert!(packages.len() > 10, "only {} packages", packages.len());
    let refused: Vec<_> = packages
        .iter()
        .filter(|(_, licence)| !licence.as_deref().is_some_and(|licence| is_allowed(licence, &allowed)))
        .map(|(name, licence)| format!("{name}: {}", licence.as_deref().unwrap_or("no licence is named")))
        .collect();
    assert!(refused.is_empty(), "not allowed by deny.toml:\n{}", refused.join("\n"));
}

#[test]
fn expressions_are_understood() {
    let allowed = allow_list(
        "[licenses]\nallow = [\n    \"MIT\", # why\n    # \"GPL-3.0\",\n    \"Apache-2.0 WITH LLVM-exception\",\n]\n",
    );
    assert_eq!(allowed, ["MIT", "Apache-2.0 WITH LLVM-exception"]);
    for good in ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "(GPL-3.0 OR MIT) AND Apache-2.0 WITH LLVM-exception"] {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "", "MIT AND", "(MIT", "MIT MIT"] {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}
