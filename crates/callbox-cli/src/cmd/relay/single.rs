//! One relay, from the command line.

use std::sync::Arc;

use callbox::Addr;
use callbox::handle::relay::Relay;
use callbox::handle::relay::mirror::Mirror;
use callbox::handle::relay::upstreams::{Resolve, Upstreams};
use callbox::net::avoid::Avoid;
use callbox::pipe::plan::Faults;
use callbox::server::{Report, Running, Server, ServerOptions};

use super::{RelayArgs, relay_options, server_options, workers};
use crate::app::App;
use crate::cmd::serve::steer;
use crate::cmd::write_ready_file;
use crate::exit::{self, Failure};
use crate::signal::Signals;

/// Relays until a signal, a closed output or the last session ends it.
pub async fn relay(
    args: &RelayArgs,
    listen: &Addr,
    faults: Option<Faults>,
    app: &App,
    signals: &mut Signals,
) -> (Result<u8, Failure>, Option<Report>) {
    match start(args, listen, faults, app).await {
        Ok((running, mirror)) => {
            let (result, report) = steer::until_over(app, running, None, signals).await;
            judged(result, report, mirror).await
        }
        Err(failure) => (Err(failure), None),
    }
}

/// Binds and starts; nothing has been accepted before everything is known to be right.
async fn start(
    args: &RelayArgs,
    listen: &Addr,
    faults: Option<Faults>,
    app: &App,
) -> Result<(Running, Option<Mirror>), Failure> {
    let mut options = relay_options(args, app, faults.is_some());
    // A relay to itself makes sessions without end, and so does one that is its own mirror.
    let avoid = Avoid::default();
    options.connect.avoid = avoid.clone();
    let mut upstreams = Upstreams::new(args.upstreams.clone(), args.upstream.balance);
    if args.upstream.resolve == Resolve::Once {
        upstreams = upstreams.resolve_once(args.family.family()).await?;
    }
    let mirror = args.mirror.as_ref().map(|addr| {
        let connect = options.connect.clone();
        Mirror::new(addr.clone(), connect, app.observers.clone())
    });
    let observers = match &mirror {
        Some(mirror) => app.observers.clone().with_tap(Arc::new(mirror.clone())),
        None => app.observers.clone(),
    };
    let server_options = ServerOptions { faults: faults.clone(), ..server_options(args, listen, workers(args)?) };
    let server = Server::bind_with(listen, server_options, observers).await?;
    avoid.add_all(server.local_addrs());
    write_ready_file(args.server.ready_file.as_deref(), server.local_addrs())?;
    let relay = Relay::new(upstreams, options, faults.unwrap_or_else(Faults::none));
    let relay = match &mirror {
        Some(mirror) => relay.with_mirror(mirror.clone()),
        None => relay,
    };
    let running = server.spawn(relay);
    let list: Vec<String> = args.upstreams.iter().map(Addr::to_string).collect();
    app.say(format!("relaying to {}", list.join(", ")));
    if app.output.verbose > 0 {
        app.say(format!("at most {} connections at once", running.connection_limit()));
    }
    Ok((running, mirror))
}

/// A mirror that answered otherwise is an expectation that did not hold.
async fn judged(
    result: Result<u8, Failure>,
    report: Option<Report>,
    mirror: Option<Mirror>,
) -> (Result<u8, Failure>, Option<Report>) {
    let Some(mirror) = mirror else { return (result, report) };
    mirror.finished().await;
    // Those of the report are from before the last answers.
    let report = report.map(|mut report| {
        report.limits.retain(|name, _| !name.starts_with("mirror_"));
        mirror.counters(&mut |name, times| {
            if times > 0 {
                report.limits.insert(name, times);
            }
        });
        report
    });
    match result {
        Ok(exit::DONE) if mirror.differences() > 0 => (Ok(exit::UNMET), report),
        result => (result, report),
    }
}
