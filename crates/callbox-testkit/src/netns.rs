//! Network namespaces of a test's own: addresses, hosts files and name servers that nobody else sees.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::skip::find_tool;

/// A network namespace with loopback up; dropping it deletes it.
#[derive(Debug)]
pub struct Netns {
    name: String,
    ip: PathBuf,
    mounts: Vec<(PathBuf, &'static str)>,
}

impl Netns {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// Says why this machine has none to give.
    pub fn new() -> Result<Self, String> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let ip = find_tool("ip").ok_or("needs ip")?;
        let name = format!("cbx-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let namespace = Self { name, ip, mounts: Vec::new() };
        run(Command::new(&namespace.ip).args(["netns", "add", &namespace.name]))?;
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Runs `ip` on this namespace: `ip -n NAME ...`.
    ///
    /// # Errors
    ///
    /// Returns what `ip` said.
    pub fn ip(&self, arguments: &[&str]) -> Result<(), String> {
        run(Command::new(&self.ip).args(["-n", &self.name]).args(arguments))
    }

    /// Gives loopback another address, `192.168.43.127/32` for example.
    pub fn with_address(self, address: &str) -> Self {
        self.ip(&["address", "add", address, "dev", "lo"]).expect("an address on loopback");
        self
    }

    /// Sends everything for `destination` where nobody answers: SYNs to it are lost without a word.
    pub fn with_black_hole(self, destination: &str) -> Self {
        // Loopback takes the segment in, finds it is for nobody here, and drops it; a `blackhole` route would say so.
        self.ip(&["route", "add", destination, "dev", "lo"]).expect("a route");
        self
    }

    /// Lets programs inside read `path` as `/etc/hosts`.
    pub fn with_hosts(mut self, path: &Path) -> Self {
        self.mounts.push((path.to_owned(), "/etc/hosts"));
        self
    }

    /// Lets programs inside read `path` as `/etc/resolv.conf`.
    pub fn with_resolver(mut self, path: &Path) -> Self {
        self.mounts.push((path.to_owned(), "/etc/resolv.conf"));
        self
    }

    /// Returns the words before a command line that run it inside.
    pub fn wrapper(&self) -> Vec<String> {
        let mut words = vec![self.ip.display().to_string(), "netns".to_owned(), "exec".to_owned(), self.name.clone()];
        if !self.mounts.is_empty() {
            // `ip netns exec` has already given the command a mount namespace of its own.
            let mount = |(from, to): &(PathBuf, &str)| format!("mount --bind '{}' {to} && ", from.display());
            let mounts: String = self.mounts.iter().map(mount).collect();
            words.extend(["sh".to_owned(), "-c".to_owned(), format!("{mounts}exec \"$@\""), "sh".to_owned()]);
        }
        words
    }

    /// Runs `part` in a thread inside; what it opens stays inside, and may be used from anywhere.
    pub fn inside<T: Send>(&self, part: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.name);
        let namespace = File::open(&path).unwrap_or_else(|error| panic!("open {path}: {error}"));
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                use std::os::fd::AsFd;
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("own namespace");
                part()
            });
            thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
        })
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _ = run(Command::new(&self.ip).args(["netns", "del", &self.name]));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Callbox, Peer, Scratch, Server};

    #[test]
    fn an_address_inside_is_nowhere_else() {
        crate::requires!(netns());
        let namespace = Netns::new().expect("just made one").with_address("192.168.43.127/32");
        let server = namespace.inside(|| Server::binds_at("192.168.43.127:8848"));
        let mut client = namespace.inside(|| Peer::connects(server.address()));
        let mut served = server.accepts();
        client.sends("hello").ends();
        served.expects("hello").expects_end();
    }

    #[test]
    fn a_program_inside_reads_the_test_s_hosts_file() {
        crate::requires!(netns());
        let scratch = Scratch::new();
        let hosts = scratch.file("hosts", "127.0.0.1 somewhere.test\n");
        let namespace = Netns::new().expect("just made one").with_hosts(&hosts);
        let outcome = Callbox::new("cat").arg("/etc/hosts").within(&namespace).run().exited(0);
        outcome.wrote("127.0.0.1 somewhere.test\n");
    }
}
