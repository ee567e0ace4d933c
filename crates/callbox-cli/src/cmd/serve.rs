//! `callbox serve [ADDR]`

mod answer;
mod console;
mod list;
mod program;
mod steer;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use callbox::handle::discard::Discard;
use callbox::handle::echo::Echo;
use callbox::handle::generate::Generate;
use callbox::handle::reply::Reply;
use callbox::net::closing::Closing;
use callbox::net::socket::Effective;
use callbox::server::{Running, Server, ServerOptions, WhenFull};
use callbox::text::unescape;
use callbox::units::Size;
use callbox::workers::Workers;

use crate::app::{App, Purpose};
use crate::args::{AddressArgs, ConsoleArgs, FamilyArgs, OutputArgs, SocketArgs, TextArgs, duration, optional, size};
use crate::exit::Failure;
use crate::signal::Signals;

/// Serve many clients: reply, echo, discard, generate or run a program
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  callbox serve
  callbox serve :9000 --echo
  callbox serve --exec tr a-z A-Z
Signals:
  INT, TERM   stop accepting and wait for open sessions; a second one ends at once
  USR1, USR2  stop accepting for a while; accept again")]
pub struct ServeArgs {
    #[command(flatten)]
    pub address: AddressArgs,
    /// Answer every chunk received, or with --frame every frame, with this text; \n, \xHH and the like are escapes [default: thank you !]
    #[arg(long, value_name = "TEXT", value_parser = text, group = "handler", allow_hyphen_values = true, help_heading = "What to do with clients")]
    pub reply: Option<String>,
    /// Send back what is received
    #[arg(long, group = "handler", help_heading = "What to do with clients")]
    pub echo: bool,
    /// Receive and answer nothing
    #[arg(long, group = "handler", help_heading = "What to do with clients")]
    pub discard: bool,
    /// Send lines of characters (RFC 864), endless or this many bytes
    #[arg(long, value_name = "SIZE", value_parser = size, num_args = 0..=1, group = "handler", help_heading = "What to do with clients")]
    pub generate: Option<Option<Size>>,
    /// Run a program for each client, without a shell; takes everything that follows, so put ADDR and options before it
    #[arg(long, value_name = "CMD", num_args = 1.., allow_hyphen_values = true, group = "handler", help_heading = "What to do with clients")]
    pub exec: Vec<OsString>,
    /// Allow --exec on an address that other machines can reach
    #[arg(long, help_heading = "What to do with clients")]
    pub exec_exposed: bool,
    /// Serve one session, then exit
    #[arg(long, conflicts_with = "sessions", help_heading = "Limits")]
    pub once: bool,
    /// Serve this many sessions, then exit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Limits")]
    pub sessions: Option<u64>,
    /// Connections the kernel may queue before they are accepted
    #[arg(long, value_name = "N", default_value_t = callbox::server::BACKLOG, help_heading = "Limits")]
    pub backlog: u32,
    /// Connections open at once [default: from the descriptor limit; 64 with --exec]
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Limits")]
    pub max_connections: Option<usize>,
    /// Connections open at once from one address [default: no limit on loopback, 256 elsewhere]
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Limits")]
    pub max_per_ip: Option<usize>,
    /// What happens to connections beyond --max-connections
    #[arg(long, value_name = "WHAT", value_enum, default_value_t, help_heading = "Limits")]
    pub when_full: WhenFullArg,
    /// End a session when no byte went either way for this long; 0 is never
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10m", help_heading = "Limits")]
    pub idle_timeout: Duration,
    /// Abort a session whose client takes nothing for this long; 0 is never
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s", help_heading = "Limits")]
    pub write_stall_timeout: Duration,
    /// At the end, how long to wait for open sessions; 0 ends them at once
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10s", help_heading = "Limits")]
    pub drain: Duration,
    #[command(flatten)]
    pub text: TextArgs,
    #[command(flatten)]
    pub console: ConsoleArgs,
    #[command(flatten)]
    pub family: FamilyArgs,
    /// Write the bound addresses to this file once they are bound, one a line
    #[arg(long, value_name = "PATH", help_heading = "Listening")]
    pub ready_file: Option<PathBuf>,
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// What happens to connections beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum WhenFullArg {
    /// They wait in the kernel's queue
    #[default]
    Wait,
    /// They are reset at once
    Refuse,
}

/// Connections open at once from one address, where other machines can connect.
const MAX_PER_IP_EXPOSED: usize = 256;

