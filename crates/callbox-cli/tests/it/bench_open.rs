//! `bench` at a rate: that it is kept, that what it hides is not hidden, and what is said when it is out of reach.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use callbox_testkit::{deadline::let_pass, scaled};

use crate::bench_kit::{Act, Crowd, Run, asks, bench};

/// Returns how many requests came within a part of a run, in seconds since the first.
fn heard_within(crowd: &Crowd, from: f64, to: f64) -> usize {
    let heard = crowd.heard();
    let begin = heard.first().expect("something was heard").at;
    heard.iter().map(|one| (one.at - begin).as_secs_f64()).filter(|at| (from..to).contains(at)).count()
}

/// Returns what the schedule has wanted: what was begun, and what never was.
fn wanted(run: &Run) -> u64 {
    run.count("requests") + run.count("missed")
}

#[test]
fn a_constant_rate_is_kept_and_both_rates_are_told() {
    let crowd = Crowd::echoes();
    let run = asks(&crowd, ["--rate", "200/s", "-d", "2s", "-c", "8"], 0);
    run.counts_within("requests", 399..=401).counts(&[("missed", 0), ("lost", 0), ("wrong", 0)]);
    assert_eq!((&run.report["schedule"], &run.report["saturated"]), (&"constant".into(), &false.into()));
    assert_eq!(run.number("rate_asked"), 200.0);
    let reached = run.number("rate_reached");
    assert!((190.0..=201.0).contains(&reached), "{reached}");
    // Evenly: each half has its half, but for what one long wait of this machine may move.
    let halves = (heard_within(&crowd, 0.0, 1.0), heard_within(&crowd, 1.0, 9.0));
    assert!((180..=220).contains(&halves.0) && (180..=220).contains(&halves.1), "{halves:?}");
    assert!(run.count_of("lateness") > 0, "how late the generator was: {}", run.report);
    assert!(run.time("response", "p50") >= run.time("service", "p50"), "{}", run.report);
}

#[test]
fn a_rate_and_a_number_end_after_the_number() {
    let crowd = Crowd::echoes();
    let begin = Instant::now();
    let run = asks(&crowd, ["--rate", "500/s", "-n", "250", "-c", "4"], 0);
    run.answered_all(250);
    let lasted = begin.elapsed();
    assert!(lasted >= Duration::from_millis(490) && lasted < scaled(Duration::from_millis(1600)), "{lasted:?}");
    assert_eq!(crowd.heard().len(), 250);
}

#[test]
fn a_poisson_schedule_follows_from_its_seed() {
    let count = |seed: &str| {
        let crowd = Crowd::echoes();
        let run = asks(&crowd, ["--rate", "200/s", "--poisson", "--seed", seed, "-d", "700ms", "-c", "8"], 0);
        assert_eq!((&run.report["schedule"], run.number("rate_asked")), (&"poisson".into(), 200.0));
        let wanted = wanted(&run);
        // Five standard deviations to each side of 140.
        assert!((80..=200).contains(&wanted), "{wanted}");
        wanted
    };
    let first = count("7");
    assert_eq!(first, count("7"), "the same seed, the same number");
    assert!([count("8"), count("9")].iter().any(|other| *other != first), "another seed, another number");
}

#[test]
fn a_ramp_goes_from_one_rate_to_the_other() {
    let crowd = Crowd::echoes();
    let run = asks(&crowd, ["--rate", "100/s..300/s", "-d", "2s", "-c", "8"], 0);
    assert_eq!(run.report["schedule"], "ramp");
    assert!((397..=403).contains(&wanted(&run)), "{}", run.report);
    assert!((run.number("rate_asked") - 200.0).abs() < 2.0, "the mean: {}", run.report);
    // 150 and 250 follow from the schedule.
    let halves = (heard_within(&crowd, 0.0, 1.0), heard_within(&crowd, 1.0, 9.0));
    assert!((125..=175).contains(&halves.0) && (225..=275).contains(&halves.1), "{halves:?}");
}

