//! `/proxies` and `/populate`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::control::decode::{self, Record};
use crate::control::fleet::{Change, Fleet, View, Wanted};
use crate::control::reply::{Refused, Reply};

/// What `/populate` answers: the proxies, and before them what went wrong.
#[derive(Serialize)]
struct Populated {
    #[serde(flatten)]
    refused: Option<Refused>,
    /// None at all is null.
    proxies: Option<Vec<View>>,
}

pub(super) async fn index(fleet: &Fleet) -> Reply {
    let views: BTreeMap<String, View> = fleet.list().await.into_iter().map(|view| (view.name.clone(), view)).collect();
    Reply::json(200, &views)
}

pub(super) async fn show(fleet: &Fleet, name: &str) -> Result<Reply, Refused> {
    fleet.with(name, |member| Ok(Reply::json(200, &member.view()))).await
}

pub(super) async fn create(fleet: &Fleet, body: &[u8]) -> Result<Reply, Refused> {
    let sent = decode::value(body)?;
    let wanted = wanted(&decode::record(&sent, "Proxy")?)?;
    require(&wanted, "")?;
    let view = fleet.create(wanted).await?;
    Ok(Reply::json(201, &view))
}

pub(super) async fn update(fleet: &Fleet, name: &str, body: &[u8]) -> Result<Reply, Refused> {
    // Whether there is one comes before whether the body can be read.
    fleet.with(name, |_| Ok(())).await?;
    let sent = decode::value(body)?;
    let record = decode::record(&sent, "Proxy")?;
    record.text("name")?;
    let change = Change {
        listen: record.text("listen")?.map(str::to_owned),
        upstream: record.text("upstream")?.map(str::to_owned),
        enabled: record.flag("enabled")?,
    };
    let view = fleet.update(name, change).await?;
    Ok(Reply::json(200, &view))
}

pub(super) async fn populate(fleet: &Fleet, body: &[u8]) -> Reply {
    let (views, refused) = match read_all(body) {
        Ok(wanted) => fleet.populate(wanted).await,
        Err(refused) => (Vec::new(), Some(refused)),
    };
    let status = refused.as_ref().map_or(201, |refused| refused.status);
    let proxies = Some(views).filter(|views| !views.is_empty());
    Reply::json(status, &Populated { refused, proxies })
}

/// Reads a list of proxies; none is made where one is not good.
fn read_all(body: &[u8]) -> Result<Vec<Wanted>, Refused> {
    let sent = decode::value(body)?;
    let list = match &sent {
        Value::Array(list) => &list[..],
        Value::Null => &[],
        // Says which type it is instead.
        other => match decode::record(other, "ProxyCollection") {
            Ok(_) => {
                return Err(Refused::body("json: cannot unmarshal object into Go value of type []toxiproxy.Proxy"));
            }
            Err(refused) => return Err(refused),
        },
    };
    let all: Vec<Wanted> = list.iter().map(|one| wanted(&decode::record(one, "Proxy")?)).collect::<Result<_, _>>()?;
    for (index, wanted) in all.iter().enumerate() {
        require(wanted, &format!(" at proxy {}", index + 1))?;
    }
    Ok(all)
}

fn wanted(record: &Record<'_>) -> Result<Wanted, Refused> {
    let text = |name| record.text(name).map(|text| text.unwrap_or_default().to_owned());
    Ok(Wanted {
        name: text("name")?,
        listen: text("listen")?,
        upstream: text("upstream")?,
        enabled: record.flag("enabled")?.unwrap_or(true),
    })
}

fn require(wanted: &Wanted, place: &str) -> Result<(), Refused> {
    if wanted.name.is_empty() {
        return Err(Refused::missing(format_args!("name{place}")));
    }
    if wanted.upstream.is_empty() {
        return Err(Refused::missing(format_args!("upstream{place}")));
    }
    Ok(())
}
