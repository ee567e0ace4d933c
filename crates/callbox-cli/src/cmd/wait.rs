//! `callbox wait ADDR... [-- CMD ARGS]`

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::time::Duration;

use callbox::addr::Endpoint;
use callbox::error::{Error, Kind};
use callbox::probe::wait::{Check, Pauses, Ready, Target, Wait, Wanted};
use callbox::units::show_duration;
use tokio::time::Instant;

use crate::args::{OutputArgs, QuestionArgs, ReachArgs, duration, optional};
use crate::exit::{self, Failure};
use crate::signal::Signals;
use crate::ui::json::{self, Waited};
use crate::ui::output::write_all;

/// Wait until servers are ready, then run a command
///
/// Ready is who can be connected to; with --until, who says that; with --send, who answers; with --stays-open, whose connections stay open.
/// All targets are looked at at the same time. When the time is over, what was wrong last is said of each, and the exit code is 124.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  callbox wait db:5432 cache:6379 -- ./server --port 80
  callbox wait :6379 --send 'PING\\r\\n' --until '+PONG' --timeout 30s
  callbox wait mail:25 --until '220 ' -q && ./send-mail
  callbox wait 127.0.0.1:8080 --stays-open 200ms
  callbox wait old-host:8080 --invert --timeout 0")]
pub struct WaitArgs {
    /// Targets, each in one word: `host:port`, `[v6]:port`, `:port` (loopback), `unix:/path`; with `tls://` before it TLS is spoken there
    #[arg(value_name = "ADDR", required = true)]
    pub targets: Vec<String>,
    /// Run this once they are ready, in place of callbox: signals and the exit code are its own
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
    /// Wait for one of the targets, not for all
    #[arg(long, help_heading = "When it is ready")]
    pub any: bool,
    /// Wait until nobody accepts there any more: refused, unreachable, or not answered in time
    #[arg(long, conflicts_with_all = ["until", "send", "send_hex", "send_file", "stays_open"], help_heading = "When it is ready")]
    pub invert: bool,
    /// The connection must stay open for this long, after the answer where one is awaited
    #[arg(long, value_name = "DURATION", value_parser = some_time, help_heading = "When it is ready")]
    pub stays_open: Option<Duration>,
    /// Give up after this time, with exit code 124; 0 is never
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s", help_heading = "When it is over")]
    pub timeout: Duration,
    /// The limit for one attempt, its answer included; 0 is no limit but --timeout
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5s", help_heading = "When it is over")]
    pub attempt_timeout: Duration,
    /// Between two attempts at a target [default: 50ms, then twice as long each time up to 1s]
    #[arg(long, value_name = "DURATION", value_parser = some_time, help_heading = "When it is over")]
    pub interval: Option<Duration>,
    #[command(flatten)]
    pub question: QuestionArgs,
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Waits, and becomes the command.
pub fn run(args: &WaitArgs, output: &OutputArgs) -> Result<u8, Failure> {
    let targets = args.targets.iter().map(|word| Endpoint::parse(word)).collect::<Result<Vec<_>, _>>()?;
    let question = args.question.question()?;
    if args.reach.tls.both.tls_expiry_warn.is_some() {
        return Err(Failure::usage("--tls-expiry-warn: waiting warns of nothing").hint("`callbox ping` does"));
    }
    let ways = args.reach.ready(&targets)?;
    if let Some(tls) = &ways.tls {
        tls.say_plainly(!output.quiet && !output.json);
    }
    let ready = match args.invert {
        true => Ready::Gone,
        false => Ready::Reachable { question, stays_open: args.stays_open },
    };
    let check = |target: Endpoint| Check { options: ways.to(&target), ready: ready.clone(), addr: target.addr };
    let wait = Wait {
        wanted: if args.any { Wanted::Any } else { Wanted::All },
        pauses: args.interval.map_or_else(Pauses::default, |pause| Pauses { first: pause, longest: pause }),
        attempt_timeout: optional(args.attempt_timeout),
        timeout: optional(args.timeout),
        ..Wait::new(targets.into_iter().map(check).collect())
    };
    match super::run_on_main(until_ready(args, output, wait))? {
        exit::DONE if !args.command.is_empty() => Err(become_program(&args.command)),
        code => Ok(code),
    }
}

/// Waits, and says how it stands.
async fn until_ready(args: &WaitArgs, output: &OutputArgs, wait: Wait) -> Result<u8, Failure> {
    let mut signals = Signals::listen().map_err(|error| Failure::local("listen to signals", &error))?;
    let begun = Instant::now();
    let mut waiting = wait.start();
    let talk = !output.quiet && !output.json;
    let signalled = loop {
        tokio::select! {
            biased;
            ending = signals.ending() => break Some(ending),
            target = waiting.next() => match target {
                Some(target) if talk => crate::ui::complain(&format!("{}\n", good(&target, args.invert))),
                Some(_) => {}
                None => break None,
            },
        }
    };
    let (targets, ready) = (waiting.targets(), waiting.is_met());
    if output.json {
        let line = json::waited(&Waited { ready, targets: &targets, duration: begun.elapsed() });
        match write_all(&line) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                return Err(Failure::local("write to standard output", &error));
            }
            _ => {}
        }
    }
    if ready && signalled.is_none() {
        return Ok(exit::DONE);
    }
    for target in targets.iter().filter(|target| target.ready_after.is_none()) {
        bad(target, args.invert, signalled.map_or(optional(args.timeout), |_| None)).print();
    }
    Ok(signalled.map_or(exit::TIMED_OUT, |ending| ending.code()))
}

