//! Reads addresses, and guesses what was meant by those that are none.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Addr, Host};
use crate::error::Invalid;
use crate::text::safe;

/// The longest name that DNS carries, in bytes (RFC 1035).
const NAME_BYTES: usize = 253;

pub(super) fn one_word(text: &str) -> Result<Addr, Invalid> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match path {
            "" => Err(invalid(text, "no path", "write unix:/path/to/socket").at(text.len())),
            "@" => Err(invalid(text, "no name behind the @", "write unix:@name").at(text.len())),
            _ if path.contains('\0') => Err(invalid(text, "a path has no NUL", "write unix:/path/to/socket")),
            _ => Ok(Addr::Unix(path.into())),
        };
    }
    if let Some(number) = text.strip_prefix("fd:") {
        // Descriptors are C's `int`.
        let fd = decimal(number).filter(|fd| *fd <= i32::MAX as u64).map(|fd| Addr::Fd(fd as u32));
        return fd.ok_or_else(|| invalid(text, "no descriptor number", "write fd:3 for the descriptor 3").at(3));
    }
    let rest = strip_scheme(text, text)?;
    tcp(text, rest, text.len() - rest.len())
}

pub(super) fn two_words(host: &str, port: &str) -> Result<Addr, Invalid> {
    let text = format!("{host} {port}");
    let rest = strip_scheme(&text, host)?;
    let at = host.len() - rest.len();
    let port_at = host.len() + 1;
    let host = match rest {
        "*" => Host::Any,
        _ if rest.starts_with('[') => {
            let (host, behind) = bracketed(&text, rest, at)?;
            if !behind.is_empty() {
                return Err(has_port(&text, at, rest, port));
            }
            host
        }
        _ => match v6(rest) {
            Some(host) => host,
            None if rest.contains(':') => return Err(has_port(&text, at, rest, port)),
            None => name(&text, rest, at)?,
        },
    };
    Ok(Addr::Tcp { host, port: read_port(&text, port, port_at)? })
}

fn tcp(text: &str, rest: &str, at: usize) -> Result<Addr, Invalid> {
    if rest.is_empty() {
        return Err(invalid(text, "empty", "write host:port, as in 127.0.0.1:8848"));
    }
    if rest.starts_with('[') {
        let (host, behind) = bracketed(text, rest, at)?;
        let Some(port) = behind.strip_prefix(':') else {
            let shown = &rest[..rest.len() - behind.len()];
            return Err(no_port(text, shown).at(text.len() - behind.len()));
        };
        return Ok(Addr::Tcp { host, port: read_port(text, port, text.len() - port.len())? });
    }
    let Some((host, port)) = rest.rsplit_once(':') else {
        if is_decimal(rest) {
            return Ok(Addr::Tcp { host: Host::Loopback, port: read_port(text, rest, at)? });
        }
        return Err(no_port(text, rest).at(text.len()));
    };
    if host.contains(':') {
        return Err(unbracketed(text, rest, host, port).at(at));
    }
    let read_host = match host {
        "" => Host::Loopback,
        "*" => Host::Any,
        _ => name(text, host, at)?,
    };
    if port.is_empty() {
        return Err(no_port(text, host).at(text.len()));
    }
    Ok(Addr::Tcp { host: read_host, port: read_port(text, port, text.len() - port.len())? })
}

/// Takes `tcp://` off `word`, which begins `text`.
fn strip_scheme<'a>(text: &str, word: &'a str) -> Result<&'a str, Invalid> {
    match word.split_once("://") {
        None => Ok(word),
        Some(("tcp", rest)) => Ok(rest),
        Some(("tls", rest)) => {
            let instead = format!("write {}", safe(rest));
            Err(invalid(text, "whether TLS is spoken is not said by an address here", instead).at(0))
        }
        Some((scheme, _)) => {
            let problem = format!("unknown scheme {}", safe(scheme));
            Err(invalid(text, problem, "write host:port, tcp://host:port or unix:/path").at(0))
        }
    }
}

