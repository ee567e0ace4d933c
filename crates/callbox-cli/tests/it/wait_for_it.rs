//! callbox started as `wait-for-it.sh`: the lines and exit codes that scripts and their tests look for.

use callbox_testkit::{Callbox, Outcome, Scratch};

use crate::cli::{binary, nobody, served};

/// callbox by another name.
struct Named(Scratch, &'static str);

impl Named {
    fn new(name: &'static str) -> Named {
        let scratch = Scratch::new();
        std::os::unix::fs::symlink(binary(), scratch.join(name)).expect("links");
        Named(scratch, name)
    }

    fn run(&self, words: &[&str]) -> Outcome {
        Callbox::new(self.0.join(self.1)).args(words).run()
    }
}

#[test]
fn it_says_what_it_waits_for_and_when_it_is_there() {
    let script = Named::new("wait-for-it.sh");
    let (_server, address) = served([]);
    let port = address.port();
    let due = format!(
        "wait-for-it.sh: waiting 3 seconds for 127.0.0.1:{port}\n\
         wait-for-it.sh: 127.0.0.1:{port} is available after 0 seconds\n"
    );
    let (host, number) = ("--host=127.0.0.1", format!("--port={port}"));
    for words in [
        &[&address.to_string(), "-t", "3"][..],
        &["-h", "127.0.0.1", "-p", &port.to_string(), "-t", "3"],
        &[host, &number, "--timeout=3"],
    ] {
        let outcome = script.run(words).exited(0).wrote("");
        assert_eq!(outcome.stderr, due, "{words:?}");
    }
    script.run(&[&address.to_string(), "-q"]).exited(0).quietly();
    let outcome = script.run(&[&address.to_string()]).exited(0);
    outcome.said(&format!("wait-for-it.sh: waiting 15 seconds for {address}\n"));
    let outcome = script.run(&[&address.to_string(), "-t", "0"]).exited(0);
    outcome.said(&format!("wait-for-it.sh: waiting for {address} without a timeout\n"));
}

#[test]
fn the_name_is_the_one_it_was_started_by() {
    let (_server, address) = served([]);
    let outcome = Named::new("wait-for-it").run(&[&address.to_string()]).exited(0);
    assert!(outcome.stderr.starts_with("wait-for-it: waiting 15 seconds"), "{}", outcome.stderr);
}

#[test]
fn a_timeout_is_124_and_the_command_is_run_all_the_same_unless_it_is_strict() {
    let script = Named::new("wait-for-it.sh");
    let (_held, address) = nobody();
    let late = format!("wait-for-it.sh: timeout occurred after waiting 1 seconds for {address}\n");
    script.run(&[&address, "-t", "1"]).exited(124).said(&late).wrote("");
    script.run(&[&address, "-t", "1", "--", "sh", "-c", "echo run; exit 3"]).exited(3).said(&late).wrote("run\n");
    let strict = script.run(&[&address, "-t", "1", "--strict", "--", "echo", "run"]).exited(124).said(&late).wrote("");
    strict.said("wait-for-it.sh: strict mode, refusing to execute subprocess\n");
    script.run(&[&address, "-t", "1", "-q", "-s", "--", "echo", "run"]).exited(124).quietly().wrote("");
}

#[test]
fn the_command_has_its_own_exit_code() {
    let script = Named::new("wait-for-it.sh");
    let (_server, address) = served([]);
    let address = address.to_string();
    script.run(&[&address, "--", "echo", "CMD", "OUTPUT"]).exited(0).wrote("CMD OUTPUT\n");
    script.run(&[&address, "-s", "--", "sh", "-c", "exit 9"]).exited(9);
    script.run(&[&address, "--", "/nowhere/to/be/found"]).exited(127);
    script.run(&[&address, "--"]).exited(0).wrote("");
}

#[test]
fn wrong_words_are_answered_by_the_usage_and_exit_1() {
    let script = Named::new("wait-for-it.sh");
    let missing = "Error: you need to provide a host and port to test.\nUsage:\n";
    for words in [&[][..], &["--host=localhost"], &["--port=80"], &["-p", "80"]] {
        let outcome = script.run(words).exited(1).wrote("");
        assert!(outcome.stderr.starts_with(missing), "{words:?}: {}", outcome.stderr);
    }
    let outcome = script.run(&["--help"]).exited(1).wrote("");
    assert!(outcome.stderr.starts_with("Usage:\n"), "{}", outcome.stderr);
    let outcome = script.run(&["localhost:80", "--retry"]).exited(1);
    assert!(outcome.stderr.starts_with("Unknown argument: --retry\nUsage:\n"), "{}", outcome.stderr);
    let outcome = script.run(&["-q", "--retry"]).exited(1);
    assert!(outcome.stderr.starts_with("Usage:\n"), "the usage is shown all the same: {}", outcome.stderr);
}
