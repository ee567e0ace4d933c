//! Where a relay made by the control API listens, read as toxiproxy reads it, with the errors of Go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use callbox::net::resolve::{Family, resolve};

/// How long a name may take: whoever asked waits.
pub const LOOKUP_PATIENCE: Duration = Duration::from_secs(2);

/// Which addresses the control API may have listeners on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// This machine alone; an address without a host is loopback.
    #[default]
    Loopback,
    /// Any; an address without a host is every address.
    Any,
}

/// Returns the one address that `text` means; an error is what Go says.
///
/// Valid: `localhost:0`, `127.0.0.1:80`, `[::1]:80`, `:80`, and nothing at all, which is any port.
/// Invalid: `localhost`, `::1:80`, and what is beyond the scope.
pub async fn resolve_listen(text: &str, scope: Scope) -> Result<SocketAddr, String> {
    let (host, port) = if text.is_empty() { ("", "") } else { split(text)? };
    let port = read_port(port)?;
    let ip = match (host, scope) {
        ("", Scope::Loopback) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ("", Scope::Any) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => address_of(host, port).await?,
    };
    if scope == Scope::Loopback && !ip.to_canonical().is_loopback() {
        return Err(format!("{text}: other machines could connect, which takes --compat-listen-any"));
    }
    Ok(SocketAddr::new(ip, port))
}

/// The first address of a name, IPv4 before IPv6.
async fn address_of(host: &str, port: u16) -> Result<IpAddr, String> {
    if let Ok(ip) = host.parse() {
        return Ok(ip);
    }
    let nowhere = || format!("lookup {host}: no such host");
    let found = tokio::time::timeout(LOOKUP_PATIENCE, resolve(host, port, Family::Any)).await;
    let mut addrs = found.map_err(|_| format!("lookup {host}: i/o timeout"))?.map_err(|_| nowhere())?;
    addrs.sort_by_key(SocketAddr::is_ipv6);
    addrs.first().map(SocketAddr::ip).ok_or_else(nowhere)
}

/// Takes host and port apart.
fn split(text: &str) -> Result<(&str, &str), String> {
    let bad = |problem: &str| format!("address {text}: {problem}");
    let (host, port) = text.rsplit_once(':').ok_or_else(|| bad("missing port in address"))?;
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or_else(|| bad("missing ']' in address"))?;
        return match after.strip_prefix(':') {
            _ if after.is_empty() => Err(bad("missing port in address")),
            Some(port) if !port.contains(':') => Ok((inside, port)),
            Some(_) => Err(bad("too many colons in address")),
            None => Err(bad("missing port in address")),
        };
    }
    if host.contains(':') {
        return Err(bad("too many colons in address"));
    }
    Ok((host, port))
}

fn read_port(text: &str) -> Result<u16, String> {
    if text.is_empty() {
        return Ok(0);
    }
    match text.parse::<i64>() {
        Ok(number) => u16::try_from(number).map_err(|_| format!("address {text}: invalid port")),
        Err(_) => Err(format!("lookup tcp/{text}: unknown port")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_read_as_toxiproxy_reads_them() {
        let good = [
            ("localhost:80", "127.0.0.1:80"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:80", "[::1]:80"),
            (":80", "127.0.0.1:80"),
            ("", "127.0.0.1:0"),
            ("localhost:", "127.0.0.1:0"),
        ];
        for (text, meant) in good {
            assert_eq!(resolve_listen(text, Scope::Loopback).await, Ok(meant.parse().expect("good")), "{text}");
        }
        let bad = [
            ("local373", "address local373: missing port in address"),
            ("::1:80", "address ::1:80: too many colons in address"),
            ("[::1:80", "address [::1:80: missing ']' in address"),
            ("[::1]", "address [::1]: missing port in address"),
            ("localhost:70000", "address 70000: invalid port"),
            ("localhost:nothing", "lookup tcp/nothing: unknown port"),
            ("0.0.0.0:80", "0.0.0.0:80: other machines could connect, which takes --compat-listen-any"),
            ("[::]:80", "[::]:80: other machines could connect, which takes --compat-listen-any"),
            ("192.0.2.1:80", "192.0.2.1:80: other machines could connect, which takes --compat-listen-any"),
        ];
        for (text, problem) in bad {
            assert_eq!(resolve_listen(text, Scope::Loopback).await, Err(problem.to_owned()), "{text}");
        }
        assert_eq!(resolve_listen("0.0.0.0:80", Scope::Any).await, Ok("0.0.0.0:80".parse().expect("good")));
        assert_eq!(resolve_listen(":80", Scope::Any).await, Ok("[::]:80".parse().expect("good")));
    }
}
