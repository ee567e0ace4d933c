//! Runs the load client and reads what it found.

use std::collections::HashMap;
use std::io::Read;
use std::net::SocketAddrV4;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::server::{Process, Server};
use super::setup::Setup;

/// Beyond the window: opening 10,000 connections to a slow server takes a while.
const SLACK: Duration = Duration::from_secs(60);

/// The words `name=value` of one run.
#[derive(Debug, Default)]
pub(crate) struct Found {
    values: HashMap<String, f64>,
}

impl Found {
    /// Reads them from a text.
    pub(crate) fn read(text: &str) -> Found {
        let pairs = text.split_whitespace().filter_map(|word| word.split_once('='));
        Found { values: pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect() }
    }

    /// Returns a value; 0 when it is missing.
    pub(crate) fn value(&self, name: &str) -> f64 {
        self.values.get(name).copied().unwrap_or(0.0)
    }

    /// Says whether a value is there.
    #[cfg(test)]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Returns a value that must not be missing.
    pub(crate) fn needed(&self, name: &str) -> Result<f64, String> {
        self.values.get(name).copied().ok_or_else(|| format!("there is no {name} in what it says"))
    }

    /// Returns answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.value("answered") / self.value("window_s")
    }

    /// Returns the server's processor time for an answer, in microseconds.
    pub(crate) fn server_cpu_us(&self) -> f64 {
        self.value("server_cpu_s") * 1e6 / self.value("answered").max(1.0)
    }

    /// Returns the share of one core that neither server nor client had, the host's other guests included.
    pub(crate) fn disturbance(&self) -> f64 {
        (self.value("others_cpu_s") + self.value("stolen_s")) / self.value("window_s")
    }

    /// Returns the share of its core that the client used; near 1 it may be what limits the rate.
    pub(crate) fn client_busy(&self) -> f64 {
        self.value("client_cpu_s") / self.value("window_s")
    }
}

/// Puts load of one `kind` on `server`.
pub(crate) fn run(setup: &Setup, server: &Server, kind: &str, words: &[String]) -> Result<Found, String> {
    run_at(setup, server.addr, Some(server.pid()), setup.options.window(), kind, words)
}

/// Puts load on an address for the time of `window`; processor time is that of `pid`.
pub(crate) fn run_at(
    setup: &Setup,
    addr: SocketAddrV4,
    pid: Option<u32>,
    window: Duration,
    kind: &str,
    words: &[String],
) -> Result<Found, String> {
    let mut command = vec![setup.reference("reference-load"), kind.to_owned(), addr.to_string()];
    command.extend(["--server-pid".into(), pid.unwrap_or(0).to_string()]);
    command.extend(["--window-ms".into(), window.as_millis().to_string()]);
    command.extend_from_slice(words);
    let mut process = Process::start(&command, setup.client_core, |command| {
        command.stdout(Stdio::piped()).stderr(Stdio::inherit());
    })?;
    let deadline = Instant::now() + window + SLACK;
    let status = loop {
        match process.child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if Instant::now() > deadline => return Err("the load did not end in time".into()),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let mut text = String::new();
    if let Some(mut stdout) = process.child.stdout.take() {
        stdout.read_to_string(&mut text).map_err(|error| error.to_string())?;
    }
    if !status.success() {
        return Err(format!("not every connection could be opened and answered ({status})"));
    }
    Ok(Found::read(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_numbers() {
        let found = Found::read(
            "answered=3000 window_s=1.5 server_cpu_s=0.03 client_cpu_s=0.75\nothers_cpu_s=0.1 stolen_s=0.05 noise\n",
        );
        assert_eq!(found.rate(), 2000.0);
        assert_eq!(found.server_cpu_us(), 10.0);
        assert_eq!(found.client_busy(), 0.5);
        assert!((found.disturbance() - 0.1).abs() < 1e-9);
        assert_eq!(found.value("wrong"), 0.0);
    }
}
