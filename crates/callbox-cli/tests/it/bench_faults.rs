//! `bench` and what goes wrong: bad flags, servers that refuse, go, reset, answer short or never, ports and descriptors
//! out, signals, outputs that take nothing. Each is told by name, what was found is printed, the code is the contract's.

use std::fs::File;
use std::time::{Duration, Instant};

use callbox_testkit::deadline::let_pass;
use callbox_testkit::{
    Callbox, DeadEnd, Netns, Outcome, Output, Process, Scratch, Server, Signal, free_address, patience, requires,
    scaled,
};

use crate::bench_kit::{Act, Crowd, Run, asks, bench, measures};
use crate::cli::{callbox, served};

const ASK: [&str; 4] = ["--send", "PING\\n", "--until", "\\n"];

/// A second of leave, and what starting a process and this machine may add.
fn a_second_after(time: Duration) -> Duration {
    scaled(time + Duration::from_millis(1300))
}

/// Panics unless standard error is one line, apart from hints, and says so; `|` stands between words of which one will do.
#[track_caller]
fn one_line(outcome: Outcome, said: &str) -> Outcome {
    if !says_in_one_line(&outcome, said) {
        outcome.fail(&format!("one line should say {said:?}"));
    }
    outcome
}

fn says_in_one_line(outcome: &Outcome, said: &str) -> bool {
    let lines: Vec<&str> = outcome.stderr.lines().filter(|line| !line.starts_with("hint: ")).collect();
    let says = |line: &str| line.starts_with("callbox: ") && said.split('|').any(|word| line.contains(word));
    lines.len() == 1 && says(lines[0])
}

#[test]
fn what_cannot_be_read_is_one_clear_line_and_exit_2() {
    let rows = [
        (&["--rate", "fast"][..], "fast"),
        (&["--rate", "0/s"], "0/s"),
        (&["--rate", "-5/s"], "-5"),
        (&["--rate", "10MB/s"], "10MB/s"),
        (&["--rate", "1k/s.."], "1k/s.."),
        (&["--rate", "1k/s..fast"], "fast"),
        (&["--rate", "1k/s:soon,5k/s"], "soon"),
        (&["--rate", "1k/s..10k/s", "-n", "100"], "-d|duration"),
        (&["--rate", "1k/s,5k/s", "-n", "100"], "-d|duration"),
        (&["--poisson"], "--rate"),
        (&["--poisson", "--rate", "1/s..2/s", "-d", "1s"], "poisson"),
        (&["-n", "0"], "-n|--requests"),
        (&["-n", "many"], "many|--requests"),
        (&["-c", "0"], "-c|--connections"),
        (&["-c", "-1"], "-1|--connections"),
        (&["-d", "soon"], "soon"),
        (&["--warm-up", "a while"], "a while"),
        (&["--think", "hard"], "hard"),
        (&["--renew", "0"], "--renew"),
        (&["--answer-timeout", "never"], "never"),
        (&["--give-up", "never"], "never"),
        (&["--threads", "0"], "--threads"),
        (&["--source", "nowhere"], "--source|nowhere"),
        (&["--seed", "x"], "--seed"),
        (&["--send", "a", "--weights", "1,2"], "--weights"),
        (&["--send", "a", "--send", "b", "--weights", "3"], "--weights"),
        (&["--send", "a", "--send", "b", "--weights", "3,x"], "--weights"),
        (&["--weights", "1"], "--weights"),
        (&["--send", "a\\q"], "\\q"),
        (&["--send-hex", "4"], "--send-hex"),
        (&["--send", "{x}", "--template"], "x}"),
        (&["--send", "a", "--until", "frame"], "--until frame|--frame"),
        (&["--send", "a", "--until", "bytes:0"], "bytes:0"),
        (&["--send", "a", "--until", "re:("], "re:(|unclosed"),
        (&["--send", "a", "--frame", "lines"], "lines"),
        (&["--send", "a", "--verify", "perhaps"], "perhaps"),
        (&["--send", "a", "--verify", "re:("], "re:(|unclosed"),
        (&["--send", "a", "--verify", "checksum"], "--verify|--checksum"),
        (&["--mode", "fly"], "fly"),
        (&["--mode", "send", "--size", "big"], "big"),
        (&["--mode", "send", "--size", "0"], "--size"),
        (&["--find-rate", "p99"], "p99"),
        (&["--fail-if", "p101<1ms"], "p101"),
        (&["--fail-if", "foo>1"], "foo>1"),
        (&["--fail-if", ""], "--fail-if"),
        (&["--json", "--csv"], "--csv"),
        (&["--compare", "a"], "--compare"),
        (&["--no-such-flag"], "--no-such-flag"),
    ];
    let mut unclear = Vec::new();
    for (words, said) in rows {
        let outcome = callbox(["bench", "127.0.0.1:9"]).args(words).run();
        let refused = outcome.status.code() == Some(2) && outcome.stdout.is_empty();
        if !refused || !says_in_one_line(&outcome, said) {
            unclear.push(format!("{words:?} should say {said:?}: {} {}", outcome.status, outcome.stderr));
        }
    }
    assert!(unclear.is_empty(), "{}", unclear.join("\n"));
    callbox(["bench", "127.0.0.1"]).run().exited(2).wrote("").said("no port");
}

