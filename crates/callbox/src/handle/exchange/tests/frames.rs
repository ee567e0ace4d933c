//! Answers that are frames.

use tokio::time::sleep;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_frame_is_the_answer_and_a_second_one_is_unasked() {
    let mut scene = Scene::begin(framed("ping", "line"));
    for number in 1..=2 {
        scene.turn(number);
        scene.expects(b"ping\n").await;
        scene.sends(b"pong\nmore\n").await;
        assert_eq!(scene.outcome().await, Outcome::Answered);
    }
    scene.over().await.expect("is no failure");
    assert_eq!(scene.unasked(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_began_before_the_exchange_is_not_its_answer() {
    let mut scene = Scene::begin(framed("ping", "length:u8"));
    scene.sends(b"\x05ne").await;
    sleep(Duration::from_millis(1)).await;
    scene.turn(1);
    scene.expects(b"\x04ping").await;
    scene.sends(b"ws!").await;
    sleep(Duration::from_millis(5)).await;
    assert!(scene.done.try_recv().is_err(), "it was not asked for");
    scene.sends(b"\x04po").await;
    scene.sends(b"ng").await;
    let done = scene.done().await;
    assert_eq!(done.outcome, Outcome::Answered);
    assert!((done.first_byte.expect("has come") - done.sent).as_millis() >= 5, "the answer's, not the other one's");
    scene.over().await.expect("is no failure");
    assert_eq!(scene.unasked(), 6);
}

#[tokio::test(start_paused = true)]
async fn what_lies_between_frames_is_neither_an_answer_nor_unasked() {
    for (framing, request, answer) in [
        ("json", &b"{\"a\":1}\n"[..], &b"\r\n {\"a\":1}\r\n"[..]),
        ("slip", b"{\"a\":1}\xc0", b"\xc0\xc0{\"a\":1}\xc0\xc0"),
    ] {
        let mut scene = Scene::begin(Dialogue { verify: Some(Verify::Echo), ..framed(r#"{{"a":1}}"#, framing) });
        for number in 1..=3 {
            scene.turn(number);
            scene.expects(request).await;
            for byte in answer {
                scene.sends(&[*byte]).await;
                sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(scene.outcome().await, Outcome::Answered, "{framing}");
        }
        scene.peer.shutdown().await.expect("ends");
        scene.over().await.expect("is no failure");
        assert_eq!(scene.unasked(), 0, "{framing}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_be_no_frame_loses_the_answer_and_ends_the_session() {
    for (framing, bytes, kind) in
        [("netstring", &b"x"[..], Kind::FrameMalformed), ("length:u32be", b"\xff\xff\xff\xff", Kind::FrameTooLarge)]
    {
        let mut scene = Scene::begin(framed("ping", framing));
        scene.turn(1);
        scene.peer.chunk().await.expect("reads");
        scene.sends(bytes).await;
        assert_eq!(scene.outcome().await, Outcome::Lost(kind));
        assert_eq!(scene.over().await.expect_err("no frame").kind(), kind);
        // Between exchanges none is lost.
        let mut scene = Scene::begin(framed("ping", framing));
        scene.sends(bytes).await;
        timeout(LONG, &mut scene.handling).await.expect("it ends").expect("no panic").expect_err("no frame");
        assert!(scene.done.try_recv().is_err(), "no turn was given");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_one_whatever_comes_behind_it() {
    let mut scene = Scene::begin(framed("ping", "netstring"));
    scene.turn(1);
    scene.expects(b"4:ping,").await;
    scene.sends(b"4:pong,garbage").await;
    let done = scene.done().await;
    assert_eq!((done.outcome, done.first_byte.is_some()), (Outcome::Answered, true));
    assert_eq!(scene.over().await.expect_err("no frame").kind(), Kind::FrameMalformed);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_decodes_to_nothing_is_wrong() {
    let mut scene = Scene::begin(framed("ping", "slip"));
    for (number, answer, due) in [(1, &b"a\xdbb\xc0"[..], Outcome::Wrong), (2, b"ab\xc0", Outcome::Answered)] {
        scene.turn(number);
        scene.expects(b"ping\xc0").await;
        scene.sends(answer).await;
        assert_eq!(scene.outcome().await, due);
    }
    scene.over().await.expect("its end was found");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_stream_completes_a_frame_or_loses_it() {
    for (framing, bytes, due) in [
        ("json", &b"12"[..], Outcome::Answered),
        ("idle:1s", b"12", Outcome::Answered),
        ("line", b"12", Outcome::Lost(Kind::Ended)),
        ("json", b"[12", Outcome::Lost(Kind::Ended)),
        ("json", b" ", Outcome::Lost(Kind::Ended)),
    ] {
        let mut scene = Scene::begin(framed("1", framing));
        scene.turn(1);
        scene.peer.chunk().await.expect("reads");
        scene.sends(bytes).await;
        scene.peer.shutdown().await.expect("ends");
        assert_eq!(scene.outcome().await, due, "{framing}");
        assert_eq!(scene.over().await.is_ok(), due == Outcome::Answered);
        assert_eq!(scene.unasked(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_frame_that_nobody_waits_for_is_unasked_at_the_end() {
    let mut scene = Scene::begin(framed("ping", "line"));
    scene.sends(b"by").await;
    scene.peer.shutdown().await.expect("ends");
    scene.over().await.expect("is no failure");
    assert_eq!(scene.unasked(), 2);
}
