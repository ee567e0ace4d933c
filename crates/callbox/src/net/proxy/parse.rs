//! Reads the URL of a proxy. Whatever is wrong with it, its user and password are not repeated.

use super::{Credentials, Proxy, Scheme};
use crate::addr::{Addr, Host};
use crate::error::Invalid;
use crate::socks::client::FIELD_BYTES;
use crate::text::{nearest, safe};

/// Where SOCKS proxies listen, by the registry of ports.
const SOCKS_PORT: u16 = 1080;
/// An example of each sort, for who has written something else.
const EXAMPLES: &str = "write socks5h://host:1080, socks5://, socks4a://, socks4:// or http://host:3128";

pub(super) fn read(text: &str) -> Result<Proxy, Invalid> {
    let shown = masked(text);
    let invalid = |problem: &str, at: usize| Invalid::new("proxy", &shown, problem).at(at);
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(invalid("no scheme", 0).instead(EXAMPLES));
    };
    let scheme = read_scheme(scheme).map_err(|(problem, instead)| invalid(&problem, 0).instead(instead))?;
    let begin = scheme.name().len() + 3;
    let (credentials, place) = match rest.rsplit_once('@') {
        None => (None, rest),
        Some((user, place)) => {
            let read = credentials(user, scheme);
            (Some(read.map_err(|(problem, instead)| invalid(&problem, begin).instead(instead))?), place)
        }
    };
    let at = shown.len() - place.len();
    let place = place.strip_suffix('/').unwrap_or(place);
    if place.is_empty() {
        return Err(invalid("no host", at).instead(EXAMPLES));
    }
    if let Some(stray) = place.find(['/', '?', '#']) {
        return Err(invalid("a path", at + stray).instead("write the URL without it"));
    }
    let addr = read_addr(scheme, place)
        .map_err(|(problem, offset, instead)| invalid(&problem, at + offset.min(place.len())).instead(instead))?;
    Ok(Proxy { scheme, addr, credentials })
}

/// Returns a URL with user and password blotted out, whatever else is wrong with it.
fn masked(text: &str) -> String {
    let Some(end) = text.rfind('@') else { return text.to_owned() };
    let begin = text[..end].find("://").map_or(0, |at| at + 3);
    format!("{}***{}", &text[..begin], &text[end..])
}

fn read_scheme(word: &str) -> Result<Scheme, (String, String)> {
    let lower = word.to_ascii_lowercase();
    if let Some(scheme) = Scheme::ALL.into_iter().find(|scheme| scheme.name() == lower) {
        return Ok(scheme);
    }
    if lower == "https" {
        return Err((
            "TLS to a proxy is not part of this version".into(),
            "write http:// where it takes CONNECT without".into(),
        ));
    }
    // With an @ in it, it is no scheme, and may be somebody's password.
    let named = if word.contains('@') { "***".into() } else { safe(word) };
    let instead = match nearest(&lower, Scheme::ALL.map(Scheme::name)) {
        Some(near) => format!("write {near}://"),
        None => EXAMPLES.to_owned(),
    };
    Err((format!("unknown scheme {named}"), instead))
}

fn credentials(text: &str, scheme: Scheme) -> Result<Credentials, (String, String)> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let read = |what: &str, text: &str| {
        let text = percent_decoded(text).ok_or_else(|| {
            (
                format!("the {what} has a % that is no escape"),
                "write % as %25, @ as %40, : as %3A and / as %2F".to_owned(),
            )
        })?;
        match text.len() > FIELD_BYTES {
            true => Err((
                format!("a {what} of {} bytes, {FIELD_BYTES} is the most", text.len()),
                "use a shorter one".into(),
            )),
            false => Ok(text),
        }
    };
    let (user, password) = (read("user", user)?, read("password", password)?);
    if user.is_empty() {
        return Err(("no user before the @".into(), "write user:password@host, or leave the @ out".into()));
    }
    if scheme.is_v4_alone() && !password.is_empty() {
        return Err(("SOCKS 4 has users, and no passwords".into(), "write user@host, or use socks5".into()));
    }
    if scheme.is_v4_alone() && user.contains('\0') {
        return Err(("a user with a NUL, which ends it in SOCKS 4".into(), "use socks5".into()));
    }
    if scheme == Scheme::Http && user.contains(':') {
        return Err((
            "a user with a colon, which HTTP cannot tell from the password".into(),
            "use another user".into(),
        ));
    }
    Ok(Credentials { user, password })
}

