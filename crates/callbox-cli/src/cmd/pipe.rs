//! What `connect` and `listen` have in common: everything after the connection is there.

use std::io::IsTerminal;
use std::time::Duration;

use callbox::Stream;
use callbox::direction::{Direction, Role};
use callbox::handle::talk::{Ending, Outcome, Output, Terms, talk};
use callbox::net::socket::Effective;
use callbox::pattern::{Expect, Pattern};
use callbox::server::Report;
use callbox::session::Session;
use callbox::termination::Termination;
use callbox::text::escape;
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::args::{Send, Sends, duration, optional};
use crate::exit::{self, Failure};
use crate::signal::Signals;
use crate::ui::thread::FLUSH_GRACE;
use crate::ui::{input, log, output};

/// What goes through the pipe, and when it is over.
#[derive(Debug, clap::Args)]
pub struct PipeArgs {
    #[command(flatten)]
    pub sends: Sends,
    /// Wait for this to be received, then leave; an escaped text, or re:REGEX; repeatable, met in order
    #[arg(long, value_name = "PATTERN", help_heading = "When it is over")]
    pub expect: Vec<Pattern>,
    /// Leave after this many received chunks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "When it is over")]
    pub count: Option<u64>,
    /// The deadline of the whole run; 0 is none
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0", help_heading = "When it is over")]
    pub timeout: Duration,
    /// Leave when no byte went either way for this long; 0 is never
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0", help_heading = "When it is over")]
    pub idle_timeout: Duration,
    /// Send no end of stream when the input has ended; leave with the peer
    #[arg(long, help_heading = "When it is over")]
    pub no_shutdown: bool,
    /// Leave this long after our end of stream even if the peer stays [default: stay]
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "When it is over")]
    pub linger: Option<Duration>,
    /// Write received bytes to a terminal as they are
    #[arg(long, conflicts_with = "escape", help_heading = "Output")]
    pub raw: bool,
    /// Show received bytes as text that is safe for a terminal, wherever it goes
    #[arg(long, help_heading = "Output")]
    pub escape: bool,
}

impl PipeArgs {
    /// Returns when the whole run must be over.
    pub fn deadline(&self) -> Option<Instant> {
        optional(self.timeout).map(|timeout| Instant::now() + timeout)
    }

    fn input_is_terminal(&self) -> bool {
        self.sends.0.is_empty() && std::io::stdin().is_terminal()
    }

    fn terms(&self, abrupt: bool) -> Terms {
        Terms {
            abrupt,
            no_shutdown: self.no_shutdown,
            linger: self.linger,
            end_with_peer: self.no_shutdown || self.input_is_terminal(),
            expect: (!self.expect.is_empty()).then(|| Expect::new(self.expect.clone())),
            count: self.count,
            idle_timeout: optional(self.idle_timeout),
        }
    }

    /// Fails where a file to send cannot be opened, before anybody is connected to.
    pub fn check_files(&self) -> Result<(), Failure> {
        for send in &self.sends.0 {
            if let Send::File(path) = send {
                let opened = std::fs::File::open(path).map(drop);
                opened.map_err(|error| Failure::local(&format!("read {}", path.display()), &error))?;
            }
        }
        Ok(())
    }

    /// A deadline passed before there was a connection.
    pub fn too_late(&self, what: &str) -> Failure {
        let limit = callbox::units::show_duration(self.timeout);
        Failure::new(
            if self.expect.is_empty() { exit::TIMED_OUT } else { exit::UNMET },
            format!("{what}: not done within {limit}"),
        )
    }
}

/// Talks through the pipe until it is over; returns the exit code and the totals.
pub async fn run(
    app: &App,
    args: &PipeArgs,
    stream: Stream,
    signals: &mut Signals,
    deadline: Option<Instant>,
) -> (Result<u8, Failure>, Report) {
    let session = stream.session().clone();
    let terminal = args.input_is_terminal();
    if terminal {
        let peer = session.peer();
        match session.role() {
            Role::Client => app.say(format!("connected to {peer}; Ctrl-D ends what you send")),
            Role::Server => app.say(format!("connected from {peer}; Ctrl-D ends what you send")),
        }
    }
    let result = match app.output.json {
        true => {
            let mut output = output::InsideEvents::new(app.status());
            converse(app, args, stream, &mut output, signals, deadline).await.unwrap_or_else(|at_once| Ok(at_once.0))
        }
        false => match output::Stdout::start(args.escape || (!args.raw && App::stdout_is_terminal())) {
            Err(error) => Err(Failure::local("start a thread", &error)),
            Ok(mut output) => match converse(app, args, stream, &mut output, signals, deadline).await {
                Ok(result) => flushed(result, output, signals).await,
                Err(at_once) => Ok(at_once.0),
            },
        },
    };
    if terminal
        && result.is_ok()
        && let Some(termination) = session.termination()
    {
        app.say(log::how(termination));
    }
    (result, report(&session))
}

/// The exit code of a run that ends without waiting for its output.
struct AtOnce(u8);

