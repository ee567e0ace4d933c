//! `callbox ping ADDR`

use std::io;
use std::time::Duration;

use callbox::addr::Addr;
use callbox::direction::Role;
use callbox::error::{Error, Kind};
use callbox::handle::talk::Output;
use callbox::probe::ping::{Ping, Pong, Statistics};
use tokio::time::Instant;

use super::pipe::until;
use super::wait::hinted;
use crate::args::{AddressArgs, OutputArgs, QuestionArgs, ReachArgs, duration, optional};
use crate::exit::{self, Failure};
use crate::signal::{Ending, Signals};
use crate::tls::expiry;
use crate::ui::enter::Enter;
use crate::ui::json::{self, Pinged};
use crate::ui::output::Stdout;
use crate::ui::pings::Look;
use crate::ui::tls::warnings;

/// See how long a server takes to be reached and to answer
///
/// Each attempt is a connection of its own. A line for each shows its phases in milliseconds: looking up the name, TCP, proxies, TLS, the
/// first byte of the answer, the rest of it. Ctrl-C and Enter show statistics, and Enter goes on. With -q there are only the statistics.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  callbox ping example.com:443 --tls -c 5
  callbox ping :6379 --send 'PING\\r\\n' --until '+PONG' -i 200ms
  callbox ping mail.internal:25 --until '220 '
  callbox ping db:5432 --starttls postgres --json -c 10")]
pub struct PingArgs {
    #[command(flatten)]
    pub address: AddressArgs,
    /// Stop after this many attempts [default: go on until Ctrl-C]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Between the beginnings of two attempts; a late one begins at once, and 0 is one after the other
    #[arg(short, long, value_name = "DURATION", value_parser = duration, default_value = "1s")]
    pub interval: Duration,
    /// The limit for one attempt, its answer included; 0 is no limit
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10s")]
    pub attempt_timeout: Duration,
    /// The deadline of the whole run; 0 is none
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0")]
    pub timeout: Duration,
    #[command(flatten)]
    pub question: QuestionArgs,
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Pings.
pub fn run(args: &PingArgs, output: &OutputArgs) -> Result<u8, Failure> {
    let server = args.address.endpoint()?;
    let question = args.question.question()?;
    let ways = args.reach.ready(std::slice::from_ref(&server))?;
    if let Some(tls) = &ways.tls {
        tls.say_plainly(!output.quiet && !output.json);
    }
    let look = Look {
        colored: output.colored(&io::stdout()),
        verbose: output.verbose > 0,
        asks: question.is_some(),
        tcp: matches!(server.addr, Addr::Tcp { .. }),
    };
    let address = server.addr.to_string();
    let ping = Ping {
        options: ways.to(&server),
        question,
        interval: args.interval,
        count: args.count,
        attempt_timeout: optional(args.attempt_timeout),
        ..Ping::new(server.addr)
    };
    let expiry_warn = ways.tls.as_ref().and_then(|tls| tls.expiry_warn);
    super::run_on_main(async {
        let mut run = Run {
            args,
            output,
            look,
            address,
            begun: Instant::now(),
            statistics: Statistics::default(),
            last: None,
            expiry_warn,
            signals: Signals::listen().map_err(|error| Failure::local("listen to signals", &error))?,
            stdout: Stdout::start().map_err(|error| Failure::local("start a thread", &error))?,
        };
        let over = run.go_on(ping).await;
        run.finish(over).await
    })
}

/// Why it is over.
enum Over {
    /// There were as many attempts as asked for.
    Done,
    /// The time is over.
    Late,
    /// A signal came.
    Signalled(Ending),
    /// Standard output takes nothing any more.
    Unread(io::Error),
}

/// A ping that is under way.
struct Run<'a> {
    args: &'a PingArgs,
    output: &'a OutputArgs,
    look: Look,
    address: String,
    begun: Instant,
    statistics: Statistics,
    /// What was wrong with the last attempt that failed.
    last: Option<Error>,
    /// Certificates that expire within this time are warned of, once.
    expiry_warn: Option<Duration>,
    signals: Signals,
    stdout: Stdout,
}

