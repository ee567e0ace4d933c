//! What every command holds to before it does anything: arguments, help, completions, man pages, exit code 2.

use callbox_testkit::{Outcome, Scratch, requires, skip};

use crate::cli::callbox;

const COMMANDS: [&str; 6] = ["connect", "listen", "serve", "ping", "wait", "tour"];

#[track_caller]
fn usage_error(words: &[&str]) -> Outcome {
    let outcome = callbox(words.iter().copied()).run().exited(2).wrote("");
    let first = outcome.stderr.lines().next().unwrap_or_default().to_owned();
    if !first.starts_with("callbox: ") {
        outcome.fail("a usage error starts with `callbox: `");
    }
    outcome
}

#[test]
fn usage_errors_exit_2_with_one_clear_line() {
    for words in [
        &["serve", "--no-such-flag"][..],
        &["no-such-command"],
        &["connect", "127.0.0.1:notaport"],
        &["connect", "127.0.0.1:65536"],
        &["connect", "127.0.0.1:1", "--count", "many"],
        &["connect", "127.0.0.1:1", "--timeout", "3 parsecs"],
        &["serve", "127.0.0.1:0", "--when-full", "explode"],
        &["tour", "--lang", "tlh"],
    ] {
        let outcome = usage_error(words);
        let first = outcome.stderr.lines().next().unwrap_or_default();
        assert!(first.len() > "callbox: ".len() + 5, "{words:?} says what is wrong: {first}");
    }
}

#[test]
fn a_bad_escape_is_pointed_at() {
    for (escape, part) in [("a\\qb", "\\q"), ("\\x4", "\\x4"), ("\\u{110000}", "110000"), ("end\\", "\\")] {
        usage_error(&["connect", "127.0.0.1:1", "--send", escape]).said(part);
    }
    usage_error(&["connect", "127.0.0.1:1", "--send-hex", "48 6"]);
    usage_error(&["connect", "127.0.0.1:1", "--expect", "re:("]);
}

#[test]
fn faults_of_a_listener_are_none_of_one_connection() {
    for (command, fault) in [("connect", "refuse"), ("listen", "accept-delay=1s"), ("listen", "backlog-full,to=2s")] {
        usage_error(&[command, "127.0.0.1:1", "--fault", "latency=1ms", "--fault", fault])
            .said(fault)
            .said("callbox serve");
    }
}

#[test]
fn an_unbracketed_ipv6_address_with_a_port_is_shown_its_brackets() {
    usage_error(&["connect", "::1:8848"]).said("[::1]:8848");
}

#[test]
fn exec_beyond_loopback_needs_to_be_told_so() {
    usage_error(&["serve", "0.0.0.0:0", "--exec", "cat"]).said("--exec-exposed");
    usage_error(&["serve", "*:0", "--exec", "cat"]).said("--exec-exposed");
}

#[test]
fn help_of_every_command_is_there_long_and_short() {
    for command in COMMANDS {
        let long = callbox([command, "--help"]).run().exited(0).quietly();
        let short = callbox([command, "-h"]).run().exited(0).quietly();
        assert!(String::from_utf8_lossy(&long.stdout).contains("--"), "{command} --help shows its flags");
        let lines = |outcome: &Outcome| String::from_utf8_lossy(&outcome.stdout).lines().count();
        assert!(lines(&long) > lines(&short), "{command}: -h is the short one");
    }
    let outcome = callbox(["--help"]).run().exited(0);
    for command in COMMANDS.into_iter().chain(["completions", "man"]) {
        assert!(String::from_utf8_lossy(&outcome.stdout).contains(command), "--help lists {command}");
    }
    callbox(["--version"]).run().exited(0).showed(env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_short_names_are_the_commands() {
    for (short, long) in [("c", "connect"), ("l", "listen"), ("s", "serve")] {
        let outcome = callbox([short, "--help"]).run().exited(0);
        let named = callbox([long, "--help"]).run().exited(0);
        assert_eq!(outcome.stdout, named.stdout, "{short} is {long}");
    }
}

#[test]
fn completions_are_there_for_five_shells() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let outcome = callbox(["completions", shell]).run().exited(0).quietly().showed("callbox");
        assert!(String::from_utf8_lossy(&outcome.stdout).contains("serve"), "{shell} completes commands");
    }
    callbox(["completions", "tcsh-of-old"]).run().exited(2);
}

#[test]
fn shells_accept_their_completions() {
    let scratch = Scratch::new();
    let mut checked = 0;
    for (shell, flag) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        if callbox_testkit::skip::tool(shell).is_err() {
            continue;
        }
        let script = scratch.file(shell, callbox(["completions", shell]).run().exited(0).stdout);
        callbox_testkit::Callbox::new(shell).arg(flag).arg(&script).run().exited(0).quietly();
        checked += 1;
    }
    if checked == 0 {
        skip!("needs bash, zsh or fish");
    }
}

#[test]
fn man_prints_and_writes_pages() {
    callbox(["man"]).run().exited(0).quietly().showed(".TH");
    let scratch = Scratch::new();
    let folder = scratch.join("pages");
    std::fs::create_dir(&folder).expect("own folder");
    callbox(["man", "--dir", &folder.display().to_string()]).run().exited(0);
    for page in ["callbox.1", "callbox-connect.1", "callbox-listen.1", "callbox-serve.1", "callbox-tour.1"] {
        let text = std::fs::read_to_string(folder.join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(text.contains(".TH"), "{page} is a man page");
    }
}

#[test]
fn man_accepts_its_own_pages() {
    requires!(tool("man"));
    let scratch = Scratch::new();
    let page = scratch.file("callbox.1", callbox(["man"]).run().exited(0).stdout);
    let reader = callbox_testkit::Callbox::new("man").args(["--warnings", "-l"]).arg(&page).env("MANPAGER", "cat");
    reader.env("MANROFFOPT", "").run().exited(0).never_said("warning");
}

#[test]
fn a_file_that_cannot_be_read_is_exit_6() {
    let (address, _peer) = callbox_testkit::Script::serves(|mut peer| drop(peer.reads_some(100)));
    let outcome = crate::cli::connect(address, ["--send-file", "/nowhere/at/all"]).start();
    // Whether it is opened before or after the connection is the program's choice; a client must come for the script.
    let outcome = outcome.exits(6).said("/nowhere/at/all");
    assert!(outcome.stderr.starts_with("callbox: "), "{}", outcome.stderr);
    let _ = std::net::TcpStream::connect(address);
}
