//! `bench` on a PostgreSQL of the test's own: its start-up, a connection each.

use callbox_testkit::{Scratch, eventually, patience, requires, skip};

use super::postgres::{asks, cluster, programs};
use crate::bench_kit::measures;

/// A start-up of protocol 3.0 for the user and the database `postgres`, in hex.
fn start_up() -> String {
    let body = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
    let length = (body.len() as u32 + 4).to_be_bytes();
    length.iter().chain(body).map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn postgres_is_started_up_once_a_connection_and_counts_the_sessions() {
    requires!(tool("psql"), tool("setpriv"));
    let Some(programs) = programs() else { skip!("needs initdb and postgres") };
    let scratch = Scratch::new();
    let cluster = cluster(&programs, &scratch);
    let (address, target) = (&cluster.upstream.address, &cluster.upstream.direct);
    let start_up = start_up();

    // The request for authentication: here that it is done, nine bytes.
    let words = ["--send-hex", &start_up, "--renew", "-n", "30", "-c", "2"];
    let run = measures(address, words.into_iter().chain(["--until", "R"]), 0);
    run.answered_all(30).counts_within("opened", 30..=32);
    let verified = ["--until", "bytes:9", "--verify", "re:^R\\x00\\x00\\x00\\x08\\x00\\x00\\x00\\x00"];
    measures(address, words.into_iter().chain(verified), 0).answered_all(30);
    // A password was not asked for.
    let refuted = ["--until", "bytes:9", "--verify", "re:^R\\x00\\x00\\x00\\x0c\\x00\\x00\\x00\\x05"];
    measures(address, words.into_iter().chain(refuted), 1).counts(&[("wrong", 30), ("answered", 0)]);

    let sessions = || -> u64 {
        let count = asks(target, "SELECT sessions FROM pg_stat_database WHERE datname = 'postgres'");
        count.parse().unwrap_or_else(|error| panic!("{count}: {error}"))
    };
    let before = sessions();
    let ready = ["--until", "Z\\x00\\x00\\x00\\x05I"];
    measures(address, words.into_iter().chain(ready), 0).answered_all(30).counts(&[("unasked_bytes", 0)]);
    eventually("as many sessions more", patience(), || match sessions() {
        now if now >= before + 30 => Ok(()),
        now => Err(format!("{now}, before {before}")),
    });
}
