//! Where the figures were taken.

use std::fs;

use crate::workspace::first_line;

/// Returns lines that describe this machine, for a list.
pub(crate) fn describe() -> Vec<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("unknown", |(_, value)| value.trim()).to_owned()
    };
    let virtual_machine = if cpu.contains(" hypervisor") { ", a virtual machine" } else { "" };
    let kib = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory_kib: u64 = kib.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    vec![
        format!("date: {} (UTC)", first_line("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default()),
        format!("processor: {} ({} cores{virtual_machine})", field("model name"), cores()),
        format!("memory: {} GiB", memory_kib.div_ceil(1024 * 1024)),
        format!("kernel: Linux {}", kernel("kernel/osrelease")),
        format!(
            "TCP: congestion control {}, somaxconn {}, tw_reuse {}, ports {}",
            kernel("net/ipv4/tcp_congestion_control"),
            kernel("net/core/somaxconn"),
            kernel("net/ipv4/tcp_tw_reuse"),
            kernel("net/ipv4/ip_local_port_range").replace('\t', "-"),
        ),
        format!("load average before: {}", load_average()),
        format!("compiler: {}", first_line("rustc", &["--version"]).unwrap_or_default()),
    ]
}

/// Returns how many cores this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn kernel(name: &str) -> String {
    fs::read_to_string(format!("/proc/sys/{name}")).map_or("unknown".into(), |text| text.trim().to_owned())
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
