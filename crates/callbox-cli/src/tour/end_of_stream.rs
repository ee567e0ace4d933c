//! Note 9: the client closes and the server's recv returns 0; and what 0 really says.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use callbox::{Addr, Client};

use super::answer::{Outcome, State, received, sent};
use super::transcript::Transcript;
use super::verdict::{Checks, Verdict};
use super::wire::{Trouble, pair, server, within};
use super::{Fact, Part, THANKS};
use crate::lang::both;

/// Note 9.
pub(crate) static ZERO_IS_THE_END: Fact = Fact {
    name: "9",
    part: Part::Notes,
    en: "when the client closes, the server's recv returns 0",
    zh: "客户端调用 close 后，服务器的 recv 解阻塞，返回长度为 0",
    perform: |transcript| Box::pin(perform(transcript)),
};

#[derive(Clone)]
struct Seen {
    /// Whether recv was waiting before the client closed.
    waited: bool,
    end: Outcome<Vec<u8>>,
    state: State,
    half_end: Outcome<Vec<u8>>,
    half_state: State,
    /// What the client still received after it had ended its own sending.
    late: Outcome<Vec<u8>>,
}

async fn perform(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = server()?;
    let (client1, accepted1) = pair(&server).await?;
    let (waited, end) = {
        let mut recv = pin!(accepted1.recv(1024));
        let waited = poll_fn(|cx| Poll::Ready(recv.as_mut().poll(cx).is_pending())).await;
        if waited {
            t.call("accepted1.recv(1024)", both!("(waits)", "（阻塞等待）"));
        }
        drop(client1);
        t.call("client1.close()", "0");
        // A recv that did not wait is not polled again: it has said what it had to say.
        let end = if waited { recv.await? } else { accepted1.recv(1024).await? };
        (waited, end)
    };
    t.call("accepted1.recv(1024)", received(&end));
    let state = State::of(&accepted1);
    t.call("accepted1.getsockopt(TCP_INFO)", state.name());

    // The library's client, which can end one direction and keep the other.
    let mut client2 = within("connect", Client::new(Addr::from(server.addr()?))?.connect()).await??;
    let from = match client2.local() {
        Some(Addr::Tcp { host: callbox::addr::Host::Ip(ip), port }) => (ip, port).into(),
        _ => return Err(Trouble::Late("getsockname")),
    };
    let accepted2 = server.accept(from).await?;
    within("shutdown", client2.shutdown()).await??;
    t.call("client2.shutdown(SHUT_WR)", both!("0: I send no more", "0：我不再发送"));
    let half_end = accepted2.recv(1024).await?;
    t.call("accepted2.recv(1024)", received(&half_end));
    let half_state = State::of(&accepted2);
    t.call("accepted2.getsockopt(TCP_INFO)", half_state.name());
    t.call("accepted2.send(\"thank you !\")", sent(&accepted2.send(THANKS).await?));
    let mut buffer = [0; 1024];
    let count = within("recv", client2.read(&mut buffer)).await??;
    let late = Ok(buffer[..count].to_vec());
    t.call("client2.recv(1024)", received(&late));
    t.remark(both!(
        "Not in the tutorial: 0 ends only what the client SENDS (a half-close).",
        "教程没有讲到：0 只说明客户端的发送方向已结束（半关闭）。",
    ));
    t.remark(both!(
        "The server can still send; after a close nobody receives it (client:4).",
        "服务器仍可以回复；只是对方若已 close，就没有人接收了（见 client:4）。",
    ));
    Ok(judge(&Seen { waited, end, state, half_end, half_state, late }))
}

fn judge(seen: &Seen) -> Verdict {
    Checks::new()
        .that(both!("recv waits while nothing comes", "没有数据时 recv 阻塞"), seen.waited)
        .same(both!("recv after close", "close 之后的 recv"), &seen.end, &Ok(Vec::new()))
        .state(both!("the state after close", "close 之后的状态"), seen.state, State::CLOSE_WAIT)
        .same(both!("recv after shutdown", "shutdown 之后的 recv"), &seen.half_end, &Ok(Vec::new()))
        .state(both!("the state after shutdown", "shutdown 之后的状态"), seen.half_state, State::CLOSE_WAIT)
        .same(both!("what the client still received", "客户端随后收到的数据"), &seen.late, &Ok(THANKS.to_vec()))
        .verdict()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tour::answer::Errno;
    use crate::tour::verdict::assert_judge;

    #[test]
    fn zero_ends_one_direction() {
        let good = Seen {
            waited: true,
            end: Ok(Vec::new()),
            state: State::CLOSE_WAIT,
            half_end: Ok(Vec::new()),
            half_state: State::CLOSE_WAIT,
            late: Ok(THANKS.to_vec()),
        };
        assert_judge(
            judge,
            &good,
            &[
                |seen| seen.waited = false,
                |seen| seen.end = Ok(b"x".to_vec()),
                |seen| seen.end = Err(Errno::CONNRESET),
                |seen| seen.state = State::ESTABLISHED,
                |seen| seen.half_end = Err(Errno::CONNRESET),
                |seen| seen.half_state = State::CLOSED,
                |seen| seen.late = Ok(Vec::new()),
            ],
        );
    }
}
