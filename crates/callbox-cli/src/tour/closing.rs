//! Notes 7 and 8: what closing the listening socket ends, and what closing an accepted one does.

use super::answer::{Errno, Outcome, State, done, received, sent};
use super::transcript::Transcript;
use super::verdict::{Checks, Verdict};
use super::wire::{Active, Trouble, connect, number, pair, server, socket};
use super::{Fact, HELLO, Part, THANKS};
use crate::lang::both;

/// Note 7.
pub(crate) static LISTENING_CLOSED: Fact = Fact {
    name: "7",
    part: Part::Notes,
    en: "closing the listening socket refuses new clients, keeps the old",
    zh: "关闭监听套接字：新客户端连不上，已连接的正常通信",
    perform: |transcript| Box::pin(listening_closed(transcript)),
};

/// Note 8.
pub(crate) static ACCEPTED_CLOSED: Fact = Fact {
    name: "8",
    part: Part::Notes,
    en: "closing an accepted socket ends service for that client alone",
    zh: "关闭 accept 返回的套接字：只对这一个客户端服务完毕",
    perform: |transcript| Box::pin(accepted_closed(transcript)),
};

#[derive(Clone)]
struct Refusing {
    new_client: Outcome<()>,
    state: State,
    arrived: Outcome<Vec<u8>>,
    answer: Outcome<Vec<u8>>,
}

async fn listening_closed(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = server()?;
    let addr = server.addr()?;
    let (client1, accepted1) = pair(&server).await?;
    t.call(format!("client1.connect({addr})"), "0");
    let fd = number(&server);
    drop(server);
    t.call("server.close()", both!("descriptor {fd} given back", "描述符 {fd} 已归还"));
    let new_client = connect(socket()?, addr).await?.map(|_| ());
    t.call(format!("client2.connect({addr})"), done(&new_client));
    let state = State::of(&accepted1);
    t.call("accepted1.getsockopt(TCP_INFO)", state.name());
    let (arrived, answer) = exchange(t, "1", &client1, &accepted1).await?;
    t.remark(both!(
        "New clients are turned away; the conversation under way goes on.",
        "新客户端被拒绝，已建立的连接照常通信。",
    ));
    Ok(judge_refusing(&Refusing { new_client, state, arrived, answer }))
}

/// Sends hello and thanks, and returns what either side received.
async fn exchange(
    t: &mut Transcript,
    which: &str,
    client: &Active,
    accepted: &Active,
) -> Result<(Outcome<Vec<u8>>, Outcome<Vec<u8>>), Trouble> {
    t.call(format!("client{which}.send(\"hello\")"), sent(&client.send(HELLO).await?));
    let arrived = accepted.recv(1024).await?;
    t.call(format!("accepted{which}.recv(1024)"), received(&arrived));
    t.call(format!("accepted{which}.send(\"thank you !\")"), sent(&accepted.send(THANKS).await?));
    let answer = client.recv(1024).await?;
    t.call(format!("client{which}.recv(1024)"), received(&answer));
    Ok((arrived, answer))
}

fn judge_refusing(seen: &Refusing) -> Verdict {
    Checks::new()
        .same(both!("a new client's connect", "新客户端的 connect"), &seen.new_client, &Err(Errno::CONNREFUSED))
        .state(both!("the old connection's state", "旧连接的状态"), seen.state, State::ESTABLISHED)
        .same(both!("what the server received", "服务器收到的数据"), &seen.arrived, &Ok(HELLO.to_vec()))
        .same(both!("what the old client received", "旧客户端收到的数据"), &seen.answer, &Ok(THANKS.to_vec()))
        .verdict()
}

#[derive(Clone)]
struct Served {
    first_end: Outcome<Vec<u8>>,
    second_arrived: Outcome<Vec<u8>>,
    second_answer: Outcome<Vec<u8>>,
    third_connect: Outcome<()>,
}

async fn accepted_closed(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = server()?;
    let addr = server.addr()?;
    let (client1, accepted1) = pair(&server).await?;
    let (client2, accepted2) = pair(&server).await?;
    let fd = number(&accepted1);
    drop(accepted1);
    t.call("accepted1.close()", both!("descriptor {fd} given back", "描述符 {fd} 已归还"));
    let first_end = client1.recv(1024).await?;
    t.call("client1.recv(1024)", received(&first_end));
    let (second_arrived, second_answer) = exchange(t, "2", &client2, &accepted2).await?;
    let third_connect = connect(socket()?, addr).await?.map(|_| ());
    t.call(format!("client3.connect({addr})"), done(&third_connect));
    t.remark(both!(
        "One client has been served; the others and newcomers notice nothing.",
        "这一个客户端服务完毕；其他客户端和新来的客户端不受影响。",
    ));
    Ok(judge_served(&Served { first_end, second_arrived, second_answer, third_connect }))
}

fn judge_served(seen: &Served) -> Verdict {
    Checks::new()
        .same(both!("what the first client received", "第一个客户端收到的数据"), &seen.first_end, &Ok(Vec::new()))
        .same(both!("what the second client sent", "第二个客户端发送的数据"), &seen.second_arrived, &Ok(HELLO.to_vec()))
        .same(both!("what it received", "它收到的数据"), &seen.second_answer, &Ok(THANKS.to_vec()))
        .same(both!("a third client's connect", "第三个客户端的 connect"), &seen.third_connect, &Ok(()))
        .verdict()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tour::verdict::assert_judge;

    #[test]
    fn a_closed_listening_socket_refuses_and_resets_nobody() {
        let good = Refusing {
            new_client: Err(Errno::CONNREFUSED),
            state: State::ESTABLISHED,
            arrived: Ok(HELLO.to_vec()),
            answer: Ok(THANKS.to_vec()),
        };
        assert_judge(
            judge_refusing,
            &good,
            &[
                |seen| seen.new_client = Ok(()),
                |seen| seen.state = State::CLOSED,
                |seen| seen.arrived = Err(Errno::CONNRESET),
                |seen| seen.answer = Ok(Vec::new()),
            ],
        );
    }

    #[test]
    fn a_closed_accepted_socket_ends_one_client_only() {
        let good = Served {
            first_end: Ok(Vec::new()),
            second_arrived: Ok(HELLO.to_vec()),
            second_answer: Ok(THANKS.to_vec()),
            third_connect: Ok(()),
        };
        assert_judge(
            judge_served,
            &good,
            &[
                |seen| seen.first_end = Ok(THANKS.to_vec()),
                |seen| seen.first_end = Err(Errno::CONNRESET),
                |seen| seen.second_arrived = Ok(Vec::new()),
                |seen| seen.second_answer = Err(Errno::CONNRESET),
                |seen| seen.third_connect = Err(Errno::CONNREFUSED),
            ],
        );
    }
}
