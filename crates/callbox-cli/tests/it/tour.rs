//! `callbox tour`: performed live, judged from what was observed.

use callbox_testkit::Outcome;

use crate::cli::callbox;

fn tour(words: &[&str]) -> Outcome {
    callbox(["tour"].iter().chain(words).copied()).run()
}

fn is_chinese(text: &str) -> bool {
    // One character is what the tour cuts in two, in any language.
    text.chars().filter(|character| ('\u{4e00}'..='\u{9fff}').contains(character)).count() > 10
}

#[test]
fn the_whole_tour_holds() {
    let outcome = tour(&[]).exited(0);
    let text = String::from_utf8(outcome.stdout).expect("text");
    assert!(text.contains("127.0.0.1:"), "addresses of real connections: {text}");
    assert!(text.lines().count() > 4 + 5 + 9, "a line at least for each step and note: {text}");
    assert!(!is_chinese(&text), "English by default: {text}");
}

#[test]
fn one_note_or_step_is_run_alone() {
    let whole = tour(&[]).exited(0).stdout.len();
    for one in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "client:2", "server:3"] {
        let outcome = tour(&[one]).exited(0);
        assert!(!outcome.stdout.is_empty() && outcome.stdout.len() < whole / 2, "{one} alone is short");
    }
}

#[test]
fn what_the_tour_does_not_have_is_a_usage_error() {
    for wrong in ["0", "99", "client:9", "server:0", "waiter:1"] {
        tour(&[wrong]).exited(2).said("callbox: ");
    }
}

#[test]
fn the_tour_speaks_chinese_when_asked_or_by_the_locale() {
    for (words, locale) in [(&["7", "--lang", "zh"][..], "C.UTF-8"), (&["7"], "zh_CN.UTF-8")] {
        let outcome = callbox(["tour"].iter().chain(words).copied()).env("LANG", locale).run().exited(0);
        let text = String::from_utf8(outcome.stdout).expect("text");
        assert!(is_chinese(&text), "{words:?} in {locale}: {text}");
    }
    let outcome = callbox(["tour", "7", "--lang", "en"]).env("LANG", "zh_CN.UTF-8").run().exited(0);
    assert!(!is_chinese(&String::from_utf8_lossy(&outcome.stdout)), "--lang wins over the locale");
}

#[test]
fn tours_at_the_same_time_do_not_disturb_each_other() {
    let running: Vec<_> = (0..4).map(|_| callbox(["tour"]).start()).collect();
    for tour in running {
        tour.exits(0);
    }
}
