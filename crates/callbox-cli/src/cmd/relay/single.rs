//! One relay, from the command line.

use std::sync::Arc;

use callbox::Addr;
use callbox::handle::relay::Relay;
use callbox::handle::relay::mirror::Mirror;
use callbox::net::avoid::Avoid;
use callbox::net::connect::ConnectOptions;
use callbox::pipe::plan::Faults;
use callbox::server::{Report, Running, Server, ServerOptions};

use super::tls::Tls;
use super::{Place, RelayArgs, relay_options, server_options, workers};
use crate::app::App;
use crate::args::{Choice, Leads, Upstream};
use crate::cmd::serve::steer;
use crate::cmd::write_ready_file;
use crate::exit::{self, Failure};
use crate::signal::Signals;
use crate::started::Service;

/// Relays until a signal, a closed output or the last session ends it.
pub async fn relay(
    (args, tls): (&RelayArgs, &Tls),
    (place, leads): (Place, &Leads),
    faults: Option<Faults>,
    app: &App,
    (service, signals): (&mut Service, &mut Signals),
) -> (Result<u8, Failure>, Option<Report>) {
    match start((args, tls), (place, leads), faults, app, service).await {
        Ok((running, mirror)) => {
            let (result, report) = steer::until_over(app, running, service, None, signals).await;
            judged(result, report, mirror).await
        }
        Err(failure) => (Err(failure), None),
    }
}

/// Binds and starts; nothing has been accepted before everything is known to be right.
async fn start(
    (args, tls): (&RelayArgs, &Tls),
    (Place { addrs, access }, leads): (Place, &Leads),
    faults: Option<Faults>,
    app: &App,
    service: &mut Service,
) -> Result<(Running, Option<Mirror>), Failure> {
    args.upstream.check(&[leads])?;
    let mut options =
        relay_options((args, tls), app, faults.as_ref().is_some_and(|faults| !faults.plan().faults.is_empty()))?;
    // A relay to itself makes sessions without end, and so does one that is its own mirror.
    let avoid = Avoid::default();
    options.connect.avoid = avoid.clone();
    let upstream = &args.upstream;
    let choice = Choice { balance: upstream.balance, resolve: upstream.resolve, family: args.family.family() };
    let destination = leads.destination(choice, upstream.targets()).await?;
    let mirror = args.mirror.as_ref().map(|to| {
        let secured = tls.mirror.as_ref().map(|ready| ready.tls.clone());
        let connect = ConnectOptions { tls: secured, ..options.connect.clone() };
        Mirror::new(to.addr.clone(), connect, app.observers.clone())
    });
    let observers = match &mirror {
        Some(mirror) => app.observers.clone().with_tap(Arc::new(mirror.clone())),
        None => app.observers.clone(),
    };
    let workers = workers(args)?;
    let listen = args.listen.as_ref().map_or_else(Addr::default_address, |listen| listen.at.addr());
    let server_options = server_options((args, tls), &listen, workers.clone());
    let server_options = ServerOptions { faults: faults.clone(), access, ..server_options };
    let server = args.server.known(Server::bind_all(&addrs, server_options, observers).await?);
    avoid.add_all(server.local_addrs());
    service.become_user()?;
    write_ready_file(args.server.ready_file.as_deref(), server.local_addrs())?;
    let relay = Relay::to(destination, options, faults.unwrap_or_else(Faults::none));
    let relay = match &mirror {
        Some(mirror) => relay.with_mirror(mirror.clone()),
        None => relay,
    };
    let running = server.spawn(relay);
    service.ready(running.local_addrs(), workers);
    let list: Vec<String> = args.upstreams.iter().map(Upstream::to_string).collect();
    app.say(match leads {
        Leads::Servers(_) => format!("relaying to {}", list.join(", ")),
        Leads::Asked(_) => format!("relaying to {leads}"),
    });
    if let Leads::Asked(proxy) = leads
        && let Some(warning) = proxy.warning(running.local_addrs())
    {
        app.say(warning);
    }
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
