//! A running server: started on its core, waited for, ended with this value.

use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process_group};

use rustix::pty::OpenptFlags;

use super::peer::Peer;
use super::setup::Setup;
use crate::workspace::program;

const READY_LIMIT: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A process group that does not outlive this value, nor this program.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its first process.
    pub(crate) child: Child,
}

impl Process {
    /// Starts `command` on `core`; with setpriv, the kernel ends it should this program be ended.
    pub(crate) fn start(
        command: &[String],
        core: Option<usize>,
        change: impl FnOnce(&mut Command),
    ) -> Result<Process, String> {
        let mut words: Vec<String> = Vec::new();
        if program("setpriv").is_some() {
            words.extend(["setpriv", "--pdeathsig", "KILL"].map(String::from));
        }
        if let (Some(core), Some(_)) = (core, program("taskset")) {
            words.extend(["taskset", "-c", &core.to_string()].map(String::from));
        }
        words.extend_from_slice(command);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        change(&mut command);
        let child = command.spawn().map_err(|error| format!("{}: {error}", words[0]))?;
        Ok(Process { child })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Children of a forking server are in its group. The group may be gone already.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that listens.
#[derive(Debug)]
pub(crate) struct Server {
    /// The process.
    pub(crate) process: Process,
    /// Where it listens.
    pub(crate) addr: SocketAddrV4,
}

impl Server {
    /// Starts `peer` and waits until it listens.
    pub(crate) fn start(peer: &Peer, setup: &Setup) -> Result<Server, String> {
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        let ready = setup.folder.join("ready");
        let errors = setup.folder.join("errors");
        let _ = fs::remove_file(&ready);
        let config = setup.folder.join("config");
        let fill = |word: &String| {
            let word = word.replace("{port}", &port.to_string()).replace("{ready}", &ready.to_string_lossy());
            word.replace("{config}", &config.to_string_lossy())
        };
        if let Some(text) = &peer.config {
            fs::write(&config, fill(text)).map_err(|error| format!("{}: {error}", config.display()))?;
        }
        let command: Vec<String> = peer.command.iter().map(fill).collect();
        let log = File::create(&errors).map_err(|error| error.to_string())?;
        let terminal =
            if peer.slow_terminal { Some(slow_terminal().map_err(|error| error.to_string())?) } else { None };
        let process = Process::start(&command, setup.server_core, |command| {
            command.envs(peer.environment.iter().map(|(name, value)| (name, fill(value)))).stderr(log);
            if let Some(terminal) = terminal {
                command.stdout(terminal);
            }
        })?;
        let mut server = Server { process, addr: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port) };
        let by_file = peer.command.iter().any(|word| word.contains("{ready}"));
        let deadline = Instant::now() + READY_LIMIT;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = server.process.child.try_wait() {
                let text = fs::read_to_string(&errors).unwrap_or_default();
                return Err(format!("ended before it listened ({status}): {}", reason_in(&text)));
            }
            match (by_file, read_address(&ready)) {
                (true, Some(addr)) => {
                    server.addr = addr;
                    return Ok(server);
                }
                (false, _) if listens(port) => return Ok(server),
                _ => std::thread::sleep(LOOK_EVERY),
            }
        }
        Err(format!("did not listen within {} s", READY_LIMIT.as_secs()))
    }

    /// Returns the process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Returns resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
        line.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0) * 1024
    }

    /// Returns how many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }
}

/// What a slow terminal takes at once, and how often: 64 KiB a second.
const TAKEN_BYTES: usize = 4096;
const TAKEN_EVERY: Duration = Duration::from_micros(62_500);

/// Opens a terminal that somebody reads slowly until the programs on it are gone.
fn slow_terminal() -> std::io::Result<OwnedFd> {
    let screen = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    rustix::pty::grantpt(&screen)?;
    rustix::pty::unlockpt(&screen)?;
    let name = rustix::pty::ptsname(&screen, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = rustix::fs::open(name.as_c_str(), flags, Mode::empty())?;
    std::thread::spawn(move || {
        let mut screen = File::from(screen);
        let mut taken = [0; TAKEN_BYTES];
        // Reading fails when nobody has the other side open any more.
        while screen.read(&mut taken).is_ok_and(|read| read > 0) {
            std::thread::sleep(TAKEN_EVERY);
        }
    });
    Ok(terminal)
}

/// Returns the line that says why a program ended: the last that is no hint.
fn reason_in(text: &str) -> &str {
    text.lines().rev().find(|line| !line.starts_with("hint:")).unwrap_or("")
}

/// Returns a port that was free just now.
pub(crate) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn read_address(path: &Path) -> Option<SocketAddrV4> {
    fs::read_to_string(path).ok()?.lines().next()?.parse().ok()
}

/// Looks into the kernel's table instead of connecting: a connection would be the server's first client.
fn listens(port: u16) -> bool {
    // Of this thread, which may be in a network namespace of its own.
    let table = fs::read_to_string("/proc/thread-self/net/tcp").unwrap_or_default();
    table.lines().any(|line| is_listener_on(line, port))
}

fn is_listener_on(line: &str, port: u16) -> bool {
    let mut words = line.split_whitespace().skip(1);
    let (local, state) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
    state == "0A" && local.ends_with(&format!(":{port:04X}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_in_the_table() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens(port));
        let line = |state| format!("   3: 0100007F:2290 00000000:0000 {state} 00000000:00000000 00:00000000 00000000");
        assert!(is_listener_on(&line("0A"), 0x2290));
        assert!(!is_listener_on(&line("01"), 0x2290), "a connection is no listener");
        assert!(!is_listener_on(&line("0A"), 0x2291), "another port");
    }

    #[test]
    fn the_reason_is_told_rather_than_a_hint() {
        assert_eq!(reason_in("callbox: no such command\nhint: see `callbox --help`\n"), "callbox: no such command");
        assert_eq!(reason_in("a\nb\n"), "b");
        assert_eq!(reason_in(""), "");
    }

    #[test]
    fn a_process_ends_with_its_value() {
        let process = Process::start(&["sleep".into(), "600".into()], None, |_| {}).unwrap();
        let pid = process.child.id();
        drop(process);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}
