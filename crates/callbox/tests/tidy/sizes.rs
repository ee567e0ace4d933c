//! How long files and functions may be.

use crate::Finding;
use crate::files::Found;
use crate::source::{block_end, line_of, positions};

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;

/// Longer functions, each with the reason why it reads better whole: file, name, reason.
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

/// Finds files and functions that are too long.
pub(crate) fn check(file: &Found) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    if lines > FILE_LINES {
        findings.push(format!("{}:{lines}: a file has at most {FILE_LINES} lines", file.path));
    }
    for (name, line, length) in functions(&file.source.code) {
        let excepted = EXCEPTIONS.iter().any(|(path, function, _)| *path == file.path && *function == name);
        if length > FUNCTION_LINES && !excepted {
            findings.push(format!(
                "{}:{line}: {name} has {length} lines, a function has at most {FUNCTION_LINES}",
                file.path
            ));
        }
    }
    findings
}

/// Returns name, first line and length of every function with a body.
fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for at in positions(code, "fn") {
        let after = code[at + 2..].trim_start();
        let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            continue;
        }
        let Some(body) = body(code, at) else { continue };
        let (first, last) = (line_of(code, at), line_of(code, block_end(code, body) - 1));
        found.push((name, first, last - first + 1));
    }
    found
}

/// Returns where the body of the function at `at` begins; `None` when it has only a signature.
pub(crate) fn body(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0i32;
    for (offset, byte) in code.as_bytes()[at..].iter().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at + offset),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[test]
fn long_functions_and_files_are_found() {
    let long = format!("fn short() {{}}\nfn long(a: [u8; 3]) {{\n{}}}\ntype F = fn(u8);\n", "    a();\n".repeat(70));
    let findings = check(&Found::new("a.rs", &long));
    assert_eq!(findings, ["a.rs:2: long has 72 lines, a function has at most 70"]);
    assert_eq!(check(&Found::new("a.rs", &"\n".repeat(601))), ["a.rs:601: a file has at most 600 lines"]);
    assert!(check(&Found::new("a.rs", &"\n".repeat(600))).is_empty());
}
