//! The sentences, by table.

use std::net::SocketAddr;
use std::time::Duration;

use callbox::report::SessionId;

use super::*;

/// A server's session that the client ended after `hello` and `thank you !`.
fn report() -> SessionReport {
    let addr = |text: &str| Addr::from(text.parse::<SocketAddr>().expect("good"));
    SessionReport {
        session: SessionId(1),
        role: Role::Server,
        peer: addr("127.0.0.1:51234"),
        local: Some(addr("127.0.0.1:8848")),
        termination: Termination::ClientClosed,
        first_end: Some(Termination::ClientClosed),
        to_server_ended: true,
        to_client_ended: true,
        reset_by: None,
        to_server_bytes: 5,
        to_client_bytes: 11,
        to_server_chunks: 1,
        to_client_chunks: 2,
        frames: None,
        duration: Duration::from_millis(3),
        tcp: Some(TcpFacts {
            state: 7,
            round_trip: Duration::from_micros(21),
            round_trip_variation: Duration::from_micros(7),
            congestion_window: 10,
            retransmissions: 0,
            acknowledged_bytes: 11,
            unread_bytes: 0,
            unacknowledged_bytes: 0,
        }),
        time_wait: Some(TimeWait::Theirs),
    }
}

fn tcp(unread_bytes: u64, unacknowledged_bytes: u64, retransmissions: u32) -> Option<TcpFacts> {
    Some(TcpFacts { unread_bytes, unacknowledged_bytes, retransmissions, ..report().tcp.expect("TCP") })
}

#[test]
fn a_whole_paragraph_reads_like_this() {
    assert_eq!(
        session(&report(), Lang::En),
        "#1 explained: the client sent its FIN first, after 5 B, and then the server ended too. 5 B in 1 chunk went to \
         the server and 11 B in 2 chunks to the client; a round trip took 21 us, nothing was sent again. TIME_WAIT stays \
         with the client at 127.0.0.1:51234, not here: this connection does not keep the server's port from being bound \
         again at once."
    );
    assert_eq!(
        session(&report(), Lang::Zh),
        "#1 说明：客户端先发送了 FIN（在 5 字节之后），随后服务器也结束。发往服务器：5 字节（1 块）；发往客户端：11 字节（2 块）；\
         往返时间 21 us，没有重传。TIME_WAIT 留在客户端一侧（127.0.0.1:51234），不在我们这里：\
         这个连接不妨碍服务器的端口立即再次绑定。"
    );
}

/// A report with words that its explanation has, in English and in Chinese.
type Row = (SessionReport, &'static [&'static str], &'static [&'static str]);

#[track_caller]
fn holds(table: &[Row]) {
    for (report, english, chinese) in table {
        for (lang, wanted) in [(Lang::En, english), (Lang::Zh, chinese)] {
            let text = session(report, lang);
            for words in *wanted {
                assert!(text.contains(words), "{words:?} in {text}");
            }
        }
    }
}

#[test]
fn each_end_of_stream_says_where_time_wait_stays() {
    holds(&[
        (
            SessionReport { time_wait: Some(TimeWait::Ours), termination: Termination::ServerClosed, ..report() },
            &[
                "the server sent its FIN first, after 11 B",
                "stays with the server, here at 127.0.0.1:8848, for 60 s",
                "without SO_REUSEADDR",
                "callbox sets it",
            ],
            &["服务器先发送了 FIN（在 11 字节之后）", "持续 60 秒", "callbox 设置了它"],
        ),
        (
            SessionReport { role: Role::Client, time_wait: Some(TimeWait::Ours), ..report() },
            &["stays with the client, here at", "the server's port can be bound again at once"],
            &["服务器的端口可以立即再次绑定"],
        ),
        (
            SessionReport { role: Role::Client, ..report() },
            &["stays with the server at 127.0.0.1:51234, not here", "there a bind of the server's port"],
            &["在那里", "Linux 上为 60 秒"],
        ),
        (
            SessionReport { role: Role::Client, to_client_ended: false, time_wait: Some(TimeWait::Ours), ..report() },
            &[
                "; the server had not ended its direction yet",
                "Once the server ends too, TIME_WAIT stays with the client",
            ],
            &["服务器的方向当时还没有结束", "等服务器也结束后"],
        ),
        (
            SessionReport { time_wait: Some(TimeWait::Both), ..report() },
            &["and the server did so at the same time", "TIME_WAIT stays on both sides"],
            &["也在同一时刻发送", "两侧都留下 TIME_WAIT"],
        ),
    ]);
}