impl Run<'_> {
    async fn go_on(&mut self, ping: Ping) -> Over {
        let deadline = optional(self.args.timeout).map(|timeout| self.begun + timeout);
        let mut enter = Enter::listen();
        let mut pinging = ping.start();
        loop {
            let shown = tokio::select! {
                biased;
                ending = self.signals.ending() => return Over::Signalled(ending),
                error = self.stdout.gone() => return Over::Unread(error),
                () = enter.pressed(), if !self.output.json => self.write(self.statistics()).await,
                pong = pinging.next() => match pong {
                    Some(pong) => self.pong(pong).await,
                    None => return Over::Done,
                },
                () = until(deadline) => return Over::Late,
            };
            if let Err(over) = shown {
                return over;
            }
        }
    }

    /// Counts an attempt and shows it.
    async fn pong(&mut self, pong: Pong) -> Result<(), Over> {
        self.statistics.add(&pong);
        if let (Some(within), Some(tls)) = (self.expiry_warn, &pong.tls) {
            let found = warnings(Role::Client, tls, within, std::time::SystemTime::now());
            found.iter().for_each(|warning| expiry::warn(warning));
            self.expiry_warn = None;
        }
        let line = self.look.pong(&pong);
        self.last = pong.error.or(self.last.take());
        if self.output.json || self.output.quiet {
            return Ok(());
        }
        self.write(line).await
    }

    fn statistics(&self) -> String {
        self.look.statistics(&self.address, &self.statistics, self.begun.elapsed())
    }

    async fn write(&mut self, text: impl Into<bytes::Bytes>) -> Result<(), Over> {
        tokio::select! {
            biased;
            ending = self.signals.ending() => Err(Over::Signalled(ending)),
            written = self.stdout.write(text.into()) => written.map_err(Over::Unread),
        }
    }

    /// Shows the statistics, and returns the exit code. Another signal leaves at once.
    async fn finish(mut self, over: Over) -> Result<u8, Failure> {
        let code = match over {
            Over::Unread(error) => return unread(&error),
            Over::Signalled(ending) => Ok(ending.code()),
            Over::Done | Over::Late if self.statistics.answered() == 0 => Err(self.nothing_came()),
            Over::Done => Ok(exit::DONE),
            Over::Late => Ok(exit::TIMED_OUT),
        };
        let report = match self.output.json {
            true => json::ping(&Pinged {
                address: &self.address,
                statistics: &self.statistics,
                schedule: if self.args.interval.is_zero() { "closed" } else { "constant" },
                duration: self.begun.elapsed(),
            }),
            false => self.statistics().into_bytes(),
        };
        match self.write(report).await {
            Err(Over::Signalled(ending)) => return Ok(ending.code()),
            Err(Over::Unread(error)) => return unread(&error),
            _ => {}
        }
        let flushed = tokio::select! {
            biased;
            flushed = self.stdout.flush() => flushed,
            ending = self.signals.ending() => return Ok(ending.code()),
        };
        match flushed {
            Err(error) => unread(&error),
            Ok(()) => code,
        }
    }

    fn nothing_came(&mut self) -> Failure {
        let what = format!("ping {}: nothing came back", self.address);
        let Some(error) = self.last.take() else { return Failure::new(exit::NO_CONNECTION, what) };
        let failure = Failure::new(exit::NO_CONNECTION, format!("{what}: {error}"));
        match hinted(&error) {
            // What is wrong is here, so no waiting helps.
            _ if error.kind() == Kind::AddressNotAvailable => failure,
            true => Failure { hints: Failure::from(error).hints, ..failure },
            false => failure.hint("`callbox wait` waits until somebody answers"),
        }
    }
}

/// Nobody reads any more, and that is how pipes end; or the disk is full.
fn unread(error: &io::Error) -> Result<u8, Failure> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(exit::DONE),
        _ => Err(Failure::local("write to standard output", error)),
    }
}
