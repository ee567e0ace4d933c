//! What `bench` gives out: JSON, CSV, a page, a saved run and its comparison, conditions.

use std::fs::File;
use std::time::Duration;

use callbox_testkit::deadline::let_pass;
use callbox_testkit::{Outcome, Output, Scratch, Terminal};

use crate::bench_kit::{Act, Crowd, Run, bench};
use crate::cli::callbox;
use crate::tls::word;

const ASK: [&str; 8] = ["--send", "PING\\n", "--until", "\\n", "-n", "120", "-c", "3"];

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[track_caller]
fn plain(outcome: &Outcome) {
    assert!(!outcome.stdout.contains(&0x1b) && !outcome.stderr.contains('\u{1b}'), "no escapes: {outcome:?}");
}

#[test]
fn json_is_one_line_with_every_field_and_nothing_beside_it() {
    let crowd = Crowd::echoes();
    let outcome = bench(crowd.address(), ASK).args(["--json", "--seed", "42"]).run().exited(0).quietly();
    plain(&outcome);
    // Fields and relations are looked at as of any report.
    let run = Run::read(outcome);
    run.answered_all(120).counts(&[("seed", 42), ("unasked_bytes", 0), ("warm_up_us", 0)]);
    assert!(run.number("processor_us") > 0.0 && run.count("resident_bytes") > 1_000_000, "{}", run.report);
    let time = run.report["time"].as_str().unwrap_or_default();
    assert!(time.len() == "2026-01-02T03:04:05.678901Z".len() && time.ends_with('Z'), "{time}");
}

#[test]
fn a_seed_that_was_drawn_is_told() {
    let crowd = Crowd::echoes();
    let seed = |_| Run::read(bench(crowd.address(), ASK).arg("--json").run().exited(0)).report["seed"].to_string();
    let drawn: Vec<String> = (0..3).map(seed).collect();
    assert!(drawn.iter().all(|seed| seed.parse::<u64>().is_ok()), "{drawn:?}");
    assert!(drawn[0] != drawn[1] || drawn[1] != drawn[2], "{drawn:?}");
}

#[test]
fn the_text_for_people_goes_to_standard_output_and_has_what_counts() {
    let crowd = Crowd::echoes();
    let outcome = bench(crowd.address(), ASK).run().exited(0).quietly();
    plain(&outcome);
    let report = text(&outcome.stdout);
    for part in ["120", "/s", "p50", "p99", "max", &crowd.address().to_string()] {
        assert!(report.contains(part), "{part} is not in\n{report}");
    }
    assert!(report.lines().all(|line| line.chars().count() <= 100), "lines of a terminal:\n{report}");
}

#[test]
fn quiet_leaves_the_report_alone() {
    let crowd = Crowd::echoes();
    let outcome = bench(crowd.address(), ASK).arg("-q").run().exited(0).quietly();
    assert!(text(&outcome.stdout).contains("p99"), "the report was asked for: {outcome:?}");
}

#[test]
fn csv_is_a_head_and_rows_of_as_many_fields() {
    let crowd = Crowd::echoes();
    let outcome = bench(crowd.address(), ASK).arg("--csv").run().exited(0).quietly();
    plain(&outcome);
    let rows = text(&outcome.stdout);
    let widths: Vec<usize> = rows.lines().map(|row| row.split(',').count()).collect();
    assert!(widths.len() >= 2 && widths[0] >= 5 && widths.iter().all(|width| *width == widths[0]), "{rows}");
    let head = rows.lines().next().unwrap_or_default();
    assert!(head.contains("p99") && head.contains("answered"), "{head}");
    assert!(head.split(',').all(|name| name.chars().next().is_some_and(|first| first.is_ascii_lowercase())), "{head}");
    assert!(rows.lines().skip(1).all(|row| row.split(',').any(|field| field.parse::<f64>().is_ok())), "{rows}");
}

#[test]
fn html_is_one_page_that_needs_nothing_else() {
    let (crowd, scratch) = (Crowd::echoes(), Scratch::new());
    let path = scratch.join("page.html");
    bench(crowd.address(), ASK).args(["--html", word(&path)]).run().exited(0).quietly().showed("p99");
    let page = std::fs::read_to_string(&path).expect("a page");
    let lower = page.to_lowercase();
    assert!(lower.starts_with("<!doctype html>") && lower.trim_end().ends_with("</html>"), "a whole page");
    for part in ["<svg", "p99", &crowd.address().to_string()] {
        assert!(lower.contains(part), "{part} is not in the page");
    }
    // The names of XML's namespaces are no fetches.
    let page = lower.replace("http://www.w3.org/", "");
    for fetch in
        ["<script src", "http://", "https://", "<link", "<iframe", "@import", "url(//", "src=\"/", "<img src=\"h"]
    {
        assert!(!page.contains(fetch), "{fetch} is in the page");
    }
    assert_eq!(std::fs::read_dir(scratch.path()).expect("own folder").count(), 1, "one file and no half one");
}

#[test]
fn what_a_server_is_called_does_no_harm_to_a_page() {
    let scratch = Scratch::new();
    let socket = format!("unix:{}", scratch.join("<b>&amp;.sock").display());
    let server = callbox(["serve", &socket, "--echo"]).start();
    server.says("listening on ");
    let path = scratch.join("page.html");
    bench(&socket, ["--send", "a", "-n", "5", "-c", "1", "--html", word(&path)]).run().exited(0);
    let page = std::fs::read_to_string(&path).expect("a page");
    assert!(page.contains("&lt;b&gt;&amp;amp;.sock") && !page.contains("<b>&amp;.sock"));
    server.drains();
}

