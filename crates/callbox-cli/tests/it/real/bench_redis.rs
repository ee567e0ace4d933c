//! `bench` on a Redis of the test's own, beside `redis-benchmark`: Redis counts what both have asked.

use callbox_testkit::{Scratch, quick, requires};

use super::Target;
use super::redis::{asks, redis, server};
use crate::bench_kit::measures;

const PING: [&str; 4] = ["--send", "PING\\r\\n", "--until", "+PONG\\r\\n"];

/// Returns how many PINGs a server has answered since its counters were reset, and how many of them failed.
fn pings(target: &Target) -> (u64, u64) {
    let stats = asks(target, &["INFO", "commandstats"]);
    let line = stats.lines().find(|line| line.starts_with("cmdstat_ping:")).unwrap_or_default().trim_end();
    let of = |name: &str| {
        let field = line.split([':', ',']).find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        field.and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    (of("calls"), of("failed_calls"))
}

fn forgets(target: &Target) {
    assert_eq!(asks(target, &["CONFIG", "RESETSTAT"]), "OK");
}

#[test]
fn redis_counts_exactly_the_exchanges_that_bench_reports_and_so_for_redis_benchmark() {
    requires!(tool("redis-server"), tool("redis-benchmark"), tool("redis-cli"));
    let scratch = Scratch::new();
    let (_server, upstream) = server(&scratch, "PING");
    let target = &upstream.direct;
    let count = if quick() { "2000" } else { "20000" };
    let due: u64 = count.parse().expect("a number");

    forgets(target);
    let run = measures(&upstream.address, PING.into_iter().chain(["-n", count, "-c", "8"]), 0);
    run.answered_all(due).counts(&[("opened", 8), ("unasked_bytes", 0)]);
    run.counts(&[("to_server_bytes", 6 * due), ("to_client_bytes", 7 * due)]);
    assert_eq!(pings(target), (due, 0));

    forgets(target);
    let words = ["-t", "ping_inline", "-n", count, "-c", "8", "--csv"];
    let outcome = redis("redis-benchmark", target).args(words).run().exited(0);
    assert_eq!(pings(target), (due, 0));
    let table = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let row = table.lines().find(|line| line.starts_with("\"PING_INLINE\"")).unwrap_or_default();
    let theirs: f64 = row.split(',').nth(1).and_then(|rate| rate.trim_matches('"').parse().ok()).unwrap_or(0.0);
    let ours = run.number("rate_reached");
    println!("PING a second: {ours:.0} by callbox bench, {theirs:.0} by redis-benchmark");
    assert!(theirs > 0.0 && ours > 0.0, "{theirs} and {ours}: {table}");
}

#[test]
fn redis_counts_exactly_what_is_asked_at_a_rate() {
    requires!(tool("redis-server"), tool("redis-cli"));
    let scratch = Scratch::new();
    let (_server, upstream) = server(&scratch, "PING");
    forgets(&upstream.direct);
    let run = measures(&upstream.address, PING.into_iter().chain(["--rate", "1k/s", "-d", "1s", "-c", "8"]), 0);
    run.counts_within("requests", 999..=1001).counts(&[("lost", 0), ("wrong", 0), ("missed", 0)]);
    assert_eq!(pings(&upstream.direct), (run.count("requests"), 0));
}

#[test]
fn values_of_redis_are_verified_and_weights_are_what_redis_counts() {
    requires!(tool("redis-server"), tool("redis-cli"));
    let scratch = Scratch::new();
    let (_server, upstream) = server(&scratch, "GET");
    let target = &upstream.direct;
    assert_eq!(asks(target, &["SET", "key", "12"]), "OK");
    forgets(target);
    let words = ["--send", "GET key\\r\\n", "--until", "re:^\\$2\\r\\n[0-9]+\\r\\n", "-n", "500", "-c", "4"];
    let right = measures(&upstream.address, words.into_iter().chain(["--verify", "re:\\r\\n12\\r\\n"]), 0);
    right.answered_all(500);
    let wrong = measures(&upstream.address, words.into_iter().chain(["--verify", "re:\\r\\n13\\r\\n"]), 1);
    wrong.counts(&[("requests", 500), ("wrong", 500), ("answered", 0), ("lost", 0)]);

    forgets(target);
    let words = ["--send", "PING\\r\\n", "--send", "ECHO hello\\r\\n", "--weights", "3,1", "--until", "\\r\\n"];
    let run = measures(&upstream.address, words.into_iter().chain(["-n", "1000", "-c", "4", "--seed", "3"]), 0);
    // `ECHO` is answered in two lines, of which the first ends the answer.
    run.counts(&[("answered", 1000), ("lost", 0), ("wrong", 0)]);
    let (pings, _) = pings(target);
    assert!((681..=819).contains(&pings), "five standard deviations around 750: {pings}");
}
