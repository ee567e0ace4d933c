//! The client's last two steps: send and receive, then close.

use super::answer::{Errno, Outcome, State, received, sent};
use super::transcript::Transcript;
use super::verdict::{Checks, Verdict};
use super::wire::{Trouble, number, pair, server, until};
use super::{Fact, HELLO, Part, THANKS};
use crate::lang::both;

/// Step 3.
pub(crate) static TALK: Fact = Fact {
    name: "client:3",
    part: Part::Client,
    en: "send and receive",
    zh: "发送/接收数据",
    perform: |transcript| Box::pin(talk(transcript)),
};

/// Step 4.
pub(crate) static CLOSE: Fact = Fact {
    name: "client:4",
    part: Part::Client,
    en: "close the socket",
    zh: "关闭套接字",
    perform: |transcript| Box::pin(close(transcript)),
};

#[derive(Clone)]
struct Talked {
    sent: Outcome<usize>,
    arrived: Outcome<Vec<u8>>,
    answer: Outcome<Vec<u8>>,
}

async fn talk(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = server()?;
    let (client, accepted) = pair(&server).await?;
    let sent_by_client = client.send(HELLO).await?;
    t.call("client.send(\"hello\")", sent(&sent_by_client));
    let arrived = accepted.recv(1024).await?;
    t.call("accepted.recv(1024)", received(&arrived));
    let sent_by_server = accepted.send(THANKS).await?;
    t.call("accepted.send(\"thank you !\")", sent(&sent_by_server));
    let answer = client.recv(1024).await?;
    t.call("client.recv(1024)", received(&answer));
    t.remark(both!(
        "send and recv know bytes only: text is encoded before and decoded after.",
        "send 和 recv 只认字节：文本要先编码再发送，收到后再解码。",
    ));
    Ok(judge_talked(&Talked { sent: sent_by_client, arrived, answer }))
}

fn judge_talked(seen: &Talked) -> Verdict {
    Checks::new()
        .same(both!("bytes the client sent", "客户端发出的字节数"), &seen.sent, &Ok(HELLO.len()))
        .same(both!("what the server received", "服务器收到的数据"), &seen.arrived, &Ok(HELLO.to_vec()))
        .same(both!("what the client received", "客户端收到的数据"), &seen.answer, &Ok(THANKS.to_vec()))
        .verdict()
}

#[derive(Clone)]
struct Closed {
    end: Outcome<Vec<u8>>,
    state: State,
    state_after_send: State,
    second_send: Outcome<usize>,
}

async fn close(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = server()?;
    let (client, accepted) = pair(&server).await?;
    let fd = number(&client);
    drop(client);
    t.call("client.close()", both!("descriptor {fd} given back", "描述符 {fd} 已归还"));
    let end = accepted.recv(1024).await?;
    t.call("accepted.recv(1024)", received(&end));
    let state = State::of(&accepted);
    t.call("accepted.getsockopt(TCP_INFO)", state.name());
    let first_send = accepted.send(THANKS).await?;
    t.call("accepted.send(\"thank you !\")", sent(&first_send));
    // The kernel answers those bytes with a reset; until that is here, the state says so.
    until("getsockopt", || State::of(&accepted) != state || state == State::UNKNOWN).await?;
    let state_after_send = State::of(&accepted);
    let after = state_after_send.name();
    t.call("accepted.getsockopt(TCP_INFO)", both!("{after}: a reset came back", "{after}：收到了对方的 RST"));
    let second_send = accepted.send(THANKS).await?;
    t.call("accepted.send(\"thank you !\")", sent(&second_send));
    t.remark(both!(
        "close ends both directions: what the server sends now reaches nobody.",
        "close 同时结束两个方向：服务器此后发送的数据无人接收。",
    ));
    Ok(judge_closed(&Closed { end, state, state_after_send, second_send }))
}

fn judge_closed(seen: &Closed) -> Verdict {
    Checks::new()
        .same(both!("what the server received", "服务器收到的数据"), &seen.end, &Ok(Vec::new()))
        .state(both!("the server's state", "服务器一侧的状态"), seen.state, State::CLOSE_WAIT)
        .state(both!("its state after sending", "发送之后的状态"), seen.state_after_send, State::CLOSED)
        .same(both!("the second send", "第二次 send"), &seen.second_send, &Err(Errno::PIPE))
        .verdict()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tour::verdict::assert_judge;

    #[test]
    fn talking_takes_both_texts_whole() {
        let good = Talked { sent: Ok(5), arrived: Ok(HELLO.to_vec()), answer: Ok(THANKS.to_vec()) };
        assert_judge(
            judge_talked,
            &good,
            &[
                |seen| seen.sent = Ok(4),
                |seen| seen.arrived = Ok(b"hell".to_vec()),
                |seen| seen.answer = Ok(Vec::new()),
                |seen| seen.answer = Err(Errno::CONNRESET),
            ],
        );
    }

    #[test]
    fn closing_ends_both_directions() {
        let good = Closed {
            end: Ok(Vec::new()),
            state: State::CLOSE_WAIT,
            state_after_send: State::CLOSED,
            second_send: Err(Errno::PIPE),
        };
        assert_judge(
            judge_closed,
            &good,
            &[
                |seen| seen.end = Ok(b"x".to_vec()),
                |seen| seen.end = Err(Errno::CONNRESET),
                |seen| seen.state = State::ESTABLISHED,
                |seen| seen.state_after_send = State::CLOSE_WAIT,
                |seen| seen.second_send = Ok(11),
            ],
        );
    }
}
