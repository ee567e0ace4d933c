//! What the tests of `bench` share: servers that keep count, and reports that are read and checked.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use callbox_testkit::{Callbox, Outcome, Peer, Process, Script, Server, eventually, patience};
use serde_json::Value;

use crate::cli::callbox;

/// A server of many connections that keeps count of what it hears; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Crowd {
    address: SocketAddr,
    log: Arc<Log>,
    accepting: Option<Script>,
}

/// What a [`Crowd`] has heard and seen.
#[derive(Debug, Default)]
pub(crate) struct Log {
    over: AtomicBool,
    accepted: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    numbers: AtomicUsize,
    heard: Mutex<Vec<Heard>>,
}

/// A request as it reached the server.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// On which connection, from 0 in the order of accepting.
    pub(crate) connection: usize,
    /// Which one on its connection, from 0.
    pub(crate) nth: usize,
    /// Which one of all, from 0.
    pub(crate) number: usize,
    /// When it was whole.
    pub(crate) at: Instant,
    /// What it is, without its line ending.
    pub(crate) text: String,
}

/// What a server does about a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Say(String),
    SayAndEnd(String),
    Reset,
    Nothing,
}

/// A connection of a [`Crowd`].
pub(crate) struct Line<'a> {
    peer: Peer,
    held: Vec<u8>,
    log: &'a Log,
}

