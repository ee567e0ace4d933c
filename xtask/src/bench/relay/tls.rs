//! TLS: relays that speak it to clients, and servers, on one core each.

use std::path::Path;

use super::bulk::{cpu_s_per_gib, gib_s};
use super::peers::{HAPROXY, NGINX, SOCAT};
use super::response::{p50, p99};
use crate::bench::load::{self, Found};
use crate::bench::peer::{Answer, CALLBOX, Peer};
use crate::bench::peers::NGINX_STREAM;
use crate::bench::report::{Section, Target, table};
use crate::bench::rounds::{self, Row, row};
use crate::bench::server::{Process, Server};
use crate::bench::setup::Setup;
use crate::workspace::program;

/// Connections at the same time, for handshakes.
const WORKERS: usize = 16;
const STREAMS: [usize; 2] = [1, 4];
/// callbox must reach what haproxy does.
const HAPROXY_TARGET: f64 = 1.0;
const OPENSSL: &str = "openssl s_server";
const SERVE: &str = "callbox serve";

const WHAT: &str = "TLS 1.3 with AES-128-GCM and X25519, the server's key on P-256, for all of them; the client offers nothing else \
                    but P-256, for socat, which knows no other group and so costs a round trip more; it resumes no session and verifies \
                    nothing. The relays take TLS and connect to a plain upstream.";

/// Measures streams.
pub(crate) fn measure_bulk(setup: &Setup) -> Section {
    super::section("TLS: bulk streams", setup, |section| {
        section.say(&format!(
            "{WHAT} What arrives behind the relay is counted; for servers, which discard it, what was sent."
        ));
        let Some(files) = files(setup, section) else { return };
        for streams in STREAMS {
            let words = words(streams);
            let mut rows = super::compare(setup, relays(setup, &files), 2, "tls-bulk", &words);
            if streams == 1 {
                rows.extend(servers(setup, &files, "tls-bulk", &words));
            }
            super::commands(section, &rows);
            let what = format!("{streams} stream{}", if streams == 1 { "" } else { "s" });
            section.say(&format!("### {what}"));
            section.say(&show_bulk(&rows));
            section.judge(to_haproxy(&rows, &format!("TLS, {what}: rate to haproxy"), gib_s));
            let missing = row(&rows, CALLBOX).map(|own| own.total("missing"));
            section.judge(Target::at_most(&format!("TLS, {what}: bytes missing"), 0.0, missing));
        }
    })
}

/// Measures full handshakes.
pub(crate) fn measure_handshakes(setup: &Setup) -> Section {
    super::section("TLS: handshakes", setup, |section| {
        section.say(&format!(
            "{WHAT} {WORKERS} workers connect, shake hands, send a line, compare what comes back and close. The client may be what limits \
             the rate, so handshakes for a second of the relay's processor time are what is judged. `openssl s_server` takes one \
             connection at a time."
        ));
        let Some(files) = files(setup, section) else { return };
        let words = words(WORKERS);
        let mut rows = super::compare(setup, relays(setup, &files), 2, "tls-cycle", &words);
        rows.extend(servers(setup, &files, "tls-cycle", &words));
        super::commands(section, &rows);
        section.say(&show_handshakes(&rows));
        section.judge(to_haproxy(&rows, "TLS, full handshakes for a second of one core, to haproxy", per_core));
        let failed = row(&rows, CALLBOX).map(|own| own.total("wrong") + own.total("lost"));
        section.judge(Target::at_most("TLS, handshakes: wrong or lost", 0.0, failed));
    })
}

fn words(connections: usize) -> Vec<String> {
    vec!["--connections".into(), connections.to_string()]
}

fn to_haproxy(rows: &[Row], what: &str, figure: fn(&Found) -> f64) -> Target {
    let ratio = row(rows, CALLBOX).zip(row(rows, HAPROXY)).and_then(|(own, other)| own.ratios(other, figure).median());
    Target::at_least(what, HAPROXY_TARGET, ratio)
}

/// Returns handshakes for a second of processor time.
fn per_core(found: &Found) -> f64 {
    found.value("answered") / found.value("server_cpu_s").max(1e-9)
}

/// What peers read: the certificate, its key, and both in one.
struct Files {
    certificate: String,
    key: String,
    both: String,
}

/// Has OpenSSL make a key and its certificate.
fn files(setup: &Setup, section: &mut Section) -> Option<Files> {
    let made = make(setup);
    if let Err(problem) = &made {
        section.say(&format!("Not measured: {problem}."));
    }
    made.ok()
}

fn make(setup: &Setup) -> Result<Files, String> {
    let path = |name: &str| setup.folder.join(name).display().to_string();
    let files = Files { certificate: path("tls.crt"), key: path("tls.key"), both: path("tls.pem") };
    let openssl = program("openssl").ok_or("openssl is not installed")?.display().to_string();
    let fixed = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"];
    let mut command: Vec<String> = [&[&*openssl], &fixed[..]].concat().into_iter().map(String::from).collect();
    command.extend(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"].map(String::from));
    command.extend(["-keyout".into(), files.key.clone(), "-out".into(), files.certificate.clone()]);
    let mut process = Process::start(&command, None, |command| {
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    })?;
    let status = process.child.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("openssl req: {status}"));
    }
    let read = |path: &String| std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    let both = read(&files.certificate)? + &read(&files.key)?;
    std::fs::write(&files.both, both).map_err(|error| format!("{}: {error}", files.both))?;
    Ok(files)
}