/// Saves a run against a server that takes so long for each answer.
fn saved(scratch: &Scratch, name: &str, each: Duration) -> String {
    let crowd = Crowd::answers(move |_| {
        let_pass(each);
        Act::Say("done\n".to_owned())
    });
    let path = scratch.join(name).display().to_string();
    let words = ["--send", "PING\\n", "--until", "\\n", "-d", "1500ms", "-c", "2", "--save", &path];
    bench(crowd.address(), words).run().exited(0).quietly().showed("p99");
    path
}

#[test]
fn saved_runs_are_compared_in_a_sentence() {
    let scratch = Scratch::new();
    let fast = saved(&scratch, "fast", Duration::from_millis(1));
    let slow = saved(&scratch, "slow", Duration::from_millis(15));
    let verdict = |one: &str, other: &str| {
        let outcome = callbox(["bench", "--compare", one, other]).run().exited(0).quietly();
        plain(&outcome);
        let said = text(&outcome.stdout);
        // The verdict comes first, and ends before the first empty line.
        let sentence = said.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        assert!(sentence.split_whitespace().count() >= 4, "a sentence: {said}");
        said.replace(one, "").replace(other, "")
    };
    let (same, worse, better) = (verdict(&fast, &fast), verdict(&fast, &slow), verdict(&slow, &fast));
    assert!(worse != same && better != same && worse != better, "{same}\n{worse}\n{better}");
    assert!(worse.contains("worse") && !better.contains("worse"), "{worse}\n{better}");
    assert!(better.contains("better") && !worse.contains("better"), "{worse}\n{better}");
    assert!(!same.contains("worse") && !same.contains("better"), "{same}");
}

#[test]
fn a_condition_that_holds_is_exit_1_and_told_with_what_was_found() {
    let crowd = Crowd::echoes();
    let fails = |words: &[&str]| bench(crowd.address(), ASK).args(words).arg("--json").run();
    let outcome = fails(&["--fail-if", "p99>0us"]).exited(1).said("p99>0us").said("p99 is ");
    Run::read(outcome).answered_all(120);
    fails(&["--fail-if", "errors>0"]).exited(0).quietly();
    fails(&["--fail-if", "errors>0", "--fail-if", "rate<1G/s"]).exited(1).said("rate<1G/s").never_said("errors");
    fails(&["--fail-if", "wrong>0", "--fail-if", "lost>0", "--fail-if", "p50>10s"]).exited(0).quietly();
    fails(&["--fail-if", "service.p50>0us"]).exited(1).said("service.p50");
}

#[test]
fn errors_can_be_a_condition() {
    let crowd = Crowd::answers(|heard| match heard.number {
        50 => Act::Reset,
        _ => Act::Say("fine\n".to_owned()),
    });
    let words = ["--fail-if", "errors>0", "--json"];
    let run = Run::read(bench(crowd.address(), ASK).args(words).run().exited(1).said("errors>0"));
    run.counts(&[("lost", 1), ("answered", 119)]);
    assert_eq!(run.errors("reset"), 1);
}

#[test]
fn a_terminal_keeps_the_report() {
    let crowd = Crowd::echoes();
    let terminal = Terminal::opens();
    let words = ["--send", "PING\\n", "--until", "\\n", "-d", "1s", "-c", "2", "--think", "5ms"];
    bench(crowd.address(), words).on_terminal(&terminal).start().ends_with_input_open().exited(0);
    terminal.sees("the report", |rows| rows.iter().any(|row| row.contains("p99")));
    let shown = terminal.screen().bytes();
    let last = |code: &[u8]| shown.windows(code.len()).rposition(|window| window == code);
    assert!(last(b"\x1b[?25l") <= last(b"\x1b[?25h"), "a cursor that was hidden is back");
    assert!(last(b"\x1b[?1049h") <= last(b"\x1b[?1049l"), "and so is the screen");
}

#[test]
fn without_a_screen_a_terminal_gets_the_report_alone() {
    let crowd = Crowd::echoes();
    let terminal = Terminal::opens();
    bench(crowd.address(), ASK).arg("--no-screen").on_terminal(&terminal).start().ends_with_input_open().exited(0);
    terminal.sees("the report", |rows| rows.iter().any(|row| row.contains("p99")));
    let shown = terminal.screen().bytes();
    assert!(!shown.windows(6).any(|window| window == b"\x1b[?25l"), "{}", shown.escape_ascii());
}

#[test]
fn a_report_in_a_file_is_the_one_of_a_pipe() {
    let (crowd, scratch) = (Crowd::echoes(), Scratch::new());
    let path = scratch.join("report");
    let file = File::create(&path).expect("own file");
    bench(crowd.address(), ASK).args(["--json"]).output(Output::To(file.into())).run().exited(0).quietly();
    let written = std::fs::read_to_string(&path).expect("own file");
    let report: serde_json::Value = serde_json::from_str(&written).expect("one object");
    assert_eq!((&report["event"], &report["answered"]), (&"report".into(), &120.into()));
}