/// Reads the host and port; the offset of what is wrong is that in `place`.
fn read_addr(scheme: Scheme, place: &str) -> Result<Addr, (String, usize, String)> {
    let has_port = place.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    if !has_port && scheme == Scheme::Http {
        return Err(("no port".into(), place.len(), format!("write http://{}:3128, for example", safe(place))));
    }
    let text = if has_port { format!("tcp://{place}") } else { format!("tcp://{place}:{SOCKS_PORT}") };
    let addr = Addr::parse(&text).map_err(|invalid| {
        let offset = invalid.at.unwrap_or_default().saturating_sub("tcp://".len());
        (invalid.problem, offset, EXAMPLES.to_owned())
    })?;
    match &addr {
        Addr::Tcp { host: Host::Any, .. } => Err(("* is no host".into(), 0, EXAMPLES.to_owned())),
        Addr::Tcp { port: 0, .. } => Err(("nobody listens on port 0".into(), place.len() - 1, EXAMPLES.to_owned())),
        _ => Ok(addr),
    }
}

/// Reads `%40` and the like; `None` where an escape is none, or what it means is not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |at: usize| char::from(*behind.get(at)?).to_digit(16);
        bytes.push((digit(0)? * 16 + digit(1)?) as u8);
        rest = &behind[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, Option<(String, String)>) {
        let proxy: Proxy = text.parse().unwrap_or_else(|invalid| panic!("{invalid}"));
        (proxy.to_string(), proxy.credentials.map(|Credentials { user, password }| (user, password)))
    }

    fn user(user: &str, password: &str) -> Option<(String, String)> {
        Some((user.into(), password.into()))
    }

    #[test]
    fn urls_are_read() {
        for (text, shown, who) in [
            ("socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080", None),
            ("socks5h://proxy.example", "socks5h://proxy.example:1080", None),
            ("SOCKS5://[::1]", "socks5://[::1]:1080", None),
            ("socks4a://anna@[2001:db8::1]:9", "socks4a://[2001:db8::1]:9", user("anna", "")),
            ("http://anna:p%40ss%3A%2F@proxy:3128/", "http://proxy:3128", user("anna", "p@ss:/")),
            ("http://a@b:c@proxy:80", "http://proxy:80", user("a@b", "c")),
            ("socks5://j%C3%A4:@h:1", "socks5://h:1", user("j\u{e4}", "")),
            ("http://:3128", "http://:3128", None),
            ("http://unix:3128", "http://unix:3128", None),
        ] {
            assert_eq!(parsed(text), (shown.to_owned(), who), "{text}");
            assert_eq!(parsed(shown).0, shown, "what is printed reads back");
        }
    }

    #[test]
    fn what_is_no_url_of_a_proxy_is_said_without_its_password() {
        for (text, due) in [
            ("127.0.0.1:1080", "\"127.0.0.1:1080\": no scheme at byte 0"),
            ("anna:secret@proxy:1080", "\"***@proxy:1080\": no scheme at byte 0"),
            ("socks6://anna:secret@h:1", "\"socks6://***@h:1\": unknown scheme socks6 at byte 0; write socks5://"),
            ("https://anna:secret@h:1", "TLS to a proxy is not part of this version"),
            ("http://anna:secret@proxy", "\"http://***@proxy\": no port at byte 16"),
            ("http://proxy:3128/pac", "a path at byte 17"),
            ("socks5://anna:secret%@h:1", "the password has a % that is no escape at byte 9"),
            ("socks4://anna:secret@h:1", "SOCKS 4 has users, and no passwords"),
            ("socks5://:secret@h:1", "no user before the @"),
            ("http://an%3Ana:secret@h:1", "a user with a colon"),
            ("http://h:99999", "port 99999 is above 65535 at byte 9"),
            ("socks5://", "no host at byte 9"),
            ("socks5://*:1", "* is no host"),
            ("http://h:0", "nobody listens on port 0"),
            ("anna:secret@x://h", "\"***@x://h\": unknown scheme ***"),
        ] {
            let said = text.parse::<Proxy>().expect_err(text).to_string();
            assert!(said.contains(due), "{said}");
            assert!(!said.contains("secret") && !said.contains("anna"), "{said}");
        }
        let long = "x".repeat(FIELD_BYTES + 1);
        let said = format!("socks5://a:{long}@h:1").parse::<Proxy>().expect_err("too long").to_string();
        assert!(said.contains("a password of 256 bytes") && !said.contains("xx"), "{said}");
    }

    #[test]
    fn a_proxy_is_printed_without_its_user() {
        let proxy: Proxy = "http://anna:secret@h:1".parse().expect("good");
        let shown = format!("{proxy} {proxy:?}");
        assert!(!shown.contains("anna") && !shown.contains("secret"), "{shown}");
    }
}
