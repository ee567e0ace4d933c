//! `callbox relay LISTEN UPSTREAM`

mod fleet;
mod single;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use callbox::Addr;
use callbox::addr::Host;
use callbox::direction::Role;
use callbox::frame::{Framing, Rule};
use callbox::frames::Ends;
use callbox::handle::relay::RelayOptions;
use callbox::net::connect::ConnectOptions;
use callbox::net::socket::Options;
use callbox::observers::Observers;
use callbox::server::ServerOptions;
use callbox::view::Show;
use callbox::workers::Workers;

use super::serve::program;
use crate::app::{App, Purpose, Watched};
use crate::args::{
    FamilyArgs, FaultArgs, OutputArgs, ServerArgs, SocketArgs, TextArgs, UpstreamArgs, duration, optional,
};
use crate::exit::Failure;
use crate::signal::Signals;
use crate::ui::traffic::Style;

/// How long a session may be silent unless asked otherwise: a relay does not know whose connections are long-lived.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// Stand between a client and a server: watch what passes, break it on demand, balance
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  callbox relay :8000 127.0.0.1:8848
  callbox relay :8000 127.0.0.1:8848 --fault latency=100ms+-20ms --fault cut@64k:reset,every=3
  callbox relay :8000 db1:5432 db2:5432 --balance first --retry-for 10s
  callbox relay unix:/run/db.sock db1:5432 --show hex
  callbox relay --control 127.0.0.1:8474
Signals: INT and TERM drain, a second one ends at once; USR1 and USR2 suspend and resume, as in serve")]
pub struct RelayArgs {
    /// Where to listen: `host:port`, `:port` (loopback), `*:port` (every address), `unix:/path` or `fd:N`; not needed with --control or --config
    #[arg(value_name = "LISTEN", required_unless_present_any = ["control", "config"])]
    pub listen: Option<Addr>,
    /// The servers behind it: `host:port`, `[v6]:port` or `unix:/path`; a session goes on to the next where one refuses or does not answer
    #[arg(value_name = "UPSTREAM", required_unless_present_any = ["control", "config"])]
    pub upstreams: Vec<Addr>,
    #[command(flatten)]
    pub upstream: UpstreamArgs,
    /// Give a second server a copy of what clients send, and compare its answers with what they are given; a difference makes the exit code 1
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["control", "config"], help_heading = "Upstream")]
    pub mirror: Option<Addr>,
    #[command(flatten)]
    pub faults: FaultArgs,
    /// Steer relays and their faults over HTTP on this loopback address: toxiproxy's API, and /v1/
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["once", "sessions"], help_heading = "Steering")]
    pub control: Option<Addr>,
    /// Start the relays of a file: TOML, or JSON as toxiproxy has it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["once", "sessions"], help_heading = "Steering")]
    pub config: Option<PathBuf>,
    /// Let --control make listeners that other machines can reach
    #[arg(long, requires = "control", help_heading = "Steering")]
    pub compat_listen_any: bool,
    /// After one direction has ended, end the session when nothing comes in the other for this long; 0 is never
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s", help_heading = "Limits")]
    pub half_close_timeout: Duration,
    /// Whose bytes are shown: those of the client's socket, #1 > and #1 <, or those of the server's too, #1 >> and #1 << [default: client; both with faults]
    #[arg(long, value_name = "WHICH", value_enum, help_heading = "Output")]
    pub tap: Option<TapArg>,
    /// For this long after bytes have moved, ask for more without sleeping: answers come sooner, for processor time; 0 is off
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0", help_heading = "Socket")]
    pub busy_poll: Duration,
    /// Copy all bytes, also where the kernel could move them by itself (splice)
    #[arg(long, help_heading = "Socket")]
    pub no_splice: bool,
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub text: TextArgs,
    #[command(flatten)]
    pub family: FamilyArgs,
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// Which sockets' bytes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TapArg {
    /// What the client sent, and what it was given
    Client,
    /// Also what the server was given, and what it sent
    Both,
}

