//! `callbox listen [ADDR]`

use std::path::PathBuf;

use callbox::Server;
use callbox::direction::Role;
use callbox::server::ServerOptions;

use super::pipe::{self, PipeArgs};
use crate::app::{App, Purpose};
use crate::args::{AddressArgs, FamilyArgs, OutputArgs, ProxyArgs, SocketArgs};
use crate::exit::Failure;
use crate::signal::Signals;

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
    pub proxy: ProxyArgs,
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// Binds, accepts one client and talks.
pub fn run(args: &ListenArgs, output: &OutputArgs) -> Result<u8, Failure> {
    let addr = args.address.addr()?;
    let plan = args.pipe.plan(output)?;
    super::run_on_main(async {
        let mut signals = Signals::listen().map_err(|error| Failure::local("listen to signals", &error))?;
        let deadline = args.pipe.deadline();
        let mut app = App::start(output, Purpose::Pipe, plan.watched(&args.pipe, Role::Server))?;
        let options = ServerOptions {
            socket: args.socket.options(),
            family: args.family.family(),
            accept_proxy: args.proxy.accept(),
            ..ServerOptions::default()
        };
        let server = match Server::bind_with(&addr, options, app.observers.clone()).await {
            Ok(server) => server,
            Err(error) => return Ok(app.finish(Err(error.into()), None, &mut signals).await),
        };
        if let Err(failure) = super::write_ready_file(args.ready_file.as_deref(), server.local_addrs()) {
            return Ok(app.finish(Err(failure), None, &mut signals).await);
        }
        let accepted = tokio::select! {
            biased;
            accepted = server.accept_first() => accepted.map_err(Failure::from),
            ending = signals.ending() => return Ok(app.finish(Ok(ending.code()), None, &mut signals).await),
            () = pipe::until(deadline) => Err(args.pipe.too_late(&format!("listen on {addr}"))),
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(failure) => return Ok(app.finish(Err(failure), None, &mut signals).await),
        };
        super::connect::show_options(&app, &stream);
        let (result, report) = pipe::run(&mut app, (&args.pipe, &plan), stream, &mut signals, deadline).await;
        Ok(app.finish(result, output.json.then_some(report), &mut signals).await)
    })
}
