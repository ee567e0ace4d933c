//! How a session ended, explained.

use callbox::addr::Addr;
use callbox::direction::{Direction, Role};
use callbox::frame::Arrivals;
use callbox::report::{SessionReport, TcpFacts, TimeWait};
use callbox::termination::Termination;
use callbox::units::show_duration;

use super::{paragraph, plural};
use crate::lang::{Both, Lang, both};

/// Explains the end of a session, in one paragraph without a line break.
pub fn session(report: &SessionReport, lang: Lang) -> String {
    let mut sentences = vec![ending(report), counts(report)];
    if let Some(tcp) = &report.tcp {
        sentences.extend(unread(report, tcp));
        sentences.extend(unacknowledged(report, tcp));
    }
    sentences.extend(time_wait(report));
    let (id, body) = (report.session, paragraph(&sentences, lang));
    match lang {
        Lang::En => format!("{id} explained: {body}"),
        Lang::Zh => format!("{id} 说明：{body}"),
    }
}

fn side(role: Role) -> Both {
    match role {
        Role::Client => both!("the client", "客户端"),
        Role::Server => both!("the server", "服务器"),
    }
}

/// The side as whoever acted there: where callbox ended the session, its own side is callbox itself, and in a relay not the
/// server behind it.
fn actor(report: &SessionReport, role: Role) -> Both {
    match role == report.role && is_ours(report.termination) {
        true => both!("callbox", "callbox"),
        false => side(role),
    }
}

/// Tells whether the reason is callbox's own, and not what a peer or the network did.
fn is_ours(termination: Termination) -> bool {
    use Termination as T;
    let theirs = [T::ClientReset, T::ServerReset, T::ClientClosed, T::ServerClosed, T::PeerTimeout, T::IoError];
    !theirs.contains(&termination)
}

/// What ends a direction: only TCP has a FIN.
fn fin(report: &SessionReport) -> Both {
    match report.tcp.is_some() || matches!(report.peer, Addr::Tcp { .. }) {
        true => both!("FIN", " FIN"),
        false => both!("end of stream", "流结束"),
    }
}

/// Who ended first and how, with our own reason where it was ours.
fn ending(report: &SessionReport) -> Both {
    let how = match (report.termination, report.reset_by) {
        (Termination::ClientReset, _) => reset(report, Role::Client),
        (Termination::ServerReset, _) => reset(report, Role::Server),
        // Nobody has sent a FIN: the reset is all there was.
        (_, Some(who)) if !report.to_server_ended && !report.to_client_ended => reset(report, who),
        _ => order(report),
    };
    match report.termination {
        Termination::ClientReset | Termination::ServerReset | Termination::ClientClosed | Termination::ServerClosed => {
            both!("{how}.", "{how}。", how: how)
        }
        Termination::PeerTimeout => both!(
            "{peer} did not answer any more: neither its FIN nor a reset came, and the kernel gave the connection up \
             (keepalive or --user-timeout). Its machine may be off, or the way to it broken.",
            "{peer}不再应答：既没有收到它的 FIN，也没有收到复位（RST），内核放弃了这个连接（keepalive 或 --user-timeout）。\
             对方的机器可能已关机，或者线路已中断。",
            peer: side(report.role.other()),
        ),
        Termination::TlsTruncated => both!(
            "{peer} ended the connection without TLS's own word for the end (close_notify). A FIN alone anybody on the way can \
             forge, so bytes may be missing.",
            "{peer}结束了连接，却没有发送 TLS 自己的结束通知（close_notify）。仅凭 FIN 不足为信，途中任何人都能伪造，因此数据可能不完整。",
            peer: side(report.role.other()),
        ),
        Termination::TlsFailed => both!(
            "TLS failed: {peer} broke its rules, or ended it by an alert.",
            "TLS 失败：{peer}违反了它的规则，或以警报（alert）结束了它。",
            peer: side(report.role.other()),
        ),
        Termination::IoError => both!(
            "the system reported an error that is neither an end of stream nor a reset.",
            "系统报告了一个错误，它既不是流结束，也不是复位（RST）。",
        ),
        ours => both!(
            "callbox ended it, for {why}; {how}.",
            "callbox 结束了它，原因：{why}；{how}。",
            why: reason(ours), how: how,
        ),
    }
}