#[test]
fn steps_have_each_their_rate_for_their_time() {
    for rates in ["100/s:500ms,400/s:1s", "100/s:500ms,400/s"] {
        let crowd = Crowd::echoes();
        let run = asks(&crowd, ["--rate", rates, "-d", "1500ms", "-c", "8"], 0);
        assert_eq!(run.report["schedule"], "steps");
        assert!((447..=453).contains(&wanted(&run)), "{rates}: {}", run.report);
        assert!((run.number("rate_asked") - 300.0).abs() < 3.0, "the mean: {}", run.report);
        let (first, rest) = (heard_within(&crowd, 0.0, 0.5), heard_within(&crowd, 0.5, 9.0));
        assert!((35..=75).contains(&first) && (375..=415).contains(&rest), "{rates}: {first} and {rest}");
    }
    // Without times each has its share of the run.
    let crowd = Crowd::echoes();
    let run = asks(&crowd, ["--rate", "100/s,300/s", "-d", "1s", "-c", "8"], 0);
    assert!((198..=202).contains(&wanted(&run)), "{}", run.report);
    let first = heard_within(&crowd, 0.0, 0.5);
    assert!((35..=75).contains(&first), "{first}");
}

/// A server that takes so long for each answer.
fn slow(each: Duration) -> Crowd {
    Crowd::answers(move |_| {
        let_pass(each);
        Act::Say("done\n".to_owned())
    })
}

#[test]
fn a_rate_beyond_reach_is_saturated_with_the_rate_reached_and_ends_in_time() {
    let crowd = slow(Duration::from_millis(20));
    let begin = Instant::now();
    let run = asks(&crowd, ["--rate", "1k/s", "-c", "1", "-d", "2s"], 0);
    let lasted = begin.elapsed();
    assert!(lasted < scaled(Duration::from_secs(3)), "within a second of its time: {lasted:?}");
    assert_eq!((&run.report["saturated"], run.number("rate_asked")), (&true.into(), 1000.0));
    let reached = run.number("rate_reached");
    assert!((20.0..=50.5).contains(&reached), "{reached}");
    assert!((1998..=2002).contains(&wanted(&run)), "{}", run.report);
    run.counts_within("missed", 1880..=1980);
    assert!(run.is_limited_by("connections"), "{}", run.report);
    // Each exchange waits for all before it, which only the time since its intended start tells.
    let (response, service) = (run.time("response", "p50"), run.time("service", "p50"));
    assert!(response > Duration::from_millis(700) && response > service * 5, "{}", run.report);
    assert!(service >= Duration::from_millis(20), "{}", run.report);
}

#[test]
fn a_saturated_run_says_so_to_people_too() {
    let crowd = slow(Duration::from_millis(20));
    let words = ["--send", "PING\\n", "--until", "\\n", "--rate", "1k/s", "-c", "1", "-d", "500ms"];
    bench(crowd.address(), words).run().exited(0).showed("saturated");
    let words = ["--send", "PING\\n", "--until", "\\n", "--rate", "20/s", "-c", "4", "-d", "500ms"];
    let calm = bench(crowd.address(), words).run().exited(0);
    assert!(!String::from_utf8_lossy(&calm.stdout).contains("saturated"), "{calm:?}");
}

/// How long the server stands still, and when, since its first request.
const FREEZE: (Duration, Duration) = (Duration::from_millis(800), Duration::from_millis(500));

/// A server that answers at once, and once stands still; what it finds then waits until it goes on.
fn frozen_once() -> Crowd {
    let begin: Mutex<Option<Instant>> = Mutex::default();
    Crowd::answers(move |heard| {
        let begin = *begin.lock().expect("no part has panicked").get_or_insert(heard.at);
        let since = begin.elapsed();
        if (FREEZE.0..FREEZE.0 + FREEZE.1).contains(&since) {
            let_pass(FREEZE.0 + FREEZE.1 - since);
        }
        Act::Say("done\n".to_owned())
    })
}

