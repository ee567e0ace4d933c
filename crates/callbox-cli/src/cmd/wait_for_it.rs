//! What callbox is when it is started as `wait-for-it.sh`: the flags, lines and exit codes of the script of that name, for those
//! who have it in their images already.
//!
//! One target, connectable or not, whole seconds. It differs where the script cannot do better: it looks again sooner than after
//! a second, and it takes `[v6]:port`.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

use callbox::Addr;
use callbox::probe::wait::{Check, Wait};

use super::wait::become_program;
use crate::exit::{self, Failure};
use crate::signal::Signals;

/// Names that callbox is known by as that script.
const NAMES: [&str; 2] = ["wait-for-it.sh", "wait-for-it"];
/// How many seconds it waits unless asked otherwise.
const SECONDS: u64 = 15;
/// Bad flags, and help.
const USAGE: u8 = 1;

/// Does what the script does, if that is the name it was started by.
pub fn run_by_that_name(words: impl Iterator<Item = OsString>) -> Option<u8> {
    let mut words = words;
    let started = words.next()?;
    let name = Path::new(&started).file_name().and_then(OsStr::to_str).filter(|name| NAMES.contains(name))?;
    Some(match Asked::read(words) {
        Ok(asked) => asked.run(name),
        Err(wrong) => {
            // Help is no error, and has no line of its own.
            if let (false, Some(problem)) = (wrong.quiet, &wrong.problem) {
                crate::ui::complain(&format!("{problem}\n"));
            }
            crate::ui::complain(&usage(name));
            USAGE
        }
    })
}

/// What the words ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    host: String,
    port: String,
    seconds: u64,
    strict: bool,
    quiet: bool,
    command: Vec<OsString>,
}

/// Why the usage is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrong {
    problem: Option<String>,
    quiet: bool,
}

impl Asked {
    fn read(mut words: impl Iterator<Item = OsString>) -> Result<Asked, Wrong> {
        let (mut host, mut port, mut seconds) = (String::new(), String::new(), SECONDS.to_string());
        let (mut strict, mut quiet, mut command) = (false, false, Vec::new());
        while let Some(word) = words.next() {
            let word = word.to_string_lossy().into_owned();
            let mut value = || words.next().map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
            match (word.as_str(), word.split_once('=')) {
                ("-q" | "--quiet", _) => quiet = true,
                ("-s" | "--strict", _) => strict = true,
                ("-h", _) => host = value(),
                ("-p", _) => port = value(),
                ("-t", _) => seconds = value(),
                ("--", _) => {
                    command = words.by_ref().collect();
                    break;
                }
                ("--help", _) => return Err(Wrong { problem: None, quiet }),
                (_, Some(("--host", value))) => host = value.to_owned(),
                (_, Some(("--port", value))) => port = value.to_owned(),
                (_, Some(("--timeout", value))) => seconds = value.to_owned(),
                (both, _) if both.contains(':') => {
                    let (name, number) = both.rsplit_once(':').expect("it has one");
                    (host, port) = (name.to_owned(), number.to_owned());
                }
                (unknown, _) => return Err(Wrong { problem: Some(format!("Unknown argument: {unknown}")), quiet }),
            }
        }
        let wrong = |problem: &str| Err(Wrong { problem: Some(problem.to_owned()), quiet });
        if host.is_empty() || port.is_empty() {
            return wrong("Error: you need to provide a host and port to test.");
        }
        let Ok(seconds) = seconds.parse() else {
            return wrong(&format!("Error: {seconds:?} is no number of seconds."));
        };
        // A command that is empty is none, as it is for the script.
        command.first().is_some_and(|first| first.is_empty()).then(|| command.clear());
        Ok(Asked { host, port, seconds, strict, quiet, command })
    }

    /// Waits; runs the command, if there is one, and unless strictness forbids it.
    fn run(&self, name: &str) -> u8 {
        let fail = |failure: Failure| {
            failure.print();
            failure.code
        };
        let addr = match Addr::from_words(self.host.trim_matches(['[', ']']), &self.port) {
            Ok(addr) => addr,
            Err(invalid) => {
                self.say(format_args!("Error: {invalid}"));
                return USAGE;
            }
        };
        let code = match super::run_on_main(self.wait(name, addr)) {
            Ok(code @ (exit::DONE | exit::TIMED_OUT)) => code,
            // A signal ends it, whatever there is to run.
            Ok(code) => return code,
            Err(failure) => return fail(failure),
        };
        match (self.command.is_empty(), code) {
            (true, code) => code,
            (false, exit::TIMED_OUT) if self.strict => {
                self.say(format_args!("{name}: strict mode, refusing to execute subprocess"));
                code
            }
            _ => fail(become_program(&self.command)),
        }
    }