/// Our own reason, as a clause.
fn reason(termination: Termination) -> Both {
    match termination {
        Termination::CountReached => {
            both!("as many chunks or frames as asked for had come (--count)", "已收到所要求的块数或帧数（--count）")
        }
        Termination::ExpectMet => both!("what was expected had come (--expect)", "期待的内容已经收到（--expect）"),
        Termination::LingerOver => both!(
            "the time to stay after our end of stream was over (--linger)",
            "我们的流结束之后，等待的时间已到（--linger）",
        ),
        Termination::Timeout => {
            both!("the time for the whole run was over (--timeout)", "整个运行的时限已到（--timeout）")
        }
        Termination::IdleTimeout => {
            both!("no byte had gone either way for too long (--idle-timeout)", "太久没有任何字节往来（--idle-timeout）",)
        }
        Termination::HalfCloseTimeout => both!(
            "one direction had ended and the other was silent for too long (--half-close-timeout)",
            "一个方向已经结束，另一个方向太久没有动静（--half-close-timeout）",
        ),
        Termination::UpstreamRefused => both!("no upstream accepted the connection", "没有上游服务器接受连接"),
        Termination::UpstreamTimeout => {
            both!("no upstream answered in time (--connect-timeout)", "没有上游服务器及时应答（--connect-timeout）")
        }
        Termination::UpstreamUnreachable => {
            both!("the network could not get to any upstream", "网络无法到达任何上游服务器")
        }
        Termination::UpstreamNotFound => both!("the upstream's name has no address", "上游服务器的名称没有地址"),
        Termination::UpstreamFailed => both!("no upstream could be reached", "无法连接到任何上游服务器"),
        Termination::TargetDenied => {
            both!(
                "the client asked for a place where nobody is led to (--deny-target)",
                "客户端所要求的目的地不被允许（--deny-target）"
            )
        }
        Termination::HandshakeTimeout => {
            both!("the client did not say in time where it wants to go", "客户端没有及时说明它要去哪里")
        }
        Termination::HandshakeFailed => both!(
            "what the client said of where it wants to go, or of who it is, was not taken",
            "客户端说明的目的地或身份没有被接受",
        ),
        Termination::Fault => both!("a fault was asked for (--fault)", "这是所要求的故障（--fault）"),
        Termination::WriteStall => both!(
            "the peer had taken no byte for too long (--write-stall-timeout)",
            "对方太久没有接收任何字节（--write-stall-timeout）",
        ),
        Termination::FrameTooLarge => both!(
            "a frame, or the length it declared, was over the maximum (--max-frame)",
            "某一帧（或它声明的长度）超过了上限（--max-frame）",
        ),
        Termination::FrameMalformed => {
            both!("what came is no frame by the rule (--frame)", "收到的内容不符合帧规则（--frame）")
        }
        Termination::Drained => both!(
            "the server was stopping and the time for open sessions was over (--drain)",
            "服务器正在停止，留给未结束会话的时间已到（--drain）",
        ),
        Termination::Steered => both!("it was ended by whoever steers us", "操控者结束了它"),
        Termination::Aborted => both!("it was aborted on our side", "我们这一侧中止了它"),
        Termination::Signal => both!("a signal had come, such as Ctrl-C", "收到了信号，例如 Ctrl-C"),
        other => {
            let name = other.name();
            both!("a reason of its own ({name})", "它自身的原因（{name}）")
        }
    }
}

