//! The client's first two steps: create a socket, connect it.

use std::net::SocketAddr;

use super::answer::{Errno, Outcome, State, done};
use super::transcript::Transcript;
use super::verdict::{Checks, Verdict};
use super::wire::{Trouble, connect, needed, number, peer_now, server, socket};
use super::{Fact, Part, shown_addr};
use crate::lang::both;

/// Step 1.
pub(crate) static CREATE: Fact = Fact {
    name: "client:1",
    part: Part::Client,
    en: "create a socket",
    zh: "创建客户端套接字",
    perform: |transcript| Box::pin(create(transcript)),
};

/// Step 2.
pub(crate) static CONNECT: Fact = Fact {
    name: "client:2",
    part: Part::Client,
    en: "connect to the server",
    zh: "连接服务器",
    perform: |transcript| Box::pin(connect_step(transcript)),
};

#[derive(Clone)]
struct Created {
    local: SocketAddr,
    peer: Outcome<SocketAddr>,
    state: State,
}

async fn create(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let client = socket()?;
    let fd = number(&client);
    t.call("socket(AF_INET, SOCK_STREAM)", both!("client, descriptor {fd}", "client，描述符 {fd}"));
    let seen = Created { local: client.local_addr()?, peer: peer_now(&client)?, state: State::of(&client) };
    t.call("client.getsockname()", shown_addr(seen.local));
    t.call("client.getpeername()", done(&seen.peer.map(|_| ())));
    t.call("client.getsockopt(TCP_INFO)", seen.state.name());
    t.remark(both!(
        "A descriptor and nothing more: no address, no peer, nothing sent yet.",
        "这时只有一个描述符：没有地址，没有对端，什么都还没有发出去。",
    ));
    Ok(judge_created(&seen))
}

fn judge_created(seen: &Created) -> Verdict {
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    Checks::new()
        .same(both!("its address", "它的地址"), &seen.local, &nowhere)
        .same(both!("its peer", "它的对端"), &seen.peer, &Err(Errno::NOTCONN))
        .state(both!("its state", "它的状态"), seen.state, State::CLOSED)
        .verdict()
}

#[derive(Clone)]
struct Connected {
    server: SocketAddr,
    local: SocketAddr,
    peer: SocketAddr,
    state: State,
}

async fn connect_step(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = server()?;
    let addr = server.addr()?;
    t.call("server.listen(128)", both!("listening on {addr}", "正在监听 {addr}"));
    let client = connect(socket()?, addr).await?;
    t.call(format!("client.connect({addr})"), done(&client.as_ref().map(|_| ()).map_err(|errno| *errno)));
    let client = needed("connect", client)?;
    let seen = Connected { server: addr, local: client.local()?, peer: client.peer()?, state: State::of(&client) };
    let local = seen.local;
    t.call("client.getsockname()", both!("{local} (kernel's choice)", "{local}（内核挑选）"));
    t.call("client.getpeername()", seen.peer.to_string());
    t.call("client.getsockopt(TCP_INFO)", seen.state.name());
    t.remark(both!(
        "The kernels have shaken hands; the server has not even called accept yet.",
        "三次握手由内核完成：此时服务器连 accept 都还没有调用。",
    ));
    Ok(judge_connected(&seen))
}

fn judge_connected(seen: &Connected) -> Verdict {
    Checks::new()
        .same(both!("the peer", "对端"), &seen.peer, &seen.server)
        .that(both!("a local port", "有一个本地端口"), seen.local.port() != 0)
        .that(both!("a port other than the server's", "本地端口不是服务器的端口"), seen.local != seen.server)
        .state(both!("the client's state", "客户端的状态"), seen.state, State::ESTABLISHED)
        .verdict()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tour::verdict::assert_judge;

    #[test]
    fn a_created_socket_has_no_address_no_peer_and_no_connection() {
        let good = Created { local: ([0, 0, 0, 0], 0).into(), peer: Err(Errno::NOTCONN), state: State::CLOSED };
        assert_judge(
            judge_created,
            &good,
            &[
                |seen| seen.local.set_port(40_000),
                |seen| seen.peer = Ok(([127, 0, 0, 1], 9).into()),
                |seen| seen.state = State::ESTABLISHED,
            ],
        );
    }

    #[test]
    fn a_connected_socket_has_a_port_of_its_own_and_the_server_as_peer() {
        let server = ([127, 0, 0, 1], 8848).into();
        let good =
            Connected { server, local: ([127, 0, 0, 1], 40_000).into(), peer: server, state: State::ESTABLISHED };
        assert_judge(
            judge_connected,
            &good,
            &[
                |seen| seen.local.set_port(0),
                |seen| seen.local = seen.server,
                |seen| seen.peer.set_port(9),
                |seen| seen.state = State::CLOSED,
            ],
        );
    }
}
