//! Note 4: TCP must connect before it can talk, UDP just sends.

use tokio::net::UdpSocket;

use super::answer::{Errno, Outcome, errno, received, sent};
use super::transcript::Transcript;
use super::verdict::{Checks, Verdict};
use super::wire::{Trouble, connect, loopback, needed, send_now, server, socket, within};
use super::{Fact, HELLO, Part};
use crate::lang::both;

/// Note 4.
pub(crate) static CONNECT_FIRST: Fact = Fact {
    name: "4",
    part: Part::Notes,
    en: "TCP must connect before it can talk; UDP just sends",
    zh: "TCP 必须先连接才能通信，UDP 不需要连接，直接发送",
    perform: |transcript| Box::pin(perform(transcript)),
};

#[derive(Clone)]
struct Seen {
    tcp_before: Outcome<usize>,
    tcp_after: Outcome<usize>,
    tcp_arrived: Outcome<Vec<u8>>,
    udp: Outcome<usize>,
    udp_arrived: Outcome<Vec<u8>>,
}

async fn perform(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = server()?;
    let addr = server.addr()?;
    let tcp = socket()?;
    let tcp_before = send_now(&tcp, HELLO)?;
    t.call("tcp.send(\"hello\")", sent(&tcp_before));
    let tcp = needed("connect", connect(tcp, addr).await?)?;
    t.call(format!("tcp.connect({addr})"), "0");
    let tcp_after = tcp.send(HELLO).await?;
    t.call("tcp.send(\"hello\")", sent(&tcp_after));
    let tcp_arrived = server.accept(tcp.local()?).await?.recv(1024).await?;
    t.call("accepted.recv(1024)", received(&tcp_arrived));

    let receiver = UdpSocket::bind(loopback()).await?;
    let sender = UdpSocket::bind(loopback()).await?;
    let (from, to) = (sender.local_addr()?, receiver.local_addr()?);
    let udp = within("sendto", sender.send_to(HELLO, to)).await?.map_err(|error| errno(&error));
    t.call(format!("udp.sendto({to})"), sent(&udp));
    let mut buffer = [0; 1024];
    let udp_arrived = loop {
        match within("recvfrom", receiver.recv_from(&mut buffer)).await? {
            Ok((count, peer)) if peer == from => break Ok(buffer[..count].to_vec()),
            // Somebody else's.
            Ok(_) => {}
            Err(error) => break Err(errno(&error)),
        }
    };
    t.call("receiver.recvfrom(1024)", received(&udp_arrived));
    t.remark(both!(
        "UDP sends without connecting; nobody tells it whether that arrived.",
        "UDP 不连接就直接发送；但是否送达，它无从得知。",
    ));
    Ok(judge(&Seen { tcp_before, tcp_after, tcp_arrived, udp, udp_arrived }))
}

fn judge(seen: &Seen) -> Verdict {
    // Linux says EPIPE, other systems ENOTCONN.
    let refused = matches!(seen.tcp_before, Err(Errno::PIPE | Errno::NOTCONN));
    Checks::new()
        .that(both!("TCP send fails before connect", "connect 之前 TCP 的 send 失败"), refused)
        .same(both!("TCP send after connect", "connect 之后 TCP 的 send"), &seen.tcp_after, &Ok(HELLO.len()))
        .same(both!("what came over TCP", "TCP 收到的数据"), &seen.tcp_arrived, &Ok(HELLO.to_vec()))
        .same(both!("UDP sendto", "UDP 的 sendto"), &seen.udp, &Ok(HELLO.len()))
        .same(both!("what came over UDP", "UDP 收到的数据"), &seen.udp_arrived, &Ok(HELLO.to_vec()))
        .verdict()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tour::verdict::assert_judge;

    #[test]
    fn tcp_needs_a_connection_and_udp_none() {
        let good = Seen {
            tcp_before: Err(Errno::PIPE),
            tcp_after: Ok(5),
            tcp_arrived: Ok(HELLO.to_vec()),
            udp: Ok(5),
            udp_arrived: Ok(HELLO.to_vec()),
        };
        assert_judge(
            judge,
            &good,
            &[
                |seen| seen.tcp_before = Ok(5),
                |seen| seen.tcp_before = Err(Errno::CONNREFUSED),
                |seen| seen.tcp_after = Err(Errno::PIPE),
                |seen| seen.tcp_arrived = Ok(Vec::new()),
                |seen| seen.udp = Err(Errno::NOTCONN),
                |seen| seen.udp_arrived = Ok(Vec::new()),
            ],
        );
    }
}
