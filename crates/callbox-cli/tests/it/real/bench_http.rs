//! `bench` on HTTP servers: nginx, whose log counts the same, and Python's.

use std::path::PathBuf;

use callbox_testkit::{Peer, Scratch, Signal, eventually, free_address, patience, requires};

use super::{Daemon, tool};
use crate::bench_kit::measures;

const KEEP: &str = "GET / HTTP/1.1\\r\\nHost: server\\r\\n\\r\\n";
const CLOSE: &str = "GET / HTTP/1.1\\r\\nHost: server\\r\\nConnection: close\\r\\n\\r\\n";

/// An nginx that answers everything with `hello`, and its log.
struct Nginx {
    _server: Daemon,
    address: std::net::SocketAddr,
    log: PathBuf,
}

fn nginx(scratch: &Scratch) -> Nginx {
    let (address, log) = (free_address(), scratch.join("access"));
    let folder = scratch.path().display();
    let config = format!(
        "daemon off; worker_processes 1; pid {folder}/pid; error_log stderr notice; events {{ }}
         http {{ access_log {folder}/access; keepalive_requests 1000000; client_body_temp_path {folder}/a;
         proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
         server {{ listen {address}; location / {{ return 200 'hello\\n'; }} }} }}"
    );
    let config = scratch.file("nginx.conf", config);
    let command = tool("nginx").arg("-c").arg(config).args(["-e", "stderr"]);
    Nginx { _server: Daemon::starts(command, Signal::TERM, "start worker process "), address, log }
}

impl Nginx {
    /// Waits until so many requests are in the log, all of them answered; it is written a little after the answer.
    fn has_logged(&self, count: usize) {
        eventually(&format!("{count} lines in the log"), patience(), || {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let good = log.lines().filter(|line| line.contains("\"GET / HTTP/1.1\" 200 6")).count();
            if (good, log.lines().count()) == (count, count) { Ok(()) } else { Err(format!("{good} good ones")) }
        });
    }
}

#[test]
fn nginx_logs_exactly_the_exchanges_of_kept_connections() {
    requires!(tool("nginx"));
    let scratch = Scratch::new();
    let nginx = nginx(&scratch);
    let mut peer = Peer::connects(nginx.address);
    peer.sends("GET / HTTP/1.1\r\nHost: server\r\n\r\n");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nhello\n") {
        answer.extend(peer.reads_some(1).expect("an answer"));
    }
    drop(peer);
    let length = answer.len() as u64;
    let until = format!("bytes:{length}");
    let run = measures(nginx.address, ["--send", KEEP, "--until", &until, "-n", "1000", "-c", "4"], 0);
    run.answered_all(1000).counts(&[("opened", 4), ("to_client_bytes", 1000 * length), ("unasked_bytes", 0)]);
    let words = ["--send", KEEP, "--until", "hello\\n", "--verify", "re:^HTTP/1.1 200 OK\\r\\n"];
    measures(nginx.address, words.into_iter().chain(["-n", "500", "-c", "2"]), 0).answered_all(500);
    nginx.has_logged(1501);
}

#[test]
fn nginx_logs_exactly_the_exchanges_that_take_a_connection_each() {
    requires!(tool("nginx"));
    let scratch = Scratch::new();
    let nginx = nginx(&scratch);
    let words = ["--send", CLOSE, "--until", "end", "--verify", "re:\\r\\n\\r\\nhello\\n", "-n", "300", "-c", "4"];
    let run = measures(nginx.address, words, 0);
    run.answered_all(300).counts_within("opened", 300..=304);
    nginx.has_logged(300);
}

#[test]
fn python_s_server_gives_each_exchange_its_own_number() {
    requires!(tool("python3"));
    let scratch = Scratch::new();
    let (_server, upstream) = super::http::server(&scratch);
    let request = "GET /small/{n} HTTP/1.1\\r\\nHost: server\\r\\n\\r\\n";
    let words = ["--send", request, "--template", "--until", "re:\\r\\n\\r\\nnumber [0-9]+\\n", "-n", "200", "-c", "4"];
    let run = measures(&upstream.address, words, 0);
    run.answered_all(200).counts(&[("opened", 4), ("unasked_bytes", 0)]);
}

#[test]
fn a_body_of_python_s_server_that_lasts_to_the_end_is_taken_whole() {
    requires!(tool("python3"));
    let scratch = Scratch::new();
    scratch.file("body", [b'x'; 70_000]);
    let (_server, upstream) = super::http::server(&scratch);
    let request = "GET /until_closed/body HTTP/1.1\\r\\nHost: server\\r\\n\\r\\n";
    let words = ["--send", request, "--until", "end", "--verify", "re:x{1000}", "-n", "40", "-c", "2"];
    let run = measures(&upstream.address, words, 0);
    run.answered_all(40).counts_within("to_client_bytes", 40 * 70_000..=40 * 71_000);
    let request = "GET /reset/body HTTP/1.1\\r\\nHost: server\\r\\n\\r\\n";
    let words = ["--send", request, "--until", "end", "-n", "10", "-c", "1", "--json"];
    let outcome = crate::bench_kit::bench(&upstream.address, words).run();
    let run = crate::bench_kit::Run::read(outcome);
    run.counts(&[("requests", 10), ("answered", 0), ("lost", 10)]);
    assert_eq!(run.errors("reset"), 10, "a reset is no end: {}", run.report["errors"]);
}