#[test]
fn what_is_no_saved_report_cannot_be_compared() {
    let scratch = Scratch::new();
    let other = scratch.file("other", "{\"v\":1,\"event\":\"summary\"}\n").display().to_string();
    for contents in ["", "hello\n", "{}\n", "{\"v\":1}\n", "[]", "\0\0\0"] {
        let file = scratch.file("file", contents).display().to_string();
        one_line(callbox(["bench", "--compare", &file, &other]).run().exited(2).wrote(""), &file);
    }
    let nowhere = scratch.join("nowhere").display().to_string();
    let outcome = one_line(callbox(["bench", "--compare", &nowhere, &other]).run().wrote(""), &nowhere);
    assert!(matches!(outcome.status.code(), Some(2 | 6)), "{outcome:?}");
}

#[test]
fn nobody_there_is_exit_3_and_one_line() {
    let nobody = free_address();
    for mode in [&ASK[..], &["--mode", "connect"], &["--mode", "idle"], &["--mode", "send"], &["--rate", "100/s"]] {
        let outcome = bench(nobody, mode.iter().copied()).args(["-c", "3", "-d", "10s"]).run().exited(3);
        assert!(outcome.waited < a_second_after(Duration::from_secs(2)), "{mode:?}: {:?}", outcome.waited);
        one_line(one_line(outcome, &nobody.to_string()), "refused");
    }
}

#[test]
fn a_name_that_is_not_found_is_exit_3_and_one_line() {
    let outcome = bench("nosuch.invalid:80", ASK).args(["-d", "10s"]).run().exited(3);
    one_line(outcome, "nosuch.invalid");
}

#[test]
fn an_address_where_nothing_answers_is_given_up() {
    let nowhere = DeadEnd::binds_at("127.0.0.1:0");
    let begin = Instant::now();
    let words = ["--connect-timeout", "300ms", "--give-up", "600ms", "-d", "15s", "-c", "2"];
    let outcome = bench(nowhere.address(), ASK).args(words).run();
    // Never connected, or timed out while connecting: the contract has a code for either.
    assert!(matches!(outcome.status.code(), Some(3 | 124)), "{outcome:?}");
    assert!(begin.elapsed() < a_second_after(Duration::from_millis(1200)), "{:?}", begin.elapsed());
    outcome.said("timed out");
}

#[test]
fn a_server_that_goes_away_is_exit_5_soon_after_and_what_was_found_is_printed() {
    let (server, address) = served(["--echo"]);
    let words = ["--send", "hello", "--verify", "echo", "--rate", "300/s", "-c", "4", "-d", "15s"];
    let running = bench(address, words).args(["--give-up", "500ms", "--json"]).start();
    server.shows("#4 > hello");
    // By SIGKILL, as a crash does.
    drop(server);
    let outcome = running.ends();
    assert!(outcome.waited < a_second_after(Duration::from_millis(500)), "{:?}", outcome.waited);
    let run = Run::read(outcome.exited(5));
    assert_eq!(run.report["ending"], "server_gone");
    assert!(run.count("answered") > 0, "{}", run.report);
    assert!(run.errors("refused") > 0, "{}", run.report["errors"]);
    assert_eq!(run.report["missed"].as_u64().map(|missed| missed < 4500), Some(true));
}

