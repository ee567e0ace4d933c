//! `/proxies/{proxy}/toxics`.

use crate::control::decode;
use crate::control::fleet::{Fleet, Member};
use crate::control::reply::{Refused, Reply};
use crate::control::toxic::{Attributes, Toxic, Way};

fn unknown() -> Refused {
    Refused::new(404, "toxic not found")
}

pub(super) async fn index(fleet: &Fleet, name: &str) -> Result<Reply, Refused> {
    fleet.with(name, |member| Ok(Reply::json(200, &member.view().toxics))).await
}

pub(super) async fn show(fleet: &Fleet, name: &str, toxic: &str) -> Result<Reply, Refused> {
    fleet.with(name, |member| member.toxic(toxic).map(|toxic| Reply::json(200, toxic)).ok_or_else(unknown)).await
}

pub(super) async fn create(fleet: &Fleet, name: &str, body: &[u8]) -> Result<Reply, Refused> {
    fleet
        .with(name, |member| {
            let toxic = read(member, body)?;
            let reply = Reply::json(200, &toxic);
            member.attach(toxic)?;
            Ok(reply)
        })
        .await
}

/// Reads a new toxic; what is checked first is reported first, as toxiproxy does.
fn read(member: &Member, body: &[u8]) -> Result<Toxic, Refused> {
    let sent = decode::value(body)?;
    let record = decode::record(&sent, "ToxicWrapper")?;
    let type_name = record.text("type")?.unwrap_or_default().to_owned();
    let stream = record.text("stream")?.unwrap_or("downstream").to_owned();
    let name = record.text("name")?.unwrap_or_default();
    let toxicity = record.number("toxicity")?.unwrap_or(1.0);
    let numbers = record.attributes()?;
    if Way::read(&stream).is_none() {
        return Err(Refused::new(400, "stream was invalid, can be either upstream or downstream"));
    }
    let name = if name.is_empty() { format!("{type_name}_{stream}") } else { name.to_owned() };
    let mut attributes = Attributes::of(&type_name).ok_or_else(|| Refused::new(400, "invalid toxic type"))?;
    if member.knows(&name) {
        return Err(Refused::new(409, "toxic already exists"));
    }
    if let Some(numbers) = numbers {
        attributes.take(&numbers)?;
    }
    Ok(Toxic { attributes, name, type_name, stream, toxicity })
}

pub(super) async fn update(fleet: &Fleet, name: &str, toxic: &str, body: &[u8]) -> Result<Reply, Refused> {
    fleet
        .with(name, |member| {
            let mut toxic = member.toxic(toxic).cloned().ok_or_else(unknown)?;
            let sent = decode::value(body)?;
            let record = decode::record(&sent, "ToxicWrapper")?;
            toxic.toxicity = record.number("toxicity")?.unwrap_or(toxic.toxicity);
            if let Some(numbers) = record.attributes()? {
                toxic.attributes.take(&numbers)?;
            }
            let reply = Reply::json(200, &toxic);
            member.exchange(toxic)?;
            Ok(reply)
        })
        .await
}

pub(super) async fn delete(fleet: &Fleet, name: &str, toxic: &str) -> Result<Reply, Refused> {
    fleet.with(name, |member| member.detach(toxic).map(|_| Reply::empty(204)).ok_or_else(unknown)).await
}
