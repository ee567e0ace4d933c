//! Words that hide what happens, in what users read, and names that say nothing.

use crate::Finding;
use crate::files::Found;
use crate::source::positions;

/// Words to avoid, with what to say instead. Only those that are hardly ever right.
const AVOIDED: [(&str, &str); 21] = [
    ("packet loss", "stall, cut, corrupt or latency"),
    ("lost packets", "stall, cut, corrupt or latency"),
    ("hang up", "close, end of stream or reset"),
    ("hangs up", "closes, ends its stream or resets"),
    ("hung up", "closed, ended its stream or reset"),
    ("kill", "close, abort or end"),
    ("kills", "closes, aborts or ends"),
    ("disconnect", "close, end of stream or reset"),
    ("disconnects", "closes, ends its stream or resets"),
    ("disconnected", "closed, ended or reset"),
    ("endpoint", "address, client, server or upstream"),
    ("endpoints", "addresses, clients, servers or upstreams"),
    ("downstream", "client, or to_client"),
    ("blacklist", "deny list"),
    ("whitelist", "allow list"),
    ("slave", "secondary"),
    ("toxic", "fault"),
    ("toxics", "faults"),
    ("chaos", "faults"),
    ("evil", "hostile"),
    ("tunnel", "relay"),
];

/// Right uses: file or folder, word, reason.
const EXCEPTIONS: [(&str, &str, &str); 3] = [
    ("crates/callbox-cli/src/control/", "toxic", "it speaks toxiproxy's API, whose word that is"),
    ("crates/callbox-cli/src/control/", "toxics", "it speaks toxiproxy's API, whose word that is"),
    ("crates/callbox-cli/src/control/", "downstream", "it speaks toxiproxy's API, whose word that is"),
];

/// Names of files and folders that could hold anything.
const EMPTY_NAMES: [&str; 10] =
    ["util", "utils", "helper", "helpers", "common", "misc", "manager", "service", "core", "base"];

/// Finds words to avoid in string literals and documentation.
pub(crate) fn check(file: &Found) -> Vec<Finding> {
    let docs =
        file.source.comments.iter().filter(|piece| piece.text.starts_with("///") || piece.text.starts_with("//!"));
    let pieces = file.source.strings.iter().chain(docs).filter(|piece| !piece.in_test);
    let mut findings = Vec::new();
    for piece in pieces {
        let text = without_code(&piece.text).to_lowercase();
        for (word, say) in AVOIDED {
            let excepted = EXCEPTIONS.iter().any(|(path, allowed, _)| file.path.starts_with(path) && *allowed == word);
            if !excepted && positions(&text, word).iter().any(|at| !is_command(&text, *at, word)) {
                findings.push(format!("{}:{}: not '{word}': say {say}", file.path, piece.line));
            }
        }
    }
    findings
}

/// Finds names that say nothing in a path.
pub(crate) fn file_name(path: &str) -> Vec<Finding> {
    let names = path.split('/').map(|name| name.trim_end_matches(".rs"));
    let empty = names.filter(|name| EMPTY_NAMES.contains(name));
    empty.map(|name| format!("{path}:1: '{name}' says nothing: name it by the noun it holds")).collect()
}

/// Takes out what stands in backticks: names are what they are.
fn without_code(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// Says whether a word names the command or the system call: `kill -TERM 7`, `kill(2)`, or a literal of its own.
fn is_command(text: &str, at: usize, word: &str) -> bool {
    let after = &text[at + word.len()..];
    after.starts_with(" -") || after.starts_with('(') || (text.starts_with('"') && text.len() == word.len() + 2)
}

#[test]
fn avoided_words_are_found_in_what_users_read() {
    let count = |text| check(&Found::new("a.rs", text)).len();
    assert_eq!(count("//! Packet loss.\nfn a() { say(\"the peer hung up\"); }"), 2);
    assert_eq!(check(&Found::new("a.rs", "\n/// Kills it.")), ["a.rs:2: not 'kills': say closes, aborts or ends"]);
    assert_eq!(count("// kill it\nfn kill() { run(\"kill\"); hint(\"kill -USR1 7\"); }\n/// `toxic` and kill(2)"), 0);
    assert_eq!(count("#[cfg(test)]\nmod tests { const A: &str = \"evil chaos\"; }"), 0);
    assert_eq!(count("const A: &str = \"skills, killed, devilish\";"), 0);
}

#[test]
fn empty_names_are_found() {
    assert_eq!(file_name("crates/callbox/src/util/helpers.rs").len(), 2);
    assert!(file_name("crates/callbox/src/net/stream.rs").is_empty());
}
