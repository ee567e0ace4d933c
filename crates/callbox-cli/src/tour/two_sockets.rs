//! Notes 5 and 6: a new socket for each client, and what sets it apart from the listening one.

use std::net::SocketAddr;

use super::answer::{Errno, Outcome, State, received, sent};
use super::transcript::Transcript;
use super::verdict::{Checks, Verdict};
use super::wire::{Trouble, number, pair, peer_now, recv_now, server};
use super::{Fact, Part};
use crate::lang::both;

/// Note 5.
pub(crate) static ONE_PER_CLIENT: Fact = Fact {
    name: "5",
    part: Part::Notes,
    en: "each client gets a new socket that serves it alone",
    zh: "每个客户端连接后，服务器都有一个新套接字单独为它服务",
    perform: |transcript| Box::pin(one_per_client(transcript)),
};

/// Note 6.
pub(crate) static LISTENING_OR_ACCEPTED: Fact = Fact {
    name: "6",
    part: Part::Notes,
    en: "the listening socket takes clients in, the accepted one talks",
    zh: "监听套接字接收连接请求，accept 返回的套接字标记客户端",
    perform: |transcript| Box::pin(listening_or_accepted(transcript)),
};

#[derive(Clone)]
struct Apart {
    descriptors: [i32; 3],
    first: Outcome<Vec<u8>>,
    second: Outcome<Vec<u8>>,
}

async fn one_per_client(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = server()?;
    let listening = number(&server);
    t.call("server.listen(128)", both!("0, descriptor {listening}", "0，描述符 {listening}"));
    let (client1, accepted1) = pair(&server).await?;
    let (client2, accepted2) = pair(&server).await?;
    let descriptors = [listening, number(&accepted1), number(&accepted2)];
    let (fd1, fd2) = (descriptors[1], descriptors[2]);
    t.call("server.accept()", both!("accepted1, descriptor {fd1}", "accepted1，描述符 {fd1}"));
    t.call("server.accept()", both!("accepted2, descriptor {fd2}", "accepted2，描述符 {fd2}"));
    // The second client speaks first: the order of sending is not what keeps them apart.
    t.call("client2.send(\"from 2\")", sent(&client2.send(b"from 2").await?));
    t.call("client1.send(\"from 1\")", sent(&client1.send(b"from 1").await?));
    let first = accepted1.recv(1024).await?;
    t.call("accepted1.recv(1024)", received(&first));
    let second = accepted2.recv(1024).await?;
    t.call("accepted2.recv(1024)", received(&second));
    t.remark(both!(
        "Two clients, two descriptors, and what they say does not mix.",
        "两个客户端，两个描述符，各自的数据互不混淆。",
    ));
    Ok(judge_apart(&Apart { descriptors, first, second }))
}

fn judge_apart(seen: &Apart) -> Verdict {
    let [listening, first, second] = seen.descriptors;
    let differ = listening != first && listening != second && first != second;
    Checks::new()
        .that(both!("three different descriptors", "三个不同的描述符"), differ)
        .same(both!("what the first received", "第一个收到的数据"), &seen.first, &Ok(b"from 1".to_vec()))
        .same(both!("what the second received", "第二个收到的数据"), &seen.second, &Ok(b"from 2".to_vec()))
        .verdict()
}

#[derive(Clone)]
struct Roles {
    listening_state: State,
    accepted_state: State,
    listening_addr: SocketAddr,
    accepted_addr: SocketAddr,
    listening_peer: Outcome<SocketAddr>,
    accepted_peer: Outcome<SocketAddr>,
    client: SocketAddr,
    listening_recv: Outcome<Vec<u8>>,
}

async fn listening_or_accepted(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = server()?;
    let (client, accepted) = pair(&server).await?;
    let seen = Roles {
        listening_state: State::of(&server),
        accepted_state: State::of(&accepted),
        listening_addr: server.addr()?,
        accepted_addr: accepted.local()?,
        listening_peer: peer_now(&server)?,
        accepted_peer: peer_now(&accepted)?,
        client: client.local()?,
        listening_recv: recv_now(&server)?,
    };
    let peer = |peer: Outcome<SocketAddr>| match peer {
        Ok(peer) => peer.to_string().into(),
        Err(errno) => received(&Err(errno)),
    };
    t.call("server.getsockopt(TCP_INFO)", seen.listening_state.name());
    t.call("accepted.getsockopt(TCP_INFO)", seen.accepted_state.name());
    t.call("server.getsockname()", seen.listening_addr.to_string());
    t.call("accepted.getsockname()", seen.accepted_addr.to_string());
    t.call("server.getpeername()", peer(seen.listening_peer));
    t.call("accepted.getpeername()", peer(seen.accepted_peer));
    t.call("server.recv(1024)", received(&seen.listening_recv));
    t.remark(both!(
        "One address, two sorts of socket: one is for all, the other has a peer.",
        "地址相同，角色不同：一个面向所有客户端，一个有自己的对端。",
    ));
    Ok(judge_roles(&seen))
}

fn judge_roles(seen: &Roles) -> Verdict {
    Checks::new()
        .state(both!("the listening socket's state", "监听套接字的状态"), seen.listening_state, State::LISTEN)
        .state(both!("the accepted socket's state", "accepted 的状态"), seen.accepted_state, State::ESTABLISHED)
        .same(both!("the accepted socket's address", "accepted 的地址"), &seen.accepted_addr, &seen.listening_addr)
        .same(both!("the listening socket's peer", "监听套接字的对端"), &seen.listening_peer, &Err(Errno::NOTCONN))
        .same(both!("the accepted socket's peer", "accepted 的对端"), &seen.accepted_peer, &Ok(seen.client))
        .same(both!("recv on the listening socket", "监听套接字的 recv"), &seen.listening_recv, &Err(Errno::NOTCONN))
        .verdict()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tour::verdict::assert_judge;

    #[test]
    fn clients_do_not_mix() {
        let good = Apart { descriptors: [8, 10, 12], first: Ok(b"from 1".to_vec()), second: Ok(b"from 2".to_vec()) };
        assert_judge(
            judge_apart,
            &good,
            &[
                |seen| seen.descriptors[2] = seen.descriptors[1],
                |seen| seen.descriptors[1] = seen.descriptors[0],
                |seen| std::mem::swap(&mut seen.first, &mut seen.second),
                |seen| seen.second = Ok(b"from 1from 2".to_vec()),
            ],
        );
    }

    #[test]
    fn the_two_sorts_of_socket_are_told_apart() {
        let (server, client) = (([127, 0, 0, 1], 8848).into(), ([127, 0, 0, 1], 40_000).into());
        let good = Roles {
            listening_state: State::LISTEN,
            accepted_state: State::ESTABLISHED,
            listening_addr: server,
            accepted_addr: server,
            listening_peer: Err(Errno::NOTCONN),
            accepted_peer: Ok(client),
            client,
            listening_recv: Err(Errno::NOTCONN),
        };
        assert_judge(
            judge_roles,
            &good,
            &[
                |seen| seen.listening_state = State::ESTABLISHED,
                |seen| seen.accepted_state = State::LISTEN,
                |seen| seen.accepted_addr.set_port(1),
                |seen| seen.listening_peer = Ok(seen.client),
                |seen| seen.accepted_peer = Err(Errno::NOTCONN),
                |seen| seen.listening_recv = Ok(b"hello".to_vec()),
            ],
        );
    }
}
