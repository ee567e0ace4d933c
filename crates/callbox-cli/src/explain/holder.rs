//! Who holds an address that could not be bound, as far as may be seen.

use std::net::SocketAddr;

use super::table::{self, LISTEN, Process, Row, TIME_WAIT};
use crate::lang::{Both, both};

/// Processes that are named; more of them are forks of one program, most often.
const NAMED: usize = 3;

/// Says who holds a TCP address.
pub(super) fn of_tcp(addr: SocketAddr) -> Both {
    let rows = table::tcp();
    let held = |row: &&Row| overlaps(row.local, addr);
    let listener = rows.iter().filter(held).find(|row| row.state == LISTEN);
    // An IPv6 wildcard holds IPv4 too, unless it was bound for IPv6 alone; the table does not say which.
    let dual = |row: &&Row| row.state == LISTEN && row.local.ip().is_unspecified() && row.local.port() == addr.port();
    if let Some(listener) = listener.or_else(|| rows.iter().find(dual)) {
        return listening(listener, addr, &owner(listener, &table::holders(listener.inode)));
    }
    let mut others: Vec<&Row> = rows.iter().filter(held).collect();
    // Whoever is alive first: that says more than what the kernel keeps.
    others.sort_by_key(|row| (row.inode == 0, std::cmp::Reverse(row.seconds_left)));
    match others.first() {
        None => nobody(),
        Some(row) if row.inode == 0 => leftover(row, others.len()),
        Some(row) => connected(row, &owner(row, &table::holders(row.inode))),
    }
}

/// Says who listens on a Unix socket's path.
pub(super) fn of_unix(path: &str) -> Both {
    match table::unix_listener(path) {
        None => nobody(),
        Some(inode) => both!(
            "a socket that listens on this path has it: {who}", "有一个套接字正在监听这个路径：{who}",
            who: named(&table::holders(inode)).unwrap_or_else(hidden),
        ),
    }
}

/// Tells whether both cannot be bound: same port, and the same address or a wildcard.
fn overlaps(held: SocketAddr, wanted: SocketAddr) -> bool {
    let (a, b) = (held.ip().to_canonical(), wanted.ip().to_canonical());
    let same_family = a.is_ipv4() == b.is_ipv4();
    held.port() == wanted.port() && same_family && (a == b || a.is_unspecified() || b.is_unspecified())
}

fn listening(row: &Row, wanted: SocketAddr, who: &Both) -> Both {
    let local = row.local;
    let scope = if local.ip().is_unspecified() && local != wanted {
        both!(", that is on every address of this machine", "，也就是本机的所有地址")
    } else if wanted.ip().is_unspecified() && local != wanted {
        both!(", and a wildcard would take that address too", "，而通配地址也包括这个地址")
    } else {
        "".into()
    };
    both!(
        "a socket listens on {local} already{scope}: {who}",
        "已有一个套接字在 {local} 上监听{scope}：{who}",
        scope: scope, who: who.clone(),
    )
}

fn connected(row: &Row, who: &Both) -> Both {
    let (local, remote) = (row.local, row.remote);
    both!(
        "nobody listens there, but a connection {local} - {remote} is open, made without SO_REUSEADDR: {who}",
        "那里没有监听，但有一个未设置 SO_REUSEADDR 的连接 {local} - {remote} 还开着：{who}",
        who: who.clone(),
    )
}

fn leftover(row: &Row, count: usize) -> Both {
    let (local, seconds) = (row.local, row.seconds_left);
    let more = match count - 1 {
        0 => "".into(),
        more => both!(" ({more} more like it)", "（另有 {more} 个类似的）"),
    };
    match row.state {
        TIME_WAIT => both!(
            "no process holds it: an old connection of {local} is in TIME_WAIT{more} for {seconds} s more, because its \
             side ended first; its socket had not set SO_REUSEADDR, without which the kernel keeps the port so long",
            "没有进程占用它：{local} 的一个旧连接处于 TIME_WAIT{more}，还剩 {seconds} 秒，因为那一侧先结束；\
             它的套接字没有设置 SO_REUSEADDR，所以内核在此期间保留这个端口",
            more: more,
        ),
        _ => both!(
            "no process holds it: an old connection of {local} is still closing{more}, made without SO_REUSEADDR",
            "没有进程占用它：{local} 的一个旧连接仍在关闭中{more}，它没有设置 SO_REUSEADDR",
            more: more,
        ),
    }
}

