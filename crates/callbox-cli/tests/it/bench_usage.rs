//! `bench`, `ping` and `wait` before they connect: flags that mean nothing together, files that cannot be written, what programs are told of it.

use callbox_testkit::{Outcome, Scratch};
use serde_json::Value;

use crate::cli::{callbox, nobody, served};

fn bench<'a>(words: impl IntoIterator<Item = &'a str>) -> callbox_testkit::Callbox {
    // Where the words are right after all, nobody is there: no test measures by mistake.
    callbox(["bench", "127.0.0.1:1"]).args(words)
}

/// The first line names this flag.
fn refused(words: &[&str], flag: &str) -> Outcome {
    let outcome = bench(words.iter().copied()).run().exited(2).wrote("");
    let first = outcome.stderr.lines().next().unwrap_or_default().to_owned();
    assert!(first.starts_with("callbox: ") && first.contains(flag), "{words:?}: {first}");
    assert!(!first.contains("--invalid"), "{first}");
    outcome
}

#[test]
fn what_has_no_meaning_in_the_mode_is_refused() {
    let of_exchanges = [
        &["--finish"][..],
        &["--weights", "1"],
        &["--template"],
        &["--answer-timeout", "1s"],
        &["--frame", "line"],
        &["--checksum", "crc32"],
    ];
    for words in of_exchanges {
        refused(words, words[0]).said("mode connect").said("hint: --send says");
        refused(&[words, &["--mode", "send"]].concat(), words[0]).said("mode send");
    }
    for words in
        [&["--renew", "3"][..], &["--think", "1s"], &["--rate", "9/s"], &["-n", "5"], &["--find-rate", "p99<1s"]]
    {
        for mode in ["send", "receive", "both", "idle"] {
            refused(&[words, &["--mode", mode]].concat(), words[0]).said(mode).said("hint: -d");
        }
    }
    refused(&["--size", "5"], "--size");
    refused(&["--mode", "idle", "--size", "5"], "--size");
    refused(&["--mode", "send", "--size", "0"], "--size");
    refused(&["--mode", "connect", "--renew"], "--renew");
    refused(&["--mode", "exchange"], "--mode exchange").said("hint: --send");
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    for (words, flag) in [
        (&["--send", "a", "--find-rate", "p99<1s", "-d", "0"][..], "--find-rate"),
        (&["--send", "a", "--find-rate", "p99<1s", "--think", "1s"], "--think"),
        (&["--send", "a", "--find-rate", "p99<1s", "-n", "5"], "--find-rate"),
        (&["--send", "a", "--finish", "--renew", "2"], "--finish"),
        (&["--send", "a", "--renew", "0"], "--renew"),
        (&["--send", "a", "--verify", "checksum"], "--verify"),
        (&["--send", "a", "--source", "::1"], "--source"),
        (&["--send", "a", "--source", "127.0.0.1", "--source", "::1"], "--source"),
        (&["--send", "a", "--html", "/dev/null", "--save", "/dev/null"], "--save"),
        (&["--send", "a", "--rate", "1/s..9/s", "-n", "5"], "--rate"),
        (&["--compare", "a", "b"], "--compare"),
    ] {
        refused(words, flag);
    }
    callbox(["bench", "unix:/tmp/none", "--source", "127.0.0.1"]).run().exited(2).said("--source: ");
    callbox(["bench", "--compare", "a", "b", "--csv"]).run().exited(2).said("--csv").wrote("");
}

#[test]
fn a_report_that_has_nowhere_to_go_is_told_before_anything_is_measured() {
    let (server, address) = served(["--echo", "--json"]);
    let (address, scratch) = (address.to_string(), Scratch::new());
    let folder = scratch.path().display().to_string();
    let lacking = scratch.join("no/run").display().to_string();
    for flag in ["--html", "--save"] {
        for (path, reason) in [(&folder, "is a directory"), (&lacking, "no such file or directory")] {
            let words = ["bench", &address, "--send", "a", "-d", "60s", flag, path];
            callbox(words).run().exited(6).wrote("").said(&format!("callbox: write {path}: {reason}"));
        }
    }
    server.signal(callbox_testkit::Signal::TERM);
    assert!(server.exits(0).ledger().named("connected").is_empty());
}

#[test]
fn programs_get_one_object_whatever_happens() {
    let (_held, nobody) = nobody();
    for (words, code) in [
        (&["--finish"][..], 2),
        (&["--until", "frame", "--send", "a"], 2),
        (&["--save", "/nonexistent/x", "--send", "a"], 6),
        (&["--send", "a"], 3),
    ] {
        let outcome = callbox(["bench", &nobody, "--json"]).args(words.iter().copied()).run().exited(code);
        only_error(&outcome, code);
    }
    only_error(&callbox(["bench", "--compare", "/nonexistent/a", "/nonexistent/b", "--json"]).run().exited(6), 6);
}

#[track_caller]
fn only_error(outcome: &Outcome, code: i32) {
    let object: Value = serde_json::from_slice(&outcome.stdout).expect("one object");
    assert_eq!((&object["event"], &object["exit"]), (&"error".into(), &code.into()), "{object}");
}

#[test]
fn advice_names_only_what_there_is() {
    let (_held, nobody) = nobody();
    let outcome = callbox(["bench", &nobody]).run().exited(3).said(&format!("`callbox wait {nobody}`"));
    assert!(!outcome.stderr.contains("--retry-for"), "{}", outcome.stderr);
    // Of the block for documentation (RFC 5737): never an address of this machine.
    let outcome = callbox(["bench", &nobody, "--source", "192.0.2.1"]).run().exited(3).said("hint: --source");
    assert!(!outcome.stderr.contains("*:PORT"), "{}", outcome.stderr);
}

#[test]
fn who_asks_nothing_awaits_no_answer_of_its_length() {
    for command in ["ping", "wait"] {
        let outcome = callbox([command, "127.0.0.1:1", "--until", "as-sent"]).run().exited(2).wrote("");
        outcome.said("callbox: --until: ").said("nothing is sent");
    }
}