/// Waits until what was received is written; a second signal ends that.
async fn flushed(
    result: Result<u8, Failure>,
    mut output: output::Stdout,
    signals: &mut Signals,
) -> Result<u8, Failure> {
    if matches!(&result, Err(failure) if failure.code == exit::LOCAL) {
        return result;
    }
    let hurry = matches!(&result, Ok(exit::TIMED_OUT) | Err(Failure { code: exit::TIMED_OUT, .. }));
    let grace = hurry.then(|| Instant::now() + FLUSH_GRACE);
    tokio::select! {
        biased;
        written = output.flush() => match written {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::local("write to standard output", &error))
            }
            _ => result,
        },
        ending = signals.ending() => Ok(ending.code()),
        () = until(grace) => result,
    }
}

async fn converse(
    app: &App,
    args: &PipeArgs,
    stream: Stream,
    output: &mut impl Output,
    signals: &mut Signals,
    deadline: Option<Instant>,
) -> Result<Result<u8, Failure>, AtOnce> {
    let session = stream.session().clone();
    let abrupt =
        stream.descriptor().is_some_and(|socket| Effective::of(socket).is_ok_and(|options| options.zero_linger));
    let input = match args.sends.0.as_slice() {
        [] => input::standard_input(),
        sends => input::read_all(sends.to_vec()),
    };
    let talking = talk(stream, input, output, args.terms(abrupt));
    tokio::pin!(talking);
    let mut signalled = None;
    // What has come is written before a run ends; an output that takes nothing must not hold it for ever.
    let mut grace = None;
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = &mut talking => break outcome,
            ending = signals.ending() => {
                if signalled.is_some() {
                    return Err(AtOnce(ending.code()));
                }
                signalled = Some(ending);
                session.stop(Termination::Signal);
            }
            () = until(deadline), if session.stopped().is_none() => {
                session.stop(Termination::Timeout);
                grace = Some(Instant::now() + FLUSH_GRACE);
            }
            () = until(grace) => return Err(AtOnce(if args.expect.is_empty() { exit::TIMED_OUT } else { exit::UNMET })),
        }
    };
    if let Some(ending) = signalled {
        return Ok(Ok(ending.code()));
    }
    let mut result = judge(app, args, &session, outcome);
    if let Err(failure) = &mut result {
        failure.address = Some(session.peer().to_string());
    }
    Ok(result)
}

/// Turns the way a conversation ended into an exit code.
fn judge(app: &App, args: &PipeArgs, session: &Session, outcome: Outcome) -> Result<u8, Failure> {
    let peer = match session.role() {
        Role::Client => "server",
        Role::Server => "client",
    };
    match outcome.ending {
        Ending::ExpectMet | Ending::CountReached => Ok(exit::DONE),
        Ending::OutputClosed => {
            if app.output.verbose > 0 {
                app.say("nobody reads our output any more; input not yet sent is dropped");
            }
            Ok(exit::DONE)
        }
        Ending::InputFailed(error) => Err(Failure::local("read", &error)),
        Ending::OutputFailed(error) => Err(Failure::local("write to standard output", &error)),
        Ending::Lost(error) => Err(Failure::from(error)),
        Ending::Stopped(Termination::Timeout) if args.expect.is_empty() => Err(Failure::new(
            exit::TIMED_OUT,
            format!("not done within {}", callbox::units::show_duration(args.timeout)),
        )),
        Ending::Stopped(Termination::IdleTimeout) if args.expect.is_empty() => {
            let limit = callbox::units::show_duration(args.idle_timeout);
            Err(Failure::new(exit::TIMED_OUT, format!("no byte in either direction for {limit}")))
        }
        ending => match (&outcome.expect, args.count) {
            (Some(expect), _) if !expect.is_met() => Err(unmet(expect, &ending, peer, args)),
            (_, Some(count)) if outcome.chunks < count => {
                let message = format!("the {peer} ended its stream after {} of {count} chunks", outcome.chunks);
                Err(Failure::new(exit::LOST, message))
            }
            _ => Ok(exit::DONE),
        },
    }
}

/// Says what was expected and what came instead.
fn unmet(expect: &Expect, ending: &Ending, peer: &str, args: &PipeArgs) -> Failure {
    let pattern = expect.pending().map(ToString::to_string).unwrap_or_default();
    let until = match ending {
        Ending::Stopped(Termination::IdleTimeout) => {
            format!("before no byte had come or gone for {}", callbox::units::show_duration(args.idle_timeout))
        }
        Ending::Stopped(_) => format!("within {}", callbox::units::show_duration(args.timeout)),
        Ending::LingerOver => "before the linger time was over".into(),
        _ => format!("before the {peer}'s end of stream"),
    };
    let number =
        if args.expect.len() > 1 { format!(" ({} of {})", expect.met() + 1, args.expect.len()) } else { String::new() };
    let instead = match expect.tail() {
        [] => "nothing came".to_owned(),
        tail => format!("what came instead: \"{}\"", escape(tail)),
    };
    Failure::new(exit::UNMET, format!("expected \"{pattern}\"{number} and did not see it {until}; {instead}"))
}

fn report(session: &Session) -> Report {
    Report {
        sessions: 1,
        to_server_bytes: session.meter().bytes(Direction::ToServer),
        to_client_bytes: session.meter().bytes(Direction::ToClient),
        duration: session.age(),
        ..Report::default()
    }
}

/// Waits until then, or for ever.
pub async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