/// Whose end of stream was first, after how many bytes, and what the other side did.
fn order(report: &SessionReport) -> Both {
    let (client, server) = (report.to_server_ended, report.to_client_ended);
    // The kernel knows better than the order in which we saw it: the peer's FIN may have waited behind unread bytes.
    let first = match (report.time_wait, report.first_end) {
        (Some(TimeWait::Ours), _) => report.role,
        (Some(TimeWait::Theirs), _) => report.role.other(),
        (_, Some(Termination::ClientClosed)) => Role::Client,
        (_, Some(Termination::ServerClosed)) => Role::Server,
        _ if client != server => {
            if client {
                Role::Client
            } else {
                Role::Server
            }
        }
        _ => report.role,
    };
    let second = first.other();
    let (sent, second_ended) = match first {
        Role::Client => (report.to_server_bytes, server),
        Role::Server => (report.to_client_bytes, client),
    };
    // What arrived before the peer's FIN and was not read went before it all the same.
    let unread = report.tcp.as_ref().filter(|_| first != report.role).map_or(0, |tcp| tcp.unread_bytes);
    let bytes = sent + unread;
    let rest = match report.reset_by {
        Some(by) => both!(
            ", and then {by} reset the connection (RST){cause}", "，随后{by}复位了连接（RST）{cause}",
            by: actor(report, by), cause: cause(report, by),
        ),
        None if report.time_wait == Some(TimeWait::Both) => {
            both!(", and {second} did so at the same time", "，{second}也在同一时刻发送", second: side(second))
        }
        // What we have not ended ourselves, the close ends.
        None if !second_ended && second == report.role && is_ours(report.termination) => {
            both!(", and callbox ended the other direction by closing", "，另一个方向由 callbox 的关闭而结束")
        }
        None if second_ended || second == report.role => {
            both!(", and then {second} ended too", "，随后{second}也结束", second: side(second))
        }
        None => both!(
            "; {second} had not ended its direction yet", "；{second}的方向当时还没有结束",
            second: side(second),
        ),
    };
    both!(
        "{first} sent its {fin} first, after {bytes} B{rest}",
        "{first}先发送了{fin}（在 {bytes} 字节之后）{rest}",
        first: if sent_by_close(report, first) { actor(report, first) } else { side(first) }, fin: fin(report), rest: rest,
    )
}

fn reset(report: &SessionReport, who: Role) -> Both {
    both!(
        "{who} reset the connection (RST instead of FIN){cause}",
        "{who}复位了连接（发送的是 RST，而不是 FIN）{cause}",
        who: actor(report, who), cause: cause(report, who),
    )
}

/// Tells whether this side's end of stream goes with our close.
fn sent_by_close(report: &SessionReport, role: Role) -> bool {
    let ended = match role {
        Role::Client => report.to_server_ended,
        Role::Server => report.to_client_ended,
    };
    role == report.role && !ended
}

/// Why a reset comes: known where it was ours, usual where it was the peer's.
fn cause(report: &SessionReport, who: Role) -> Both {
    if who == report.role {
        let deliberate = matches!(report.termination, Termination::WriteStall | Termination::Aborted);
        let ended = match who {
            Role::Client => report.to_server_ended,
            Role::Server => report.to_client_ended,
        };
        return match report.tcp {
            Some(TcpFacts { unread_bytes: 1.., .. }) if !deliberate => {
                both!(", for it closed with bytes unread", "，因为关闭时还有未读的字节")
            }
            _ if ended => both!(
                ", for it closed with a linger time of zero before {peer} had ended",
                "，因为它在{peer}结束之前就以为零的 linger 时间关闭",
                peer: side(who.other()),
            ),
            _ => both!(", on purpose: it closed with a linger time of zero", "，这是有意的：关闭时 linger 时间为零",),
        };
    }
    both!(
        ": usually its program closed with bytes unread, aborted on purpose, or was gone already",
        "：通常是对方程序关闭时还有未读的字节、有意中止，或者早已退出",
    )
}