/// Binds and serves.
pub fn run(args: &ServeArgs, output: &OutputArgs) -> Result<u8, Failure> {
    let addr = args.address.addr()?;
    if !args.exec.is_empty() && !addr.is_loopback() && !args.exec_exposed {
        let failure = Failure::usage(format!("--exec on {addr}: other machines could run the program"));
        return Err(failure.hint("listen on a loopback address, or say --exec-exposed before --exec"));
    }
    if args.console.console && (args.discard || args.generate.is_some() || !args.exec.is_empty()) {
        let failure = Failure::usage("--console talks with clients, and so does --discard, --generate or --exec");
        return Err(failure.hint("--console goes with --reply and --echo, or alone"));
    }
    let answer = answer::Plan::of(args)?;
    let nofile = program::raise_descriptor_limit();
    super::run_on_main(async {
        let mut signals = Signals::listen().map_err(|error| Failure::local("listen to signals", &error))?;
        let mut app = App::start(output, Purpose::Server, answer.watched())?;
        let workers = match Workers::per_core() {
            Ok(workers) => workers,
            Err(error) => return Ok(app.finish(Err(error.into()), None, &mut signals).await),
        };
        let options = options(args, &addr, workers);
        let server = match Server::bind_with(&addr, options, app.observers.clone()).await {
            Ok(server) => server,
            Err(error) => return Ok(app.finish(Err(error.into()), None, &mut signals).await),
        };
        if let Err(failure) = super::write_ready_file(args.ready_file.as_deref(), server.local_addrs()) {
            return Ok(app.finish(Err(failure), None, &mut signals).await);
        }
        if output.verbose > 1
            && let Some(Ok(effective)) = server.descriptors().next().map(Effective::of)
        {
            app.say(format!("socket options: {effective}"));
        }
        let exec = program::exec(args, nofile);
        answer.say_seed(&app, args);
        let mut head = match answer.head(args, &app.observers, output.manner()) {
            Ok(head) => head,
            Err(failure) => return Ok(app.finish(Err(failure), None, &mut signals).await),
        };
        let running = start(args, server, exec.clone(), &answer);
        program::greet(&app, args, &running);
        let (result, report) = steer::until_over(&app, running, head.as_mut(), &mut signals).await;
        if let Some(head) = head {
            app.keep(head.into_console().await);
        }
        if let Some(exec) = exec {
            exec.end_all();
        }
        Ok(app.finish(result, report, &mut signals).await)
    })
}

fn options(args: &ServeArgs, addr: &callbox::Addr, workers: Workers) -> ServerOptions {
    let exec = !args.exec.is_empty();
    let exposed = !addr.is_loopback();
    ServerOptions {
        socket: args.socket.options(),
        family: args.family.family(),
        backlog: args.backlog,
        max_connections: args.max_connections.or(exec.then_some(callbox::handle::exec::MAX_CHILDREN)),
        descriptors_per_connection: if exec { program::DESCRIPTORS_PER_CHILD } else { 1 },
        when_full: match args.when_full {
            WhenFullArg::Wait => WhenFull::Wait,
            WhenFullArg::Refuse => WhenFull::Refuse,
        },
        max_per_ip: args.max_per_ip.or(exposed.then_some(MAX_PER_IP_EXPOSED)),
        sessions: if args.once { Some(1) } else { args.sessions },
        idle_timeout: optional(args.idle_timeout),
        write_stall_timeout: optional(args.write_stall_timeout),
        drain: args.drain,
        workers: Some(workers),
        closing: Closing { abrupt: args.socket.zero_linger, ..Closing::default() },
    }
}

fn start(
    args: &ServeArgs,
    server: Server,
    exec: Option<callbox::handle::exec::Exec>,
    answer: &answer::Plan,
) -> Running {
    if let Some(exec) = exec {
        return server.spawn(exec);
    }
    if args.echo && !args.console.console {
        return server.spawn(Echo);
    }
    if args.discard {
        return server.spawn(Discard);
    }
    if let Some(size) = args.generate {
        return server.spawn(Generate { size: size.map(|size| size.0) });
    }
    match answer.constant() {
        // The fast way, where one text answers every chunk.
        Some(text) => server.spawn(Reply::new(text)),
        None => server.spawn(answer.handler()),
    }
}

/// Its encoding is known later; a bad escape is told at once.
fn text(text: &str) -> Result<String, callbox::Invalid> {
    unescape(text).map(|_| text.to_owned())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("{text:?} is no number above 0")),
        Ok(number) => Ok(number),
    }
}
