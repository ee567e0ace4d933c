//! `callbox serve [ADDR]`

mod answer;
mod console;
mod list;
pub mod program;
pub mod steer;

use std::ffi::OsString;

use callbox::handle::discard::Discard;
use callbox::handle::echo::Echo;
use callbox::handle::erased::Erased;
use callbox::handle::faulty::Faulty;
use callbox::handle::generate::Generate;
use callbox::handle::reply::Reply;
use callbox::net::socket::Effective;
use callbox::server::{Running, Server, ServerOptions};
use callbox::text::unescape;
use callbox::units::Size;
use callbox::workers::Workers;

use crate::app::{App, Purpose, Watched};
use crate::args::{
    AddressArgs, ConsoleArgs, FamilyArgs, FaultArgs, Listen, Listening, OutputArgs, ServerArgs, ServerTlsArgs,
    SocketArgs, TemplateArgs, TextArgs, TlsArgs, size,
};
use crate::exit::Failure;
use crate::signal::Signals;
use crate::started::Service;
use crate::tls::server::Serving;

/// Serve many clients: reply, echo, discard, generate or run a program
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  callbox serve
  callbox serve :9000 --echo
  callbox serve :8443 --tls --cert chain.pem --key key.pem
  callbox serve --exec tr a-z A-Z
Signals:
  INT, TERM   stop accepting and wait for open sessions; a second one ends at once
  USR1, USR2  stop accepting for a while; accept again
  HUP         read the files of --allow, --deny, --cert, --key and --client-ca again, or, without
              any, as TERM")]
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
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub faults: FaultArgs,
    #[command(flatten)]
    pub text: TextArgs,
    #[command(flatten)]
    pub template: TemplateArgs,
    #[command(flatten)]
    pub console: ConsoleArgs,
    #[command(flatten)]
    pub family: FamilyArgs,
    #[command(flatten)]
    pub tls: ServerTlsArgs,
    #[command(flatten)]
    pub both: TlsArgs,
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// Binds and serves.
pub fn run(args: &ServeArgs, output: &OutputArgs) -> Result<u8, Failure> {
    let Listening { at: listen, tls: scheme } = args.address.listen()?;
    check(args, &listen)?;
    let answer = answer::Plan::of(args)?;
    let tls = args.tls.ready(&args.both, &listen.addr(), scheme)?;
    args.both.check(tls.is_some())?;
    let mut service = Service::new(args.server.bound.user.as_deref())?;
    let addrs = listen.addrs(&service.passed)?;
    let access = service.access(&args.server.access)?;
    if let Some(again) = tls.as_ref().and_then(Serving::reload) {
        service.reloads.add(again);
    }
    let nofile = program::raise_descriptor_limit();
    super::run_on_main(async {
        let mut signals = Signals::listen().map_err(|error| Failure::local("listen to signals", &error))?;
        let mut app = App::start(
            output,
            Purpose::Server,
            Watched { expiry_warn: tls.as_ref().and_then(Serving::expiry_warn), ..answer.watched() },
        )?;
        service.begin(&app, &mut signals, &addrs)?;
        let workers = match Workers::per_core() {
            Ok(workers) => workers,
            Err(error) => return Ok(app.finish(Err(error.into()), None, &mut signals).await),
        };
        let options = ServerOptions {
            faults: answer.faults(),
            access,
            tls: tls.as_ref().map(Serving::tls),
            ..options(args, &listen.addr(), workers.clone())
        };
        let server = match Server::bind_all(&addrs, options, app.observers.clone()).await {
            Ok(server) => args.server.known(server),
            Err(error) => return Ok(app.finish(Err(error.into()), None, &mut signals).await),
        };
        let ready = service.become_user();
        let ready =
            ready.and_then(|()| super::write_ready_file(args.server.ready_file.as_deref(), server.local_addrs()));
        if let Err(failure) = ready {
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
        service.ready(running.local_addrs(), workers);
        if let Some(tls) = &tls {
            tls.say(&app);
        }
        program::greet(&app, args, &running, tls.as_ref());
        let (result, report) = steer::until_over(&app, running, &mut service, head.as_mut(), &mut signals).await;
        if let Some(head) = head {
            app.keep(head.into_console().await);
        }
        if let Some(exec) = exec {
            exec.end_all();
        }
        Ok(app.finish(result, report, &mut signals).await)
    })
}

/// Refuses what does not go together.
fn check(args: &ServeArgs, listen: &Listen) -> Result<(), Failure> {
    if !args.exec.is_empty() && !listen.is_loopback() && !args.exec_exposed {
        let addr = listen.addr();
        let failure = Failure::usage(format!("--exec on {addr}: other machines could run the program"));
        return Err(failure.hint("listen on a loopback address, or say --exec-exposed before --exec"));
    }
    if args.console.console && (args.discard || args.generate.is_some() || !args.exec.is_empty()) {
        let failure = Failure::usage("--console talks with clients, and so does --discard, --generate or --exec");
        return Err(failure.hint("--console goes with --reply and --echo, or alone"));
    }
    Ok(())
}

fn options(args: &ServeArgs, addr: &callbox::Addr, workers: Workers) -> ServerOptions {
    let exec = !args.exec.is_empty();
    let options = args.server.options(addr, &args.socket, args.family.family(), workers);
    ServerOptions {
        max_connections: options.max_connections.or(exec.then_some(callbox::handle::exec::MAX_CHILDREN)),
        descriptors_per_connection: if exec { program::DESCRIPTORS_PER_CHILD } else { 1 },
        ..options
    }
}

fn start(
    args: &ServeArgs,
    server: Server,
    exec: Option<callbox::handle::exec::Exec>,
    answer: &answer::Plan,
) -> Running {
    let handler = match (exec, args.generate) {
        (Some(exec), _) => Erased::new(exec),
        // The fast ways, each a server of its own, as long as nothing is in between.
        (None, None) if answer.faults().is_none() && args.echo && !args.console.console => return server.spawn(Echo),
        (None, None) if args.echo && !args.console.console => Erased::new(Echo),
        (None, None) if args.discard => Erased::new(Discard),
        (None, Some(size)) => Erased::new(Generate { size: size.map(|size| size.0) }),
        (None, None) => match (answer.constant(), answer.faults()) {
            (Some(text), None) => return server.spawn(Reply::new(text)),
            (Some(text), _) => Erased::new(Reply::new(text)),
            (None, _) => Erased::new(answer.handler()),
        },
    };
    match answer.faults() {
        Some(faults) => server.spawn(Erased::new(Faulty::new(handler, faults))),
        None => server.spawn(handler),
    }
}

/// Its encoding is known later; a bad escape is told at once.
fn text(text: &str) -> Result<String, callbox::Invalid> {
    unescape(text).map(|_| text.to_owned())
}
