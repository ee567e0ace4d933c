//! A running program: what it says, what it is told, how it ends.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal};
use serde_json::Value;

use crate::bytes::excerpt;
use crate::deadline::patience;
use crate::event::Ledger;
use crate::kernel::Reading;
use crate::transcript::{Transcript, complete_lines};

/// A running program; dropping it kills it by its pid.
#[derive(Debug)]
pub struct Process {
    child: Child,
    line: String,
    input: Option<ChildStdin>,
    held: Option<ChildStdout>,
    output: Transcript,
    errors: Transcript,
    status: Option<ExitStatus>,
}

/// How a program ended and what it had written.
#[derive(Debug)]
pub struct Outcome {
    /// The command line, for messages.
    pub line: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Everything on standard output, unless the test read it itself.
    pub stdout: Vec<u8>,
    /// Everything on standard error.
    pub stderr: String,
    /// How long the wait for its end lasted.
    pub waited: Duration,
}

impl Process {
    pub(crate) fn new(mut child: Child, line: String, held: bool) -> Self {
        let input = child.stdin.take();
        let mut stdout = child.stdout.take();
        let kept = if held { stdout.take() } else { None };
        let output = stdout.map_or_else(Transcript::ended_already, Transcript::drain);
        let errors = child.stderr.take().map_or_else(Transcript::ended_already, Transcript::drain);
        Self { child, line, input, held: kept, output, errors, status: None }
    }

    /// Returns the pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns what `/proc` says about it.
    pub fn reading(&self) -> Reading {
        Reading(self.child.id())
    }

    /// Returns standard output as it grows.
    pub fn output(&self) -> &Transcript {
        &self.output
    }

    /// Returns standard error as it grows.
    pub fn errors(&self) -> &Transcript {
        &self.errors
    }

    /// Hands over standard output, of a program started with [`crate::Output::Held`].
    pub fn take_output(&mut self) -> ChildStdout {
        self.held.take().expect("started with Output::Held, taken once")
    }

    /// Hands over the pipe to standard input, of a program started with [`crate::Input::Piped`].
    pub fn take_input(&mut self) -> ChildStdin {
        self.input.take().expect("started with Input::Piped, taken once")
    }

    /// Writes to standard input.
    pub fn types(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let input = self.input.as_mut().expect("started with Input::Piped, not ended");
        input.write_all(bytes.as_ref()).unwrap_or_else(|error| panic!("type to {}: {error}", self.line));
        self
    }

    /// Ends standard input.
    pub fn ends_input(&mut self) -> &mut Self {
        drop(self.input.take());
        self
    }

    /// Waits for the ready line and returns its address.
    pub fn ready(&self) -> SocketAddr {
        self.ready_at(1)[0]
    }

    /// Waits for `count` ready lines and returns their addresses.
    pub fn ready_at(&self, count: usize) -> Vec<SocketAddr> {
        self.wait_for_error_output(&format!("{count} ready line(s)"), |bytes| {
            let addresses: Vec<SocketAddr> =
                complete_lines(bytes).iter().filter_map(|line| ready_address(line)).collect();
            (addresses.len() >= count).then_some(addresses)
        })
    }

    /// Waits until standard error contains `text`.
    pub fn says(&self, text: &str) -> &Self {
        self.wait_for_error_output(text, |bytes| contains(bytes, text.as_bytes()).then_some(()));
        self
    }

    /// Waits until standard output contains `text`.
    pub fn shows(&self, text: impl AsRef<[u8]>) -> &Self {
        let text = text.as_ref();
        let found = self.output.wait(patience(), |bytes, _| contains(bytes, text).then_some(()));
        found.unwrap_or_else(|| self.fail(&format!("never showed \"{}\"", text.escape_ascii())));
        self
    }

    /// Waits for the `--json` event for which `wanted` holds.
    pub fn event(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.events_where(name, 1, wanted).remove(0)
    }

    /// Waits for `count` `--json` events for which `wanted` holds.
    pub fn events_where(&self, name: &str, count: usize, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let found = self.output.wait(patience(), |bytes, _| {
            let lines = complete_lines(bytes);
            let events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let found: Vec<Value> = events.filter(|event| event["event"] == name && wanted(event)).collect();
            (found.len() >= count).then_some(found)
        });
        found.unwrap_or_else(|| self.fail(&format!("{count} event(s) \"{name}\" did not come")))
    }

    /// Sends a signal to its pid.
    pub fn signal(&self, signal: Signal) -> &Self {
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap_or_else(|error| self.fail(&format!("{signal:?}: {error}")));
        self
    }

    /// Stops it (SIGSTOP) and waits until the kernel says so.
    pub fn stops(&self) -> &Self {
        self.signal(Signal::STOP);
        crate::eventually("a stopped process", patience(), || match self.reading().state() {
            Some('T') => Ok(()),
            state => Err(format!("{state:?}")),
        });
        self
    }

    /// Lets it go on after [`Process::stops`].
    pub fn goes_on(&self) -> &Self {
        self.signal(Signal::CONT)
    }

    /// Replaces a soft limit, as `prlimit --pid` does, and returns the one before; the hard one stays.
    pub fn limits(&self, resource: Resource, soft: u64) -> u64 {
        let pid = Some(Pid::from_child(&self.child));
        let hard =
            rustix::process::prlimit(pid, resource, Rlimit { current: Some(soft), maximum: self.hard(resource) });
        hard.unwrap_or_else(|error| self.fail(&format!("prlimit: {error}"))).current.unwrap_or(u64::MAX)
    }

    fn hard(&self, resource: Resource) -> Option<u64> {
        match resource {
            Resource::Nofile => Some(self.reading().descriptor_limits().1),
            _ => rustix::process::getrlimit(resource).maximum,
        }
    }