impl Crowd {
    /// Plays `part` with each client, in a thread of its own.
    pub(crate) fn plays(part: impl Fn(Line<'_>, usize) + Send + Sync + 'static) -> Self {
        Self::plays_at(Server::binds(), part)
    }

    /// Does the same where a listener is there already.
    pub(crate) fn plays_at(server: Server, part: impl Fn(Line<'_>, usize) + Send + Sync + 'static) -> Self {
        let (address, log, part) = (server.address(), Arc::new(Log::default()), Arc::new(part));
        let ours = log.clone();
        let accepting = Script::runs(move || {
            let mut talks: Vec<Script> = Vec::new();
            while !ours.over.load(Ordering::SeqCst) {
                if !server.has_client_within(Duration::from_millis(20)) {
                    continue;
                }
                let peer = server.accepts();
                let number = ours.accepted.fetch_add(1, Ordering::SeqCst);
                let open = ours.open.fetch_add(1, Ordering::SeqCst) + 1;
                ours.most_open.fetch_max(open, Ordering::SeqCst);
                let (log, part) = (ours.clone(), part.clone());
                talks.push(Script::runs(move || {
                    part(Line { peer, held: Vec::new(), log: &log }, number);
                    log.open.fetch_sub(1, Ordering::SeqCst);
                }));
                talks.retain(|talk| !talk.ended());
            }
        });
        Self { address, log, accepting: Some(accepting) }
    }

    /// Answers lines, each as `answer` says.
    pub(crate) fn answers(answer: impl Fn(&Heard) -> Act + Send + Sync + 'static) -> Self {
        Self::answers_at(Server::binds(), answer)
    }

    /// Does the same where a listener is there already.
    pub(crate) fn answers_at(server: Server, answer: impl Fn(&Heard) -> Act + Send + Sync + 'static) -> Self {
        Self::plays_at(server, move |mut line, connection| {
            for nth in 0.. {
                let Some(heard) = line.hears(connection, nth) else { return };
                match answer(&heard) {
                    Act::Say(text) => line.says(text),
                    Act::SayAndEnd(text) => {
                        line.says(text);
                        return;
                    }
                    Act::Reset => return line.resets(),
                    Act::Nothing => {}
                }
            }
        })
    }

    /// Answers each line with itself.
    pub(crate) fn echoes() -> Self {
        Self::answers(|heard| Act::Say(format!("{}\n", heard.text)))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how many connections there have been.
    pub(crate) fn accepted(&self) -> usize {
        self.log.accepted.load(Ordering::SeqCst)
    }

    /// Returns how many connections there are.
    pub(crate) fn open(&self) -> usize {
        self.log.open.load(Ordering::SeqCst)
    }

    /// Returns the most connections that were there at once.
    pub(crate) fn most_open(&self) -> usize {
        self.log.most_open.load(Ordering::SeqCst)
    }

    /// Returns what was heard so far, in the order of arrival.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        let mut heard = self.log.heard.lock().expect("no part has panicked").clone();
        heard.sort_by_key(|heard| heard.number);
        heard
    }

    /// Returns the texts of what was heard so far.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.heard().into_iter().map(|heard| heard.text).collect()
    }

    /// Waits until it has heard so many requests.
    pub(crate) fn has_heard(&self, count: usize) {
        eventually(&format!("{count} requests"), patience(), || match self.log.numbers.load(Ordering::SeqCst) {
            heard if heard >= count => Ok(()),
            heard => Err(format!("{heard} until now")),
        });
    }

    /// Ends: closes all connections and listens no more.
    pub(crate) fn ends(&mut self) {
        self.log.over.store(true, Ordering::SeqCst);
        drop(self.accepting.take());
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.ends();
    }
}

impl Line<'_> {
    /// Waits for a line; `None` when the connection or the test is over.
    pub(crate) fn hears(&mut self, connection: usize, nth: usize) -> Option<Heard> {
        let end = loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                break end;
            }
            self.takes_more()?;
        };
        let text = String::from_utf8_lossy(&self.held[..end]).into_owned();
        self.held.drain(..=end);
        Some(self.notes(connection, nth, text))
    }

    /// Waits for so many bytes; `None` when the connection or the test is over.
    pub(crate) fn takes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.held.len() < count {
            self.takes_more()?;
        }
        Some(self.held.drain(..count).collect())
    }

    /// Counts a request.
    pub(crate) fn notes(&mut self, connection: usize, nth: usize, text: String) -> Heard {
        let mut log = self.log.heard.lock().expect("no part has panicked");
        let number = self.log.numbers.fetch_add(1, Ordering::SeqCst);
        let heard = Heard { connection, nth, number, at: Instant::now(), text };
        log.push(heard.clone());
        heard
    }

    fn takes_more(&mut self) -> Option<()> {
        loop {
            if self.log.over.load(Ordering::SeqCst) {
                return None;
            }
            if self.peer.readable_within(Duration::from_millis(20)) {
                break;
            }
        }
        let mut bytes = [0; 16 * 1024];
        let count = self.peer.stream().read(&mut bytes).ok().filter(|count| *count > 0)?;
        self.held.extend_from_slice(&bytes[..count]);
        Some(())
    }

    /// Sends; who is gone is no mistake of the test.
    pub(crate) fn says(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.peer.stream().write_all(bytes.as_ref());
    }

    /// Ends its stream and waits for the other side's end.
    pub(crate) fn ends(mut self) {
        let _ = self.peer.stream().shutdown(Shutdown::Write);
        while self.takes_more().is_some() {}
    }

    pub(crate) fn resets(self) {
        self.peer.resets();
    }
}

/// A run that has ended, and its report.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    pub(crate) report: Value,
}

/// Prepares `callbox bench ADDRESS WORDS`, with nothing of the machine's own proxies.
pub(crate) fn bench<'a>(address: impl Display, words: impl IntoIterator<Item = &'a str>) -> Callbox {
    let command = callbox(["bench", &address.to_string()]).args(words);
    ["all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"]
        .iter()
        .fold(command, |command, name| command.env_unset(name))
}

/// Runs `callbox bench ADDRESS WORDS --json`, which must exit with `code`.
#[track_caller]
pub(crate) fn measures<'a>(address: impl Display, words: impl IntoIterator<Item = &'a str>, code: i32) -> Run {
    Run::read(bench(address, words).arg("--json").run().exited(code))
}