/// What follows from the schedule: times since the intended starts, at 200 a second for 2 seconds.
fn due(percent: f64) -> Duration {
    let (from, to) = (FREEZE.0, FREEZE.0 + FREEZE.1);
    let starts = (0..400).map(|number| Duration::from_millis(5) * number);
    let mut times: Vec<Duration> =
        starts.map(|start| if (from..to).contains(&start) { to - start } else { Duration::ZERO }).collect();
    times.sort();
    times[(percent / 100.0 * 400.0).ceil() as usize - 1]
}

#[test]
fn a_stall_shows_in_the_response_times_of_all_that_should_have_begun_meanwhile() {
    for connections in ["1", "16"] {
        let crowd = frozen_once();
        let run = asks(&crowd, ["--rate", "200/s", "-d", "2s", "-c", connections], 0);
        run.counts_within("requests", 399..=401).counts(&[("lost", 0), ("missed", 0)]);
        // A generator that waits for the server would have sent one request into the freeze and shown one slow answer
        // a connection. A busy machine may add to each time, and the drain of the queue to a few.
        for figure in ["p90", "p99"] {
            let (due, is) = (due(figure[1..].parse().expect("a number")), run.time("response", figure));
            let allowance = scaled(Duration::from_millis(60));
            assert!(is + Duration::from_millis(15) >= due && is <= due + allowance, "{figure}: {is:?}, due {due:?}");
        }
        assert!(run.time("response", "max") >= Duration::from_millis(470), "{}", run.report);
        assert!(run.time("response", "p50") < scaled(Duration::from_millis(50)), "{}", run.report);
        assert!(run.time("service", "p50") < scaled(Duration::from_millis(50)), "{}", run.report);
        if connections == "1" {
            // One request met the freeze; of 400 that is no p99.
            assert!(run.time("service", "p99") < scaled(Duration::from_millis(100)), "{}", run.report);
            assert!(run.time("service", "max") >= Duration::from_millis(470), "{}", run.report);
        }
    }
}

#[test]
fn without_a_rate_the_same_stall_is_one_answer_a_connection() {
    let crowd = frozen_once();
    let run = asks(&crowd, ["-c", "1", "-d", "1600ms", "--think", "2ms"], 0);
    assert!(run.time("response", "max") >= Duration::from_millis(450), "{}", run.report);
    assert!(run.time("response", "p90") < scaled(Duration::from_millis(50)), "{}", run.report);
    assert_eq!(run.report["response"], run.report["service"]);
}

#[test]
fn the_highest_rate_that_holds_is_found_and_told() {
    // 10 ms an answer on one connection: a little less than 100 a second.
    let crowd = slow(Duration::from_millis(10));
    let begin = Instant::now();
    let words = ["--find-rate", "p99<40ms", "-c", "1", "-d", "600ms"];
    let words = ["--send", "PING\\n", "--until", "\\n"].into_iter().chain(words);
    let outcome = bench(crowd.address(), words).arg("--json").run().exited(0);
    let lasted = begin.elapsed();
    assert!(lasted < scaled(Duration::from_secs(18)), "{lasted:?}");
    let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default();
    let report: serde_json::Value = serde_json::from_str(last).unwrap_or_else(|error| outcome.fail(&error.to_string()));
    let found = report["rate_reached"].as_f64().unwrap_or(0.0);
    assert!((40.0..=105.0).contains(&found), "{found}/s: {report}");
    assert!(report["response"]["p99_us"].as_f64().is_some_and(|p99| p99 < 40_000.0), "it holds there: {report}");
}

#[test]
fn a_rate_that_never_holds_is_not_made_up() {
    let crowd = slow(Duration::from_millis(30));
    let words = ["--send", "PING\\n", "--until", "\\n", "--find-rate", "p99<1ms", "-c", "1", "-d", "300ms"];
    let outcome = bench(crowd.address(), words).run();
    assert_ne!(outcome.status.code(), Some(0), "nothing was found: {outcome:?}");
}
