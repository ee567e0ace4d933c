//! The server's last two steps: accept a client, receive and send.

use std::net::SocketAddr;

use super::answer::{Errno, Outcome, State, received, sent};
use super::transcript::Transcript;
use super::verdict::{Checks, Verdict};
use super::wire::{Trouble, client, number, pair, recv_now, server};
use super::{Fact, HELLO, Part, THANKS};
use crate::lang::both;

/// Step 4.
pub(crate) static ACCEPT: Fact = Fact {
    name: "server:4",
    part: Part::Server,
    en: "accept: wait for a client",
    zh: "accept 等待客户端的连接",
    perform: |transcript| Box::pin(accept(transcript)),
};

/// Step 5.
pub(crate) static TALK: Fact = Fact {
    name: "server:5",
    part: Part::Server,
    en: "receive and send",
    zh: "recv/send 接收、发送数据",
    perform: |transcript| Box::pin(talk(transcript)),
};

#[derive(Clone)]
struct Accepted {
    client: SocketAddr,
    server: SocketAddr,
    peer: SocketAddr,
    local: SocketAddr,
    state: State,
    listener_fd: i32,
    accepted_fd: i32,
}

async fn accept(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = server()?;
    let (addr, listener_fd) = (server.addr()?, number(&server));
    t.call("server.listen(128)", both!("{addr}, descriptor {listener_fd}", "{addr}，描述符 {listener_fd}"));
    let client = client(addr).await?;
    let from = client.local()?;
    t.call(format!("client.connect({addr})"), both!("0, from {from}", "0，来自 {from}"));
    let accepted = server.accept(from).await?;
    let seen = Accepted {
        client: from,
        server: addr,
        peer: accepted.peer()?,
        local: accepted.local()?,
        state: State::of(&accepted),
        listener_fd,
        accepted_fd: number(&accepted),
    };
    let (fd, peer) = (seen.accepted_fd, seen.peer);
    t.call("server.accept()", both!("accepted, descriptor {fd}", "accepted，描述符 {fd}"));
    t.call("accepted.getpeername()", both!("{peer}: the client", "{peer}，即客户端"));
    t.call("accepted.getsockopt(TCP_INFO)", seen.state.name());
    t.remark(both!(
        "A new descriptor that stands for this client alone.",
        "得到一个新的描述符，它只代表这一个客户端。",
    ));
    Ok(judge_accepted(&seen))
}

fn judge_accepted(seen: &Accepted) -> Verdict {
    Checks::new()
        .same(both!("the accepted socket's peer", "accepted 的对端"), &seen.peer, &seen.client)
        .same(both!("its own address", "它自己的地址"), &seen.local, &seen.server)
        .state(both!("its state", "它的状态"), seen.state, State::ESTABLISHED)
        .that(both!("a descriptor of its own", "有自己的描述符"), seen.accepted_fd != seen.listener_fd)
        .verdict()
}

#[derive(Clone)]
struct Talked {
    early: Outcome<Vec<u8>>,
    arrived: Outcome<Vec<u8>>,
    sent: Outcome<usize>,
    answer: Outcome<Vec<u8>>,
}

async fn talk(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = server()?;
    let (client, accepted) = pair(&server).await?;
    let early = recv_now(&accepted)?;
    t.call("accepted.recv(1024)", received(&early));
    t.call("client.send(\"hello\")", sent(&client.send(HELLO).await?));
    let arrived = accepted.recv(1024).await?;
    t.call("accepted.recv(1024)", received(&arrived));
    let sent_by_server = accepted.send(THANKS).await?;
    t.call("accepted.send(\"thank you !\")", sent(&sent_by_server));
    let answer = client.recv(1024).await?;
    t.call("client.recv(1024)", received(&answer));
    t.remark(both!(
        "This recv does not block, hence EAGAIN; the tutorial's recv would wait.",
        "这里的 recv 是非阻塞的，所以返回 EAGAIN；教程里的 recv 会阻塞等待。",
    ));
    Ok(judge_talked(&Talked { early, arrived, sent: sent_by_server, answer }))
}

fn judge_talked(seen: &Talked) -> Verdict {
    Checks::new()
        .same(both!("recv before anything came", "数据到达之前的 recv"), &seen.early, &Err(Errno::AGAIN))
        .same(both!("what the server received", "服务器收到的数据"), &seen.arrived, &Ok(HELLO.to_vec()))
        .same(both!("bytes the server sent", "服务器发出的字节数"), &seen.sent, &Ok(THANKS.len()))
        .same(both!("what the client received", "客户端收到的数据"), &seen.answer, &Ok(THANKS.to_vec()))
        .verdict()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tour::verdict::assert_judge;

    #[test]
    fn an_accepted_socket_is_new_and_belongs_to_the_client() {
        let (client, server) = (([127, 0, 0, 1], 40_000).into(), ([127, 0, 0, 1], 8848).into());
        let good = Accepted {
            client,
            server,
            peer: client,
            local: server,
            state: State::ESTABLISHED,
            listener_fd: 8,
            accepted_fd: 9,
        };
        assert_judge(
            judge_accepted,
            &good,
            &[
                |seen| seen.peer.set_port(1),
                |seen| seen.local.set_port(1),
                |seen| seen.state = State::LISTEN,
                |seen| seen.accepted_fd = seen.listener_fd,
            ],
        );
    }

    #[test]
    fn receiving_waits_and_sending_answers() {
        let good =
            Talked { early: Err(Errno::AGAIN), arrived: Ok(HELLO.to_vec()), sent: Ok(11), answer: Ok(THANKS.to_vec()) };
        assert_judge(
            judge_talked,
            &good,
            &[
                |seen| seen.early = Ok(Vec::new()),
                |seen| seen.arrived = Ok(THANKS.to_vec()),
                |seen| seen.sent = Ok(10),
                |seen| seen.answer = Ok(b"thank you".to_vec()),
            ],
        );
    }
}
