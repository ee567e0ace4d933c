//! What `connect` and `listen` have in common: everything after the connection is there.

mod console;
mod judge;
mod plan;

pub use plan::Plan;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callbox::Stream;
use callbox::direction::{Direction, Role};
use callbox::handle::faulty::bend;
use callbox::handle::talk::{Ending, Output, Terms, talk};
use callbox::net::socket::Effective;
use callbox::pattern::{Expect, Pattern};
use callbox::server::Report;
use callbox::session::Session;
use callbox::termination::Termination;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::args::{ConsoleArgs, FaultArgs, Sends, TemplateArgs, TextArgs, duration, optional};
use crate::console::command::Side;
use crate::console::outgoing::Outgoing;
use crate::console::voice::Manner;
use crate::console::{Console, Wish};
use crate::exit::{self, Failure};
use crate::signal::{self, Signals};
use crate::ui::thread::FLUSH_GRACE;
use crate::ui::{input, log, output};
use console::Seat;

/// What goes through the pipe, and when it is over.
#[derive(Debug, clap::Args)]
pub struct PipeArgs {
    #[command(flatten)]
    pub sends: Sends,
    /// Wait for this to be received, then leave; an escaped text, or re:REGEX; repeatable, met in order
    #[arg(long, value_name = "PATTERN", help_heading = "When it is over")]
    pub expect: Vec<Pattern>,
    /// Leave after this many received chunks or, with --frame, frames
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
    #[command(flatten)]
    pub faults: FaultArgs,
    #[command(flatten)]
    pub text: TextArgs,
    #[command(flatten)]
    pub template: TemplateArgs,
    #[command(flatten)]
    pub console: ConsoleArgs,
    /// Write received bytes to a terminal as they are; the same as --show raw
    #[arg(long, conflicts_with_all = ["escape", "show"], help_heading = "Frames and text")]
    pub raw: bool,
    /// Show received bytes as text that is safe for a terminal, wherever it goes; the same as --show text
    #[arg(long, conflicts_with = "show", help_heading = "Frames and text")]
    pub escape: bool,
}

impl PipeArgs {
    /// Returns when the whole run must be over.
    pub fn deadline(&self) -> Option<Instant> {
        optional(self.timeout).map(|timeout| Instant::now() + timeout)
    }

    fn input_is_terminal(&self) -> bool {
        self.sends.is_empty() && std::io::stdin().is_terminal()
    }

