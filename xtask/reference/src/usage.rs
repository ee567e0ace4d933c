//! Who used the processors: the server with the children it has waited for, this client, and everybody else.

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
    pub fn of(server_pid: u32) -> Usage {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let (all, stolen) = machine_seconds_of(&text);
        Usage { server: cpu_seconds(server_pid), client: cpu_seconds(std::process::id()), all, stolen }
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

fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    cpu_seconds_of(&stat)
}

fn cpu_seconds_of(stat: &str) -> f64 {
    // The name may hold spaces and brackets; what follows the last bracket is numbers.
    let Some((_, rest)) = stat.rsplit_once(')') else { return 0.0 };
    // utime, stime, cutime and cstime are fields 14 to 17 of the line, the state is field 3.
    rest.split_whitespace().skip(11).take(4).filter_map(|word| word.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_and_waited_for_times_are_summed() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 20 30 20 0 1 0 5 6 7";
        assert_eq!(cpu_seconds_of(stat), 2.5);
        assert_eq!(cpu_seconds_of(""), 0.0);
    }

    #[test]
    fn idle_time_is_not_busy_time() {
        assert_eq!(machine_seconds_of("cpu  100 10 200 9000 500 20 70 30 0 0\ncpu0 1 1"), (4.0, 0.3));
        let usage = Usage { server: 1.0, client: 2.0, all: 3.5, stolen: 0.0 };
        assert_eq!(usage.since(Usage::default()).others(), 0.5);
    }
}
