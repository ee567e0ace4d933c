//! What every command stands on: the event thread, who observes, and how a run ends.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use callbox::bus::{Bus, Interest};
use callbox::event::Event;
use callbox::observers::Observers;
use callbox::server::Report;

use crate::args::OutputArgs;
use crate::exit::{self, Failure};
use crate::explain;
use crate::signal::{Ending, Signals};
use crate::ui::json::Json;
use crate::ui::log::{Level, Log};
use crate::ui::thread::{FLUSH_GRACE, Last, Shower, Shown, Status, View};
use crate::ui::traffic::Traffic;

/// What a command is for, as far as output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A pipe for bytes: talk only when asked, and under `--json` no event of it may be lost.
    Pipe,
    /// A server for many: who comes and goes is worth a line, and so is what they say.
    Server,
}

/// A command's surroundings.
pub struct App {
    /// The flags.
    pub output: OutputArgs,
    /// Who watches the library.
    pub observers: Observers,
    purpose: Purpose,
    bus: Arc<Bus>,
    shower: Shower,
}

impl App {
    /// Starts the thread that shows events.
    pub fn start(output: &OutputArgs, purpose: Purpose) -> Result<App, Failure> {
        let level = Level {
            quiet: output.quiet,
            verbose: output.verbose,
            sessions: purpose == Purpose::Server,
            explain: output.explains(),
        };
        let lines = purpose == Purpose::Server && !output.quiet && !output.json;
        let interest = Interest {
            data: output.json || lines,
            talk: output.json || (!output.quiet && (level.sessions || level.verbose > 0)) || level.explain.is_some(),
            lossless: output.json && purpose == Purpose::Pipe,
        };
        let bus = Bus::new(interest);
        let view = if output.json {
            let level = Level { verbose: 0, sessions: false, ..level };
            View::Json(Json::new(), Log::new(level, output.colored(&io::stderr()), None))
        } else {
            let traffic = lines.then(|| Traffic::new(output.colored(&io::stdout())));
            View::Log(Log::new(level, output.colored(&io::stderr()), traffic))
        };
        let shower = Shower::start(bus.clone(), view).map_err(|error| Failure::local("start a thread", &error))?;
        Ok(App { output: output.clone(), observers: Observers::on_bus(&bus), purpose, bus, shower })
    }

    /// Says something that is talk, after what was said before.
    pub fn say(&self, message: impl Into<String>) {
        if !self.output.quiet && !self.output.json {
            self.bus.emit(tokio::time::Instant::now(), Event::Notice { message: message.into() });
        }
    }

    /// Returns whether standard output still takes the lines of events.
    pub fn status(&self) -> Status {
        self.shower.status()
    }

    /// Ends the run: shows what is left, the summary where there is one, and the failure; returns the exit code.
    ///
    /// A pipe's own data is waited for until a signal comes; the lines of a server only for a moment.
    pub async fn finish(self, result: Result<u8, Failure>, summary: Option<Report>, signals: &mut Signals) -> u8 {
        let failure = result.as_ref().err().cloned();
        let timed_out = matches!(&result, Err(failure) if failure.code == exit::TIMED_OUT);
        let brief = self.purpose == Purpose::Server || timed_out;
        let mut signalled = None;
        let patience = async {
            tokio::select! {
                biased;
                ending = signals.ending() => signalled = Some(ending),
                () = tokio::time::sleep(FLUSH_GRACE), if brief => {}
            }
        };
        let shown = self.shower.finish(Last { failure, summary }, patience).await;
        let code = match result {
            Ok(code) => code,
            Err(failure) => {
                failure.print();
                if let (Some(lang), Some(error)) = (self.output.explains(), &failure.source) {
                    explain::failure::print(error, lang);
                }
                failure.code
            }
        };
        match shown {
            // Nobody reads any more, and that is how pipes end.
            Shown::Failed(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
            Shown::Failed(error) if code == exit::DONE => {
                Failure::local("write to standard output", &error).print();
                exit::LOCAL
            }
            Shown::Part => {
                crate::ui::complain("callbox: the last lines were not taken from standard output\n");
                signalled.map_or(code, Ending::code)
            }
            _ => code,
        }
    }

    /// Tells whether standard output is a terminal.
    pub fn stdout_is_terminal() -> bool {
        io::stdout().is_terminal()
    }
}