fn relays(setup: &Setup, files: &Files) -> Vec<Peer> {
    let Files { certificate, key, both } = files;
    let binary = setup.callbox.display().to_string();
    let words = ["relay", "-q", "127.0.0.1:0", "{upstream}", "--ready-file", "{ready}", "--tls", "--cert"];
    let mut peers = vec![peer(CALLBOX, &[&[&*binary], &words[..], &[certificate, "--key", key]].concat())];
    if program("haproxy").is_some() {
        peers.push(peer(HAPROXY, &["haproxy", "-db", "-f", "{config}"]).with_config(&format!(
            "global\n  no strict-limits\n  maxconn 1000\n  nbthread 1\ndefaults\n  mode tcp\n  timeout client 60s\n  timeout server 60s\n  \
             timeout connect 5s\nlisten relay\n  bind 127.0.0.1:{{port}} backlog 4096 ssl crt {both}\n  server upstream {{upstream}}\n"
        )));
    }
    if program("nginx").is_some() && Path::new(NGINX_STREAM).is_file() {
        let folder = setup.folder.display().to_string();
        peers.push(peer(NGINX, &["nginx", "-p", &folder, "-e", "stderr", "-c", "{config}"]).with_config(&format!(
            "load_module {NGINX_STREAM};\ndaemon off;\nmaster_process off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr crit;\n\
             events {{ worker_connections 2000; }}\nstream {{ server {{ listen 127.0.0.1:{{port}} ssl backlog=4096; \
             ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.3; proxy_pass {{upstream}}; }} }}\n"
        )));
    }
    if program("socat").is_some() {
        let listen = format!(
            "OPENSSL-LISTEN:{{port}},bind=127.0.0.1,fork,reuseaddr,backlog=1024,nodelay,verify=0,cert={certificate},key={key}"
        );
        peers.push(peer(SOCAT, &["socat", &listen, "TCP:{upstream},nodelay"]).forking());
    }
    peers
}

fn peer(name: &'static str, words: &[&str]) -> Peer {
    Peer::new(name, words, Answer::Echo)
}

/// Measures servers that have no upstream.
fn servers(setup: &Setup, files: &Files, kind: &str, words: &[String]) -> Vec<Row> {
    let Files { certificate, key, .. } = files;
    let binary = setup.callbox.display().to_string();
    let bulk = kind == "tls-bulk";
    let does = if bulk { "--discard" } else { "--echo" };
    let own =
        ["serve", "-q", "127.0.0.1:0", "--ready-file", "{ready}", does, "--tls", "--cert", certificate, "--key", key];
    let theirs = ["s_server", "-accept", "127.0.0.1:{port}", "-cert", certificate, "-key", key];
    // It reads its own input too, and would turn in a circle at the end of that.
    let held = format!("sleep 60 | openssl {} -quiet", theirs.join(" "));
    let openssl = match bulk {
        true => peer(OPENSSL, &["sh", "-c", &held]),
        false => peer(OPENSSL, &[&["openssl"], &theirs[..], &["-rev", "-quiet"]].concat()),
    };
    let peers = vec![peer(SERVE, &[&[&*binary], &own[..]].concat()), openssl];
    let measure = |peer: &Peer| {
        let server = Server::start(peer, setup)?;
        let found = load::run_at(setup, server.addr, Some(server.pid()), setup.options.relay_window(), kind, words)?;
        eprintln!("{kind}: {}: {}", peer.name, super::brief(kind, &found));
        Ok(found)
    };
    rounds::compare_by(peers, 2, |_| setup.options.relay_rounds_of_peers(), measure)
}

fn show_bulk(rows: &[Row]) -> String {
    let head = ["relay or server", "GiB/s", "to haproxy", "its CPU s/GiB", "missing", "both ends %"];
    let haproxy = row(rows, HAPROXY);
    let line = |row: &Row| {
        super::unmeasured(row).unwrap_or_else(|| {
            vec![
                row.peer.name.to_owned(),
                row.sample(gib_s).show(2),
                haproxy.map_or("-".into(), |haproxy| row.ratios(haproxy, gib_s).show(2)),
                row.sample(cpu_s_per_gib).show(3),
                row.total("missing").to_string(),
                row.sample(|found| found.client_busy() * 100.0).show(0),
            ]
        })
    };
    table(&head, rows.iter().map(line))
}

fn show_handshakes(rows: &[Row]) -> String {
    let head = [
        "relay or server",
        "handshakes/s",
        "for a second of one core",
        "that to haproxy",
        "p50 us",
        "p99 us",
        "both ends %",
        "wrong",
        "lost",
    ];
    let haproxy = row(rows, HAPROXY);
    let line = |row: &Row| {
        super::unmeasured(row).unwrap_or_else(|| {
            vec![
                row.peer.name.to_owned(),
                row.sample(Found::rate).show(0),
                row.sample(per_core).show(0),
                haproxy.map_or("-".into(), |haproxy| row.ratios(haproxy, per_core).show(2)),
                row.sample(p50).show(0),
                row.sample(p99).show(0),
                row.sample(|found| found.client_busy() * 100.0).show(0),
                row.total("wrong").to_string(),
                row.total("lost").to_string(),
            ]
        })
    };
    table(&head, rows.iter().map(line))
}
