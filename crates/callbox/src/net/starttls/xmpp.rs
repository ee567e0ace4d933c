//! XMPP of clients (RFC 6120, section 5): a stream, its features, starttls.
//!
//! No XML is parsed but the names of elements: a tag ends with its `>`, which no attribute of these may hold unescaped here.

use super::talk::{Failed, Talk, not_offered, refused, unexpected};

pub(super) async fn ask(talk: &mut Talk<'_>, host: &str) -> Result<(), Failed> {
    let to = escaped(host);
    let stream = format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
         to='{to}' version='1.0'>"
    );
    talk.say(stream).await?;
    let mut offered = false;
    loop {
        let (tag, name) = tag(talk).await?;
        match name.as_str() {
            "starttls" => offered = true,
            "/features" | "features/" => break,
            "error" | "/stream" => return Err(refused(&tag)),
            _ if !tag.trim_start().starts_with('<') && name.is_empty() => return Err(unexpected("a stream", &tag)),
            _ => {}
        }
    }
    if !offered {
        return Err(not_offered("starttls"));
    }
    talk.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await?;
    let (tag, name) = tag(talk).await?;
    match name.as_str() {
        "proceed/" => Ok(()),
        // Its end is a tag of its own, and belongs to it.
        "proceed" => match self::tag(talk).await? {
            (_, end) if end == "/proceed" => Ok(()),
            (tag, _) => Err(unexpected("</proceed>", &tag)),
        },
        "failure" | "failure/" => Err(refused(&tag)),
        _ => Err(unexpected("<proceed/>", &tag)),
    }
}

/// Receives up to the end of a tag; returns that, and the tag's name without its namespace, with the `/` that it has.
async fn tag(talk: &mut Talk<'_>) -> Result<(String, String), Failed> {
    let bytes = talk.until(b'>').await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let inner = text.rsplit_once('<').map_or("", |(_, inner)| inner.trim_end_matches('>'));
    let (begins, ends) = (inner.starts_with('/'), inner.ends_with('/'));
    let word = inner.trim_matches('/').split(|c: char| c.is_whitespace()).next().unwrap_or_default();
    let local = word.rsplit(':').next().unwrap_or_default();
    let name =
        format!("{}{local}{}", if begins { "/" } else { "" }, if ends && local != "starttls" { "/" } else { "" });
    Ok((text, name))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;")
}