/// Binds and relays.
pub fn run(args: &RelayArgs, output: &OutputArgs) -> Result<u8, Failure> {
    let framing = args.text.framing()?;
    let (seed, drawn) = args.text.seed();
    if args.listen.is_some() && args.upstreams.is_empty() {
        let failure = Failure::usage("the address to listen on is there, and no upstream");
        return Err(failure.hint("write callbox relay LISTEN UPSTREAM"));
    }
    if let Some(nowhere) = args.upstreams.iter().chain(&args.mirror).find(|addr| leads_nowhere(addr)) {
        let failure = Failure::usage(format!("{nowhere}: nobody can be connected to there"));
        return Err(failure.hint("an upstream is host:port, [v6]:port or unix:/path"));
    }
    // What cannot be read is told before anything is bound.
    let faults = args.faults.clipped(&framing, seed)?;
    program::raise_descriptor_limit();
    super::run_on_main(async {
        let mut signals = Signals::listen().map_err(|error| Failure::local("listen to signals", &error))?;
        let app = App::start(output, Purpose::Server, watched(args, framing.clone()))?;
        let many = args.control.is_some() || args.config.is_some();
        if drawn && !many && faults.is_some() {
            app.drew(seed);
        }
        let (result, report) = match (&args.control, &args.config, &args.listen) {
            (None, None, Some(listen)) => single::relay(args, listen, faults, &app, &mut signals).await,
            _ => fleet::relay(args, (framing, seed), &app, &mut signals).await,
        };
        Ok(app.finish(result, report, &mut signals).await)
    })
}

/// Tells whether an address is for listening alone.
fn leads_nowhere(addr: &Addr) -> bool {
    match addr {
        Addr::Tcp { host, port } => *port == 0 || matches!(host, Host::Any),
        addr => matches!(addr, Addr::Fd(_)),
    }
}

/// Starts the threads.
fn workers(args: &RelayArgs) -> Result<Workers, Failure> {
    let workers = Workers::per_core()?;
    Ok(match optional(args.busy_poll) {
        Some(limit) => workers.with_busy_poll(limit),
        None => workers,
    })
}

fn watched(args: &RelayArgs, framing: Framing) -> Watched {
    let text = &args.text;
    let style = Style {
        show: text.show.unwrap_or(if App::stdout_is_null() { Show::None } else { Show::Text }),
        encoding: text.encoding,
        timestamps: text.timestamps,
        asked: text.show == Some(Show::Text),
        json: framing.rule == Rule::Json,
        watch: None,
    };
    Watched {
        style: Arc::new(Mutex::new(style)),
        live: false,
        framing,
        most_frames: None,
        // Who only watches ends nothing, unless a maximum is asked for.
        ends_session: if text.max_frame.is_some() { Ends::Both } else { Ends::Nobody },
        inbound: Role::Server.inbound(),
        raw: false,
    }
}

fn server_options(args: &RelayArgs, listen: &Addr, workers: Workers) -> ServerOptions {
    let options = args.server.options(listen, &args.socket, args.family.family(), workers);
    ServerOptions {
        // What is urgent to one side is passed on in its place.
        socket: Options { urgent_inline: true, ..options.socket.clone() },
        descriptors_per_connection: if args.mirror.is_some() { 3 } else { 2 },
        idle_timeout: args.server.idle_timeout.map_or(Some(IDLE_TIMEOUT), optional),
        half_close_timeout: optional(args.half_close_timeout),
        ..options
    }
}

fn relay_options(args: &RelayArgs, app: &App, bends: bool) -> RelayOptions {
    let both = args.tap.map_or(bends, |tap| tap == TapArg::Both);
    let connect = args.upstream.connect(&args.socket, args.family.family());
    RelayOptions {
        connect: ConnectOptions { socket: Options { urgent_inline: true, ..connect.socket }, ..connect },
        retry: args.upstream.retries(),
        send_proxy: args.upstream.send_proxy,
        copies: args.no_splice,
        far: if both { app.observers.far_side() } else { Observers::none() },
    }
}
