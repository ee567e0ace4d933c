//! Marks of work that is not done, unsafe code, and printing where nothing is to be printed.

use crate::Finding;
use crate::files::Found;
use crate::source::{line_of, positions};

const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];
const PRINTING: [&str; 4] = ["print", "println", "eprint", "eprintln"];
/// Words that ask for an owner in brackets.
const NOTES: [&str; 3] = ["TODO", "FIXME", "XXX"];
/// System calls that no crate offers as safe functions.
const UNSAFE_FILE: &str = "crates/callbox/src/net/sys.rs";

/// Finds macros that stand for work to be done, and notes without an owner.
pub(crate) fn unfinished(file: &Found) -> Vec<Finding> {
    let mut findings = macros(file, &file.source.code, &UNFINISHED, "is not for code that is kept");
    for comment in &file.source.comments {
        for word in NOTES {
            let lonely = |at: &usize| !comment.text[at + word.len()..].starts_with('(');
            if let Some(at) = positions(&comment.text, word).iter().find(|at| lonely(at)) {
                let line = comment.line + line_of(&comment.text, *at) - 1;
                findings.push(format!("{}:{line}: {word} needs an owner: {word}(name)", file.path));
            }
        }
    }
    findings
}

/// Finds `unsafe` outside the one file for it.
pub(crate) fn unsafe_code(file: &Found) -> Vec<Finding> {
    if file.path == UNSAFE_FILE {
        return Vec::new();
    }
    let found = positions(&file.source.code, "unsafe").into_iter();
    found.map(|at| format!("{}:{}: unsafe code belongs to {UNSAFE_FILE}", file.path, line_of(&file.text, at))).collect()
}

/// Finds printing in what is compiled into the product.
pub(crate) fn printing(file: &Found) -> Vec<Finding> {
    macros(file, &file.source.product_code, &PRINTING, "has no place in the library: emit an event")
}

fn macros(file: &Found, code: &str, names: &[&str], problem: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in names {
        let calls = positions(code, name).into_iter().filter(|at| code[at + name.len()..].starts_with('!'));
        findings.extend(calls.map(|at| format!("{}:{}: {name}! {problem}", file.path, line_of(&file.text, at))));
    }
    findings
}

#[test]
fn unfinished_work_is_found() {
    let count = |text| unfinished(&Found::new("a.rs", text)).len();
    assert_eq!(count("fn a() { todo!() }\nfn b() { unimplemented!(); dbg!(1); }"), 3);
    assert_eq!(count("// TODO: later\n/* x\n FIXME */"), 2);
    assert_eq!(count("// TODO(anna): later\nlet todo = \"todo!() TODO\";"), 0);
    assert_eq!(unfinished(&Found::new("a.rs", "\n/* x\nFIXME */")), ["a.rs:3: FIXME needs an owner: FIXME(name)"]);
}

#[test]
fn unsafe_code_is_found_outside_its_file() {
    let text = "fn a() {\n    unsafe { b() }\n}\n// unsafe\n#![deny(unsafe_code)]";
    assert_eq!(unsafe_code(&Found::new("a.rs", text)).len(), 1);
    assert!(unsafe_code(&Found::new(UNSAFE_FILE, text)).is_empty());
}

#[test]
fn printing_is_found_outside_tests() {
    let text =
        "fn a() { println!(\"x\"); }\n#[cfg(test)]\nmod tests { fn b() { eprintln!(); } }\n/// println!()\nfn c() {}";
    let due = ["a.rs:1: println! has no place in the library: emit an event"];
    assert_eq!(printing(&Found::new("a.rs", text)), due);
}
