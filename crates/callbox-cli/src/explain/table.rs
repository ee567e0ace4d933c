//! The kernel's tables of sockets and of processes, as `/proc` shows them.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// TCP's state by the kernel's number (`include/net/tcp_states.h`).
pub(super) const TIME_WAIT: u8 = 6;
/// A listening socket's.
pub(super) const LISTEN: u8 = 10;

/// Ticks a second in what the kernel tells programs (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// One TCP socket of this machine (or network namespace).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) state: u8,
    /// Seconds until the kernel's timer acts, such as the end of TIME_WAIT.
    pub(super) seconds_left: u64,
    pub(super) uid: u32,
    /// 0 where no process has it any more.
    pub(super) inode: u64,
}

/// A process, as far as it may be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) name: String,
    pub(super) pid: u32,
}

/// Returns the TCP sockets of both families; none where the system has no such table.
pub(super) fn tcp() -> Vec<Row> {
    let read = |name: &str| fs::read_to_string(Path::new("/proc/self/net").join(name)).unwrap_or_default();
    let tables = [read("tcp"), read("tcp6")];
    tables.iter().flat_map(|table| table.lines()).filter_map(row).collect()
}

/// Reads one line of the table; its columns are those of Linux's `Documentation/networking/proc_net_tcp.rst`.
fn row(line: &str) -> Option<Row> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let ticks = u64::from_str_radix(fields.get(5)?.split(':').nth(1)?, 16).ok()?;
    Some(Row {
        local: socket_addr(fields.get(1)?)?,
        remote: socket_addr(fields.get(2)?)?,
        state: u8::from_str_radix(fields.get(3)?, 16).ok()?,
        seconds_left: ticks.div_ceil(TICKS_PER_SECOND),
        uid: fields.get(7)?.parse().ok()?,
        inode: fields.get(9)?.parse().ok()?,
    })
}

/// Reads `0100007F:2290`: words of 32 bits in the machine's order, then the port.
fn socket_addr(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match ip.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let bytes = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// Returns the inode of the socket that listens on a path, as it was written when it was bound.
pub(super) fn unix_listener(path: &str) -> Option<u64> {
    /// `__SO_ACCEPTCON`: it listens.
    const LISTENS: u64 = 0x0001_0000;
    let table = fs::read_to_string("/proc/self/net/unix").ok()?;
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let flags = u64::from_str_radix(fields.get(3)?, 16).ok()?;
        let found = flags & LISTENS != 0 && fields.get(7..)?.join(" ") == path;
        found.then(|| fields.get(6)?.parse().ok()).flatten()
    })
}

/// Returns the processes that have a socket open, as far as we may look into them.
pub(super) fn holders(inode: u64) -> Vec<Process> {
    let link = format!("socket:[{inode}]");
    let holds = |pid: u32| {
        let folder = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        folder.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| target.as_os_str() == link.as_str())
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned();
    pids.filter(|pid| holds(*pid)).map(|pid| Process { name: name(pid), pid }).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_table_are_read() {
        let line = "   1: 0100007F:82C1 0100007F:912A 06 00000000:00000000 03:0000175B 00000000  1000        0 77 3 0";
        let read = row(line).expect("good");
        assert_eq!(read.local.to_string(), "127.0.0.1:33473");
        assert_eq!(read.remote.to_string(), "127.0.0.1:37162");
        assert_eq!((read.state, read.seconds_left, read.uid, read.inode), (TIME_WAIT, 60, 1000, 77));
        assert_eq!(row("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"), None);
        let six = socket_addr("00000000000000000000000001000000:0050").expect("good");
        assert_eq!(six.to_string(), "[::1]:80");
        let mapped = socket_addr("0000000000000000FFFF00000100007F:0050").expect("good");
        assert_eq!(mapped.to_string(), "127.0.0.1:80");
    }

    #[test]
    fn our_own_listener_is_found_with_us() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        let addr = listener.local_addr().expect("bound");
        let rows: Vec<Row> = tcp().into_iter().filter(|row| row.local == addr && row.state == LISTEN).collect();
        assert_eq!(rows.len(), 1);
        let pids: Vec<u32> = holders(rows[0].inode).iter().map(|process| process.pid).collect();
        assert!(pids.contains(&std::process::id()), "{pids:?}");
    }
}
