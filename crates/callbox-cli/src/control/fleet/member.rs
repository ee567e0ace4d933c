//! One relay of a fleet: what it is to be, and what runs of it.

use std::net::SocketAddr;
use std::sync::Arc;

use callbox::addr::Addr;
use callbox::handle::relay::{Relay, RelayOptions};
use callbox::net::avoid::Avoid;
use callbox::pipe::fault::Fault;
use callbox::pipe::plan::{Clipped, Faults, Plan};
use callbox::pipe::rate::SessionRate;
use callbox::server::{Running, Server, ServerOptions, Snapshot};
use callbox::termination::Termination;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::listen::resolve_listen;
use super::past::Past;
use super::{Broken, Template, upstream};
use crate::args::{AsProxy, Choice, Leads};
use crate::control::reply::Refused;
use crate::control::toxic::Toxic;

/// Faults of one relay, toxics among them.
pub const MOST_FAULTS: usize = 256;

/// A relay as others see it, in the order in which toxiproxy prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct View {
    /// What it is called.
    pub name: String,
    /// Where it listens, with the real port while it is enabled.
    pub listen: String,
    /// Where it leads.
    pub upstream: String,
    /// Whether it listens.
    pub enabled: bool,
    /// Its toxics: upstream first, each in the order they came.
    pub toxics: Vec<Toxic>,
}

/// What a relay has carried so far, whenever it was enabled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// Sessions.
    pub sessions: u64,
    /// Bytes received from clients.
    pub to_server_bytes: u64,
    /// Bytes sent to clients.
    pub to_client_bytes: u64,
}

/// Where a relay listens.
#[derive(Debug, Clone)]
enum Bind {
    /// As the control API was told: to be read as toxiproxy does.
    Told,
    /// As our own command line has it, or bound before: no more to be read.
    Known(Addr),
}

/// A toxic and the fault that it is here.
#[derive(Debug, Clone)]
pub struct Attached {
    /// What was put.
    pub toxic: Toxic,
    /// The fault's number; `None` where it does nothing.
    pub fault: Option<u64>,
}

/// One relay.
pub struct Member {
    name: String,
    listen: String,
    bind: Bind,
    upstream: String,
    /// Its clients say where they want to go: only our own command line and configuration have that.
    proxy: Option<AsProxy>,
    /// Whether a request says where it leads: then it leads to no link-local address.
    led: bool,
    faults: Faults,
    toxics: Vec<Attached>,
    /// Numbers of faults that a reset leaves alone: they came with the relay.
    given: Vec<u64>,
    /// The number of the next fault: counted from 1 for each relay, for what is drawn hangs on it.
    next_fault: u64,
    running: Option<Arc<Running>>,
    /// Ends with the listener, by whatever.
    watch: Option<JoinHandle<()>>,
    before: Carried,
    past: Past,
}

impl Member {
    /// Makes one that does not listen yet.
    pub fn new(name: &str, listen: &str, upstream: &str, template: &Template) -> Member {
        let plan = Plan { seed: template.seed, framing: template.framing.clone(), faults: Vec::new(), rate: None };
        Member {
            name: name.to_owned(),
            listen: listen.to_owned(),
            bind: Bind::Told,
            upstream: upstream.to_owned(),
            proxy: None,
            led: true,
            faults: Faults::new(plan),
            toxics: Vec::new(),
            given: Vec::new(),
            next_fault: 1,
            running: None,
            watch: None,
            before: Carried::default(),
            past: template.past.clone(),
        }
    }

    /// Has it listen at an address of ours, lead where we say, and begin with these faults.
    pub fn given(&mut self, listen: Addr, leads: Leads, faults: Vec<(String, Fault)>) -> Result<(), Refused> {
        faults.iter().try_for_each(|(_, fault)| self.check(fault))?;
        self.bind = Bind::Known(listen);
        self.led = false;
        if let Leads::Asked(as_proxy) = leads {
            self.proxy = Some(as_proxy);
        }
        let clip = |(name, fault)| Clipped { id: self.number(), name, fault };
        let faults: Vec<Clipped> = faults.into_iter().map(clip).collect();
        self.given = faults.iter().map(|clipped| clipped.id).collect();
        self.faults.change(|plan| plan.faults = faults);
        Ok(())
    }

    /// Refuses a fault that could never be at work: on a frame, where nothing says what a frame is.
    fn check(&self, fault: &Fault) -> Result<(), Refused> {
        let clipped = Clipped { id: 0, name: String::new(), fault: fault.clone() };
        let alone = Plan { faults: vec![clipped], framing: self.plan().framing.clone(), seed: 0, rate: None };
        alone.check().map_err(|invalid| Refused::new(400, invalid.to_string()))
    }

