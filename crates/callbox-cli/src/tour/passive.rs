//! Note 3: listen turns an active socket into a passive one.

use super::answer::{Errno, Outcome, State, done};
use super::transcript::Transcript;
use super::verdict::{Checks, Verdict};
use super::wire::{Trouble, accept_now, connect, listen, loopback, needed, socket};
use super::{Fact, Part};
use crate::lang::both;

/// Note 3.
pub(crate) static LISTEN_MAKES_PASSIVE: Fact = Fact {
    name: "3",
    part: Part::Notes,
    en: "listen turns an active socket into a passive one",
    zh: "listen 把主动套接字变为被动套接字，服务器必须这样做",
    perform: |transcript| Box::pin(perform(transcript)),
};

#[derive(Clone)]
struct Seen {
    connect_before: Outcome<()>,
    accept_before: Outcome<()>,
    state: State,
    connect_after: Outcome<()>,
    /// Whether `accept` then returned that client.
    accepted: bool,
}

async fn perform(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = socket()?;
    server.bind(loopback())?;
    let addr = server.local_addr()?;
    t.call("server.bind(127.0.0.1:0)", addr.to_string());
    let connect_before = connect(socket()?, addr).await?.map(|_| ());
    t.call(format!("client1.connect({addr})"), done(&connect_before));
    let accept_before = accept_now(&server)?;
    t.call("server.accept()", done(&accept_before));
    let server = listen(server)?;
    t.call("server.listen(128)", "0");
    let state = State::of(&server);
    t.call("server.getsockopt(TCP_INFO)", state.name());
    let client = connect(socket()?, addr).await?;
    let connect_after = client.as_ref().map(|_| ()).map_err(|errno| *errno);
    t.call(format!("client2.connect({addr})"), done(&connect_after));
    let from = needed("connect", client)?.local()?;
    let peer = server.accept(from).await?.peer()?;
    t.call("server.accept()", both!("a client, {peer}", "客户端 {peer}"));
    t.remark(both!(
        "Bound is not enough: only a listening socket is connected to.",
        "只绑定还不够：只有正在监听的套接字才能被连接。",
    ));
    Ok(judge(&Seen { connect_before, accept_before, state, connect_after, accepted: peer == from }))
}

fn judge(seen: &Seen) -> Verdict {
    Checks::new()
        .same(both!("connect before listen", "listen 之前的 connect"), &seen.connect_before, &Err(Errno::CONNREFUSED))
        .same(both!("accept before listen", "listen 之前的 accept"), &seen.accept_before, &Err(Errno::INVAL))
        .state(both!("the state after listen", "listen 之后的状态"), seen.state, State::LISTEN)
        .same(both!("connect after listen", "listen 之后的 connect"), &seen.connect_after, &Ok(()))
        .that(both!("accept returns that client", "accept 返回的正是该客户端"), seen.accepted)
        .verdict()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tour::verdict::assert_judge;

    #[test]
    fn only_a_listening_socket_is_connected_to() {
        let good = Seen {
            connect_before: Err(Errno::CONNREFUSED),
            accept_before: Err(Errno::INVAL),
            state: State::LISTEN,
            connect_after: Ok(()),
            accepted: true,
        };
        assert_judge(
            judge,
            &good,
            &[
                |seen| seen.connect_before = Ok(()),
                |seen| seen.accept_before = Err(Errno::AGAIN),
                |seen| seen.state = State::CLOSED,
                |seen| seen.connect_after = Err(Errno::CONNREFUSED),
                |seen| seen.accepted = false,
            ],
        );
    }
}
