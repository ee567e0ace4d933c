//! Answering and the desk, on in-memory pairs.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::report::SessionId;
use crate::text::Encoding;

fn serving(answer: Answer) -> (Stream, JoinHandle<Result<()>>) {
    let (client, server) = Stream::pair();
    let session = server.session().clone();
    (client, tokio::spawn(async move { answer.handle(session, server).await }))
}

fn text(text: &str) -> What {
    What::Text { template: Template::parse(text, Encoding::UTF_8).expect("good"), seed: 1 }
}

#[tokio::test]
async fn each_frame_is_answered_once_in_a_frame() {
    let framing: Framing = "line".parse().expect("good");
    let (mut client, serving) = serving(Answer::new(text("yes")).with_framing(framing));
    client.write_all(b"a\nb\nc").await.expect("writes");
    client.shutdown().await.expect("ends");
    serving.await.expect("no panic").expect("answers");
    assert_eq!(client.chunk().await.expect("reads").as_deref(), Some(&b"yes\nyes\n"[..]), "the unfinished c is not");
}

#[tokio::test]
async fn the_desk_talks_to_one_and_to_all() {
    let desk = Desk::new();
    let (mut client, serving) = serving(Answer::new(What::Nothing).with_desk(desk.clone()));
    client.write_all(b"hello").await.expect("writes");
    while desk.list().first().is_none_or(|seat| seat.last.is_empty()) {
        tokio::task::yield_now().await;
    }
    desk.order(SessionId(1), Order::Send(Bytes::from_static(b"to you"))).expect("it is there");
    assert_eq!(client.chunk().await.expect("reads").as_deref(), Some(&b"to you"[..]));
    assert_eq!(desk.order_all(&Order::Send(Bytes::from_static(b"all"))), (1, 0));
    assert_eq!(client.chunk().await.expect("reads").as_deref(), Some(&b"all"[..]));
    assert_eq!(desk.order(SessionId(2), Order::Close), Err(Refused::Gone));
    desk.order(SessionId(1), Order::Close).expect("it is there");
    serving.await.expect("no panic").expect("closes");
    assert!(desk.list().is_empty());
}

#[tokio::test]
async fn a_paused_session_is_not_read_from() {
    let desk = Desk::new();
    let (mut client, serving) = serving(Answer::new(What::Echo).with_desk(desk.clone()));
    client.write_all(b"a").await.expect("writes");
    client.chunk().await.expect("reads");
    desk.order(SessionId(1), Order::Pause).expect("it is there");
    // The pair holds 64 KiB: somebody must read for more to be written.
    let (mut reader, mut writer) = client.split();
    let flood = tokio::spawn(async move {
        writer.write_all(&vec![7; 1 << 20]).await.expect("is read in the end");
        writer.shutdown().await.expect("ends");
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!flood.is_finished());
    assert_eq!(desk.list()[0].session.meter().bytes(crate::direction::Direction::ToServer), 1);
    desk.order(SessionId(1), Order::Resume).expect("it is there");
    let mut echoed = 0;
    while let Some(chunk) = reader.chunk().await.expect("reads") {
        echoed += chunk.len();
        if echoed == 1 << 20 {
            break;
        }
    }
    flood.await.expect("no panic");
    serving.await.expect("no panic").expect("ends");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_ended_its_stream_may_still_be_answered_for_a_while() {
    let desk: Arc<Desk> = Desk::new();
    let (mut client, serving) = serving(Answer::new(What::Nothing).with_desk(desk.clone()));
    client.write_all(b"question").await.expect("writes");
    client.shutdown().await.expect("ends");
    while !desk.list().first().is_some_and(|seat| seat.has_ended) {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(50)).await;
    desk.order(SessionId(1), Order::Send(Bytes::from_static(b"answer"))).expect("it is there");
    assert_eq!(client.chunk().await.expect("reads").as_deref(), Some(&b"answer"[..]));
    let begun = Instant::now();
    serving.await.expect("no panic").expect("ends");
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_told_of() {
    let desk = Desk::new();
    let (_client, serving) = serving(Answer::new(What::Nothing).with_desk(desk.clone()));
    while desk.list().is_empty() {
        tokio::task::yield_now().await;
    }
    let chunk = Bytes::from(vec![0; 64 * 1024]);
    let mut orders = 0;
    let refused = loop {
        match desk.order(SessionId(1), Order::Send(chunk.clone())) {
            Ok(()) => orders += 1,
            Err(refused) => break refused,
        }
        tokio::task::yield_now().await;
        assert!(orders < 100, "the queue has a bound");
    };
    assert_eq!(refused, Refused::Full);
    serving.abort();
}

#[tokio::test(start_paused = true)]
async fn our_end_of_stream_is_followed_by_nothing_and_the_session_lives_on() {
    for what in [What::Nothing, What::Echo, text("yes")] {
        let desk = Desk::new();
        let (mut client, serving) = serving(Answer::new(what).with_desk(desk.clone()));
        while desk.list().is_empty() {
            tokio::task::yield_now().await;
        }
        desk.order(SessionId(1), Order::End).expect("it is there");
        assert_eq!(desk.order(SessionId(1), Order::Send("late".into())), Err(Refused::Ended));
        assert_eq!(desk.order_all(&Order::Send("late".into())), (0, 1));
        assert_eq!(client.chunk().await.expect("reads"), None);
        client.write_all(b"still read").await.expect("writes");
        while desk.list().first().expect("it is there").last != b"still read" {
            tokio::task::yield_now().await;
        }
        client.shutdown().await.expect("ends");
        // Both have ended: nobody waits for the desk.
        let closes = tokio::time::timeout(Duration::from_secs(10), serving).await;
        closes.expect("at once").expect("no panic").expect("closes");
    }
}

#[tokio::test]
async fn another_rule_holds_for_what_is_not_yet_a_frame_and_for_who_comes() {
    let desk = Desk::new();
    let answer = Answer::new(text("yes")).with_framing("length:u32be".parse().expect("good")).with_desk(desk.clone());
    let (mut client, serving) = serving(answer.clone());
    client.write_all(b"on").await.expect("writes");
    while desk.list().first().is_none_or(|seat| seat.session.meter().total_bytes() == 0) {
        tokio::task::yield_now().await;
    }
    assert_eq!(desk.recut(&"line".parse().expect("good")), 0);
    client.write_all(b"e\n").await.expect("writes");
    assert_eq!(client.chunk().await.expect("reads").as_deref(), Some(&b"yes\n"[..]));
    client.shutdown().await.expect("ends");
    serving.await.expect("no panic").expect("answers");
    let (mut client, serving) = self::serving(answer);
    client.write_all(b"two\n").await.expect("writes");
    assert_eq!(client.chunk().await.expect("reads").as_deref(), Some(&b"yes\n"[..]));
    drop(client);
    serving.await.expect("no panic").expect("answers");
}