    fn terms(&self, plan: &Plan, abrupt: bool) -> Terms {
        Terms {
            abrupt,
            no_shutdown: self.no_shutdown,
            linger: self.linger,
            end_with_peer: self.no_shutdown || self.input_is_terminal(),
            expect: (!plan.expect.is_empty()).then(|| Expect::new(plan.expect.clone())),
            count: self.count,
            framing: plan.framing.clone(),
            idle_timeout: optional(self.idle_timeout),
            leave: None,
        }
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
    app: &mut App,
    (args, plan): (&PipeArgs, &Plan),
    stream: Stream,
    signals: &mut Signals,
    deadline: Option<Instant>,
) -> (Result<u8, Failure>, Report) {
    let session = stream.session().clone();
    let terminal = args.input_is_terminal();
    if terminal {
        let peer = session.peer();
        let how = if plan.console { "/help shows what you can do, Ctrl-D" } else { "Ctrl-D" };
        match session.role() {
            Role::Client => app.say(format!("connected to {peer}; {how} ends what you send")),
            Role::Server => app.say(format!("connected from {peer}; {how} ends what you send")),
        }
    }
    let mut console = match plan.console.then(|| Console::open(Side::Connect, PROMPT)).transpose() {
        Ok(console) => console,
        Err(error) => return (Err(Failure::local("open the console", &error)), report(&session)),
    };
    if args.text.framing.seed.is_none() && (plan.draws_randomness() || plan.faults.is_some()) {
        app.drew(plan.seed);
    }
    let (stream, bending) = match &plan.faults {
        Some(faults) => {
            let (near, carrying) = bend(stream, faults.clone());
            (near, Some(tokio::spawn(carrying)))
        }
        None => (stream, None),
    };
    let result = match Input::open(args, plan, console.as_mut(), (&stream, app.output.manner())) {
        Ok(input) => carry(app, (args, plan), (stream, input), signals, deadline).await,
        Err(error) => Err(Failure::local("open the console", &error)),
    };
    if let Some(bending) = bending
        && !matches!(session.stopped(), Some(Termination::Signal | Termination::Timeout))
    {
        // What faults still hold is on its way.
        tokio::select! {
            biased;
            _ = bending => {}
            ending = signals.ending() => return (Ok(ending.code()), report(&session)),
            () = until(deadline) => {}
        }
    }
    if terminal
        && result.is_ok()
        && let Some(termination) = session.termination()
    {
        app.say(log::how(termination));
    }
    if let Some(console) = console {
        app.keep(console);
    }
    (result, report(&session))
}

/// Chooses where received bytes go, and talks.
async fn carry(
    app: &App,
    (args, plan): (&PipeArgs, &Plan),
    (stream, input): (Stream, Input<'_>),
    signals: &mut Signals,
    deadline: Option<Instant>,
) -> Result<u8, Failure> {
    if app.output.json || !plan.raw {
        let mut output = output::InsideEvents::new(app.status());
        let result = converse(app, (args, plan), (stream, input), &mut output, signals, deadline).await;
        return result.unwrap_or_else(|at_once| Ok(at_once.0));
    }
    let mut output = output::Stdout::start().map_err(|error| Failure::local("start a thread", &error))?;
    match converse(app, (args, plan), (stream, input), &mut output, signals, deadline).await {
        Ok(result) => flushed(result, output, signals).await,
        Err(at_once) => Ok(at_once.0),
    }
}

/// How long a hangup's signal may come behind the end of its terminal; the kernel sends it first.
const HANGUP: Duration = Duration::from_secs(1);

/// What stands before a line that is typed. It stays the same: an editor cannot change it while it waits.
const PROMPT: &str = "> ";

/// What is sent: from flags, standard input or a console.
struct Input<'a> {
    chunks: mpsc::Receiver<std::io::Result<Bytes>>,
    seat: Option<Seat<'a>>,
}

impl<'a> Input<'a> {
    fn open(
        args: &PipeArgs,
        plan: &Plan,
        console: Option<&'a mut Console>,
        (stream, manner): (&Stream, Manner),
    ) -> std::io::Result<Input<'a>> {
        if let Some(console) = console {
            let style = plan.style.clone();
            let outgoing = Outgoing::new(
                Side::Connect,
                args.text.framing.spec(),
                args.console.eol,
                style,
                args.text.framing.seed_of(plan.seed),
            );
            let (seat, chunks) = Seat::take(console, outgoing, stream, manner)?;
            return Ok(Input { chunks, seat: Some(seat) });
        }
        let chunks = match plan.sends.as_slice() {
            [] => input::standard_input(),
            sends => {
                let making = input::Making::new(plan.framing.clone(), stream.session(), plan.seed);
                input::read_all(sends.to_vec(), making)
            }
        };
        Ok(Input { chunks, seat: None })
    }
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
    (args, plan): (&PipeArgs, &Plan),
    (stream, input): (Stream, Input<'_>),
    output: &mut impl Output,
    signals: &mut Signals,
    deadline: Option<Instant>,
) -> Result<Result<u8, Failure>, AtOnce> {
    let session = stream.session().clone();
    // Asked now: one that is gone does not answer as a terminal any more.
    let on_terminal = App::stdout_is_terminal();
    let abrupt =
        stream.descriptor().is_some_and(|socket| Effective::of(socket).is_ok_and(|options| options.zero_linger));
    let leave = Arc::new(Notify::new());
    let Input { chunks, mut seat } = input;
    let voice = seat.as_ref().map(Seat::voice);
    let terms = Terms { leave: Some(leave.clone()), ..args.terms(plan, abrupt) };
    let talking = talk(stream, chunks, output, terms);
    // One future for the whole time: a line that is being carried out must not be dropped.
    let obeying = async {
        let Some(seat) = &mut seat else { return std::future::pending().await };
        // After a wish to quit there may still be one to leave at once.
        while seat.obey().await == Wish::Quit {
            leave.notify_one();
        }
    };
    tokio::pin!(talking, obeying);
    let mut left = false;
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
            () = &mut obeying, if !left => {
                left = true;
                signalled = Some(signal::Ending::Interrupt);
                session.stop(Termination::Signal);
            }
            () = until(deadline), if session.stopped().is_none() => {
                session.stop(Termination::Timeout);
                grace = Some(Instant::now() + FLUSH_GRACE);
            }
            () = until(grace) => return Err(AtOnce(if args.expect.is_empty() { exit::TIMED_OUT } else { exit::UNMET })),
        }
    };
    if on_terminal && signalled.is_none() && matches!(outcome.ending, Ending::OutputClosed | Ending::OutputFailed(_)) {
        // A terminal that is gone is told by SIGHUP too, which says more than a failed write.
        signalled = tokio::time::timeout(HANGUP, signals.ending()).await.ok();
    }
    if let Some(voice) = voice {
        voice.finish().await;
    }
    if let Some(ending) = signalled {
        return Ok(Ok(ending.code()));
    }
    let mut result = judge::judge(app, args, &session, outcome);
    if let Err(failure) = &mut result {
        failure.address = Some(session.peer().to_string());
    }
    Ok(result)
}

fn report(session: &Session) -> Report {
    Report {
        sessions: 1,
        to_server_bytes: session.meter().bytes(Direction::ToServer),
        to_client_bytes: session.meter().bytes(Direction::ToClient),
        duration: session.age(),
        frames: session.frame_report().unwrap_or_default(),
        limits: session.stopped().and_then(Termination::limit).map(|limit| (limit, 1)).into_iter().collect(),
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
