//! The server's first three steps: create a socket, bind it, make it listen.

use std::net::SocketAddr;

use super::answer::{Errno, Outcome, State, done};
use super::transcript::Transcript;
use super::verdict::{Checks, Verdict};
use super::wire::{Trouble, accept_now, bind, listen, loopback, number, socket};
use super::{Fact, Part, shown_addr};
use crate::lang::both;

/// Step 1.
pub(crate) static CREATE: Fact = Fact {
    name: "server:1",
    part: Part::Server,
    en: "create a socket",
    zh: "socket 创建一个套接字",
    perform: |transcript| Box::pin(create(transcript)),
};

/// Step 2.
pub(crate) static BIND: Fact = Fact {
    name: "server:2",
    part: Part::Server,
    en: "bind it to an IP and a port",
    zh: "bind 绑定 IP 和端口",
    perform: |transcript| Box::pin(bind_step(transcript)),
};

/// Step 3.
pub(crate) static LISTEN: Fact = Fact {
    name: "server:3",
    part: Part::Server,
    en: "listen: make it passive",
    zh: "listen 使套接字变为被动套接字",
    perform: |transcript| Box::pin(listen_step(transcript)),
};

#[derive(Clone)]
struct Created {
    local: SocketAddr,
    state: State,
    accept: Outcome<()>,
}

async fn create(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = socket()?;
    let fd = number(&server);
    t.call("socket(AF_INET, SOCK_STREAM)", both!("server, descriptor {fd}", "server，描述符 {fd}"));
    let seen = Created { local: server.local_addr()?, state: State::of(&server), accept: accept_now(&server)? };
    t.call("server.getsockname()", shown_addr(seen.local));
    t.call("server.getsockopt(TCP_INFO)", seen.state.name());
    t.call("server.accept()", done(&seen.accept));
    t.remark(both!(
        "The same call as the client's: nothing makes this one a server yet.",
        "和客户端是同一个调用：到这一步为止，它还算不上服务器。",
    ));
    Ok(judge_created(&seen))
}

fn judge_created(seen: &Created) -> Verdict {
    Checks::new()
        .same(both!("its address", "它的地址"), &seen.local, &([0, 0, 0, 0], 0).into())
        .state(both!("its state", "它的状态"), seen.state, State::CLOSED)
        .same(both!("accept", "accept"), &seen.accept, &Err(Errno::INVAL))
        .verdict()
}

#[derive(Clone)]
struct Bound {
    before: SocketAddr,
    bind: Outcome<()>,
    after: SocketAddr,
    state: State,
}

async fn bind_step(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = socket()?;
    let before = server.local_addr()?;
    t.call("server.getsockname()", shown_addr(before));
    let bound = bind(&server, loopback())?;
    t.call("server.bind(127.0.0.1:0)", done(&bound));
    let seen = Bound { before, bind: bound, after: server.local_addr()?, state: State::of(&server) };
    t.call("server.getsockname()", seen.after.to_string());
    let state = seen.state.name();
    t.call("server.getsockopt(TCP_INFO)", both!("{state}: bound, not listening", "{state}：已绑定，未监听"));
    t.remark(both!(
        "Port 0 lets the kernel choose a free one; the tutorial asks for 8848.",
        "端口写 0，内核就挑一个空闲端口；教程里指定的是 8848。",
    ));
    Ok(judge_bound(&seen))
}

fn judge_bound(seen: &Bound) -> Verdict {
    Checks::new()
        .same(both!("its address before", "绑定之前的地址"), &seen.before, &([0, 0, 0, 0], 0).into())
        .same(both!("bind", "bind"), &seen.bind, &Ok(()))
        .that(both!("the IP asked for", "绑定到指定的 IP"), seen.after.ip() == loopback().ip())
        .that(both!("a port", "得到一个端口"), seen.after.port() != 0)
        .state(both!("its state", "它的状态"), seen.state, State::CLOSED)
        .verdict()
}

#[derive(Clone)]
struct Listening {
    before: State,
    after: State,
    second_bind: Outcome<()>,
}

async fn listen_step(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = socket()?;
    server.bind(loopback())?;
    let addr = server.local_addr()?;
    t.call("server.bind(127.0.0.1:0)", addr.to_string());
    let before = State::of(&server);
    t.call("server.getsockopt(TCP_INFO)", before.name());
    let server = listen(server)?;
    t.call("server.listen(128)", "0");
    let after = State::of(&server);
    t.call("server.getsockopt(TCP_INFO)", after.name());
    let second_bind = bind(&socket()?, addr)?;
    t.call(format!("second.bind({addr})"), done(&second_bind));
    t.remark(both!(
        "The kernel now queues clients until accept; the address is this socket's.",
        "内核开始替它排队，等 accept 来取；这个地址也归它独占。",
    ));
    Ok(judge_listening(&Listening { before, after, second_bind }))
}

fn judge_listening(seen: &Listening) -> Verdict {
    Checks::new()
        .state(both!("its state before listen", "listen 之前的状态"), seen.before, State::CLOSED)
        .state(both!("its state after listen", "listen 之后的状态"), seen.after, State::LISTEN)
        .same(both!("a second socket's bind", "另一个套接字的 bind"), &seen.second_bind, &Err(Errno::ADDRINUSE))
        .verdict()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tour::verdict::assert_judge;

    #[test]
    fn a_created_socket_is_no_server() {
        let good = Created { local: ([0, 0, 0, 0], 0).into(), state: State::CLOSED, accept: Err(Errno::INVAL) };
        assert_judge(
            judge_created,
            &good,
            &[
                |seen| seen.local.set_port(8848),
                |seen| seen.state = State::LISTEN,
                |seen| seen.accept = Ok(()),
                |seen| seen.accept = Err(Errno::AGAIN),
            ],
        );
    }

    #[test]
    fn binding_gives_an_address_and_nothing_else() {
        let good = Bound {
            before: ([0, 0, 0, 0], 0).into(),
            bind: Ok(()),
            after: ([127, 0, 0, 1], 41_233).into(),
            state: State::CLOSED,
        };
        assert_judge(
            judge_bound,
            &good,
            &[
                |seen| seen.before = seen.after,
                |seen| seen.bind = Err(Errno::ADDRINUSE),
                |seen| seen.after.set_port(0),
                |seen| seen.after.set_ip([0, 0, 0, 0].into()),
                |seen| seen.state = State::LISTEN,
            ],
        );
    }

    #[test]
    fn listening_changes_the_state_and_takes_the_address() {
        let good = Listening { before: State::CLOSED, after: State::LISTEN, second_bind: Err(Errno::ADDRINUSE) };
        assert_judge(
            judge_listening,
            &good,
            &[|seen| seen.before = State::LISTEN, |seen| seen.after = State::CLOSED, |seen| seen.second_bind = Ok(())],
        );
    }
}
