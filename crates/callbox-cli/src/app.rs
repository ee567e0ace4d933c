//! What every command stands on: the event thread, who observes, and how a run ends.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use callbox::bus::{Bus, Interest};
use callbox::direction::Direction;
use callbox::error::Error;
use callbox::event::Event;
use callbox::frame::Framing;
use callbox::frames::{Cut, Ends};
use callbox::observers::Observers;
use callbox::server::Report;
use callbox::view::Show;

use crate::args::OutputArgs;
use crate::console::{Console, direct};
use crate::exit::{self, Failure};
use crate::explain;
use crate::signal::{Ending, Signals};
use crate::tls::expiry;
use crate::ui::json::Json;
use crate::ui::log::{Level, Log};
use crate::ui::thread::{FLUSH_GRACE, Last, SIGNAL_GRACE, Shower, Shown, Status, View};
use crate::ui::traffic::{Place, SharedStyle, Traffic};

/// What a command is for, as far as output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A pipe for bytes: talk only when asked, and under `--json` no event of it may be lost.
    Pipe,
    /// A server for many: who comes and goes is worth a line, and so is what they say.
    Server,
}

/// What is done with the bytes that a command carries, apart from carrying them.
pub struct Watched {
    /// How they are shown.
    pub style: SharedStyle,
    /// Whether somebody may change that, and the framer, while it runs.
    pub live: bool,
    /// How they are cut.
    pub framing: Framing,
    /// No more received frames are shown than this.
    pub most_frames: Option<u64>,
    /// Which bytes that can be no frame end their session.
    pub ends_session: Ends,
    /// Which direction is received.
    pub inbound: Direction,
    /// The byte pipe's bytes go to standard output as they are, past the events.
    pub raw: bool,
    /// Certificates of other sides that expire within this time are warned of.
    pub expiry_warn: Option<Duration>,
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
    /// Open until the last line is shown.
    console: Option<Console>,
}

impl App {
    /// Starts the thread that shows events.
    pub fn start(output: &OutputArgs, purpose: Purpose, watched: Watched) -> Result<App, Failure> {
        let Watched { style, live, framing, most_frames, ends_session, inbound, raw, expiry_warn } = watched;
        let (show, encoding) = {
            let style = style.lock().unwrap_or_else(PoisonError::into_inner);
            (style.show, style.encoding)
        };
        let level = Level {
            quiet: output.quiet,
            verbose: output.verbose,
            sessions: purpose == Purpose::Server,
            explain: output.explains(),
            expiry_warn,
        };
        let pipe = purpose == Purpose::Pipe;
        let wanted = if pipe { !raw } else { !output.quiet };
        let lines = !output.json && wanted && (show != Show::None || live);
        let cuts = !framing.is_none() || live;
        let interest = Interest {
            data: output.json || lines,
            talk: output.json
                || lines
                || (pipe && !raw)
                || (!output.quiet && (level.sessions || level.verbose > 0))
                || level.explain.is_some()
                || expiry_warn.is_some(),
            lossless: pipe && (output.json || lines),
            frames: cuts,
        };
        let bus = Bus::new(interest);
        let view = if output.json {
            let level = Level { verbose: 0, sessions: false, ..level };
            View::Json(Json::new(encoding), Log::new(level, output.colored(&io::stderr()), None))
        } else {
            let place = Place {
                names: !pipe,
                only: pipe.then_some(inbound),
                colored: output.colored(&io::stdout()),
                live: live || App::stdout_is_terminal(),
                sampled: !pipe && live && App::stdout_is_terminal(),
            };
            let traffic = lines.then(|| Traffic::new(style, place));
            View::Log(Log::new(level, output.colored(&io::stderr()), traffic))
        };
        // A terminal has no reader that waits for the end.
        let closes_after = (pipe && !raw && !live && !output.json && !App::stdout_is_terminal()).then_some(inbound);
        let shower = Shower::start(bus.clone(), view, closes_after);
        let shower = shower.map_err(|error| Failure::local("start a thread", &error))?;
        let observers = Observers::on_bus(&bus);
        let observers = if cuts { observers.with_cut(Cut { framing, most_frames, ends_session }) } else { observers };
        Ok(App { output: output.clone(), observers, purpose, bus, shower, console: None })
    }

    /// Says something that is talk, after what was said before.
    pub fn say(&self, message: impl Into<String>) {
        if !self.output.quiet && !self.output.json {
            self.bus.emit(tokio::time::Instant::now(), Event::Notice { message: message.into() });
        }
    }

    /// Says what must not be missed, however little is to be said; to programs too.
    pub fn warn(&self, message: &str) {
        if self.output.json {
            self.tell(message);
            // The log says notices too, unless it is to be quiet.
            if !self.output.quiet {
                return;
            }
        }
        expiry::warn(message);
    }

    /// Says something that has happened: to programs too.
    pub fn tell(&self, message: impl Into<String>) {
        self.bus.emit(tokio::time::Instant::now(), Event::Notice { message: message.into() });
    }

    /// Says with which seed the same would be drawn again: to programs too.
    pub fn drew(&self, seed: u64) {
        self.tell(format!("seed {seed}: --seed {seed} draws the same again"));
    }

    /// Says what failed while the run goes on.
    pub fn failed(&self, error: Error) {
        self.bus.emit(tokio::time::Instant::now(), Event::Failed { session: None, error: Arc::new(error) });
    }

    /// Says where callbox can be steered.
    pub fn steered_at(&self, address: SocketAddr) {
        self.bus.emit(tokio::time::Instant::now(), Event::Control { address: address.into() });
    }

    /// Keeps a console open until the last line is shown.
    pub fn keep(&mut self, console: Console) {
        self.console = Some(console);
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
                () = tokio::time::sleep(FLUSH_GRACE), if brief => return,
            }
            // Whoever has us on a pipe often signals once it has all it wanted: what only needs a moment is written.
            tokio::time::sleep(SIGNAL_GRACE).await;
        };
        let console = self.console;
        let shown = self.shower.finish(Last { failure, summary }, patience).await;
        // What takes no lines may be the terminal of the error output too, and that must not hold the exit.
        let heard = !matches!(shown, Shown::Part) || direct::takes(direct::To::Errors);
        let code = match result {
            Ok(code) => code,
            Err(failure) => {
                if heard {
                    failure.print();
                }
                if let (true, Some(lang), Some(error)) = (heard, self.output.explains(), &failure.source) {
                    explain::failure::print(error, lang);
                }
                failure.code
            }
        };
        if let Some(console) = console {
            console.close().await;
        }
        match shown {
            // Nobody reads any more, and that is how pipes end.
            Shown::Failed(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
            Shown::Failed(error) if code == exit::DONE => {
                Failure::local("write to standard output", &error).print();
                exit::LOCAL
            }
            Shown::Part => {
                if heard {
                    crate::ui::complain("callbox: the last lines were not taken from standard output\n");
                }
                signalled.map_or(code, Ending::code)
            }
            _ => code,
        }
    }

    /// Tells whether standard output is /dev/null: then nobody can look, and the bytes need not be shown.
    pub fn stdout_is_null() -> bool {
        let (Ok(stdout), Ok(null)) = (rustix::fs::fstat(io::stdout()), rustix::fs::stat("/dev/null")) else {
            return false;
        };
        (stdout.st_rdev, stdout.st_mode) == (null.st_rdev, null.st_mode)
    }

    /// Tells whether standard output is a terminal.
    pub fn stdout_is_terminal() -> bool {
        io::stdout().is_terminal()
    }
}