#[test]
fn people_read_the_report_of_a_server_that_goes_away_too() {
    let mut crowd = Crowd::echoes();
    let words = ["-c", "2", "-d", "15s", "--give-up", "300ms", "--think", "1ms"];
    let running = bench(crowd.address(), ASK).args(words).start();
    crowd.has_heard(50);
    crowd.ends();
    let outcome = running.exits(5);
    assert!(outcome.waited < a_second_after(Duration::from_millis(300)), "{:?}", outcome.waited);
    assert!(outcome.stdout.len() > 100, "the report so far: {outcome:?}");
    // In words, on either output.
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned() + &outcome.stderr;
    assert!(said.contains("server gone"), "{said}");
}

#[test]
fn a_server_that_is_back_before_it_is_given_up_is_gone_on_with() {
    let address = free_address().to_string();
    let echo = || Crowd::answers_at(Server::binds_at(&address), |heard| Act::Say(format!("{}\n", heard.text)));
    let mut crowd = echo();
    let running = bench(&address, ASK).args(["-c", "2", "-d", "2s", "--think", "5ms", "--json"]).start();
    crowd.has_heard(50);
    crowd.ends();
    let before = crowd.heard().len() as u64;
    let again = echo();
    again.has_heard(20);
    let run = Run::of(running, 0);
    assert_eq!(run.report["ending"], "duration");
    // Each of the two connections may have lost a request on its way; without a connection nothing begins.
    let heard = before + again.heard().len() as u64;
    run.counts_within("requests", heard..=heard + 4);
}

#[test]
fn resets_are_counted_as_such_and_the_run_goes_on() {
    let crowd = Crowd::answers(|heard| match heard.connection % 10 {
        9 => Act::Reset,
        _ => Act::Say("fine\n".to_owned()),
    });
    let run = asks(&crowd, ["-n", "200", "-c", "4", "--renew", "2"], 0);
    let reset = crowd.heard().iter().filter(|heard| heard.connection % 10 == 9).count() as u64;
    assert!(reset >= 5, "{reset}");
    run.counts(&[("requests", 200), ("lost", reset), ("answered", 200 - reset), ("wrong", 0)]);
    assert_eq!((run.errors("reset"), run.all_errors()), (reset, reset), "{}", run.report["errors"]);
    assert_eq!(run.report["ending"], "count");
}

#[test]
fn answers_that_end_short_are_lost_and_counted_as_ended() {
    let crowd = Crowd::answers(|heard| match heard.number % 8 {
        7 => Act::SayAndEnd("+PO".to_owned()),
        _ => Act::Say("+PONG\r\n".to_owned()),
    });
    let words = ["--send", "PING\\n", "--until", "+PONG\\r\\n", "-n", "160", "-c", "4"];
    let run = measures(crowd.address(), words, 0);
    let short = crowd.heard().iter().filter(|heard| heard.number % 8 == 7).count() as u64;
    assert_eq!(short, 20);
    run.counts(&[("requests", 160), ("lost", short), ("answered", 160 - short), ("wrong", 0)]);
    assert_eq!((run.errors("ended"), run.all_errors()), (short, short), "{}", run.report["errors"]);
}

#[test]
fn where_every_answer_ends_short_nothing_was_answered_and_that_is_no_success() {
    let crowd = Crowd::answers(|_| Act::SayAndEnd("+PO".to_owned()));
    let words = ["--send", "PING\\n", "--until", "+PONG\\r\\n", "-n", "20", "-c", "2", "--json"];
    let outcome = bench(crowd.address(), words).run();
    assert!(matches!(outcome.status.code(), Some(5 | 124)), "{outcome:?}");
    let run = Run::read(outcome);
    run.counts(&[("answered", 0), ("lost", 20)]);
    assert_eq!(run.errors("ended"), 20, "{}", run.report["errors"]);
}

#[test]
fn answers_that_never_come_are_timed_out_one_by_one() {
    let crowd = Crowd::answers(|_| Act::Nothing);
    let begin = Instant::now();
    let run = asks(&crowd, ["-n", "20", "-c", "4", "--answer-timeout", "100ms"], 124);
    let lasted = begin.elapsed();
    run.counts(&[("requests", 20), ("answered", 0), ("lost", 20)]);
    assert_eq!((run.errors("timed_out"), run.all_errors()), (20, 20), "{}", run.report["errors"]);
    assert!(lasted >= Duration::from_millis(500) && lasted < a_second_after(Duration::from_millis(500)), "{lasted:?}");
    assert_eq!(run.report["ending"], "count");
}

