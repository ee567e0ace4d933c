//! The load client of `cargo xtask bench`; prints words `name=value`.
//!
//! `reference-load echo|cycle|hold|bulk|tls-cycle|tls-bulk ADDR [--connections N] [--workers N] [--size BYTES] [--warm-up-ms N] [--window-ms N]
//! [--question TEXT] [--reply TEXT] [--server-pid PID] [--upstream ADDR] [--streams N] [--zero]`
//!
//! With an upstream, ADDR is that of a relay, and what it connects to is here too: an echo server, or the sinks of `bulk`.

use std::io;
use std::time::Duration;

use bench_reference::args::Args;
use bench_reference::histogram::Histogram;
use bench_reference::load::{bulk, cycle, echo, hold, tls};
use bench_reference::server::Server;
use bench_reference::usage::Usage;

fn main() -> io::Result<()> {
    let args = Args::of_process();
    let millis = |name, default| Duration::from_millis(args.value(name, default));
    let (warm_up, window) = (millis("warm-up-ms", 500), millis("window-ms", 3000));
    let (addr, server_pid) = (args.addr(), args.value("server-pid", 0));
    let upstream = args.has("upstream").then(|| args.value("upstream", addr));
    let kind = args.word(0);
    if let Some(upstream) = upstream.filter(|_| !kind.ends_with("bulk")) {
        let server = Server::bind(upstream, false, None, true)?;
        std::thread::spawn(move || server.run());
    }
    match kind {
        "echo" => {
            let plan = echo::Plan {
                addr,
                connections: args.value("connections", 64),
                size_bytes: args.value("size", 64),
                warm_up,
                window,
                server_pid,
            };
            let found = echo::run(plan)?;
            print!(
                "connections_answered={} connections_silent={} ",
                found.connections_answered, found.connections_silent
            );
            print_counts(found.answered, found.wrong, found.lost);
            print_times(&found.times, found.window, found.usage);
        }
        "cycle" => {
            let reply = args.value("reply", String::from("thank you !")).into_bytes();
            let question = args.value("question", String::from("hello")).into_bytes();
            let plan =
                cycle::Plan { addr, workers: args.value("workers", 1), question, reply, warm_up, window, server_pid };
            let found = cycle::run(plan)?;
            print_counts(found.answered, found.wrong, found.lost);
            print_times(&found.times, found.window, found.usage);
        }
        "bulk" => {
            let upstream = upstream.ok_or_else(|| io::Error::other("bulk needs an upstream"))?;
            let ends = if args.has("zero") { bulk::Ends::Zero } else { bulk::Ends::Copy };
            let streams = args.value("streams", 1);
            let plan = bulk::Plan { addr, upstream, streams, ends, warm_up, window, server_pid };
            let found = bulk::run(plan)?;
            println!("bytes={} slowest={:.3} missing={}", found.bytes, found.slowest, found.missing);
            print_usage(found.window, found.usage);
        }
        "tls-cycle" | "tls-bulk" => {
            let connections = args.value("connections", 1);
            let plan = tls::Plan { addr, upstream, connections, warm_up, window, server_pid };
            if kind == "tls-bulk" {
                let found = tls::bulk(plan)?;
                println!("bytes={} missing={}", found.bytes, found.missing);
                print_usage(found.window, found.usage);
            } else {
                let found = tls::handshakes(plan)?;
                print_counts(found.answered, found.wrong, found.lost);
                print_times(&found.times, found.window, found.usage);
            }
        }
        "hold" => hold::run(addr, args.value("connections", 64), io::stdin().lock(), io::stdout())?,
        other => return Err(io::Error::other(format!("no load is called '{other}'"))),
    }
    Ok(())
}

fn print_counts(answered: u64, wrong: u64, lost: u64) {
    print!("answered={answered} wrong={wrong} lost={lost} ");
}

fn print_times(times: &Histogram, window: Duration, usage: Usage) {
    let micros = |nanos: u64| nanos as f64 / 1e3;
    println!(
        "p50_us={:.1} p99_us={:.1} max_us={:.1}",
        micros(times.percentile(0.5)),
        micros(times.percentile(0.99)),
        micros(times.max()),
    );
    print_usage(window, usage);
}

fn print_usage(window: Duration, usage: Usage) {
    println!(
        "window_s={:.4} server_cpu_s={:.4} client_cpu_s={:.4} others_cpu_s={:.2} stolen_s={:.2}",
        window.as_secs_f64(),
        usage.server,
        usage.client,
        usage.others(),
        usage.stolen,
    );
}