fn nobody() -> Both {
    if !cfg!(target_os = "linux") {
        return both!("who holds it cannot be seen on this system", "在这个系统上看不到由谁占用");
    }
    both!(
        "the kernel's tables show nobody: perhaps a socket is bound there and does not listen, or it is gone by now",
        "内核的表里没有显示占用者：也许有套接字绑定了它而没有监听，或者它现在已经消失",
    )
}

/// Names the owner of a socket: the process, or at least the user.
fn owner(row: &Row, processes: &[Process]) -> Both {
    named(processes).unwrap_or_else(|| {
        let uid = row.uid;
        both!(
            "a process of the user with number {uid}, into which we may not look (root may)",
            "用户编号 {uid} 的某个进程，我们无权查看它（root 可以）",
        )
    })
}

fn hidden() -> Both {
    both!("a process into which we may not look (root may)", "某个我们无权查看的进程（root 可以）")
}

fn named(processes: &[Process]) -> Option<Both> {
    let name = |process: &Process| format!("{} (pid {})", process.name, process.pid);
    let list = processes.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", ");
    match processes.len() {
        0 => None,
        1..=NAMED => Some(both!("process {list}", "进程 {list}")),
        all => {
            let more = all - NAMED;
            Some(both!("processes {list} and {more} more", "进程 {list} 以及另外 {more} 个"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;

    fn row(local: &str, state: u8, inode: u64) -> Row {
        let (local, remote) = (local.parse().expect("good"), "192.0.2.9:4000".parse().expect("good"));
        Row { local, remote, state, seconds_left: 42, uid: 1000, inode }
    }

    #[test]
    fn wildcards_overlap_with_every_address_of_their_family() {
        let overlap = |a: &str, b: &str| overlaps(a.parse().expect("good"), b.parse().expect("good"));
        for (a, b) in [("0.0.0.0:80", "127.0.0.1:80"), ("127.0.0.1:80", "0.0.0.0:80"), ("[::]:80", "[::1]:80")] {
            assert!(overlap(a, b), "{a} {b}");
        }
        for (a, b) in [("127.0.0.1:80", "127.0.0.1:81"), ("127.0.0.1:80", "127.0.0.2:80"), ("[::]:80", "127.0.0.1:80")]
        {
            assert!(!overlap(a, b), "{a} {b}");
        }
    }

    #[test]
    fn each_kind_of_holder_has_its_words() {
        let one = [Process { name: "nginx".into(), pid: 7 }];
        let wanted = "127.0.0.1:80".parse().expect("good");
        let table = [
            (
                listening(&row("0.0.0.0:80", LISTEN, 5), wanted, &owner(&row("0.0.0.0:80", LISTEN, 5), &one)),
                "a socket listens on 0.0.0.0:80 already, that is on every address of this machine: process nginx (pid 7)",
                "已有一个套接字在 0.0.0.0:80 上监听，也就是本机的所有地址：进程 nginx (pid 7)",
            ),
            (
                connected(&row("127.0.0.1:80", 1, 5), &owner(&row("127.0.0.1:80", 1, 5), &[])),
                "nobody listens there, but a connection 127.0.0.1:80 - 192.0.2.9:4000 is open, made without \
                 SO_REUSEADDR: a process of the user with number 1000, into which we may not look (root may)",
                "那里没有监听，但有一个未设置 SO_REUSEADDR 的连接 127.0.0.1:80 - 192.0.2.9:4000 还开着：\
                 用户编号 1000 的某个进程，我们无权查看它（root 可以）",
            ),
        ];
        for (both, en, zh) in table {
            assert_eq!((both.text(Lang::En), both.text(Lang::Zh)), (en, zh));
        }
        let old = leftover(&row("127.0.0.1:80", TIME_WAIT, 0), 3);
        assert!(old.text(Lang::En).contains("in TIME_WAIT (2 more like it) for 42 s more"), "{old:?}");
        assert!(old.text(Lang::Zh).contains("还剩 42 秒"), "{old:?}");
        let forks: Vec<Process> = (1..=5).map(|pid| Process { name: "worker".into(), pid }).collect();
        let named = named(&forks).expect("some");
        assert!(named.text(Lang::En).ends_with("worker (pid 3) and 2 more"), "{named:?}");
    }
}
