//! Runs a load generator against a server and looks at both from outside.

use std::fs::{self, File};
use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::bench::peer::Peer;
use crate::bench::server::{Process, Server};
use crate::bench::setup::Setup;

/// The kernel reports times in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;
/// Beyond the time a generator was told: to start, to connect, to print.
const SLACK: Duration = Duration::from_secs(60);
/// Seldom: whoever looks is on one of the processors, too.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a generator printed, and what it and the server used from before its start to after its end.
#[derive(Debug)]
pub(super) struct Drive {
    /// Its standard output.
    pub(super) text: String,
    /// Its processor time, as words for `Found`: all of it, from the start of the process on.
    pub(super) usage: String,
}

/// Runs `peer` to its end, which is due after about `length`.
pub(super) fn drive(setup: &Setup, server: &Server, peer: &Peer, length: Duration) -> Result<Drive, String> {
    let errors = setup.folder.join("generator-errors");
    let log = File::create(&errors).map_err(|error| error.to_string())?;
    let before = Times::of(server.pid(), None);
    let started = Instant::now();
    let mut process = Process::start(&command(peer, server), setup.client_core, |command| {
        command.stdout(Stdio::piped()).stderr(log);
    })?;
    let mut stdout = process.child.stdout.take().ok_or("its output is no pipe")?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let pid = Pid::from_child(&process.child);
    // Ended but not waited for, it still has its times.
    while waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG)
        .map_err(|error| format!("waitid: {error}"))?
        .is_none()
    {
        if started.elapsed() > length + SLACK {
            return Err("it did not end in time".into());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let elapsed = started.elapsed();
    let used = Times::of(server.pid(), Some(process.child.id())).since(before);
    let status = process.child.wait().map_err(|error| error.to_string())?;
    let text = reader.join().map_err(|_| "the reader panicked")?.map_err(|error| error.to_string())?;
    if !status.success() {
        let said = fs::read_to_string(&errors).unwrap_or_default();
        let reason = said.lines().rev().find(|line| !line.starts_with("hint:") && !line.trim().is_empty());
        // iperf3 says on its standard output why it failed.
        return Err(format!("{status}: {}", reason.or(text.lines().find(|line| line.contains("error"))).unwrap_or("")));
    }
    Ok(Drive { text, usage: used.words(elapsed) })
}

/// Returns the words of a generator with the server's address filled in.
pub(super) fn command(peer: &Peer, server: &Server) -> Vec<String> {
    let (addr, port) = (server.addr.to_string(), server.addr.port().to_string());
    peer.command.iter().map(|word| word.replace("{addr}", &addr).replace("{port}", &port)).collect()
}

/// Processor seconds so far.
#[derive(Debug, Clone, Copy)]
struct Times {
    server: f64,
    client: f64,
    all: f64,
    stolen: f64,
}

impl Times {
    fn of(server: u32, client: Option<u32>) -> Times {
        let read = |path: String| fs::read_to_string(path).unwrap_or_default();
        let of_process = |pid| process_seconds_of(&read(format!("/proc/{pid}/stat")));
        let (all, stolen) = machine_seconds_of(&read("/proc/stat".into()));
        Times { server: of_process(server), client: client.map_or(0.0, of_process), all, stolen }
    }

    fn since(self, earlier: Times) -> Times {
        Times {
            server: self.server - earlier.server,
            client: self.client - earlier.client,
            all: self.all - earlier.all,
            stolen: self.stolen - earlier.stolen,
        }
    }

    fn words(self, elapsed: Duration) -> String {
        let others = (self.all - self.server - self.client).max(0.0);
        format!(
            "server_cpu_s={:.4} client_cpu_s={:.4} others_cpu_s={others:.4} stolen_s={:.4} elapsed_s={:.4}",
            self.server,
            self.client,
            self.stolen,
            elapsed.as_secs_f64()
        )
    }
}

/// Returns a process's time, user and system, that of its ended threads and children included.
fn process_seconds_of(stat: &str) -> f64 {
    // The name may hold spaces and brackets; what follows the last bracket is numbers, from field 3, the state, on.
    let Some((_, rest)) = stat.rsplit_once(')') else { return 0.0 };
    // utime, stime, cutime and cstime are fields 14 to 17.
    rest.split_whitespace().skip(11).take(4).filter_map(|word| word.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

/// Returns busy and stolen seconds of all processors.
fn machine_seconds_of(stat: &str) -> (f64, f64) {
    let first = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = first.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest times are part of user.
    let sum = |places: &[usize]| places.iter().filter_map(|place| ticks.get(*place)).sum::<f64>() / TICKS_PER_SECOND;
    (sum(&[0, 1, 2, 5, 6]), sum(&[7]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::Found;

    #[test]
    fn times_are_read_from_the_right_fields() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 25 75 20 0 1 0 100";
        assert_eq!(process_seconds_of(stat), 3.0);
        assert_eq!(process_seconds_of(""), 0.0);
        assert_eq!(machine_seconds_of("cpu  100 200 300 9999 50 1 2 40 7 0\ncpu0 1"), (6.03, 0.4));
    }

    #[test]
    fn what_others_used_is_what_is_left() {
        let zero = Times { server: 1.0, client: 0.0, all: 10.0, stolen: 0.0 };
        let words =
            Times { server: 2.0, client: 3.0, all: 14.5, stolen: 0.25 }.since(zero).words(Duration::from_secs(2));
        let found = Found::read(&words);
        assert_eq!((found.value("server_cpu_s"), found.value("client_cpu_s")), (1.0, 3.0));
        assert_eq!((found.value("others_cpu_s"), found.value("stolen_s"), found.value("elapsed_s")), (0.5, 0.25, 2.0));
    }
}
