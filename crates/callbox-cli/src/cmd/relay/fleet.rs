//! Many relays, from a file and over the control API.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use callbox::addr::{Addr, Host};
use callbox::frame::Framing;
use callbox::server::{Report, Running};
use tokio::sync::mpsc;

use super::tls::Tls;
use super::{Place, RelayArgs, relay_options, server_options, workers};
use crate::app::App;
use crate::args::{Leads, free_name};
use crate::cmd::write_ready_file;
use crate::config;
use crate::control::fleet::{Broken, Fleet, Given, MOST_RELAYS, Past, Scope, Template};
use crate::control::{self, Control};
use crate::exit::{self, Failure};
use crate::signal::{Asked, Ending, Signals};
use crate::started::Service;

/// What the relay of the command line is called.
const FIRST: &str = "relay";

/// Relays until a signal or a closed output ends it.
pub async fn relay(
    (args, tls): (&RelayArgs, &Tls),
    (place, leads): (Place, Option<Leads>),
    (framing, seed): (Framing, u64),
    app: &App,
    (service, signals): (&mut Service, &mut Signals),
) -> (Result<u8, Failure>, Option<Report>) {
    let (failures, mut broken) = mpsc::channel(MOST_RELAYS);
    match start((args, tls), (place, leads), (framing, seed), failures, (app, service)).await {
        Ok((fleet, control)) => until_over(app, (fleet, control), &mut broken, (service, signals)).await,
        Err(failure) => (Err(failure), None),
    }
}

async fn start(
    (args, tls): (&RelayArgs, &Tls),
    (place, leads): (Place, Option<Leads>),
    (framing, seed): (Framing, u64),
    failures: mpsc::Sender<Broken>,
    (app, service): (&App, &mut Service),
) -> Result<(Fleet, Option<Control>), Failure> {
    let given = given(args, &place, leads)?;
    args.upstream.check(&given.iter().map(|given| &given.leads).collect::<Vec<_>>())?;
    let bends = given.iter().any(|given| !given.faults.is_empty());
    // Faults may come later.
    if args.text.framing.seed.is_none() {
        app.drew(seed);
    }
    let listeners = args.control.as_ref().map(control::bind).transpose()?.unwrap_or_default();
    let local = |listener: &std::net::TcpListener| listener.local_addr();
    let avoid = listeners.iter().map(local).collect::<io::Result<Vec<_>>>();
    let avoid = avoid.map_err(|error| Failure::local("ask for the address of --control", &error))?;
    let threads = workers(args)?;
    let everywhere = Addr::Tcp { host: Host::Any, port: 0 };
    let max_per_ip_exposed = server_options((args, tls), &everywhere, threads.clone()).max_per_ip;
    let mut server = server_options((args, tls), &Addr::default_address(), threads.clone());
    server.access = place.access;
    // Events of all relays go the same way: a number means one session.
    server.numbers = Some(Arc::new(AtomicU64::new(1)));
    let fleet = Fleet::new(Template {
        server,
        max_per_ip_exposed,
        session_rate: args.server.session_rate,
        relay: relay_options((args, tls), app, bends)?,
        balance: args.upstream.balance,
        resolve: args.upstream.resolve,
        observers: app.observers.clone(),
        targets: args.upstream.targets(),
        seed,
        framing,
        scope: if args.compat_listen_any { Scope::Any } else { Scope::Loopback },
        avoid,
        past: Past::default(),
        failures,
    });
    let addrs = add_all(&fleet, given, app).await?;
    let control = match listeners.is_empty() {
        true => None,
        false => {
            let control = control::start(listeners, fleet.clone());
            Some(control.map_err(|error| Failure::local("start the control API", &error))?)
        }
    };
    if let Some(control) = &control {
        control.addrs().iter().for_each(|addr| app.steered_at(*addr));
    }
    service.become_user()?;
    write_ready_file(args.server.ready_file.as_deref(), &addrs)?;
    service.ready(&addrs, threads);
    Ok((fleet, control))
}

