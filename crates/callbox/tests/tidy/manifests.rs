//! Every dependency has a line above it that says why it is there.

use crate::Finding;

/// Finds dependencies without a comment right above.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut inside, mut depth, mut above) = (false, 0i32, "");
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        let mut lonely = |name: &str| {
            if !above.starts_with('#') {
                findings.push(format!("{path}:{}: {name} needs a line above it that says why", index + 1));
            }
        };
        if depth == 0 && trimmed.starts_with('[') {
            let title = trimmed.trim_matches(['[', ']']);
            inside = is_table_of_dependencies(title);
            let single = title.rsplit_once('.').filter(|(table, _)| !inside && is_table_of_dependencies(table));
            if let Some((_, name)) = single {
                lonely(name);
            }
        } else if inside && depth == 0 && !trimmed.is_empty() && !trimmed.starts_with('#') {
            lonely(trimmed.split(['=', '.', ' ']).next().unwrap_or_default());
        }
        if inside {
            depth += trimmed.matches(['[', '{']).count() as i32 - trimmed.matches([']', '}']).count() as i32;
            if trimmed.starts_with('[') && depth != 0 {
                depth = 0;
            }
        }
        above = trimmed;
    }
    findings
}

fn is_table_of_dependencies(title: &str) -> bool {
    title.ends_with("dependencies")
}

#[test]
fn dependencies_without_a_reason_are_found() {
    let text = "\
[package]
name = \"x\"

[dependencies]
# Chunks.
bytes = \"1\"
memchr = \"2\"
# The runtime.
tokio = { version = \"1\", features = [
  \"net\",
] }

[target.'cfg(unix)'.dependencies]
libc = \"0.2\"

[dev-dependencies.proptest]
version = \"1\"

[lints]
workspace = true
";
    let due = ["x:7: memchr", "x:14: libc", "x:16: proptest"];
    let findings = check("x", text);
    assert_eq!(findings.len(), due.len(), "{findings:?}");
    assert!(findings.iter().zip(due).all(|(finding, due)| finding.starts_with(due)), "{findings:?}");
}
