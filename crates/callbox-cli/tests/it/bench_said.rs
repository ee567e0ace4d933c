//! What `bench` says beside its report: why it ended with that code, whom it reached, and only what is true.

use callbox_testkit::{Callbox, Certificates, Leaf, Outcome};
use serde_json::Value;

use crate::cli::{callbox, served};
use crate::tls::{secured, serves, word};

fn bench<'a>(address: &str, words: impl IntoIterator<Item = &'a str>) -> Callbox {
    callbox(["bench", address]).args(words)
}

fn report(outcome: &Outcome) -> Value {
    serde_json::from_slice(&outcome.stdout).expect("one object")
}

#[test]
fn a_code_has_its_reason() {
    let (_server, address) = served(["--echo"]);
    let address = address.to_string();
    let wrong = bench(&address, ["--send", "a", "--verify", "re:b", "-n", "10", "-c", "2"]).run().exited(1);
    wrong
        .said(&format!("callbox: bench {address}: wrong answers: 10"))
        .showed("0 of 10 exchanges answered as they should be");
    let (_server, address) = served(["--discard"]);
    let address = address.to_string();
    let words = ["--send", "a", "-d", "300ms", "-c", "2", "--rate", "50/s"];
    let silent = bench(&address, words).run().exited(124);
    let silent = silent.said(&format!("callbox: bench {address}: nothing was answered")).showed("no answer: ");
    for misleading in ["saturated: ", "raise -c"] {
        assert!(!String::from_utf8_lossy(&silent.stdout).contains(misleading), "{misleading}");
    }
    let (_server, address) = served(["--echo"]);
    let words = ["--send", "a", "-d", "50ms", "-c", "1", "--find-rate", "p99<1ns"];
    let never = bench(&address.to_string(), words).run().exited(1);
    never.said("callbox: --find-rate p99<1ns: it holds at no rate").showed("p99<1ns holds at no rate that was tried");
}

#[test]
fn a_short_run_is_not_limited_by_what_starting_takes() {
    let (_server, address) = served(["--echo"]);
    let address = address.to_string();
    let closed = bench(&address, ["--send", "a", "-n", "3", "-c", "1", "--json"]).run().exited(0);
    assert_eq!(report(&closed)["limits"], Value::Array(Vec::new()));
    // The first one is due at once, when everybody is free.
    for more in [&["--renew"][..], &[]] {
        let words = ["--send", "a", "--rate", "2/s", "-d", "400ms", "-c", "8", "--json"];
        let outcome = bench(&address, words).args(more.iter().copied()).run().exited(0);
        let report = report(&outcome);
        assert_eq!((&report["requests"], &report["limits"]), (&1.into(), &Value::Array(Vec::new())), "{more:?}");
    }
}

#[test]
fn each_slice_of_time_is_as_long_as_it_says() {
    let (_server, address) = served(["--echo"]);
    for warm_up in ["0", "30ms"] {
        let words = ["--send", "a", "--rate", "500/s", "-d", "1s", "--warm-up", warm_up, "-c", "4", "--csv"];
        let outcome = bench(&address.to_string(), words).run().exited(0);
        let text = String::from_utf8(outcome.stdout).expect("text");
        let ends: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
        let due = ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1", "1"];
        assert_eq!(ends, due, "ten slices and the whole: {text}");
    }
}

#[test]
fn verbose_says_who_answered_and_what_tls_agreed_on() {
    let (_server, address) = served(["--echo"]);
    let words = ["--send", "a", "-n", "3", "-c", "1"];
    let address = address.to_string();
    bench(&address, words).run().exited(0).quietly();
    bench(&address, words).arg("-v").run().exited(0).said(&format!("#1 connected to {address}"));
    let made = Certificates::of("CA of the test");
    let (_server, address) = serves(secured("serve", &made.make("server", &Leaf::default())), ["--echo"]);
    let address = address.to_string();
    let words =
        ["--tls", "--ca", word(made.ca()), "--send", "a", "-n", "3", "-c", "1", "-v", "--tls-expiry-warn", "30000d"];
    let outcome = bench(&address, words).run().exited(0).said(&format!("#1 connected to {address}"));
    outcome.said("#1 TLS 1.3, ").said(", verified").said("#1   certificate CN=server").said("warning: ");
}