/// Starts the relays, and returns where they listen.
async fn add_all(fleet: &Fleet, given: Vec<Given>, app: &App) -> Result<Vec<Addr>, Failure> {
    let mut addrs = Vec::new();
    for given in given {
        let (name, leads) = (given.name.clone(), given.leads.clone());
        let view = fleet.add(given).await.map_err(|refused| refused.failure(&name))?;
        if !view.enabled {
            continue;
        }
        let bound = fleet.with(&name, |member| Ok(member.addrs().to_vec())).await.unwrap_or_default();
        let listens = bound.iter().map(Addr::to_string).collect::<Vec<_>>();
        app.say(format!("relay {name}: {} to {leads}", listens.join(", ")));
        if let Leads::Asked(proxy) = &leads
            && let Some(warning) = proxy.warning(&bound)
        {
            app.say(warning);
        }
        addrs.extend(bound);
    }
    Ok(addrs)
}

/// Returns the relays that there are from the start: that of the command line, and those of a file.
fn given(args: &RelayArgs, place: &Place, leads: Option<Leads>) -> Result<Vec<Given>, Failure> {
    let faults = args.faults.named()?;
    let mut given = Vec::new();
    if let Some(path) = &args.config {
        let file = path.display().to_string();
        given = config::relays(&file, &config::read(path)?)?;
        if args.listen.is_some() && given.iter().any(|given| given.name == FIRST) {
            let problem = format!("{file}: that of LISTEN is called {FIRST}, so another one cannot be");
            return Err(Failure::usage(problem));
        }
        if args.listen.is_none() && args.control.is_none() && !given.iter().any(|given| given.enabled) {
            let failure = Failure::usage(format!("{file}: no relay is enabled there, so there is nothing to do"));
            return Err(failure.hint("with --control, relays can be made and enabled later"));
        }
    }
    if let Some(leads) = leads {
        let [listen] = place.addrs.as_slice() else {
            let failure = Failure::usage("several sockets were passed, and with --control or --config LISTEN is one");
            return Err(failure.hint("name one: fd:NAME, or fd:3 by its number"));
        };
        given.insert(0, Given { name: FIRST.into(), listen: listen.clone(), leads, faults, enabled: true });
        return Ok(given);
    }
    if given.is_empty() && !faults.is_empty() {
        let failure = Failure::usage("--fault, --faults and --replace: there is no relay yet for them to act on");
        return Err(failure.hint("write LISTEN and UPSTREAM, or add faults over the control API"));
    }
    for relay in &mut given {
        for (name, fault) in &faults {
            let name = free_name(&relay.faults, name);
            relay.faults.push((name, fault.clone()));
        }
    }
    Ok(given)
}

async fn until_over(
    app: &App,
    (fleet, control): (Fleet, Option<Control>),
    broken: &mut mpsc::Receiver<Broken>,
    (service, signals): (&mut Service, &mut Signals),
) -> (Result<u8, Failure>, Option<Report>) {
    let mut status = app.status();
    let mut failed = None;
    let ended = loop {
        tokio::select! {
            biased;
            asked = signals.next() => match asked {
                Asked::Suspend => fleet.steer(Running::suspend).await,
                Asked::Resume => fleet.steer(Running::resume).await,
                Asked::Reload => service.reload(),
                Asked::End(ending) => break Ok(ending),
            },
            () = service.reloaded(app) => {}
            Some(Broken { name, error }) = broken.recv() => {
                failed = Some(exit::code(&error));
                app.failed(error);
                // Without --control nobody can enable one again.
                if !fleet.give_up(&name).await && control.is_none() {
                    break Ok(Ending::Terminate);
                }
            }
            error = status.failed() => break Err(error),
        }
    };
    service.stopping();
    drop(control);
    let report = tokio::select! {
        biased;
        report = fleet.drain() => report,
        // The second one: at once.
        ending = signals.ending() => return (Ok(ending.code()), Some(fleet.report())),
    };
    let result = match ended {
        Ok(ending) if report.undrained > 0 => Ok(ending.code()),
        Ok(_) => Ok(failed.unwrap_or(exit::DONE)),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit::DONE),
        Err(error) => Err(Failure::local("write to standard output", &error)),
    };
    (result, Some(report))
}
