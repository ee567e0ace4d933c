//! Many relays, from a file and over the control API.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use callbox::addr::{Addr, Host};
use callbox::frame::Framing;
use callbox::server::{Report, Running};
use tokio::sync::mpsc;

use super::{RelayArgs, relay_options, server_options, workers};
use crate::app::App;
use crate::args::free_name;
use crate::cmd::write_ready_file;
use crate::config;
use crate::control::fleet::{Broken, Fleet, Given, MOST_RELAYS, Past, Scope, Template};
use crate::control::{self, Control};
use crate::exit::{self, Failure};
use crate::signal::{Asked, Ending, Signals};

/// What the relay of the command line is called.
const FIRST: &str = "relay";

/// Relays until a signal or a closed output ends it.
pub async fn relay(
    args: &RelayArgs,
    (framing, seed): (Framing, u64),
    app: &App,
    signals: &mut Signals,
) -> (Result<u8, Failure>, Option<Report>) {
    let (failures, mut broken) = mpsc::channel(MOST_RELAYS);
    match start(args, (framing, seed), failures, app).await {
        Ok((fleet, control)) => until_over(app, (fleet, control), &mut broken, signals).await,
        Err(failure) => (Err(failure), None),
    }
}

async fn start(
    args: &RelayArgs,
    (framing, seed): (Framing, u64),
    failures: mpsc::Sender<Broken>,
    app: &App,
) -> Result<(Fleet, Option<Control>), Failure> {
    let given = given(args)?;
    let bends = given.iter().any(|given| !given.faults.is_empty());
    // Faults may come later.
    if args.text.seed.is_none() {
        app.drew(seed);
    }
    let listeners = args.control.as_ref().map(control::bind).transpose()?.unwrap_or_default();
    let local = |listener: &std::net::TcpListener| listener.local_addr();
    let avoid = listeners.iter().map(local).collect::<io::Result<Vec<_>>>();
    let avoid = avoid.map_err(|error| Failure::local("ask for the address of --control", &error))?;
    let threads = workers(args)?;
    let everywhere = Addr::Tcp { host: Host::Any, port: 0 };
    let max_per_ip_exposed = server_options(args, &everywhere, threads.clone()).max_per_ip;
    let mut server = server_options(args, &Addr::default_address(), threads);
    // Events of all relays go the same way: a number means one session.
    server.numbers = Some(Arc::new(AtomicU64::new(1)));
    let fleet = Fleet::new(Template {
        server,
        max_per_ip_exposed,
        relay: relay_options(args, app, bends),
        balance: args.upstream.balance,
        resolve: args.upstream.resolve,
        observers: app.observers.clone(),
        seed,
        framing,
        scope: if args.compat_listen_any { Scope::Any } else { Scope::Loopback },
        avoid,
        past: Past::default(),
        failures,
    });
    let mut addrs = Vec::new();
    for given in given {
        let (name, leads) = (given.name.clone(), given.upstreams.iter().map(Addr::to_string).collect::<Vec<_>>());
        let view = fleet.add(given).await.map_err(|refused| refused.failure(&name))?;
        if view.enabled {
            let bound = fleet.with(&name, |member| Ok(member.addrs().to_vec())).await.unwrap_or_default();
            let listens = bound.iter().map(Addr::to_string).collect::<Vec<_>>();
            app.say(format!("relay {name}: {} to {}", listens.join(", "), leads.join(", ")));
            addrs.extend(bound);
        }
    }
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
    write_ready_file(args.server.ready_file.as_deref(), &addrs)?;
    Ok((fleet, control))
}

/// Returns the relays that there are from the start: that of the command line, and those of a file.
fn given(args: &RelayArgs) -> Result<Vec<Given>, Failure> {
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
    if let Some(listen) = &args.listen {
        let (listen, upstreams) = (listen.clone(), args.upstreams.clone());
        given.insert(0, Given { name: FIRST.into(), listen, upstreams, faults, enabled: true });
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
    signals: &mut Signals,
) -> (Result<u8, Failure>, Option<Report>) {
    let mut status = app.status();
    let mut failed = None;
    let ended = loop {
        tokio::select! {
            biased;
            asked = signals.next() => match asked {
                Asked::Suspend => fleet.steer(Running::suspend).await,
                Asked::Resume => fleet.steer(Running::resume).await,
                Asked::End(ending) => break Ok(ending),
            },
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
