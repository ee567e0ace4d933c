//! A network namespace for a measurement: nothing but a loopback interface, and the plainest congestion control.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::bench::server::Process;
use crate::workspace::program;

const CONGESTION: &str = "ipv4/tcp_congestion_control";

/// Settings of the namespace. A relay, and a load generator, has one source address and one server, so it needs more ports than
/// usual.
const SETTINGS: [(&str, &str); 2] = [(CONGESTION, "reno"), ("ipv4/ip_local_port_range", "10000 65000")];

const MAKE_LIMIT: Duration = Duration::from_secs(5);

/// Does `work` on a thread whose network is a namespace of its own, or here where that is not allowed; `work` is told
/// which it was.
pub(super) fn apart<T: Send>(work: impl FnOnce(&str) -> T + Send) -> T {
    let inside = std::thread::scope(|scope| {
        let thread = scope.spawn(move || match enter() {
            Ok(()) => Ok(work("Loopback of a network namespace of its own, with reno.")),
            Err(problem) => Err((work, problem)),
        });
        thread.join()
    });
    match inside {
        Ok(Ok(done)) => done,
        Ok(Err((work, problem))) => {
            let congestion = fs::read_to_string(Path::new("/proc/sys/net").join(CONGESTION)).unwrap_or_default();
            work(&format!(
                "Loopback of this machine with {}, not of a network namespace with reno ({problem}): bulk may be slower for that.",
                congestion.trim()
            ))
        }
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Moves this thread, and what it starts, into a new network.
fn enter() -> Result<(), String> {
    program("unshare").ok_or("there is no unshare here")?;
    // The namespace lives on in this thread when this process ends.
    let mut holder = Process::start(&["unshare", "--net", "sleep", "60"].map(String::from), None, |_| {})?;
    let link = format!("/proc/{}/ns/net", holder.child.id());
    let deadline = Instant::now() + MAKE_LIMIT;
    while fs::read_link(&link).ok() == fs::read_link("/proc/self/ns/net").ok() {
        if let Ok(Some(_)) = holder.child.try_wait() {
            return Err("unshare is not allowed".into());
        }
        if Instant::now() > deadline {
            return Err("unshare did nothing".into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let link = File::open(&link).map_err(|error| format!("{link}: {error}"))?;
    move_into_link_name_space(link.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(|error| format!("setns: {error}"))?;
    let mut up = Command::new("ip");
    up.args(["link", "set", "lo", "up"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !up.status().is_ok_and(|status| status.success()) {
        return Err("ip does not bring loopback up".into());
    }
    for (name, value) in SETTINGS {
        fs::write(Path::new("/proc/sys/net").join(name), value).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn work_is_done_where_loopback_works_and_nowhere_else_is_changed() {
        let congestion = || fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").unwrap();
        let before = congestion();
        let (note, inside) = apart(|note| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            client.write_all(b"x").unwrap();
            let mut received = [0];
            listener.accept().unwrap().0.read_exact(&mut received).unwrap();
            assert_eq!(received, *b"x");
            (note.to_owned(), congestion())
        });
        // Where a namespace is not allowed, the text must say so.
        let due = if note.contains("not of a network namespace") { before.clone() } else { "reno\n".to_owned() };
        assert_eq!(inside, due, "{note}");
        assert_eq!(congestion(), before);
    }
}
