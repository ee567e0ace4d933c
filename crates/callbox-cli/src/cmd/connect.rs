//! `callbox connect ADDR`

use std::time::Duration;

use callbox::addr::Endpoint;
use callbox::client::Retry;
use callbox::direction::Role;
use callbox::net::connect::ConnectOptions;
use callbox::net::socket::Effective;
use callbox::{Client, Stream};

use super::pipe::{self, PipeArgs};
use crate::app::{App, Purpose, Watched};
use crate::args::{AddressArgs, OutputArgs, ReachArgs, SocketArgs, duration, optional, retry_of};
use crate::exit::Failure;
use crate::signal::Signals;

/// Connect to a server: stdin -> stream -> stdout, or --send and --expect
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  callbox connect 127.0.0.1:8848 --send hello
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | callbox connect localhost 8080
  callbox connect db.internal:5432 --proxy socks5h://127.0.0.1:1080
  callbox connect :6379 --send 'PING\\r\\n' --expect '+PONG' --timeout 2s
  callbox connect tls://example.com:443 --alpn http/1.1 -v")]
pub struct ConnectArgs {
    #[command(flatten)]
    pub address: AddressArgs,
    #[command(flatten)]
    pub pipe: PipeArgs,
    /// The limit for connecting, all addresses together; 0 is no limit
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10s", help_heading = "Connecting")]
    pub connect_timeout: Duration,
    /// Try again this many times while nobody accepts
    #[arg(long, value_name = "N", conflicts_with = "retry_for", help_heading = "Connecting")]
    pub retry: Option<u32>,
    /// Try again for this long while nobody accepts
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Connecting")]
    pub retry_for: Option<Duration>,
    #[command(flatten)]
    pub reach: ReachArgs,
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// Connects and talks.
pub fn run(args: &ConnectArgs, output: &OutputArgs) -> Result<u8, Failure> {
    let Endpoint { addr, tls: scheme } = args.address.endpoint()?;
    let plan = args.pipe.plan(output)?;
    let tls = args.reach.tls.ready(scheme || args.reach.starttls.is_some())?;
    let options = ConnectOptions {
        socket: args.socket.options(),
        timeout: optional(args.connect_timeout),
        source: args.reach.source,
        family: args.reach.family.family(),
        starttls: args.reach.starttls,
        tls: tls.as_ref().map(|tls| tls.tls.clone()),
        ..ConnectOptions::default()
    };
    let options = args.reach.through.through(options, std::slice::from_ref(&addr))?;
    super::run_on_main(async {
        let mut signals = Signals::listen().map_err(|error| Failure::local("listen to signals", &error))?;
        let deadline = args.pipe.deadline();
        let mut app = App::start(
            output,
            Purpose::Pipe,
            Watched {
                expiry_warn: tls.as_ref().and_then(|tls| tls.expiry_warn),
                ..plan.watched(&args.pipe, Role::Client)
            },
        )?;
        if let Some(tls) = &tls {
            tls.say(&app);
        }
        let retry = retry_of(args.retry, args.retry_for);
        let client = Client::new(&addr)?.with_options(options).with_retry(retry).with_observers(app.observers.clone());
        let connected = tokio::select! {
            biased;
            connected = client.connect() => connected.map_err(|error| failure(error, retry)),
            ending = signals.ending() => return Ok(app.finish(Ok(ending.code()), None, &mut signals).await),
            () = pipe::until(deadline) => Err(args.pipe.too_late(&format!("connect {addr}"))),
        };
        let stream = match connected {
            Ok(stream) => stream,
            Err(failure) => return Ok(app.finish(Err(failure), None, &mut signals).await),
        };
        show_options(&app, &stream);
        let (result, report) = pipe::run(&mut app, (&args.pipe, &plan), stream, &mut signals, deadline).await;
        Ok(app.finish(result, output.json.then_some(report), &mut signals).await)
    })
}

/// Does not advise to wait where we have waited.
fn failure(error: callbox::Error, retry: Retry) -> Failure {
    let refused = error.is_refused();
    let through = error.operation() != "connect";
    let mut failure = Failure::from(error);
    if refused && !through && retry != Retry::Never {
        failure.hints = vec!["nobody listened there in all that time".into()];
    }
    failure
}

/// Says what the socket's options really are, at `-vv`.
pub fn show_options(app: &App, stream: &Stream) {
    if app.output.verbose > 1
        && let Some(Ok(effective)) = stream.descriptor().map(Effective::of)
    {
        app.say(format!("socket options: {effective}"));
    }
}
