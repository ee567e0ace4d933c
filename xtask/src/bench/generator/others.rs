//! Beside `redis-benchmark` and `wrk`, each on the server that it was made for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

use super::{OWN, drive::drive, generator, results};
use crate::bench::load::Found;
use crate::bench::peer::{Answer, Peer};
use crate::bench::report::{Section, table};
use crate::bench::rounds::{Row, row, steadiness_by};
use crate::bench::server::Server;
use crate::bench::setup::Setup;
use crate::workspace::program;

const REDIS_BENCHMARK: &str = "redis-benchmark";
const WRK: &str = "wrk";

const PAGE: &str = "<!doctype html><title>hello</title><p>A page of a few words, as small as pages are.</p>\n";
/// In the words of a command line.
const REQUEST: &str = r"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Measures both.
pub(crate) fn measure(setup: &Setup) -> Section {
    super::section("Generator: beside redis-benchmark and wrk", setup, |section| {
        section.say(&format!(
            "The same server, a fresh one each time; {} rounds, both next to each other in each. Shown, not judged. All of them are \
             closed loops of one thread here. *Busy* is the share of its core that the generator used, of the time from its start to its \
             end (`/proc/PID/stat`).",
            setup.options.relay_rounds()
        ));
        redis(setup, section);
        nginx(setup, section);
    })
}

fn redis(setup: &Setup, section: &mut Section) {
    let requests: u64 = if setup.options.quick { 50_000 } else { 500_000 };
    section.say(&format!(
        "### redis-server, 50 connections\n\n`PING` in one line until `+PONG`. `redis-benchmark` sends {requests} requests and prints \
         its own percentiles; it parses each answer as redis writes it. callbox sends for {} s and looks for the text it was told, so \
         it tells right from wrong but nothing of the protocol. Both count from the send: in a closed loop there is no intended \
         start. redis-benchmark has no rate to hold, so it cannot do otherwise.",
        setup.options.window().as_secs_f64()
    ));
    let server = Peer::new("redis-server", &["redis-server", "{config}"], Answer::Reply)
        .with_config("bind 127.0.0.1\nport {port}\nsave \"\"\nappendonly no\n");
    let length = super::seconds(setup.options.window().as_secs_f64());
    let own = ["-c", "50", "-d", &length, "--send", r"PING\r\n", "--until", r"+PONG\r\n"];
    let count = requests.to_string();
    let theirs =
        [REDIS_BENCHMARK, "-h", "127.0.0.1", "-p", "{port}", "-t", "ping_inline", "-c", "50", "-n", &count, "--csv"];
    let peers = vec![super::own(setup, OWN, &own), generator(REDIS_BENCHMARK, &theirs)];
    let read = |text: &str| results::redis_benchmark(text, requests);
    compare(setup, section, &server, peers, read);
}

fn nginx(setup: &Setup, section: &mut Section) {
    section.say("### nginx, a small page, 64 connections");
    let server = page_server(setup);
    let bytes = match answer_bytes_of(setup, &server) {
        Ok(bytes) => bytes,
        Err(problem) => return section.say(&format!("Not measured: {problem}.")),
    };
    section.say(&format!(
        "A page of {} bytes, {bytes} with its head. `wrk` parses HTTP, and so knows where any answer ends and whether its status is a \
         success. callbox knows no HTTP here: it was told that an answer has {bytes} bytes, counts them and takes nothing else for an \
         answer; its request is without the port after the name of the host. wrk has no rate to hold and corrects nothing: a server \
         that freezes has one slow answer a connection in its figures, not all those that should have been asked for meanwhile.",
        PAGE.len()
    ));
    let window = setup.options.window();
    let (length, until) = (super::seconds(window.as_secs_f64()), format!("bytes:{bytes}"));
    let own = ["-c", "64", "-d", &length, "--send", REQUEST, "--until", &until];
    // It takes whole seconds.
    let whole = super::seconds(window.as_secs().max(1) as f64);
    let theirs = [WRK, "-t1", "-c64", "-d", &whole, "--latency", "http://{addr}/"];
    let peers = vec![super::own(setup, OWN, &own), generator(WRK, &theirs)];
    compare(setup, section, &server, peers, results::wrk);
}

