//! `/v1/`: what toxiproxy has no words for. Faults as they are written on the command line, and live sessions.

use callbox::pipe::fault::Fault;
use callbox::report::SessionId;
use callbox::server::{Running, SessionSnapshot};
use callbox::termination::Termination;
use serde::{Deserialize, Serialize};

use super::fleet::{Fleet, Member};
use super::reply::{Refused, Reply};
use super::route::Asked;

/// A relay.
#[derive(Serialize)]
struct RelayView {
    name: String,
    listen: String,
    upstream: String,
    enabled: bool,
    sessions: u64,
    open: usize,
    to_server_bytes: u64,
    to_client_bytes: u64,
    faults: Vec<FaultView>,
}

/// A fault; that of a toxic is changed as a toxic.
#[derive(Serialize)]
struct FaultView {
    name: String,
    fault: String,
    toxic: bool,
}

/// A session.
#[derive(Serialize)]
struct SessionView {
    session: u64,
    peer: String,
    /// `open`, `half_closed` or `ending`.
    state: &'static str,
    age_us: u64,
    to_server_bytes: u64,
    to_client_bytes: u64,
}

/// A fault that is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFault {
    name: Option<String>,
    fault: String,
}

/// What a fault is to be instead.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OtherFault {
    fault: String,
}

/// A list under its name.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum List<T: Serialize> {
    Relays(T),
    Faults(T),
    Sessions(T),
}

/// Answers a request; `words` are those of its path behind `/v1`.
pub async fn answer(fleet: &Fleet, asked: &Asked<'_>, words: &[&str]) -> Reply {
    answered(fleet, asked, words).await.unwrap_or_else(|refused| Reply::json(refused.status, &refused))
}

async fn answered(fleet: &Fleet, asked: &Asked<'_>, words: &[&str]) -> Result<Reply, Refused> {
    match (asked.method, words) {
        ("GET", ["relays"]) => {
            let mut relays = Vec::new();
            fleet.each(|member| relays.push(relay(member))).await;
            Ok(Reply::json(200, &List::Relays(relays)))
        }
        ("GET", ["relays", name]) => fleet.with(name, |member| Ok(Reply::json(200, &relay(member)))).await,
        ("GET", ["relays", name, "faults"]) => {
            fleet.with(name, |member| Ok(Reply::json(200, &List::Faults(faults(member))))).await
        }
        ("POST", ["relays", name, "faults"]) => add(fleet, name, read(asked)?).await,
        ("GET", ["relays", name, "faults", fault]) => {
            let show = |member: &mut Member| {
                let found = faults(member).into_iter().find(|view| view.name == *fault);
                found.map(|view| Reply::json(200, &view)).ok_or_else(no_fault)
            };
            fleet.with(name, show).await
        }
        ("PATCH", ["relays", name, "faults", fault]) => change(fleet, name, fault, read(asked)?).await,
        ("DELETE", ["relays", name, "faults", fault]) => {
            let take = |member: &mut Member| {
                let id = own(member, fault)?;
                member.unclip(id);
                Ok(Reply::empty(204))
            };
            fleet.with(name, take).await
        }
        ("GET", ["relays", name, "sessions"]) => {
            fleet.with(name, |member| Ok(Reply::json(200, &List::Sessions(sessions(member))))).await
        }
        ("GET", ["relays", name, "sessions", id]) => {
            let show = |member: &mut Member| {
                let found = sessions(member).into_iter().find(|view| view.session.to_string() == *id);
                found.map(|view| Reply::json(200, &view)).ok_or_else(no_session)
            };
            fleet.with(name, show).await
        }
        ("DELETE", ["relays", name, "sessions", id]) => end(fleet, name, id, asked.query).await,
        (_, ["relays"] | ["relays", _] | ["relays", _, "faults" | "sessions"]) => Err(wrong_method()),
        (_, ["relays", _, "faults" | "sessions", _]) => Err(wrong_method()),
        _ => Err(Refused::new(404, "no such path")),
    }
}

fn wrong_method() -> Refused {
    Refused::new(405, "no such method here")
}

fn no_fault() -> Refused {
    Refused::new(404, "fault not found")
}

fn no_session() -> Refused {
    Refused::new(404, "session not found")
}

/// Reads a body that says it is JSON; a page can send other types without being asked.
fn read<T: for<'a> Deserialize<'a>>(asked: &Asked<'_>) -> Result<T, Refused> {
    let essence = asked.content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Refused::new(415, "the body is to be application/json"));
    }
    serde_json::from_slice(asked.body).map_err(Refused::body)
}