    async fn wait(&self, name: &str, addr: Addr) -> Result<u8, Failure> {
        let Asked { host, port, seconds, .. } = self;
        match seconds {
            0 => self.say(format_args!("{name}: waiting for {host}:{port} without a timeout")),
            _ => self.say(format_args!("{name}: waiting {seconds} seconds for {host}:{port}")),
        }
        let mut signals = Signals::listen().map_err(|error| Failure::local("listen to signals", &error))?;
        let timeout = (*seconds > 0).then(|| Duration::from_secs(*seconds));
        let mut waiting = Wait { timeout, ..Wait::new(vec![Check::new(addr)]) }.start();
        let found = tokio::select! {
            biased;
            ending = signals.ending() => return Ok(ending.code()),
            found = waiting.next() => found,
        };
        let Some(after) = found.and_then(|target| target.ready_after) else {
            self.say(format_args!("{name}: timeout occurred after waiting {seconds} seconds for {host}:{port}"));
            return Ok(exit::TIMED_OUT);
        };
        self.say(format_args!("{name}: {host}:{port} is available after {} seconds", after.as_secs()));
        Ok(exit::DONE)
    }

    fn say(&self, line: std::fmt::Arguments<'_>) {
        if !self.quiet {
            crate::ui::complain(&format!("{}\n", callbox::text::safe(&line.to_string())));
        }
    }
}

fn usage(name: &str) -> String {
    format!(
        "Usage:
    {name} host:port [-s] [-q] [-t seconds] [-- command args]
    -h HOST, --host=HOST            the host to wait for
    -p PORT, --port=PORT            its port; both may be given as host:port
    -s, --strict                    run the command only if it was reached in time
    -q, --quiet                     say nothing
    -t SECONDS, --timeout=SECONDS   give up after this time; 0 is never; {SECONDS} unless given
    -- COMMAND ARGS                 run this afterwards
    (this is callbox by another name; `callbox wait --help` has more)
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Asked, Wrong> {
        Asked::read(words.iter().map(OsString::from))
    }

    #[test]
    fn all_spellings_say_the_same() {
        let due = read(&["db:5432", "-t", "3", "-s", "-q"]).expect("good");
        assert_eq!(
            (due.host.as_str(), due.port.as_str(), due.seconds, due.strict, due.quiet),
            ("db", "5432", 3, true, true)
        );
        assert_eq!(read(&["-h", "db", "-p", "5432", "-t", "3", "-s", "-q"]), Ok(due.clone()));
        assert_eq!(read(&["--host=db", "--port=5432", "--timeout=3", "--strict", "--quiet"]), Ok(due));
        let plain = read(&["[::1]:80", "--", "echo", "-q", "a:b"]).expect("good");
        assert_eq!((plain.host.as_str(), plain.port.as_str(), plain.seconds), ("[::1]", "80", SECONDS));
        assert_eq!(plain.command, ["echo", "-q", "a:b"], "the command's words are its own");
        assert!(!plain.quiet);
    }

    #[test]
    fn what_is_missing_or_unknown_is_said_before_the_usage() {
        let problem = |words: &[&str]| read(words).expect_err("is wrong").problem;
        let missing = Some("Error: you need to provide a host and port to test.".to_owned());
        assert_eq!(problem(&[]), missing);
        assert_eq!(problem(&["--host=db"]), missing);
        assert_eq!(problem(&["-p", "80"]), missing);
        assert_eq!(problem(&["db:"]), missing);
        assert_eq!(problem(&["-h"]), missing);
        assert_eq!(problem(&["--sirict"]), Some("Unknown argument: --sirict".into()));
        assert_eq!(problem(&["db:1", "-t", "5s"]), Some("Error: \"5s\" is no number of seconds.".into()));
        assert_eq!(problem(&["--help"]), None);
        assert!(read(&["-q"]).expect_err("is wrong").quiet);
    }

    #[test]
    fn other_names_are_not_the_scripts() {
        let run = |name: &str| run_by_that_name([OsString::from(name), "--help".into()].into_iter());
        assert_eq!(run("callbox"), None);
        assert_eq!(run("/usr/bin/callbox-wait-for-it"), None);
    }
}