#[test]
fn a_late_answer_belongs_to_its_own_request_and_to_no_later_one() {
    let crowd = Crowd::answers(|heard| {
        if heard.number == 0 {
            let_pass(Duration::from_millis(400));
        }
        Act::Say(format!("{}\n", heard.text))
    });
    let words = ["--send", "{n}\\n", "--template", "--until", "\\n", "--verify", "sequence"];
    let more = ["-n", "30", "-c", "1", "--answer-timeout", "150ms"];
    let run = measures(crowd.address(), words.into_iter().chain(more), 0);
    run.counts(&[("requests", 30), ("answered", 29), ("lost", 1), ("wrong", 0), ("mixed_up", 0)]);
    assert_eq!((run.errors("timed_out"), run.all_errors()), (1, 1), "{}", run.report["errors"]);
}

#[test]
fn where_nothing_is_ever_answered_a_run_ends_within_a_second_of_its_time() {
    for rate in [&[][..], &["--rate", "100/s"]] {
        let crowd = Crowd::answers(|_| Act::Nothing);
        let begin = Instant::now();
        let run = asks(&crowd, [&["-d", "500ms", "-c", "4"][..], rate].concat(), 124);
        assert!(begin.elapsed() < a_second_after(Duration::from_millis(500)), "{:?}", begin.elapsed());
        run.counts(&[("requests", 4), ("answered", 0), ("lost", 4)]);
        assert_eq!(run.report["ending"], "duration");
        assert_eq!(crowd.heard().len(), 4);
    }
}

#[test]
fn a_server_that_accepts_and_never_reads_ends_no_run_late() {
    // The listener's queue accepts; nobody takes from it.
    let server = Server::binds();
    let begin = Instant::now();
    let run = measures(server.address(), ["--mode", "send", "-c", "2", "-d", "500ms"], 0);
    assert!(begin.elapsed() < a_second_after(Duration::from_millis(500)), "{:?}", begin.elapsed());
    assert!(run.count("to_server_bytes") > 0);
}

#[test]
fn without_descriptors_it_is_told_and_done_with_those_there_are() {
    requires!(tool("prlimit"));
    let crowd = Crowd::echoes();
    let words = ["-c", "200", "-d", "700ms", "--think", "5ms", "--json"];
    let run = Run::read(bench(crowd.address(), ASK).args(words).descriptors(64, 64).run().exited(0));
    assert!(run.is_limited_by("descriptors"), "{}", run.report);
    run.counts_within("most_open", 10..=63).counts(&[("connections", 200), ("wrong", 0)]);
    assert!(run.count("answered") > 100, "{}", run.report);
    assert!(crowd.most_open() < 64, "{}", crowd.most_open());
    assert!(run.errors("no_descriptors") > 0, "{}", run.report["errors"]);
    run.counts(&[("requests", crowd.heard().len() as u64), ("lost", 0)]);
    let words = ["-c", "200", "-d", "300ms"];
    bench(crowd.address(), ASK).args(words).descriptors(64, 64).run().exited(0).showed("descriptor");
}

#[test]
fn a_soft_limit_on_descriptors_is_none() {
    requires!(tool("prlimit"));
    let crowd = Crowd::echoes();
    let words = ["-c", "100", "-n", "500", "--json"];
    let run = Run::read(bench(crowd.address(), ASK).args(words).descriptors(64, 4096).run().exited(0));
    run.answered_all(500).counts(&[("most_open", 100)]);
    assert!(!run.is_limited_by("descriptors"), "{}", run.report);
}

/// Makes a namespace with 20 ports to connect from, and a server in it.
fn few_ports() -> (Netns, Crowd) {
    let namespace = Netns::new().expect("just made one");
    let set = "echo 40000 40019 >/proc/sys/net/ipv4/ip_local_port_range";
    Callbox::new("sh").args(["-c", set]).within(&namespace).run().exited(0);
    let server = namespace.inside(|| Server::binds_at("127.0.0.1:9000"));
    let crowd = Crowd::answers_at(server, |heard| Act::Say(format!("{}\n", heard.text)));
    (namespace, crowd)
}