/// Bytes and chunks each way, the round trip, what was sent again.
fn counts(report: &SessionReport) -> Both {
    let way = |bytes: u64, chunks: u64, direction| match bytes {
        0 => both!("nothing", "没有字节"),
        _ => {
            let s = plural(chunks);
            let frames = report.frames.as_ref().map_or("".into(), |frames| framed(frames.of(direction)));
            both!("{bytes} B in {chunks} chunk{s}{frames}", "{bytes} 字节（{chunks} 块{frames}）", frames: frames)
        }
    };
    both!(
        "{up} went to the server and {down} to the client{tcp}.",
        "发往服务器：{up}；发往客户端：{down}{tcp}。",
        up: capitalized(way(report.to_server_bytes, report.to_server_chunks, Direction::ToServer)),
        down: way(report.to_client_bytes, report.to_client_chunks, Direction::ToClient),
        tcp: report.tcp.as_ref().map_or("".into(), line),
    )
}

/// How the chunks' bytes were cut, where there was a framer: split and sticky frames are what people wonder about.
fn framed(arrivals: &Arrivals) -> Both {
    let Arrivals { frames, split, merged, .. } = arrivals;
    let s = plural(*frames);
    match (frames, split + merged) {
        (0, _) => "".into(),
        (_, 0) => both!(", which were {frames} frame{s},", "，{frames} 帧"),
        _ => both!(
            ", which were {frames} frame{s} ({split} split over chunks, {merged} merged in one),",
            "，{frames} 帧：{split} 帧被拆开，{merged} 帧粘在一起"
        ),
    }
}

fn capitalized(text: Both) -> Both {
    let mut chars = text.en.chars();
    let en = chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect());
    Both { en, ..text }
}

/// What the way there was like.
fn line(tcp: &TcpFacts) -> Both {
    let time = show_duration(tcp.round_trip);
    let round_trip = match tcp.round_trip.is_zero() {
        true => both!("no round trip was measured", "没有测到往返时间"),
        false => both!("a round trip took {time}", "往返时间 {time}"),
    };
    let count = tcp.retransmissions;
    let again = match count {
        0 => both!("nothing was sent again", "没有重传"),
        1 => both!("1 segment was sent again", "重传了 1 个报文段"),
        _ => both!("{count} segments were sent again", "重传了 {count} 个报文段"),
    };
    both!("; {round_trip}, {again}", "；{round_trip}，{again}", round_trip: round_trip, again: again)
}

fn unread(report: &SessionReport, tcp: &TcpFacts) -> Option<Both> {
    let bytes = tcp.unread_bytes;
    let resets = report.reset_by == Some(report.role);
    match (bytes, resets) {
        (0, _) => None,
        (_, true) => Some(both!(
            "{bytes} B had arrived and were never read: then close sends a reset, and the peer may lose what it had \
             not received yet.",
            "有 {bytes} 字节已到达却没有被读取：这时 close 会发送复位，对方还没有收到的数据也可能丢失。",
        )),
        (_, false) => Some(both!("{bytes} B had arrived and were never read.", "有 {bytes} 字节已到达却没有被读取。",)),
    }
}

fn unacknowledged(report: &SessionReport, tcp: &TcpFacts) -> Option<Both> {
    let bytes = tcp.unacknowledged_bytes;
    let over = report.reset_by.is_some() || report.time_wait == Some(TimeWait::Nobody);
    match (bytes, over) {
        (0, _) => None,
        (_, true) => Some(both!(
            "{bytes} B that we sent were not acknowledged and may be lost.",
            "我们发送的 {bytes} 字节没有得到确认，可能已丢失。",
        )),
        (_, false) => Some(both!(
            "{bytes} B that we sent were not acknowledged yet; after the close the kernel goes on sending them.",
            "我们发送的 {bytes} 字节还没有得到确认；关闭之后内核会继续发送。",
        )),
    }
}

/// How long Linux keeps it, in seconds (`TCP_TIMEWAIT_LEN`).
const TIME_WAIT_SECS: u64 = 60;