fn good(target: &Target, invert: bool) -> String {
    let what = if invert { "gone" } else { "ready" };
    let after = show_duration(target.ready_after.unwrap_or_default());
    format!("{} is {what} after {after}, at attempt {}", target.addr, target.attempts)
}

/// Says what was wrong with a target.
fn bad(target: &Target, invert: bool, within: Option<Duration>) -> Failure {
    let attempts = match target.attempts {
        1 => "1 attempt".to_owned(),
        attempts => format!("{attempts} attempts"),
    };
    let reason = match &target.error {
        // What these were doing goes without saying.
        Some(error) if matches!(error.operation(), "connect" | "ask" | "hold") => error.cause(),
        Some(error) => error.to_string(),
        None => "the first attempt was not over".to_owned(),
    };
    let what = if invert { "gone" } else { "ready" };
    let within = within.map(|within| format!(" within {}", show_duration(within))).unwrap_or_default();
    let message = format!("wait {}: not {what}{within}, {attempts}: {reason}", target.addr);
    let hints = target.error.clone().filter(hinted).map(|error| Failure::from(error).hints).unwrap_or_default();
    Failure { hints, ..Failure::new(exit::TIMED_OUT, message) }
}

/// Whether there is more to advise than to wait.
pub fn hinted(error: &Error) -> bool {
    matches!(error.kind(), Kind::Tls | Kind::Proxy | Kind::Exhausted) || error.operation() == "connect to proxy"
}

/// Becomes another program; returns only if that fails, with the exit codes that shells have for it.
pub fn become_program(words: &[OsString]) -> Failure {
    /// There is no such program.
    const NO_PROGRAM: u8 = 127;
    /// It cannot be run.
    const NOT_RUNNABLE: u8 = 126;
    let (name, rest) = words.split_first().expect("asked for only where there is one");
    let error = std::process::Command::new(name).args(rest).exec();
    let code = if error.kind() == std::io::ErrorKind::NotFound { NO_PROGRAM } else { NOT_RUNNABLE };
    Failure::new(code, format!("run {}: {}", name.display(), callbox::error::plain(&error)))
}

fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text) {
        Ok(time) if time.is_zero() => Err("must be longer than nothing".into()),
        Ok(time) => Ok(time),
        Err(invalid) => Err(invalid.to_string()),
    }
}
