//! `callbox listen [ADDR]`

use std::path::PathBuf;

use callbox::Server;
use callbox::direction::Role;
use callbox::net::socket::Options;
use callbox::server::ServerOptions;
use callbox::workers::Workers;

use super::pipe::{self, PipeArgs};
use crate::app::{App, Purpose, Watched};
use crate::args::{
    AccessArgs, AddressArgs, BoundArgs, FamilyArgs, Listening, OutputArgs, ProxyArgs, ServerTlsArgs, SocketArgs,
    TlsArgs,
};
use crate::exit::Failure;
use crate::signal::{Asked, Ending, Signals};
use crate::started::Service;
use crate::tls::server::Serving;

/// Wait for one client and be a byte pipe to it, as connect is
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  callbox listen > received.bin
  callbox listen :9000 --send 'welcome\\n' --expect bye")]
pub struct ListenArgs {
    #[command(flatten)]
    pub address: AddressArgs,
    #[command(flatten)]
    pub pipe: PipeArgs,
    #[command(flatten)]
    pub family: FamilyArgs,
    /// Write the bound addresses to this file once they are bound, one a line
    #[arg(long, value_name = "PATH", help_heading = "Listening")]
    pub ready_file: Option<PathBuf>,
    #[command(flatten)]
    pub access: AccessArgs,
    #[command(flatten)]
    pub bound: BoundArgs,
    #[command(flatten)]
    pub proxy: ProxyArgs,
    #[command(flatten)]
    pub tls: ServerTlsArgs,
    #[command(flatten)]
    pub both: TlsArgs,
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// Binds, accepts one client and talks.
pub fn run(args: &ListenArgs, output: &OutputArgs) -> Result<u8, Failure> {
    let Listening { at: listen, tls: scheme } = args.address.listen()?;
    let plan = args.pipe.plan(output)?;
    let tls = args.tls.ready(&args.both, &listen.addr(), scheme)?;
    args.both.check(tls.is_some())?;
    let mut service = Service::new(args.bound.user.as_deref())?;
    let addrs = listen.addrs(&service.passed)?;
    let access = service.access(&args.access)?;
    if let Some(again) = tls.as_ref().and_then(Serving::reload) {
        service.reloads.add(again);
    }
    super::run_on_main(async {
        let mut signals = Signals::listen().map_err(|error| Failure::local("listen to signals", &error))?;
        let deadline = args.pipe.deadline();
        let mut app = App::start(
            output,
            Purpose::Pipe,
            Watched {
                expiry_warn: tls.as_ref().and_then(Serving::expiry_warn),
                ..plan.watched(&args.pipe, Role::Server)
            },
        )?;
        if let Some(tls) = &tls {
            tls.say(&app);
        }
        let options = ServerOptions {
            socket: Options { unix_mode: args.bound.unix_mode, ..args.socket.options() },
            family: args.family.family(),
            accept_proxy: args.proxy.accept(),
            access,
            tls: tls.as_ref().map(Serving::tls),
            ..ServerOptions::default()
        };
        service.begin(&app, &mut signals, &addrs)?;
        let server = match Server::bind_all(&addrs, options, app.observers.clone()).await {
            Ok(server) => server,
            Err(error) => return Ok(app.finish(Err(error.into()), None, &mut signals).await),
        };
        let ready = service.become_user();
        let ready = ready.and_then(|()| super::write_ready_file(args.ready_file.as_deref(), server.local_addrs()));
        if let Err(failure) = ready {
            return Ok(app.finish(Err(failure), None, &mut signals).await);
        }
        service.ready(server.local_addrs(), Workers::current());
        let turned_away = server.turned_away();
        let accepted = tokio::select! {
            biased;
            accepted = server.accept_first() => accepted.map_err(Failure::from),
            ending = until_ended(&app, &mut service, &mut signals) => return Ok(app.finish(Ok(ending.code()), None, &mut signals).await),
            () = pipe::until(deadline) => Err(args.pipe.too_late(&format!("listen on {}", listen.addr()))),
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(failure) => return Ok(app.finish(Err(failure), None, &mut signals).await),
        };
        super::connect::show_options(&app, &stream);
        let (result, mut report) = pipe::run(&mut app, (&args.pipe, &plan), stream, &mut signals, deadline).await;
        turned_away.add_to(&mut report);
        Ok(app.finish(result, output.json.then_some(report), &mut signals).await)
    })
}

/// Waits for a signal that asks to end, and reloads meanwhile when one asks for that.
async fn until_ended(app: &App, service: &mut Service, signals: &mut Signals) -> Ending {
    loop {
        tokio::select! {
            biased;
            asked = signals.next() => match asked {
                Asked::End(ending) => return ending,
                Asked::Reload => service.reload(),
                Asked::Suspend | Asked::Resume => {}
            },
            () = service.reloaded(app) => {}
        }
    }
}