fn parse(text: &str) -> Result<Fault, Refused> {
    text.parse().map_err(|invalid: callbox::Invalid| Refused::new(400, invalid.to_string()))
}

async fn add(fleet: &Fleet, name: &str, new: NewFault) -> Result<Reply, Refused> {
    let fault = parse(&new.fault)?;
    fleet
        .with(name, |member| {
            let called = new.name.filter(|name| !name.is_empty()).unwrap_or_else(|| free_name(member, &new.fault));
            if member.knows(&called) {
                return Err(Refused::new(409, "fault already exists"));
            }
            let view = FaultView { name: called.clone(), fault: fault.to_string(), toxic: false };
            member.clip(&called, fault)?;
            Ok(Reply::json(201, &view))
        })
        .await
}

async fn change(fleet: &Fleet, name: &str, called: &str, other: OtherFault) -> Result<Reply, Refused> {
    fleet
        .with(name, |member| {
            let before = own(member, called)?;
            let fault = parse(&other.fault)?;
            let view = FaultView { name: called.to_owned(), fault: fault.to_string(), toxic: false };
            member.replace(before, fault)?;
            Ok(Reply::json(200, &view))
        })
        .await
}

/// Names a fault by what it does and the first number that is free.
fn free_name(member: &Member, fault: &str) -> String {
    let kind: String = fault.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let mut names = (1..).map(|number| format!("{kind}_{number}"));
    names.find(|name| !member.knows(name)).expect("there are fewer faults than numbers")
}

/// Returns the number of a fault that is no toxic.
fn own(member: &Member, name: &str) -> Result<u64, Refused> {
    if member.toxic(name).is_some() {
        return Err(Refused::new(409, "the fault is a toxic: it is changed under /proxies"));
    }
    let plan = member.plan();
    plan.faults.iter().find(|clipped| clipped.name == name).map(|clipped| clipped.id).ok_or_else(no_fault)
}

async fn end(fleet: &Fleet, name: &str, id: &str, query: &str) -> Result<Reply, Refused> {
    let reason = match query {
        "" | "how=close" => Termination::Steered,
        "how=reset" => Termination::Aborted,
        _ => return Err(Refused::new(400, "how is close or reset")),
    };
    let id = SessionId(id.parse().map_err(|_| no_session())?);
    fleet
        .with(name, |member| {
            let session = member.running().and_then(|running| running.session(id)).ok_or_else(no_session)?;
            session.stop(reason);
            Ok(Reply::empty(204))
        })
        .await
}

fn relay(member: &Member) -> RelayView {
    let (view, carried) = (member.view(), member.carried());
    RelayView {
        name: view.name,
        listen: view.listen,
        upstream: view.upstream,
        enabled: view.enabled,
        sessions: carried.sessions,
        open: member.running().map_or(0, |running| running.snapshot().sessions.len()),
        to_server_bytes: carried.to_server_bytes,
        to_client_bytes: carried.to_client_bytes,
        faults: faults(member),
    }
}

fn faults(member: &Member) -> Vec<FaultView> {
    let view = |clipped: &callbox::pipe::plan::Clipped| FaultView {
        name: clipped.name.clone(),
        fault: clipped.fault.to_string(),
        toxic: member.toxic(&clipped.name).is_some(),
    };
    member.plan().faults.iter().map(view).collect()
}

fn sessions(member: &Member) -> Vec<SessionView> {
    let Some(running) = member.running() else { return Vec::new() };
    running.snapshot().sessions.iter().map(|snapshot| session(running, snapshot)).collect()
}

fn session(running: &Running, snapshot: &SessionSnapshot) -> SessionView {
    let state = match running.session(snapshot.session) {
        Some(session) if session.stopped().is_none() && session.first_end().is_none() => "open",
        Some(session) if session.stopped().is_none() => "half_closed",
        // Also one that has gone meanwhile.
        _ => "ending",
    };
    SessionView {
        session: snapshot.session.0,
        peer: snapshot.peer.to_string(),
        state,
        age_us: u64::try_from(snapshot.age.as_micros()).unwrap_or(u64::MAX),
        to_server_bytes: snapshot.to_server_bytes,
        to_client_bytes: snapshot.to_client_bytes,
    }
}

#[cfg(test)]
mod tests;
