//! Who used the processors: the server with its children, this client, and everybody else.

/// The kernel reports times in hundredths of a second on every architecture callbox is built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time in seconds, of all cores together.
#[derive(Debug, Default, Clone, Copy)]
pub struct Usage {
    /// The server's.
    pub server: f64,
    /// This client's.
    pub client: f64,
    /// That of all programs, these two included.
    pub all: f64,
    /// What the host gave to others while we wanted it.
    pub stolen: f64,
}

impl Usage {
    /// Reads the times so far; a server that is gone has none.
    ///
    /// The server leads a process group: its children count while they run, and afterwards in the times of who waited for
    /// them.
    pub fn of(server_pid: u32) -> Usage {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let (all, stolen) = machine_seconds_of(&text);
        Usage { server: group_seconds(server_pid), client: cpu_seconds(std::process::id()), all, stolen }
    }

    /// Returns what was used after `earlier`.
    pub fn since(self, earlier: Usage) -> Usage {
        Usage {
            server: self.server - earlier.server,
            client: self.client - earlier.client,
            all: self.all - earlier.all,
            stolen: self.stolen - earlier.stolen,
        }
    }

    /// Returns what neither server nor client used.
    pub fn others(&self) -> f64 {
        (self.all - self.server - self.client).max(0.0)
    }
}

/// Returns busy and stolen seconds from the first line of /proc/stat.
fn machine_seconds_of(stat: &str) -> (f64, f64) {
    let first = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = first.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest times are part of user.
    let sum = |places: &[usize]| places.iter().filter_map(|place| ticks.get(*place)).sum::<f64>() / TICKS_PER_SECOND;
    (sum(&[0, 1, 2, 5, 6]), sum(&[7]))
}

/// Returns the time of a process and of the children it has waited for.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = stat(pid);
    let own = own_seconds_of(&stat);
    // Hundredths are too coarse for many small processes; threads that ended are in them alone, though.
    own.max(thread_seconds(pid)) + waited_seconds_of(&stat)
}

/// Sums over the threads there are, as the scheduler has it; 0 where the kernel does not say.
fn thread_seconds(pid: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e9
}

fn stat(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default()
}

/// Sums over the process `pid` and all others of the group that it leads.
fn group_seconds(pid: u32) -> f64 {
    if pid == 0 {
        return 0.0;
    }
    let names = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let others = names.filter_map(|name| name.to_str()?.parse().ok()).filter(|other: &u32| *other != pid);
    cpu_seconds(pid) + others.filter(|other| group_of(&stat(*other)) == Some(pid)).map(cpu_seconds).sum::<f64>()
}

/// Returns the process group, field 5 of the line.
fn group_of(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(2)?.parse().ok()
}

fn own_seconds_of(stat: &str) -> f64 {
    seconds_of(stat, 14)
}

fn waited_seconds_of(stat: &str) -> f64 {
    seconds_of(stat, 16)
}

/// Sums two fields: utime and stime are 14 and 15 of the line, cutime and cstime 16 and 17.
fn seconds_of(stat: &str, first: usize) -> f64 {
    // The name may hold spaces and brackets; what follows the last bracket is numbers, from field 3, the state, on.
    let Some((_, rest)) = stat.rsplit_once(')') else { return 0.0 };
    let ticks = rest.split_whitespace().skip(first - 3).take(2).filter_map(|word| word.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;

    use super::*;

    #[test]
    fn own_and_waited_for_times_are_summed() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 20 30 20 0 1 0 5 6 7";
        assert_eq!((own_seconds_of(stat), waited_seconds_of(stat)), (2.0, 0.5));
        assert_eq!((own_seconds_of(""), waited_seconds_of("")), (0.0, 0.0));
        assert_eq!(group_of(stat), Some(7));
        assert_eq!(group_of(""), None);
    }

    #[test]
    fn a_running_process_has_time_of_its_own() {
        let (start, before) = (std::time::Instant::now(), cpu_seconds(std::process::id()));
        while cpu_seconds(std::process::id()) <= before {
            assert!(start.elapsed().as_secs() < 10, "busy without using the processor");
        }
        assert_eq!(group_seconds(0), 0.0);
    }

    #[test]
    fn a_running_child_counts_for_its_group() {
        let mut shell = std::process::Command::new("sh");
        let mut leader =
            shell.args(["-c", "while :; do :; done & wait"]).process_group(0).spawn().expect("sh is there");
        let (pid, start) = (leader.id(), std::time::Instant::now());
        let mut found = (0.0, 0.0);
        while found.0 < 0.05 && start.elapsed().as_secs() < 10 {
            found = (group_seconds(pid), cpu_seconds(pid));
        }
        let group = rustix::process::Pid::from_child(&leader);
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).expect("the group is there");
        leader.wait().expect("it has ended");
        assert!(found.0 >= 0.05 && found.1 < found.0, "group and leader: {found:?}");
    }

    #[test]
    fn idle_time_is_not_busy_time() {
        assert_eq!(machine_seconds_of("cpu  100 10 200 9000 500 20 70 30 0 0\ncpu0 1 1"), (4.0, 0.3));
        let usage = Usage { server: 1.0, client: 2.0, all: 3.5, stolen: 0.0 };
        assert_eq!(usage.since(Usage::default()).others(), 0.5);
    }
}
