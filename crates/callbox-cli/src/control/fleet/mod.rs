//! All relays of a process by their names, and what may be done with them.
//!
//! Relays run where the fleet was made: whatever binds, starts or ends one is done by a task on that runtime, one thing
//! after the other, and goes on when whoever asked is gone. Everything else (looking, changing faults) is done by
//! whoever asks, on any thread, under the same lock.

mod listen;
mod member;
mod past;
mod upstream;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use callbox::Addr;
use callbox::frame::Framing;
use callbox::handle::relay::RelayOptions;
use callbox::handle::relay::upstreams::{Balance, Resolve};
use callbox::net::avoid::Avoid;
use callbox::observers::Observers;
use callbox::pipe::fault::Fault;
use callbox::server::{Report, Running, ServerOptions};
use callbox::targets::Targets;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, MutexGuard, mpsc};
use tokio::time::Instant;

use super::reply::Refused;
use crate::args::Leads;
pub use listen::Scope;
pub use member::{Carried, Member, View};
pub use past::Past;

/// Relays of one process: each has a listener and a line in the metrics.
pub const MOST_RELAYS: usize = 1000;

/// What all relays of a fleet have in common.
#[derive(Clone)]
pub struct Template {
    /// How they accept on loopback.
    pub server: ServerOptions,
    /// Connections open at once from one address, of a relay that other machines can reach.
    pub max_per_ip_exposed: Option<usize>,
    /// Bytes a second in each direction of a session.
    pub session_rate: Option<u64>,
    /// How they connect and close.
    pub relay: RelayOptions,
    /// Which of several servers a session goes to.
    pub balance: Balance,
    /// When its servers' names are looked up.
    pub resolve: Resolve,
    /// Who watches.
    pub observers: Observers,
    /// All that is random in their faults is drawn from this.
    pub seed: u64,
    /// What a frame is, where a fault wants to know.
    pub framing: Framing,
    /// Which addresses the control API may have listeners on.
    pub scope: Scope,
    /// Where clients may go who say it themselves.
    pub targets: Targets,
    /// Where callbox is steered from: no relay leads there.
    pub avoid: Vec<SocketAddr>,
    /// What those did that are no more.
    pub past: Past,
    /// Who is told of a listener that failed by itself; it holds [`MOST_RELAYS`].
    pub failures: mpsc::Sender<Broken>,
}

/// A relay whose listener failed by itself.
#[derive(Debug)]
pub struct Broken {
    /// What it is called.
    pub name: String,
    /// Why.
    pub error: callbox::Error,
}

/// A relay of our own command line or configuration: its address is taken as it is.
#[derive(Debug, Clone)]
pub struct Given {
    /// What it is called.
    pub name: String,
    /// Where it listens.
    pub listen: Addr,
    /// Where it leads.
    pub leads: Leads,
    /// Its faults, each with its name.
    pub faults: Vec<(String, Fault)>,
    /// Whether it listens from the start.
    pub enabled: bool,
}

/// A relay that the control API asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What it is called.
    pub name: String,
    /// Where it listens.
    pub listen: String,
    /// Where it leads.
    pub upstream: String,
    /// Whether it listens from the start.
    pub enabled: bool,
}

/// What is to be different about a relay; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Where it listens.
    pub listen: Option<String>,
    /// Where it leads.
    pub upstream: Option<String>,
    /// Whether it listens.
    pub enabled: Option<bool>,
}

/// All relays; clones share them.
#[derive(Clone)]
pub struct Fleet(Arc<Inner>);

struct Inner {
    runtime: Handle,
    started: Instant,
    template: Template,
    members: Mutex<BTreeMap<String, Member>>,
}

fn unknown() -> Refused {
    Refused::new(404, "proxy not found")
}