    /// Panics if it has ended.
    pub fn still_runs(&mut self) -> &mut Self {
        if let Some(status) = self.child.try_wait().expect("own child") {
            self.status = Some(status);
            self.fail::<()>("ended, but should still run");
        }
        self
    }

    /// Waits for its end, whatever the exit code.
    pub fn ends(self) -> Outcome {
        self.ends_within(patience())
    }

    /// Waits for its end, whatever the exit code, for at most `within`.
    pub fn ends_within(mut self, within: Duration) -> Outcome {
        drop(self.input.take());
        self.wait_for_end(within)
    }

    /// Waits for its end without ending its input.
    pub fn ends_with_input_open(mut self) -> Outcome {
        self.wait_for_end(patience())
    }

    /// Waits for its end with this exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Outcome {
        self.ends().exited(code)
    }

    /// Sends SIGTERM and waits for exit code 0: a server with nobody left to serve.
    #[track_caller]
    pub fn drains(self) -> Outcome {
        self.signal(Signal::TERM);
        self.exits(0)
    }

    fn wait_for_end(&mut self, within: Duration) -> Outcome {
        let start = Instant::now();
        if !self.ended_within(within) {
            self.fail::<()>(&format!("still runs after {within:?}"));
        }
        let status = self.child.wait().expect("own child");
        self.status = Some(status);
        let waited = start.elapsed();
        // A grandchild may hold the pipes open; what is there by now counts.
        for transcript in [&self.output, &self.errors] {
            transcript.wait(Duration::from_secs(1), |_, ended| ended.then_some(()));
        }
        Outcome { line: self.line.clone(), status, stdout: self.output.bytes(), stderr: self.errors.text(), waited }
    }

    fn ended_within(&self, within: Duration) -> bool {
        if self.status.is_some() {
            return true;
        }
        let pid = Pid::from_child(&self.child);
        let Ok(descriptor) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else {
            return true;
        };
        let timeout = Timespec::try_from(within).expect("a deadline of a test");
        let mut polled = [PollFd::new(&descriptor, PollFlags::IN)];
        rustix::event::poll(&mut polled, Some(&timeout)).expect("poll a pidfd") == 1
    }

    fn wait_for_error_output<T>(&self, what: &str, mut find: impl FnMut(&[u8]) -> Option<T>) -> T {
        let found = self.errors.wait(patience(), |bytes, _| find(bytes));
        found.unwrap_or_else(|| self.fail(&format!("never said: {what}")))
    }

    /// Panics with `why` and the whole transcript.
    #[track_caller]
    pub fn fail<T>(&self, why: &str) -> T {
        panic!("{}", describe(why, &self.line, self.status, &self.output.bytes(), &self.errors.text()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.status.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if !std::thread::panicking() && self.errors.text().contains("panicked at") {
            self.fail::<()>("panicked");
        }
    }
}

impl Outcome {
    /// Panics unless it exited with `code`.
    #[track_caller]
    pub fn exited(self, code: i32) -> Self {
        if self.status.code() != Some(code) {
            self.fail(&format!("should exit with {code}"));
        }
        self
    }

    /// Panics unless standard error contains `text`.
    #[track_caller]
    pub fn said(self, text: &str) -> Self {
        if !self.stderr.contains(text) {
            self.fail(&format!("should have said \"{text}\""));
        }
        self
    }

    /// Panics if standard error contains `text`.
    #[track_caller]
    pub fn never_said(self, text: &str) -> Self {
        if self.stderr.contains(text) {
            self.fail(&format!("should not have said \"{text}\""));
        }
        self
    }

    /// Panics unless standard output is exactly `bytes`.
    #[track_caller]
    pub fn wrote(self, bytes: impl AsRef<[u8]>) -> Self {
        if self.stdout != bytes.as_ref() {
            self.fail(&format!("should have written \"{}\"", excerpt(bytes.as_ref()).escape_debug()));
        }
        self
    }

    /// Panics unless standard output contains `text`.
    #[track_caller]
    pub fn showed(self, text: &str) -> Self {
        if !contains(&self.stdout, text.as_bytes()) {
            self.fail(&format!("should have shown \"{text}\""));
        }
        self
    }

    /// Panics unless nothing was said on standard error.
    #[track_caller]
    pub fn quietly(self) -> Self {
        if !self.stderr.is_empty() {
            self.fail("should have said nothing");
        }
        self
    }

    /// Reads standard output as `--json` events, each of them checked.
    #[track_caller]
    pub fn ledger(&self) -> Ledger {
        Ledger::read(&self.stdout).unwrap_or_else(|why| self.fail(&why))
    }

    /// Panics with `why` and the whole transcript.
    #[track_caller]
    pub fn fail(&self, why: &str) -> ! {
        panic!("{}", describe(why, &self.line, Some(self.status), &self.stdout, &self.stderr))
    }
}

/// Returns the address of a ready line.
pub fn ready_address(line: &str) -> Option<SocketAddr> {
    line.strip_prefix("listening on ")?.trim().parse().ok()
}

/// Returns whether `needle` occurs in `hay`.
pub fn contains(hay: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || hay.windows(needle.len()).any(|window| window == needle)
}

fn describe(why: &str, line: &str, status: Option<ExitStatus>, output: &[u8], errors: &str) -> String {
    let mut text = format!("{why}\n  command: {line}\n");
    let _ = match status {
        Some(status) => writeln!(text, "  ended: {status}"),
        None => writeln!(text, "  has not ended"),
    };
    let _ = write!(text, "-- stdout --\n{}\n-- stderr --\n{}\n--", excerpt(output), excerpt(errors.as_bytes()));
    text
}
