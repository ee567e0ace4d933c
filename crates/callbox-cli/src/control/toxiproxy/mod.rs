//! toxiproxy's HTTP API: its paths, statuses, bodies and errors, so that the clients published for it work unchanged.

mod metrics;
mod proxies;
mod toxics;

#[cfg(test)]
mod tests;

use super::fleet::Fleet;
use super::reply::{Refused, Reply};
use super::route::{Asked, not_found};

/// What `/version` says. Clients that compare it take what is no number for a version of before `PATCH`, and use `POST`,
/// which works for every one of them.
const VERSION: &str = "{\"version\": \"git\"}\n";

/// Answers a request; `words` are those of its path.
pub async fn answer(fleet: &Fleet, asked: &Asked<'_>, words: &[&str]) -> Reply {
    answered(fleet, asked, words).await.unwrap_or_else(|refused| refused.reply())
}

async fn answered(fleet: &Fleet, asked: &Asked<'_>, words: &[&str]) -> Result<Reply, Refused> {
    let body = asked.body;
    match (asked.method, words) {
        ("GET", ["version"]) => Ok(Reply::typed(200, "application/json;charset=utf-8", VERSION)),
        ("GET", ["metrics"]) => Ok(metrics::show(fleet).await),
        ("POST", ["reset"]) => fleet.reset().await.map(|()| Reply::empty(204)),
        ("POST", ["populate"]) => Ok(proxies::populate(fleet, body).await),
        ("GET", ["proxies"]) => Ok(proxies::index(fleet).await),
        ("POST", ["proxies"]) => proxies::create(fleet, body).await,
        (_, ["version" | "metrics" | "reset" | "populate" | "proxies"]) => Ok(Reply::empty(405)),
        // An empty word is no name.
        (_, ["proxies", .., ""] | ["proxies", "", ..]) => Ok(not_found()),
        ("GET", ["proxies", name]) => proxies::show(fleet, name).await,
        ("POST" | "PATCH", ["proxies", name]) => proxies::update(fleet, name, body).await,
        ("DELETE", ["proxies", name]) => fleet.delete(name).await.map(|()| Reply::empty(204)),
        ("GET", ["proxies", name, "toxics"]) => toxics::index(fleet, name).await,
        ("POST", ["proxies", name, "toxics"]) => toxics::create(fleet, name, body).await,
        ("GET", ["proxies", name, "toxics", toxic]) => toxics::show(fleet, name, toxic).await,
        ("POST" | "PATCH", ["proxies", name, "toxics", toxic]) => toxics::update(fleet, name, toxic, body).await,
        ("DELETE", ["proxies", name, "toxics", toxic]) => toxics::delete(fleet, name, toxic).await,
        (_, ["proxies", _] | ["proxies", _, "toxics"] | ["proxies", _, "toxics", _]) => Ok(Reply::empty(405)),
        _ => Ok(not_found()),
    }
}