/// Asks lines: `--send 'PING\n' --until '\n'` and more words.
#[track_caller]
pub(crate) fn asks<'a>(crowd: &Crowd, words: impl IntoIterator<Item = &'a str>, code: i32) -> Run {
    measures(crowd.address(), ["--send", "PING\\n", "--until", "\\n"].into_iter().chain(words), code)
}

/// The fields of a report, as they were agreed on.
const FIELDS: &str = "v event time address mode schedule connections seed warm_up_us duration_us rate_asked rate_reached \
    requests answered wrong mixed_up lost missed saturated errors unasked_bytes to_server_bytes to_client_bytes \
    to_server_bytes_per_s to_client_bytes_per_s response service lateness phases opened most_open resident_bytes \
    processor_us limits ending";

/// The figures of a distribution.
const FIGURES: &str = "p50_us p90_us p99_us p999_us max_us mean_us count";

impl Run {
    /// Waits for the end of a run under `--json` and reads its report.
    #[track_caller]
    pub(crate) fn of(process: Process, code: i32) -> Self {
        Self::read(process.exits(code))
    }

    /// Reads what must be one report, and all that must hold of any.
    #[track_caller]
    pub(crate) fn read(outcome: Outcome) -> Self {
        let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
        if text.lines().count() != 1 || !text.ends_with('\n') {
            outcome.fail("a report is one line");
        }
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| outcome.fail(&error.to_string()));
        let run = Self { outcome, report };
        run.has_every_field();
        run.adds_up();
        run
    }

    #[track_caller]
    fn has_every_field(&self) {
        let names = |value: &Value| -> BTreeSet<String> {
            value
                .as_object()
                .unwrap_or_else(|| self.outcome.fail(&format!("no object: {value}")))
                .keys()
                .cloned()
                .collect()
        };
        let listed = |text: &str| -> BTreeSet<String> { text.split_whitespace().map(str::to_owned).collect() };
        assert_eq!(names(&self.report), listed(FIELDS), "the fields of a report");
        assert_eq!((&self.report["v"], &self.report["event"]), (&1.into(), &"report".into()));
        let phases = names(&self.report["phases"]);
        assert!(phases.is_subset(&listed("connect proxy tls first_byte")), "{phases:?}");
        let phases = self.report["phases"].as_object().into_iter().flat_map(|phases| phases.values());
        let times = ["response", "service", "lateness"].into_iter().map(|name| &self.report[name]);
        for times in times.chain(phases) {
            assert_eq!(names(times), listed(FIGURES), "the figures of a distribution");
            if times["count"] == 0 {
                assert!(times.as_object().is_some_and(|all| all.values().filter(|value| value.is_null()).count() == 6));
                continue;
            }
            let figures = ["p50_us", "p90_us", "p99_us", "p999_us", "max_us"].map(|name| times[name].as_f64());
            assert!(figures.iter().all(Option::is_some) && figures.is_sorted(), "{times}");
            assert!(times["mean_us"].as_f64() <= figures[4] && figures[4] > Some(0.0), "{times}");
        }
    }

    #[track_caller]
    fn adds_up(&self) {
        let of = |name| self.count(name);
        assert_eq!(of("answered") + of("wrong") + of("lost"), of("requests"), "{}", self.report);
        assert!(of("mixed_up") <= of("wrong"), "{}", self.report);
        let timed = self.count_of("response");
        assert!(timed == of("answered") || timed == of("answered") + of("wrong"), "{}", self.report);
        assert!(of("most_open") <= of("opened"), "{}", self.report);
        let seconds = self.number("duration_us") / 1e6;
        for (count, rate) in [
            ("answered", "rate_reached"),
            ("to_server_bytes", "to_server_bytes_per_s"),
            ("to_client_bytes", "to_client_bytes_per_s"),
        ] {
            let (due, is) = (self.number(count) / seconds, self.number(rate));
            assert!((due - is).abs() <= due * 0.01 + 1.0, "{rate} is {is}, {due} would be right: {}", self.report);
        }
    }

    /// Returns a count of the report.
    #[track_caller]
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.report[name].as_u64().unwrap_or_else(|| self.outcome.fail(&format!("{name} is no count")))
    }

    /// Returns a number of the report.
    #[track_caller]
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.report[name].as_f64().unwrap_or_else(|| self.outcome.fail(&format!("{name} is no number")))
    }

    /// Returns how many times a distribution holds.
    #[track_caller]
    pub(crate) fn count_of(&self, times: &str) -> u64 {
        self.report[times]["count"].as_u64().unwrap_or_else(|| self.outcome.fail(&format!("{times} has no count")))
    }

    /// Returns a figure of a distribution: `response`, `p99`.
    #[track_caller]
    pub(crate) fn time(&self, times: &str, figure: &str) -> Duration {
        let micros = self.report[times][format!("{figure}_us")].as_f64();
        let micros = micros.unwrap_or_else(|| self.outcome.fail(&format!("{times} has no {figure}")));
        Duration::from_secs_f64(micros / 1e6)
    }

    /// Returns how often this kind of error occurred.
    pub(crate) fn errors(&self, kind: &str) -> u64 {
        self.report["errors"][kind].as_u64().unwrap_or(0)
    }

    /// Returns how often any error occurred.
    pub(crate) fn all_errors(&self) -> u64 {
        let errors = self.report["errors"].as_object().into_iter().flat_map(|errors| errors.values());
        errors.filter_map(Value::as_u64).sum()
    }

    /// Tells whether this limited the generator.
    pub(crate) fn is_limited_by(&self, name: &str) -> bool {
        self.report["limits"].as_array().is_some_and(|limits| limits.iter().any(|limit| limit == name))
    }

    /// Panics unless the counts are these and nothing else went wrong.
    #[track_caller]
    pub(crate) fn counts(&self, rows: &[(&str, u64)]) -> &Self {
        for (name, due) in rows {
            if self.count(name) != *due {
                self.outcome.fail(&format!("{name} should be {due}"));
            }
        }
        self
    }

    /// Panics unless the time is within a range.
    #[track_caller]
    pub(crate) fn lasted(&self, range: RangeInclusive<Duration>) -> &Self {
        let lasted = Duration::from_secs_f64(self.number("duration_us") / 1e6);
        if !range.contains(&lasted) {
            self.outcome.fail(&format!("it lasted for {lasted:?}, and should have for {range:?}"));
        }
        self
    }

    /// Panics unless the count is within a range.
    #[track_caller]
    pub(crate) fn counts_within(&self, name: &str, range: RangeInclusive<u64>) -> &Self {
        if !range.contains(&self.count(name)) {
            self.outcome.fail(&format!("{name} should be within {range:?}"));
        }
        self
    }

    /// Panics unless so many exchanges were all answered, and nothing went wrong.
    #[track_caller]
    pub(crate) fn answered_all(&self, count: u64) -> &Self {
        self.counts(&[("requests", count), ("answered", count), ("wrong", 0), ("lost", 0), ("missed", 0)]);
        assert_eq!(self.all_errors(), 0, "{}", self.report["errors"]);
        self
    }
}

#[test]
fn the_servers_of_these_tests_keep_count() {
    let crowd = Crowd::answers(|heard| match heard.nth {
        0 => Act::Say(format!("{} of {}\n", heard.number, heard.connection)),
        1 => Act::Nothing,
        _ => Act::Reset,
    });
    let mut first = Peer::connects(crowd.address());
    first.sends("a\n").expects("0 of 0\n");
    let mut second = Peer::connects(crowd.address());
    second.sends("b\nc\nd\n").expects("1 of 1\n").expects_reset();
    first.ends().expects_end();
    assert_eq!(crowd.texts(), ["a", "b", "c", "d"]);
    assert_eq!((crowd.accepted(), crowd.most_open()), (2, 2));
    let mut crowd = crowd;
    crowd.ends();
    assert_eq!(crowd.open(), 0);
}