#[test]
fn resets_and_what_was_left_have_their_words() {
    holds(&[
        (
            SessionReport {
                termination: Termination::ClientReset,
                reset_by: Some(Role::Client),
                time_wait: Some(TimeWait::Nobody),
                tcp: tcp(0, 7, 2),
                ..report()
            },
            &[
                "the client reset the connection (RST instead of FIN): usually its program",
                "2 segments were sent again",
                "7 B that we sent were not acknowledged and may be lost",
                "leaves no TIME_WAIT",
            ],
            &["客户端复位了连接", "重传了 2 个报文段", "7 字节没有得到确认，可能已丢失", "不留下 TIME_WAIT"],
        ),
        (
            SessionReport {
                reset_by: Some(Role::Server),
                to_client_ended: false,
                time_wait: Some(TimeWait::Nobody),
                tcp: tcp(9, 0, 1),
                ..report()
            },
            &[
                "and then the server reset the connection (RST), for it closed with bytes unread",
                "9 B had arrived and were never read: then close sends a reset",
                "1 segment was sent again",
            ],
            &["因为关闭时还有未读的字节", "有 9 字节已到达却没有被读取"],
        ),
        (
            SessionReport {
                termination: Termination::Drained,
                first_end: Some(Termination::ServerClosed),
                reset_by: Some(Role::Server),
                to_server_ended: false,
                time_wait: Some(TimeWait::Nobody),
                ..report()
            },
            &[
                "callbox ended it, for the server was stopping",
                "the server sent its FIN first, after 11 B, and then callbox reset the connection (RST), for it \
                 closed with a linger time of zero before the client had ended.",
            ],
            &["服务器正在停止", "因为它在客户端结束之前就以为零的 linger 时间关闭"],
        ),
        (
            SessionReport { to_client_ended: false, tcp: tcp(0, 3, 0), ..report() },
            &["and then the server ended too", "3 B that we sent were not acknowledged yet; after the close"],
            &["3 字节还没有得到确认"],
        ),
        (
            SessionReport { peer: Addr::Unix("/tmp/a".into()), tcp: None, time_wait: None, ..report() },
            &["the client sent its end of stream first", "to the client. A Unix socket has no round trips"],
            &["先发送了流结束", "Unix 套接字没有往返时间"],
        ),
        (
            SessionReport { to_client_bytes: 0, to_client_chunks: 0, ..report() },
            &["5 B in 1 chunk went to the server and nothing to the client"],
            &["发往客户端：没有字节"],
        ),
    ]);
}

#[test]
fn what_callbox_did_is_not_told_of_a_server_behind_it() {
    holds(&[
        (
            SessionReport { termination: Termination::HalfCloseTimeout, to_client_ended: false, ..report() },
            &["the client sent its FIN first, after 5 B, and callbox ended the other direction by closing."],
            &["另一个方向由 callbox 的关闭而结束"],
        ),
        (
            SessionReport {
                termination: Termination::Fault,
                reset_by: Some(Role::Server),
                first_end: None,
                to_server_ended: false,
                to_client_ended: false,
                ..report()
            },
            &["for a fault was asked for (--fault); callbox reset the connection (RST instead of FIN), on purpose"],
            &["callbox复位了连接"],
        ),
    ]);
}

#[test]
fn every_termination_has_a_sentence_and_none_falls_back_on_its_name() {
    for &termination in Termination::ALL {
        for reset_by in [None, Some(Role::Server), Some(Role::Client)] {
            let report = SessionReport { termination, reset_by, ..report() };
            for lang in [Lang::En, Lang::Zh] {
                let text = session(&report, lang);
                assert!(!text.contains(&format!("({})", termination.name())), "{text}");
                assert!(!text.contains("..") && !text.contains("。。") && !text.contains('\n'), "{text}");
            }
        }
    }
}