impl Fleet {
    /// Makes an empty one whose relays run on the runtime this is called on.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn new(template: Template) -> Fleet {
        let (runtime, members) = (Handle::current(), Mutex::default());
        Fleet(Arc::new(Inner { runtime, started: Instant::now(), template, members }))
    }

    /// Tells whether no relay leads to `addr`.
    pub fn avoids(&self, addr: SocketAddr) -> bool {
        self.0.template.avoid.contains(&addr)
    }

    async fn members(&self) -> MutexGuard<'_, BTreeMap<String, Member>> {
        self.0.members.lock().await
    }

    /// Does something on the relays' runtime, to its end.
    async fn there<T, F>(&self, work: impl FnOnce(Fleet) -> F) -> Result<T, Refused>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refused>> + Send + 'static,
    {
        let done = self.0.runtime.spawn(work(self.clone())).await;
        done.unwrap_or_else(|_| Err(Refused::new(503, "callbox is leaving")))
    }

    /// Adds a relay of our own.
    ///
    /// # Errors
    ///
    /// A name that is taken, an address that cannot be bound, a server that is callbox itself.
    ///
    /// # Cancel safety
    ///
    /// It is added all the same when the future is dropped.
    pub async fn add(&self, given: Given) -> Result<View, Refused> {
        self.there(|fleet| async move {
            let template = &fleet.0.template;
            let upstream = upstream::write(&given.leads);
            let mut member = Member::new(&given.name, &given.listen.to_string(), &upstream, template);
            member.given(given.listen, given.leads, given.faults)?;
            fleet.enter(&mut *fleet.members().await, member, given.enabled).await
        })
        .await
    }

    /// Makes a relay.
    ///
    /// # Errors
    ///
    /// As [`Fleet::add`]; also an address that cannot be read or is not allowed.
    ///
    /// # Cancel safety
    ///
    /// It is made all the same when the future is dropped.
    pub async fn create(&self, wanted: Wanted) -> Result<View, Refused> {
        self.there(|fleet| async move {
            let member = Member::new(&wanted.name, &wanted.listen, &wanted.upstream, &fleet.0.template);
            fleet.enter(&mut *fleet.members().await, member, wanted.enabled).await
        })
        .await
    }

    async fn enter(
        &self,
        members: &mut BTreeMap<String, Member>,
        mut member: Member,
        enabled: bool,
    ) -> Result<View, Refused> {
        let view = member.view();
        if members.contains_key(&view.name) {
            return Err(Refused::new(409, "proxy already exists"));
        }
        if members.len() >= MOST_RELAYS {
            return Err(Refused::new(400, format!("too many proxies: {MOST_RELAYS} at most")));
        }
        if !member.is_proxy() {
            check_upstream(member.avoid(&self.0.template), &view.upstream, &view.listen).await?;
        }
        if enabled {
            member.start(&self.0.template).await?;
        }
        let now = member.view();
        members.insert(view.name, member);
        Ok(now)
    }

    /// Returns all relays, by name.
    ///
    /// # Cancel safety
    ///
    /// Nothing changes when the future is dropped.
    pub async fn list(&self) -> Vec<View> {
        self.members().await.values().map(Member::view).collect()
    }

    /// Looks at a relay, or changes its faults.
    ///
    /// # Errors
    ///
    /// A name that nobody has, and whatever `act` refuses.
    ///
    /// # Cancel safety
    ///
    /// Either all of it has happened or nothing.
    pub async fn with<T>(&self, name: &str, act: impl FnOnce(&mut Member) -> Result<T, Refused>) -> Result<T, Refused> {
        act(self.members().await.get_mut(name).ok_or_else(unknown)?)
    }

    /// Looks at every relay.
    ///
    /// # Cancel safety
    ///
    /// Nothing changes when the future is dropped.
    pub async fn each(&self, mut look: impl FnMut(&Member)) {
        self.members().await.values().for_each(&mut look);
    }

    /// Changes a relay: a new address or server ends its sessions and, where it was enabled, has it listen anew.
    ///
    /// # Errors
    ///
    /// A name that nobody has; what [`Fleet::create`] refuses. A relay that cannot listen anew stays disabled.
    ///
    /// # Cancel safety
    ///
    /// It is changed all the same when the future is dropped.
    pub async fn update(&self, name: &str, change: Change) -> Result<View, Refused> {
        let name = name.to_owned();
        self.there(|fleet| async move {
            let template = &fleet.0.template;
            let mut members = fleet.members().await;
            let member = members.get_mut(&name).ok_or_else(unknown)?;
            let (listen, upstream) = member.ends();
            let listen = change.listen.unwrap_or_else(|| listen.to_owned());
            let upstream = change.upstream.unwrap_or_else(|| upstream.to_owned());
            let enabled = change.enabled.unwrap_or_else(|| member.is_enabled());
            if differs(member, &listen, &upstream, template).await? {
                let avoid = member.avoid(template);
                if member.ends().1 != upstream {
                    avoid.add_link_local();
                }
                if !(member.is_proxy() && member.ends().1 == upstream) {
                    check_upstream(avoid, &upstream, &listen).await?;
                }
                member.stop().await;
                member.move_to(&listen, &upstream);
            }
            if enabled {
                member.start(template).await?;
            } else {
                member.stop().await;
            }
            Ok(member.view())
        })
        .await
    }

    /// Disables a relay whose listener failed, unless it has been enabled again since, and tells whether any runs.
    ///
    /// # Cancel safety
    ///
    /// It is disabled all the same when the future is dropped.
    pub async fn give_up(&self, name: &str) -> bool {
        let name = name.to_owned();
        let done = self.there(|fleet| async move {
            let mut members = fleet.members().await;
            if let Some(member) = members.get_mut(&name).filter(|member| member.is_broken()) {
                member.stop().await;
            }
            Ok(members.values().any(Member::is_enabled))
        });
        done.await.unwrap_or(false)
    }

    /// Takes a relay away and ends its sessions.
    ///
    /// # Errors
    ///
    /// A name that nobody has.
    ///
    /// # Cancel safety
    ///
    /// It goes all the same when the future is dropped.
    pub async fn delete(&self, name: &str) -> Result<(), Refused> {
        let name = name.to_owned();
        self.there(|fleet| async move {
            let mut members = fleet.members().await;
            let mut member = members.remove(&name).ok_or_else(unknown)?;
            member.stop().await;
            Ok(())
        })
        .await
    }

    /// Makes relays, in order, up to the first that fails. One that is there stays as it is, unless it listens or leads
    /// elsewhere: then the new one takes its place, without its toxics.
    ///
    /// # Cancel safety
    ///
    /// They are made all the same when the future is dropped.
    pub async fn populate(&self, wanted: Vec<Wanted>) -> (Vec<View>, Option<Refused>) {
        let done = self.there(|fleet| async move {
            let mut views = Vec::new();
            for wanted in wanted {
                match fleet.place(wanted).await {
                    Ok(view) => views.push(view),
                    Err(refused) => return Ok((views, Some(refused))),
                }
            }
            Ok((views, None))
        });
        done.await.unwrap_or_else(|refused| (Vec::new(), Some(refused)))
    }

    async fn place(&self, wanted: Wanted) -> Result<View, Refused> {
        let template = &self.0.template;
        let mut members = self.members().await;
        let mut new = Member::new(&wanted.name, &wanted.listen, &wanted.upstream, template);
        let Some(member) = members.get_mut(&wanted.name) else {
            return self.enter(&mut members, new, wanted.enabled).await;
        };
        if !differs(member, &wanted.listen, &wanted.upstream, template).await? {
            return Ok(member.view());
        }
        check_upstream(new.avoid(template), &wanted.upstream, &wanted.listen).await?;
        member.stop().await;
        if wanted.enabled {
            new.start(template).await?;
        }
        *member = new;
        Ok(member.view())
    }

    /// Enables every relay and takes every toxic away, and every fault that did not come with its relay.
    ///
    /// # Errors
    ///
    /// The first relay that cannot listen; those after it are as they were.
    ///
    /// # Cancel safety
    ///
    /// It is done all the same when the future is dropped.
    pub async fn reset(&self) -> Result<(), Refused> {
        self.there(|fleet| async move {
            for member in fleet.members().await.values_mut() {
                member.start(&fleet.0.template).await?;
                member.reset();
            }
            Ok(())
        })
        .await
    }

    /// Suspends every relay (its listener closes, sessions go on) or resumes it.
    ///
    /// # Cancel safety
    ///
    /// Those that were reached stay as they are.
    pub async fn steer(&self, steer: impl Fn(&Running)) {
        self.members().await.values().filter_map(Member::running).for_each(|running| steer(running));
    }

    /// Drains every relay at once and returns what all did, those included that are no more; a listener that had failed is
    /// left out.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves sessions running; calling again goes on waiting.
    pub async fn drain(&self) -> Report {
        let running: Vec<_> = self.members().await.values().filter_map(Member::running).cloned().collect();
        let drain = |running: Arc<Running>| self.0.runtime.spawn(async move { running.drain().await });
        let draining: Vec<_> = running.into_iter().map(drain).collect();
        let mut reports = Vec::new();
        for task in draining {
            reports.extend(task.await.ok().and_then(Result::ok));
        }
        self.together(&reports)
    }

    /// Returns what all have done so far. A relay that is just being changed is not waited for, and then none that runs is
    /// counted.
    pub fn report(&self) -> Report {
        let members = self.0.members.try_lock();
        let running = members.iter().flat_map(|members| members.values()).filter_map(Member::running);
        self.together(&running.map(|running| running.snapshot().report).collect::<Vec<_>>())
    }

    fn together(&self, reports: &[Report]) -> Report {
        let mut all = self.0.template.past.report();
        reports.iter().for_each(|report| past::add(&mut all, report));
        Report { duration: self.0.started.elapsed(), ..all }
    }
}

/// Refuses a server that cannot be read, that is the relay itself or that is avoided, before anything has changed.
async fn check_upstream(avoid: Avoid, text: &str, listen: &str) -> Result<(), Refused> {
    let servers = upstream::read(text)?;
    if let Ok(own) = listen::resolve_listen(listen, Scope::Any).await {
        avoid.add(own);
    }
    upstream::check(&servers, &avoid).await
}

/// Tells whether a relay would listen or lead elsewhere.
async fn differs(member: &Member, listen: &str, upstream: &str, template: &Template) -> Result<bool, Refused> {
    let (now, leads) = member.ends();
    if now == listen {
        return Ok(leads != upstream);
    }
    let found = listen::resolve_listen(listen, template.scope).await.map_err(|problem| Refused::new(500, problem))?;
    Ok(now != found.to_string() || leads != upstream)
}

#[cfg(test)]
mod tests;