/// Takes `[v6]` off the beginning; returns it and what is behind.
fn bracketed<'a>(text: &str, rest: &'a str, at: usize) -> Result<(Host, &'a str), Invalid> {
    let Some((inner, behind)) = rest[1..].split_once(']') else {
        return Err(invalid(text, "the bracket is not closed", "write [::1]:8848").at(at));
    };
    let host = v6(inner).ok_or_else(|| {
        let instead = "brackets are for IPv6 addresses, as in [::1]:8848; write others without";
        invalid(text, format!("{} is not an IPv6 address", safe(inner)), instead).at(at + 1)
    })?;
    Ok((host, behind))
}

/// Reads an IPv6 address without brackets, with or without a scope.
fn v6(text: &str) -> Option<Host> {
    let Some((ip, scope)) = text.split_once('%') else {
        return text.parse::<Ipv6Addr>().ok().map(|ip| Host::Ip(ip.into()));
    };
    let scope_is_name = !scope.is_empty() && scope.chars().all(|c| c.is_ascii_graphic() && !"[]/%:".contains(c));
    (scope_is_name && ip.parse::<Ipv6Addr>().is_ok()).then(|| Host::Name(text.into()))
}

fn name(text: &str, host: &str, at: usize) -> Result<Host, Invalid> {
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(ip.into()));
    }
    let bad = |problem: String| Err(invalid(text, problem, "write host:port, as in localhost:8848").at(at));
    if host.is_empty() {
        return bad("no host".into());
    }
    if host.len() > NAME_BYTES {
        return bad(format!("a host name of {} bytes, {NAME_BYTES} is the most", host.len()));
    }
    // Resolvers read a number as an IPv4 address in one piece, which nobody means.
    if is_decimal(host) {
        return bad(format!("{host} is not a host"));
    }
    let stray = |c: char| c.is_whitespace() || c.is_control() || "/[]*".contains(c);
    if let Some((offset, c)) = host.char_indices().find(|(_, c)| stray(*c)) {
        let shown = c.to_string();
        let invalid = invalid(text, format!("'{}' in a host name", safe(&shown)), "write host:port, without a path");
        return Err(invalid.at(at + offset));
    }
    Ok(Host::Name(host.into()))
}

fn read_port(text: &str, port: &str, at: usize) -> Result<u16, Invalid> {
    if !is_decimal(port) {
        let problem = format!("\"{}\" is not a port", safe(port));
        return Err(invalid(text, problem, "write a number from 0 to 65535").at(at));
    }
    decimal(port)
        .and_then(|port| u16::try_from(port).ok())
        .ok_or_else(|| invalid(text, format!("port {port} is above 65535"), "write a number from 0 to 65535").at(at))
}

/// Says how an IPv6 address is written where a port follows in the same word.
fn unbracketed(text: &str, rest: &str, host: &str, port: &str) -> Invalid {
    let problem = "an IPv6 address and its port need brackets between them";
    if v6(host).is_some() && is_decimal(port) {
        return invalid(text, problem, format!("write [{host}]:{port}"));
    }
    if v6(rest).is_some() {
        return invalid(text, problem, format!("write [{rest}]:{}", Addr::DEFAULT_PORT));
    }
    invalid(text, "more than one colon", "write host:port, or [v6]:port for an IPv6 address")
}

fn no_port(text: &str, host: &str) -> Invalid {
    invalid(text, "no port", format!("write {}:{}", safe(host), Addr::DEFAULT_PORT))
}

fn has_port(text: &str, at: usize, host: &str, port: &str) -> Invalid {
    let instead = format!("write either {} alone or a host and {}", safe(host), safe(port));
    invalid(text, "a port or path in the first word, and a second word", instead).at(at)
}

fn invalid(text: &str, problem: impl Into<String>, instead: impl Into<String>) -> Invalid {
    Invalid::new("address", text, problem).instead(instead)
}

/// Digits alone: the standard parser would take a sign.
fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn decimal(text: &str) -> Option<u64> {
    if is_decimal(text) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