    fn number(&mut self) -> u64 {
        let number = self.next_fault;
        self.next_fault += 1;
        number
    }

    /// Returns it as others see it.
    pub fn view(&self) -> View {
        View {
            name: self.name.clone(),
            listen: self.listen.clone(),
            upstream: self.upstream.clone(),
            enabled: self.running.is_some(),
            toxics: self.toxics().into_iter().map(|attached| attached.toxic.clone()).collect(),
        }
    }

    /// Returns where it listens and where it leads.
    pub fn ends(&self) -> (&str, &str) {
        (&self.listen, &self.upstream)
    }

    /// Changes where it listens and leads; it must not run.
    pub fn move_to(&mut self, listen: &str, upstream: &str) {
        if self.listen != listen {
            self.listen = listen.to_owned();
            self.bind = Bind::Told;
        }
        if self.upstream != upstream {
            self.led = true;
            self.proxy = None;
        }
        self.upstream = upstream.to_owned();
    }

    /// Tells whether its clients say where they want to go.
    pub fn is_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    /// Returns where it does not lead, whatever it listens at.
    pub fn avoid(&self, template: &Template) -> Avoid {
        let avoid = Avoid::new(template.avoid.clone());
        if self.led {
            avoid.add_link_local();
        }
        avoid
    }

    /// Tells whether it listens.
    pub fn is_enabled(&self) -> bool {
        self.running.is_some()
    }

    /// Returns all addresses that it is bound to; none while it is disabled.
    pub fn addrs(&self) -> &[Addr] {
        self.running.as_ref().map_or(&[], |running| running.local_addrs())
    }

    /// Returns what runs, for draining it.
    pub fn running(&self) -> Option<&Arc<Running>> {
        self.running.as_ref()
    }

    /// Binds and serves; nothing happens where it does already.
    pub async fn start(&mut self, template: &Template) -> Result<(), Refused> {
        if self.running.is_some() {
            return Ok(());
        }
        // A new one for each start, for it counts from there.
        self.faults.change(|plan| plan.rate = template.session_rate.map(SessionRate::new));
        let leads = match &self.proxy {
            Some(as_proxy) => Leads::Asked(as_proxy.clone()),
            None => Leads::Servers(upstream::read(&self.upstream)?),
        };
        let bind = match &self.bind {
            Bind::Known(addr) => addr.clone(),
            Bind::Told => {
                let found = resolve_listen(&self.listen, template.scope).await;
                Addr::from(found.map_err(|problem| Refused::new(500, format!("listen tcp: {problem}")))?)
            }
        };
        let server = template.server.clone();
        let max_per_ip = if bind.is_loopback() { server.max_per_ip } else { template.max_per_ip_exposed };
        let options = ServerOptions { faults: Some(self.faults.clone()), max_per_ip, ..server };
        let server = Server::bind_with(bind.clone(), options, template.observers.clone()).await;
        let server = server.map_err(|error| {
            let place = error.address().map_or_else(|| bind.to_string(), str::to_owned);
            Refused::new(500, format!("listen tcp {place}: bind: {}", error.cause())).because(error)
        })?;
        let bound: Vec<SocketAddr> = server.local_addrs().iter().filter_map(Addr::socket_addr).collect();
        let avoid = self.avoid(template);
        avoid.add_all(server.local_addrs());
        upstream::check(leads.servers(), &avoid).await?;
        if let Some(first) = server.local_addrs().first() {
            self.listen = first.to_string();
        }
        self.bind = Bind::Known(with_port(bind, bound.first().map_or(0, SocketAddr::port)));
        let mut options: RelayOptions = template.relay.clone();
        options.connect.avoid = avoid;
        let choice = Choice { balance: template.balance, resolve: template.resolve, family: template.server.family };
        let destination = leads.destination(choice, template.targets.clone()).await;
        let destination = destination.map_err(|error| Refused::new(500, error.to_string()).because(error))?;
        let relay = Relay::to(destination, options, self.faults.clone());
        let running = Arc::new(server.spawn(relay));
        self.watch = Some(tokio::spawn(watch(running.clone(), self.name.clone(), template.failures.clone())));
        self.running = Some(running);
        Ok(())
    }

    /// Tells whether its listener has ended although nobody closed it.
    pub fn is_broken(&self) -> bool {
        self.watch.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Stops listening at once and ends every session; they part by themselves.
    pub async fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
        // A listener that had failed is closed too.
        let _ = running.close(Termination::Steered).await;
        self.before = self.before.plus(&running.snapshot());
        self.past.take(running);
    }

    /// Returns what it has carried.
    pub fn carried(&self) -> Carried {
        self.running.as_ref().map_or(self.before, |running| self.before.plus(&running.snapshot()))
    }