#[test]
fn without_ports_it_is_told_and_done_with_those_there_are() {
    requires!(netns());
    let (namespace, crowd) = few_ports();
    let words = ["-c", "50", "-d", "700ms", "--think", "5ms", "--source", "127.0.0.1", "--json"];
    let run = Run::read(bench(crowd.address(), ASK).args(words).within(&namespace).run().exited(0));
    assert!(run.is_limited_by("ports"), "{}", run.report);
    run.counts(&[("most_open", 20), ("wrong", 0)]);
    assert!(run.errors("no_ports") > 0, "{}", run.report["errors"]);
    assert_eq!(crowd.most_open(), 20);
    assert!(run.count("answered") > 100, "{}", run.report);
    run.counts(&[("requests", crowd.heard().len() as u64), ("lost", 0)]);
}

#[test]
fn several_sources_have_the_ports_of_each() {
    requires!(netns());
    let (namespace, crowd) = few_ports();
    let sources = ["--source", "127.0.0.1", "--source", "127.0.0.2", "--source", "127.0.0.3"];
    let words = ["-c", "60", "-n", "600", "--json"];
    let run = Run::read(bench(crowd.address(), ASK).args(sources).args(words).within(&namespace).run().exited(0));
    run.answered_all(600).counts(&[("most_open", 60)]);
    assert!(!run.is_limited_by("ports"), "{}", run.report);
}

/// Starts a run of half a minute that asks now and then, and waits until it is under way.
fn under_way(crowd: &Crowd, words: &[&str]) -> Process {
    let running = bench(crowd.address(), ASK).args(["-c", "2", "-d", "30s"]).args(words).start();
    crowd.has_heard(2);
    running
}

#[test]
fn an_interrupt_prints_what_there_is_and_exits_130_and_sigterm_143() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let crowd = Crowd::echoes();
        let running = under_way(&crowd, &["--json", "--think", "5ms"]);
        crowd.has_heard(40);
        running.signal(signal);
        let outcome = running.ends();
        assert!(outcome.waited < a_second_after(Duration::ZERO), "{:?}", outcome.waited);
        let run = Run::read(outcome.exited(code));
        assert_eq!(run.report["ending"], "stopped");
        run.counts_within("answered", 38..=u64::MAX).counts(&[("wrong", 0)]);
        run.lasted(Duration::ZERO..=Duration::from_secs(29));
    }
}

#[test]
fn an_interrupted_run_prints_its_report_for_people_too() {
    let crowd = Crowd::echoes();
    let running = under_way(&crowd, &["--think", "5ms"]);
    running.signal(Signal::INT);
    let outcome = running.exits(130);
    assert!(outcome.stdout.len() > 100, "{outcome:?}");
}

#[test]
fn a_second_interrupt_leaves_at_once() {
    // Answers are awaited after the first one, none comes.
    let crowd = Crowd::answers(|_| Act::Nothing);
    let running = under_way(&crowd, &[]);
    running.signal(Signal::INT);
    let_pass(Duration::from_millis(60));
    running.signal(Signal::INT);
    let outcome = running.exits(130);
    assert!(outcome.waited < scaled(Duration::from_millis(300)), "{:?}", outcome.waited);
}

const SHORT: [&str; 4] = ["-n", "50", "-c", "2"];

#[test]
fn a_report_file_that_cannot_be_written_is_exit_6_after_the_report() {
    let crowd = Crowd::echoes();
    // A folder that is not there is told before the run.
    for (flag, path) in [("--html", "/dev/full"), ("--save", "/dev/full")] {
        let outcome = bench(crowd.address(), ASK).args(SHORT).args([flag, path, "--json"]).run().exited(6);
        let run = Run::read(one_line(outcome, path));
        run.answered_all(50);
        let outcome = bench(crowd.address(), ASK).args(SHORT).args([flag, path]).run().exited(6);
        assert!(outcome.stdout.len() > 100, "{outcome:?}");
    }
}

#[test]
fn a_full_output_is_exit_6_and_one_line() {
    let crowd = Crowd::echoes();
    for how in [&[][..], &["--json"], &["--csv"]] {
        let full = File::options().write(true).open("/dev/full").expect("/dev/full");
        let outcome = bench(crowd.address(), ASK).args(SHORT).args(how).output(Output::To(full.into())).run();
        one_line(outcome.exited(6), "space");
    }
}

#[test]
fn a_closed_output_is_a_quiet_end() {
    let crowd = Crowd::echoes();
    let mut running = bench(crowd.address(), ASK).args(SHORT).args(["--think", "10ms"]).output(Output::Held).start();
    drop(running.take_output());
    running.ends_within(patience()).exited(0).quietly();
    bench(crowd.address(), ASK).args(SHORT).output(Output::Closed).run().exited(0).quietly();
}
