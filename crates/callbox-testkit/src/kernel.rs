//! What `/proc` says about a process.

use std::fs;
use std::time::{Duration, Instant};

/// Readings of one process, by its pid.
#[derive(Clone, Copy, Debug)]
pub struct Reading(pub u32);

/// One line of the process table.
#[derive(Clone, Debug)]
pub struct Row {
    /// The process.
    pub pid: u32,
    /// Its parent.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// `R`, `S`, `T`, `Z` and so on.
    pub state: char,
    /// Time on a processor, user and system.
    pub cpu: Duration,
}

impl Reading {
    /// Returns how many descriptors are open.
    pub fn descriptors(self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0)).map_or(0, Iterator::count)
    }

    /// Returns what the open descriptors are, for messages.
    pub fn descriptor_list(self) -> Vec<String> {
        let folder = fs::read_dir(format!("/proc/{}/fd", self.0)).into_iter().flatten().flatten();
        let name = |entry: fs::DirEntry| {
            let target = fs::read_link(entry.path()).map_or_else(|_| "?".to_owned(), |to| to.display().to_string());
            format!("{} -> {target}", entry.file_name().display())
        };
        folder.map(name).collect()
    }

    /// Returns the resident memory in KiB.
    pub fn resident_kib(self) -> u64 {
        self.status("VmRSS:")
    }

    /// Returns the highest resident memory so far in KiB.
    pub fn peak_kib(self) -> u64 {
        self.status("VmHWM:")
    }

    /// Returns the soft and hard limit on descriptors.
    pub fn descriptor_limits(self) -> (u64, u64) {
        let text = fs::read_to_string(format!("/proc/{}/limits", self.0)).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default().to_owned();
        let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    /// Returns the time spent on a processor so far.
    pub fn cpu(self) -> Duration {
        row(self.0).map_or(Duration::ZERO, |row| row.cpu)
    }

    /// Returns the share of one core used over `window`, in percent.
    pub fn cpu_percent_over(self, window: Duration) -> f64 {
        let (before, start) = (self.cpu(), Instant::now());
        crate::deadline::let_pass(window);
        let used = self.cpu().saturating_sub(before);
        100.0 * used.as_secs_f64() / start.elapsed().as_secs_f64()
    }

    /// Returns the state letter, `None` when the process is gone.
    pub fn state(self) -> Option<char> {
        row(self.0).map(|row| row.state)
    }

    /// Returns the children that are there, zombies included.
    pub fn children(self) -> Vec<Row> {
        table().into_iter().filter(|row| row.parent == self.0).collect()
    }

    /// Returns how many children are dead and not yet reaped.
    pub fn zombies(self) -> usize {
        self.children().iter().filter(|row| row.state == 'Z').count()
    }

    fn status(self, field: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default().to_owned();
        line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

/// Returns the process table.
pub fn table() -> Vec<Row> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| row(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// Returns the live processes whose command line contains `marker`; zombies have none.
pub fn running(marker: &str) -> Vec<u32> {
    let has = |pid: u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(marker)
    };
    table().into_iter().filter(|row| row.state != 'Z' && has(row.pid)).map(|row| row.pid).collect()
}

fn row(pid: u32) -> Option<Row> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; fields start behind the last one.
    let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let ticks = number(11)? + number(12)?;
    Some(Row {
        pid,
        parent: number(1)? as u32,
        group: number(2)? as u32,
        state: fields.first()?.chars().next()?,
        cpu: Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64),
    })
}

/// Reads a counter of this machine's (or namespace's) TCP, such as `TcpExt ListenOverflows`.
pub fn tcp_counter(group: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/thread-self/net/netstat").ok()?;
    let mut lines = text.lines().filter(|line| line.starts_with(&format!("{group}:")));
    let (names, values) = (lines.next()?, lines.next()?);
    let index = names.split_whitespace().position(|word| word == name)?;
    values.split_whitespace().nth(index)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_reads_itself() {
        let own = Reading(std::process::id());
        assert!(own.descriptors() >= 3);
        // Other tests of the process may let it grow between two looks.
        let resident = own.resident_kib();
        assert!(resident > 100 && own.peak_kib() >= resident);
        assert!(own.descriptor_limits().0 > 0);
        assert!(own.state().is_some());
        assert_eq!(Reading(u32::MAX).state(), None);
    }

    #[test]
    fn a_child_is_seen_and_its_end_too() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep is everywhere");
        let own = Reading(std::process::id());
        assert!(own.children().iter().any(|row| row.pid == child.id()));
        child.kill().expect("own child");
        crate::eventually("a killed child is a zombie until reaped", crate::patience(), || {
            (Reading(child.id()).state() == Some('Z')).then_some(()).ok_or_else(|| "not yet".to_owned())
        });
        child.wait().expect("own child");
        assert_eq!(Reading(child.id()).state(), None);
    }
}
