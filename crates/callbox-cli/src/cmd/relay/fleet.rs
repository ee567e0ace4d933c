//! Many relays, from a file and over the control API.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use callbox::addr::Addr;
use callbox::frame::Framing;
use callbox::server::{Report, Running};

use super::{RelayArgs, relay_options, server_options, workers};
use crate::app::App;
use crate::cmd::write_ready_file;
use crate::config;
use crate::control::fleet::{Fleet, Given, Scope, Template};
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
    match start(args, (framing, seed), app).await {
        Ok((fleet, control)) => until_over(app, fleet, control, signals).await,
        Err(failure) => (Err(failure), None),
    }
}

async fn start(
    args: &RelayArgs,
    (framing, seed): (Framing, u64),
    app: &App,
) -> Result<(Fleet, Option<Control>), Failure> {
    let mut given = match &args.config {
        Some(path) => config::relays(&path.display().to_string(), &config::read(path)?)?,
        None => Vec::new(),
    };
    let faults = args.faults.named()?;
    let bends = !faults.is_empty() || given.iter().any(|given| !given.faults.is_empty());
    if let Some(listen) = &args.listen {
        let (listen, upstreams) = (listen.clone(), args.upstreams.clone());
        given.insert(0, Given { name: FIRST.into(), listen, upstreams, faults, enabled: true });
    } else if !faults.is_empty() {
        given.iter_mut().for_each(|given| given.faults.extend(faults.iter().cloned()));
    }
    let listeners = args.control.as_ref().map(control::bind).transpose()?.unwrap_or_default();
    let local = |listener: &std::net::TcpListener| listener.local_addr();
    let avoid = listeners.iter().map(local).collect::<io::Result<Vec<_>>>();
    let avoid = avoid.map_err(|error| Failure::local("ask for the address of --control", &error))?;
    // What is not on loopback has the limits of an exposed server.
    let exposed = given.iter().map(|given| &given.listen).find(|listen| !listen.is_loopback());
    let listen = exposed.cloned().unwrap_or_else(Addr::default_address);
    let mut server = server_options(args, &listen, workers(args)?);
    // Events of all relays go the same way: a number means one session.
    server.numbers = Some(Arc::new(AtomicU64::new(1)));
    let fleet = Fleet::new(Template {
        server,
        relay: relay_options(args, app, bends),
        balance: args.upstream.balance,
        resolve: args.upstream.resolve,
        observers: app.observers.clone(),
        seed,
        framing,
        scope: if args.compat_listen_any { Scope::Any } else { Scope::Loopback },
        avoid,
    });
    let mut addrs = Vec::new();
    for given in given {
        let (name, leads) = (given.name.clone(), given.upstreams.iter().map(Addr::to_string).collect::<Vec<_>>());
        let view = fleet.add(given).await.map_err(|refused| refused.failure(&name))?;
        if view.enabled {
            app.say(format!("relay {name}: {} to {}", view.listen, leads.join(", ")));
            addrs.extend(Addr::parse(&view.listen));
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
        for addr in control.addrs() {
            crate::ui::complain(&format!("control on http://{addr}\n"));
        }
    }
    write_ready_file(args.server.ready_file.as_deref(), &addrs)?;
    Ok((fleet, control))
}

async fn until_over(
    app: &App,
    fleet: Fleet,
    control: Option<Control>,
    signals: &mut Signals,
) -> (Result<u8, Failure>, Option<Report>) {
    let mut status = app.status();
    let ended = loop {
        tokio::select! {
            biased;
            asked = signals.next() => match asked {
                Asked::Suspend => fleet.steer(Running::suspend).await,
                Asked::Resume => fleet.steer(Running::resume).await,
                Asked::End(ending) => break Ok(ending),
            },
            error = status.failed() => break Err(error),
        }
    };
    drop(control);
    let reports = tokio::select! {
        biased;
        reports = fleet.drain() => reports,
        // The second one: at once.
        ending = signals.ending() => return (Ok(ending.code()), None),
    };
    let report = together(reports);
    let result = match ended {
        Ok(ending) => Ok(if report.undrained > 0 { Ending::code(ending) } else { exit::DONE }),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit::DONE),
        Err(error) => Err(Failure::local("write to standard output", &error)),
    };
    (result, Some(report))
}

/// Adds up what the relays did.
fn together(reports: Vec<(String, Report)>) -> Report {
    let mut all = Report::default();
    let mut limits: BTreeMap<&'static str, u64> = BTreeMap::new();
    for (_, report) in reports {
        all.sessions += report.sessions;
        all.refused += report.refused;
        all.to_server_bytes += report.to_server_bytes;
        all.to_client_bytes += report.to_client_bytes;
        all.frames += report.frames;
        all.undrained += report.undrained;
        all.duration = all.duration.max(report.duration);
        all.lost_events = all.lost_events.max(report.lost_events);
        for (name, times) in report.limits {
            *limits.entry(name).or_default() += times;
        }
    }
    all.limits = limits;
    all
}
