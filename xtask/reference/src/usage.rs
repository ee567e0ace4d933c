//! Processor time of a process and of the children it has waited for.

/// The kernel reports times in hundredths of a second on every architecture callbox is built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Returns the processor time used so far, in seconds; 0 when the process is gone.
pub fn cpu_seconds(pid: u32) -> f64 {
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
}
