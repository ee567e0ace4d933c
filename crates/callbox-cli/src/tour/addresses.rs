//! Notes 1 and 2: a server binds, a client usually does not.

use std::net::SocketAddr;

use super::answer::{Errno, Outcome, done};
use super::transcript::Transcript;
use super::verdict::{Checks, Verdict};
use super::wire::{Active, Trouble, bind, client, connect, listen, loopback, needed, server, socket};
use super::{Fact, Part, shown_addr};
use crate::lang::both;

/// Note 1.
pub(crate) static SERVER_BINDS: Fact = Fact {
    name: "1",
    part: Part::Notes,
    en: "a server binds, else its clients cannot find it",
    zh: "服务器一般都要绑定，否则客户端找不到它",
    perform: |transcript| Box::pin(server_binds(transcript)),
};

/// Note 2.
pub(crate) static CLIENT_DOES_NOT: Fact = Fact {
    name: "2",
    part: Part::Notes,
    en: "a client usually does not bind: the kernel picks its port",
    zh: "客户端一般不绑定：本地端口由内核随机挑选",
    perform: |transcript| Box::pin(client_does_not(transcript)),
};

#[derive(Clone)]
struct Found {
    intended: SocketAddr,
    /// Where the listening socket that was not bound ended up.
    random: SocketAddr,
    connect_unbound: Outcome<()>,
    bound: SocketAddr,
    connect_bound: Outcome<()>,
}

async fn server_binds(t: &mut Transcript) -> Result<Verdict, Trouble> {
    // Holds the port that the client is told, so that nobody else answers there meanwhile.
    let holder = socket()?;
    holder.bind(loopback())?;
    let intended = holder.local_addr()?;
    // Like any socket that is not bound it listens on every interface; it lives for the one connect below.
    let unbound = listen(socket()?)?;
    let random = unbound.addr()?;
    t.call("unbound.listen(128)", both!("0, though never bound", "0，没有经过 bind"));
    t.call("unbound.getsockname()", both!("{random}: a random port", "{random}，随机端口"));
    let connect_unbound = connected(&connect(socket()?, intended).await?);
    drop(unbound);
    t.call(format!("client.connect({intended})"), done(&connect_unbound));
    // The holder does not listen, so it does not stand in the way.
    let server = socket()?;
    t.call(format!("server.bind({intended})"), done(&bind(&server, intended)?));
    let server = listen(server)?;
    t.call("server.listen(128)", "0");
    let connect_bound = connected(&connect(socket()?, intended).await?);
    t.call(format!("client.connect({intended})"), done(&connect_bound));
    t.remark(both!(
        "Both listened, but only the bound one was where the client looked.",
        "两者都监听过，但只有绑定过的那一个在客户端要找的地址上。",
    ));
    Ok(judge_found(&Found { intended, random, connect_unbound, bound: server.addr()?, connect_bound }))
}

fn connected(outcome: &Outcome<Active>) -> Outcome<()> {
    outcome.as_ref().map(|_| ()).map_err(|errno| *errno)
}

fn judge_found(seen: &Found) -> Verdict {
    Checks::new()
        .that(both!("the kernel chose a port", "内核挑选了端口"), seen.random.port() != 0)
        .that(both!("not the intended port", "不是客户端要找的端口"), seen.random.port() != seen.intended.port())
        .same(both!("connect while unbound", "未绑定时的 connect"), &seen.connect_unbound, &Err(Errno::CONNREFUSED))
        .same(both!("the bound address", "绑定后的地址"), &seen.bound, &seen.intended)
        .same(both!("connect when bound", "绑定后的 connect"), &seen.connect_bound, &Ok(()))
        .verdict()
}

#[derive(Clone)]
struct Ports {
    before: SocketAddr,
    first: SocketAddr,
    second: SocketAddr,
    /// What the server saw, in the same order.
    peers: [SocketAddr; 2],
}

async fn client_does_not(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = server()?;
    let addr = server.addr()?;
    let client1 = socket()?;
    let before = client1.local_addr()?;
    t.call("client1.getsockname()", shown_addr(before));
    let client1 = needed("connect", connect(client1, addr).await?)?;
    t.call(format!("client1.connect({addr})"), "0");
    let first = client1.local()?;
    t.call("client1.getsockname()", both!("{first} (kernel's choice)", "{first}（内核挑选）"));
    let client2 = client(addr).await?;
    t.call(format!("client2.connect({addr})"), "0");
    let second = client2.local()?;
    t.call("client2.getsockname()", both!("{second} (kernel's choice)", "{second}（内核挑选）"));
    let peers = [server.accept(first).await?.peer()?, server.accept(second).await?.peer()?];
    for peer in peers {
        t.call("server.accept()", both!("a client, {peer}", "客户端 {peer}"));
    }
    t.remark(both!(
        "The server learns each client's port from the connection itself.",
        "服务器从连接本身就能得知客户端的端口，所以客户端不必固定端口。",
    ));
    Ok(judge_ports(&Ports { before, first, second, peers }))
}

fn judge_ports(seen: &Ports) -> Verdict {
    Checks::new()
        .same(both!("the address before connect", "connect 之前的地址"), &seen.before, &([0, 0, 0, 0], 0).into())
        .that(
            both!("both clients have a port", "两个客户端都有端口"),
            seen.first.port() != 0 && seen.second.port() != 0,
        )
        .that(both!("the ports differ", "两个端口不同"), seen.first != seen.second)
        .same(both!("the first peer", "第一个对端"), &seen.peers[0], &seen.first)
        .same(both!("the second peer", "第二个对端"), &seen.peers[1], &seen.second)
        .verdict()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tour::verdict::assert_judge;

    fn local(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn a_server_is_found_where_it_bound_and_only_there() {
        let good = Found {
            intended: local(8848),
            random: ([0, 0, 0, 0], 40_000).into(),
            connect_unbound: Err(Errno::CONNREFUSED),
            bound: local(8848),
            connect_bound: Ok(()),
        };
        assert_judge(
            judge_found,
            &good,
            &[
                |seen| seen.random.set_port(0),
                |seen| seen.random.set_port(8848),
                |seen| seen.connect_unbound = Ok(()),
                |seen| seen.bound = local(9),
                |seen| seen.connect_bound = Err(Errno::CONNREFUSED),
            ],
        );
    }

    #[test]
    fn clients_get_ports_that_differ_and_that_the_server_sees() {
        let good = Ports {
            before: ([0, 0, 0, 0], 0).into(),
            first: local(40_000),
            second: local(40_002),
            peers: [local(40_000), local(40_002)],
        };
        assert_judge(
            judge_ports,
            &good,
            &[
                |seen| seen.before = local(8848),
                |seen| seen.first = local(0),
                |seen| seen.second = seen.first,
                |seen| seen.peers.swap(0, 1),
            ],
        );
    }
}
