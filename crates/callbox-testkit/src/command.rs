//! Starting the binary under test, or a program that stands in for it.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::process::{Outcome, Process};
use crate::terminal::Terminal;
use crate::{Netns, skip};

/// Where a program's input comes from.
#[derive(Debug)]
pub enum Input {
    /// `/dev/null`: ends at once.
    Null,
    /// A pipe the test writes to.
    Piped,
    /// Any open descriptor.
    From(OwnedFd),
    /// No descriptor 0 at all, as `<&-` in a shell.
    Closed,
}

/// Where a program's output goes.
#[derive(Debug)]
pub enum Output {
    /// A pipe read at once into a transcript.
    Captured,
    /// A pipe the test reads itself, when it likes.
    Held,
    /// Any open descriptor.
    To(OwnedFd),
    /// No descriptor at all, as `>&-` in a shell.
    Closed,
}

/// A command line of the program under test.
#[derive(Debug)]
pub struct Callbox {
    program: PathBuf,
    wrappers: Vec<Vec<OsString>>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, Option<OsString>)>,
    folder: Option<PathBuf>,
    input: Input,
    output: Output,
    errors: Output,
}

impl Callbox {
    /// Prepares `program` without arguments, input from `/dev/null`, outputs captured, a plain environment.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let plain = [("LANG", Some("C.UTF-8")), ("TERM", Some("xterm-256color"))];
        let unset = ["LC_ALL", "LC_MESSAGES", "LANGUAGE", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"];
        let environment = plain.into_iter().chain(unset.map(|name| (name, None)));
        Self {
            program: program.into(),
            wrappers: Vec::new(),
            arguments: Vec::new(),
            environment: environment.map(|(name, value)| (name.into(), value.map(OsString::from))).collect(),
            folder: None,
            input: Input::Null,
            output: Output::Captured,
            errors: Output::Captured,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), Some(value.as_ref().to_owned())));
        self
    }

    /// Unsets an environment variable.
    pub fn env_unset(mut self, name: &str) -> Self {
        self.environment.push((name.into(), None));
        self
    }

    /// Starts in `folder`.
    pub fn within_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Chooses the input.
    pub fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// Chooses where standard output goes.
    pub fn output(mut self, output: Output) -> Self {
        self.output = output;
        self
    }

    /// Chooses where standard error goes.
    pub fn errors(mut self, errors: Output) -> Self {
        self.errors = errors;
        self
    }

    /// Lets `wrapper` start the program; it must become the program (`exec`), so that the pid stays the program's.
    pub fn through<A: AsRef<OsStr>>(mut self, wrapper: impl IntoIterator<Item = A>) -> Self {
        self.wrappers.push(wrapper.into_iter().map(|word| word.as_ref().to_owned()).collect());
        self
    }

    /// Starts with these soft and hard limits on descriptors.
    pub fn descriptors(self, soft: u64, hard: u64) -> Self {
        self.through(["prlimit".to_owned(), format!("--nofile={soft}:{hard}"), "--".to_owned()])
    }

    /// Starts as the user nobody, who is allowed little.
    pub fn as_nobody(self) -> Self {
        self.through(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"])
    }

    /// Starts inside a network namespace.
    pub fn within(self, namespace: &Netns) -> Self {
        self.through(namespace.wrapper())
    }

    /// Starts on `terminal` as its session's leader: the terminal is input, output and errors.
    pub fn on_terminal(self, terminal: &Terminal) -> Self {
        self.controlled_by(terminal).output(Output::To(terminal.side())).errors(Output::To(terminal.side()))
    }

    /// Starts with `terminal` as its input and controlling terminal only.
    pub fn controlled_by(self, terminal: &Terminal) -> Self {
        self.input(Input::From(terminal.side())).through(["setsid", "--ctty"])
    }

    /// Starts it.
    pub fn start(self) -> Process {
        let mut words = self.words();
        let line = words.iter().map(|word| word.display().to_string()).collect::<Vec<_>>().join(" ");
        let program = words.remove(0);
        let mut command = Command::new(skip::find_tool(&program.display().to_string()).unwrap_or(program.into()));
        command.args(words);
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.stdin(match self.input {
            Input::Null | Input::Closed => Stdio::null(),
            Input::Piped => Stdio::piped(),
            Input::From(descriptor) => descriptor.into(),
        });
        let held = matches!(self.output, Output::Held);
        command.stdout(self.output.stdio()).stderr(self.errors.stdio());
        let child = command.spawn().unwrap_or_else(|error| panic!("start {line}: {error}"));
        Process::new(child, line, held)
    }

    /// Starts it and waits for its end, whatever the exit code.
    pub fn run(self) -> Outcome {
        self.start().ends()
    }

    fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = self.wrappers.iter().rev().flatten().cloned().collect();
        let mut closing = String::new();
        if matches!(self.input, Input::Closed) {
            closing.push_str(" <&-");
        }
        if matches!(self.output, Output::Closed) {
            closing.push_str(" >&-");
        }
        if !closing.is_empty() {
            words.extend(["sh".into(), "-c".into(), format!("exec \"$@\"{closing}").into(), "sh".into()]);
        }
        words.push(self.program.clone().into());
        words.extend(self.arguments.iter().cloned());
        words
    }
}

impl Output {
    fn stdio(self) -> Stdio {
        match self {
            Self::Captured | Self::Held => Stdio::piped(),
            Self::To(descriptor) => descriptor.into(),
            Self::Closed => Stdio::null(),
        }
    }
}