/// On whose side `TIME_WAIT` stays, and what that means for the next bind.
fn time_wait(report: &SessionReport) -> Option<Both> {
    let peer = report.peer.to_string();
    let ours = report.local.as_ref().map_or_else(String::new, ToString::to_string);
    let peer_ended = match report.role {
        Role::Client => report.to_client_ended,
        Role::Server => report.to_server_ended,
    };
    let (us, them) = (side(report.role), side(report.role.other()));
    let begin = match report.time_wait {
        Some(TimeWait::Nobody) if report.reset_by.is_none() => {
            return Some(both!(
                "No TIME_WAIT stays on our side: the port can be bound again at once.",
                "我们这一侧没有留下 TIME_WAIT：端口可以立即再次绑定。",
            ));
        }
        Some(TimeWait::Nobody) => {
            return Some(both!(
                "A reset leaves no TIME_WAIT on either side: nothing of this connection stands in the way of the next bind.",
                "复位之后两侧都不留下 TIME_WAIT：下一次绑定不受这个连接影响。",
            ));
        }
        Some(TimeWait::Theirs) => both!(
            "TIME_WAIT stays with {them} at {peer}, not here", "TIME_WAIT 留在{them}一侧（{peer}），不在我们这里",
            them: them,
        ),
        Some(TimeWait::Ours) if peer_ended => both!(
            "TIME_WAIT stays with {us}, here at {ours}, for {TIME_WAIT_SECS} s",
            "TIME_WAIT 留在{us}一侧，也就是我们这里（{ours}），持续 {TIME_WAIT_SECS} 秒",
            us: us,
        ),
        Some(TimeWait::Ours) => both!(
            "Once {them} ends too, TIME_WAIT stays with {us}, here at {ours}, for {TIME_WAIT_SECS} s",
            "等{them}也结束后，TIME_WAIT 留在{us}一侧，也就是我们这里（{ours}），持续 {TIME_WAIT_SECS} 秒",
            them: them, us: us,
        ),
        Some(TimeWait::Both) => both!(
            "The FINs crossed, so TIME_WAIT stays on both sides, here at {ours} for {TIME_WAIT_SECS} s",
            "两个 FIN 交叉，所以两侧都留下 TIME_WAIT，我们这里（{ours}）持续 {TIME_WAIT_SECS} 秒",
        ),
        None if matches!(report.peer, Addr::Unix(_)) => {
            return Some(both!(
                "A Unix socket has no round trips, no segments and no TIME_WAIT.",
                "Unix 套接字没有往返时间、报文段和 TIME_WAIT。",
            ));
        }
        None => return None,
    };
    let means = next_bind(report);
    Some(both!("{begin}: {means}.", "{begin}：{means}。", begin: begin, means: means))
}

/// What a `TIME_WAIT` means for the next bind of the server's port.
fn next_bind(report: &SessionReport) -> Both {
    let at_server = match report.time_wait {
        Some(TimeWait::Ours) => report.role == Role::Server,
        Some(TimeWait::Theirs) => report.role == Role::Client,
        _ => true,
    };
    match (at_server, report.role) {
        (false, Role::Server) => both!(
            "this connection does not keep the server's port from being bound again at once",
            "这个连接不妨碍服务器的端口立即再次绑定",
        ),
        (false, Role::Client) => both!(
            "the server's port can be bound again at once, and the next connection from here takes another port",
            "服务器的端口可以立即再次绑定，从这里发起的下一个连接会使用另一个端口",
        ),
        (true, Role::Server) => both!(
            "until then a bind of this port without SO_REUSEADDR, such as the tutorial's, fails with \"address already \
             in use\"; callbox sets it and can bind again at once",
            "在此之前，不设置 SO_REUSEADDR 就绑定这个端口（教程里的服务器正是如此）会失败：\"address already in use\"；\
             callbox 设置了它，可以立即再次绑定",
        ),
        (true, Role::Client) => both!(
            "there a bind of the server's port without SO_REUSEADDR, such as the tutorial's, fails with \"address \
             already in use\" until it is over ({TIME_WAIT_SECS} s on Linux)",
            "在那里，不设置 SO_REUSEADDR 就绑定服务器的端口（教程里的服务器正是如此）会失败：\"address already in use\"，\
             直到 TIME_WAIT 结束（Linux 上为 {TIME_WAIT_SECS} 秒）",
        ),
    }
}

#[cfg(test)]
mod tests;
