//! Where a relay leads: its servers as one text, and the check that none of them is callbox itself.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use callbox::Addr;
use callbox::addr::Host;
use callbox::net::avoid::Avoid;
use callbox::net::resolve::{Family, resolve};

use super::listen::LOOKUP_PATIENCE;
use crate::args::Leads;
use crate::control::reply::Refused;

/// Reads the servers of a relay: one address or several with commas between them.
pub fn read(text: &str) -> Result<Vec<Addr>, Refused> {
    let addr = |word: &str| match Addr::parse(word.trim()) {
        Ok(Addr::Fd(_) | Addr::Memory) => Err(Refused::new(400, format!("upstream {word}: only for listening"))),
        Ok(addr) => Ok(addr),
        Err(invalid) => Err(Refused::new(400, format!("upstream {word}: {}", invalid.problem))),
    };
    text.split(',').map(addr).collect()
}

/// Writes where a relay leads as one text; a login is not part of it.
pub fn write(leads: &Leads) -> String {
    match leads {
        Leads::Servers(addrs) => addrs.iter().map(Addr::to_string).collect::<Vec<_>>().join(","),
        Leads::Asked(as_proxy) => as_proxy.to_string(),
    }
}

/// Refuses a server that is callbox itself, or avoided for another reason. A name that means nothing yet is taken:
/// connecting looks again.
pub async fn check(addrs: &[Addr], avoid: &Avoid) -> Result<(), Refused> {
    for addr in addrs {
        let refusal = match addr {
            Addr::Unix(path) => avoid.reached_path(path).then_some("callbox itself listens there"),
            addr => targets(addr).await.into_iter().find_map(|target| avoid.refusal(target)),
        };
        if let Some(refusal) = refusal {
            return Err(Refused::new(400, format!("upstream {addr}: {refusal}")));
        }
    }
    Ok(())
}

async fn targets(addr: &Addr) -> Vec<SocketAddr> {
    match addr {
        Addr::Tcp { host: Host::Ip(ip), port } => vec![SocketAddr::new(*ip, *port)],
        Addr::Tcp { host: Host::Loopback | Host::Any, port } => {
            vec![SocketAddr::from((Ipv4Addr::LOCALHOST, *port)), SocketAddr::from((Ipv6Addr::LOCALHOST, *port))]
        }
        Addr::Tcp { host: Host::Name(name), port } => {
            let found = tokio::time::timeout(LOOKUP_PATIENCE, resolve(name, *port, Family::Any)).await;
            found.ok().and_then(Result::ok).unwrap_or_default()
        }
        Addr::Unix(_) | Addr::Fd(_) | Addr::Memory => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn callbox_itself_is_no_server_in_any_spelling() {
        let avoid = Avoid::new(vec!["127.0.0.1:80".parse().expect("good")]);
        for text in ["127.0.0.1:80", "localhost:80", "0.0.0.0:80", "[::]:80", "[::ffff:127.0.0.1]:80", ":80", "*:80"] {
            let refused = check(&read(text).expect("good"), &avoid).await.expect_err(text);
            assert_eq!(refused.status, 400, "{text}");
        }
        for text in ["127.0.0.1:81", "127.0.0.2:80", "unix:/s", "name.invalid:80"] {
            assert_eq!(check(&read(text).expect("good"), &avoid).await, Ok(()), "{text}");
        }
    }

    #[test]
    fn several_servers_are_one_text() {
        let addrs = read("a:1, [::1]:2,unix:/s").expect("good");
        assert_eq!(write(&Leads::Servers(addrs)), "a:1,[::1]:2,unix:/s");
        assert_eq!(read("localhost").expect_err("no port").status, 400);
        assert_eq!(read("fd:3").expect_err("no server").status, 400);
        assert_eq!(read("socks5:").expect_err("only our own command line has proxies").status, 400);
    }
}
