//! What TLS agreed on, and who the other side is, as lines for people.

use std::time::{Duration, SystemTime};

use callbox::direction::Role;
use callbox::net::tls::{CertificateFacts, Pin, TlsFacts, Trust};
use callbox::report::SessionId;
use callbox::text::{escape, safe};

use crate::tls::expiry::{self, day};

/// Names of a certificate that a line has room for.
const SHOWN_NAMES: usize = 8;

/// Returns the lines: what was agreed on, then a line for each certificate of the other side.
pub fn lines(session: SessionId, role: Role, facts: &TlsFacts, now: SystemTime) -> Vec<String> {
    let mut line = format!("{session} TLS {}, {}", facts.version, facts.suite);
    if let Some(group) = &facts.group {
        line.push_str(&format!(", {group}"));
    }
    if let Some(alpn) = &facts.alpn {
        line.push_str(&format!(", ALPN {}", escape(alpn)));
    }
    if let Some(name) = &facts.server_name {
        line.push_str(&format!(", for {}", safe(name)));
    }
    if facts.resumed {
        line.push_str(", resumed");
    }
    line.push_str(match (role, facts.trust) {
        (_, Trust::Roots) => ", verified",
        (_, Trust::Pin) => ", pinned",
        (Role::Client, _) => ", the server is not verified",
        (Role::Server, _) => "",
    });
    let certificates = facts.peer_chain.iter().map(|one| format!("{session}   {}", certificate(one, now)));
    std::iter::once(line).chain(certificates).collect()
}

fn certificate(facts: &CertificateFacts, now: SystemTime) -> String {
    let mut names: Vec<String> = facts.names.iter().take(SHOWN_NAMES).map(|name| safe(name).into_owned()).collect();
    let more = facts.names.len().saturating_sub(SHOWN_NAMES);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    let names = if names.is_empty() { String::new() } else { format!(", for {}", names.join(", ")) };
    let signed = match facts.subject == facts.issuer {
        true => "self-signed".to_owned(),
        false => format!("signed by {}", safe(&facts.issuer)),
    };
    let until = match facts.not_after.duration_since(now) {
        Ok(left) => format!("valid until {} ({} left)", day(facts.not_after), expiry::time(left)),
        Err(_over) => format!("expired on {}", day(facts.not_after)),
    };
    format!("certificate {}{names}, {signed}, {until}, {}", safe(&facts.subject), Pin::Certificate(facts.sha256))
}

/// Returns the warnings of the other side's certificates that expire `within` that time.
pub fn warnings(role: Role, facts: &TlsFacts, within: Duration, now: SystemTime) -> Vec<String> {
    let whose = match role {
        Role::Client => "the server's",
        Role::Server => "the client's",
    };
    facts.peer_chain.iter().filter_map(|one| expiry::warning(whose, one, within, now)).collect()
}