    /// Returns its toxics: upstream first, each in the order they came.
    pub fn toxics(&self) -> Vec<&Attached> {
        let mut toxics: Vec<&Attached> = self.toxics.iter().collect();
        toxics.sort_by_key(|attached| attached.toxic.way());
        toxics
    }

    /// Returns the toxic of that name.
    pub fn toxic(&self, name: &str) -> Option<&Toxic> {
        self.toxics.iter().map(|attached| &attached.toxic).find(|toxic| toxic.name == name)
    }

    /// Returns the faults that count now.
    pub fn plan(&self) -> Arc<Plan> {
        self.faults.plan()
    }

    /// Tells whether the name is taken, by a toxic or by a fault.
    pub fn knows(&self, name: &str) -> bool {
        self.toxic(name).is_some() || self.plan().faults.iter().any(|clipped| clipped.name == name)
    }

    /// Adds a toxic behind the others.
    pub fn attach(&mut self, toxic: Toxic) -> Result<(), Refused> {
        if self.toxics.len() >= MOST_FAULTS {
            return Err(too_many());
        }
        let fault = toxic.fault().map(|fault| self.clip(&toxic.name, fault)).transpose()?;
        self.toxics.push(Attached { toxic, fault });
        Ok(())
    }

    /// Puts a toxic in the place of the one of its name.
    pub fn exchange(&mut self, toxic: Toxic) -> Result<(), Refused> {
        let Some(at) = self.toxics.iter().position(|attached| attached.toxic.name == toxic.name) else { return Ok(()) };
        if let (Some(before), Some(fault)) = (self.toxics[at].fault, toxic.fault()) {
            self.toxics[at].fault = Some(self.replace(before, fault)?);
        }
        self.toxics[at].toxic = toxic;
        Ok(())
    }

    /// Takes a toxic away, and says whether there was one.
    pub fn detach(&mut self, name: &str) -> Option<Toxic> {
        let at = self.toxics.iter().position(|attached| attached.toxic.name == name)?;
        let attached = self.toxics.remove(at);
        if let Some(id) = attached.fault {
            self.unclip(id);
        }
        Some(attached.toxic)
    }

    /// Takes every toxic away, and the faults that did not come with the relay.
    pub fn reset(&mut self) {
        self.toxics.clear();
        let given = self.given.clone();
        self.change(|plan| plan.faults.retain(|clipped| given.contains(&clipped.id)));
    }

    /// Adds a fault behind the others and returns its number.
    pub fn clip(&mut self, name: &str, fault: Fault) -> Result<u64, Refused> {
        if self.plan().faults.len() >= MOST_FAULTS {
            return Err(too_many());
        }
        self.check(&fault)?;
        let id = self.number();
        let clipped = Clipped { id, name: name.to_owned(), fault };
        self.change(|plan| plan.faults.push(clipped));
        Ok(id)
    }

    /// Puts a fault in the place of another one, under a new number, which it returns.
    pub fn replace(&mut self, before: u64, fault: Fault) -> Result<u64, Refused> {
        self.check(&fault)?;
        let id = self.number();
        // What came with the relay has come with it, changed or not.
        self.given.iter_mut().filter(|given| **given == before).for_each(|given| *given = id);
        self.change(|plan| {
            if let Some(clipped) = plan.faults.iter_mut().find(|clipped| clipped.id == before) {
                (clipped.id, clipped.fault) = (id, fault);
            }
        });
        Ok(id)
    }

    /// Takes a fault away.
    pub fn unclip(&mut self, id: u64) {
        self.change(|plan| plan.faults.retain(|clipped| clipped.id != id));
    }

    fn change(&self, change: impl FnOnce(&mut Plan)) {
        self.faults.change(change);
        if let Some(running) = &self.running {
            running.wake_all();
        }
    }
}

impl Carried {
    fn plus(self, snapshot: &Snapshot) -> Carried {
        Carried {
            sessions: self.sessions + snapshot.report.sessions,
            to_server_bytes: self.to_server_bytes + snapshot.report.to_server_bytes,
            to_client_bytes: self.to_client_bytes + snapshot.report.to_client_bytes,
        }
    }
}

/// Tells when the listener fails by itself.
async fn watch(running: Arc<Running>, name: String, failures: mpsc::Sender<Broken>) {
    if let Err(error) = running.finished().await {
        // Nobody listens while callbox leaves.
        let _ = failures.try_send(Broken { name, error });
    }
}

fn too_many() -> Refused {
    Refused::new(400, format!("too many faults: {MOST_FAULTS} at most"))
}

/// The same address with the port that the kernel chose.
fn with_port(addr: Addr, real: u16) -> Addr {
    match addr {
        Addr::Tcp { host, port: 0 } => Addr::Tcp { host, port: real },
        other => other,
    }
}