/// Compares both on `server`, the second one's figures taken from its text by `read`.
fn compare(
    setup: &Setup,
    section: &mut Section,
    server: &Peer,
    peers: Vec<Peer>,
    read: impl Fn(&str) -> Result<String, String>,
) {
    let brief = |found: &Found| format!("{:.0}/s, p99 {:.0} us", found.rate(), found.value("p99_us"));
    let measure = |peer: &Peer| {
        here(&server.command[0])?;
        here(&peer.command[0])?;
        let server = Server::start(server, setup)?;
        let driven = drive(setup, &server, peer, setup.options.window())?;
        let report = if peer.name == OWN { results::callbox(&driven.text)? } else { read(&driven.text)? };
        let busy = Found::read(&driven.usage);
        let busy = busy.value("client_cpu_s") / busy.value("elapsed_s") * 100.0;
        Ok(Found::read(&format!("{report} {} busy={busy}", driven.usage)))
    };
    let other = peers[1].name;
    let rows = super::compare(setup, &format!("generator, {}", server.name), peers, brief, measure);
    section.command(server);
    section.commands(&rows);
    section.say(&show(&rows, other));
    section.say(&steadiness_by(&rows, other, Found::rate));
}

fn here(name: &str) -> Result<(), String> {
    let there = name.contains('/') || program(name).is_some();
    there.then_some(()).ok_or_else(|| format!("{name} is not installed"))
}

fn show(rows: &[Row], other: &str) -> String {
    let ratio = format!("to {other}");
    let head = ["generator", "answers/s", &ratio, "p50 us", "p99 us", "busy %", "wrong", "lost"];
    let second = row(rows, other);
    let line = |row: &Row| {
        super::unmeasured(row).unwrap_or_else(|| {
            vec![
                row.peer.name.to_owned(),
                row.sample(Found::rate).show(0),
                second.map_or("-".into(), |second| row.ratios(second, Found::rate).show(3)),
                row.sample(|found| found.value("p50_us")).show(0),
                row.sample(|found| found.value("p99_us")).show(0),
                row.sample(|found| found.value("busy")).show(0),
                row.total("wrong").to_string(),
                row.total("lost").to_string(),
            ]
        })
    };
    table(&head, rows.iter().map(line))
}

fn page_server(setup: &Setup) -> Peer {
    let folder = setup.folder.display().to_string();
    let temporary: Vec<String> = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/nginx-{name};"))
        .to_vec();
    Peer::new("nginx", &["nginx", "-p", &folder, "-e", "stderr", "-c", "{config}"], Answer::Reply).with_config(
        &format!(
            "daemon off;\nmaster_process off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr crit;\n\
         events {{ worker_connections 2000; }}\nhttp {{ access_log off; keepalive_requests 1000000000; {} \
         server {{ listen 127.0.0.1:{{port}} backlog=4096; root {folder}/page; }} }}\n",
            temporary.join(" ")
        ),
    )
}

/// Puts the page where the server looks for it, and asks once how long an answer is.
fn answer_bytes_of(setup: &Setup, server: &Peer) -> Result<usize, String> {
    here("nginx")?;
    let folder = setup.folder.join("page");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    std::fs::write(folder.join("index.html"), PAGE).map_err(|error| format!("the page: {error}"))?;
    let server = Server::start(server, setup)?;
    answer_bytes(server.addr).map_err(|error| format!("nginx: {error}"))
}

fn answer_bytes(addr: SocketAddrV4) -> std::io::Result<usize> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.write_all(REQUEST.replace(r"\r\n", "\r\n").as_bytes())?;
    let mut reader = BufReader::new(stream);
    let (mut head, mut body) = (Vec::new(), None);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            body = value.trim().parse::<usize>().ok();
        }
        head.extend_from_slice(line.as_bytes());
        line.clear();
    }
    let body = body.filter(|_| head.starts_with(b"HTTP/1.1 200 ")).ok_or_else(|| {
        std::io::Error::other(format!("no page but '{}'", String::from_utf8_lossy(&head).lines().next().unwrap_or("")))
    })?;
    reader.read_exact(&mut vec![0; body])?;
    Ok(head.len() + line.len() + body)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn length_of(answer: &'static str) -> std::io::Result<usize> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = SocketAddrV4::new(Ipv4Addr::LOCALHOST, listener.local_addr().unwrap().port());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; REQUEST.replace(r"\r\n", "\r\n").len()];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let length = answer_bytes(addr);
        server.join().unwrap();
        length
    }

    #[test]
    fn an_answer_is_as_long_as_its_head_and_its_page() {
        let answer = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(length_of(answer).unwrap(), answer.len());
        assert!(length_of("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello").is_err());
        assert!(length_of("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello").is_err());
    }
}
