//! `callbox relay LISTEN UPSTREAM`

mod fleet;
mod single;
mod tls;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use callbox::Addr;
use callbox::access::Access;
use callbox::addr::Endpoint;
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

use self::tls::Tls;
use super::serve::program;
use crate::app::{App, Purpose, Watched};
use crate::args::{
    FamilyArgs, FaultArgs, Leads, Listening, OutputArgs, ServerArgs, ServerTlsArgs, SocketArgs, TextArgs, TlsArgs,
    Upstream, UpstreamArgs, UpstreamTlsArgs, duration, optional,
};
use crate::exit::Failure;
use crate::signal::Signals;
use crate::started::Service;
use crate::tls::server::Serving;
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
  callbox relay :1080 socks5: --deny-target 10.0.0.0/8
  callbox relay --control 127.0.0.1:8474
  callbox relay tls://:8443 tls://example.com:443 --show text
Signals: INT and TERM drain, a second one ends at once; USR1 and USR2 suspend and resume, HUP reads the files of --allow, --deny and of certificates again, as in serve")]
pub struct RelayArgs {
    /// Where to listen: `host:port`, `:port` (loopback), `*:port` (every address), `unix:/path`, `unix:@name`, `fd:N` (a descriptor), `fd:NAME` or `fd:` (sockets passed by a service manager); with `tls://` before it TLS is spoken there; not needed with --control or --config
    #[arg(value_name = "LISTEN", required_unless_present_any = ["control", "config"])]
    pub listen: Option<Listening>,
    /// The servers behind it: `host:port`, `[v6]:port` or `unix:/path`, with `tls://` before it over TLS; a session goes on to the next where one refuses or does not answer. Or, alone, `socks5:` or `http-connect:`, where clients say where they want to go, with `USER:PASSWORD` or `@FILE` behind it if they have to log in
    #[arg(value_name = "UPSTREAM", required_unless_present_any = ["control", "config"])]
    pub upstreams: Vec<Upstream>,
    #[command(flatten)]
    pub upstream: UpstreamArgs,
    /// Give a second server a copy of what clients send, and compare its answers with what they are given; a difference makes the exit code 1
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["control", "config"], help_heading = "Upstream")]
    pub mirror: Option<Endpoint>,
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
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub text: TextArgs,
    #[command(flatten)]
    pub family: FamilyArgs,
    #[command(flatten)]
    pub tls: ServerTlsArgs,
    #[command(flatten)]
    pub upstream_tls: UpstreamTlsArgs,
    #[command(flatten)]
    pub both: TlsArgs,
    #[command(flatten)]
    pub socket: SocketArgs,
    /// For this long after bytes have moved, ask for more without sleeping: answers come sooner, for processor time; 0 is off
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0", help_heading = "Socket")]
    pub busy_poll: Duration,
    /// Copy all bytes, also where the kernel could move them by itself (splice)
    #[arg(long, help_heading = "Socket")]
    pub no_splice: bool,
    /// Whose bytes are shown: those of the client's socket, #1 > and #1 <, or those of the server's too, #1 >> and #1 << [default: client; both with faults]
    #[arg(long, value_name = "WHICH", value_enum, help_heading = "Output")]
    pub tap: Option<TapArg>,
}

/// Where a relay listens, and whom it lets in.
pub(super) struct Place {
    addrs: Vec<Addr>,
    access: Access,
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
    let framing = args.text.framing.framing()?;
    let (seed, drawn) = args.text.framing.seed();
    if args.listen.is_some() && args.upstreams.is_empty() {
        let failure = Failure::usage("the address to listen on is there, and no upstream");
        return Err(failure.hint("write callbox relay LISTEN UPSTREAM"));
    }
    let mirror = args.mirror.clone().map(Upstream::Server);
    if let Some(nowhere) = args.upstreams.iter().chain(&mirror).find(|upstream| upstream.leads_nowhere()) {
        let failure = Failure::usage(format!("{nowhere}: nobody can be connected to there"));
        return Err(failure.hint("an upstream is host:port, [v6]:port or unix:/path"));
    }
    let leads = args.listen.as_ref().map(|_| Leads::of(args.upstreams.clone()).map_err(Failure::usage)).transpose()?;
    // What cannot be read is told before anything is bound.
    let faults = args.faults.clipped(&framing, seed)?;
    let mut service = Service::new(args.server.bound.user.as_deref())?;
    let addrs = args.listen.as_ref().map(|listen| listen.at.addrs(&service.passed)).transpose()?.unwrap_or_default();
    let access = service.access(&args.server.access)?;
    let tls = Tls::of(args)?;
    tls.reload(&mut service.reloads);
    program::raise_descriptor_limit();
    super::run_on_main(async {
        let mut signals = Signals::listen().map_err(|error| Failure::local("listen to signals", &error))?;
        let app = App::start(
            output,
            Purpose::Server,
            Watched { expiry_warn: args.both.tls_expiry_warn, ..watched(args, framing.clone()) },
        )?;
        tls.say(&app);
        let many = args.control.is_some() || args.config.is_some();
        if drawn && !many && faults.is_some() {
            app.drew(seed);
        }
        service.begin(&app, &mut signals, &addrs)?;
        let faults = args.server.with_rate(faults, &framing);
        let place = Place { addrs, access };
        let (result, report) = match leads {
            Some(leads) if !many => {
                let own = (place, &leads);
                single::relay((args, &tls), own, faults, &app, (&mut service, &mut signals)).await
            }
            leads => {
                let own = (place, leads);
                fleet::relay((args, &tls), own, (framing, seed), &app, (&mut service, &mut signals)).await
            }
        };
        Ok(app.finish(result, report, &mut signals).await)
    })
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
        encoding: text.framing.encoding,
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
        ends_session: if text.framing.max_frame.is_some() { Ends::Both } else { Ends::Nobody },
        inbound: Role::Server.inbound(),
        raw: false,
        expiry_warn: None,
    }
}

fn server_options((args, tls): (&RelayArgs, &Tls), listen: &Addr, workers: Workers) -> ServerOptions {
    let options = args.server.options(listen, &args.socket, args.family.family(), workers);
    ServerOptions {
        // What is urgent to one side is passed on in its place.
        socket: Options { urgent_inline: true, ..options.socket.clone() },
        descriptors_per_connection: if args.mirror.is_some() { 3 } else { 2 },
        idle_timeout: args.server.idle_timeout.map_or(Some(IDLE_TIMEOUT), optional),
        half_close_timeout: optional(args.half_close_timeout),
        tls: tls.clients.as_ref().map(Serving::tls),
        ..options
    }
}

fn relay_options((args, tls): (&RelayArgs, &Tls), app: &App, bends: bool) -> Result<RelayOptions, Failure> {
    let both = args.tap.map_or(bends, |tap| tap == TapArg::Both);
    let servers: Vec<Addr> = args.upstreams.iter().filter_map(Upstream::server).map(|to| to.addr.clone()).collect();
    let connect = args.upstream.connect(&args.socket, args.family.family(), &servers)?;
    Ok(RelayOptions {
        connect: ConnectOptions {
            socket: Options { urgent_inline: true, ..connect.socket },
            tls: tls.upstreams.as_ref().map(|ready| ready.tls.clone()),
            ..connect
        },
        retry: args.upstream.retries(),
        send_proxy: args.upstream.send_proxy,
        copies: args.no_splice,
        far: if both { app.observers.far_side() } else { Observers::none() },
    })
}
