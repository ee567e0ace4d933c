//! `curl` and a server in Python: bodies of every coding, many requests on one connection, endings.

use std::path::Path;

use callbox_testkit::{Callbox, Input, Scratch, Signal, assert_same_bytes, pattern, quick, requires};

use super::{BY_ALL, BY_PORT, Daemon, Target, Upstream, same, tool};

const SERVER: &str = include_str!("server.py");

/// Returns the length of a large body.
fn large() -> usize {
    if quick() { 2 << 20 } else { 24 << 20 }
}

/// Starts a server over the files of `scratch`.
pub(super) fn server(scratch: &Scratch) -> (Daemon, Upstream) {
    let program = scratch.file("server.py", SERVER);
    let command = Callbox::new("python3").arg(program).arg(scratch.path());
    let server = Daemon::starts(command, Signal::TERM, "listening on ");
    let address = server.process.ready();
    (server, Upstream::at(address, "HTTP/1.1 200 OK"))
}

/// Prepares `curl`; `URL` is made of `path`.
pub(super) fn curl(target: &Target, path: &str) -> Callbox {
    let curl = tool("curl").args(["-q", "-sS", "--noproxy", "*"]);
    match target {
        Target::Port(address) => curl.arg(format!("http://{address}{path}")),
        Target::Path(socket) => curl.arg("--unix-socket").arg(socket).arg(format!("http://server{path}")),
    }
}

/// Sends the file by PUT and returns what came back.
fn gives_back(target: &Target, body: &Path, words: &[&str]) -> Vec<u8> {
    let file = std::fs::File::open(body).expect("own file");
    curl(target, "/").args(["-X", "PUT"]).args(words).input(Input::From(file.into())).run().exited(0).stdout
}

#[test]
fn curl_downloads_the_same_in_every_coding() {
    requires!(tool("curl"), tool("python3"));
    let scratch = Scratch::new();
    let body = pattern(large(), 1);
    scratch.file("body", &body);
    let (_server, upstream) = server(&scratch);
    for path in ["/file/body", "/chunked/body", "/until_closed/body"] {
        let got = same(&upstream, &BY_ALL, |target| curl(target, path).run().exited(0).quietly().stdout);
        assert_same_bytes(path, &body, &got);
    }
}

#[test]
fn curl_uploads_the_same_in_every_coding() {
    requires!(tool("curl"), tool("python3"));
    let scratch = Scratch::new();
    let body = pattern(large(), 2);
    let path = scratch.file("body", &body);
    let (_server, mut upstream) = server(&scratch);
    // Of a flood the beginning is shown for sure, not what comes after it.
    upstream.shows = "PUT / HTTP/1.1";
    let by_length = ["--data-binary", "@-"];
    let in_chunks = ["-T", "-"];
    for words in [by_length, in_chunks] {
        let got = same(&upstream, &BY_ALL, |target| gives_back(target, &path, &words));
        assert_same_bytes(words[0], &body, &got);
    }
}

#[test]
fn a_connection_of_curl_carries_many_requests() {
    requires!(tool("curl"), tool("python3"));
    let scratch = Scratch::new();
    let (_server, upstream) = server(&scratch);
    let count = if quick() { 50 } else { 500 };
    let path = format!("/small/[1-{count}]");
    let got = same(&upstream, &BY_ALL, |target| {
        let outcome = curl(target, &path).args(["-w", "%{http_code} %{num_connects}\n"]).run().exited(0);
        String::from_utf8(outcome.stdout).expect("text")
    });
    let expected: String =
        (1..=count).map(|number| format!("number {number}\n200 {}\n", u8::from(number == 1))).collect();
    assert_eq!(got, expected);
}

#[test]
fn curl_meets_the_same_end_and_the_same_reset() {
    requires!(tool("curl"), tool("python3"));
    let scratch = Scratch::new();
    let (_server, upstream) = server(&scratch);
    // 18 is a body shorter than promised, 56 a failure to receive: a relay that makes an end of a reset gives 18.
    // A Unix socket has no reset, so nothing can be said of it there.
    for (path, code, ways) in [("/short/", 18, &BY_ALL[..]), ("/reset/", 56, &BY_PORT[..])] {
        let got = same(&upstream, ways, |target| {
            let outcome = curl(target, path).run();
            (outcome.status.code(), outcome.stdout.len())
        });
        assert_eq!(got, (Some(code), 100_000), "{path}");
    }
}
